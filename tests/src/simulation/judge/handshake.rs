//! Listeners and handshakes: nobody who was reached is lost on the way in (I3, I4, I5, I18).

use super::{EXACT, Findings, RECHECK, Times, may_be_full};
use crate::simulation::kernel::{Record, Reset};
use crate::simulation::script::{AcceptError, Listing, MS, Micros, Owner, Seal};
use crate::simulation::world::Run;

/// What a listener was sealed by.
fn rung(run: &Run, listener: usize) -> Option<(Micros, Seal)> {
    let net = &run.script.net;
    let seals = &run.listeners[listener].seals;
    let granted = |seal: Seal| match seal {
        Seal::Interface => net.interface,
        Seal::Filter => net.filter,
        Seal::Plain => false,
    };
    let (at, last) = *seals.last()?;
    Some((at, if granted(last) { last } else { Seal::Plain }))
}

/// For how long a listener waits for handshakes that have begun.
fn window(run: &Run) -> Micros {
    match run.script.net.owner {
        Owner::Grouped => run.script.windows.seal_max_group,
        _ => run.script.windows.seal_max,
    }
}

pub(super) fn check_listener(run: &Run, server: usize, times: &Times, findings: &mut Findings) {
    let net = &run.script.net;
    let listener = run.servers[server].listener;
    let record = &run.listeners[listener];
    if net.owner == Owner::Shared {
        findings.check(
            record.seals.is_empty(),
            "I18 a shared listener is left alone",
            || format!("{:?}", record.seals),
        );
        return;
    }
    let early = record.seals.iter().any(|(at, _)| *at < times.sealing);
    findings.check(!early, "I17 lame duck accepts", || {
        format!(
            "sealed at {:?}, sealing began at {}",
            record.seals, times.sealing
        )
    });
    let closed = record.closed.unwrap_or(super::NEVER);
    let failed = record.failed[server].is_some();
    findings.check(
        closed >= times.sealing.min(times.over) || failed,
        "I17 lame duck accepts",
        || format!("closed at {closed}, sealing began at {}", times.sealing),
    );
    findings.check(closed <= times.over, "I20 nothing remains", || {
        format!("listener {listener} is still open after {}", times.over)
    });
    if failed || times.forced <= times.sealing || net.owner == Owner::Unix {
        return;
    }
    check_ladder(run, listener, times, findings);
    check_window(run, listener, times, findings);
}

/// The rungs are tried in their order, from the first until one is granted, at once.
fn check_ladder(run: &Run, listener: usize, times: &Times, findings: &mut Findings) {
    let net = &run.script.net;
    let mut expected = Vec::new();
    for (rung, granted) in [(Seal::Interface, net.interface), (Seal::Filter, net.filter)] {
        if rung >= net.first {
            expected.push((times.sealing, rung));
            if granted {
                break;
            }
        }
    }
    let seals = &run.listeners[listener].seals;
    findings.check(*seals == expected, "§4 the ladder is climbed down", || {
        format!("{seals:?} instead of {expected:?}")
    });
}

/// It is closed once nobody is in the middle of a handshake, and no sooner.
fn check_window(run: &Run, listener: usize, times: &Times, findings: &mut Findings) {
    let net = &run.script.net;
    let record = &run.listeners[listener];
    let (Some((sealed, rung)), Some(closed)) = (rung(run, listener), record.closed) else {
        return;
    };
    if may_be_full(run) || times.forced < closed {
        return;
    }
    let waits = rung != Seal::Plain;
    let unlisted = net.listing == Listing::Unknown || (net.cookies && rung == Seal::Filter);
    let over = sealed + window(run);
    let mut latest = if waits { over } else { sealed };
    let slow = match net.listing {
        Listing::Slow(takes) => takes,
        _ => 0,
    };
    if waits && !unlisted {
        // Until the second look whoever is in the middle of a handshake counts.
        let second = times.heard(sealed + MS + 2 * slow) + MS;
        let ours = |record: &&Record| record.answered.is_some_and(|(at, _)| at <= second);
        let complete = run.records.iter().filter(ours).map(|record| {
            let complete = record.queued.map(|(at, _)| at);
            complete
                .or(record.was_reset.map(|(at, _)| at))
                .unwrap_or(over)
        });
        let last = times.heard(complete.max().unwrap_or(sealed).max(sealed));
        latest = latest.min(last + RECHECK + 3 * slow);
    }
    let stalled = if times.stalled() > 0 {
        RECHECK + 3 * slow
    } else {
        0
    };
    let due = times.due(latest) + stalled;
    findings.check(closed <= due, "I12 I14 a listener ends in time", || {
        format!("listener {listener}, sealed at {sealed}, is closed at {closed}, not by {latest}")
    });
}

/// Whether a server's end is a reason for losing somebody at `at`.
fn excuse(run: &Run, listener: usize, at: Micros) -> bool {
    let owners = (0..run.servers.len()).filter(|server| run.servers[*server].listener == listener);
    let failed = run.listeners[listener]
        .failed
        .iter()
        .flatten()
        .any(|failed| *failed <= at);
    failed
        || owners
            .map(|server| Times::of(run, server))
            .any(|times| times.forced <= at)
}

pub(super) fn check_client(run: &Run, client: usize, findings: &mut Findings) {
    let record = &run.records[client];
    check_acceptance(run, client, findings);
    let Some((at, reset)) = record.was_reset else {
        return;
    };
    let Some((answered, listener)) = record.answered else {
        return check_refusal(run, client, findings);
    };
    if !matches!(reset, Reset::HalfOpen | Reset::Queued) || record.accepted.is_some() {
        return;
    }
    // It may have been handed to another listener, which lost it.
    let listener = (0..run.listeners.len())
        .find(|other| run.listeners[*other].lost.contains(&client))
        .unwrap_or(listener);
    let closed = run.listeners[listener].closed.unwrap_or(at);
    // A listener that was closed by force hands on whom the other one does not wait for.
    let forced = record
        .answered
        .is_some_and(|(_, first)| excuse(run, first, at));
    if excuse(run, listener, closed.min(at)) || (record.migrated && forced) {
        return;
    }
    let net = &run.script.net;
    let (sealed, rung) = rung(run, listener).unwrap_or((closed, Seal::Plain));
    let cookies = net.cookies && rung != Seal::Filter;
    let too_late = at + EXACT >= sealed + window(run);
    let allowed = reset == Reset::HalfOpen && (rung == Seal::Plain || cookies || too_late);
    findings.check(allowed, "I0 I4 nobody who was reached is lost", || {
        format!(
            "client {client}, answered at {answered}, is reset at {at} ({reset:?}) by listener \
             {listener}, sealed at {sealed} by {rung:?}"
        )
    });
}

/// A SYN that comes after the seal of the first rung is refused, no other one is.
fn check_refusal(run: &Run, client: usize, findings: &mut Findings) {
    let record = &run.records[client];
    let at = record.syns.last().copied().unwrap_or(0);
    let late = run.servers.iter().enumerate().all(|(server, server_run)| {
        let listener = &run.listeners[server_run.listener];
        let sealed = listener.seals.first().map(|(at, _)| *at);
        let is_there = run.script.servers[server].start <= at;
        !is_there || sealed.or(listener.closed).is_some_and(|end| end <= at)
    });
    findings.check(late, "I17 who comes before the seal is answered", || {
        format!("client {client} is refused at {at}")
    });
}

/// Who waits is accepted at once, or turned away.
fn check_acceptance(run: &Run, client: usize, findings: &mut Findings) {
    let net = &run.script.net;
    let record = &run.records[client];
    let Some((queued, listener)) = record.queued else {
        return;
    };
    let accepted = record.accepted.map(|(at, _, _)| at);
    if let (Some((at, by, server)), Owner::Shared) = (record.accepted, net.owner) {
        let times = Times::of(run, server);
        findings.check(at <= times.sealing, "I3 I18 it stops accepting", || {
            format!(
                "listener {by} is accepted from at {at}, after {}",
                times.sealing
            )
        });
        return;
    }
    if net.owner == Owner::Shared || record.migrated || may_be_full(run) {
        return;
    }
    let Some(server) = run.servers.iter().position(|s| s.listener == listener) else {
        return;
    };
    let times = Times::of(run, server);
    let lost = record.was_reset.map(|(at, _)| at);
    let retries = net
        .accept_errors
        .iter()
        .any(|(_, error)| *error != AcceptError::Invalid);
    let slack = if retries { MS } else { 0 };
    let by = times.due(queued.max(run.script.servers[server].start)) + slack;
    let end = accepted.or(lost).unwrap_or(super::NEVER);
    findings.check(
        end <= by || times.over <= by || run.listeners[listener].failed[server].is_some(),
        "I9 I14 who waits is accepted",
        || format!("client {client} waits from {queued} until {end}"),
    );
}

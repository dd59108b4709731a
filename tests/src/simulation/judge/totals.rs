//! The report, the drain's length, and what is left (I7, I10, I12, I14, I20, I22).

use super::exchange::Connection;
use super::{Findings, NEVER, Times, may_be_full};
use crate::simulation::account::Account;
use crate::simulation::handler::Dispatched;
use crate::simulation::kernel::Reset;
use crate::simulation::reader::Framing;
use crate::simulation::script::{Handler, Listing, Micros, Owner, Seal};
use crate::simulation::world::{Ended, Run};

pub(super) fn check(run: &Run, server: usize, times: &Times, findings: &mut Findings) {
    let server_run = &run.servers[server];
    let left = server_run
        .dispatched
        .iter()
        .filter(|one| one.dropped.is_none_or(|dropped| dropped > times.over));
    let left = left.count();
    findings.check(left == 0, "I20 nothing remains", || {
        format!("{left} handlers of server {server} are still there")
    });
    let mut twice = server_run
        .dispatched
        .iter()
        .map(|one| (one.client, one.number));
    let mut seen = std::collections::BTreeSet::new();
    findings.check(
        twice.all(|one| seen.insert(one)),
        "I7 each is dispatched once",
        || format!("server {server}"),
    );
    let connections = run.records.len() as u64 + 1;
    findings.check(server_run.spins < 1_000, "I14 it does not spin", || {
        format!(
            "server {server} is polled {} times at one moment",
            server_run.spins
        )
    });
    // Between two connections' windows it may be woken for what has moved meanwhile.
    let most = 60 + 40 * connections + 4 * server_run.dispatched.len() as u64;
    let sealing = run.listeners[server_run.listener]
        .closed
        .unwrap_or(times.over);
    let looks = sealing.saturating_sub(times.sealing) / 1_000;
    findings.check(
        server_run.timers <= most + looks,
        "I14 it does not poll",
        || format!("server {server} has had {} timers", server_run.timers),
    );
    if let (Some(account), Some((_, Ended::Done))) = (&server_run.account, server_run.ended) {
        check_account(run, server, times, account, findings);
        check_length(run, server, times, findings);
    }
}

/// What is written, client by client.
fn connections<'a>(run: &'a Run, times: &'a Times) -> Vec<Connection<'a>> {
    let mut nothing = Findings::default();
    (0..run.records.len())
        .filter(|client| {
            let accepted = run.records[*client].accepted;
            accepted.is_some_and(|(_, _, by)| by == times.server)
        })
        .filter_map(|client| Connection::new(run, client, times, &mut nothing))
        .collect()
}

/// What is wrong with a report.
const RULE: &str = "I22 the report is right";

fn check_account(
    run: &Run,
    server: usize,
    times: &Times,
    account: &Account,
    findings: &mut Findings,
) {
    let accepted = run.listeners[run.servers[server].listener].accepted[server];
    let dispatched = run.servers[server].dispatched.len() as u64;
    let fates = account.completed
        + account.truncated
        + account.aborted
        + account.vanished
        + account.panicked;
    for (name, said, is) in [
        ("accepted", account.accepted, accepted),
        ("ended", account.ended(), accepted),
        ("dispatched", account.dispatched, dispatched),
        (
            "described",
            account.described,
            account.outcomes.get("aborted").copied().unwrap_or(0),
        ),
        ("fates", fates, dispatched),
        (
            "lost in queue",
            account.lost_in_queue,
            lost_in_queue(run, server),
        ),
    ] {
        // That a sealed sibling takes over a queue cannot be seen beforehand.
        let may_differ = name == "lost in queue" && run.script.net.migrate && said > is;
        findings.check(said == is || may_differ, RULE, || {
            format!("server {server} says {name} {said}, not {is}: {account:?}")
        });
    }
    findings.check(account.listener_ended, RULE, || {
        format!("server {server} is done and says that its listener is not")
    });
    if let Some(is) = lost_in_handshake(run, server, times) {
        let said = account.lost_in_handshake;
        // One may have completed it since the server looked last.
        findings.check(said >= is, RULE, || {
            format!("server {server} says lost in handshake {said}, not {is}")
        });
    }
    check_completed(run, server, times, account, findings);
    check_loss(run, server, times, account, findings);
    let owner = match run.script.net.owner {
        Owner::Sole | Owner::Unix => "sole",
        Owner::Grouped => "grouped",
        Owner::Shared => "shared",
    };
    findings.check(account.ownership == owner, RULE, || {
        format!("server {server} says {}", account.ownership)
    });
}

/// Whom closing the listener reset although they had only to be accepted.
fn lost_in_queue(run: &Run, server: usize) -> u64 {
    let listener = &run.listeners[run.servers[server].listener];
    if listener.failed[server].is_some() {
        return 0;
    }
    let is_lost = |client: &&usize| {
        let reset = run.records[**client].was_reset;
        reset.is_some_and(|(_, why)| why == Reset::Queued)
    };
    listener.lost.iter().filter(is_lost).count() as u64
}

/// Who did not complete the handshake in time, where the system can tell.
fn lost_in_handshake(run: &Run, server: usize, times: &Times) -> Option<u64> {
    let net = &run.script.net;
    let listener = &run.listeners[run.servers[server].listener];
    let rung = if net.first == Seal::Interface && net.interface {
        Seal::Interface
    } else {
        Seal::Filter
    };
    let is_sealed = listener.seals.last().is_some_and(|(_, last)| *last == rung)
        && (rung == Seal::Interface || net.filter);
    let is_known = net.listing == Listing::Known && net.owner == Owner::Sole && !net.cookies;
    let undisturbed = times.forced == NEVER && times.stalled() == 0 && !may_be_full(run);
    if !(is_sealed && is_known && undisturbed) || listener.failed[server].is_some() {
        return None;
    }
    let half_open = |client: &&usize| run.records[**client].queued.is_none();
    Some(listener.lost.iter().filter(half_open).count() as u64)
}

fn check_completed(
    run: &Run,
    server: usize,
    times: &Times,
    account: &Account,
    findings: &mut Findings,
) {
    let panics = |one: &&Dispatched| {
        let request = &run.script.clients[one.client].requests[one.number];
        request.handler == Handler::Panic
    };
    let panicked = run.servers[server].dispatched.iter().filter(panics).count() as u64;
    findings.check(account.panicked <= panicked, RULE, || {
        format!(
            "server {server} says panicked {}, not {panicked}",
            account.panicked
        )
    });
    let connections = connections(run, times);
    // Of a connection that was cut, responses that shared a write with the one that was cut may
    // count for cut as well.
    let is_cut = |one: &&Connection<'_>| one.is_cut();
    let certain: usize = connections
        .iter()
        .filter(|one| !is_cut(one))
        .map(answered)
        .sum();
    let certain = (certain as u64).saturating_sub(panicked);
    let possible: usize = connections.iter().map(answered).sum();
    let completed = account.completed;
    findings.check(
        (certain..=possible as u64).contains(&completed),
        RULE,
        || format!("server {server} says completed {completed}, not {certain}..={possible}"),
    );
}

fn check_loss(run: &Run, server: usize, times: &Times, account: &Account, findings: &mut Findings) {
    let refused: usize = connections(run, times).iter().map(refused).sum();
    let lost = account.lost;
    findings.check(lost >= refused as u64, RULE, || {
        format!("server {server} says lost {lost}, {refused} dispatched requests got 503")
    });
    findings.check(lost == 0 || times.forced < NEVER, RULE, || {
        format!("server {server} says lost {lost}, although nothing forced it")
    });
    let clean = lost == 0 && account.lost_in_queue == 0;
    findings.check(account.is_clean == clean, RULE, || {
        format!(
            "server {server} says clean {}: {account:?}",
            account.is_clean
        )
    });
    findings.check(
        account.forced.is_none() || times.forced < NEVER,
        RULE,
        || format!("server {server} says forced by {:?}", account.forced),
    );
}

/// Requests that were dispatched and whose own response was written whole.
fn answered(connection: &Connection<'_>) -> usize {
    let whole = connection
        .written
        .iter()
        .enumerate()
        .filter(|(number, response)| {
            let ends = response.framing == Framing::Close && connection.record.ended.is_some();
            (response.whole || ends) && response.status != 503 && connection.is_dispatched(*number)
        });
    whole.count()
}

/// Dispatched requests that got 503.
fn refused(connection: &Connection<'_>) -> usize {
    let refused = connection
        .written
        .iter()
        .enumerate()
        .filter(|(number, response)| response.status == 503 && connection.is_dispatched(*number));
    refused.count()
}

/// It goes on at once when nothing is left to wait for, and is done at once when nothing is open.
fn check_length(run: &Run, server: usize, times: &Times, findings: &mut Findings) {
    let listener = run.servers[server].listener;
    let released = match run.script.net.owner {
        Owner::Shared => times.sealing,
        _ => run.listeners[listener].closed.unwrap_or(NEVER),
    };
    let connections = connections(run, times);
    let ends = connections.iter().map(|connection| {
        let closed = connection.record.closed.map_or(NEVER, |closed| closed.at);
        let ended = connection.record.ended.unwrap_or(closed);
        (ended.min(closed), closed)
    });
    let (mut last_end, mut last_close): (Micros, Micros) = (released, released);
    for (ended, closed) in ends {
        last_end = last_end.max(ended);
        last_close = last_close.max(closed);
    }
    let limit = times.due(last_end.max(times.sealing));
    findings.check(
        times.closing <= limit || may_be_full(run),
        "I10 I12 I14 nothing but what is held is waited for",
        || format!("server {server} waits until {}, not {limit}", times.closing),
    );
    let limit = times.due(last_close.max(times.closing));
    findings.check(
        times.over <= limit,
        "I12 I14 it is done when nothing is open",
        || format!("server {server} is done at {}, not {limit}", times.over),
    );
}

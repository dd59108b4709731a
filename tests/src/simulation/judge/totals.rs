//! The report, the drain's length, and what is left (I7, I10, I12, I14, I20, I22).

use super::exchange::Connection;
use super::{Findings, NEVER, Times, may_be_full};
use crate::simulation::account::Account;
use crate::simulation::kernel::Reset;
use crate::simulation::script::{Handler, Micros, Owner};
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

fn check_account(
    run: &Run,
    server: usize,
    times: &Times,
    account: &Account,
    findings: &mut Findings,
) {
    let server_run = &run.servers[server];
    let listener = &run.listeners[server_run.listener];
    let accepted = listener.accepted[server];
    let mut equal = |name: &str, said: u64, is: u64| {
        findings.check(said == is, "I22 the report is right", || {
            format!("server {server} says {name} {said}, not {is}: {account:?}")
        });
    };
    equal("accepted", account.accepted, accepted);
    equal("ended", account.ended(), accepted);
    let dispatched = server_run.dispatched.len() as u64;
    equal("dispatched", account.dispatched, dispatched);
    let fates = account.completed
        + account.truncated
        + account.aborted
        + account.vanished
        + account.panicked;
    equal("fates", fates, dispatched);
    let panics = |one: &&crate::simulation::handler::Dispatched| {
        let request = &run.script.clients[one.client].requests[one.number];
        request.handler == Handler::Panic
    };
    let panicked = server_run.dispatched.iter().filter(panics).count() as u64;
    let connections = connections(run, times);
    // Of a connection that was cut, responses that shared a write with the one that was cut may
    // count for cut as well.
    let is_cut = |one: &&Connection<'_>| one.is_cut();
    let certain: usize = connections
        .iter()
        .filter(|one| !is_cut(one))
        .map(answered)
        .sum();
    let certain = certain as u64 - panicked.min(certain as u64);
    let possible: usize = connections.iter().map(answered).sum();
    findings.check(
        (certain..=possible as u64).contains(&account.completed),
        "I22 the report is right",
        || {
            let completed = account.completed;
            format!("server {server} says completed {completed}, not {certain}..={possible}")
        },
    );
    findings.check(
        account.panicked <= panicked,
        "I22 the report is right",
        || {
            format!(
                "server {server} says panicked {}, not {panicked}",
                account.panicked
            )
        },
    );
    let refused: usize = connections.iter().map(|one| refused(one)).sum();
    findings.check(
        account.lost >= refused as u64,
        "I22 the report is right",
        || {
            format!(
                "server {server} says lost {}, {refused} dispatched requests got 503",
                account.lost
            )
        },
    );
    let unforced = account.lost == 0 || times.forced < NEVER;
    findings.check(unforced, "I22 the report is right", || {
        format!(
            "server {server} says lost {}, although nothing forced it",
            account.lost
        )
    });
    let queued = listener.lost.iter().filter(|client| {
        run.records[**client]
            .was_reset
            .is_some_and(|(_, why)| why == Reset::Queued)
    });
    let lost = if listener.failed[server].is_some() {
        0
    } else {
        queued.count() as u64
    };
    findings.check(
        account.lost_in_queue == lost,
        "I22 the report is right",
        || {
            format!(
                "server {server} says lost in queue {}, not {lost}",
                account.lost_in_queue
            )
        },
    );
    let clean = account.lost == 0 && account.lost_in_queue == 0;
    findings.check(account.is_clean == clean, "I22 the report is right", || {
        format!(
            "server {server} says clean {}: {account:?}",
            account.is_clean
        )
    });
    findings.check(
        account.forced.is_none() || times.forced < NEVER,
        "I22 the report is right",
        || format!("server {server} says forced by {:?}", account.forced),
    );
    let owner = match run.script.net.owner {
        Owner::Sole | Owner::Unix => "sole",
        Owner::Grouped => "grouped",
        Owner::Shared => "shared",
    };
    findings.check(
        account.ownership == owner,
        "I22 the report is right",
        || format!("server {server} says {}", account.ownership),
    );
}

/// Requests that were dispatched and whose own response was written whole.
fn answered(connection: &Connection<'_>) -> usize {
    let whole = connection
        .written
        .iter()
        .enumerate()
        .filter(|(number, response)| {
            use crate::simulation::reader::Framing;
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

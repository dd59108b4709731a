//! Many clients.

use std::time::Duration;

use super::{Entry, Exit, Need, Script, Setup, Step, confirmed, passing};
use crate::drill::fact::Fact;
use crate::drill::stage::Act;

/// Over which time a crowd arrives: not all in one moment, which no queue would hold.
const ARRIVAL: Duration = Duration::from_millis(500);

/// How long a thousand requests take, so that all of them are there before the first is answered.
const ACTIVE: Duration = Duration::from_millis(2_500);

/// For how long one request holds the server while the load goes on: a server that has nothing to
/// wait for is gone before anybody could see whether it still listens.
const HELD: Duration = Duration::from_millis(1_000);

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "load",
        title: "New connections right up to the signal, and beyond",
        clients: held,
        load: Some(passing),
        acts: &[
            Act::InPlace,
            Act::Load(300),
            Act::Pause(Duration::from_millis(500)),
            Act::Signal,
            Act::Open,
            Act::Pause(Duration::from_millis(400)),
            Act::EndLoad,
        ],
        passed: "under load each client is answered, or refused before it is connected",
        failed: "under load clients are connected and then lost",
        mend: "accept until the queue is empty, then close the listening socket",
        ..Entry::PLAIN
    },
    Entry {
        id: "active-1000",
        title: "1,000 requests in flight",
        needs: &[Need::Slow],
        clients: |setup| {
            let setup = Setup {
                slow: setup.slow.max(ACTIVE),
                ..*setup
            };
            vec![(
                setup.waiting(vec![Step::PauseUpTo(ARRIVAL)], Vec::new()),
                1_000,
            )]
        },
        acts: &confirmed(Fact::Read),
        passed: "a thousand requests in flight are answered",
        failed: "a crowd of requests in flight is not waited for",
        mend: "wait for all open requests; mind the limits of open files and of memory",
        ..Entry::PLAIN
    },
    Entry {
        id: "idle-5000",
        title: "5,000 idle connections",
        needs: &[Need::KeepAlive],
        clients: |setup| {
            let arrival = vec![Step::PauseUpTo(ARRIVAL * 2)];
            vec![(super::idle::idle(setup, arrival), 5_000)]
        },
        acts: &confirmed(Fact::Established),
        exit: Exit::Prompt,
        passed: "thousands of idle connections do not hold the exit",
        failed: "thousands of idle connections hold the exit",
        mend: "close all idle connections at once, not one after the other",
        ..Entry::PLAIN
    },
];

/// A request in flight, where there is a route for it.
fn held(setup: &Setup<'_>) -> Vec<(Script, usize)> {
    if setup.probe.lacks(Need::Slow).is_some() {
        return Vec::new();
    }
    let setup = Setup {
        slow: setup.slow.max(HELD),
        ..*setup
    };
    let script = setup.waiting(Vec::new(), Vec::new());
    let label = "in flight";
    vec![(Script { label, ..script }, 1)]
}

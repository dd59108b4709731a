//! Connections on which nothing is going on, or so it seems.

use std::time::Duration;

use super::{Entry, Exit, Need, Script, Setup, Step, confirmed, whole};
use crate::drill::fact::Fact;
use crate::drill::stage::Act;

/// Requests are delivered to a server that stands, and then so is the signal.
pub(super) const LAST_CALL: [Act; 8] = [
    Act::InPlace,
    Act::Freeze,
    Act::Open,
    Act::InPlace,
    Act::Confirm(Fact::Delivered),
    Act::Signal,
    Act::Thaw,
    Act::Open,
];

/// Requests come at random, so long before the signal at most, and so long after it.
const AROUND: Duration = Duration::from_millis(100);

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "idle",
        title: "Idle kept-alive connections",
        needs: &[Need::KeepAlive],
        clients: |setup| vec![(idle(setup, Vec::new()), 20)],
        acts: &confirmed(Fact::Established),
        exit: Exit::Prompt,
        passed: "idle connections are closed, without a word, and do not hold the exit",
        failed: "idle connections hold the exit, or are told something that nobody asked for",
        mend: "close idle connections on the signal instead of waiting for their timeout",
        ..Entry::PLAIN
    },
    Entry {
        id: "silent",
        title: "Connections that never said anything",
        clients: |setup| {
            let steps = vec![Step::Connect, Step::Gate, Step::End];
            vec![(setup.script("silent", 0, steps), 5)]
        },
        acts: &confirmed(Fact::Accepted),
        exit: Exit::Prompt,
        passed: "connections that browsers open ahead do not hold the exit",
        failed: "a browser that connected ahead holds the exit",
        mend: "give new connections a short time for their first byte during the drain",
        ..Entry::PLAIN
    },
    Entry {
        id: "late-idle",
        title: "Connections that go idle after the signal",
        needs: &[Need::Stream, Need::KeepAlive],
        clients: |setup| vec![(setup.streaming(vec![Step::End]), 5)],
        acts: &confirmed(Fact::Established),
        exit: Exit::Prompt,
        passed: "a connection that becomes idle during the drain is closed then",
        failed: "a connection that becomes idle during the drain holds the exit",
        mend: "close each connection when its response is sent, once the drain has begun",
        ..Entry::PLAIN
    },
    Entry {
        id: "last-call",
        title: "Next requests on idle connections, delivered just before the signal",
        needs: &[Need::KeepAlive],
        clients: |setup| {
            let steps = vec![
                Step::Connect,
                Step::Warm(setup.fast()),
                Step::Gate,
                whole(setup.fast()),
                Step::Gate,
                Step::Receive,
            ];
            vec![(setup.script("request", setup.probe.fast.status, steps), 50)]
        },
        acts: &LAST_CALL,
        passed: "a request that was there before the signal is answered",
        failed: "each restart loses requests that had arrived on idle connections",
        mend: "look once more for input before closing a connection that seems idle",
        ..Entry::PLAIN
    },
    Entry {
        id: "last-call-random",
        title: "Next requests on idle connections, at random around the signal",
        needs: &[Need::KeepAlive],
        clients: |setup| {
            let steps = vec![
                Step::Connect,
                Step::Warm(setup.fast()),
                Step::Gate,
                Step::PauseUpTo(AROUND.saturating_mul(2)),
                whole(setup.fast()),
                Step::Receive,
            ];
            vec![(setup.script("request", setup.probe.fast.status, steps), 100)]
        },
        acts: &[Act::InPlace, Act::Open, Act::Pause(AROUND), Act::Signal],
        by_chance: true,
        passed: "no request crossed the close of its connection",
        failed: "requests crossed the close of their connections: their clients must try again",
        mend: "keep idle connections for a last call of a few round trips before closing them",
        ..Entry::PLAIN
    },
    Entry {
        id: "drip",
        title: "A head that drips and never ends",
        clients: |setup| vec![(drip(setup), 3)],
        acts: &confirmed(Fact::Accepted),
        exit: Exit::Forced,
        passed: "clients that are slow on purpose do not hold the exit beyond the deadline",
        failed: "one client that sends a byte now and then holds the exit",
        mend: "limit how long a head may take, and the whole drain",
        ..Entry::PLAIN
    },
];

/// A connection that was asked for something once.
pub(super) fn idle(setup: &Setup<'_>, before: Vec<Step>) -> Script {
    let steps = vec![
        Step::Connect,
        Step::Warm(setup.fast()),
        Step::Gate,
        Step::End,
    ];
    setup.script("idle", setup.probe.fast.status, [before, steps].concat())
}

fn drip(setup: &Setup<'_>) -> Script {
    let request = setup.fast();
    // All but the empty line at the end.
    let begun = &request[..request.len() - 2];
    let steps = vec![
        Step::Connect,
        super::part(begun.into(), super::Doing::SendingHead),
        Step::Gate,
        Step::ReceiveWhileSending {
            piece: b"X: y\r\n"[..].into(),
            pieces: 10_000,
            pause: Duration::from_millis(100),
        },
    ];
    Script {
        is_endless: true,
        ..setup.script("drip", 0, steps)
    }
}

//! Requests that are on their way, or in the queue, when the signal comes.

use std::rc::Rc;
use std::time::Duration;

use super::{
    Doing, Entry, HESITATION, Need, Script, Setup, Step, UPLOAD, UPLOAD_BEFORE, confirmed, content,
    halves, part, whole,
};
use crate::drill::fact::Fact;
use crate::drill::stage::Act;

/// How many clients wait in the queue, if it is long enough.
const QUEUED: usize = 200;
/// How many of them ask for what takes a while.
const SLOW_QUEUED: usize = 2;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "backlog",
        title: "Waiting in the backlog queue",
        clients: queued,
        acts: &[
            Act::Freeze,
            Act::Open,
            Act::Confirm(Fact::Queued),
            Act::Signal,
            Act::Thaw,
        ],
        passed: "clients that a busy server had not accepted yet are still answered",
        failed: "each restart of a busy server resets those who wait in its queue",
        mend: "accept until the queue is empty, and only then close the listening socket",
        ..Entry::PLAIN
    },
    Entry {
        id: "in-flight",
        title: "Requests in flight",
        needs: &[Need::Slow],
        clients: |setup| vec![(setup.waiting(Vec::new(), Vec::new()), 10)],
        acts: &confirmed(Fact::Read),
        passed: "what the server has begun to work on is answered",
        failed: "each restart cuts off what is being worked on",
        mend: "on the signal wait for open requests before exiting",
        ..Entry::PLAIN
    },
    Entry {
        id: "half-head",
        title: "Half a head, on a new connection",
        required: false,
        clients: |setup| vec![(half_head(setup, Vec::new()), 5)],
        acts: &confirmed(Fact::Read),
        passed: "a request that has begun to arrive may arrive and is answered",
        failed: "requests that are just arriving are cut: clients see a reset",
        mend: "count a connection with part of a head as active",
        ..Entry::PLAIN
    },
    Entry {
        id: "half-head-kept",
        title: "Half a head, on a kept-alive connection",
        required: false,
        needs: &[Need::KeepAlive],
        clients: |setup| vec![(half_head(setup, vec![Step::Warm(setup.fast())]), 5)],
        acts: &confirmed(Fact::Read),
        passed: "the next request of a connection that was idle may arrive and is answered",
        failed: "a connection is taken for idle while its next request arrives, and is cut",
        mend: "look at what has been received, not at how many responses were sent",
        ..Entry::PLAIN
    },
    Entry {
        id: "upload",
        title: "Uploads half-way",
        needs: &[Need::Upload],
        clients: |setup| {
            let rest = content(UPLOAD - UPLOAD_BEFORE);
            let steps = vec![
                Step::Connect,
                part(
                    setup.upload_head(&setup.probe.upload_path(), UPLOAD),
                    Doing::SendingHead,
                ),
                part(content(UPLOAD_BEFORE), Doing::SendingContent),
                Step::Gate,
                Step::Pause(HESITATION),
                Step::Send {
                    bytes: rest,
                    doing: Doing::SendingContent,
                    is_end: true,
                },
                Step::Receive,
            ];
            vec![(
                setup.script("upload", setup.probe.upload_status(), steps),
                5,
            )]
        },
        acts: &confirmed(Fact::Accepted),
        passed: "uploads go on to their end",
        failed: "each restart cuts off uploads",
        mend: "go on reading the content of requests that have begun",
        ..Entry::PLAIN
    },
    Entry {
        id: "stream",
        title: "Streaming responses half-way",
        needs: &[Need::Stream],
        clients: |setup| vec![(setup.streaming(Vec::new()), 5)],
        acts: &confirmed(Fact::Established),
        passed: "responses that have begun come to their end",
        failed: "each restart truncates responses, which clients may take for whole ones",
        mend: "wait for responses that are being sent",
        ..Entry::PLAIN
    },
    Entry {
        id: "pipelined",
        title: "Three pipelined requests, delivered",
        needs: &[Need::KeepAlive],
        clients: |setup| {
            let mut steps = vec![Step::Connect, Step::Warm(setup.fast()), Step::Gate];
            steps.extend((0..3).map(|_| whole(setup.fast())));
            steps.push(Step::Gate);
            steps.extend((0..3).map(|_| Step::Receive));
            vec![(setup.script("pipeline", setup.probe.fast.status, steps), 5)]
        },
        acts: &super::idle::LAST_CALL,
        passed: "each request is answered, or a response with close says that it will not be",
        failed: "requests behind the first one vanish, and nothing tells their clients",
        mend: "answer what is buffered, and say Connection: close in the last response only",
        ..Entry::PLAIN
    },
    Entry {
        id: "slow-reader",
        title: "Slow readers of a large response",
        needs: &[Need::Download],
        clients: |setup| {
            let pause = Duration::from_millis(4);
            let steps = vec![
                Step::Connect,
                Step::Shrink,
                whole(setup.download()),
                Step::Begin,
                Step::Gate,
                Step::ReceiveSlowly {
                    bytes: 64 * 1024,
                    pause,
                },
            ];
            vec![(
                setup.script("download", setup.probe.download_status(), steps),
                2,
            )]
        },
        acts: &confirmed(Fact::Blocked),
        passed: "whoever reads slowly still gets all of it",
        failed: "downloads are truncated when the server stops: what it had not sent is gone",
        mend: "exit only when all has been sent and acknowledged",
        ..Entry::PLAIN
    },
    Entry {
        id: "still-sending",
        title: "Clients that are sending again when their last response comes",
        required: false,
        needs: &[Need::Slow, Need::KeepAlive],
        clients: |setup| vec![(still_sending(setup), 5)],
        acts: &confirmed(Fact::Read),
        passed: "the last response arrives, although its client was already sending again",
        failed: "a reset that destroys responses follows the last one, if its client sends again",
        mend: "after the last response shut down the sending side and read on for a while",
        ..Entry::PLAIN
    },
];

/// Whoever waits for a while after he has been accepted is easily forgotten: a few do, where there
/// is a route for it.
fn queued(setup: &Setup<'_>) -> Vec<(Script, usize)> {
    let queue = |label, request, status| {
        let steps = vec![Step::Gate, Step::Connect, whole(request), Step::Receive];
        setup.script(label, status, steps)
    };
    let clients = QUEUED.min(setup.backlog).max(1);
    let has_slow = setup.probe.lacks(Need::Slow).is_none();
    let slow = if has_slow {
        SLOW_QUEUED.min(clients / 2)
    } else {
        0
    };
    let fast = queue("request", setup.fast(), setup.probe.fast.status);
    let mut scripts = vec![(fast, clients - slow)];
    if slow > 0 {
        let script = queue("slow request", setup.slow(), setup.probe.slow_status());
        scripts.push((script, slow));
    }
    scripts
}

fn half_head(setup: &Setup<'_>, before: Vec<Step>) -> Script {
    let [first, second] = halves(&setup.fast());
    let steps = vec![
        part(first, Doing::SendingHead),
        Step::Gate,
        Step::Pause(HESITATION),
        whole(second),
        Step::Receive,
    ];
    let steps = [vec![Step::Connect], before, steps].concat();
    setup.script("half a head", setup.probe.fast.status, steps)
}

/// The next request was on its way when the response said that there would be none.
fn still_sending(setup: &Setup<'_>) -> Script {
    const PIECES: usize = 10;
    let request = setup.fast();
    let head: Rc<[u8]> = request[..request.len() - 2].into();
    let more: Rc<[u8]> = b"X: y\r\n"[..].into();
    let pieces = [head].into_iter().chain(vec![more; PIECES]);
    let again = Step::SendOn {
        pieces: pieces.collect(),
        pause: Duration::from_millis(5),
    };
    setup.waiting(Vec::new(), vec![again])
}

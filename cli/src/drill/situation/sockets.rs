//! What becomes of the addresses: the port, and the file of a unix socket.

use std::time::Duration;

use super::{Address, After, Entry, Exit, Need, Script, Step, passing, whole};
use crate::drill::fact::Fact;
use crate::drill::stage::Act;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "restart",
        title: "Restart on the same port",
        required: false,
        needs: &[Need::Start],
        clients: |setup| {
            // The server's ends of these are what may keep the port.
            let steps = vec![
                Step::Connect,
                whole(setup.fast()),
                Step::Receive,
                Step::Gate,
                Step::End,
            ];
            vec![(setup.script("client", setup.probe.fast.status, steps), 5)]
        },
        acts: &[Act::InPlace, Act::Signal, Act::Open],
        after: After::Restart,
        exit: Exit::Prompt,
        passed: "its successor takes over the port at once",
        failed: "its successor cannot bind the port, and nobody serves",
        mend: "set SO_REUSEADDR before binding; exit only when the listening socket is closed",
        ..Entry::PLAIN
    },
    Entry {
        id: "pair",
        title: "One of a SO_REUSEPORT pair goes, under load",
        needs: &[Need::Start],
        load: Some(passing),
        acts: &[
            Act::Confirm(Fact::Shared),
            Act::Load(300),
            Act::Pause(Duration::from_millis(500)),
            Act::Signal,
            Act::Pause(Duration::from_millis(700)),
            Act::EndLoad,
        ],
        is_pair: true,
        passed: "one server of a pair is replaced, and no client notices",
        failed: "replacing one server of a pair loses clients that the other could have served",
        mend: "accept until the queue is empty, then close; set net.ipv4.tcp_migrate_req=1",
        ..Entry::PLAIN
    },
    Entry {
        id: "unix",
        title: "A unix socket and its file",
        required: false,
        needs: &[Need::Socket],
        clients: |setup| {
            let (request, status) = match setup.probe.slow {
                Some(_) => (setup.slow(), setup.probe.slow_status()),
                None => (setup.fast(), setup.probe.fast.status),
            };
            let steps = vec![Step::Connect, whole(request), Step::Gate, Step::Receive];
            let script = setup.script("request", status, steps);
            let address = Address::Unix(setup.socket.into());
            vec![(Script { address, ..script }, 5)]
        },
        acts: &[Act::InPlace, Act::Signal, Act::Open],
        after: After::FileGone,
        passed: "who came by the unix socket is answered, and its file goes with the server",
        failed: "the unix socket is not ended as the port is, or its file is left behind",
        mend: "unlink the socket's file on the way out",
        ..Entry::PLAIN
    },
    Entry {
        id: "unix-successor",
        title: "A successor has taken over the unix socket's file",
        required: false,
        needs: &[Need::Socket],
        acts: &[Act::Succeed, Act::Signal],
        after: After::Successor,
        exit: Exit::Prompt,
        passed: "the old server leaves the file of the new one alone",
        failed: "the old server deletes the file of the new one, which nobody can reach any more",
        mend: "compare the file's device and inode with those at bind before unlinking it",
        ..Entry::PLAIN
    },
];

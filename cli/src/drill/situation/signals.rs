//! What the server makes of the signal itself.

use std::time::Duration;

use rustix::process::Signal;

use super::{Entry, Exit, Need, confirmed};
use crate::drill::fact::Fact;
use crate::drill::stage::Act;

/// How long after the first signal the second one comes: no supervisor's duplicate.
const SECOND: Duration = Duration::from_secs(1);

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "no-connection",
        title: "Signal with no connection",
        acts: &[Act::Signal],
        exit: Exit::Prompt,
        passed: "a server that nobody uses stops at once",
        failed: "a stop takes as long as its supervisor allows, even if nobody is there",
        mend: "handle the signal: stop accepting, then exit with status 0",
        ..Entry::PLAIN
    },
    Entry {
        id: "deadline",
        title: "A request that does not end",
        needs: &[Need::Long],
        clients: |setup| vec![(setup.long("endless"), 1)],
        acts: &[Act::InPlace, Act::Signal, Act::Open],
        exit: Exit::Forced,
        passed: "one stuck request does not hold the exit beyond the deadline",
        failed: "one stuck request holds the exit until its supervisor kills the server",
        mend: "limit the drain: after the deadline close what is left and exit",
        ..Entry::PLAIN
    },
    Entry {
        id: "second-signal",
        title: "A second signal",
        required: false,
        needs: &[Need::Long],
        clients: |setup| vec![(setup.long("endless"), 1)],
        acts: &[
            Act::InPlace,
            Act::Signal,
            Act::Open,
            Act::Pause(SECOND),
            Act::SignalAgain,
        ],
        exit: Exit::Second,
        passed: "whoever cannot wait for the drain sends the signal again",
        failed: "a drain cannot be cut short, but by SIGKILL",
        mend: "let a second signal end what is left at once",
        ..Entry::PLAIN
    },
    Entry {
        id: "sigint",
        title: "SIGINT with requests in flight",
        required: false,
        needs: &[Need::Slow],
        clients: |setup| vec![(setup.waiting(Vec::new(), Vec::new()), 5)],
        acts: &confirmed(Fact::Read),
        exit: Exit::Any,
        by_chance: true,
        signal: Some(Signal::INT),
        passed: "Ctrl-C answers what is in flight, too",
        failed: "Ctrl-C cuts what is in flight; some servers mean it so",
        mend: "treat SIGINT as the signal that drains",
        ..Entry::PLAIN
    },
];

//! The table of situations.
//!
//! An [`Entry`] is data: what clients do, what is done to the server, what is made sure of before
//! the signal, and what it means. The stage brings it about, the judge looks at what was seen.

mod active;
mod crowds;
mod idle;
mod signals;
mod sockets;
mod special;

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use rustix::process::Signal;

use super::client::{self, Address};
use super::fact::Fact;
use super::probe::Probe;
use super::record::Doing;
use super::script::{Script, Step};
use super::stage::Act;

/// A situation.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its name for programs. It never changes.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// Whether requests that were delivered before the signal are lost if it fails, so that it
    /// fails the drill.
    pub(crate) required: bool,
    pub(crate) needs: &'static [Need],
    /// Who plays which script, and how many of him.
    pub(crate) clients: fn(&Setup<'_>) -> Vec<(Script, usize)>,
    /// What clients do that come at a pace.
    pub(crate) load: Option<fn(&Setup<'_>) -> Script>,
    pub(crate) acts: &'static [Act],
    /// What is looked at after the exit.
    pub(crate) after: After,
    /// What the exit has to wait for.
    pub(crate) exit: Exit,
    /// What is lost that was not delivered before the signal is lost by chance: HTTP/1.1 knows no
    /// way to keep all of it.
    pub(crate) by_chance: bool,
    /// A signal other than the one that asks for a drain.
    pub(crate) signal: Option<Signal>,
    /// Whether a second server shares the port.
    pub(crate) is_pair: bool,
    /// What it means that it passed, and that it failed.
    pub(crate) passed: &'static str,
    pub(crate) failed: &'static str,
    pub(crate) mend: &'static str,
}

/// What a situation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Slow,
    Stream,
    Upload,
    Download,
    /// A request that does not end in time.
    Long,
    /// Connections that are kept alive.
    KeepAlive,
    /// `{socket}` in the command.
    Socket,
    /// A server that the drill starts.
    Start,
}

/// What is looked at after the exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    Nothing,
    /// It starts again on the same port.
    Restart,
    /// The file of its unix socket is gone.
    FileGone,
    /// The file that a successor has put there is not.
    Successor,
}

/// What the exit has to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Nothing: it comes long before the deadline.
    Prompt,
    /// Clients, within the deadline.
    Held,
    /// The deadline: what holds it does not end.
    Forced,
    /// The second signal.
    Second,
    /// It comes within the deadline, and is not looked at otherwise.
    Any,
}

impl Entry {
    /// What most have in common.
    const PLAIN: Entry = Entry {
        id: "",
        title: "",
        required: true,
        needs: &[],
        clients: |_| Vec::new(),
        load: None,
        acts: &[],
        after: After::Nothing,
        exit: Exit::Held,
        by_chance: false,
        signal: None,
        is_pair: false,
        passed: "",
        failed: "",
        mend: "",
    };

    /// Whether its clients come at a pace, which a busy machine cannot keep.
    pub(crate) fn is_paced(&self) -> bool {
        self.load.is_some() || self.by_chance
    }

    /// Whether the signal comes at a moment of its own, and not when clients are in place.
    pub(crate) fn is_start_up(&self) -> bool {
        self.id == special::START_UP
    }
}

/// All of them, in the order in which they are tried.
pub(crate) fn all() -> impl Iterator<Item = &'static Entry> {
    let tables: [&'static [Entry]; 6] = [
        signals::ENTRIES,
        active::ENTRIES,
        idle::ENTRIES,
        special::ENTRIES,
        sockets::ENTRIES,
        crowds::ENTRIES,
    ];
    tables.into_iter().flatten()
}

/// What scripts are made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) host: SocketAddr,
    pub(crate) socket: &'a Path,
    /// How many clients play the same script at most.
    pub(crate) most: usize,
    /// How many clients surely fit into the server's queue.
    pub(crate) backlog: usize,
    pub(crate) probe: &'a Probe,
    /// How long the slow request takes.
    pub(crate) slow: Duration,
    /// How long the server may take.
    pub(crate) deadline: Duration,
}

/// Content of an upload.
const UPLOAD: usize = 64 * 1024;
/// What the client sends of its content before the signal.
const UPLOAD_BEFORE: usize = UPLOAD / 2;
/// How long a client hesitates after the signal before it goes on.
const HESITATION: Duration = Duration::from_millis(200);

impl Setup<'_> {
    fn script(&self, label: &'static str, status: u16, steps: Vec<Step>) -> Script {
        Script {
            label,
            address: Address::Tcp(self.host),
            steps: steps.into(),
            status,
            is_endless: false,
        }
    }

    fn fast(&self) -> Rc<[u8]> {
        client::get(self.host, &self.probe.fast.path)
    }

    fn slow(&self) -> Rc<[u8]> {
        client::get(self.host, &self.probe.slow_path(self.slow))
    }

    fn stream(&self) -> Rc<[u8]> {
        client::get(self.host, &self.probe.stream_path())
    }

    fn download(&self) -> Rc<[u8]> {
        client::get(self.host, &self.probe.download_path())
    }

    /// Waits for the answer to a slow request, with steps before it and behind it.
    fn waiting(&self, before: Vec<Step>, behind: Vec<Step>) -> Script {
        let steps = vec![Step::Connect, whole(self.slow()), Step::Gate, Step::Receive];
        let steps = [before, steps, behind].concat();
        self.script("request", self.probe.slow_status(), steps)
    }

    /// Is in the midst of a response that is streamed, with steps behind it.
    fn streaming(&self, behind: Vec<Step>) -> Script {
        let steps = vec![
            Step::Connect,
            whole(self.stream()),
            Step::Begin,
            Step::Gate,
            Step::Receive,
        ];
        self.script(
            "stream",
            self.probe.stream_status(),
            [steps, behind].concat(),
        )
    }

    /// The head of an upload with so much content.
    fn upload_head(&self, path: &str, content: usize) -> Rc<[u8]> {
        let fields =
            format!("Content-Type: application/octet-stream\r\nContent-Length: {content}\r\n");
        client::request("POST", self.host, path, &fields)
    }

    /// Begins what does not end by itself before the deadline: a very slow request, or else an
    /// upload whose content does not come.
    fn long(&self, label: &'static str) -> Script {
        let long = self.deadline * 2 + Duration::from_secs(10);
        let steps = match self.probe.is_template() {
            true => vec![whole(client::get(self.host, &self.probe.slow_path(long)))],
            false => vec![
                part(
                    self.upload_head(&self.probe.upload_path(), UPLOAD),
                    Doing::SendingHead,
                ),
                part(content(UPLOAD_BEFORE), Doing::SendingContent),
            ],
        };
        let steps = [vec![Step::Connect], steps, vec![Step::Gate, Step::Receive]].concat();
        Script {
            is_endless: true,
            ..self.script(label, 0, steps)
        }
    }
}

/// What most situations are made of: every client is where it should be, the system says so, and
/// then comes the signal.
const fn confirmed(fact: Fact) -> [Act; 4] {
    [Act::InPlace, Act::Confirm(fact), Act::Signal, Act::Open]
}

/// Connects, asks, gets an answer, and goes.
fn passing(setup: &Setup<'_>) -> Script {
    let steps = vec![Step::Connect, whole(setup.fast()), Step::Receive];
    setup.script("request", setup.probe.fast.status, steps)
}

/// A whole request.
fn whole(bytes: Rc<[u8]>) -> Step {
    Step::Send {
        bytes,
        doing: Doing::SendingHead,
        is_end: true,
    }
}

/// A part of a request that is not its last.
fn part(bytes: Rc<[u8]>, doing: Doing) -> Step {
    Step::Send {
        bytes,
        doing,
        is_end: false,
    }
}

fn content(len: usize) -> Rc<[u8]> {
    vec![b'u'; len].into()
}

/// A request in two parts that a head is cut into.
fn halves(request: &[u8]) -> [Rc<[u8]>; 2] {
    let (first, second) = request.split_at(request.len() / 2);
    [first.into(), second.into()]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_situation_has_a_name_of_its_own_and_says_what_it_means() {
        let mut ids = HashSet::new();
        for entry in all() {
            let is_word = |id: &str| {
                id.bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            };
            assert!(is_word(entry.id) && ids.insert(entry.id), "{}", entry.id);
            for text in [entry.title, entry.passed, entry.failed, entry.mend] {
                assert!(
                    !text.is_empty() && text.len() < 200,
                    "{}: {text:?}",
                    entry.id
                );
            }
        }
        assert!(ids.contains("backlog"));
    }

    #[test]
    fn every_situation_sends_its_signal_once() {
        for entry in all().filter(|entry| !entry.is_start_up()) {
            let signals = entry.acts.iter().filter(|act| **act == Act::Signal).count();
            assert_eq!(signals, 1, "{}", entry.id);
        }
    }

    #[test]
    fn who_is_stopped_is_let_go_on_after_the_signal() {
        for entry in all() {
            let at = |act| entry.acts.iter().position(|other| *other == act);
            if let Some(freeze) = at(Act::Freeze) {
                assert!(
                    Some(freeze) < at(Act::Signal) && at(Act::Signal) < at(Act::Thaw),
                    "{}",
                    entry.id
                );
            }
        }
    }
}

//! What a drill ends in: plain data, from which the table, the files and the exit status are made.
//!
//! Times in a [`Situation`] are milliseconds from its signal; what came before it is negative.

use std::collections::BTreeMap;

use serde::Serialize;

/// A whole drill.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Drill {
    /// The version of neap that held it.
    pub(crate) neap: &'static str,
    /// The command as it was given, its placeholders not replaced; empty for a server that was
    /// started elsewhere.
    pub(crate) command: Vec<String>,
    /// Where the server was, if it was started elsewhere.
    pub(crate) url: Option<String>,
    /// What the server calls itself: the `Server` field of its first response.
    pub(crate) server: Option<String>,
    /// Where it was held.
    pub(crate) machine: Machine,
    /// When it began, by RFC 3339, in UTC.
    pub(crate) started: String,
    /// How long it took.
    pub(crate) took_ms: u64,
    /// How it was held.
    pub(crate) settings: Settings,
    /// What was found, in the order of the table of situations.
    pub(crate) situations: Vec<Situation>,
}

impl Drill {
    /// Whether nothing that is required failed.
    pub(crate) fn is_passed(&self) -> bool {
        let mut situations = self.situations.iter();
        !situations.any(|situation| situation.required && situation.verdict.is_failure())
    }
}

/// The machine that a drill was held on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// Name and release of the system.
    pub(crate) system: String,
    /// The processor's architecture.
    pub(crate) architecture: String,
    /// How many processors there are for us.
    pub(crate) processors: usize,
    /// `net.core.somaxconn`, beyond which no backlog reaches.
    pub(crate) somaxconn: Option<u32>,
}

/// How a drill was held.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Settings {
    /// The preset that filled in what the command line left open.
    pub(crate) preset: Option<String>,
    /// The signal that asks the server to drain, `SIGTERM`.
    pub(crate) signal: String,
    /// How long the server may take from the signal to its exit.
    pub(crate) deadline_ms: u64,
    /// How often each situation was brought about.
    pub(crate) repeat: u32,
    /// What was asked for.
    pub(crate) routes: Routes,
}

/// Targets of requests. A server without one of them leaves the situations that need it out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Routes {
    /// Answered at once.
    pub(crate) fast: String,
    /// Answered after a while.
    pub(crate) slow: Option<String>,
    /// Answered piece by piece.
    pub(crate) stream: Option<String>,
    /// Takes the content of a POST, and answers when it is whole.
    pub(crate) upload: Option<String>,
    /// Answered with some megabytes.
    pub(crate) download: Option<String>,
}

/// What became of one situation.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Situation {
    /// Its name for programs and for `--only`, which never changes: `backlog`.
    pub(crate) id: &'static str,
    /// Its name for people.
    pub(crate) title: &'static str,
    /// Whether a failure of it fails the drill: a request that was delivered before the signal
    /// lost, a wrong exit, a deadline missed. The last two make any situation required.
    pub(crate) required: bool,
    /// How it ended.
    pub(crate) verdict: Verdict,
    /// Why it ended so, in a sentence; empty where there is nothing to say but that it passed.
    pub(crate) reason: String,
    /// How many attempts clients made: requests, or connections without one.
    pub(crate) attempts: usize,
    /// How many of them were lost.
    pub(crate) lost: usize,
    /// How many ended in which way. No zeros.
    pub(crate) outcomes: BTreeMap<Outcome, usize>,
    /// What the system confirmed before the signal was sent: `200 of 200 clients wait to be
    /// accepted`.
    pub(crate) confirmed: Vec<String>,
    /// What was counted and measured, in a few words: `200 of 200 answered, exit after 254 ms`.
    pub(crate) figure: String,
    /// What it means for those who run the server, in a line.
    pub(crate) meaning: String,
    /// How to mend it, in a line; empty where there is nothing to mend.
    pub(crate) mend: String,
    /// What became of the server; none where the signal was not sent.
    pub(crate) end: Option<End>,
    /// By how much the slowest client of a load was behind its time; none where there is no pace.
    pub(crate) lag_ms: Option<f64>,
    /// How long it took, its control without the signal included.
    pub(crate) took_ms: u64,
    /// The picture, of the worst run if there were several.
    #[serde(skip)]
    pub(crate) timeline: Timeline,
}

/// How a situation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// As it should.
    Passed,
    /// The server has no route for it, or the command line says nothing about what it takes.
    #[serde(rename = "n/a")]
    NotApplicable,
    /// Nothing was lost that could have been kept; chance decided about the rest, and the figure
    /// tells how often.
    Noted,
    /// It could not be brought about, or what came of it cannot be laid at the server's door.
    Inconclusive,
    /// Clients lost something, or the exit was not what it should be.
    Failed,
    /// The server exited, and processes that it had started did not.
    SurvivorLeft,
    /// The process that was sent the signal is not the one that serves, and kept it to itself.
    SignalNotReceived,
}

impl Verdict {
    /// Whether it fails the drill if the situation is required.
    pub(crate) fn is_failure(self) -> bool {
        matches!(
            self,
            Verdict::Failed | Verdict::SurvivorLeft | Verdict::SignalNotReceived
        )
    }

    /// In a word or two, for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::NotApplicable => "n/a",
            Verdict::Noted => "noted",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Failed => "failed",
            Verdict::SurvivorLeft => "survivor left behind",
            Verdict::SignalNotReceived => "signal never reached the server",
        }
    }
}

/// How an attempt ended, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// The whole response came, and the connection could have gone on.
    Answered,
    /// The whole response came, and said that the connection ends.
    AnsweredWithClose,
    /// Refused before it was connected: the client knows, and goes elsewhere.
    Refused,
    /// No answer, behind a response that said close: the client knows that nothing became of this
    /// request, and asks elsewhere (RFC 9112, 9.6).
    Dismissed,
    /// No request was under way, and the server ended the connection.
    Closed,
    /// The client went away, as it was told to.
    Vanished,
    /// Not whole when the server's time for the drain was over.
    CutAtDeadline,
    /// A whole response with an error status that the same request does not get otherwise.
    OtherStatus,
    /// Connected, and what came is no response to what was asked.
    Malformed,
    /// Connected, and reset before the response was whole.
    Reset,
    /// Connected, and the stream ended before the response was whole.
    EndOfStream,
    /// Connected, and nothing more came, not even an end.
    Silence,
}

impl Outcome {
    /// Whether a request got lost by it.
    pub(crate) fn is_lost(self) -> bool {
        matches!(
            self,
            Outcome::OtherStatus
                | Outcome::Malformed
                | Outcome::Reset
                | Outcome::EndOfStream
                | Outcome::Silence
        )
    }

    /// In a few words, for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::AnsweredWithClose => "answered with close",
            Outcome::Refused => "refused before connected",
            Outcome::Dismissed => "told to ask elsewhere",
            Outcome::Closed => "closed while idle",
            Outcome::Vanished => "vanished",
            Outcome::CutAtDeadline => "cut at the deadline",
            Outcome::OtherStatus => "lost: an error status",
            Outcome::Malformed => "lost: no response to it",
            Outcome::Reset => "lost: reset",
            Outcome::EndOfStream => "lost: end of stream",
            Outcome::Silence => "lost: silence",
        }
    }
}

/// What became of the server after the signal.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct End {
    /// When its listening sockets were closed; none if they were not while it was watched.
    pub(crate) listener_closed_ms: Option<f64>,
    /// When it exited; none if it had to be killed.
    pub(crate) exit_ms: Option<f64>,
    /// How: `0`, `1`, `killed by SIGTERM`; none where it did not exit or is nobody's child of ours.
    pub(crate) exit_status: Option<String>,
    /// The most memory that its processes held, together.
    pub(crate) memory_kib: Option<u64>,
    /// The processes that were left when it had exited: number and name.
    pub(crate) survivors: Vec<String>,
}

/// A situation as a picture: time from left to right, a bar for each connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    /// One for each connection, lost ones first among those that were chosen if there are many.
    pub(crate) bars: Vec<Bar>,
    /// How many connections have no bar, because there were too many.
    pub(crate) hidden: usize,
    /// What happened to the server.
    pub(crate) marks: Vec<Mark>,
}

/// A connection.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    /// What it is: `request 3`, `half a head, reset`.
    pub(crate) label: String,
    /// What it was doing, one after the other, without gaps.
    pub(crate) segments: Vec<Segment>,
    /// How it ended: the worst of its attempts.
    pub(crate) outcome: Outcome,
}

/// A part of a connection's life.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Segment {
    /// What the connection was doing.
    pub(crate) doing: Doing,
    /// Since when.
    pub(crate) from_ms: f64,
    /// Until when.
    pub(crate) to_ms: f64,
}

/// What a connection is doing, as its client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Doing {
    /// Its handshake.
    Connecting,
    /// Nothing yet: connected, no byte sent.
    Silent,
    /// The client sends a head.
    SendingHead,
    /// The client sends content.
    SendingContent,
    /// All is sent, nothing has come.
    Waiting,
    /// The response comes.
    Receiving,
    /// Between a response and the next request.
    Idle,
}

impl Doing {
    /// All of them, in the order of a connection's life.
    pub(crate) const ALL: [Doing; 7] = [
        Doing::Connecting,
        Doing::Silent,
        Doing::SendingHead,
        Doing::SendingContent,
        Doing::Waiting,
        Doing::Receiving,
        Doing::Idle,
    ];

    /// In a word or two, for a legend.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Doing::Connecting => "connecting",
            Doing::Silent => "silent",
            Doing::SendingHead => "sending head",
            Doing::SendingContent => "sending content",
            Doing::Waiting => "waiting for the response",
            Doing::Receiving => "receiving",
            Doing::Idle => "idle",
        }
    }
}

/// Something that happened to the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mark {
    /// What.
    pub(crate) what: Event,
    /// When.
    pub(crate) at_ms: f64,
}

/// What happens to a server in a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It was stopped in its tracks.
    Frozen,
    /// It was sent the signal.
    Signal,
    /// It was let go on.
    Thawed,
    /// It was sent another signal.
    SecondSignal,
    /// Its last listening socket was closed.
    ListenerClosed,
    /// The time that it had was over.
    Deadline,
    /// It exited.
    Exit,
    /// The drill killed it.
    Killed,
}

impl Event {
    /// In a word or two, for a legend.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Event::Frozen => "stopped",
            Event::Signal => "signal",
            Event::Thawed => "continued",
            Event::SecondSignal => "second signal",
            Event::ListenerClosed => "listener closed",
            Event::Deadline => "deadline",
            Event::Exit => "exit",
            Event::Killed => "killed",
        }
    }
}

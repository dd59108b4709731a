//! The mistakes.

/// One mistake of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The listener is closed without a look at who waits in its queue.
    BacklogLost,
    /// The listener stays open, and nobody accepts any more.
    OpenButDeaf,
    /// Who has been accepted and not been heard of is closed at once.
    UndispatchedDropped,
    /// Who has been accepted and never says a word is waited for.
    PreconnectedHeld,
    /// Idle connections are ended once, at the signal; those that become idle later are kept.
    IdleLaterKept,
    /// Kept-alive connections are served as if nothing had happened.
    ServedOn,
    /// Idle connections are closed at once, whatever is already in their sockets.
    CrossingLost,
    /// All connections that have been idle once are taken for idle.
    BusySwept,
    /// Who is accepted once the drain has begun stands in no registry.
    LateUntracked,
    /// Clients that vanish in the midst of something stay in the registry.
    AbortedCounted,
    /// An upgraded connection leaves the registry.
    UpgradedInvisible,
    /// Upgraded connections are closed at the signal.
    UpgradedCut,
    /// A stream without end is not told that it should end.
    StreamUntold,
    /// The drain takes as long as it may, whoever is there.
    FullTimeoutSlept,
    /// Without a flag the drain has no deadline.
    NoDefaultLimit,
    /// The forced end waits for handlers, too.
    ForcedStopDelayed,
    /// Nobody is told that the deadline had to end the drain.
    LimitUntold,
    /// The socket file is removed, whosever it is.
    SuccessorsSocketDeleted,
    /// The socket file is not removed.
    SocketFileLeft,
    /// Dropping the server leaves its listener behind.
    PortKept,
    /// The FIN is sent although the kernel has not taken all of the response.
    FinTooEarly,
    /// A response that needs no content waits for the content, which waits for 100 Continue.
    ContentAwaited,
    /// Idle connections are ended with a response that nobody has asked for.
    IdleAnswered,
    /// The process ends at the signal, whatever is under way.
    BusyCut,
    /// Handlers that have not begun to answer are dropped at the signal.
    HandlersDropped,
    /// The end of the drain waits for heads that go on coming in.
    HeadHeld,
    /// Who has sent a part of a head is closed at the signal.
    HeadCut,
    /// The same for those that have had an answer before, only.
    KeptHeadCut,
    /// Content that is still coming in is not waited for any more, once the drain has begun.
    ContentCut,
    /// A response in chunks ends at the signal, without its last one.
    StreamCut,
    /// Requests that came right behind another are dropped in the drain, and nobody is told.
    PipelineDropped,
    /// The socket is closed right behind a response, whatever the client is still sending.
    NotLingered,
    /// The drain takes as long as clients like.
    DeadlineIgnored,
    /// Only the first signal means anything.
    SecondSignalIgnored,
    /// SIGINT means nothing.
    InterruptIgnored,
    /// A signal that comes within half a second of the start is forgotten.
    EarlySignalLost,
    /// No signal means anything.
    SignalIgnored,
    /// The exit status says that something was lost when nothing was.
    StatusWrong,
    /// A process that it has started outlives it, in a group of its own.
    ChildLeft,
    /// A process that it starts when it is told to stop outlives it.
    ChildLeftLate,
    /// Idle connections have their last call one after the other.
    IdleInTurn,
    /// Only a hundred connections are waited for.
    ManyCut,
    /// The address cannot be bound again while the system remembers its connections.
    AddressKept,
}

impl Fault {
    /// All of them, by name.
    const ALL: [(&str, Fault); 43] = [
        ("backlog-lost", Fault::BacklogLost),
        ("open-but-deaf", Fault::OpenButDeaf),
        ("undispatched-dropped", Fault::UndispatchedDropped),
        ("preconnected-held", Fault::PreconnectedHeld),
        ("idle-later-kept", Fault::IdleLaterKept),
        ("served-on", Fault::ServedOn),
        ("crossing-lost", Fault::CrossingLost),
        ("busy-swept", Fault::BusySwept),
        ("late-untracked", Fault::LateUntracked),
        ("aborted-counted", Fault::AbortedCounted),
        ("upgraded-invisible", Fault::UpgradedInvisible),
        ("upgraded-cut", Fault::UpgradedCut),
        ("stream-untold", Fault::StreamUntold),
        ("full-timeout-slept", Fault::FullTimeoutSlept),
        ("no-default-limit", Fault::NoDefaultLimit),
        ("forced-stop-delayed", Fault::ForcedStopDelayed),
        ("limit-untold", Fault::LimitUntold),
        ("successors-socket-deleted", Fault::SuccessorsSocketDeleted),
        ("socket-file-left", Fault::SocketFileLeft),
        ("port-kept", Fault::PortKept),
        ("fin-too-early", Fault::FinTooEarly),
        ("content-awaited", Fault::ContentAwaited),
        ("idle-answered", Fault::IdleAnswered),
        ("busy-cut", Fault::BusyCut),
        ("handlers-dropped", Fault::HandlersDropped),
        ("head-held", Fault::HeadHeld),
        ("head-cut", Fault::HeadCut),
        ("kept-head-cut", Fault::KeptHeadCut),
        ("content-cut", Fault::ContentCut),
        ("stream-cut", Fault::StreamCut),
        ("pipeline-dropped", Fault::PipelineDropped),
        ("not-lingered", Fault::NotLingered),
        ("deadline-ignored", Fault::DeadlineIgnored),
        ("second-signal-ignored", Fault::SecondSignalIgnored),
        ("interrupt-ignored", Fault::InterruptIgnored),
        ("early-signal-lost", Fault::EarlySignalLost),
        ("signal-ignored", Fault::SignalIgnored),
        ("status-wrong", Fault::StatusWrong),
        ("child-left", Fault::ChildLeft),
        ("child-left-late", Fault::ChildLeftLate),
        ("idle-in-turn", Fault::IdleInTurn),
        ("many-cut", Fault::ManyCut),
        ("address-kept", Fault::AddressKept),
    ];

    /// The fault of this name.
    pub(crate) fn named(name: &str) -> Option<Fault> {
        let named = Fault::ALL.iter().find(|(known, _)| *known == name);
        named.map(|(_, fault)| *fault)
    }
}

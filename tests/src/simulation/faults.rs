//! Faults that can be planted between a server and its kernel, each of which the judge has to
//! notice. They are what a mistake in a driver, or a wrong idea of the kernel, would look like.

/// What is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Sealing says that it was done, and does nothing.
    SealDoesNothing,
    /// The first client that is accepted at a drain is dropped.
    AcceptLosesOne,
    /// Nobody is ever in the middle of a handshake.
    NobodyIsHalfOpen,
    /// Somebody always is.
    SomebodyIsHalfOpen,
    /// Another listener is always there to take the clients.
    HeirIsImagined,
    /// The FIN overtakes what was written before it.
    FinOvertakes,
    /// The last look finds nothing, whatever is there.
    LastLookIsBlind,
    /// After the FIN nothing is read any more.
    LingerIsCut,
    /// Everything is always acknowledged.
    AllIsAcknowledged,
    /// The timer never comes.
    TimerNeverComes,
    /// The timer comes a second late.
    TimerIsLate,
    /// The first signal is lost.
    SignalIsLost,
    /// A listener that was empty never wakes anybody again.
    ListenerDoesNotWake,
    /// A socket that was empty wakes nobody the second time.
    ReaderIsNotWoken,
    /// A socket that was full wakes nobody.
    WriterIsNotWoken,
    /// A short write is reported as a whole one.
    ShortWriteIsHidden,
    /// A byte of the output is written twice.
    ByteIsRepeated,
    /// Every close is a reset.
    EveryCloseResets,
    /// No close is.
    NoCloseResets,
    /// A listener that others have, too, is taken for the server's own.
    SharedIsTakenForSole,
    /// A closed connection stays open.
    ConnectionStaysOpen,
    /// A closed listener stays open.
    ListenerStaysOpen,
    /// The report has a connection too many.
    ReportCountsTwice,
    /// The report has no lost request.
    ReportHidesLoss,
    /// Readiness is always true.
    AlwaysReady,
    /// A handler is told to stop as soon as it begins.
    StopsAtOnce,
    /// `Connection: close` is left out of the responses.
    CloseIsNotSaid,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 27] = [
        Fault::SealDoesNothing,
        Fault::AcceptLosesOne,
        Fault::NobodyIsHalfOpen,
        Fault::SomebodyIsHalfOpen,
        Fault::HeirIsImagined,
        Fault::FinOvertakes,
        Fault::LastLookIsBlind,
        Fault::LingerIsCut,
        Fault::AllIsAcknowledged,
        Fault::TimerNeverComes,
        Fault::TimerIsLate,
        Fault::SignalIsLost,
        Fault::ListenerDoesNotWake,
        Fault::ReaderIsNotWoken,
        Fault::WriterIsNotWoken,
        Fault::ShortWriteIsHidden,
        Fault::ByteIsRepeated,
        Fault::EveryCloseResets,
        Fault::NoCloseResets,
        Fault::SharedIsTakenForSole,
        Fault::ConnectionStaysOpen,
        Fault::ListenerStaysOpen,
        Fault::ReportCountsTwice,
        Fault::ReportHidesLoss,
        Fault::AlwaysReady,
        Fault::StopsAtOnce,
        Fault::CloseIsNotSaid,
    ];
}

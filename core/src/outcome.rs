//! How a connection, and its last request, ended.

/// Why a connection ended. Each accepted connection ends in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// After a whole response, in good order.
    Completed,
    /// We closed it between requests: idle for too long, or the drain.
    ClosedIdle,
    /// It ended, by whichever side, before its first byte.
    ClosedFresh,
    /// A refusal was its last response.
    Refused,
    /// The peer was gone in the middle of a head or an exchange.
    Vanished,
    /// The handler, or the request's content, failed after the reply had begun.
    Truncated,
    /// The shutdown cut it off.
    Aborted,
    /// The peer stopped taking the response.
    Stalled,
    /// It became another protocol's.
    Upgraded,
}

impl Outcome {
    /// All of them, in order; `outcome as usize` is an index into this.
    pub const ALL: [Outcome; 9] = [
        Outcome::Completed,
        Outcome::ClosedIdle,
        Outcome::ClosedFresh,
        Outcome::Refused,
        Outcome::Vanished,
        Outcome::Truncated,
        Outcome::Aborted,
        Outcome::Stalled,
        Outcome::Upgraded,
    ];

    /// Its name in reports and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Completed => "completed",
            Outcome::ClosedIdle => "closed_idle",
            Outcome::ClosedFresh => "closed_fresh",
            Outcome::Refused => "refused",
            Outcome::Vanished => "vanished",
            Outcome::Truncated => "truncated",
            Outcome::Aborted => "aborted",
            Outcome::Stalled => "stalled",
            Outcome::Upgraded => "upgraded",
        }
    }
}

/// How a dispatched request ended. Each ends in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// Its whole response, or a whole refusal in its place, reached the kernel.
    Completed,
    /// Its response was cut, by the handler, by the shutdown or because the peer took no more.
    Truncated,
    /// The shutdown ended it before its response began.
    Aborted,
    /// Its client was gone.
    Vanished,
    /// Its handler failed before it answered.
    Panicked,
}

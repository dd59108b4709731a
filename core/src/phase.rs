//! The one ordered phase of a server and of a connection.

/// How far a server, or a single connection, has come in shutting down.
///
/// It only rises (the single exception is
/// [`Lifecycle::cancel_drain`](crate::Lifecycle::cancel_drain)). A connection has one of its own
/// beside the server's, raised by `Connection: close`, by HTTP/1.0 or by a refusal; the greater of
/// the two is in effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Requests are served, connections are kept alive.
    #[default]
    Running,
    /// What has begun is completed; nothing is kept alive after it.
    Draining,
    /// What is left is aborted; responses are flushed, connections linger.
    Closing,
    /// Nothing remains.
    Done,
}

impl Phase {
    /// Its name in logs and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Running => "running",
            Phase::Draining => "draining",
            Phase::Closing => "closing",
            Phase::Done => "done",
        }
    }
}

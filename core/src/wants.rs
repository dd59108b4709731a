//! What the driver should do now: levels that hold until their cause is gone, not messages.

use crate::{Drain, Outcome, Refusal};

/// What a connection asks of its driver; from
/// [`Connection::poll_step`](crate::Connection::poll_step).
///
/// Asking again without an input in between gives the same answer: a driver that was interrupted
/// half-way has lost nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Do what [`Wants`] lists, in any order or side by side.
    Go(Wants),
    /// The reply that switches protocols is in the kernel: the socket is the handler's.
    Upgrade,
    /// Close the socket, drop the handler if there still is one, forget the connection.
    Close {
        /// Why it ended.
        outcome: Outcome,
        /// Close with a reset (`SO_LINGER` 0): a FIN would make a cut response look whole.
        reset: bool,
    },
}

/// The levels of a connection that goes on.
///
/// What they ask for is told in calls of [`Connection`](crate::Connection). Of a
/// [`Session`](crate::Session) less is left to its driver; see
/// [`Session::poll_step`](crate::Session::poll_step).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wants {
    /// What to do with input.
    pub read: Read,
    /// What to do with output.
    pub write: Write,
    /// What to do with the request's handler.
    pub handler: Handler,
}

/// What to do with input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Read {
    /// Leave it where it is.
    No,
    /// Notice a client that goes away. Input may be read ahead, within bounds, but is not given
    /// to `handle_input` yet.
    Watch,
    /// Read a head: give what is buffered to `handle_input`, then read on.
    Head,
    /// Look once without waiting: give input to `handle_input`, or report `handle_nothing`.
    Look,
    /// Read content: give it to `handle_input`.
    Content,
    /// Drop what is buffered, read and throw away, report to `handle_discarded`.
    Discard,
}

/// What to do with output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// Nothing.
    No,
    /// Write what waits; report to `handle_written`.
    Flush,
    /// Call `reply_continue`.
    Continue,
    /// Call `reply_refusal`.
    Refuse(Refusal),
    /// End our side (`shutdown(SHUT_WR)`); report to `handle_fin_sent`.
    Fin,
    /// Ask how much the peer has not acknowledged (`SIOCOUTQ`); report to `handle_send_queue`.
    /// A driver that cannot ask reports zero.
    Query,
}

/// What to do with the request's handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Handler {
    /// There should be none: drop it, if there still is one.
    No,
    /// Start it; report to `handle_started`.
    Start,
    /// Let it run.
    Run,
}

/// A connection's state as others see it, and as a census counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Accepted, no byte yet.
    Fresh,
    /// Part of a head has been received.
    Head,
    /// From a complete head until the last byte of the response is in the kernel.
    Busy,
    /// Between requests.
    Idle,
    /// The socket is another protocol's.
    Upgraded,
    /// Our FIN is sent or about to be, input is discarded.
    Linger,
    /// Over.
    Gone,
}

impl State {
    /// Whether a connection in this state holds the drain until it ends or the deadline comes: one
    /// with a request under way, and an upgraded one unless [`Drain::hold_upgraded`] lets go of it.
    #[must_use]
    pub const fn is_held(self, drain: &Drain) -> bool {
        match self {
            State::Head | State::Busy => true,
            State::Upgraded => drain.hold_upgraded,
            State::Fresh | State::Idle | State::Linger | State::Gone => false,
        }
    }

    /// Its name in logs and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            State::Fresh => "fresh",
            State::Head => "head",
            State::Busy => "busy",
            State::Idle => "idle",
            State::Upgraded => "upgraded",
            State::Linger => "linger",
            State::Gone => "gone",
        }
    }
}

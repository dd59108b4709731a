//! What the table in [`control`](crate::control) speaks of: stages and events.

use crate::Phase;

/// How much of the request's content has come, and who asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Content {
    /// The request has been received whole.
    Whole,
    /// The client waits for `100 Continue`; nobody has asked for the content yet.
    Expected,
    /// The handler has asked, `100 Continue` is to be written.
    Invited,
    /// There is more; the handler has not asked for it (back-pressure).
    Held,
    /// There is more and the handler waits for it.
    Wanted,
    /// There is more and nobody will ever want it: it is discarded.
    Dropped,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Accepted, no byte yet.
    Fresh,
    /// [`Fresh`](Stage::Fresh), and its time is up: one more look at the socket before the FIN.
    LookFresh,
    /// Part of a head has been received.
    Head,
    /// Between requests.
    Idle,
    /// [`Idle`](Stage::Idle), and its time is up: one more look at the socket before the FIN.
    LookIdle,
    /// A head is complete; its handler is to be started.
    Asked(Content),
    /// The handler runs and has not answered.
    Running(Content),
    /// The reply's head has been handed out, its content goes on.
    Replying(Content),
    /// The reply is whole; the rest of the request's content is discarded to keep the connection.
    Skipping,
    /// The core's own response is to be written in place of the handler's.
    Refusing,
    /// Nothing more will be written: flush, then FIN.
    Ending,
    /// FIN sent; input is read and discarded so that no reset destroys the response.
    Lingering,
    /// Input has paused: has the peer acknowledged everything?
    Querying,
    /// A reply that switches protocols is being flushed.
    Upgrading,
    /// The socket belongs to another protocol.
    Upgraded,
    /// Over: the driver closes the socket.
    Gone,
}

/// Which wait came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// For the peer: a first byte, a head, content, the next request, silence while lingering, the
    /// end of another protocol.
    Input,
    /// For the peer to take output.
    Output,
    /// For the handler of a client that has ended its side.
    HalfClose,
    /// For lingering as a whole.
    Linger,
}

/// What happens to a connection, without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// The server's phase is now this one.
    Server(Phase),
    /// The connection's own phase rises to Draining: the next reply is the last.
    Raise,
    /// Part of a head has come.
    Bytes,
    /// A whole head has come, with this much of its content.
    Request(Content),
    /// Some content has been handed to the handler.
    ContentBytes,
    /// All content has come.
    ContentEnd,
    /// The handler asks for content.
    Demand,
    /// The handler will not ask for content any more.
    Abandon,
    /// The handler has been started.
    Started,
    /// `100 Continue` has been handed out.
    Continued,
    /// The reply's head has been handed out; `until_close` if only the close ends its content.
    ReplyHead {
        /// Whether the end of the connection delimits the content.
        until_close: bool,
    },
    /// All of the reply has been handed out.
    ReplyEnd,
    /// The reply ends before its length.
    ReplyCut,
    /// The exchange, or the attempt at one, cannot be completed: refuse it.
    Refuse,
    /// The refusal has been handed out.
    RefusalWritten,
    /// A reply that switches protocols has been handed out.
    Upgrade,
    /// The driver has taken the socket for another protocol.
    UpgradeTaken,
    /// The other protocol has ended.
    UpgradeEnd,
    /// Output waits to be written.
    Queued,
    /// No output waits any more.
    Flushed,
    /// Our FIN has been sent.
    FinSent,
    /// Our FIN has been sent, and with it all that the connection has carried: a response of one
    /// segment, to a request without content that its client has called the last.
    FinSentToParted,
    /// The last look found nothing.
    Nothing,
    /// The last look found nothing, and nothing is under way: the peer has acknowledged everything
    /// and sent nothing for as long as lingering would have waited for it.
    Quiet,
    /// The peer has acknowledged everything.
    Acknowledged,
    /// The peer has not acknowledged everything yet.
    Unacknowledged,
    /// Enough input has been discarded.
    LingerFull,
    /// The peer has ended its side.
    Eof,
    /// The peer or the network broke the connection.
    Reset,
    /// A wait came to its end.
    Expired(Timer),
}

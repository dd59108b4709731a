//! The steps of a connection and what is around it, and what is remembered of them.

use neap_core::{BodyLength, Progress};

use super::client::Kind;

/// What is remembered to judge a connection by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Past {
    /// Final responses that were handed out.
    pub(super) finals: u32,
    /// Responses of the handler's that were handed out whole.
    pub(super) whole: u32,
    /// Whether a response said that it is the last.
    pub(super) announced: bool,
    /// Whether the client has asked for that.
    pub(super) is_last: bool,
    /// Whether some of a request's head has been given, and not all.
    pub(super) has_begun: bool,
    /// A response whose content goes on, and whether only the close would end it.
    pub(super) open: Option<bool>,
    /// Whether it has been given all of the content that was declared.
    pub(super) has_piece: bool,
    /// Bytes that were handed out and not written.
    pub(super) owed: u64,
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Turn {
    /// The client sends the next piece of a request of this kind.
    Sends(Kind),
    /// The client ends its side.
    Ends,
    /// The client or the network breaks the connection.
    Breaks,
    /// The driver gives what is buffered.
    Takes,
    /// The driver looks, and nothing is there.
    FindsNothing,
    /// The same, and the client has acknowledged everything.
    FindsQuiet,
    /// The driver writes all that waits.
    Flushes,
    /// The driver writes all that waits but for one byte.
    WritesShort,
    /// The driver writes `100 Continue`.
    Continues,
    /// The driver writes the refusal.
    Refuses,
    /// The driver ends its side.
    Fins,
    /// The driver asks for the send queue, and this is what is in it.
    Queries {
        /// In bytes.
        unacknowledged: u64,
    },
    /// The driver starts the handler.
    Starts,
    /// The driver cannot give the request to a handler.
    Rejects,
    /// The driver needs the descriptor of an idle connection.
    GivesUp,
    /// The driver hands the socket over.
    HandsOver,
    /// The handler asks for content.
    Demands,
    /// The handler will not ask for content any more.
    Abandons,
    /// The handler asks for the close.
    Closes,
    /// The handler begins its response.
    Replies(BodyLength),
    /// The handler gives a byte of content.
    Pieces,
    /// The handler ends its response.
    Finishes,
    /// The handler fails.
    Fails,
    /// The handler answers with another protocol.
    Upgrades,
    /// The other protocol ends.
    EndsUpgrade,
    /// A tick passes, at whose end the driver is awake.
    Passes,
    /// The server goes a step further, or back.
    Moves(Progress),
    /// The driver tells the connection so.
    Hears,
}

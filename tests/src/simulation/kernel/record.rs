//! What happened to a client, as the network saw it: what the judge judges by.

use crate::simulation::script::{Micros, Seal};

/// Why a client was sent a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reset {
    /// Nobody listens there: it is refused.
    Refused,
    /// Its listener was closed while it was in the middle of its handshake.
    HalfOpen,
    /// Its listener was closed while it waited to be accepted.
    Queued,
    /// Its socket was closed with input that nobody had read.
    Unread,
    /// Its socket was closed so that it is reset.
    Asked,
    /// It sent something to a socket that was closed.
    Late,
}

/// How a connection ended, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// With the server's FIN.
    Fin,
    /// With a reset.
    Reset,
    /// By itself.
    Own,
    /// It waited for too long.
    Patience,
}

/// A connection's end on the server's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// When.
    pub at: Micros,
    /// How many bytes nobody had read.
    pub unread: usize,
    /// How much of the output, a FIN counting for one, was not acknowledged.
    pub outstanding: usize,
    /// Whether a reset was asked for.
    pub reset: bool,
}

/// What happened to a client.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// When each of its SYNs arrived.
    pub syns: Vec<Micros>,
    /// When one of them was answered, and by which listener.
    pub answered: Option<(Micros, usize)>,
    /// When it held itself for connected.
    pub connected: Option<Micros>,
    /// When its handshake was complete, and at which listener.
    pub queued: Option<(Micros, usize)>,
    /// Whether it was handed from one listener to another.
    pub migrated: bool,
    /// When it was accepted, by which listener and server.
    pub accepted: Option<(Micros, usize, usize)>,
    /// How many bytes had arrived when.
    pub arrivals: Vec<(Micros, usize)>,
    /// When its FIN arrived.
    pub fin: Option<Micros>,
    /// When its reset arrived.
    pub reset: Option<Micros>,
    /// What the server wrote.
    pub written: Vec<u8>,
    /// How many bytes it had written when.
    pub writes: Vec<(Micros, usize)>,
    /// How many bytes the server had read when.
    pub reads: Vec<(Micros, usize)>,
    /// When the server ended its side.
    pub ended: Option<Micros>,
    /// When the server closed its socket.
    pub closed: Option<Closed>,
    /// Why and when it was sent a reset.
    pub was_reset: Option<(Micros, Reset)>,
    /// What it has read.
    pub got: Vec<u8>,
    /// How many bytes had arrived unread when a reset destroyed them.
    pub destroyed: usize,
    /// How it ended for itself.
    pub end: Option<(Micros, End)>,
}

/// What happened to a listener.
#[derive(Clone, Debug, Default)]
pub struct ListenerRecord {
    /// When it was sealed, and by which rungs.
    pub seals: Vec<(Micros, Seal)>,
    /// When it was closed.
    pub closed: Option<Micros>,
    /// How many accepts of each server gave a connection.
    pub accepted: [u64; 2],
    /// Whom closing it reset, by number.
    pub lost: Vec<usize>,
    /// When accepting gave each server an error that ended it.
    pub failed: [Option<Micros>; 2],
}

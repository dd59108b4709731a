//! What happens in a simulation, as data: the network and its system, the servers with what they
//! are told, the clients with what they do.
//!
//! A script is plain: it can be drawn from a seed, written by hand, made smaller, printed, and run
//! elsewhere. What it leaves open, the delay of each packet within its bounds and the sizes of
//! short reads and writes, follows from its seed and the client's number, so that taking one client
//! out changes nothing for the others.

mod clients;

pub use clients::{ClientScript, Handler, Kind, Reading, RequestScript, Step, pattern};

/// Microseconds: of virtual time, since its beginning, or of a duration.
pub type Micros = u64;

/// A millisecond.
pub const MS: Micros = 1_000;

/// A second.
pub const SECOND: Micros = 1_000_000;

/// All of a simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// What decides everything that is left open.
    pub seed: u64,
    /// The network and its system.
    pub net: Net,
    /// How the servers are configured.
    pub windows: Windows,
    /// The servers; the first one is there from the beginning.
    pub servers: Vec<ServerScript>,
    /// The clients.
    pub clients: Vec<ClientScript>,
}

/// Who else accepts from the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// Nobody.
    Sole,
    /// Each server has a listener of its own on the same address.
    Grouped,
    /// All have the same listener, and so has somebody who never accepts.
    Shared,
    /// Nobody, and it is a unix socket: no handshakes.
    Unix,
}

/// How a listener keeps new handshakes from beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Seal {
    /// They are refused; where another listener of the group may be meant, dropped.
    Interface,
    /// They are dropped.
    Filter,
    /// Not at all.
    Plain,
}

/// What the system says about handshakes under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Listing {
    /// Who is in the middle of one.
    Known,
    /// That it does not know.
    Unknown,
    /// Who is in the middle of one, after this time.
    Slow(Micros),
}

/// What accepting gives in place of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AcceptError {
    /// `EINTR`.
    Interrupted,
    /// `ECONNABORTED`.
    Aborted,
    /// `EPROTO`.
    Protocol,
    /// `ENETDOWN`.
    NetworkDown,
    /// `EMFILE`.
    ProcessFiles,
    /// `ENFILE`.
    SystemFiles,
    /// `ENOBUFS`.
    Buffers,
    /// `ENOMEM`.
    Memory,
    /// `EINVAL`: the listener is of no more use.
    Invalid,
}

impl AcceptError {
    /// All of them.
    pub const ALL: [AcceptError; 9] = [
        AcceptError::Interrupted,
        AcceptError::Aborted,
        AcceptError::Protocol,
        AcceptError::NetworkDown,
        AcceptError::ProcessFiles,
        AcceptError::SystemFiles,
        AcceptError::Buffers,
        AcceptError::Memory,
        AcceptError::Invalid,
    ];
}

/// The network and its system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Net {
    /// Who else accepts from the address.
    pub owner: Owner,
    /// The first rung that the servers try.
    pub first: Seal,
    /// Whether the system grants the first rung.
    pub interface: bool,
    /// Whether the system grants the second rung.
    pub filter: bool,
    /// Whether the clients of a closing listener are handed to another one of its group.
    pub migrate: bool,
    /// Whether every SYN is answered with a cookie.
    pub cookies: bool,
    /// What the system says about handshakes under way.
    pub listing: Listing,
    /// How long after a SYN the handshake is listed.
    pub listing_lag: Micros,
    /// How many clients may wait to be accepted.
    pub backlog: usize,
    /// How many connections a server can have before its descriptors run out.
    pub descriptors: usize,
    /// How many connections a server is configured to have.
    pub max_connections: usize,
    /// What the accept of a number gives, counted for each listener.
    pub accept_errors: Vec<(u32, AcceptError)>,
    /// How long it takes until a server hears of something that has arrived.
    pub lag: Micros,
    /// Whether reads and writes of the servers are cut short at will.
    pub short: bool,
    /// How much a server's socket takes before it blocks.
    pub send_buffer: usize,
    /// How much a server's socket holds unread.
    pub receive_buffer: usize,
}

impl Net {
    /// Nothing is out of the ordinary.
    #[must_use]
    pub fn plain() -> Net {
        Net {
            owner: Owner::Sole,
            first: Seal::Interface,
            interface: true,
            filter: true,
            migrate: false,
            cookies: false,
            listing: Listing::Known,
            listing_lag: 0,
            backlog: 4_096,
            descriptors: 1_000,
            max_connections: 1_000,
            accept_errors: Vec::new(),
            lag: 0,
            short: false,
            send_buffer: 65_536,
            receive_buffer: 131_072,
        }
    }
}

/// The windows and limits of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are named as in the specification")]
pub struct Windows {
    pub deadline: Micros,
    pub close_grace: Micros,
    pub lame_duck: Micros,
    pub seal_max: Micros,
    pub seal_max_group: Micros,
    pub quiet: Micros,
    pub first_byte_grace: Micros,
    pub head_grace: Micros,
    pub half_close_grace: Micros,
    pub linger_max: Micros,
    pub linger_short: Micros,
    pub debounce: Micros,
    pub head: Micros,
    pub content: Micros,
    pub write: Micros,
    pub idle: Micros,
    pub pipeline: u32,
    /// Whether SIGINT closes at once.
    pub interrupt_closes: bool,
}

impl Windows {
    /// As they are where nobody says otherwise.
    #[must_use]
    pub fn by_default() -> Windows {
        Windows {
            deadline: 30 * SECOND,
            close_grace: 500 * MS,
            lame_duck: 0,
            seal_max: SECOND,
            seal_max_group: 900 * MS,
            quiet: 250 * MS,
            first_byte_grace: SECOND,
            head_grace: 5 * SECOND,
            half_close_grace: SECOND,
            linger_max: SECOND,
            linger_short: 100 * MS,
            debounce: 250 * MS,
            head: 30 * SECOND,
            content: 30 * SECOND,
            write: 30 * SECOND,
            idle: 75 * SECOND,
            pipeline: 16,
            interrupt_closes: false,
        }
    }
}

/// A server, and what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerScript {
    /// When it is there.
    pub start: Micros,
    /// What it is told, and when.
    pub commands: Vec<(Micros, Command)>,
    /// From when until when it does not get the processor.
    pub stalls: Vec<(Micros, Micros)>,
}

/// What a server can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Command {
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
    /// `Handle::drain`.
    Drain,
    /// `Handle::close_now`.
    CloseNow,
    /// `Handle::cancel_drain`.
    CancelDrain,
    /// Its future is dropped.
    Drop,
}

//! The sans-IO core of neap: what an HTTP/1.1 connection and a server's shutdown *are*.
//!
//! # The story
//!
//! A **server** runs until somebody stops it. Then it drains: it takes in what has already reached
//! it, lets what has begun be completed, and closes. Its phase is one ordered value,
//!
//! ```text
//! Running < Draining < Closing < Done
//! ```
//!
//! and the [`Lifecycle`] decides when it rises, from signals, the clock and a [`Census`] of the
//! connections.
//!
//! A **connection** has a phase too. `Connection: close`, HTTP/1.0, a bad request and the server's
//! shutdown are all the same to it: the phase in effect, the greater of its own and the server's,
//! has risen, so the next reply is the last. Where it stands, what it waits for and why it ends is
//! decided by one table, [`control`], that a model checker can walk from end to end.
//!
//! A **driver** owns everything that the core does not: sockets, the clock, and whatever wakes it.
//! It turns its connections, each in a loop, and never decides anything.
//!
//! # Driving it
//!
//! Most drivers hold a [`Server`] and a [`Session`] for each connection:
//!
//! - The driver tells the [`Server`] who comes ([`accept`](Server::accept)), where a session
//!   stands ([`note`](Server::note)) and who is gone ([`leave`](Server::leave)), and its
//!   [`lifecycle`](Server::lifecycle) that a signal has come or the listeners have ended.
//!   [`Server::advance`] answers whether the phase has risen, so that every session is to turn;
//!   [`Lifecycle::poll_listening`] what to do with the listeners; [`Server::is_over`] when to
//!   return.
//! - It tells the [`Session`] what reads and writes have come to
//!   ([`handle_read`](Session::handle_read), [`handle_written`](Session::handle_written)).
//!   [`Session::advance`] does all that needs no socket and answers what the socket is to do:
//!   read, write, end our side, close.
//!
//! What answers the requests is a [`Responder`], a state machine that is run in each turn and sees
//! an [`Exchange`]: the request's content and the reply. `docs/porting.md` walks through a driver,
//! and `examples/blocking.rs` is a whole one on plain threads.
//!
//! A driver that keeps the buffers itself, has handlers that are futures, or no heap, holds a
//! [`Connection`] instead of a session, and a [`Lifecycle`] with a registry of its own:
//!
//! 1. [`Connection::poll_step`] says what to do now: a set of levels ([`Wants`]) for reading,
//!    writing and the handler, or that the connection is over.
//! 2. The driver does some of it and reports: [`Connection::handle_input`],
//!    [`Connection::handle_written`], [`Connection::handle_eof`] …
//! 3. When [`Connection::poll_timeout`] is due, or the server's phase has risen, it reads the
//!    socket once more and calls [`Connection::handle_timeout`].
//!
//! # What both have in common
//!
//! What is wanted is a set of levels, which hold until their cause is gone. A driver that is
//! interrupted anywhere, because its future was dropped or its thread was slow, asks again and has
//! lost nothing.
//!
//! Every input carries a [`Tick`]: the time, the server's phase and the settings. There is no
//! separate call that announces the drain, so no reply can slip out between the drain's beginning
//! and the news of it.
//!
//! The driver need not know where a head ends, how content is delimited, when to say
//! `100 Continue`, whether to keep a connection alive, what to refuse and how, when FIN may be sent
//! (not before the last byte of output has been written), how long to linger behind it, whether an
//! end must be a reset so that a cut response does not look whole.
//!
//! What peers do wrong ([`PeerError`], answered with a [`Refusal`]) and what drivers do wrong
//! ([`MisuseError`]) are two types that never mix. A call out of order is refused and writes
//! nothing.
//!
//! # Memory
//!
//! [`Connection`], [`Lifecycle`] and all that they use hold no buffers and allocate nothing. Heads
//! are parsed in place and are views into the driver's buffer; one [`Spans`] per thread has room
//! for their offsets. Replies' heads are appended to a [`Sink`] of the driver's.
//!
//! A [`Session`] has buffers, which are bounded and used again for the next exchange; a [`Server`]
//! has a few bytes for each connection. Without the default feature `alloc` there is neither of
//! them, and no heap at all.
#![no_std]

#[cfg(feature = "alloc")]
extern crate alloc;

pub mod control;

#[cfg(feature = "alloc")]
mod buffer;
#[cfg(feature = "alloc")]
mod buffered;
mod census;
mod chunk;
mod config;
mod connection;
mod date;
mod encode;
mod error;
#[cfg(feature = "alloc")]
mod exchange;
mod fields;
mod finder;
mod framing;
mod head;
mod input;
mod last_reply;
mod levels;
mod lifecycle;
mod outcome;
mod phase;
mod progress;
mod reply;
#[cfg(feature = "alloc")]
mod server;
#[cfg(feature = "alloc")]
mod session;
mod sink;
mod status;
mod syntax;
mod target;
mod time;
mod timers;
mod vocabulary;
mod wants;
mod whole;

pub use census::Census;
pub use config::{Config, ConfigError, Drain, Limits, Timeouts};
pub use connection::{Connection, Tally};
pub use date::HttpDate;
pub use error::{MisuseError, PeerError, Refusal};
#[cfg(feature = "alloc")]
pub use exchange::Exchange;
pub use fields::{Fields, FieldsIter, Spans};
pub use head::{Head, Version};
pub use input::{Item, Received};
pub use lifecycle::{Cause, Durations, Lifecycle, Listening, SignalEffect};
pub use outcome::{Fate, Outcome};
pub use phase::Phase;
pub use progress::{Progress, ServerEvent, next};
pub use reply::{BodyLength, Frame};
#[cfg(feature = "alloc")]
pub use server::Server;
#[cfg(feature = "alloc")]
pub use session::{Failure, Responder, Session};
pub use sink::Sink;
pub use status::Status;
pub use time::{Tick, Time};
pub use wants::{Handler, Read, State, Step, Wants, Write};

/// The code on the page for porters, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/porting.md")]
struct Porting;

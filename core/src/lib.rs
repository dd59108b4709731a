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
//! A **driver** owns everything that the core does not: sockets, buffers, handlers, the clock. It
//! turns in a loop:
//!
//! 1. [`Connection::poll_step`] says what to do now: a set of levels ([`Wants`]) for reading,
//!    writing and the handler, or that the connection is over.
//! 2. The driver does some of it and reports: [`Connection::handle_input`],
//!    [`Connection::handle_written`], [`Connection::handle_eof`] …
//! 3. When [`Connection::poll_timeout`] is due, or the server's phase has risen, it reads the
//!    socket once more and calls [`Connection::handle_timeout`].
//!
//! Levels hold until their cause is gone. A driver that is interrupted anywhere, because its future
//! was dropped or its thread was slow, asks again and has lost nothing.
//!
//! Every input carries a [`Tick`]: the time, the server's phase and the settings. There is no
//! separate call that announces the drain, so no reply can slip out between the drain's beginning
//! and the news of it.
//!
//! # What the driver need not know
//!
//! Where a head ends, how content is delimited, when to say `100 Continue`, whether to keep a
//! connection alive, what to refuse and how, when FIN may be sent (not before the last byte of
//! output has been written), how long to linger behind it, whether an end must be a reset so that a
//! cut response does not look whole. `examples/blocking.rs` is a complete server on plain threads.
//!
//! # Memory
//!
//! The core holds no buffers and allocates nothing. Heads are parsed in place and are views into
//! the driver's buffer; one [`Spans`] per thread has room for their offsets. Replies' heads are
//! appended to a [`Sink`] of the driver's.
#![no_std]

pub mod control;

mod buffer;
mod census;
mod chunk;
mod config;
mod connection;
mod date;
mod encode;
mod error;
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
mod server;
mod session;
mod sink;
mod status;
mod syntax;
mod target;
mod time;
mod timers;
mod vocabulary;
mod wants;

pub use census::Census;
pub use config::{Config, ConfigError, Drain, Limits, Timeouts};
pub use connection::{Connection, Tally};
pub use date::HttpDate;
pub use error::{MisuseError, PeerError, Refusal};
pub use exchange::Exchange;
pub use fields::{Fields, FieldsIter, Spans};
pub use head::{Head, Version};
pub use input::{Item, Received};
pub use lifecycle::{Cause, Durations, Lifecycle, Listening, SignalEffect};
pub use outcome::{Fate, Outcome};
pub use phase::Phase;
pub use progress::{Progress, ServerEvent, next};
pub use reply::{BodyLength, Frame};
pub use server::Server;
pub use session::{Failure, Responder, Session};
pub use sink::Sink;
pub use status::Status;
pub use time::{Tick, Time};
pub use wants::{Handler, Read, State, Step, Wants, Write};

/// The code on the page for porters, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/porting.md")]
struct Porting;

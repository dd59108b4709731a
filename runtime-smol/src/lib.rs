//! An embeddable HTTP/1.1 micro-server for smol and async-std, whose shutdown can be proved.
//!
//! **Dropping the future that [`Server::serve`] gives is a hard stop**, as everywhere in smol.
//! Stopping gracefully is [`Handle::drain`], or SIGTERM where [`Server::signals`] was asked for:
//! what has reached the server is accepted and served, what has begun is completed, and the future
//! then gives a [`Report`] that says what became of every connection and request.
//!
//! ```no_run
//! use neap_smol::Server;
//!
//! fn main() -> std::io::Result<()> {
//!     let server = Server::bind("127.0.0.1:8080")?;
//! #   #[cfg(feature = "signal")]
//!     let server = server.signals()?;
//!     let report = server.run(|_request| async { "Hello, World!" })?;
//!     println!("{report}");
//!     Ok(())
//! }
//! ```
//!
//! # How it works
//!
//! What a connection is, and what a shutdown is, is decided in [`neap_core`], which touches no
//! sockets. This crate drives it. All connections live inside the one future of their server, with
//! a run queue of its own: no executor is needed, no task is spawned, and none can be left over.
//! Sockets become ready through a reactor of the server's own, edge-triggered epoll, or through
//! async-io's, which every smol and async-std program has: see [`Reactor`]. Only a handler that
//! blocks its thread could hold all of that up: from the drain's beginning to its end a watchdog,
//! on another thread, keeps the deadline.
//!
//! [`Server::run`] serves on several threads where [`Server::threads`] asks for them. Each has
//! connections, a reactor and a run queue of its own; one more accepts, and conducts the shutdown,
//! so that there is one lifecycle however many there are. Who was accepted waits for the first
//! thread that has time.
//!
//! A handler is a function from [`http::Request`]`<`[`Body`]`>` to a future of anything that is
//! [`IntoResponse`]. Of a request, [`ConnectionInfo::of`] tells who the client is, [`Shutdown::of`]
//! whether the server is stopping and how long it will take, and [`Upgrade::of`] whether it wishes
//! for another protocol.
//!
//! # Features
//!
//! - `signal` (default): `Server::signals`.
//! - `json`: `Body::json`, and `Json` as a response.
//! - `tower`: services of tower as handlers, axum's `Router` among them; `TimeoutLayer`.
//! - `rustls`: `Server::tls`, HTTPS.
//! - `tracing`: spans of connections and requests, and the server's events, for `tracing`.
//! - `metrics`: `Handle::metrics`, and `/metrics` on the admin listeners.
//!
//! None of them brings tokio along. `docs/embedding.md` is a guide from `cargo new` to a server
//! that drains, `docs/from-async-std.md` the way from tide and async-h1.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod account;
mod address;
mod admin;
mod bind;
mod body;
mod clock;
mod conductor;
mod connection;
mod connection_info;
mod connections;
mod content;
mod course;
mod deadlines;
mod dispatch;
mod ending;
mod environment;
#[cfg(target_os = "linux")]
mod epoll;
mod event;
mod event_stream;
mod exchange;
mod feed;
mod half_open;
mod handle;
mod handles;
mod handshakes;
mod incoming;
mod input;
#[cfg(feature = "json")]
mod json;
mod ledger;
mod line;
mod listener;
mod listeners;
mod listening;
#[cfg(feature = "metrics")]
mod metrics;
mod native;
mod output;
#[cfg(target_os = "linux")]
mod park;
mod piece;
mod pool;
mod probe;
#[cfg(all(test, neap_loom))]
mod races;
mod receiving;
mod refusal;
mod registry;
mod replying;
mod report;
mod response;
mod run_queue;
mod seal;
mod seat;
mod serve;
mod server;
mod serving;
mod shared;
mod shutdown;
mod signals;
mod sock_diag;
mod socket;
mod source;
mod switched;
mod sync;
pub mod system;
mod threads;
#[cfg(feature = "rustls")]
mod tls;
#[cfg(feature = "tower")]
mod tower;
#[cfg(feature = "tracing")]
mod trace;
mod upgrade;
mod watchdog;
mod worker;

pub use address::{Address, AddressError};
pub use body::{Body, BodyError};
pub use connection_info::{ConnectionInfo, Shutdown};
pub use event::{Event, Holder};
pub use event_stream::{EventStream, Heartbeat, ServerSentEvent};
pub use handle::Handle;
pub use handles::Handles;
#[cfg(feature = "json")]
pub use json::{Json, JsonError};
pub use listener::Ownership;
pub use neap_core::{
    Cause, Census, Config, ConfigError, Drain, Durations, Limits, MisuseError, Outcome, PeerError,
    Phase, Progress, Refusal, State, Timeouts,
};
pub use refusal::RefusalPage;
pub use report::{Aborted, ListenerReport, Outcomes, Report, Requests};
pub use response::{BoxError, Either, EitherData, Full, IntoResponse};
pub use seal::Rung;
pub use serve::Serve;
pub use server::Server;
pub use signals::Interrupt;
pub use source::Reactor;
#[cfg(feature = "rustls")]
pub use tls::{Handshakes, Tls};
#[cfg(feature = "tower")]
pub use tower::{Calling, ServiceBody, Timed, Timeout, TimeoutLayer, service};
pub use upgrade::{Upgrade, UpgradeError, Upgraded};

/// The TLS that [`Tls::new`] takes its settings from.
#[cfg(feature = "rustls")]
pub use rustls;

/// The README's examples, compiled.
#[cfg(all(doctest, feature = "signal"))]
#[doc = include_str!("../../README.md")]
struct Readme;

/// The guides' examples, compiled where all that they take is there.
#[cfg(all(
    doctest,
    feature = "json",
    feature = "rustls",
    feature = "signal",
    feature = "tower"
))]
mod guides {
    #[doc = include_str!("../../docs/embedding.md")]
    struct Embedding;

    #[doc = include_str!("../../docs/from-async-std.md")]
    struct FromAsyncStd;
}

//! What crosses neap's crates: its machines walked from end to end, its driver simulated, its
//! parsers fuzzed, its servers on real sockets.
//!
//! - [`model`] is the two machines to walk, the tables alone and a connection with its bytes and
//!   times; `tests/model` walks them, `tests/diagrams.rs` keeps the documentation's pictures true.
//! - `tests/simulation.rs` runs the shipped driver on a virtual kernel ([`simulation`]).
//! - `tests/conformance` is what RFC 9110 and RFC 9112 ask of a server, byte for byte.
//! - `tests/http.rs` is what every driver has to do over a socket, `tests/drain.rs` what the
//!   command does when it is told to stop, `tests/round_trip` the same over a link with a delay.
//! - `tests/failures` is what other servers got wrong: scenarios that neap passes, and that a
//!   server with the same mistake does not. `tests/rolling` replaces servers under load.
//! - `tests/signals.rs`, `tests/windows.rs`, `tests/readiness.rs`, `tests/exhaustion.rs` and
//!   `tests/wakeups.rs` look at the command's drain from outside, `tests/census.rs`,
//!   `tests/remains.rs`, `tests/idempotence.rs` and `tests/shared_listener.rs` from within its
//!   process. `tests/invariants.rs` keeps the table of what they show.
//! - `tests/keep_accepting.rs`, `tests/told.rs`, `tests/health.rs` and `tests/before_running.rs`
//!   are more of the drain; `tests/notify.rs` and `tests/inherit.rs` play systemd to the command.
//! - `tests/confinement` is what the command never sends of a directory, and what lies beside it.
//! - `tests/corpus.rs` replays what the fuzz targets found, `tests/proxies` compares readings with
//!   HAProxy's and nginx's.
//! - [`page`] is `docs/serve.md` taken apart, which `bench` runs; `tests/serve_docs.rs` holds the
//!   page to its rules.
//! - `tests/tidy.rs` holds the rules of the house.
//!
//! Nothing here sleeps to pass: a test waits for an event, and fails when it does not come.

pub mod client;
pub mod fuzzing;
pub mod graph;
#[cfg(feature = "link")]
pub mod link;
#[cfg(feature = "model")]
pub mod model;
pub mod page;
pub mod process;
pub mod simulation;

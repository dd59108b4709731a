//! What crosses neap's crates: its machines walked from end to end, its driver simulated, its
//! parsers fuzzed, its servers on real sockets.
//!
//! - `tests/model` walks the two machines, the tables alone and a connection with its bytes and
//!   times; `tests/diagrams.rs` keeps the documentation's pictures of them true.
//! - `tests/simulation.rs` runs the shipped driver on a virtual kernel ([`simulation`]).
//! - `tests/conformance` is what RFC 9110 and RFC 9112 ask of a server, byte for byte.
//! - `tests/http.rs` is what every driver has to do over a socket, `tests/drain.rs` what the
//!   command does when it is told to stop, `tests/round_trip` the same over a link with a delay.
//! - `tests/corpus.rs` replays what the fuzz targets found, `tests/proxies` compares readings with
//!   HAProxy's and nginx's.
//! - `tests/tidy.rs` holds the rules of the house.
//!
//! Nothing here sleeps to pass: a test waits for an event, and fails when it does not come.

pub mod client;
pub mod fuzzing;
pub mod graph;
pub mod process;
pub mod simulation;

//! Properties that the core keeps for every input, for a fuzzer to look for exceptions.
//!
//! Each of [`TARGETS`] is a function of bytes that panics where a property does not hold. The
//! fuzzer in `fuzz/` calls them with what it makes up, `cargo test` with the corpora that the
//! fuzzer has gathered, so that both mean the same.
//!
//! | target | the bytes are |
//! |---|---|
//! | [`head`] | the first input of a connection |
//! | [`chunked`] | the content behind a head that announces chunks |
//! | [`connection`] | a plan for driver and handlers, then all that a client sends |
//! | [`reply`] | what a handler answers, and to whom |
//!
//! The core is held against readers of requests and responses that were written for this purpose,
//! from the grammar and without regard to speed: what they refuse, or understand differently, it
//! must neither take nor write.

mod chunked;
mod chunks;
mod connection;
mod driver;
mod handler;
mod head;
mod messages;
mod plan;
mod reply;
mod requests;
mod responses;
mod seeds;
mod syntax;
mod world;

pub use chunked::chunked;
pub use connection::connection;
pub use driver::{Driver, Transcript};
pub use handler::Behaviour;
pub use head::head;
pub use messages::{Message, messages, statuses, verdict};
pub use reply::reply;
pub use requests::{Request, read_requests};
pub use responses::{Asked, End, Response, read_response};
pub use seeds::{Seed, seeds};
pub use syntax::{Fields, Reading, read_fields};

/// A property of all inputs: it panics where it does not hold.
pub type Target = fn(&[u8]);

/// Every target, by the name of its corpus.
pub const TARGETS: [(&str, Target); 4] = [
    ("head", head),
    ("chunked", chunked),
    ("connection", connection),
    ("reply", reply),
];

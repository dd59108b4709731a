//! The two machines as models to walk: whatever the peer, the handler, the timers and the server
//! do, in whatever order.
//!
//! - [`table`]: a connection's control state, by the table alone, which refuses nothing that its
//!   rows allow; [`reports`] says what has to fit where.
//! - [`connection`]: a whole connection, with bytes, times and a driver that does what it is asked
//!   ([`turned`]); [`client`] is what it is sent.
//! - [`server`] and [`servers`]: the lifecycle, two listeners and three connections, these as
//!   [`abstraction`] has them: a state and the time that is left in it.
//!
//! `tests/tests/model` walks them all and holds the abstraction against the whole connection,
//! `cargo run -p neap-tests --example explore` shows them in a browser, and `docs/proof.md` says
//! what is proved by that and what is not.
//!
//! A rule that is one of the shutdown's invariants has its number:
//!
//! - I1: a phase never falls, but by calling off the drain in lame duck.
//! - I2: while the server runs, no response gains close because of a shutdown.
//! - I3: once listeners have ended nobody is accepted.
//! - I7: one final response at most for each request, in order, and one fate.
//! - I8: nothing is dispatched after a response with close.
//! - I9: a request that was received whole before our FIN is answered, until Closing.
//! - I10: idle, fresh and lingering connections hold the drain no longer than their own windows.
//! - I11: held is whoever is in the middle of something, and nobody who has vanished.
//! - I12: with nobody connected and no listener left, a server that drains is done without waiting.
//! - I13: done by the deadline and the grace behind it; every wait for a peer has a deadline.
//! - I14: no timer is left due, and nothing is asked for again that was answered.
//! - I15: what was cut does not look whole.
//! - I16: every byte that a handler handed over is sent, or the end says that it was not.
//! - I17: from the drain's first moment the server is not ready, and a last response says close.
//! - I22: each connection has one outcome, each dispatched request one fate.
//! - I23: asking twice for the drain or the end is asking once.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A property for each rule, that no step breaks it, and one that no rule was forgotten.
macro_rules! rules {
    ($model:ty; $($rule:literal)+) => {
        vec![
            $(Property::<$model>::always($rule, |_, state| state.broken != Some($rule)),)+
            Property::<$model>::always("every rule is among the properties", |_, state| {
                state.broken.is_none_or(|broken| [$($rule),+].contains(&broken))
            }),
        ]
    };
}

pub mod abstraction;
pub mod client;
pub mod connection;
mod connection_rules;
pub mod names;
pub mod reports;
pub mod server;
pub mod server_rows;
mod server_rules;
pub mod servers;
pub mod table;
pub mod turn;
pub mod turned;

/// What tells states apart: all that `state` shows of itself, with its times counted from `now` in
/// nanoseconds. What is over for longer than `horizon`, the longest of all windows, is just over.
fn key(state: &impl Debug, now: u64, horizon: u64) -> u64 {
    let text = format!("{state:?}");
    let mut hasher = DefaultHasher::new();
    let mut parts = text.split("Time(");
    parts.next().hash(&mut hasher);
    for part in parts {
        let (nanos, rest) = part.split_once(')').expect("a time is in brackets");
        let nanos: u64 = nanos.parse().expect("a time is a number");
        let left = match nanos {
            u64::MAX => None,
            nanos => Some((nanos + horizon).saturating_sub(now)),
        };
        (left, rest).hash(&mut hasher);
    }
    hasher.finish()
}

/// The name of the first rule that is broken.
fn first(rules: &[(&'static str, bool)]) -> Option<&'static str> {
    let broken = rules.iter().find(|(_, broken)| *broken);
    broken.map(|(rule, _)| *rule)
}

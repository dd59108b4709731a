//! Rolling restarts: two servers share a port, and one after the other is replaced while clients
//! come and go. Nobody who has connected may be lost.
//!
//! The new server listens before the old one is told to stop, and the old one has to exit by
//! itself, with status 0 and a report that says that a signal ended it. Every attempt of a client
//! is either answered whole, or refused before it was connected, or lost.
//!
//! Each repetition replaces both. `NEAP_SOAK=100 cargo test -p neap-tests --test rolling --
//! --nocapture` repeats each shape of load a hundred times and shows the figures.
//!
//! This is the loopback, where handshakes take no time; `tests/round_trip` has them take some.

mod load;
mod pair;
mod wrk;

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use load::Load;
use pair::Pair;

/// One at a time, so that they do not slow each other down.
static TURN: Mutex<()> = Mutex::new(());

/// Replaces both servers as often as asked for, under `load`.
fn roll<L: Load>(shape: &str, load: impl FnOnce(SocketAddr) -> L) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let times = std::env::var("NEAP_SOAK").map_or(3, |times| times.parse().expect("a number"));
    let mut pair = Pair::start();
    let mut load = load(pair.address);
    for _ in 0..times {
        for which in [0, 1] {
            load.await_more();
            pair.replace(which);
        }
    }
    let tally = load.end();
    println!("{shape}: {times} x: {tally}");
    assert!(tally.lost.is_empty(), "{tally}: {:?}", tally.first_lost());
    // One of them listened at every moment.
    assert_eq!(tally.refused, 0, "{tally}");
    assert!(tally.answered > 0, "{tally}");
}

#[test]
fn kept_connections_under_full_load_lose_nothing() {
    if let Some(obstacle) = wrk::obstacle() {
        return println!("skipped: {obstacle}");
    }
    roll("wrk", wrk::start);
}

#[test]
fn connections_of_one_request_lose_nothing() {
    roll("one-shot", load::one_shot);
}

#[test]
fn bursts_lose_nothing() {
    roll("bursts", load::bursts);
}

#[test]
fn slow_requests_lose_nothing() {
    roll("slow", load::slow);
}

/// That the clients notice when they are lost.
#[test]
fn a_server_that_is_killed_loses_whom_it_serves() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut pair = Pair::start();
    let mut load = load::slow(pair.address);
    load.await_more();
    pair.replace_by_force(0);
    let tally = load.end();
    assert!(tally.lost.len() > 1, "{tally}");
}

//! What becomes of clients when a server is told to stop, in four situations.
//!
//! A restart that works shows nobody anything. These are the moments in which it may not:
//!
//! - [`backlog`]: clients wait in the listen queue, their whole requests with them.
//! - [`rolling`]: a pair of servers shares an address and is replaced, one after the other.
//! - [`keep_alive`]: the next request on an idle connection is there already.
//! - [`round_trip`]: packets take their time, so that handshakes are under way.
//!
//! Each client is answered whole, refused before it was connected, or lost.

pub mod backlog;
pub mod keep_alive;
pub mod rolling;
pub mod round_trip;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use neap_tests::link::Namespace;
use serde::Serialize;

use crate::exchange::{Failure, converse};
use crate::process::Process;

/// What became of the clients of one restart, or of several in a row.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// Who got the whole answer.
    pub answered: usize,
    /// Who was never connected.
    pub refused: usize,
    /// Who was connected and got no whole answer, by how he noticed.
    pub lost: BTreeMap<String, usize>,
    /// The longest that an answer took, from the attempt to connect, in milliseconds. Not told
    /// where clients had to wait for the signal.
    pub slowest_answer_ms: Option<u128>,
    /// From the signal to the exit, in milliseconds: one for each server that was stopped, none for
    /// one that had to be killed.
    pub exit_ms: Vec<Option<u128>>,
}

impl Tally {
    /// How many were lost.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.lost.values().sum()
    }

    fn count(&mut self, end: Result<(), Failure>) {
        match end {
            Ok(()) => self.answered += 1,
            Err(Failure::Refused) => self.refused += 1,
            Err(Failure::Lost(how)) => *self.lost.entry(how).or_default() += 1,
        }
    }

    /// Waits for the end of a server that was told to stop.
    fn await_exit(&mut self, server: Process) -> io::Result<()> {
        let took = server.exit()?;
        self.exit_ms.push(took.map(|took| took.as_millis()));
        Ok(())
    }
}

/// Clients that come one after the other, connect, ask once and go.
struct Stream<'a> {
    server: SocketAddr,
    /// Between one and the next.
    pace: Duration,
    /// Between a client's handshake and its request.
    hesitation: Duration,
    /// Where they come from, if that is not where this thread is.
    namespace: Option<&'a Namespace>,
}

impl Stream<'_> {
    /// Sends clients while `meanwhile` goes on; counts what became of them.
    fn during<T>(&self, tally: &mut Tally, meanwhile: impl FnOnce(&mut Tally) -> T) -> T {
        let (sender, ends) = channel();
        let ended = AtomicBool::new(false);
        let result = thread::scope(|scope| {
            let send = || self.send(&ended, &sender);
            scope.spawn(move || match self.namespace {
                Some(namespace) => namespace.enter(send),
                None => send(),
            });
            let result = meanwhile(tally);
            ended.store(true, Ordering::Release);
            result
        });
        drop(sender);
        for (end, took) in ends {
            if end.is_ok() {
                tally.slowest_answer_ms = tally.slowest_answer_ms.max(Some(took.as_millis()));
            }
            tally.count(end);
        }
        result
    }

    fn send(&self, ended: &AtomicBool, ends: &Sender<(Result<(), Failure>, Duration)>) {
        let begun = Instant::now();
        thread::scope(|scope| {
            let starts = (0..).map(|number| begun + self.pace * number);
            for start in starts.take_while(|_| !ended.load(Ordering::Acquire)) {
                thread::sleep(start.saturating_duration_since(Instant::now()));
                scope.spawn(|| {
                    let begun = Instant::now();
                    let end = converse(self.server, self.hesitation);
                    // The receiver outlives the clients.
                    let _ = ends.send((end, begun.elapsed()));
                });
            }
        });
    }
}

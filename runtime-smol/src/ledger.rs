//! What a connection has done so far, written by its server and readable from other threads.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use http::Uri;
use neap_core::{Fate, Outcome, Tally, Time};

/// In which order they are numbered.
const FATES: [Fate; 5] = [
    Fate::Completed,
    Fate::Truncated,
    Fate::Aborted,
    Fate::Vanished,
    Fate::Panicked,
];

/// Each number has one writer, so that a plain store counts.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) accepted: Time,
    /// Its socket, without keeping it open.
    pub(crate) descriptor: Weak<OwnedFd>,
    received: AtomicU64,
    sent: AtomicU64,
    /// Requests dispatched, in the upper half, and completed.
    requests: AtomicU64,
    /// The head of the current response has been written.
    replying: AtomicBool,
    /// How the connection ends, once that is decided: 1 and the outcome's number in the upper half,
    /// and the number of the fate that requests share which are not completed.
    decided: AtomicU16,
    /// The target of the request under way, if the log may name it.
    target: Mutex<Option<Uri>>,
}

impl Ledger {
    pub(crate) fn new(accepted: Time, descriptor: Weak<OwnedFd>) -> Ledger {
        Ledger {
            accepted,
            descriptor,
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            replying: AtomicBool::new(false),
            decided: AtomicU16::new(0),
            target: Mutex::default(),
        }
    }

    /// The target of the request under way, if the log may name it.
    pub(crate) fn target(&self) -> Option<Uri> {
        self.lock_target().clone()
    }

    pub(crate) fn set_target(&self, target: Option<Uri>) {
        *self.lock_target() = target;
    }

    fn lock_target(&self) -> MutexGuard<'_, Option<Uri>> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes read from the client.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Bytes written to it.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn add_received(&self, count: usize) {
        add(&self.received, count);
    }

    pub(crate) fn add_sent(&self, count: usize) {
        add(&self.sent, count);
    }

    /// Takes note of how far the requests have come, and of the connection's outcome if that is
    /// decided.
    pub(crate) fn note(&self, tally: Tally, replying: bool, outcome: Option<Outcome>) {
        let decided = outcome.map_or(0, |outcome| (outcome as u16 + 1) << 8 | tally.rest as u16);
        self.decided.store(decided, Ordering::Relaxed);
        let requests = u64::from(tally.dispatched) << 32 | u64::from(tally.completed);
        self.requests.store(requests, Ordering::Relaxed);
        self.replying.store(replying, Ordering::Relaxed);
    }

    /// How the connection ends, and what became of its requests, if that is decided.
    pub(crate) fn decided(&self) -> Option<(Outcome, Tally)> {
        let [outcome, fate] = self.decided.load(Ordering::Relaxed).to_be_bytes();
        let outcome = *Outcome::ALL.get(usize::from(outcome).checked_sub(1)?)?;
        let rest = *FATES.get(usize::from(fate))?;
        let tally = self.tally(false);
        Some((outcome, Tally { rest, ..tally }))
    }

    /// What became of the requests if the connection ends now, by the shutdown or by itself.
    pub(crate) fn tally(&self, is_aborted: bool) -> Tally {
        let requests = self.requests.load(Ordering::Relaxed);
        // Each is half of it.
        let count = |half: u64| u32::try_from(half & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        let rest = match (is_aborted, self.replying.load(Ordering::Relaxed)) {
            (false, _) => Fate::Completed,
            (true, true) => Fate::Truncated,
            (true, false) => Fate::Aborted,
        };
        Tally {
            dispatched: count(requests >> 32),
            completed: count(requests),
            rest,
        }
    }
}

fn add(sum: &AtomicU64, count: usize) {
    sum.store(
        sum.load(Ordering::Relaxed) + count as u64,
        Ordering::Relaxed,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_counts_of_requests_are_kept_apart() {
        let ledger = Ledger::new(Time::ZERO, Weak::new());
        let tally = |dispatched, completed, rest| Tally {
            dispatched,
            completed,
            rest,
        };
        ledger.note(tally(u32::MAX, 7, Fate::Vanished), true, None);
        assert_eq!(ledger.tally(true), tally(u32::MAX, 7, Fate::Truncated));
        ledger.note(tally(8, 7, Fate::Vanished), false, None);
        assert_eq!(ledger.tally(true), tally(8, 7, Fate::Aborted));
        assert_eq!(ledger.tally(false), tally(8, 7, Fate::Completed));
        assert_eq!(ledger.decided(), None);
    }

    #[test]
    fn what_is_decided_is_kept_whatever_it_is() {
        let ledger = Ledger::new(Time::ZERO, Weak::new());
        for outcome in Outcome::ALL {
            for rest in FATES {
                let tally = Tally {
                    dispatched: 2,
                    completed: 1,
                    rest,
                };
                ledger.note(tally, false, Some(outcome));
                assert_eq!(ledger.decided(), Some((outcome, tally)));
            }
        }
    }
}

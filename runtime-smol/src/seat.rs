//! What one thread of a server shares with the others.

use std::sync::Arc;

use crate::registry::Registry;
use crate::run_queue::{Part, RunQueue};
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// No connection's number.
pub(crate) const NOBODY: usize = usize::MAX;

/// A thread's place in its server.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) queue: Arc<RunQueue>,
    pub(crate) registry: Arc<Registry>,
    /// The connection that is being polled, or [`NOBODY`].
    pub(crate) polled: AtomicUsize,
    /// The number of the last sign of life that it has given.
    beaten: AtomicU64,
    /// What it does, as far as that matters to who has work for it: a [`Rest`].
    rest: AtomicU8,
    /// How many connections it has, as it last said.
    pub(crate) open: AtomicUsize,
    /// It is to give up an idle connection.
    pub(crate) close_one_idle: AtomicBool,
    /// It has ended.
    pub(crate) ended: AtomicBool,
}

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It works, or may be blocked.
    Up,
    /// It sleeps.
    Asleep,
    /// It slept, and has been called: it will be up soon, and take somebody in before all else.
    Called,
}

impl Seat {
    pub(crate) fn new(queue: Arc<RunQueue>) -> Seat {
        Seat {
            queue,
            registry: Arc::default(),
            polled: AtomicUsize::new(NOBODY),
            beaten: AtomicU64::new(0),
            // It has yet to begin.
            rest: AtomicU8::new(Rest::Called as u8),
            open: AtomicUsize::new(0),
            close_one_idle: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }
    }

    /// Lets the thread take a turn.
    pub(crate) fn ring(&self) {
        self.queue.push(Part::Control);
    }

    /// The thread takes a turn, after sign of life `asked` was asked for. True if it is news.
    pub(crate) fn beat(&self, asked: u64) -> bool {
        self.beaten.swap(asked, Ordering::AcqRel) != asked
    }

    pub(crate) fn has_beaten(&self, asked: u64) -> bool {
        self.beaten.load(Ordering::Acquire) >= asked
    }

    pub(crate) fn set(&self, rest: Rest) {
        self.rest.store(rest as u8, Ordering::Release);
    }

    /// Calls the thread, if it sleeps.
    pub(crate) fn call(&self) -> bool {
        let (asleep, called) = (Rest::Asleep as u8, Rest::Called as u8);
        let order = (Ordering::AcqRel, Ordering::Relaxed);
        let call = self.rest.compare_exchange(asleep, called, order.0, order.1);
        if call.is_ok() {
            self.ring();
        }
        call.is_ok()
    }

    /// Whether it has ended, or is known to be blocked.
    pub(crate) fn is_not_to_be_waited_for(&self) -> bool {
        self.has_ended() || self.polled.load(Ordering::Relaxed) != NOBODY
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(crate) fn is(&self, rest: Rest) -> bool {
        self.rest.load(Ordering::Acquire) == rest as u8
    }
}

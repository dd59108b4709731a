//! The server's own run queue: which of its parts are to be polled.
//!
//! All connections live inside one future. Each has a waker of its own, which puts its number
//! into this queue and wakes the future that they live in. No executor is needed, and the future
//! polls only those that have something to do.

use std::sync::{Arc, PoisonError};
use std::task::{Wake, Waker};

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// A part of the server that can be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A command came through the handle, or a signal.
    Control,
    /// A listener has connections waiting.
    Listeners,
    /// A deadline has come.
    Timer,
    /// The reactor has something to tell.
    Reactor,
    /// A connection, by its number.
    Connection(usize),
    /// The admin listener has connections waiting.
    AdminListeners,
    /// A connection to the admin listener.
    AdminConnection(usize),
}

/// The queue. Shared by the server's future and all wakers.
#[derive(Debug, Default)]
pub(crate) struct RunQueue {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ready: Vec<Part>,
    /// Whoever polls the server's future.
    root: Option<Waker>,
    /// The future is being polled and will look at the queue again before it returns.
    polling: bool,
}

impl RunQueue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues `part` and wakes the server.
    pub(crate) fn push(&self, part: Part) {
        let mut inner = self.lock();
        inner.ready.push(part);
        let root = if inner.polling {
            None
        } else {
            inner.root.take()
        };
        drop(inner);
        if let Some(root) = root {
            root.wake();
        }
    }

    /// Begins a poll of the server's future.
    pub(crate) fn enter(&self, root: &Waker) {
        let mut inner = self.lock();
        inner.polling = true;
        match &mut inner.root {
            Some(waker) => waker.clone_from(root),
            none => *none = Some(root.clone()),
        }
    }

    /// Moves what is ready to `batch`, which must be empty. False if there was nothing: then the
    /// poll is over, and the next part that becomes ready wakes the root.
    pub(crate) fn take(&self, batch: &mut Vec<Part>) -> bool {
        debug_assert!(
            batch.is_empty(),
            "a batch is worked off before the next is taken"
        );
        let mut inner = self.lock();
        std::mem::swap(&mut inner.ready, batch);
        inner.polling = !batch.is_empty();
        inner.polling
    }

    /// Ends a poll although there may be more to do: the root is woken if so.
    pub(crate) fn leave(&self) {
        let mut inner = self.lock();
        inner.polling = false;
        let root = if inner.ready.is_empty() {
            None
        } else {
            inner.root.take()
        };
        drop(inner);
        if let Some(root) = root {
            root.wake();
        }
    }
}

/// Wakes one part of the server, at most once until it has been polled.
#[derive(Debug)]
pub(crate) struct PartWaker {
    part: Part,
    queued: AtomicBool,
    queue: Arc<RunQueue>,
}

impl PartWaker {
    pub(crate) fn new(queue: &Arc<RunQueue>, part: Part) -> Arc<PartWaker> {
        Arc::new(PartWaker {
            part,
            queued: AtomicBool::new(false),
            queue: Arc::clone(queue),
        })
    }

    /// The part is about to be polled: from here on a wake queues it again.
    ///
    /// A plain store would not do. What the part is about to look at could be read before the store
    /// is seen; a wake in between would find the part queued still, and be lost. Exchanging the
    /// value makes everything visible that came before a wake that found the part queued.
    pub(crate) fn clear(&self) {
        self.queued.swap(false, Ordering::AcqRel);
    }
}

impl Wake for PartWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.queue.push(self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting_waker() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count(Mutex::new(0)));
        (Arc::clone(&count), Waker::from(count))
    }

    struct Count(Mutex<usize>);

    impl Count {
        fn get(&self) -> usize {
            *self.0.lock().unwrap()
        }
    }

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            *self.0.lock().unwrap() += 1;
        }
    }

    #[test]
    fn a_part_is_queued_once_until_it_is_polled() {
        let queue = Arc::new(RunQueue::default());
        let waker = PartWaker::new(&queue, Part::Connection(3));
        waker.wake_by_ref();
        waker.wake_by_ref();
        let mut batch = Vec::new();
        assert!(queue.take(&mut batch));
        assert_eq!(batch, [Part::Connection(3)]);
        waker.clear();
        waker.wake_by_ref();
        batch.clear();
        assert!(queue.take(&mut batch));
    }

    #[test]
    fn a_wake_during_a_poll_is_seen_by_that_poll_and_does_not_wake_the_root() {
        let queue = RunQueue::default();
        let (count, root) = counting_waker();
        queue.enter(&root);
        queue.push(Part::Timer);
        let mut batch = Vec::new();
        assert!(queue.take(&mut batch));
        batch.clear();
        assert!(!queue.take(&mut batch));
        assert_eq!(count.get(), 0);
    }

    #[test]
    fn a_wake_after_the_last_look_wakes_the_root_once() {
        let queue = RunQueue::default();
        let (count, root) = counting_waker();
        queue.enter(&root);
        assert!(!queue.take(&mut Vec::new()));
        queue.push(Part::Timer);
        queue.push(Part::Control);
        assert_eq!(count.get(), 1);
    }

    #[test]
    fn a_poll_that_ends_early_with_work_left_wakes_its_root() {
        let queue = RunQueue::default();
        let (count, root) = counting_waker();
        queue.enter(&root);
        queue.push(Part::Timer);
        queue.leave();
        assert_eq!(count.get(), 1);
    }
}

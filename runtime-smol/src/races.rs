//! Every order in which threads may come, tried by loom: the broadcast of the phase, the run queue,
//! handles and the registry. A wake-up that can be lost would leave a server that is
//! not done, or a deadlock.
//!
//! `RUSTFLAGS="--cfg neap_loom" cargo test -p neap-smol --lib --release races`

use std::sync::Arc;
use std::task::{Wake, Waker};

use loom::future::block_on;
use loom::thread::{self, JoinHandle};
use neap_core::{Progress, State};

use crate::course::Command;
use crate::registry::Registry;
use crate::run_queue::{Part, PartWaker, RunQueue};
use crate::shared::Shared;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::{ConnectionInfo, Handle};

/// When a part is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looks {
    /// Once it can be woken again, as the server does.
    AfterClearing,
    /// Before that, which would be a mistake.
    BeforeClearing,
}

/// Whether the server's future was woken.
struct Root(AtomicBool);

impl Wake for Root {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// A server with one part, which is done when a look at it says so.
struct Server<L> {
    queue: Arc<RunQueue>,
    part: Arc<PartWaker>,
    looks: Looks,
    look: L,
}

impl<L: FnMut() -> bool> Server<L> {
    fn new(queue: &Arc<RunQueue>, looks: Looks, look: L) -> Server<L> {
        Server {
            queue: Arc::clone(queue),
            part: PartWaker::new(queue, Part::Control),
            looks,
            look,
        }
    }

    fn poll(&mut self, root: &Waker) -> bool {
        let mut done = false;
        let mut batch = Vec::new();
        self.queue.enter(root);
        while self.queue.take(&mut batch) {
            for _ in batch.drain(..) {
                if self.looks == Looks::BeforeClearing {
                    done |= (self.look)();
                }
                self.part.clear();
                if self.looks == Looks::AfterClearing {
                    done |= (self.look)();
                }
            }
        }
        done
    }

    /// Polls beside the other threads, and after them as often as it is woken. False if it is not
    /// done then: nobody will ever wake it again.
    fn run(mut self, threads: Vec<JoinHandle<()>>) -> bool {
        let woken = Arc::new(Root(AtomicBool::new(false)));
        let root = Waker::from(Arc::clone(&woken));
        let mut done = self.poll(&root);
        for thread in threads {
            thread.join().expect("it does not panic");
        }
        while woken.0.swap(false, Ordering::AcqRel) {
            done |= self.poll(&root);
        }
        done
    }
}

#[test]
fn who_waits_for_a_step_is_woken_whenever_it_is_taken() {
    loom::model(|| {
        let shared = Arc::new(Shared::new(None));
        let server = Arc::clone(&shared);
        let server = thread::spawn(move || {
            server.set_progress(Progress::Sealing);
            server.set_progress(Progress::Waiting);
        });
        block_on(shared.reached(Progress::Waiting));
        assert_eq!(shared.progress(), Progress::Waiting);
        server.join().expect("it does not panic");
    });
}

/// What was asked of a server, as its thread takes it up.
fn take(shared: &Shared) -> Vec<Command> {
    let asked = shared.course().take_asked();
    asked.into_iter().map(|(_, command)| command).collect()
}

#[test]
fn a_command_through_a_handle_is_heard_whenever_it_is_given() {
    loom::model(|| {
        let shared = Arc::new(Shared::new(None));
        let handle = Handle::new(&shared);
        let program = thread::spawn(move || handle.drain());
        let ears = Arc::clone(&shared);
        let look = move || take(&ears) == [Command::Drain];
        let server = Server::new(&shared.seat.queue, Looks::AfterClearing, look);
        assert!(server.run(vec![program]));
    });
}

#[test]
fn two_commands_are_heard_in_their_order_whenever_they_are_given() {
    loom::model(|| {
        let shared = Arc::new(Shared::new(None));
        let handle = Handle::new(&shared);
        let program = thread::spawn(move || {
            handle.cancel_drain();
            handle.drain();
        });
        let ears = Arc::clone(&shared);
        let mut heard = Vec::new();
        let look = move || {
            heard.extend(take(&ears));
            heard == [Command::Cancel, Command::Drain]
        };
        let server = Server::new(&shared.seat.queue, Looks::AfterClearing, look);
        assert!(server.run(vec![program]));
    });
}

/// A part becomes ready on two threads. Whether there is an order in which the server sleeps for
/// ever although both have woken it.
fn may_sleep_for_ever(looks: Looks) -> bool {
    let missed = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let found = Arc::clone(&missed);
    loom::model(move || {
        let queue = Arc::new(RunQueue::default());
        let ready = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&ready);
        let look = move || seen.load(Ordering::Acquire) == 2;
        let server = Server::new(&queue, looks, look);
        let wakes = |waker: Waker, ready: Arc<AtomicUsize>| {
            thread::spawn(move || {
                ready.fetch_add(1, Ordering::Release);
                waker.wake();
            })
        };
        let threads = (0..2)
            .map(|_| wakes(Waker::from(Arc::clone(&server.part)), Arc::clone(&ready)))
            .collect();
        if !server.run(threads) {
            found.store(true, Ordering::Relaxed);
        }
    });
    missed.load(Ordering::Relaxed)
}

#[test]
fn a_part_that_is_woken_while_it_is_polled_is_polled_again() {
    assert!(!may_sleep_for_ever(Looks::AfterClearing));
}

/// Without this the other tests would show nothing.
#[test]
fn a_part_that_is_looked_at_before_it_can_be_woken_again_may_sleep_for_ever() {
    assert!(may_sleep_for_ever(Looks::BeforeClearing));
}

#[test]
fn a_connection_is_counted_at_most_once_and_not_when_it_is_gone() {
    loom::model(|| {
        let registry = Arc::new(Registry::default());
        let server = Arc::clone(&registry);
        let server = thread::spawn(move || {
            let info = ConnectionInfo::of_nobody();
            let entry = server.enter(0, State::Fresh, &info, || {});
            entry.set(State::Busy);
            drop(entry);
            server.enter(0, State::Idle, &info, || {});
        });
        let census = registry.census();
        assert!(census.open() <= 1, "{census:?}");
        server.join().expect("it does not panic");
        assert_eq!(registry.census().open(), 0);
    });
}

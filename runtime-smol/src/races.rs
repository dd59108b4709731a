//! Every order in which threads may come, tried by loom: the broadcast of the phase, the run queue,
//! handles, the registry and the pool of threads. A wake-up that can be lost would leave a server
//! that is not done, a connection that nobody serves, or a deadlock.
//!
//! `RUSTFLAGS="--cfg neap_loom" cargo test -p neap-smol --lib --release races`

use std::sync::Arc;
use std::task::{Wake, Waker};

use loom::future::block_on;
use loom::thread::{self, JoinHandle};
use neap_core::{Phase, Progress, State, Time};

use crate::course::Command;
use crate::pool::Pool;
use crate::registry::Registry;
use crate::run_queue::{Part, PartWaker, RunQueue};
use crate::seat::{Rest, Seat};
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

/// A thread of a pool, and how many it has taken in.
struct Worker {
    pool: Arc<Pool<()>>,
    seat: Arc<Seat>,
    taken: usize,
    /// How many it takes in before it is blocked.
    most: usize,
}

impl Worker {
    fn all(pool: &Arc<Pool<()>>, most: [usize; 2]) -> [Worker; 2] {
        std::array::from_fn(|index| Worker {
            pool: Arc::clone(pool),
            seat: Arc::clone(&pool.seats()[index]),
            taken: 0,
            most: most[index],
        })
    }

    /// Polls, until the thread sleeps or is blocked.
    fn poll(&mut self) {
        self.seat.set(Rest::Up);
        while self.taken < self.most {
            let open = self.taken + 1;
            let taken = self.pool.take(&self.seat, |()| ((), open));
            self.taken += usize::from(taken.is_some());
            if taken.is_none() && self.pool.sleep(&self.seat) {
                return;
            }
        }
    }

    /// The same, if it has been rung.
    fn poll_if_rung(&mut self) -> bool {
        let is_rung = self.seat.queue.take(&mut Vec::new());
        if is_rung && self.taken < self.most {
            self.poll();
        }
        is_rung
    }
}

/// Two connections are admitted beside two threads, which take in so many at most. How many are
/// taken in when nobody is rung any more. Every order would be too many: a thread is interrupted
/// so often at most.
fn taken_in(most: [usize; 2]) {
    let mut orders = loom::model::Builder::new();
    orders.preemption_bound = Some(2);
    orders.check(move || {
        let pool = Arc::new(Pool::<()>::new(2));
        let [mut near, mut far] = Worker::all(&pool, most);
        let conductor = Arc::clone(&pool);
        let conductor = thread::spawn(move || {
            conductor.admit((), || {});
            conductor.admit((), || {});
        });
        let thread = thread::spawn(move || {
            near.poll();
            near
        });
        far.poll();
        conductor.join().expect("it does not panic");
        let mut near = thread.join().expect("it does not panic");
        while near.poll_if_rung() | far.poll_if_rung() {}
        assert_eq!(near.taken + far.taken, 2);
    });
}

#[test]
fn who_is_admitted_is_taken_in_whenever_threads_fall_asleep() {
    taken_in([2, 2]);
}

#[test]
fn who_is_admitted_is_taken_in_although_one_thread_is_blocked() {
    taken_in([1, 2]);
}

#[test]
fn a_connection_that_is_taken_in_is_counted_once_at_any_moment() {
    loom::model(|| {
        let pool = Arc::new(Pool::<()>::new(1));
        pool.admit((), || {});
        let (taking, seat) = (Arc::clone(&pool), Arc::clone(&pool.seats()[0]));
        let thread = thread::spawn(move || {
            let info = ConnectionInfo::of_nobody();
            let enter = |()| (seat.registry.enter(0, State::Fresh, &info, || {}), 1);
            taking.take(&seat, enter)
        });
        let lobby = pool.lobby();
        let open = pool.seats()[0].registry.census().open();
        assert_eq!(lobby.len() + open, 1);
        drop(lobby);
        drop(thread.join().expect("it does not panic"));
    });
}

#[test]
fn who_waits_for_room_hears_of_it_whenever_it_is_made() {
    loom::model(|| {
        let pool = Arc::new(Pool::<()>::new(1));
        let seat = Arc::clone(&pool.seats()[0]);
        pool.note(&seat, 1);
        let departures = pool.departures();
        let worker = Arc::clone(&pool);
        let worker = thread::spawn(move || worker.note(&seat, 0));
        let is_there = pool.wait_for_room(departures);
        let is_rung = worker.join().expect("it does not panic");
        assert!(is_there ^ is_rung, "{is_there} {is_rung}");
    });
}

#[test]
fn who_sees_that_sealing_has_begun_sees_since_when() {
    loom::model(|| {
        let shared = Arc::new(Shared::new(None));
        let conductor = Arc::clone(&shared);
        let conductor = thread::spawn(move || {
            conductor.set_sealing(Time::ZERO);
            conductor.set_progress(Progress::Sealing);
        });
        let (phase, since) = shared.standing();
        assert!(phase == Phase::Running || since == Time::ZERO);
        conductor.join().expect("it does not panic");
    });
}

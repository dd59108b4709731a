//! The threads of a server that has several, and how they share new connections out among them.
//!
//! One thread, the conductor, accepts; it leads the listeners through their ends and moves the
//! lifecycle, and runs no handlers. Whom it has accepted waits in the *lobby*, for the first thread
//! that has time. A thread that is blocked takes nobody in, so nobody who is new waits for it. Of
//! the threads that sleep the one with the fewest connections is called.
//!
//! Who is in the lobby counts as a fresh connection. It leaves it for a registry under the lobby's
//! lock, so that whoever holds that sees each connection in one of both places.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use crate::listeners::Arrival;
use crate::listening::Carrier;
use crate::run_queue::RunQueue;
use crate::seat::{Rest, Seat};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use crate::sync::{Mutex, MutexGuard};

/// How many connections more than another a thread may have that takes somebody in while that one
/// wakes up. A thread that is up first would otherwise take in a whole burst; and with none each
/// would sleep again after every connection.
const LEAD: usize = 4;

/// The threads, and who waits for them.
#[derive(Debug)]
pub(crate) struct Pool<A = Arrival<Carrier>> {
    seats: Vec<Arc<Seat>>,
    lobby: Mutex<VecDeque<A>>,
    /// How many are in the lobby.
    waiting: AtomicUsize,
    /// How often connections have ended.
    departures: AtomicUsize,
    /// Accepting waits for a connection to end.
    is_full: AtomicBool,
    /// All is over: no connection remains.
    is_over: AtomicBool,
}

impl<A> Pool<A> {
    pub(crate) fn new(threads: usize) -> Pool<A> {
        let seat = |_| Arc::new(Seat::new(Arc::new(RunQueue::default())));
        Pool {
            seats: (0..threads).map(seat).collect(),
            lobby: Mutex::default(),
            waiting: AtomicUsize::new(0),
            departures: AtomicUsize::new(0),
            is_full: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        }
    }

    pub(crate) fn seats(&self) -> &[Arc<Seat>] {
        &self.seats
    }

    /// Who waits. As long as this is held nobody comes, and nobody is taken in.
    pub(crate) fn lobby(&self) -> MutexGuard<'_, VecDeque<A>> {
        self.lobby.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_anybody_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// How many connections there are, those that have just ended perhaps among them.
    pub(crate) fn open(&self) -> usize {
        let lobby = self.lobby();
        let seats = self.seats.iter();
        let open = seats.map(|seat| seat.open.load(Ordering::Acquire));
        lobby.len() + open.sum::<usize>()
    }

    /// Lets `arrival` wait for a thread, and calls one if any sleeps. Meanwhile `count` counts it.
    pub(crate) fn admit(&self, arrival: A, count: impl FnOnce()) {
        let mut lobby = self.lobby();
        lobby.push_back(arrival);
        count();
        self.waiting.store(lobby.len(), Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.call();
        drop(lobby);
    }

    /// Calls a thread that sleeps, the one with the fewest connections. The lobby must be held.
    fn call(&self) {
        loop {
            let sleeping = self.seats.iter().filter(|seat| seat.is(Rest::Asleep));
            let open = |seat: &&Arc<Seat>| seat.open.load(Ordering::Relaxed);
            match sleeping.min_by_key(open) {
                // It may have been woken meanwhile.
                Some(seat) if !seat.call() => {}
                _ => return,
            }
        }
    }

    /// Takes in who has waited longest, if anybody has, and `seat` does not leave it to another
    /// thread: `insert` does so, and says how many connections the thread has then.
    pub(crate) fn take<T>(&self, seat: &Seat, insert: impl FnOnce(A) -> (T, usize)) -> Option<T> {
        if !self.is_anybody_waiting() {
            return None;
        }
        let mut lobby = self.lobby();
        if self.leaves_it_to_another(seat) {
            return None;
        }
        let arrival = lobby.pop_front()?;
        self.waiting.store(lobby.len(), Ordering::Relaxed);
        let (taken, open) = insert(arrival);
        seat.open.store(open, Ordering::Release);
        if !lobby.is_empty() {
            // Whatever becomes of this thread now, the next does not wait for it alone.
            self.call();
        }
        Some(taken)
    }

    /// Whether a thread that has far fewer connections has been called, and is yet to come.
    fn leaves_it_to_another(&self, seat: &Seat) -> bool {
        let open = seat.open.load(Ordering::Relaxed);
        let mut called = self.seats.iter().filter(|seat| seat.is(Rest::Called));
        called.any(|other| other.open.load(Ordering::Relaxed) + LEAD <= open)
    }

    /// The thread of `seat` has nothing to do. True if it may sleep until it is rung; otherwise
    /// somebody waits for it in the lobby.
    pub(crate) fn sleep(&self, seat: &Seat) -> bool {
        seat.set(Rest::Asleep);
        // Either it sees who waits, or who admits them sees it asleep.
        fence(Ordering::SeqCst);
        if !self.is_anybody_waiting() {
            return true;
        }
        let lobby = self.lobby();
        let sleeps = lobby.is_empty() || self.leaves_it_to_another(seat);
        if !sleeps {
            seat.set(Rest::Up);
        }
        sleeps
    }

    /// Turns out who is in the lobby, which must be held: nobody has time for them.
    pub(crate) fn turn_out(&self, lobby: &mut VecDeque<A>) -> usize {
        self.waiting.store(0, Ordering::Release);
        lobby.drain(..).count()
    }

    /// How often connections have ended so far.
    pub(crate) fn departures(&self) -> usize {
        self.departures.load(Ordering::Acquire)
    }

    /// Accepting waits for a connection to end. True if one has since there were `departures`.
    pub(crate) fn wait_for_room(&self, departures: usize) -> bool {
        self.is_full.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.departures() != departures && self.is_full.swap(false, Ordering::AcqRel)
    }

    /// The thread of `seat` has `open` connections. True if accepting waits for one to end, which
    /// has happened.
    pub(crate) fn note(&self, seat: &Seat, open: usize) -> bool {
        if seat.open.swap(open, Ordering::AcqRel) <= open {
            return false;
        }
        self.departures.fetch_add(1, Ordering::Release);
        fence(Ordering::SeqCst);
        self.is_full.load(Ordering::Relaxed) && self.is_full.swap(false, Ordering::AcqRel)
    }

    /// Lets a thread that has an idle connection close it: one that sleeps, and so is not blocked,
    /// if there is one.
    pub(crate) fn close_one_idle(&self) {
        let idle = |seat: &&Arc<Seat>| seat.registry.census().idle > 0;
        let mut seats = self.seats.iter();
        let asleep = seats
            .clone()
            .filter(|seat| seat.is(Rest::Asleep))
            .find(idle);
        if let Some(seat) = asleep.or_else(|| seats.find(idle)) {
            seat.close_one_idle.store(true, Ordering::Release);
            seat.ring();
        }
    }

    /// All is over: the threads end what is left, and themselves.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Whether every thread has ended.
    pub(crate) fn have_ended(&self) -> bool {
        let mut seats = self.seats.iter();
        seats.all(|seat| seat.has_ended())
    }

    /// Lets every thread take a turn.
    pub(crate) fn ring(&self) {
        self.seats.iter().for_each(|seat| seat.ring());
    }
}

#[cfg(all(test, not(neap_loom)))]
mod tests {
    use super::*;

    /// A pool whose threads sleep, with so many connections each.
    fn asleep(open: &[usize]) -> Pool<u8> {
        let pool = Pool::new(open.len());
        for (seat, open) in pool.seats().iter().zip(open) {
            seat.open.store(*open, Ordering::Relaxed);
            assert!(pool.sleep(seat));
        }
        pool
    }

    fn called(pool: &Pool<u8>) -> Vec<bool> {
        let seats = pool.seats().iter();
        seats.map(|seat| seat.is(Rest::Called)).collect()
    }

    /// Who is taken in by thread `index`, which is up.
    fn take(pool: &Pool<u8>, index: usize) -> Option<u8> {
        let seat = &pool.seats()[index];
        seat.set(Rest::Up);
        let open = seat.open.load(Ordering::Relaxed) + 1;
        pool.take(seat, |arrival| (arrival, open))
    }

    #[test]
    fn the_sleeping_thread_with_the_fewest_connections_is_called() {
        let pool = asleep(&[2, 1, 3]);
        pool.admit(1, || {});
        assert_eq!(called(&pool), [false, true, false]);
        pool.admit(2, || {});
        assert_eq!(called(&pool), [true, true, false]);
        assert_eq!(pool.open(), 8);
    }

    #[test]
    fn who_takes_one_in_calls_another_thread_for_those_who_are_left() {
        let pool = asleep(&[0, 0]);
        pool.admit(1, || {});
        pool.admit(2, || {});
        // The second has been called, too; it found nothing to do meanwhile.
        assert_eq!(take(&pool, 1), Some(1));
        assert_eq!(take(&pool, 1), Some(2));
        assert!(pool.sleep(&pool.seats()[1]));
        pool.admit(3, || {});
        pool.admit(4, || {});
        assert_eq!(called(&pool), [true, true]);
        pool.seats()[1].set(Rest::Asleep);
        assert_eq!(take(&pool, 0), Some(3));
        assert_eq!(called(&pool), [false, true], "for the fourth");
    }

    #[test]
    fn a_thread_that_is_far_ahead_leaves_who_is_new_to_one_that_wakes_up() {
        let pool = asleep(&[LEAD, 0]);
        for arrival in 1..=3 {
            pool.admit(arrival, || {});
        }
        assert_eq!(take(&pool, 0), None);
        assert!(pool.sleep(&pool.seats()[0]), "it need not wait for that");
        assert_eq!(take(&pool, 1), Some(1));
        assert_eq!(called(&pool), [true, false], "for those who are left");
        assert_eq!(take(&pool, 0), Some(2), "the other is up, or blocked");
    }

    #[test]
    fn a_thread_sleeps_only_if_nobody_waits_for_it() {
        let pool = asleep(&[0]);
        pool.admit(1, || {});
        assert!(!pool.sleep(&pool.seats()[0]));
        assert!(pool.seats()[0].is(Rest::Up));
        assert_eq!(take(&pool, 0), Some(1));
        assert!(pool.sleep(&pool.seats()[0]));
        assert!(pool.seats()[0].is(Rest::Asleep));
    }

    #[test]
    fn a_thread_that_sleeps_closes_an_idle_connection_rather_than_one_that_may_be_blocked() {
        let pool = asleep(&[1, 1]);
        let info = crate::ConnectionInfo::of_nobody();
        let enter = |seat: &Arc<Seat>| {
            let idle = neap_core::State::Idle;
            seat.registry.enter(0, idle, &info, || {})
        };
        let _entries: Vec<_> = pool.seats().iter().map(enter).collect();
        pool.seats()[0].set(Rest::Up);
        pool.close_one_idle();
        let asked = pool
            .seats()
            .iter()
            .map(|seat| seat.close_one_idle.load(Ordering::Relaxed));
        assert!(asked.eq([false, true]));
    }
}

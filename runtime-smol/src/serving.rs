//! Who serves the connections that a server accepts: its own thread, or several.

use std::future::Future;
use std::sync::Arc;

use http::Request;
use neap_core::{HttpDate, Phase, Progress, Tick, Time};

use crate::connections::Connections;
use crate::environment::Environment;
use crate::listeners::Arrival;
use crate::listening::Carrier;
use crate::pool::Pool;
use crate::shared::Shared;
use crate::system::{System, Transport};
use crate::{Body, IntoResponse};

/// Serves what the conductor accepts.
pub(crate) trait Serving<T> {
    /// How many connections there are.
    fn open(&self) -> usize;

    /// Takes in a connection.
    fn admit(&mut self, t: Tick<'_>, arrival: Arrival<T>);

    /// Polls connection `index`. True if it has ended.
    fn poll(&mut self, index: usize, t: Tick<'_>) -> bool;

    /// Lets every connection see that the server's phase has changed.
    fn poll_all(&mut self, t: Tick<'_>);

    /// How many connections have a deadline that has come, if they may end by that: none before the
    /// server drains.
    fn due(&self, t: Tick<'_>) -> usize;

    /// Lets a connection act whose deadline has come. False if there is none.
    fn expire(&mut self, t: Tick<'_>) -> bool;

    /// Begins to close an idle connection, if there is one. True if it has ended at once.
    fn close_one_idle(&mut self, t: Tick<'_>) -> bool;

    /// When the next connection has a deadline.
    fn next_deadline(&self) -> Time;

    /// The date of the turn that begins.
    fn set_date(&mut self, date: HttpDate);

    /// Accepting waits for a connection to end, since it began with so many `departures`. True if
    /// one has ended meanwhile that was on another thread.
    fn wait_for_room(&self, departures: usize) -> bool;

    /// How many connections of other threads have ended so far.
    fn departures(&self) -> usize;

    /// Whether somebody who has been accepted has not been taken in yet.
    fn is_anybody_waiting(&self) -> bool;

    /// Whether nothing is left to wait for, in `phase`.
    fn has_ended(&self, phase: Phase) -> bool;
}

/// Lets every connection act whose deadline has come. True if there were any.
pub(crate) fn expire_all<T>(
    serving: &mut (impl Serving<T> + ?Sized),
    system: &impl System,
    t: Tick<'_>,
) -> bool {
    let due = serving.due(t);
    system.expecting_ends(due, || {
        let mut has_expired = false;
        while serving.expire(t) {
            has_expired = true;
        }
        has_expired
    })
}

/// Lets every connection see that the server's phase has changed.
pub(crate) fn tell_all<T>(
    serving: &mut (impl Serving<T> + ?Sized),
    system: &impl System,
    t: Tick<'_>,
) {
    system.expecting_ends(serving.open(), || serving.poll_all(t));
}

/// Takes in, step by step, whom another thread has accepted and counted.
pub(crate) trait TakeIn<T>: Serving<T> {
    /// Takes in a connection; from then on it is in the registry.
    fn insert(&mut self, t: Tick<'_>, arrival: Arrival<T>) -> usize;

    /// What carries connection `index`, if that has not ended.
    fn transport(&mut self, index: usize) -> Option<&mut T>;

    /// Begins with connection `index`, just inserted.
    fn begin(&mut self, index: usize, t: Tick<'_>);
}

/// Connections that live on the thread that serves them, and what they share.
pub(crate) struct Here<H, F: Future<Output: IntoResponse>, T: Transport> {
    pub(crate) connections: Connections<F, T>,
    pub(crate) env: Environment<H, F>,
    shared: Arc<Shared>,
}

impl<H, F: Future<Output: IntoResponse>, T: Transport> Here<H, F, T> {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        connections: Connections<F, T>,
        env: Environment<H, F>,
    ) -> Self {
        Here {
            connections,
            env,
            shared: Arc::clone(shared),
        }
    }
}

impl<H, F, T> Serving<T> for Here<H, F, T>
where
    H: Fn(Request<Body>) -> F,
    F: Future<Output: IntoResponse>,
    T: Transport,
{
    fn open(&self) -> usize {
        self.connections.len()
    }

    fn admit(&mut self, t: Tick<'_>, arrival: Arrival<T>) {
        let count = || self.shared.accepted();
        let index = self.connections.insert(t, arrival, &count);
        self.begin(index, t);
    }

    fn poll(&mut self, index: usize, t: Tick<'_>) -> bool {
        self.connections.poll(index, t, &mut self.env)
    }

    fn poll_all(&mut self, t: Tick<'_>) {
        self.connections.poll_all(t, &mut self.env);
    }

    fn due(&self, t: Tick<'_>) -> usize {
        self.connections.due(t)
    }

    fn expire(&mut self, t: Tick<'_>) -> bool {
        self.connections.expire(t, &mut self.env)
    }

    fn close_one_idle(&mut self, t: Tick<'_>) -> bool {
        self.connections.close_one_idle(t, &mut self.env)
    }

    fn next_deadline(&self) -> Time {
        self.connections.next_deadline()
    }

    fn set_date(&mut self, date: HttpDate) {
        self.env.date = date;
    }

    fn wait_for_room(&self, _departures: usize) -> bool {
        false
    }

    fn departures(&self) -> usize {
        0
    }

    fn is_anybody_waiting(&self) -> bool {
        false
    }

    fn has_ended(&self, phase: Phase) -> bool {
        phase == Phase::Done
    }
}

impl<H, F, T> TakeIn<T> for Here<H, F, T>
where
    H: Fn(Request<Body>) -> F,
    F: Future<Output: IntoResponse>,
    T: Transport,
{
    fn insert(&mut self, t: Tick<'_>, arrival: Arrival<T>) -> usize {
        self.connections.insert(t, arrival, &|| {})
    }

    fn transport(&mut self, index: usize) -> Option<&mut T> {
        self.connections.transport(index)
    }

    fn begin(&mut self, index: usize, t: Tick<'_>) {
        self.connections.begin(index, t, &mut self.env);
    }
}

/// Connections that live on the threads of a pool, which look after themselves.
pub(crate) struct Elsewhere {
    pool: Arc<Pool>,
    shared: Arc<Shared>,
}

impl Elsewhere {
    pub(crate) fn new(shared: &Arc<Shared>, pool: &Arc<Pool>) -> Elsewhere {
        Elsewhere {
            pool: Arc::clone(pool),
            shared: Arc::clone(shared),
        }
    }
}

impl Serving<Carrier> for Elsewhere {
    fn open(&self) -> usize {
        self.pool.open()
    }

    fn admit(&mut self, _t: Tick<'_>, arrival: Arrival<Carrier>) {
        self.pool.admit(arrival, || self.shared.accepted());
    }

    fn poll(&mut self, _index: usize, _t: Tick<'_>) -> bool {
        false
    }

    fn poll_all(&mut self, t: Tick<'_>) {
        if t.phase == Phase::Done {
            self.pool.end();
        }
        self.pool.ring();
    }

    fn due(&self, _t: Tick<'_>) -> usize {
        0
    }

    fn expire(&mut self, _t: Tick<'_>) -> bool {
        false
    }

    fn close_one_idle(&mut self, _t: Tick<'_>) -> bool {
        self.pool.close_one_idle();
        false
    }

    fn next_deadline(&self) -> Time {
        Time::NEVER
    }

    fn set_date(&mut self, _date: HttpDate) {}

    fn wait_for_room(&self, departures: usize) -> bool {
        self.pool.wait_for_room(departures)
    }

    fn departures(&self) -> usize {
        self.pool.departures()
    }

    fn is_anybody_waiting(&self) -> bool {
        self.pool.is_anybody_waiting()
    }

    fn has_ended(&self, phase: Phase) -> bool {
        // Where a thread is blocked, a watchdog says that all is over.
        let is_cut_off = self.shared.progress() == Progress::Done;
        is_cut_off || (phase == Phase::Done && self.pool.have_ended())
    }
}

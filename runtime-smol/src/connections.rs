//! The connections of a server: numbered, woken and polled one by one.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::Request;
use neap_core::{Phase, State, Tick, Time};

use crate::connection::Served;
use crate::deadlines::Deadlines;
use crate::environment::Environment;
use crate::ledger::Ledger;
use crate::listeners::Arrival;
use crate::registry::Registry;
use crate::run_queue::{Part, PartWaker};
use crate::seat::{NOBODY, Seat};
use crate::shared::Shared;
use crate::system::Transport;
use crate::{Body, ConnectionInfo, IntoResponse};

/// All connections, by number. Numbers are used again.
pub(crate) struct Connections<F: Future<Output: IntoResponse>, T: Transport> {
    slots: Vec<Slot<F, T>>,
    free: Vec<usize>,
    deadlines: Deadlines,
    shared: Arc<Shared>,
    /// The thread that they are on.
    seat: Arc<Seat>,
    /// How the run queue names a connection of these.
    part: fn(usize) -> Part,
}

struct Slot<F: Future<Output: IntoResponse>, T: Transport> {
    connection: Option<Served<F, T>>,
    waking: Arc<PartWaker>,
    waker: Waker,
}

impl<F: Future<Output: IntoResponse>, T: Transport> Connections<F, T> {
    pub(crate) fn new(shared: &Arc<Shared>, seat: &Arc<Seat>, part: fn(usize) -> Part) -> Self {
        Connections {
            slots: Vec::new(),
            free: Vec::new(),
            deadlines: Deadlines::default(),
            shared: Arc::clone(shared),
            seat: Arc::clone(seat),
            part,
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.seat.registry)
    }

    /// When the next of them has a deadline.
    pub(crate) fn next_deadline(&self) -> Time {
        self.deadlines.next()
    }

    /// Takes in an accepted socket, which `count` counts. It is in the registry before anything is
    /// awaited.
    pub(crate) fn insert(&mut self, t: Tick<'_>, arrival: Arrival<T>, count: &dyn Fn()) -> usize {
        let index = self.free.pop().unwrap_or_else(|| {
            let index = self.slots.len();
            let waking = PartWaker::new(&self.seat.queue, (self.part)(index));
            let waker = Waker::from(Arc::clone(&waking));
            self.slots.push(Slot {
                connection: None,
                waking,
                waker,
            });
            index
        });
        let Arrival {
            transport,
            peer,
            local,
        } = arrival;
        let ledger = Ledger::new(t.now, transport.descriptor());
        let info = ConnectionInfo::new(peer, local, transport.is_secure(), &self.shared, ledger);
        let registry = &self.seat.registry;
        let entry = registry.enter(index, State::Fresh, &info, count);
        self.slots[index].connection = Some(Served::new(t, transport, info, entry));
        index
    }

    /// Polls connection `index`; a number without one is of a connection that ended meanwhile.
    /// True if it has ended.
    pub(crate) fn poll<H: Fn(Request<Body>) -> F>(
        &mut self,
        index: usize,
        t: Tick<'_>,
        env: &mut Environment<H, F>,
    ) -> bool {
        self.with(index, t, |connection, cx| connection.poll(t, cx, env))
    }

    /// Lets every connection see that the server's phase has changed, or that time has passed.
    pub(crate) fn poll_all<H: Fn(Request<Body>) -> F>(
        &mut self,
        t: Tick<'_>,
        env: &mut Environment<H, F>,
    ) {
        for index in 0..self.slots.len() {
            self.with(index, t, |connection, cx| connection.expire(t, cx, env));
        }
    }

    /// How many have a deadline that has come, if the server drains. While it runs few end at once,
    /// and the time that counting takes is better spent.
    pub(crate) fn due(&self, t: Tick<'_>) -> usize {
        match t.phase {
            Phase::Running => 0,
            Phase::Draining | Phase::Closing | Phase::Done => self.deadlines.due(t.now),
        }
    }

    /// Lets a connection act whose deadline has come by now. False if there is none.
    pub(crate) fn expire<H: Fn(Request<Body>) -> F>(
        &mut self,
        t: Tick<'_>,
        env: &mut Environment<H, F>,
    ) -> bool {
        let Some(index) = self.deadlines.pop(t.now) else {
            return false;
        };
        self.with(index, t, |connection, cx| connection.expire(t, cx, env));
        true
    }

    /// What carries connection `index`, if that has not ended.
    pub(crate) fn transport(&mut self, index: usize) -> Option<&mut T> {
        let connection = self.slots[index].connection.as_mut();
        connection.map(|connection| &mut connection.transport)
    }

    /// Begins with connection `index`, just inserted. A client that came too late is turned away.
    pub(crate) fn begin<H: Fn(Request<Body>) -> F>(
        &mut self,
        index: usize,
        t: Tick<'_>,
        env: &mut Environment<H, F>,
    ) {
        if let Some(connection) = &mut self.slots[index].connection {
            if t.phase >= Phase::Closing {
                connection.turn_away(t);
            }
        }
        self.poll(index, t, env);
    }

    /// Begins to close the connection that has been idle longest, if any is. True if it has ended
    /// at once.
    pub(crate) fn close_one_idle<H: Fn(Request<Body>) -> F>(
        &mut self,
        t: Tick<'_>,
        env: &mut Environment<H, F>,
    ) -> bool {
        let connections = self.slots.iter().map(|slot| slot.connection.as_ref());
        let idle = connections
            .enumerate()
            .filter_map(|(index, it)| Some((index, it.filter(|it| it.is_idle())?)));
        // All of them may be idle for the same time.
        let longest = idle.min_by_key(|(_, connection)| connection.deadline());
        let Some(index) = longest.map(|(index, _)| index) else {
            return false;
        };
        self.with(index, t, |connection, cx| {
            connection.close_idle(t);
            connection.poll(t, cx, env)
        })
    }

    /// Lets `act` on connection `index`, and looks after what follows from it.
    fn with(
        &mut self,
        index: usize,
        t: Tick<'_>,
        act: impl FnOnce(&mut Served<F, T>, &mut Context<'_>) -> Poll<neap_core::Outcome>,
    ) -> bool {
        let slot = &mut self.slots[index];
        slot.waking.clear();
        let Some(connection) = &mut slot.connection else {
            return false;
        };
        self.seat.polled.store(index, Ordering::Relaxed);
        let polled = act(connection, &mut Context::from_waker(&slot.waker));
        self.seat.polled.store(NOBODY, Ordering::Relaxed);
        if let Poll::Ready(outcome) = polled {
            if let Some(connection) = slot.connection.take() {
                connection.end(outcome, t.now, &self.shared);
            }
            self.deadlines.set(index, Time::NEVER);
            self.free.push(index);
            return true;
        }
        // What is due again at once is taken up at the next turn, so that each turn ends.
        let next_turn = t.now.after(Duration::from_nanos(1));
        self.deadlines
            .set(index, connection.deadline().max(next_turn));
        false
    }
}

impl<F: Future<Output: IntoResponse>, T: Transport> Drop for Connections<F, T> {
    fn drop(&mut self) {
        let connections = self.slots.iter_mut();
        connections
            .filter_map(|slot| slot.connection.as_mut())
            .for_each(Served::abandon);
    }
}

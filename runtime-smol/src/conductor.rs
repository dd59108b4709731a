//! What is one in a server, however many threads serve: listeners and the lifecycle.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use neap_core::{Cause, Config, HttpDate, Lifecycle, Listening, Phase, Progress, Time};

use crate::admin::Administer;
use crate::clock::Dates;
use crate::event::Observer;
use crate::listeners::{Duty, Listeners};
use crate::report::Report;
use crate::run_queue::{Part, PartWaker};
use crate::serving::Serving;
use crate::shared::Owner;
use crate::system::{ListeningSocket, System};
use crate::watchdog;

/// Batches of woken parts that one poll works off before it lets others have the thread.
pub(crate) const BATCHES: usize = 16;

/// A server on its way, with `serving` to serve whom it accepts. A future that is ready, with the
/// report, when the server is done.
///
/// All that is done here is the conductor's, who knows `serving` by its trait: a program has one
/// copy of it, however many kinds there are.
pub(crate) struct Conducting<C, S: System> {
    // Dropped first: when the conductor is gone, the server is done.
    pub(crate) serving: C,
    pub(crate) conductor: Conductor<S>,
}

/// What is one in a server, however many threads serve: its listeners, its lifecycle, its admin
/// listener.
pub(crate) struct Conductor<S: System> {
    pub(crate) config: Config,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) system: S,
    dates: Dates,
    pub(crate) date: HttpDate,
    pub(crate) listeners: Listeners<S::Listener>,
    /// How many connections of other threads had ended when it last accepted.
    pub(crate) departures: usize,
    pub(crate) observer: Observer,
    pub(crate) admin: Option<Box<dyn Administer>>,
    /// What the timer is set for: the earliest of all deadlines, or something before it.
    pub(crate) armed: Time,
    /// It has been polled.
    is_polled: bool,
    pub(crate) wakers: Wakers,
    batch: Vec<Part>,
    /// When the log says next who holds the drain.
    pub(crate) notice: Time,
    /// The step of which everybody has been told.
    pub(crate) told: Progress,
    pub(crate) owner: Owner,
}

/// What carries the connections that a system accepts.
pub(crate) type TransportOf<S> = <<S as System>::Listener as ListeningSocket>::Transport;

/// Wakers for what is not a connection.
pub(crate) struct Wakers {
    pub(crate) control: (Arc<PartWaker>, Waker),
    listeners: (Arc<PartWaker>, Waker),
    pub(crate) timer: (Arc<PartWaker>, Waker),
    reactor: (Arc<PartWaker>, Waker),
}

/// What a server is made of before it runs.
pub(crate) struct Parts<S: System> {
    pub(crate) config: Config,
    pub(crate) system: S,
    pub(crate) listeners: Listeners<S::Listener>,
    pub(crate) admin: Option<Box<dyn Administer>>,
    pub(crate) observer: Observer,
    pub(crate) owner: Owner,
}

impl<S: System> Conductor<S> {
    pub(crate) fn new(parts: Parts<S>) -> Conductor<S> {
        let shared = Arc::clone(&parts.owner.0);
        let waker = |part| {
            let waking = PartWaker::new(&shared.seat.queue, part);
            let waker = Waker::from(Arc::clone(&waking));
            (waking, waker)
        };
        let wakers = Wakers {
            control: waker(Part::Control),
            listeners: waker(Part::Listeners),
            timer: waker(Part::Timer),
            reactor: waker(Part::Reactor),
        };
        // The first poll looks at everything once.
        let Wakers {
            control,
            listeners,
            timer,
            reactor,
        } = &wakers;
        for (waking, waker) in [control, listeners, timer, reactor] {
            waking.clear();
            waker.wake_by_ref();
        }
        shared.outline().listeners = parts.listeners.reports();
        Conductor {
            config: parts.config,
            lifecycle: Lifecycle::new(),
            system: parts.system,
            dates: Dates::new(),
            date: HttpDate::from_unix_seconds(0),
            listeners: parts.listeners,
            departures: 0,
            observer: parts.observer,
            admin: parts.admin,
            armed: Time::NEVER,
            is_polled: false,
            wakers,
            batch: Vec::new(),
            notice: Time::NEVER,
            told: Progress::Running,
            owner: parts.owner,
        }
    }

    /// See [`Conducting`].
    fn poll(
        &mut self,
        serving: &mut dyn Serving<TransportOf<S>>,
        cx: &mut Context<'_>,
    ) -> Poll<Report> {
        let shared = Arc::clone(&self.owner.0);
        if !std::mem::replace(&mut self.is_polled, true) {
            watchdog::allow(&shared);
        }
        shared.seat.queue.enter(cx.waker());
        for _ in 0..BATCHES {
            if serving.has_ended(self.lifecycle.phase()) {
                return Poll::Ready(self.report());
            }
            self.arm(serving.next_deadline());
            if !shared.seat.queue.take(&mut self.batch) {
                return Poll::Pending;
            }
            self.turn(serving);
        }
        shared.seat.queue.leave();
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Works off a batch of woken parts.
    fn turn(&mut self, serving: &mut dyn Serving<TransportOf<S>>) {
        let now = self.system.now();
        self.date = self.dates.at(now, || self.system.since_1970());
        serving.set_date(self.date);
        let mut batch = std::mem::take(&mut self.batch);
        // First what may change the phase: no reply slips out between a signal and its effect.
        for part in &batch {
            match part {
                Part::Control => self.take_commands(serving, now),
                Part::Timer => self.take_timer(serving, now),
                Part::Reactor => self.take_events(),
                Part::Listeners | Part::Connection(_) => {}
                Part::AdminListeners | Part::AdminConnection(_) => {}
            }
        }
        let mut ended = false;
        for part in batch.drain(..) {
            match part {
                Part::Listeners => {
                    self.wakers.listeners.0.clear();
                    self.listeners.wake();
                }
                Part::Connection(index) => {
                    let t = self.lifecycle.tick(now, &self.config);
                    ended |= serving.poll(index, t);
                }
                Part::AdminListeners | Part::AdminConnection(_) => self.poll_admin(part, now),
                Part::Control | Part::Timer | Part::Reactor => {}
            }
        }
        self.batch = batch;
        if ended {
            self.listeners.room_was_made();
        }
        let phase = self.lifecycle.phase();
        if phase > Phase::Running || self.listeners.are_due() {
            self.accept(serving, now);
            self.advance(serving, now);
        }
    }

    fn take_events(&mut self) {
        self.wakers.reactor.0.clear();
        let mut cx = Context::from_waker(&self.wakers.reactor.1);
        self.system.poll_events(&mut cx);
    }

    fn poll_admin(&mut self, part: Part, now: Time) {
        let Some(admin) = &mut self.admin else {
            return;
        };
        match part {
            Part::AdminConnection(index) => {
                admin.poll_connection(index, now, &self.config, self.date);
            }
            _ => admin.poll_listeners(now, &self.config, self.date),
        }
    }

    /// Accepts who is waiting, or ends the listeners if it is time.
    fn accept(&mut self, serving: &mut dyn Serving<TransportOf<S>>, now: Time) {
        let listening = self.lifecycle.poll_listening();
        // When all is over, descriptors are free again: who is accepted with them could only be
        // reset, and would not be missed in the queue.
        if listening == Listening::Ended || self.lifecycle.phase() == Phase::Done {
            return;
        }
        let Conductor {
            listeners,
            departures,
            observer,
            lifecycle,
            config,
            wakers,
            ..
        } = self;
        let t = lifecycle.tick(now, config);
        let mut cx = Context::from_waker(&wakers.listeners.1);
        *departures = serving.departures();
        let open = serving.open();
        let duty = Duty {
            listening,
            now: t.now,
            drain: &config.drain,
            observer,
        };
        let exhausted = listeners.poll(&duty, open, &mut cx, &mut |arrival| {
            serving.admit(t, arrival);
            serving.open()
        });
        if exhausted && serving.close_one_idle(t) {
            listeners.room_was_made();
            wakers.listeners.1.wake_by_ref();
        }
        if listeners.wait_for_room() && serving.wait_for_room(*departures) {
            listeners.room_was_made();
            wakers.listeners.1.wake_by_ref();
        }
        if listeners.have_ended() {
            // If they failed there is nothing left to run for.
            lifecycle.drain(now, config, Cause::Listeners);
            lifecycle.handle_listeners_ended(now);
            self.tell(serving, now);
        }
    }

    /// The earliest moment at which something is to be done, but for what serves.
    fn next_deadline(&self) -> Time {
        let lifecycle = self
            .lifecycle
            .poll_timeout(&self.config)
            .unwrap_or(Time::NEVER);
        let admin = self
            .admin
            .as_ref()
            .map_or(Time::NEVER, |admin| admin.next_deadline());
        lifecycle
            .min(admin)
            .min(self.notice)
            .min(self.listeners.next_deadline())
    }

    /// Arms the timer, if something is due earlier than it is armed for; what serves has its own
    /// deadline. A timer that comes too early costs one turn; setting it at each request would cost
    /// system calls.
    fn arm(&mut self, serving: Time) {
        let next = self.next_deadline().min(serving);
        if next >= self.armed {
            return;
        }
        self.armed = next;
        let mut cx = Context::from_waker(&self.wakers.timer.1);
        self.system.set_timer(next, &mut cx);
    }
}

impl<C: Serving<TransportOf<S>>, S: System> Future for Conducting<C, S> {
    type Output = Report;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Report> {
        let Conducting { serving, conductor } = self.get_mut();
        conductor.poll(serving, cx)
    }
}

// Nothing in it is pinned in place: handlers and bodies are boxed.
impl<C, S: System> Unpin for Conducting<C, S> {}

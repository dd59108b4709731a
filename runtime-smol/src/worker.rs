//! One of the threads of a server that has several: connections of its own, with a reactor, a run
//! queue and a timer of their own.
//!
//! It decides nothing about the shutdown. How far that is it reads from what all threads read, at
//! each turn and before each response's head.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use http::Request;
use neap_core::{Census, Config, Phase, Progress, Tick, Time};

use crate::clock::Dates;
use crate::conductor::BATCHES;
use crate::connections::Connections;
use crate::environment::Environment;
use crate::listening::{Carrier, settle};
use crate::pool::Pool;
use crate::run_queue::{Part, PartWaker};
use crate::seat::{Rest, Seat};
use crate::shared::Shared;
use crate::system::{Native, System};
use crate::{Body, IntoResponse};

/// The future of such a thread: ready when nothing of it is left.
pub(crate) struct Worker<H, F: Future<Output: IntoResponse>> {
    config: Config,
    system: Native,
    dates: Dates,
    connections: Connections<F, Carrier>,
    env: Environment<H, F>,
    timer: (Arc<PartWaker>, Waker),
    armed: Time,
    batch: Vec<Part>,
    /// The phase, and since when sealing goes on, of which its connections have been told.
    told: (Phase, Time),
    /// Who was connected when the conductor was last rung for that, since that matters.
    census: Option<Census>,
    shared: Arc<Shared>,
    pool: Arc<Pool>,
    seat: Arc<Seat>,
}

impl<H, F: Future<Output: IntoResponse>> Worker<H, F> {
    pub(crate) fn new(
        config: Config,
        system: Native,
        env: Environment<H, F>,
        (shared, pool, seat): (&Arc<Shared>, &Arc<Pool>, &Arc<Seat>),
    ) -> Self {
        let waking = PartWaker::new(&seat.queue, Part::Timer);
        let waker = Waker::from(Arc::clone(&waking));
        // The first poll looks at everything once.
        seat.ring();
        let (shared, pool, seat) = (Arc::clone(shared), Arc::clone(pool), Arc::clone(seat));
        Worker {
            config,
            system,
            dates: Dates::new(),
            connections: Connections::new(Arc::clone(&shared), Arc::clone(&seat), Part::Connection),
            env: env.conducted_by(&shared),
            timer: (waking, waker),
            armed: Time::NEVER,
            batch: Vec::new(),
            told: (Phase::Running, Time::NEVER),
            census: None,
            shared,
            pool,
            seat,
        }
    }
}

impl<H, F> Worker<H, F>
where
    H: Fn(Request<Body>) -> F,
    F: Future<Output: IntoResponse>,
{
    /// Works off a batch of woken parts, and takes somebody in.
    fn turn(&mut self) {
        let now = self.system.now();
        self.env.date = self.dates.at(now, || self.system.since_1970());
        self.shared.beat(&self.seat);
        let config = self.config;
        let t = Tick {
            now,
            phase: Phase::Running,
            sealing: Time::NEVER,
            config: &config,
        };
        self.hear(self.env.at_present(t));
        let made_room = self.pool.note(&self.seat, self.connections.len());
        let has_taken = self.take(self.env.at_present(t));
        let mut batch = std::mem::take(&mut self.batch);
        for part in batch.drain(..) {
            let t = self.env.at_present(t);
            match part {
                Part::Timer => {
                    self.timer.0.clear();
                    self.armed = Time::NEVER;
                    while self.connections.expire(t, &mut self.env) {}
                }
                Part::Connection(index) => {
                    self.connections.poll(index, t, &mut self.env);
                }
                Part::Control | Part::Listeners | Part::Reactor => {}
                Part::AdminListeners | Part::AdminConnection(_) => {}
            }
        }
        self.batch = batch;
        let makes_room = self.pool.note(&self.seat, self.connections.len());
        if made_room || makes_room || self.has_news(has_taken) {
            self.shared.seat.ring();
        }
    }

    /// What the conductor has to say.
    fn hear(&mut self, t: Tick<'_>) {
        let standing = (t.phase, t.sealing);
        if std::mem::replace(&mut self.told, standing) != standing {
            self.connections.poll_all(t, &mut self.env);
        }
        if self.seat.close_one_idle.swap(false, Ordering::AcqRel) {
            self.connections.close_one_idle(t, &mut self.env);
        }
    }

    /// Takes in who has waited longest. False if nobody has.
    fn take(&mut self, t: Tick<'_>) -> bool {
        let Worker {
            connections,
            pool,
            seat,
            ..
        } = self;
        let taken = pool.take(seat, |arrival| {
            let index = connections.insert(t, arrival, || {});
            (index, connections.len())
        });
        let Some(index) = taken else {
            return false;
        };
        if let Some(carrier) = connections.transport(index) {
            // A socket that cannot be registered, for want of memory, fails when it has to wait.
            let _ = settle(carrier, &self.system.kernel.sources);
        }
        connections.begin(index, t, &mut self.env);
        true
    }

    /// Whether who is connected, or waits, has changed, and the shutdown waits for that.
    fn has_news(&mut self, has_taken: bool) -> bool {
        let matters = match self.shared.progress() {
            Progress::Running | Progress::Sealing | Progress::Done => false,
            Progress::LameDuck => self.config.drain.keep_accepting,
            Progress::Waiting | Progress::Closing => true,
        };
        // What changed just before it began to matter may have been overlooked: the first is news.
        let census = matters.then(|| self.seat.registry.census());
        let has_changed = std::mem::replace(&mut self.census, census) != census;
        matters && (has_changed || has_taken)
    }

    /// Arms the timer, if something is due earlier than it is armed for.
    fn arm(&mut self) {
        let next = self.connections.next_deadline();
        if next < self.armed {
            self.armed = next;
            let mut cx = Context::from_waker(&self.timer.1);
            self.system.set_timer(next, &mut cx);
        }
    }

    /// Whether it has nothing more to do, ever.
    fn has_ended(&self) -> bool {
        let has_ended = self.told.0 == Phase::Done && !self.pool.is_anybody_waiting();
        debug_assert!(!has_ended || self.connections.len() == 0, "Done ends them");
        has_ended
    }
}

impl<H, F> Future for Worker<H, F>
where
    H: Fn(Request<Body>) -> F,
    F: Future<Output: IntoResponse>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.seat.set(Rest::Up);
        this.seat.queue.enter(cx.waker());
        for _ in 0..BATCHES {
            let is_due = this.seat.queue.take(&mut this.batch);
            if !is_due && this.pool.sleep(&this.seat) {
                return Poll::Pending;
            }
            if !is_due {
                this.seat.queue.enter(cx.waker());
            }
            this.turn();
            if this.has_ended() {
                return Poll::Ready(());
            }
            this.arm();
        }
        this.seat.queue.leave();
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

// Nothing in it is pinned in place: handlers and bodies are boxed.
impl<H, F: Future<Output: IntoResponse>> Unpin for Worker<H, F> {}

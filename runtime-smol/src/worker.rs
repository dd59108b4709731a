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

use neap_core::{Census, Config, Phase, Progress, Tick, Time};

use crate::clock::Dates;
use crate::conductor::BATCHES;
use crate::listening::{Carrier, settle};
use crate::pool::Pool;
use crate::run_queue::{Part, PartWaker};
use crate::seat::{Rest, Seat};
use crate::serving::{TakeIn, expire_all, tell_all};
use crate::shared::Shared;
use crate::system::{Native, System};

/// The future of such a thread: ready when nothing of it is left.
pub(crate) struct Worker<'a> {
    config: Config,
    system: Native,
    dates: Dates,
    serving: &'a mut dyn TakeIn<Carrier>,
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

impl<'a> Worker<'a> {
    pub(crate) fn new(
        config: Config,
        system: Native,
        serving: &'a mut dyn TakeIn<Carrier>,
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
            serving,
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

    /// Works off a batch of woken parts, and takes somebody in.
    fn turn(&mut self) {
        let now = self.system.now();
        let date = self.dates.at(now, || self.system.since_1970());
        self.serving.set_date(date);
        self.shared.beat(&self.seat);
        let config = self.config;
        let t = Tick {
            now,
            phase: Phase::Running,
            sealing: Time::NEVER,
            config: &config,
        };
        // Before anything that may run a handler, which may block: whoever has called this thread
        // counts on it.
        let has_taken = self.take(self.shared.at_present(t));
        self.hear(self.shared.at_present(t));
        self.make_room();
        let mut batch = std::mem::take(&mut self.batch);
        for part in batch.drain(..) {
            let t = self.shared.at_present(t);
            match part {
                Part::Timer => {
                    self.timer.0.clear();
                    self.armed = Time::NEVER;
                    expire_all(self.serving, &self.system, t);
                }
                Part::Connection(index) => {
                    if self.serving.poll(index, t) {
                        self.make_room();
                    }
                }
                Part::Control | Part::Listeners | Part::Reactor => {}
                Part::AdminListeners | Part::AdminConnection(_) => {}
            }
        }
        self.batch = batch;
        self.make_room();
        if self.has_news(has_taken) {
            self.shared.seat.ring();
        }
    }

    /// Connections may have ended: the conductor hears of it if that is what it waits for. At once,
    /// for the next handler may block this thread.
    fn make_room(&self) {
        if self.pool.note(&self.seat, self.serving.open()) {
            self.shared.seat.ring();
        }
    }

    /// What the conductor has to say.
    fn hear(&mut self, t: Tick<'_>) {
        let standing = (t.phase, t.sealing);
        if std::mem::replace(&mut self.told, standing) != standing {
            tell_all(self.serving, &self.system, t);
        }
        if self.seat.close_one_idle.swap(false, Ordering::AcqRel) {
            self.serving.close_one_idle(t);
        }
    }

    /// Takes in who has waited longest. False if nobody has.
    fn take(&mut self, t: Tick<'_>) -> bool {
        let Worker {
            serving,
            pool,
            seat,
            ..
        } = self;
        let taken = pool.take(seat, |arrival| {
            let index = serving.insert(t, arrival);
            (index, serving.open())
        });
        let Some(index) = taken else {
            return false;
        };
        if let Some(carrier) = serving.transport(index) {
            // A socket that cannot be registered, for want of memory, fails when it has to wait.
            let _ = settle(carrier, &self.system.kernel.sources);
        }
        serving.begin(index, t);
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
        let next = self.serving.next_deadline();
        if next < self.armed {
            self.armed = next;
            let mut cx = Context::from_waker(&self.timer.1);
            self.system.set_timer(next, &mut cx);
        }
    }

    /// Whether it has nothing more to do, ever.
    fn has_ended(&self) -> bool {
        let has_ended = self.told.0 == Phase::Done && !self.pool.is_anybody_waiting();
        debug_assert!(!has_ended || self.serving.open() == 0, "Done ends them");
        has_ended
    }
}

impl Future for Worker<'_> {
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

//! What a server shares with its handles, its wakers and its threads.

use std::sync::{Arc, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use event_listener::Event as Bell;
use http::StatusCode;
use neap_core::{Census, Drain, Outcome, Phase, Progress, Tally, Tick, Time};

use crate::course::{Command, Course};
use crate::event::Holder;
use crate::pool::Pool;
use crate::registry::Connected;
use crate::report::{Aborted, Report, Totals};
use crate::seat::Seat;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU64, Ordering};
use crate::sync::{Event, Mutex, MutexGuard};
use crate::watchdog;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Shared {
    /// The server's own thread: it serves, or conducts those that do.
    pub(crate) seat: Arc<Seat>,
    /// The threads that serve, where there are several.
    pub(crate) pool: OnceLock<Arc<Pool>>,
    pub(crate) totals: Totals,
    /// When the server's time began, if it is the real one.
    origin: Option<Instant>,
    course: Mutex<Course>,
    /// Rings for the watchdog, when the course has changed.
    pub(crate) bell: Bell,
    /// The number of the last sign of life that was asked for.
    beats_asked: AtomicU64,
    /// The parts of the report that are not sums.
    outline: Mutex<Report>,
    /// What `/readyz` says from the drain's first moment on.
    pub(crate) draining_status: AtomicU16,
    /// Whether the log may name targets.
    pub(crate) log_targets: AtomicBool,
    /// Whether requests are timed.
    #[cfg(feature = "metrics")]
    pub(crate) is_measured: AtomicBool,
    #[cfg(feature = "metrics")]
    pub(crate) requests: crate::metrics::Requests,
    progress: AtomicU8,
    /// When sealing began, in nanoseconds; [`Time::NEVER`] before.
    sealing: AtomicU64,
    /// Rings when the progress changes.
    changed: Event,
    /// Rings when a sign of life is given, and with the other: to those alone who wait for one.
    beaten: Event,
}

impl Shared {
    pub(crate) fn new(origin: Option<Instant>) -> Shared {
        Shared::on(Arc::new(Seat::new(Arc::default())), origin)
    }

    /// Another one on the same run queue.
    pub(crate) fn beside(other: &Shared) -> Shared {
        let queue = Arc::clone(&other.seat.queue);
        Shared::on(Arc::new(Seat::new(queue)), None)
    }

    fn on(seat: Arc<Seat>, origin: Option<Instant>) -> Shared {
        Shared {
            seat,
            pool: OnceLock::new(),
            totals: Totals::default(),
            origin,
            course: Mutex::default(),
            bell: Bell::new(),
            beats_asked: AtomicU64::new(0),
            outline: Mutex::new(Report::empty()),
            draining_status: AtomicU16::new(StatusCode::SERVICE_UNAVAILABLE.as_u16()),
            log_targets: AtomicBool::new(false),
            #[cfg(feature = "metrics")]
            is_measured: AtomicBool::new(false),
            #[cfg(feature = "metrics")]
            requests: crate::metrics::Requests::default(),
            progress: AtomicU8::new(Progress::Running as u8),
            sealing: AtomicU64::new(Time::NEVER.as_nanos()),
            changed: Event::new(),
            beaten: Event::new(),
        }
    }

    // No request comes by here, and many others do: one copy is enough.
    #[inline(never)]
    pub(crate) fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // No request comes by here, and many others do: one copy is enough.
    #[inline(never)]
    pub(crate) fn outline(&self) -> MutexGuard<'_, Report> {
        self.outline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether other threads can keep the server's deadlines.
    pub(crate) fn has_clock(&self) -> bool {
        self.origin.is_some()
    }

    /// The server's time, if other threads can tell, or else [`Time::NEVER`].
    pub(crate) fn now(&self) -> Time {
        self.origin
            .map_or(Time::NEVER, |origin| Time::ZERO.after(origin.elapsed()))
    }

    /// When the drain's deadline is, if it drains and has one; for upgraded connections their own,
    /// which may be before it.
    pub(crate) fn deadline(&self, upgraded: bool) -> Option<Instant> {
        let course = self.course();
        let (lifecycle, config) = (&course.lifecycle, &course.rules.config);
        let deadline = lifecycle.deadline(config)?;
        let sealing = lifecycle.tick(Time::ZERO, config).sealing;
        let goodbye = sealing.after(config.drain.upgraded_grace);
        self.instant(if upgraded {
            deadline.min(goodbye)
        } else {
            deadline
        })
    }

    /// The moment at which it is `time`; `None` if that never comes.
    pub(crate) fn instant(&self, time: Time) -> Option<Instant> {
        let since = Duration::from_nanos(time.as_nanos());
        let origin = self.origin.filter(|_| time != Time::NEVER)?;
        origin.checked_add(since)
    }

    /// Every thread that may have connections.
    pub(crate) fn seats(&self) -> impl Iterator<Item = &Arc<Seat>> {
        let pool = self.pool.get().map_or(&[][..], |pool| pool.seats());
        std::iter::once(&self.seat).chain(pool)
    }

    /// How many connections are in which state now.
    pub(crate) fn census(&self) -> Census {
        let Some(pool) = self.pool.get() else {
            return self.seat.registry.census();
        };
        let lobby = pool.lobby();
        let waiting = Census {
            fresh: lobby.len(),
            ..Census::default()
        };
        pool.seats().iter().fold(waiting, |sum, seat| {
            let census = seat.registry.census();
            Census {
                fresh: sum.fresh + census.fresh,
                head: sum.head + census.head,
                busy: sum.busy + census.busy,
                idle: sum.idle + census.idle,
                upgraded: sum.upgraded + census.upgraded,
                linger: sum.linger + census.linger,
            }
        })
    }

    /// Some of those that hold the drain, `most` at most.
    pub(crate) fn holders(&self, most: usize, now: Time, drain: &Drain) -> Vec<Holder> {
        let mut holders = Vec::new();
        for seat in self.seats() {
            let everybody = seat.registry.hold().everybody();
            let held = everybody.iter().filter(|one| one.state.is_held(drain));
            let holder = |one: &Connected| one.info.holder(one.state, now);
            holders.extend(held.map(holder).take(most - holders.len()));
        }
        holders
    }

    /// The report as far as what has ended goes.
    pub(crate) fn sums(&self) -> Report {
        let outline = self.outline();
        Report {
            outcomes: self.totals.outcomes(),
            requests: self.totals.requests(),
            lost: self.totals.lost(),
            accepted: self.totals.accepted.load(Ordering::Relaxed),
            ..outline.clone()
        }
    }

    /// A connection has been accepted.
    pub(crate) fn accepted(&self) {
        self.totals.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection has ended.
    pub(crate) fn ended(&self, outcome: Outcome, tally: Tally, aborted: impl FnOnce() -> Aborted) {
        self.totals.add(outcome, tally);
        if outcome == Outcome::Aborted {
            let mut outline = self.outline();
            if outline.aborted.len() < Report::ABORTED_KEPT {
                outline.aborted.push(aborted());
            }
        }
    }

    /// Notes what is asked, and when, and rings.
    pub(crate) fn ask(&self, command: Command) {
        let now = self.now();
        self.course().ask(now, command);
        self.seat.ring();
        self.bell.notify(usize::MAX);
    }

    pub(crate) fn progress(&self) -> Progress {
        let stored = self.progress.load(Ordering::Acquire);
        PROGRESS
            .into_iter()
            .find(|step| *step as u8 == stored)
            .unwrap_or(Progress::Done)
    }

    /// Done is the end, whoever says so.
    pub(crate) fn set_progress(&self, progress: Progress) {
        let step = |stored| {
            let changes = stored != progress as u8 && stored != Progress::Done as u8;
            changes.then_some(progress as u8)
        };
        let (set, fetch) = (Ordering::AcqRel, Ordering::Acquire);
        if self.progress.fetch_update(set, fetch, step).is_ok() {
            self.changed.notify(usize::MAX);
            self.beaten.notify(usize::MAX);
            if self.pool.get().is_some() {
                self.seats().for_each(|seat| seat.ring());
            }
        }
    }

    /// Since when sealing goes on. To be told before the step that it is.
    pub(crate) fn set_sealing(&self, since: Time) {
        self.sealing.store(since.as_nanos(), Ordering::Release);
    }

    /// The phase, for a thread of the pool, and since when sealing goes on. It is what every other
    /// thread reads in the same moment: nobody is told of a step later than another.
    pub(crate) fn standing(&self) -> (Phase, Time) {
        let is_over = self.pool.get().is_some_and(|pool| pool.is_over());
        let phase = if is_over {
            Phase::Done
        } else {
            self.progress().phase()
        };
        let sealing = self.sealing.load(Ordering::Acquire);
        (phase, Time::ZERO.after(Duration::from_nanos(sealing)))
    }

    /// `t`, brought up to [that](Shared::standing).
    pub(crate) fn at_present<'t>(&self, t: Tick<'t>) -> Tick<'t> {
        let (phase, sealing) = self.standing();
        Tick {
            phase,
            sealing,
            ..t
        }
    }

    pub(crate) async fn reached(&self, progress: Progress) {
        until(&self.changed, || self.progress() >= progress).await;
    }

    /// Waits until every thread has taken another turn.
    pub(crate) async fn heartbeat(&self) {
        let asked = self.beats_asked.fetch_add(1, Ordering::AcqRel) + 1;
        self.seats().for_each(|seat| seat.ring());
        let given = || self.seats().all(|seat| seat.has_beaten(asked));
        let is_done = || self.progress() == Progress::Done;
        until(&self.beaten, || given() || is_done()).await;
    }

    /// The thread of `seat` takes a turn.
    pub(crate) fn beat(&self, seat: &Seat) {
        if seat.beat(self.beats_asked.load(Ordering::Acquire)) {
            self.beaten.notify(usize::MAX);
        }
    }
}

/// Waits for something whose coming `bell` rings for.
async fn until(bell: &Event, has_come: impl Fn() -> bool) {
    loop {
        // Listened first and looked after that, so that no change falls in between.
        let rung = bell.listen();
        if has_come() {
            return;
        }
        rung.await;
    }
}

const PROGRESS: [Progress; 6] = [
    Progress::Running,
    Progress::LameDuck,
    Progress::Sealing,
    Progress::Waiting,
    Progress::Closing,
    Progress::Done,
];

/// Held by whoever is the server: when it is gone, the server is done.
#[derive(Debug)]
pub(crate) struct Owner(pub(crate) Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        watchdog::end(&self.0);
        self.0.set_progress(Progress::Done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thread that was blocked when its server was cut off goes on with the shutdown later.
    #[test]
    fn a_server_that_is_done_stays_done() {
        let shared = Shared::new(None);
        shared.set_progress(Progress::LameDuck);
        shared.set_progress(Progress::Running);
        assert_eq!(shared.progress(), Progress::Running, "it was called off");
        shared.set_progress(Progress::Done);
        shared.set_progress(Progress::Sealing);
        assert_eq!(shared.progress(), Progress::Done);
    }
}

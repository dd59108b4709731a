//! A server's handle: stops it and looks at it, from anywhere.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use event_listener::Event as Bell;
use http::{Response, StatusCode};
use neap_core::{Census, Outcome, Phase, Progress, Tally, Time};

use crate::course::{Command, Course};
use crate::registry::Registry;
use crate::report::{Aborted, Report, Totals};
use crate::run_queue::{Part, RunQueue};
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Event, Mutex, MutexGuard};
use crate::{Full, IntoResponse, watchdog};

/// A handle to a server, to stop it and to look at it. Clones are handles to the same server;
/// dropping them does nothing.
///
/// ```no_run
/// use neap_smol::Server;
///
/// # fn main() -> std::io::Result<()> {
/// let server = Server::bind("127.0.0.1:8080")?;
/// let handle = server.handle();
/// std::thread::spawn(move || {
///     std::io::stdin().read_line(&mut String::new()).ok();
///     handle.drain();
/// });
/// server.run(|_request| async { "Press Enter to stop me" })?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn new(shared: &Arc<Shared>) -> Handle {
        Handle {
            shared: Arc::clone(shared),
        }
    }

    /// Begins the drain, as SIGTERM does. Later calls do nothing.
    pub fn drain(&self) {
        self.shared.ask(Command::Drain);
        watchdog::begin(&self.shared);
    }

    /// Ends everything at once: requests under way are aborted. Later calls do nothing.
    pub fn close_now(&self) {
        self.shared.ask(Command::Close);
        watchdog::begin(&self.shared);
    }

    /// Calls the drain off, if nobody has been hurried by it yet: in lame duck. Connections that
    /// have announced their close stay told; the others go on as before. Otherwise it does nothing.
    pub fn cancel_drain(&self) {
        self.shared.ask(Command::Cancel);
    }

    /// The server's phase. A server that was dropped is [`Phase::Done`].
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.progress().phase()
    }

    /// The server's phase, in finer steps.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.shared.progress()
    }

    /// Whether new connections should be sent here: true while the server runs. False in lame duck
    /// already, which is what that is for.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.phase() == Phase::Running
    }

    /// The answer to a health check, for `path` being `/livez` or `/readyz`; `None` for others.
    ///
    /// Alive is the server until it is done: an orchestrator should not kill it for draining.
    /// Ready it is while it runs; from the drain's first moment the answer is
    /// [`Server::draining_status`](crate::Server::draining_status).
    ///
    /// ```
    /// # let server = neap_smol::Server::new();
    /// let handle = server.handle();
    /// assert_eq!(handle.health("/readyz").map(|response| response.status().as_u16()), Some(200));
    /// assert!(handle.health("/").is_none());
    /// ```
    ///
    /// [`Server::admin`](crate::Server::admin) answers it on an address of its own. On the main
    /// one, put it before everything else:
    ///
    /// ```
    /// use http::{Request, Response};
    /// use neap_smol::{Body, Full, Handle, IntoResponse};
    ///
    /// async fn app(handle: Handle, request: Request<Body>) -> Response<Full> {
    ///     match handle.health(request.uri().path()) {
    ///         Some(response) => response,
    ///         None => "Hello, World!".into_response(),
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn health(&self, path: &str) -> Option<Response<Full>> {
        match path {
            "/livez" => Some("alive\n".into_response()),
            "/readyz" if self.is_ready() => Some("ready\n".into_response()),
            "/readyz" => {
                let mut response = "draining\n".into_response();
                let status = self.shared.draining_status.load(Ordering::Relaxed);
                *response.status_mut() =
                    StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
                Some(response)
            }
            _ => None,
        }
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn requests(&self) -> &crate::metrics::Requests {
        &self.shared.requests
    }

    /// How many connections are in which state now.
    #[must_use]
    pub fn census(&self) -> Census {
        self.shared.registry.census()
    }

    /// What became of all connections and requests that have ended so far.
    #[must_use]
    pub fn report(&self) -> Report {
        let delivered = self.shared.course().report.clone();
        delivered.unwrap_or_else(|| Report {
            phase: self.phase(),
            ..self.shared.sums()
        })
    }

    /// Waits until the server has come as far as `progress`. Cancel safe: nothing is lost by
    /// dropping it.
    pub async fn reached(&self, progress: Progress) {
        self.shared.reached(progress).await;
    }

    /// Waits for a sign of life: for the server's thread to take another turn. It does not come
    /// while a handler blocks the thread, or before the server is run or served; from a server that
    /// is done it comes at once. A watchdog, systemd's for instance, should hear from the program
    /// only as long as this does. Cancel safe.
    pub async fn heartbeat(&self) {
        self.shared.heartbeat().await;
    }

    /// Waits until the server is done, by itself, because it was dropped, or because its thread was
    /// blocked and it was cut off at its deadline, and reports. Cancel safe.
    pub async fn done(&self) -> Report {
        self.reached(Progress::Done).await;
        self.report()
    }
}

/// No connection's number.
pub(crate) const NOBODY: usize = usize::MAX;

/// What a server shares with its handles and wakers.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) queue: Arc<RunQueue>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) totals: Totals,
    /// When the server's time began, if it is the real one.
    origin: Option<Instant>,
    course: Mutex<Course>,
    /// Rings for the watchdog, when the course has changed.
    pub(crate) bell: Bell,
    /// The connection that is being polled, or [`NOBODY`].
    pub(crate) polled: AtomicUsize,
    /// Signs of life: the number of the last that was asked for, and of the last that was given.
    beats_asked: AtomicU64,
    beats_given: AtomicU64,
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
    /// Rings when the progress changes.
    changed: Event,
    /// Rings when a sign of life is given, and with the other: to those alone who wait for one.
    beaten: Event,
}

impl Shared {
    pub(crate) fn new(origin: Option<Instant>) -> Shared {
        Shared {
            queue: Arc::default(),
            registry: Arc::default(),
            totals: Totals::default(),
            origin,
            course: Mutex::default(),
            bell: Bell::new(),
            polled: AtomicUsize::new(NOBODY),
            beats_asked: AtomicU64::new(0),
            beats_given: AtomicU64::new(0),
            outline: Mutex::new(Report::empty()),
            draining_status: AtomicU16::new(StatusCode::SERVICE_UNAVAILABLE.as_u16()),
            log_targets: AtomicBool::new(false),
            #[cfg(feature = "metrics")]
            is_measured: AtomicBool::new(false),
            #[cfg(feature = "metrics")]
            requests: crate::metrics::Requests::default(),
            progress: AtomicU8::new(Progress::Running as u8),
            changed: Event::new(),
            beaten: Event::new(),
        }
    }

    /// Another one on the same run queue.
    pub(crate) fn beside(other: &Shared) -> Shared {
        Shared {
            queue: Arc::clone(&other.queue),
            ..Shared::new(None)
        }
    }

    pub(crate) fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
    fn ask(&self, command: Command) {
        let now = self.now();
        self.course().ask(now, command);
        self.queue.push(Part::Control);
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
        }
    }

    pub(crate) async fn reached(&self, progress: Progress) {
        until(&self.changed, || self.progress() >= progress).await;
    }

    async fn heartbeat(&self) {
        let asked = self.beats_asked.fetch_add(1, Ordering::AcqRel) + 1;
        self.queue.push(Part::Control);
        let given = || self.beats_given.load(Ordering::Acquire) >= asked;
        let is_done = || self.progress() == Progress::Done;
        until(&self.beaten, || given() || is_done()).await;
    }

    /// The server takes a turn.
    pub(crate) fn beat(&self) {
        let asked = self.beats_asked.load(Ordering::Acquire);
        if self.beats_given.swap(asked, Ordering::AcqRel) != asked {
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

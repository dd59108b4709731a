//! A server's handle: stops it and looks at it, from anywhere.

use std::sync::{Arc, PoisonError};

use http::{Response, StatusCode};
use neap_core::{Census, Outcome, Phase, Progress, Tally};

use crate::registry::Registry;
use crate::report::{Aborted, Report, Totals};
use crate::run_queue::{Part, RunQueue};
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering};
use crate::sync::{Event, Mutex};
use crate::{Full, IntoResponse};

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
        self.shared.say(Word::Drain);
    }

    /// Ends everything at once: requests under way are aborted. Later calls do nothing.
    pub fn close_now(&self) {
        self.shared.asked_to_close.store(true, Ordering::Release);
        self.shared.queue.push(Part::Control);
    }

    /// Calls the drain off, if nobody has been hurried by it yet: in lame duck. Connections that
    /// have announced their close stay told; the others go on as before. Otherwise it does nothing.
    pub fn cancel_drain(&self) {
        self.shared.say(Word::Cancel);
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

    /// How many connections are in which state now.
    #[must_use]
    pub fn census(&self) -> Census {
        self.shared.registry.census()
    }

    /// What became of all connections and requests that have ended so far.
    #[must_use]
    pub fn report(&self) -> Report {
        let shared = &self.shared;
        let mut report = shared
            .outline
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        report.phase = self.phase();
        report.outcomes = shared.totals.outcomes();
        report.requests = shared.totals.requests();
        report.lost = shared.totals.lost();
        report.accepted = shared.totals.accepted.load(Ordering::Relaxed);
        report
    }

    /// Waits until the server has come as far as `progress`. Cancel safe: nothing is lost by
    /// dropping it.
    pub async fn reached(&self, progress: Progress) {
        self.shared.reached(progress).await;
    }

    /// Waits until the server is done, by itself or because it was dropped, and reports. Cancel
    /// safe.
    pub async fn done(&self) -> Report {
        self.reached(Progress::Done).await;
        self.report()
    }
}

/// What is said through a handle about draining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    None,
    Drain,
    Cancel,
}

/// What a server shares with its handles and wakers.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) queue: Arc<RunQueue>,
    pub(crate) registry: Registry,
    pub(crate) totals: Totals,
    pub(crate) asked_to_close: AtomicBool,
    /// The last [`Word`] about draining that has not been heard yet.
    word: AtomicU8,
    /// The parts of the report that are not sums.
    pub(crate) outline: Mutex<Report>,
    /// What `/readyz` says from the drain's first moment on.
    pub(crate) draining_status: AtomicU16,
    progress: AtomicU8,
    changed: Event,
}

impl Shared {
    pub(crate) fn new() -> Shared {
        Shared {
            queue: Arc::default(),
            registry: Registry::default(),
            totals: Totals::default(),
            asked_to_close: AtomicBool::new(false),
            word: AtomicU8::new(Word::None as u8),
            outline: Mutex::new(Report::empty()),
            draining_status: AtomicU16::new(StatusCode::SERVICE_UNAVAILABLE.as_u16()),
            progress: AtomicU8::new(Progress::Running as u8),
            changed: Event::new(),
        }
    }

    /// Another one on the same run queue.
    pub(crate) fn beside(other: &Shared) -> Shared {
        Shared {
            queue: Arc::clone(&other.queue),
            ..Shared::new()
        }
    }

    /// A connection has ended.
    pub(crate) fn ended(&self, outcome: Outcome, tally: Tally, aborted: impl FnOnce() -> Aborted) {
        self.totals.add(outcome, tally);
        if outcome == Outcome::Aborted {
            let mut outline = self.outline.lock().unwrap_or_else(PoisonError::into_inner);
            if outline.aborted.len() < Report::ABORTED_KEPT {
                outline.aborted.push(aborted());
            }
        }
    }

    /// A word that takes the place of the last one, and a bell.
    fn say(&self, word: Word) {
        self.word.swap(word as u8, Ordering::AcqRel);
        self.queue.push(Part::Control);
    }

    /// The last word that was said since the last time. What was said before it does not matter:
    /// to drain and to call that off undo each other.
    pub(crate) fn hear(&self) -> Word {
        let said = self.word.swap(Word::None as u8, Ordering::AcqRel);
        [Word::Drain, Word::Cancel]
            .into_iter()
            .find(|word| *word as u8 == said)
            .unwrap_or(Word::None)
    }

    pub(crate) fn progress(&self) -> Progress {
        let stored = self.progress.load(Ordering::Acquire);
        PROGRESS
            .into_iter()
            .find(|step| *step as u8 == stored)
            .unwrap_or(Progress::Done)
    }

    pub(crate) fn set_progress(&self, progress: Progress) {
        if self.progress.swap(progress as u8, Ordering::AcqRel) != progress as u8 {
            self.changed.notify(usize::MAX);
        }
    }

    pub(crate) async fn reached(&self, progress: Progress) {
        loop {
            // Listened first and looked after that, so that no change falls in between.
            let changed = self.changed.listen();
            if self.progress() >= progress {
                return;
            }
            changed.await;
        }
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
        self.0.set_progress(Progress::Done);
    }
}

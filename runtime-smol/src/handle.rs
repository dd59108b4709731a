//! A server's handle: stops it and looks at it, from anywhere.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use event_listener::Event;
use neap_core::{Census, Phase};

use crate::registry::Registry;
use crate::report::{Report, Totals};
use crate::run_queue::{Part, RunQueue};

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
        self.shared.ask(&self.shared.asked_to_drain);
    }

    /// Ends everything at once: requests under way are aborted. Later calls do nothing.
    pub fn close_now(&self) {
        self.shared.ask(&self.shared.asked_to_close);
    }

    /// The server's phase. A server that was dropped is [`Phase::Done`].
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.shared.phase.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Draining,
            2 => Phase::Closing,
            _ => Phase::Done,
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

    /// Waits until the phase is at least `phase`. Cancel safe: nothing is lost by dropping it.
    pub async fn reached(&self, phase: Phase) {
        loop {
            let changed = self.shared.changed.listen();
            if self.phase() >= phase {
                return;
            }
            changed.await;
        }
    }

    /// Waits until the server is done, by itself or because it was dropped, and reports. Cancel
    /// safe.
    pub async fn done(&self) -> Report {
        self.reached(Phase::Done).await;
        self.report()
    }
}

/// What a server shares with its handles and wakers.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) queue: Arc<RunQueue>,
    pub(crate) registry: Registry,
    pub(crate) totals: Totals,
    pub(crate) asked_to_drain: AtomicBool,
    pub(crate) asked_to_close: AtomicBool,
    /// The parts of the report that are not sums.
    pub(crate) outline: Mutex<Report>,
    phase: AtomicU8,
    changed: Event,
}

impl Shared {
    pub(crate) fn new() -> Shared {
        Shared {
            queue: Arc::default(),
            registry: Registry::default(),
            totals: Totals::default(),
            asked_to_drain: AtomicBool::new(false),
            asked_to_close: AtomicBool::new(false),
            outline: Mutex::new(Report::empty()),
            phase: AtomicU8::new(Phase::Running as u8),
            changed: Event::new(),
        }
    }

    /// A level, and a bell.
    fn ask(&self, level: &AtomicBool) {
        level.store(true, Ordering::Release);
        self.queue.push(Part::Control);
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        if self.phase.swap(phase as u8, Ordering::AcqRel) != phase as u8 {
            self.changed.notify(usize::MAX);
        }
    }
}

/// Held by whoever is the server: when it is gone, the server is done.
#[derive(Debug)]
pub(crate) struct Owner(pub(crate) Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.set_phase(Phase::Done);
    }
}

//! What a service manager such as systemd is told, if it listens: `NOTIFY_SOCKET` is set.
//!
//! It hears that the server is ready once that serves, that it stops from the drain's first moment
//! on, and in between how many are connected. What keeps its watchdog quiet it hears only as long
//! as the thread that serves gives signs of life.
//!
//! The variable stays set, because to remove it takes code that the compiler cannot check. It would
//! be inherited by child processes, and neap starts none.

use std::io;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use async_io::{Timer, block_on};
use futures_lite::future::or;
use neap_smol::{Drain, Handle, Phase, Progress};
use sd_notify::NotifyState;

use crate::log::Log;

/// How often it is told how many are connected, unless its watchdog wants to hear more often.
const PACE: Duration = Duration::from_secs(5);

/// By how much each message extends the time to stop, where that is asked for: the next one comes
/// long before that is over.
const EXTENSION_MICROSECONDS: u32 = 15_000_000;

/// Tells the service manager about a server, on a thread of its own.
pub(crate) struct Telling(Option<Receiver<()>>);

impl Telling {
    /// Begins, if there is somebody to tell. The time to stop is extended during the drain if
    /// `extends` says so.
    ///
    /// # Errors
    ///
    /// When the system has no room for a thread.
    pub(crate) fn start(
        server: Handle,
        drain: Drain,
        extends: bool,
        log: Option<Log>,
    ) -> io::Result<Telling> {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Ok(Telling(None));
        }
        let (ended, has_ended) = channel();
        let mut manager = Manager {
            server,
            drain,
            extends,
            log,
            status: String::new(),
            is_deaf: false,
        };
        thread::Builder::new()
            .name("neap-notify".to_owned())
            .spawn(move || {
                block_on(manager.accompany());
                drop(ended);
            })?;
        Ok(Telling(Some(has_ended)))
    }

    /// Waits until all is told of a server that is done, but not longer than `patience`.
    pub(crate) fn finish(self, patience: Duration) {
        // It ends by the sender's end, never by a message.
        let _ = self.0.map(|has_ended| has_ended.recv_timeout(patience));
    }
}

/// The service manager, as seen from here.
struct Manager {
    server: Handle,
    drain: Drain,
    extends: bool,
    /// Where to complain, if anywhere.
    log: Option<Log>,
    /// What it was told last.
    status: String,
    /// It could not be told something.
    is_deaf: bool,
}

impl Manager {
    /// Tells it everything from the server's first turn to its last.
    async fn accompany(&mut self) {
        let watchdog = sd_notify::watchdog_enabled();
        let pace = watchdog.map_or(PACE, |patience| PACE.min(patience / 2));
        self.server.heartbeat().await;
        self.tell(&[NotifyState::Ready]);
        let mut stopping = false;
        while self.server.phase() < Phase::Done {
            let news = if stopping {
                Progress::Done
            } else {
                Progress::LameDuck
            };
            or(self.server.reached(news), async {
                Timer::after(pace).await;
            })
            .await;
            if !stopping && !self.server.is_ready() {
                stopping = true;
                self.tell(&[NotifyState::Stopping]);
            }
            self.server.heartbeat().await;
            let mut states = Vec::new();
            if watchdog.is_some() {
                states.push(NotifyState::Watchdog);
            }
            if stopping && self.extends {
                states.push(NotifyState::ExtendTimeoutUsec(EXTENSION_MICROSECONDS));
            }
            self.tell(&states);
        }
    }

    /// Tells it these, and who is connected if that has changed.
    fn tell(&mut self, states: &[NotifyState<'_>]) {
        let census = self.server.census();
        let (open, held) = (census.open(), census.held(&self.drain));
        let phase = self.server.phase().name();
        let status = format!("{phase}: {held} held, {open} open");
        let mut states = states.to_vec();
        if status != self.status {
            self.status = status;
            states.push(NotifyState::Status(&self.status));
        }
        if states.is_empty() {
            return;
        }
        let told = sd_notify::notify(&states);
        if let (Err(error), false) = (told, self.is_deaf) {
            self.is_deaf = true;
            if let Some(log) = &self.log {
                let text = format!("cannot tell the service manager how it goes: {error}");
                log.event(&text);
            }
        }
    }
}

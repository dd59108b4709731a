//! What all threads share: who is connected, and what everybody has to be told.

use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use signal_hook::consts::SIGINT;
use socket2::Socket;

use crate::bell::{Bell, readable, wait};
use crate::connection::Connection;
use crate::fault::Fault;

/// How long after the start a signal is early.
const EARLY: Duration = Duration::from_millis(500);

/// The server.
pub(crate) struct Server {
    fault: Option<Fault>,
    /// How long an idle connection is kept for its last call.
    pub(crate) quiet: Duration,
    /// The drain has begun.
    pub(crate) draining: Bell,
    /// The drain has taken too long.
    pub(crate) closing: Bell,
    /// Serving is over, without a drain.
    pub(crate) dropped: Bell,
    registry: Mutex<Registry>,
    left: Condvar,
    turn: Mutex<()>,
}

#[derive(Default)]
struct Registry {
    next: u64,
    open: HashMap<u64, Entry>,
    lost: u64,
}

struct Entry {
    stream: Socket,
    /// It has been idle.
    kept: bool,
}

impl Server {
    pub(crate) fn new(fault: Option<Fault>, quiet: Duration) -> io::Result<Server> {
        Ok(Server {
            fault,
            quiet,
            draining: Bell::new()?,
            closing: Bell::new()?,
            dropped: Bell::new()?,
            registry: Mutex::default(),
            left: Condvar::new(),
            turn: Mutex::default(),
        })
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// Whether a signal that comes so long after the start means nothing.
    pub(crate) fn forgets(&self, signal: i32, after: Duration) -> bool {
        match self.fault {
            Some(Fault::SignalIgnored) => true,
            Some(Fault::InterruptIgnored) => signal == SIGINT,
            Some(Fault::EarlySignalLost) => after < EARLY,
            _ => false,
        }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the drain begins in this moment. Faults that depend on it ask, so that they show
    /// whichever thread is the first to run after the signal.
    pub(crate) fn hears_of_the_drain(&self) -> bool {
        let moment = Duration::from_secs(1);
        wait([self.draining.heard()], Some(moment)).is_ok_and(|[draining]| draining)
    }

    /// Accepts until the drain begins, then whoever still waits. Gives the listener back if it is
    /// not to be closed.
    pub(crate) fn accept_from(self: Arc<Server>, listener: Socket) -> Option<Socket> {
        loop {
            let sources = [
                readable(listener.as_fd()),
                self.draining.heard(),
                self.dropped.heard(),
            ];
            let Ok([_, mut draining, dropped]) = wait(sources, None) else {
                return None;
            };
            let depends = self.has(Fault::LateUntracked) || self.has(Fault::BacklogLost);
            draining |= depends && self.hears_of_the_drain();
            if dropped {
                return self.has(Fault::PortKept).then_some(listener);
            }
            if draining && self.has(Fault::BacklogLost) {
                return None;
            }
            if draining && self.has(Fault::OpenButDeaf) {
                return Some(listener);
            }
            while let Ok((stream, _)) = listener.accept() {
                self.serve(stream, draining);
            }
            if draining {
                return None;
            }
        }
    }

    fn serve(self: &Arc<Server>, stream: Socket, late: bool) {
        let server = Arc::clone(self);
        let is_tracked = !(late && self.has(Fault::LateUntracked));
        let (Ok(()), Ok(clone)) = (stream.set_nonblocking(true), stream.try_clone()) else {
            return;
        };
        let key = is_tracked.then(|| self.enter(clone));
        thread::spawn(move || Connection::new(stream, &server, key).run());
    }

    fn enter(&self, stream: Socket) -> u64 {
        let mut registry = self.registry();
        registry.next += 1;
        let (key, kept) = (registry.next, false);
        registry.open.insert(key, Entry { stream, kept });
        key
    }

    /// A connection has answered its first request, and stays.
    pub(crate) fn keep(&self, key: Option<u64>) {
        let mut registry = self.registry();
        if let Some(entry) = key.and_then(|key| registry.open.get_mut(&key)) {
            entry.kept = true;
        }
    }

    /// A connection is over, or on its own.
    pub(crate) fn leave(&self, key: Option<u64>) {
        if let Some(key) = key {
            self.registry().open.remove(&key);
            self.left.notify_all();
        }
    }

    /// The end cut a request off.
    pub(crate) fn lose(&self) {
        self.registry().lost += 1;
    }

    pub(crate) fn lost(&self) -> u64 {
        self.registry().lost
    }

    /// Waits for this connection's turn.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connections that a fault takes for idle, or that are too many for it.
    pub(crate) fn sweep(&self) {
        let is_many = self.has(Fault::ManyCut);
        let registry = self.registry();
        let spared = if is_many { 100 } else { 0 };
        for entry in registry.open.values().skip(spared) {
            if is_many || (self.has(Fault::BusySwept) && entry.kept) {
                // One that has ended meanwhile needs no end.
                let _ = entry.stream.shutdown(Shutdown::Both);
            }
        }
    }

    /// Ends everything at once.
    pub(crate) fn drop_all(&self) {
        self.dropped.ring();
        for entry in self.registry().open.values() {
            // One that has ended meanwhile needs no end.
            let _ = entry.stream.shutdown(Shutdown::Both);
        }
    }

    /// Waits until nobody is connected, so long at most. True if nobody is.
    pub(crate) fn wait_until_empty(&self, patience: Option<Duration>) -> bool {
        let registry = self.registry();
        let patience = patience.unwrap_or(Duration::from_secs(86_400));
        let waited = self
            .left
            .wait_timeout_while(registry, patience, |registry| !registry.open.is_empty());
        let (registry, _) = waited.unwrap_or_else(PoisonError::into_inner);
        registry.open.is_empty()
    }
}

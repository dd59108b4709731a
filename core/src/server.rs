//! The server's half of a driver: the lifecycle, and the registry that feeds it.

use alloc::vec::Vec;
use core::mem;

use crate::{Census, Config, Fate, Lifecycle, Phase, Session, State, Tick, Time};

/// A server: its [`Lifecycle`] and the registry of its connections.
///
/// A connection is entered before anything else happens to it and leaves when its socket is
/// closed. The census is derived from the registry, never counted beside it: nobody is
/// forgotten and nobody counted twice.
///
/// ```
/// use neap_core::{Cause, Config, Listening, Phase, Server, Time};
/// # use neap_core::{Exchange, Head, MisuseError, Responder};
/// # struct Application;
/// # impl Responder for Application {
/// #     fn start(&mut self, _: Head<'_>) {}
/// #     fn run(&mut self, _: &mut Exchange<'_>) -> Result<Time, MisuseError> {
/// #         Ok(Time::NEVER)
/// #     }
/// #     fn stop(&mut self) {}
/// # }
///
/// let config = Config::default();
/// let mut server = Server::new();
/// let now = Time::ZERO;
///
/// // A client was accepted.
/// let session = server.accept(now, &config, Application);
///
/// // Somebody wants the server to stop: the listener ends, every session turns.
/// server.lifecycle.drain(now, &config, Cause::Request);
/// assert_eq!(server.lifecycle.poll_listening(), Listening::End);
/// server.lifecycle.handle_listeners_ended(now);
/// assert_eq!(server.advance(now, &config), Some(Phase::Draining));
///
/// // The client is gone and its socket closed.
/// server.leave(session);
/// assert_eq!(server.advance(now, &config), Some(Phase::Done));
/// assert!(server.is_over() && !server.has_cut());
/// ```
#[derive(Debug, Default)]
pub struct Server {
    /// Decides the phase. It is told here of signals, of a drain that is asked for and of the
    /// listeners' end; the registry and the time are fed to it by [`advance`](Server::advance).
    pub lifecycle: Lifecycle,
    /// The state of each connection, and [`State::Gone`] where there is none.
    registry: Vec<State>,
    vacant: Vec<Entry>,
    /// The phase that [`advance`](Server::advance) told last.
    told: Phase,
    has_cut: bool,
}

/// A session's place in the registry. It goes back to the registry when the session leaves, so that
/// it cannot be used after that, nor twice.
#[derive(Debug)]
pub(crate) struct Entry(usize);

impl Server {
    /// A server that runs, without connections.
    #[must_use]
    pub fn new() -> Server {
        Server::default()
    }

    /// Enters a connection that was just accepted, with what answers its requests; the session
    /// stays with this server. One that comes while the server closes is turned away: a 503,
    /// whatever it asks.
    pub fn accept<R>(&mut self, now: Time, config: &Config, responder: R) -> Session<R> {
        let entry = self.vacant.pop().unwrap_or(Entry(self.registry.len()));
        if entry.0 == self.registry.len() {
            self.registry.push(State::Gone);
        }
        self.registry[entry.0] = State::Fresh;
        Session::new(entry, self.tick(now, config), responder)
    }

    /// Notes where a session of this server stands, after each of its turns. True if that is news:
    /// [`advance`](Server::advance) is due.
    pub fn note<R>(&mut self, session: &Session<R>) -> bool {
        // Until its socket is closed it is not gone.
        let state = match session.state() {
            State::Gone => State::Linger,
            state => state,
        };
        mem::replace(&mut self.registry[session.entry.0], state) != state
    }

    /// A session of this server is over and its socket closed: [`advance`](Server::advance) is due.
    pub fn leave<R>(&mut self, session: Session<R>) {
        let tally = session.tally();
        let is_cut = matches!(tally.rest, Fate::Aborted | Fate::Truncated);
        self.has_cut |= is_cut && tally.completed < tally.dispatched;
        self.registry[session.entry.0] = State::Gone;
        self.vacant.push(session.entry);
    }

    /// How many connections are in which state.
    #[must_use]
    pub fn census(&self) -> Census {
        Census::of(self.registry.iter().copied())
    }

    /// The circumstances of an input, for a session's turn.
    #[must_use]
    pub fn tick<'c>(&self, now: Time, config: &'c Config) -> Tick<'c> {
        self.lifecycle.tick(now, config)
    }

    /// Feeds the lifecycle with the registry and the time. Gives the phase if it has changed since
    /// the last call: then **every session is to turn**.
    ///
    /// Due when a session's state is news or it has left, when the lifecycle was told something,
    /// and when its [`poll_timeout`](Lifecycle::poll_timeout) has come.
    pub fn advance(&mut self, now: Time, config: &Config) -> Option<Phase> {
        // While the server runs, nobody asks how many there are.
        if self.lifecycle.phase() > Phase::Running {
            self.lifecycle.handle_census(now, config, &self.census());
        }
        self.lifecycle.handle_timeout(now, config);
        let phase = self.lifecycle.phase();
        (mem::replace(&mut self.told, phase) != phase).then_some(phase)
    }

    /// Whether all is done: the phase is [`Phase::Done`], every session has heard of it and
    /// left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let is_empty = self.vacant.len() == self.registry.len();
        self.lifecycle.phase() == Phase::Done && is_empty
    }

    /// Whether a request was dispatched and its reply cut off, or never begun, by us.
    #[must_use]
    pub fn has_cut(&self) -> bool {
        self.has_cut
    }
}

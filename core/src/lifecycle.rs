//! The server as a whole: from running to done.

use core::time::Duration;

use crate::progress::next;
use crate::{Census, Config, Phase, Progress, ServerEvent, Tick, Time};

/// What started the shutdown, and what forced it to its end if something did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// A stop signal.
    Signal,
    /// The program asked for it.
    Request,
    /// Every listener failed.
    Listeners,
    /// The deadline came while something was still held.
    Deadline,
}

impl Cause {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Cause::Signal => "signal",
            Cause::Request => "request",
            Cause::Listeners => "failed listeners",
            Cause::Deadline => "deadline",
        }
    }
}

/// What the driver does about a stop signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignalEffect {
    /// The shutdown has gone a step further.
    Obeyed,
    /// A duplicate, within the debounce time: nothing.
    Ignored,
    /// Nothing is left to hurry: restore the default action and raise the signal again.
    Default,
}

/// What the driver should do with its listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Listening {
    /// Accept and serve.
    Accept,
    /// End each by its own rule; what is accepted on the way is served.
    End,
    /// Accept what waits, turn it away
    /// ([`Connection::turn_away`](crate::Connection::turn_away); a session does so by itself), end.
    TurnAway,
    /// There are none any more.
    Ended,
}

/// How long each part of a shutdown lasted, as far as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Durations {
    /// In lame duck.
    pub lame: Duration,
    /// Until every listener had ended.
    pub sealed: Duration,
    /// Until nothing held the drain.
    pub waited: Duration,
    /// From the trigger on.
    pub total: Duration,
}

/// The server's machine: decides phases from events, a census and the time. It is fed, it does
/// not count.
///
/// ```
/// use neap_core::{Census, Config, Lifecycle, Cause, Phase, Time};
///
/// let config = Config::default();
/// let mut server = Lifecycle::new();
/// let now = Time::ZERO;
/// server.drain(now, &config, Cause::Request);
/// assert_eq!(server.phase(), Phase::Draining);
/// server.handle_listeners_ended(now);
/// server.handle_census(now, &config, &Census::default());
/// assert_eq!(server.phase(), Phase::Done);
/// ```
#[derive(Clone, Debug)]
pub struct Lifecycle {
    progress: Progress,
    listeners_ended: bool,
    /// Somebody may wait to be accepted: true from the drain's start until the driver denies it.
    waiting: bool,
    /// Something is held: true from the drain's start until a census denies it.
    held: bool,
    cause: Option<Cause>,
    forced: Option<Cause>,
    now: Time,
    /// When the drain was triggered: T0.
    drained: Time,
    /// When sealing began: T1.
    sealed: Time,
    waited: Time,
    closed: Time,
    done: Time,
    /// When the current step began.
    since: Time,
}

impl Default for Lifecycle {
    fn default() -> Lifecycle {
        Lifecycle::new()
    }
}

impl Lifecycle {
    /// A server that runs.
    #[must_use]
    pub const fn new() -> Lifecycle {
        Lifecycle {
            progress: Progress::Running,
            listeners_ended: false,
            waiting: true,
            held: true,
            cause: None,
            forced: None,
            now: Time::ZERO,
            drained: Time::NEVER,
            sealed: Time::NEVER,
            waited: Time::NEVER,
            closed: Time::NEVER,
            done: Time::NEVER,
            since: Time::ZERO,
        }
    }

    /// The phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.progress.phase()
    }

    /// The phase, in finer steps.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// What triggered the shutdown, once something has.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// What ended the drain before everything had ended by itself, if something did.
    #[must_use]
    pub fn forced(&self) -> Option<Cause> {
        self.forced
    }

    /// The tick that every input of a connection takes.
    #[must_use]
    pub fn tick<'c>(&self, now: Time, config: &'c Config) -> Tick<'c> {
        Tick {
            now: self.now.max(now),
            phase: self.phase(),
            sealing: self.sealed,
            config,
        }
    }

    /// What the driver should do with its listeners. It changes where the lifecycle is told
    /// something, and where time has passed.
    #[must_use]
    pub fn poll_listening(&self) -> Listening {
        match self.progress {
            _ if self.listeners_ended => Listening::Ended,
            Progress::Running | Progress::LameDuck => Listening::Accept,
            Progress::Sealing | Progress::Waiting => Listening::End,
            Progress::Closing | Progress::Done => Listening::TurnAway,
        }
    }

    /// When [`handle_timeout`](Lifecycle::handle_timeout) is due; `None` for never.
    #[must_use]
    pub fn poll_timeout(&self, config: &Config) -> Option<Time> {
        let deadline = self.drained.after(config.drain.deadline);
        let elapsed = self.drained.after(config.drain.lame_duck);
        let due = match self.progress {
            Progress::Running | Progress::Done => Time::NEVER,
            Progress::LameDuck if config.drain.keep_accepting && elapsed <= self.now => deadline,
            Progress::LameDuck => elapsed.min(deadline),
            Progress::Sealing | Progress::Waiting => deadline,
            Progress::Closing => self.closed.after(config.drain.close_grace),
        };
        (due != Time::NEVER).then_some(due)
    }

    /// When what is left of the drain is aborted; `None` while the server runs, or without end.
    /// Once it has come to that, the moment when it did.
    #[must_use]
    pub fn deadline(&self, config: &Config) -> Option<Time> {
        let deadline = self.drained.after(config.drain.deadline).min(self.closed);
        (deadline != Time::NEVER).then_some(deadline)
    }

    /// Begins the drain. Once it has begun, does nothing.
    pub fn drain(&mut self, now: Time, config: &Config, cause: Cause) {
        let lame_duck = config.drain.keep_accepting || !config.drain.lame_duck.is_zero();
        if self.handle(now, ServerEvent::Drain { lame_duck }) {
            self.cause = Some(cause);
        }
    }

    /// Calls the drain off, which only lame duck allows. Connections that have already announced
    /// their close stay told. True if it was.
    pub fn cancel_drain(&mut self, now: Time) -> bool {
        let cancelled = self.handle(now, ServerEvent::Cancel);
        if cancelled {
            self.cause = None;
            self.drained = Time::NEVER;
        }
        cancelled
    }

    /// Ends everything at once. Once that has begun, does nothing.
    pub fn close_now(&mut self, now: Time, cause: Cause) {
        if self.handle(now, ServerEvent::CloseNow) {
            self.cause.get_or_insert(cause);
            self.forced = Some(cause);
        }
    }

    /// A stop signal has come: the first begins the drain, a later one hurries it.
    pub fn handle_signal(&mut self, now: Time, config: &Config) -> SignalEffect {
        if self.progress == Progress::Running {
            self.drain(now, config, Cause::Signal);
            return SignalEffect::Obeyed;
        }
        if now.since(self.since) < config.drain.debounce {
            return SignalEffect::Ignored;
        }
        if !self.handle(now, ServerEvent::Again) {
            return SignalEffect::Default;
        }
        if self.progress == Progress::Closing {
            self.forced = Some(Cause::Signal);
        }
        SignalEffect::Obeyed
    }

    /// Every listener has ended.
    pub fn handle_listeners_ended(&mut self, now: Time) {
        self.listeners_ended = true;
        self.handle(now, ServerEvent::ListenersEnded);
    }

    /// Whether somebody may be waiting in a listener's queue: false when the last accept on each
    /// found nobody. Only a server that [keeps accepting](crate::Drain::keep_accepting) needs to
    /// know, and goes on to its deadline if it is never told.
    pub fn handle_waiting(&mut self, now: Time, config: &Config, waiting: bool) {
        self.waiting = waiting;
        self.seal_if_deserted(now, config);
    }

    /// The driver's connections have changed.
    pub fn handle_census(&mut self, now: Time, config: &Config, census: &Census) {
        self.held = census.held(&config.drain) > 0;
        self.seal_if_deserted(now, config);
        if census.is_quiet(&config.drain) {
            self.handle(now, ServerEvent::Quiet);
        }
        if census.open() == 0 && self.listeners_ended {
            self.handle(now, ServerEvent::Empty);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time, config: &Config) {
        let now = self.now.max(now);
        self.now = now;
        // First, so that a grace of zero still lets connections hear of Closing once.
        if now >= self.closed.after(config.drain.close_grace) {
            self.handle(now, ServerEvent::GraceElapsed);
        }
        if now >= self.drained.after(config.drain.deadline)
            && self.handle(now, ServerEvent::Deadline)
        {
            self.forced = Some(Cause::Deadline);
        }
        if config.drain.keep_accepting {
            self.seal_if_deserted(now, config);
        } else if now >= self.drained.after(config.drain.lame_duck) {
            self.handle(now, ServerEvent::LameDuckElapsed);
        }
    }

    /// Ends the lame duck whose time is up, once there is nobody left to keep accepting for.
    fn seal_if_deserted(&mut self, now: Time, config: &Config) {
        let elapsed = now >= self.drained.after(config.drain.lame_duck);
        if elapsed && !self.waiting && !self.held {
            self.handle(now, ServerEvent::Deserted);
        }
    }

    /// How long each part has lasted until `now`.
    #[must_use]
    pub fn durations(&self, now: Time) -> Durations {
        let end = self.done.min(now);
        let part = |from: Time, until: Time| until.min(end).since(from.min(end));
        Durations {
            lame: part(self.drained, self.sealed.min(self.closed)),
            sealed: part(self.sealed, self.waited.min(self.closed)),
            waited: part(self.waited, self.closed),
            total: part(self.drained.min(self.closed), end),
        }
    }

    /// Asks the table. False where the event changes nothing.
    fn handle(&mut self, now: Time, event: ServerEvent) -> bool {
        self.now = self.now.max(now);
        let Some(progress) = next(self.progress, event) else {
            return false;
        };
        if self.progress == Progress::Running {
            self.drained = self.now;
            (self.waiting, self.held) = (true, true);
        }
        match progress {
            Progress::Sealing => self.sealed = self.now,
            Progress::Waiting => self.waited = self.now,
            Progress::Closing => self.closed = self.now,
            Progress::Done => self.done = self.now,
            Progress::Running | Progress::LameDuck => {}
        }
        self.progress = progress;
        self.since = self.now;
        if progress == Progress::Sealing && self.listeners_ended {
            // They had failed before: nobody will report their end again.
            self.handle(now, ServerEvent::ListenersEnded);
        }
        true
    }
}

//! The lifecycle with two listeners and three connections beside it, on a clock of small integers.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::abstraction::{self, moves, window};
use super::key;
use neap_core::{
    Cause, Census, Config, Lifecycle, Listening, Phase, Progress, SignalEffect, State, Time,
};

pub(super) const LAME_DUCK: u32 = 2;
pub(super) const DEADLINE: u32 = 4;
pub(super) const GRACE: u32 = 2;
pub(super) const DEBOUNCE: u32 = 1;

/// The longest of the windows of connections that hold nothing and are waited for.
pub(super) const UNHELD: u32 = max(abstraction::QUIET, abstraction::FIRST_BYTE);

const fn max(one: u32, other: u32) -> u32 {
    if one > other { one } else { other }
}

/// A server, what its driver knows, and what is remembered of its past to judge it by.
#[derive(Clone, Debug)]
pub struct Server {
    pub(super) lifecycle: Lifecycle,
    pub(super) now: Time,
    /// How many listeners are open.
    pub(super) listeners: u8,
    /// In order: which connection is which does not matter.
    pub(super) connections: [Slot; 3],
    /// Whether somebody may be waiting to be accepted.
    pub(super) waits: bool,
    /// For how many ticks it has waited without anything that holds it.
    pub(super) unheld: u32,
    /// Ticks since the current step began, and since the drain did.
    pub(super) since: u32,
    pub(super) drained: u32,
    /// The rule that the last step broke.
    pub(super) broken: Option<&'static str>,
}

/// A connection: its state, and how many ticks the driver leaves it there, if it is hurried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot {
    pub(super) state: State,
    left: Option<u32>,
}

/// What an attempt to accept gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Accepted {
    /// A connection.
    Connection,
    /// Nobody waits, nor is a handshake under way: a listener that is to end ends.
    Empty,
    /// An error of one client's.
    Retry,
    /// No descriptors.
    Exhausted,
    /// The listener is of no more use.
    Failed,
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The program asks for the drain.
    Drain,
    /// The program asks for the end.
    CloseNow,
    /// The program calls the drain off.
    Cancel,
    /// A stop signal: the first, a duplicate or a later one.
    Signal,
    /// A listener accepts.
    Accept(Accepted),
    /// A connection goes from one state to another, because of its peer or its handler.
    Moves(State, State),
    /// So many ticks pass before the driver is awake; then it does what is due.
    Time(u32),
}

impl PartialEq for Server {
    fn eq(&self, other: &Server) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Server {}

impl Hash for Server {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.key().hash(hasher);
    }
}

fn ticks(ticks: u32) -> Duration {
    Duration::from_nanos(ticks.into())
}

/// How a server goes on accepting once its drain has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepting {
    /// Not at all.
    Ends,
    /// For a lame duck's time.
    LameDuck,
    /// For as long, and until nobody waits and nothing is held.
    Kept,
}

pub(super) fn config(accepting: Accepting) -> Config {
    let mut config = Config::default();
    let has_duck = accepting != Accepting::Ends;
    config.drain.lame_duck = ticks(if has_duck { LAME_DUCK } else { 0 });
    config.drain.keep_accepting = accepting == Accepting::Kept;
    config.drain.deadline = ticks(DEADLINE);
    config.drain.close_grace = ticks(GRACE);
    config.drain.debounce = ticks(DEBOUNCE);
    config
}

impl Server {
    pub(super) fn new() -> Server {
        let gone = Slot {
            state: State::Gone,
            left: None,
        };
        Server {
            lifecycle: Lifecycle::new(),
            // Late enough for everything before it to be over.
            now: Time::ZERO.after(ticks(2 * DEADLINE)),
            listeners: 2,
            connections: [gone; 3],
            waits: true,
            unheld: 0,
            since: DEBOUNCE,
            drained: 0,
            broken: None,
        }
    }

    /// Stands for everything that a step depends on.
    fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let nanos = u64::try_from(self.now.since(Time::ZERO).as_nanos()).expect("it is early");
        key(&self.lifecycle, nanos, DEADLINE.into()).hash(&mut hasher);
        let ages = (self.unheld, self.since, self.drained);
        let outside = (self.listeners, self.connections, self.waits);
        (outside, ages, self.broken).hash(&mut hasher);
        hasher.finish()
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        if self.lifecycle.phase() == Phase::Done {
            return vec![];
        }
        let mut steps = vec![
            Step::Time(1),
            Step::Time(DEADLINE),
            Step::Drain,
            Step::CloseNow,
            Step::Cancel,
            Step::Signal,
        ];
        if self.listeners > 0 && self.lifecycle.poll_listening() != Listening::Ended {
            use Accepted::{Connection, Empty, Exhausted, Failed, Retry};
            let has_room = self
                .connections
                .iter()
                .any(|slot| slot.state == State::Gone);
            steps.extend([Empty, Retry, Exhausted, Failed].map(Step::Accept));
            steps.extend(has_room.then_some(Step::Accept(Connection)));
        }
        let mut states = self.connections.map(|slot| slot.state).to_vec();
        states.dedup();
        for from in states {
            let moves = moves(self.lifecycle.phase(), from).iter();
            steps.extend(moves.map(|to| Step::Moves(from, *to)));
        }
        steps
    }

    /// What becomes of it by this step.
    pub(super) fn step(&self, config: &Config, step: Step) -> Server {
        let mut server = self.clone();
        server.make(config, step);
        let now = server.now;
        server
            .lifecycle
            .handle_census(now, config, &server.census());
        server.remember(self);
        let broken = self.broken_by(config, step, &server);
        server.broken = broken
            .or_else(|| self.is_deserted_wrongly(config, step, &server))
            .or_else(|| self.shuts_down_wrongly(config, step, &server))
            .or_else(|| server.repeats_wrongly(config, step));
        server
    }

    fn make(&mut self, config: &Config, step: Step) {
        let now = self.now;
        match step {
            Step::Drain => self.lifecycle.drain(now, config, Cause::Request),
            Step::CloseNow => self.lifecycle.close_now(now, Cause::Request),
            Step::Cancel => {
                self.lifecycle.cancel_drain(now);
            }
            Step::Signal => {
                let was_closing = self.lifecycle.phase() >= Phase::Closing;
                let effect = self.lifecycle.handle_signal(now, config);
                if effect == SignalEffect::Default && !was_closing {
                    self.broken = Some("a signal kills a server that could still be hurried");
                }
            }
            Step::Accept(accepted) => self.accept(config, accepted),
            Step::Moves(from, to) => self.moves(from, to),
            Step::Time(passed) => {
                self.now = self.now.after(ticks(passed));
                self.since = DEADLINE.min(self.since + passed);
                if self.lifecycle.phase() != Phase::Running {
                    self.drained += passed;
                }
                // Sockets are read and connections told before the server's own timers act.
                for slot in &mut self.connections {
                    slot.left = slot.left.map(|left| left.saturating_sub(passed));
                    if let (Some(0), Some((_, to))) = (slot.left, window(slot.state)) {
                        slot.state = to;
                        slot.left = None;
                    }
                }
                self.lifecycle.handle_timeout(self.now, config);
            }
        }
        self.connections.sort();
    }

    /// What the driver does with the result of an attempt to accept.
    fn accept(&mut self, config: &Config, accepted: Accepted) {
        let listening = self.lifecycle.poll_listening();
        if config.drain.keep_accepting {
            self.waits = accepted != Accepted::Empty;
            self.lifecycle.handle_waiting(self.now, config, self.waits);
        }
        match accepted {
            Accepted::Connection if listening == Listening::TurnAway => {
                self.moves(State::Gone, State::Busy);
            }
            Accepted::Connection => self.moves(State::Gone, State::Fresh),
            Accepted::Empty if listening == Listening::Accept => {}
            Accepted::Empty | Accepted::Failed => self.listeners -= 1,
            Accepted::Retry => {}
            Accepted::Exhausted => {
                if self
                    .connections
                    .iter()
                    .any(|slot| slot.state == State::Idle)
                {
                    self.moves(State::Idle, State::Linger);
                }
            }
        }
        if self.listeners == 0 {
            // If they failed there is nothing left to run for.
            self.lifecycle.drain(self.now, config, Cause::Listeners);
            self.lifecycle.handle_listeners_ended(self.now);
        }
    }

    fn moves(&mut self, from: State, to: State) {
        let moved = self.connections.iter_mut().find(|slot| slot.state == from);
        *moved.expect("a step of an existing connection") = Slot {
            state: to,
            left: None,
        };
    }

    /// Notes what has changed since the server was like `before`.
    fn remember(&mut self, before: &Server) {
        let (old, progress) = (before.lifecycle.progress(), self.lifecycle.progress());
        if progress != old {
            self.since = 0;
            if old == Progress::Running || progress == Progress::Running {
                self.drained = 0;
                self.waits = true;
            }
        }
        let is_hurried = progress >= Progress::Sealing;
        for slot in &mut self.connections {
            let ticks = window(slot.state).filter(|_| is_hurried);
            slot.left = ticks.map(|(ticks, _)| slot.left.unwrap_or(ticks));
        }
        self.connections.sort();
        let is_unheld = progress == Progress::Waiting && self.held() == 0;
        let passed = self.since_then(before);
        let was_unheld = old == Progress::Waiting && before.held() == 0;
        self.unheld = match (was_unheld, is_unheld) {
            (true, true) => before.unheld + passed,
            _ => 0,
        };
    }

    pub(super) fn census(&self) -> Census {
        Census::of(self.connections.map(|slot| slot.state))
    }

    pub(super) fn held(&self) -> usize {
        let is_held =
            |slot: &&Slot| matches!(slot.state, State::Head | State::Busy | State::Upgraded);
        self.connections.iter().filter(is_held).count()
    }
}

impl Server {
    /// The phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.lifecycle.phase()
    }
}

//! Everything that may become of a connection in a world that does what it likes, while the driver
//! does what it should.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use neap_core::control::Stage;
use neap_core::{BodyLength, Handler, Phase, Progress, Read, State, Step, Write, next};
use stateright::{Model, Property};

use super::abstraction;
use super::abstraction::TICK;
use super::client::Kind;
use super::names::SERVER_EVENTS;
use super::turn::Turn;
use super::turned::{Turned, wants};

/// How many steps of the driver's alone end a connection at the latest.
const PATIENCE: usize = 64;

impl Turned {
    /// Everything that may happen now.
    fn turns(&self) -> Vec<Turn> {
        if matches!(self.connection.poll_step(), Step::Close { .. }) {
            return vec![];
        }
        let mut turns = self.duties();
        // The driver is awake at the end of every tick, and does not sleep over what it has to do.
        if turns.is_empty() && self.connection.poll_timeout().is_some() {
            turns.push(Turn::Passes);
        }
        if let Some(wants) = wants(&self.connection) {
            // What is buffered has been given before anything else is read.
            if wants.read != Read::No && !self.takes() && !self.fin {
                turns.push(Turn::Ends);
                turns.extend(self.client.next().iter().copied().map(Turn::Sends));
            }
            turns.push(Turn::Breaks);
            if turns.contains(&Turn::FindsNothing) {
                turns.push(Turn::FindsQuiet);
            }
            match wants.write {
                Write::Flush if self.connection.unsent() > 1 => {
                    turns.extend([Turn::Flushes, Turn::WritesShort]);
                }
                Write::Flush => turns.push(Turn::Flushes),
                Write::Query => turns.push(Turn::Queries { unacknowledged: 0 }),
                _ => {}
            }
            if wants.handler == Handler::Start {
                turns.push(Turn::Rejects);
            }
            if self.connection.state() == State::Idle {
                turns.push(Turn::GivesUp);
            }
        }
        if self.is_running() {
            turns.extend(self.handlers_turns());
        }
        if self.heard {
            turns.extend(self.servers_turns());
        }
        turns
    }

    fn handlers_turns(&self) -> Vec<Turn> {
        let mut turns = vec![Turn::Demands, Turn::Abandons, Turn::Fails];
        match self.connection.control().stage {
            Stage::Running(_) => turns.extend([
                Turn::Closes,
                Turn::Upgrades,
                Turn::Replies(BodyLength::Known(1)),
                Turn::Replies(BodyLength::Unknown),
            ]),
            Stage::Upgraded => return vec![Turn::EndsUpgrade],
            Stage::Replying(_) if self.past.has_piece => turns.push(Turn::Finishes),
            Stage::Replying(_) => turns.extend([Turn::Finishes, Turn::Pieces]),
            _ => {}
        }
        turns
    }

    /// What the server may do: the steps of its own table. Sealing and waiting are the same to a
    /// connection.
    fn servers_turns(&self) -> impl Iterator<Item = Turn> {
        let mut steps: Vec<Progress> = SERVER_EVENTS
            .iter()
            .filter_map(|event| next(self.server, *event))
            .filter(|progress| *progress != Progress::Waiting)
            .collect();
        steps.sort();
        steps.dedup();
        steps.into_iter().map(Turn::Moves)
    }

    /// What becomes of it by this turn.
    fn step(&self, turn: Turn) -> Turned {
        let mut turned = self.clone();
        let done = turned.turn(turn);
        turned.broken = done.err().or_else(|| self.broken_by(turn, &turned));
        turned.mark();
        turned
    }

    /// The driver's next turn by itself, if there is one: the client is silent and takes nothing,
    /// a handler does not come to its end.
    fn alone(&self) -> Option<Turn> {
        let duty = self.duties().into_iter().next();
        let passes = self.connection.poll_timeout().map(|_| Turn::Passes);
        duty.or(passes)
    }

    /// Whether the driver's turns alone end it, the server being told to close if nothing else
    /// helps, and whether in sealing they bring it out of its state to where, and within the time
    /// that, the abstraction says.
    fn comes_to_its_end(&self) -> bool {
        let is_hurried = self.heard && self.server >= Progress::Sealing;
        let is_still = !self.takes() && !self.fin && self.past.owed == 0;
        let mut window = abstraction::window(self.state()).filter(|_| is_hurried && is_still);
        let mut turned = self.clone();
        for _ in 0..PATIENCE {
            if matches!(turned.connection.poll_step(), Step::Close { .. }) {
                return true;
            }
            let turn = match turned.alone() {
                Some(turn) => turn,
                None if turned.server < Progress::Closing => Turn::Moves(Progress::Closing),
                None => return false,
            };
            if turned.turn(turn).is_err() {
                return false;
            }
            if let Some((ticks, to)) = window {
                let is_late = turned.now > self.now.after(TICK * ticks);
                let has_left = turned.state() != self.state();
                if is_late || (has_left && turned.state() != to) {
                    return false;
                }
                window = window.filter(|_| !has_left);
            }
        }
        false
    }

    pub(super) fn state(&self) -> State {
        self.connection.state()
    }
}

/// A step of a connection as the server sees it: in which phase, from where and to where.
pub type Move = (Phase, State, State);

/// A connection, its client, its handler, its driver and the server's phase.
#[derive(Debug)]
pub struct Connections {
    first: Kind,
    seen: Arc<Mutex<BTreeSet<Move>>>,
}

impl Connections {
    /// Those whose clients begin with a request of this kind. Every move that is made is put into
    /// `seen`.
    #[must_use]
    pub fn new(first: Kind, seen: Arc<Mutex<BTreeSet<Move>>>) -> Connections {
        Connections { first, seen }
    }
}

impl Model for Connections {
    type State = Turned;
    type Action = Turn;

    /// One for each moment at which a connection may be accepted.
    fn init_states(&self) -> Vec<Turned> {
        use Progress::{Closing, Running, Sealing};
        [Running, Sealing, Closing]
            .map(|server| Turned::accepted(server, self.first))
            .into()
    }

    fn actions(&self, turned: &Turned, turns: &mut Vec<Turn>) {
        if turned.broken.is_none() {
            turns.extend(turned.turns());
        }
    }

    fn next_state(&self, turned: &Turned, turn: Turn) -> Option<Turned> {
        let after = turned.step(turn);
        let (from, to) = (turned.state(), after.state());
        if from != to {
            let phase = after.connection.control().server;
            let mut seen = self.seen.lock().expect("nobody panics with it");
            seen.insert((phase, from, to));
        }
        Some(after)
    }

    fn properties(&self) -> Vec<Property<Connections>> {
        let mut properties = rules! { Connections;
            "I1: the own phase falls"
            "what is written and not sent is not what was handed out"
            "unsent bytes and the control state disagree"
            "I13: output waits without a timeout"
            "I14: a timeout stays due"
            "I9: a request that was received whole is dropped silently"
            "I15: a response that is not whole ends as if it were"
            "I15: a response that only the close ends is cut without a reset"
            "I16: bytes were not sent, and the end does not say so"
            "I22: a whole response that was sent is not counted"
            "I7: more responses are counted than there were, or than there were requests"
            "I7: completed, but not every request is"
            "I11: an exchange is under way and nobody is held"
            "I11: output waits and nobody is held"
            "I11: half a head has come and nobody is held"
            "I11: nothing is under way and somebody is held"
            "I11: a client that has vanished is still counted"
            "I13: the peer is waited for without end"
            "I10: who holds nothing is waited for longer than its window"
            "I14: an end that was heard is asked for again"
            "I10: lingering goes on though the peer is silent"
            "I16: FIN overtakes output"
            "what is wanted is refused"
            "I8: a request is dispatched after the close was announced"
            "a request is taken though too much waits to be sent"
            "I7: a second final response"
            "I2: a response gains close without a shutdown"
            "I17: in the drain a last response does not say so"
            "I17: after a refusal the connection would be kept"
            "a response that the client asked to be the last does not say so"
            "the abstraction does not know of a step"
        };
        properties.push(Property::always(
            "I10, I13: the driver alone comes to the end, and in time",
            |_, turned: &Turned| turned.comes_to_its_end(),
        ));
        properties
    }
}

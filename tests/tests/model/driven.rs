//! Everything that may become of a connection in a world that does what it likes, while the driver
//! does what it should.

use neap_core::control::{Content, Stage};
use neap_core::{BodyLength, Handler, Outcome, Phase, Read, Step, Time, Write};
use stateright::{Checker, Model, Property};

use crate::turned::{Script, Turn, Turned, wants};

const HEADS: [Script; 3] = [
    &[
        "GET / HTTP/1.1\r\nHo",
        "st: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    &[
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET",
        " / HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    &["\r", "\nGET / HTTP/1.1\r\n\0"],
];

const CONTENT: [Script; 3] = [
    &["POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\n", "a"],
    &[
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n",
        "a",
        "b",
    ],
    &[
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        "a",
        "b",
    ],
];

const CHUNKED: [Script; 2] = [
    &[
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "1\r\na\r\n",
        "0\r\n\r\n",
    ],
    &[
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "3\r\nab",
        "c",
    ],
];

impl Turned {
    fn turns(&self, script: Script) -> Vec<Turn> {
        let mut turns = self.duties();
        let duties = turns.len();
        if let Some(wants) = wants(&self.connection) {
            // What is buffered has been given before anything else is read.
            if wants.read != Read::No && !turns.contains(&Turn::Takes) {
                turns.push(Turn::Ends);
                if self.sent < script.len() && !self.fin {
                    turns.push(Turn::Sends);
                }
            }
            turns.push(Turn::Breaks);
            match wants.write {
                Write::Flush => turns.push(Turn::Flushes),
                Write::Query => turns.push(Turn::Queries { unacknowledged: 0 }),
                _ => {}
            }
        }
        if self.is_running() {
            turns.extend(self.handlers_turns());
        }
        // Whoever is late, or sleeps through a phase: that is for the table alone to bear.
        if self.connection.poll_timeout().is_some() && duties == 0 {
            turns.push(Turn::Expires);
        }
        turns.extend(match self.server {
            Phase::Running => Some(Turn::Rises(Phase::Draining)),
            Phase::Draining => Some(Turn::Rises(Phase::Closing)),
            Phase::Closing => Some(Turn::Rises(Phase::Done)),
            Phase::Done => None,
        });
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

    fn step(&self, script: Script, turn: Turn) -> Turned {
        let mut turned = self.clone();
        let done = turned.turn(script, turn);
        turned.broken = done.err().or_else(|| self.broken_by(turn, &turned));
        turned.mark();
        turned
    }

    /// The rule that a step breaks, as far as it takes the states around it to see that.
    fn broken_by(&self, turn: Turn, after: &Turned) -> Option<&'static str> {
        let connection = &after.connection;
        let (tally, control) = (connection.tally(), connection.control());
        let is_over = wants(connection).is_none();
        let due = connection.poll_timeout().map(Time::as_nanos);
        let completed = control.outcome == Some(Outcome::Completed) && is_over;
        let rules = [
            (
                "more requests are completed than dispatched",
                tally.completed > tally.dispatched,
            ),
            (
                "completed, but not every request is",
                completed && (tally.completed < tally.dispatched || connection.unsent() > 0),
            ),
            (
                "output waits without a timeout",
                control.unflushed && due.is_none() && !is_over,
            ),
            (
                "unsent bytes and the control state disagree",
                !is_over && control.unflushed != (connection.unsent() > 0),
            ),
            (
                "a timeout stays due",
                matches!(turn, Turn::Expires | Turn::Hears)
                    && !is_over
                    && due.is_some_and(|due| due <= after.now),
            ),
        ];
        let broken = rules.into_iter().find(|(_, broken)| *broken);
        let broken = broken.map(|(rule, _)| rule);
        broken.or_else(|| self.waits_wrongly(turn, after))
    }

    /// The rule that a connection breaks by what it waits for now.
    fn waits_wrongly(&self, turn: Turn, after: &Turned) -> Option<&'static str> {
        let connection = &after.connection;
        let wants = wants(connection)?;
        let (before, control) = (self.connection.control(), connection.control());
        let due = connection.poll_timeout().map(Time::as_nanos);
        let is_wanted = matches!(
            control.stage,
            Stage::Running(Content::Wanted) | Stage::Replying(Content::Wanted)
        );
        let is_peers = wants.handler == Handler::No || is_wanted;
        let short = after.now + 1;
        let rules = [
            (
                "the peer is waited for without end",
                is_peers && due.is_none() && after.duties().is_empty(),
            ),
            (
                "an end that was heard is asked for again",
                turn == Turn::Ends && before == control && wants.read != Read::No,
            ),
            (
                "lingering goes on though the peer is silent",
                control.stage == Stage::Lingering && due.is_none_or(|due| due > short),
            ),
        ];
        let broken = rules.into_iter().find(|(_, broken)| *broken);
        broken.map(|(rule, _)| rule)
    }

    /// Turns for the driver alone: the client is silent and takes nothing, a handler does not
    /// come to an end, the server is told to stop if nothing else helps. True if Closing is the
    /// most that it takes.
    fn comes_to_its_end(&self, script: Script) -> bool {
        let mut turned = self.clone();
        for _ in 0..64 {
            if matches!(turned.connection.poll_step(), Step::Close { .. }) {
                return true;
            }
            let duty = turned.duties().into_iter().next();
            let is_due = turned.connection.poll_timeout().is_some();
            let turn = match duty {
                Some(duty) => duty,
                None if is_due => Turn::Expires,
                None if turned.server < Phase::Closing => Turn::Rises(Phase::Closing),
                None => return false,
            };
            if turned.turn(script, turn).is_err() {
                return false;
            }
        }
        false
    }
}

/// A connection in a world that may do anything.
struct World {
    script: Script,
}

impl Model for World {
    type State = Turned;
    type Action = Turn;

    fn init_states(&self) -> Vec<Turned> {
        vec![Turned::new()]
    }

    fn actions(&self, turned: &Turned, turns: &mut Vec<Turn>) {
        if turned.broken.is_none() {
            turns.extend(turned.turns(self.script));
        }
    }

    fn next_state(&self, turned: &Turned, turn: Turn) -> Option<Turned> {
        Some(turned.step(self.script, turn))
    }

    fn properties(&self) -> Vec<Property<World>> {
        vec![
            Property::always("no step breaks a rule", |_, turned: &Turned| {
                turned.broken.is_none()
            }),
            Property::always(
                "the driver alone comes to the end",
                |world: &World, turned: &Turned| turned.comes_to_its_end(world.script),
            ),
        ]
    }
}

/// Walks everything that may become of a client with one of these scripts.
fn walk(scripts: &[Script]) {
    for script in scripts {
        let checker = World { script }.checker().spawn_bfs().join();
        checker.assert_properties();
    }
}

#[test]
fn a_connection_with_heads_alone_keeps_its_rules() {
    walk(&HEADS);
}

#[test]
fn a_connection_with_content_keeps_its_rules() {
    walk(&CONTENT);
}

#[test]
fn a_connection_with_chunked_content_keeps_its_rules() {
    walk(&CHUNKED);
}

//! All that may happen to a server, for a checker that walks it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use neap_core::{Config, Phase};
use stateright::{Model, Property};

use super::server::{Accepting, Server, Step, config};
use super::server_rows::Row;

/// A server that goes on accepting in one of these ways.
#[derive(Debug)]
pub struct Servers {
    pub(super) config: Config,
    seen: Arc<Mutex<BTreeSet<Row>>>,
}

impl Servers {
    /// Every row of the server's table that is certain to have been used is put into `seen`.
    #[must_use]
    pub fn new(accepting: Accepting, seen: Arc<Mutex<BTreeSet<Row>>>) -> Servers {
        Servers {
            config: config(accepting),
            seen,
        }
    }

    /// A server that runs.
    #[must_use]
    pub fn start() -> Server {
        Server::new()
    }

    /// The steps out of a state.
    #[must_use]
    pub fn steps(&self, server: &Server) -> Vec<(Step, Server)> {
        let steps = server.steps().into_iter();
        steps
            .map(|step| (step, server.step(&self.config, step)))
            .collect()
    }
}

impl Model for Servers {
    type State = Server;
    type Action = Step;

    fn init_states(&self) -> Vec<Server> {
        vec![Servers::start()]
    }

    fn actions(&self, server: &Server, steps: &mut Vec<Step>) {
        if server.broken.is_none() {
            steps.extend(server.steps());
        }
    }

    fn next_state(&self, server: &Server, step: Step) -> Option<Server> {
        let after = server.step(&self.config, step);
        if server.lifecycle.progress() != after.lifecycle.progress() {
            let rows = self.rows_between(step, server, &after);
            let mut seen = self.seen.lock().expect("nobody panics with it");
            seen.extend(rows);
        }
        Some(after)
    }

    fn properties(&self) -> Vec<Property<Servers>> {
        let mut properties = rules! { Servers;
            "I1: the progress falls"
            "I3: ended listeners are accepted from"
            "I11: the census does not count who is held"
            "I12: nothing remains to wait for, yet it waits"
            "I10: it waits for those who hold nothing"
            "I17: a server that was told to stop is ready, or one that was not is not"
            "I17: a lame duck does not accept"
            "waiting, but listeners remain"
            "done, but neither empty nor out of time"
            "closing, but neither forced nor out of time nor quiet"
            "said to be forced, but by nobody"
            "forced, but nobody says why"
            "I13: the deadline has passed without closing"
            "I13: the grace has passed without an end"
            "I13: a wait has no end"
            "a lame duck outlasts its time"
            "a lame duck ends before its time"
            "a deserted server goes on accepting"
            "a server that is not deserted stops accepting"
            "a later signal changes nothing"
            "a signal within the debounce time is no duplicate"
            "the first signal does not begin the drain"
            "a signal kills a server that could still be hurried"
            "I23: asking twice is not asking once"
        };
        properties.push(Property::sometimes(
            "it ends with nothing aborted",
            |_, server: &Server| {
                let lifecycle = &server.lifecycle;
                lifecycle.phase() == Phase::Done && lifecycle.forced().is_none()
            },
        ));
        properties
    }
}

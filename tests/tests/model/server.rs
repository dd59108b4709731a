//! The lifecycle with three connections beside it, on a clock of small integers.

use std::time::Duration;

use neap_core::{
    Cause, Census, Config, Lifecycle, Listening, Phase, Progress, ServerEvent, State, Time, next,
};
use neap_tests::graph::Graph;
use stateright::{Checker, Model, Property};

const LAME_DUCK: u8 = 1;
const DEADLINE: u8 = 3;
const GRACE: u8 = 1;
const DEBOUNCE: u8 = 1;
/// The latest moment at which somebody tells the server to stop, and at which time stands still.
const LAST_TRIGGER: u8 = 2;
const END: u8 = LAST_TRIGGER + 2 * DEADLINE + GRACE + 1;

/// A server, what its driver knows, and what is remembered of its past to judge it by.
#[derive(Clone, Debug)]
struct Server {
    lifecycle: Lifecycle,
    lame_duck: bool,
    now: u8,
    /// In order: which connection is which does not matter.
    connections: [State; 3],
    /// When the current step began, and the drain.
    since: u8,
    drained: u8,
    /// The rule that the last step broke.
    broken: Option<&'static str>,
}

/// Everything that a step depends on.
type Key = (
    (
        Progress,
        Listening,
        Option<Time>,
        Option<Cause>,
        Option<Cause>,
    ),
    (bool, u8, [State; 3], u8, u8, Option<&'static str>),
);

impl Server {
    fn new(lame_duck: bool) -> Server {
        Server {
            lifecycle: Lifecycle::new(),
            lame_duck,
            now: 0,
            connections: [State::Gone; 3],
            since: 0,
            drained: 0,
            broken: None,
        }
    }

    fn key(&self) -> Key {
        let lifecycle = &self.lifecycle;
        (
            (
                lifecycle.progress(),
                lifecycle.poll_listening(),
                lifecycle.poll_timeout(&self.config()),
                lifecycle.cause(),
                lifecycle.forced(),
            ),
            (
                self.lame_duck,
                self.now,
                self.connections,
                self.since,
                self.drained,
                self.broken,
            ),
        )
    }
}

impl PartialEq for Server {
    fn eq(&self, other: &Server) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Server {}

impl std::hash::Hash for Server {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        self.key().hash(hasher);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// Somebody asks for the drain, for its end, or calls it off.
    Drain,
    CloseNow,
    Cancel,
    Signal,
    /// The listeners end, on their own or because they should.
    ListenersEnd,
    /// A connection changes its state.
    Moves(State, State),
    /// So many moments pass before the driver is awake to report them.
    Time(u8),
}

/// Where a connection may go in one step. All lead to the end, and none has to be taken.
fn moves(state: State, listening: Listening) -> Vec<State> {
    use State::{Busy, Fresh, Gone, Head, Idle, Linger, Upgraded};
    match state {
        Gone if listening == Listening::Ended => vec![],
        Gone => vec![Fresh],
        Fresh => vec![Head, Linger, Gone],
        Head => vec![Busy, Linger, Gone],
        Busy => vec![Idle, Upgraded, Linger, Gone],
        Idle => vec![Head, Linger, Gone],
        Upgraded => vec![Linger, Gone],
        Linger => vec![Gone],
    }
}

impl Server {
    fn config(&self) -> Config {
        let ticks = |ticks: u8| Duration::from_nanos(ticks.into());
        let mut config = Config::default();
        config.drain.lame_duck = ticks(if self.lame_duck { LAME_DUCK } else { 0 });
        config.drain.deadline = ticks(DEADLINE);
        config.drain.close_grace = ticks(GRACE);
        config.drain.debounce = ticks(DEBOUNCE);
        config
    }

    fn steps(&self) -> Vec<Step> {
        let listening = self.lifecycle.poll_listening();
        let mut steps = Vec::new();
        if self.now < END {
            steps.push(Step::Time(1));
        }
        if self.now <= LAST_TRIGGER + DEADLINE {
            steps.push(Step::Time(DEADLINE));
        }
        if self.now <= LAST_TRIGGER {
            steps.extend([Step::Drain, Step::CloseNow, Step::Cancel, Step::Signal]);
        }
        if listening != Listening::Ended {
            steps.push(Step::ListenersEnd);
        }
        let mut states = self.connections.to_vec();
        states.dedup();
        for from in states {
            let moves = moves(from, listening).into_iter();
            steps.extend(moves.map(|to| Step::Moves(from, to)));
        }
        steps
    }

    fn step(&self, step: Step) -> Server {
        let mut server = self.clone();
        let config = self.config();
        let lifecycle = &mut server.lifecycle;
        let now = Time::from_nanos(self.now.into());
        match step {
            Step::Drain => lifecycle.drain(now, &config, Cause::Request),
            Step::CloseNow => lifecycle.close_now(now, Cause::Request),
            Step::Cancel => {
                lifecycle.cancel_drain(now);
            }
            Step::Signal => {
                lifecycle.handle_signal(now, &config);
            }
            Step::ListenersEnd => lifecycle.handle_listeners_ended(now),
            Step::Moves(from, to) => {
                let moved = server.connections.iter_mut().find(|state| **state == from);
                *moved.expect("a step of an existing connection") = to;
                server.connections.sort();
            }
            Step::Time(moments) => {
                server.now += moments;
                lifecycle.handle_timeout(Time::from_nanos(server.now.into()), &config);
            }
        }
        let now = Time::from_nanos(server.now.into());
        let census = server.census();
        server.lifecycle.handle_census(now, &config, &census);
        if server.lifecycle.progress() != self.lifecycle.progress() {
            server.since = server.now;
            if self.lifecycle.progress() == Progress::Running {
                server.drained = server.now;
            }
        }
        server.broken = self.broken_by(step, &server);
        server
    }

    fn census(&self) -> Census {
        Census::of(self.connections)
    }

    /// The rule that a step breaks, as far as it takes two states to see that.
    fn broken_by(&self, step: Step, after: &Server) -> Option<&'static str> {
        use Progress::{Closing, Done, LameDuck, Running, Waiting};
        let (old, new) = (self.lifecycle.progress(), after.lifecycle.progress());
        let (begins, census) = (old != new, after.census());
        let mut states = after.connections.iter();
        let is_quiet = states.all(|state| matches!(state, State::Linger | State::Gone));
        let listening = after.lifecycle.poll_listening();
        let is_empty = census.open() == 0 && listening == Listening::Ended;
        let cancelled = step == Step::Cancel && (old, new) == (LameDuck, Running);
        let lasted = |window| after.now >= self.since + window;
        let forced = matches!(step, Step::Signal | Step::CloseNow);
        let deadline = old != Running && after.now >= self.drained + DEADLINE;
        let rules = [
            ("I1: the progress falls", new < old && !cancelled),
            (
                "done, but neither empty nor out of time",
                begins && new == Done && !(is_empty || (old == Closing && lasted(GRACE))),
            ),
            (
                "closing, but neither forced nor out of time nor quiet",
                begins && new == Closing && !(forced || deadline || is_quiet),
            ),
            (
                "waiting, but listeners remain",
                new == Waiting && listening != Listening::Ended,
            ),
            (
                "I12: nothing remains to wait for, yet it waits",
                is_empty && matches!(new, Waiting | Closing),
            ),
            (
                "nobody accepts, yet nobody was told to end the listeners",
                new == Progress::Sealing && listening == Listening::Ended,
            ),
            (
                "I13: the deadline has passed without closing",
                matches!(step, Step::Time(_)) && deadline && !matches!(new, Closing | Done),
            ),
            (
                "a later signal changes nothing",
                step == Step::Signal
                    && matches!(old, LameDuck | Progress::Sealing | Waiting)
                    && lasted(DEBOUNCE)
                    && !begins,
            ),
            (
                "a signal within the debounce time is no duplicate",
                step == Step::Signal && old != Running && !lasted(DEBOUNCE) && begins,
            ),
            (
                "forced, but nobody says why",
                begins && new == Closing && !is_quiet && after.lifecycle.forced().is_none(),
            ),
        ];
        let broken = rules.into_iter().find(|(_, broken)| *broken);
        broken.map(|(rule, _)| rule)
    }
}

/// A server with a lame duck, or without.
struct World {
    lame_duck: bool,
}

impl Model for World {
    type State = Server;
    type Action = Step;

    fn init_states(&self) -> Vec<Server> {
        vec![Server::new(self.lame_duck)]
    }

    fn actions(&self, server: &Server, steps: &mut Vec<Step>) {
        if server.broken.is_none() {
            steps.extend(server.steps());
        }
    }

    fn next_state(&self, server: &Server, step: Step) -> Option<Server> {
        Some(server.step(step))
    }

    fn properties(&self) -> Vec<Property<World>> {
        vec![
            Property::always("no step breaks a rule", |_, server: &Server| {
                server.broken.is_none()
            }),
            Property::always("a drain has a cause", |_, server: &Server| {
                let is_running = server.lifecycle.phase() == Phase::Running;
                is_running == server.lifecycle.cause().is_none()
            }),
            Property::always("a wait has an end", |_, server: &Server| {
                let waits = !matches!(server.lifecycle.phase(), Phase::Running | Phase::Done);
                waits == server.lifecycle.poll_timeout(&server.config()).is_some()
            }),
            Property::sometimes("the drain is called off", |_, server: &Server| {
                !server.lame_duck || (server.drained > 0 && server.lifecycle.cause().is_none())
            }),
            Property::sometimes("it ends with nothing aborted", |_, server: &Server| {
                let lifecycle = &server.lifecycle;
                lifecycle.phase() == Phase::Done && lifecycle.forced().is_none()
            }),
        ]
    }
}

#[test]
fn the_servers_table_only_rises_but_for_a_cancelled_lame_duck() {
    use Progress::{Closing, Done, LameDuck, Running, Sealing, Waiting};
    use ServerEvent as E;
    let events = [
        E::Drain { lame_duck: false },
        E::Drain { lame_duck: true },
        E::Again,
        E::Cancel,
        E::CloseNow,
        E::LameDuckElapsed,
        E::Deserted,
        E::ListenersEnded,
        E::Quiet,
        E::Deadline,
        E::Empty,
        E::GraceElapsed,
    ];
    for progress in [Running, LameDuck, Sealing, Waiting, Closing, Done] {
        for event in events {
            let Some(next) = next(progress, event) else {
                continue;
            };
            let cancelled = (progress, event, next) == (LameDuck, E::Cancel, Running);
            assert!(next > progress || cancelled, "{progress:?} {event:?}");
            assert!(next.phase() >= progress.phase() || cancelled);
        }
    }
}

#[test]
fn a_server_keeps_its_rules_whatever_happens() {
    for lame_duck in [false, true] {
        let checker = World { lame_duck }.checker();
        checker.spawn_bfs().join().assert_properties();
    }
}

#[test]
fn time_alone_ends_every_server_that_was_told_to_stop() {
    for lame_duck in [false, true] {
        let graph = Graph::explore(Server::new(lame_duck), |server| {
            let steps = server.steps().into_iter();
            steps.map(|step| (step, server.step(step))).collect()
        });
        let is_done = |server: &Server| server.lifecycle.phase() == Phase::Done;
        let stuck = graph.stuck(
            |server| server.lifecycle.phase() != Phase::Running,
            is_done,
            |_, step| *step == Step::Time(1),
        );
        assert!(stuck.is_empty(), "{:#?}", stuck.first());
    }
}

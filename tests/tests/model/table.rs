//! A connection's control state in a world that may do anything: the table alone.

use std::collections::HashSet;

use neap_core::control::{Content, Control, Event, Row, Stage, Timer};
use neap_core::{Outcome, Phase};
use neap_tests::graph::Graph;
use stateright::{Checker, Model, Property};

/// A connection's control state, and what is remembered of its past to judge it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Walk {
    control: Control,
    /// How far the reply to the current request has come.
    reply: Reply,
    /// Whether a response has said that it is the last.
    announced: bool,
    /// The rule that the last step broke.
    broken: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reply {
    No,
    Begun,
    Whole,
}

const START: Walk = Walk {
    control: Control::new(),
    reply: Reply::No,
    announced: false,
    broken: None,
};

/// Everything that may happen to a connection; the table decides what fits where.
fn events(control: &Control) -> Vec<Event> {
    use Content::{Expected, Held, Whole};
    let mut events = vec![
        Event::Raise,
        Event::Bytes,
        Event::Request(Whole),
        Event::Request(Held),
        Event::Request(Expected),
        Event::ContentBytes,
        Event::ContentEnd,
        Event::Demand,
        Event::Abandon,
        Event::Started,
        Event::Continued,
        Event::ReplyHead { until_close: false },
        Event::ReplyHead { until_close: true },
        Event::ReplyEnd,
        Event::ReplyCut,
        Event::Refuse,
        Event::RefusalWritten,
        Event::Upgrade,
        Event::UpgradeTaken,
        Event::UpgradeEnd,
        Event::Queued,
        Event::Flushed,
        Event::FinSent,
        Event::Nothing,
        Event::Acknowledged,
        Event::Unacknowledged,
        Event::LingerFull,
        Event::Eof,
        Event::Reset,
        Event::Expired(Timer::Input),
        Event::Expired(Timer::Output),
        Event::Expired(Timer::HalfClose),
        Event::Expired(Timer::Linger),
    ];
    let phases = [Phase::Running, Phase::Draining, Phase::Closing, Phase::Done];
    let may_follow = |phase: &Phase| {
        // The drain may be called off, and a connection may sleep through a phase.
        *phase > control.server || (control.server == Phase::Draining && *phase == Phase::Running)
    };
    events.extend(phases.into_iter().filter(may_follow).map(Event::Server));
    events
}

impl Walk {
    /// The step that `event` makes, if the table knows one.
    fn step(&self, event: Event) -> Option<Walk> {
        let control = self.control.next(event).ok()?;
        let mut walk = Walk { control, ..*self };
        match event {
            Event::Bytes => walk.reply = Reply::No,
            Event::ReplyHead { .. } => walk.reply = Reply::Begun,
            Event::ReplyEnd | Event::Upgrade => walk.reply = Reply::Whole,
            _ => {}
        }
        let is_head = matches!(event, Event::ReplyHead { .. } | Event::RefusalWritten);
        walk.announced |= is_head && control.own >= Phase::Draining;
        walk.broken = self.broken_by(event, &walk);
        Some(walk)
    }

    /// The rule that a step breaks, as far as it takes two states to see that.
    fn broken_by(&self, event: Event, after: &Walk) -> Option<&'static str> {
        let (old, new) = (&self.control, &after.control);
        let is_reply = matches!(event, Event::ReplyHead { .. } | Event::Upgrade);
        let is_refusal = event == Event::RefusalWritten;
        let is_uninvited = matches!(
            old.stage,
            Stage::Running(Content::Expected | Content::Invited)
        );
        let rules = [
            ("I1: the own phase falls", new.own < old.own),
            (
                "I7: a second final response begins",
                (is_reply && self.reply != Reply::No) || (is_refusal && self.reply == Reply::Begun),
            ),
            (
                "I8: a request is dispatched after the close was announced",
                matches!(event, Event::Request(_))
                    && (self.announced || old.own >= Phase::Draining),
            ),
            (
                "a connection whose content was not invited is kept",
                is_reply && is_uninvited && old.own < Phase::Draining,
            ),
            (
                "a whole exchange ends, and the connection is not kept",
                event == Event::ReplyEnd
                    && old.stage == Stage::Replying(Content::Whole)
                    && (new.stage == Stage::Idle) != (old.own < Phase::Draining),
            ),
            (
                "FIN overtakes output",
                event == Event::FinSent && old.unflushed,
            ),
            (
                "the socket is handed over with output to come",
                new.stage == Stage::Upgraded && new.unflushed,
            ),
            ("a decided reset is taken back", old.reset && !new.reset),
            (
                "a decided end is taken back",
                old.outcome.is_some() && new.outcome.is_none(),
            ),
            (
                "a whole response that is flushed becomes another end",
                old.outcome == Some(Outcome::Completed)
                    && !old.unflushed
                    && new.outcome != old.outcome,
            ),
            (
                "a connection comes back from its end",
                old.stage == Stage::Gone && (new.stage, new.outcome) != (Stage::Gone, old.outcome),
            ),
        ];
        let broken = rules.into_iter().find(|(_, broken)| *broken);
        let broken = broken.map(|(rule, _)| rule);
        broken.or_else(|| self.wrongly_ended_by(event, after))
    }

    /// The rule that a step breaks if it is the last.
    fn wrongly_ended_by(&self, event: Event, after: &Walk) -> Option<&'static str> {
        use Event::{Eof, Expired, Reset, Server, UpgradeEnd};
        use Stage::{Ending, Fresh, Gone, Head, Idle, Lingering, LookFresh, LookIdle};
        use Stage::{Querying, Replying, Running};
        let (old, new) = (&self.control, &after.control);
        let ends = old.stage != Gone && new.stage == Gone;
        let is_forced = matches!(
            event,
            Server(Phase::Done) | Expired(Timer::Output | Timer::HalfClose)
        );
        let said_goodbye = matches!(old.stage, Ending | Lingering | Querying);
        let is_idle = matches!(old.stage, Idle | LookIdle) && !old.unflushed;
        let is_nobody =
            matches!(old.stage, Fresh | LookFresh | Head | Idle | LookIdle) && !old.unflushed;
        let is_within_content = matches!(
            old.stage,
            Running(Content::Wanted) | Replying(Content::Wanted)
        );
        let needs_reset = matches!(old.stage, Replying(_)) && old.until_close;
        let is_cut = needs_reset && matches!(new.stage, Ending | Gone) && event != Event::ReplyEnd;
        let looks_whole = is_cut && !new.reset && event != Reset;
        let sounds_whole = matches!(
            new.outcome,
            Some(Outcome::Completed | Outcome::ClosedIdle | Outcome::Refused)
        );
        let rules = [
            ("I15: a cut reply looks whole", looks_whole),
            (
                "closed without a goodbye, though there is somebody to hear it",
                ends && !new.reset
                    && !(said_goodbye || is_forced || matches!(event, Eof | Reset))
                    && old.stage != Stage::Upgraded,
            ),
            (
                "reset without need",
                ends && new.reset && !(is_forced || needs_reset || old.stage == Stage::Upgrading),
            ),
            (
                "output is dropped because the peer has ended its own side",
                ends && event == Eof && old.unflushed && !is_within_content,
            ),
            (
                "a client that is gone is waited for",
                event == Eof && new.stage != Gone && (is_within_content || is_nobody),
            ),
            (
                "output is lost, and the end called a good one",
                ends && new.unflushed && sounds_whole,
            ),
            (
                "nothing was under way, and the end called a bad one",
                ends && is_idle
                    && matches!(new.outcome, Some(Outcome::Aborted | Outcome::Vanished)),
            ),
            (
                "a client that has not ended its side is given up for it",
                ends && event == Expired(Timer::HalfClose) && !old.half_closed,
            ),
            (
                "another protocol ends without its own outcome",
                event == UpgradeEnd && new.outcome != Some(Outcome::Upgraded),
            ),
        ];
        let broken = rules.into_iter().find(|(_, broken)| *broken);
        broken.map(|(rule, _)| rule)
    }
}

/// What may be reported in this state, whatever it was that led there: it has to fit.
fn reports(control: &Control) -> Vec<Event> {
    use Event::{Abandon, ContentBytes, ContentEnd, Expired, Refuse, ReplyCut, ReplyEnd};
    use Stage::{Fresh, Head, Idle, Lingering, LookFresh, LookIdle, Querying, Skipping};
    use Stage::{Gone, Replying, Running, Upgraded};
    let mut reports = vec![Event::Server(Phase::Closing), Event::Server(Phase::Done)];
    if !matches!(control.stage, Upgraded | Gone) {
        reports.extend([Event::Eof, Event::Reset]);
    }
    if control.unflushed && control.stage != Gone {
        reports.extend([Event::Flushed, Expired(Timer::Output)]);
    }
    reports.extend(match control.stage {
        Fresh => vec![Event::Bytes, Refuse, Expired(Timer::Input)],
        Idle => vec![Event::Bytes, Expired(Timer::Input)],
        LookFresh | LookIdle => vec![Event::Bytes, Event::Nothing],
        Head => vec![
            Event::Bytes,
            Event::Request(Content::Whole),
            Refuse,
            Expired(Timer::Input),
        ],
        Stage::Asked(_) => vec![Event::Started, Event::Raise, Refuse],
        Running(_) => vec![Event::Raise, Abandon, Refuse],
        Replying(_) => vec![ReplyEnd, ReplyCut, Refuse],
        Skipping => vec![
            ContentBytes,
            ContentEnd,
            Event::Raise,
            Refuse,
            Expired(Timer::Input),
        ],
        Stage::Refusing => vec![Event::RefusalWritten],
        Stage::Ending if !control.unflushed => vec![Event::FinSent],
        Lingering => vec![
            Event::LingerFull,
            Expired(Timer::Input),
            Expired(Timer::Linger),
        ],
        Querying => vec![
            Event::Acknowledged,
            Event::Unacknowledged,
            Event::LingerFull,
            Expired(Timer::Linger),
        ],
        Stage::Upgrading if !control.unflushed => vec![Event::UpgradeTaken],
        Upgraded => vec![Event::UpgradeEnd],
        Stage::Ending | Stage::Upgrading | Gone => vec![],
    });
    reports.extend(reports_of_content(control));
    reports
}

/// The same for what concerns an exchange that has a handler.
fn reports_of_content(control: &Control) -> Vec<Event> {
    use Content::{Dropped, Expected, Held, Invited, Wanted, Whole};
    use Event::{Abandon, ContentBytes, ContentEnd, Continued, Demand, Expired};
    use Stage::{Replying, Running};
    let (Running(content) | Replying(content)) = control.stage else {
        return vec![];
    };
    let replies = matches!(control.stage, Replying(_));
    let reply = Event::ReplyHead { until_close: false };
    let mut reports = match content {
        Whole => vec![],
        Expected if control.own >= Phase::Draining => vec![Demand, reply],
        Expected => vec![Demand],
        Invited => vec![Demand, Continued, ContentBytes, ContentEnd],
        Held if replies => vec![Demand, Abandon],
        Held => vec![Demand, reply],
        Wanted => vec![Demand, Abandon, ContentBytes, ContentEnd],
        Dropped => vec![Abandon, ContentBytes, ContentEnd],
    };
    if content == Wanted {
        reports.push(Expired(Timer::Input));
    }
    if control.half_closed {
        reports.push(Expired(Timer::HalfClose));
    }
    reports
}

/// A connection in a world that may do anything.
struct World;

impl Model for World {
    type State = Walk;
    type Action = Event;

    fn init_states(&self) -> Vec<Walk> {
        vec![START]
    }

    fn actions(&self, walk: &Walk, actions: &mut Vec<Event>) {
        if walk.broken.is_none() {
            actions.extend(events(&walk.control));
        }
    }

    fn next_state(&self, walk: &Walk, event: Event) -> Option<Walk> {
        walk.step(event)
    }

    fn properties(&self) -> Vec<Property<World>> {
        use Stage::{Ending, Gone, Lingering, Querying, Refusing, Skipping};
        vec![
            Property::always("no step breaks a rule", |_, walk: &Walk| {
                walk.broken.is_none()
            }),
            Property::always("an end has a reason", |_, walk: &Walk| {
                let control = &walk.control;
                let ends = matches!(
                    control.stage,
                    Refusing | Ending | Lingering | Querying | Gone
                );
                !ends || (control.outcome.is_some() && control.own >= Phase::Draining)
            }),
            Property::always("a connection that goes on has no end", |_, walk: &Walk| {
                let control = &walk.control;
                let ends = matches!(
                    control.stage,
                    Refusing | Ending | Lingering | Querying | Gone
                );
                ends || control.outcome.is_none()
            }),
            Property::always("behind the FIN nothing is unflushed", |_, walk: &Walk| {
                !(matches!(walk.control.stage, Lingering | Querying) && walk.control.unflushed)
            }),
            Property::always(
                "no linger for a client that has ended its side",
                |_, walk: &Walk| {
                    !(matches!(walk.control.stage, Lingering | Querying)
                        && walk.control.half_closed)
                },
            ),
            Property::always(
                "a closing server does not wait for content to skip",
                |_, walk: &Walk| {
                    walk.control.stage != Skipping || walk.control.server < Phase::Closing
                },
            ),
            Property::always("I15: what was cut is not completed", |_, walk: &Walk| {
                walk.control.outcome != Some(Outcome::Completed) || walk.reply != Reply::Begun
            }),
            Property::always("in Done nothing remains", |_, walk: &Walk| {
                walk.control.server != Phase::Done || walk.control.stage == Gone
            }),
        ]
    }
}

fn graph() -> Graph<Walk, (Event, Row)> {
    Graph::explore(START, |walk| {
        let events = events(&walk.control).into_iter();
        let step = |event| {
            let (row, _) = walk.control.row(event)?;
            Some(((event, row), walk.step(event)?))
        };
        events.filter_map(step).collect()
    })
}

/// What the driver can bring about in this state without peer or handler: its own duties, and
/// that time passes. That includes waiting in vain for the peer to take output.
fn is_the_drivers(event: Event) -> bool {
    match event {
        Event::Started
        | Event::RefusalWritten
        | Event::Continued
        | Event::FinSent
        | Event::Nothing
        | Event::Unacknowledged
        | Event::Expired(_) => true,
        Event::Server(phase) => phase >= Phase::Closing,
        _ => false,
    }
}

fn is_gone(walk: &Walk) -> bool {
    walk.control.stage == Stage::Gone
}

#[test]
fn a_connection_keeps_its_rules_whatever_happens() {
    World.checker().spawn_bfs().join().assert_properties();
}

#[test]
fn every_row_of_the_table_is_reached() {
    let graph = graph();
    let reached: HashSet<Row> = graph.steps().map(|(_, (_, row), _)| *row).collect();
    let unreached: Vec<&Row> = Row::ALL
        .iter()
        .filter(|row| !reached.contains(row))
        .collect();
    assert!(unreached.is_empty(), "never reached: {unreached:?}");
}

#[test]
fn what_may_be_reported_fits() {
    let graph = graph();
    for walk in graph.states() {
        for event in reports(&walk.control) {
            let fits = walk.control.row(event).is_some();
            assert!(fits, "{event:?} in {:?}", walk.control);
        }
    }
}

#[test]
fn the_driver_alone_brings_every_connection_to_its_end() {
    let stuck = graph();
    let stuck = stuck.stuck(|_| true, is_gone, |_, (event, _)| is_the_drivers(*event));
    assert!(stuck.is_empty(), "{stuck:#?}");
}

#[test]
fn in_closing_no_second_phase_is_needed_to_come_to_the_end() {
    let graph = graph();
    let stuck = graph.stuck(
        |walk| walk.control.server == Phase::Closing,
        is_gone,
        |_, (event, _)| is_the_drivers(*event) && !matches!(event, Event::Server(_)),
    );
    assert!(stuck.is_empty(), "{stuck:#?}");
}

#[test]
fn without_a_handler_timers_end_every_connection_while_the_server_runs() {
    let graph = graph();
    let has_handler = |walk: &Walk| {
        use Stage::{Asked, Replying, Running, Upgraded, Upgrading};
        matches!(
            walk.control.stage,
            Asked(_) | Running(_) | Replying(_) | Upgrading | Upgraded
        )
    };
    let stuck = graph.stuck(
        |walk| !has_handler(walk),
        is_gone,
        |_, (event, _)| is_the_drivers(*event) && !matches!(event, Event::Server(_)),
    );
    assert!(stuck.is_empty(), "{stuck:#?}");
}

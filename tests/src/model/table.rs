//! A connection's control state in a world that may do anything: the table alone.

use neap_core::control::{Content, Control, Event, Row, Stage, Timer};
use neap_core::{Outcome, Phase};
use stateright::{Model, Property};

use super::first;
use super::names::EVENTS;
use crate::graph::Graph;

/// A connection's control state, and what is remembered of its past to judge it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Walk {
    /// The state.
    pub control: Control,
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

/// A connection that was just accepted.
const START: Walk = Walk {
    control: Control::new(),
    reply: Reply::No,
    announced: false,
    broken: None,
};

/// Everything that may happen to a connection; the table decides what fits where.
fn events(control: &Control) -> impl Iterator<Item = Event> {
    let server = control.server;
    // The drain may be called off, and a connection may sleep through a phase.
    let may_follow = move |event: &Event| match event {
        Event::Server(phase) => {
            *phase > server || (server, *phase) == (Phase::Draining, Phase::Running)
        }
        _ => true,
    };
    EVENTS.iter().copied().filter(may_follow)
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
        first(&[
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
                "I8: a connection whose content was not invited is kept",
                is_reply && is_uninvited && old.own < Phase::Draining,
            ),
            (
                "a whole exchange ends, and the connection is not kept",
                event == Event::ReplyEnd
                    && old.stage == Stage::Replying(Content::Whole)
                    && (new.stage == Stage::Idle) != (old.own < Phase::Draining),
            ),
            (
                "I16: FIN overtakes output",
                matches!(event, Event::FinSent | Event::FinSentToParted) && old.unflushed,
            ),
            (
                "the socket is handed over with output to come",
                new.stage == Stage::Upgraded && new.unflushed,
            ),
            ("a decided reset is taken back", old.reset && !new.reset),
            (
                "I22: a decided end is taken back",
                old.outcome.is_some() && new.outcome.is_none(),
            ),
            (
                "I22: a whole response that is flushed becomes another end",
                old.outcome == Some(Outcome::Completed)
                    && !old.unflushed
                    && new.outcome != old.outcome,
            ),
            (
                "I22: a connection comes back from its end",
                old.stage == Stage::Gone && (new.stage, new.outcome) != (Stage::Gone, old.outcome),
            ),
        ])
        .or_else(|| self.wrongly_ended_by(event, after))
    }

    /// The rule that a step breaks if it is the last.
    fn wrongly_ended_by(&self, event: Event, after: &Walk) -> Option<&'static str> {
        use Event::{Eof, Expired, Quiet, Reset, Server, UpgradeEnd};
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
        first(&[
            ("I15: a cut reply looks whole", looks_whole),
            (
                "closed without a goodbye, though there is somebody to hear it",
                ends && !new.reset
                    && !(said_goodbye || is_forced || matches!(event, Eof | Reset | Quiet))
                    && old.stage != Stage::Upgraded,
            ),
            (
                "closed at once, though something of it is still under way",
                event == Quiet && !is_idle,
            ),
            (
                "reset without need",
                ends && new.reset && !(is_forced || needs_reset || old.stage == Stage::Upgrading),
            ),
            (
                "I16: output is dropped because the peer has ended its own side",
                ends && event == Eof && old.unflushed && !is_within_content,
            ),
            (
                "I11: a client that is gone is waited for",
                event == Eof && new.stage != Gone && (is_within_content || is_nobody),
            ),
            (
                "I16: output is lost, and the end called a good one",
                ends && new.unflushed && sounds_whole,
            ),
            (
                "I22: nothing was under way, and the end called a bad one",
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
        ])
    }
}

/// A connection in a world that may do anything.
#[derive(Clone, Copy, Debug)]
pub struct Table;

impl Model for Table {
    type State = Walk;
    type Action = Event;

    fn init_states(&self) -> Vec<Walk> {
        vec![START]
    }

    fn actions(&self, walk: &Walk, actions: &mut Vec<Event>) {
        if walk.broken.is_none() {
            actions
                .extend(events(&walk.control).filter(|event| walk.control.row(*event).is_some()));
        }
    }

    fn next_state(&self, walk: &Walk, event: Event) -> Option<Walk> {
        walk.step(event)
    }

    fn properties(&self) -> Vec<Property<Table>> {
        let mut properties = rules! { Table;
            "I1: the own phase falls"
            "I7: a second final response begins"
            "I8: a request is dispatched after the close was announced"
            "I8: a connection whose content was not invited is kept"
            "a whole exchange ends, and the connection is not kept"
            "I16: FIN overtakes output"
            "the socket is handed over with output to come"
            "a decided reset is taken back"
            "I22: a decided end is taken back"
            "I22: a whole response that is flushed becomes another end"
            "I22: a connection comes back from its end"
            "I15: a cut reply looks whole"
            "closed without a goodbye, though there is somebody to hear it"
            "reset without need"
            "I16: output is dropped because the peer has ended its own side"
            "I11: a client that is gone is waited for"
            "I16: output is lost, and the end called a good one"
            "I22: nothing was under way, and the end called a bad one"
            "a client that has not ended its side is given up for it"
            "another protocol ends without its own outcome"
        };
        properties.extend(state_properties());
        properties
    }
}

/// What holds of every state by itself.
fn state_properties() -> [Property<Table>; 7] {
    use Stage::{Ending, Gone, Lingering, Querying, Refusing, Skipping};
    [
        Property::always("I22: an end has a reason", |_, walk: &Walk| {
            let control = &walk.control;
            let ends = matches!(
                control.stage,
                Refusing | Ending | Lingering | Querying | Gone
            );
            !ends || (control.outcome.is_some() && control.own >= Phase::Draining)
        }),
        Property::always(
            "I22: a connection that goes on has no end",
            |_, walk: &Walk| {
                let control = &walk.control;
                let ends = matches!(
                    control.stage,
                    Refusing | Ending | Lingering | Querying | Gone
                );
                ends || control.outcome.is_none()
            },
        ),
        Property::always(
            "I16: behind the FIN nothing is unflushed",
            |_, walk: &Walk| {
                !(matches!(walk.control.stage, Lingering | Querying) && walk.control.unflushed)
            },
        ),
        Property::always(
            "no linger for a client that sends nothing more",
            |_, walk: &Walk| {
                !(matches!(walk.control.stage, Lingering | Querying) && walk.control.half_closed)
            },
        ),
        Property::always(
            "I11: a closing server does not wait for content to skip",
            |_, walk: &Walk| walk.control.stage != Skipping || walk.control.server < Phase::Closing,
        ),
        Property::always("I15: what was cut is not completed", |_, walk: &Walk| {
            walk.control.outcome != Some(Outcome::Completed) || walk.reply != Reply::Begun
        }),
        Property::always("I13: in Done nothing remains", |_, walk: &Walk| {
            walk.control.server != Phase::Done || walk.control.stage == Gone
        }),
    ]
}

/// All states of the table, and the steps between them.
#[must_use]
pub fn graph() -> Graph<Walk, (Event, Row)> {
    Graph::explore(START, |walk| {
        let events = events(&walk.control);
        let step = |event| {
            let (row, _) = walk.control.row(event)?;
            Some(((event, row), walk.step(event)?))
        };
        events.filter_map(step).collect()
    })
}

/// What the driver can bring about in this state without peer or handler: its own duties, and
/// that time passes. That includes waiting in vain for the peer to take output.
#[must_use]
pub fn is_the_drivers(event: Event) -> bool {
    match event {
        Event::Started
        | Event::RefusalWritten
        | Event::Continued
        | Event::FinSent
        | Event::FinSentToParted
        | Event::Nothing
        | Event::Unacknowledged
        | Event::Expired(_) => true,
        Event::Server(phase) => phase >= Phase::Closing,
        _ => false,
    }
}

/// Whether the connection is over.
#[must_use]
pub fn is_gone(walk: &Walk) -> bool {
    walk.control.stage == Stage::Gone
}

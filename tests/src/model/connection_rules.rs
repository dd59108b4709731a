//! The rules that a connection keeps with each of its steps.

use neap_core::control::{Content, Stage};
use neap_core::{Handler, Outcome, Progress, Read, State};

use super::abstraction::TICK;
use super::turn::Turn;
use super::turned::{Turned, wants};
use super::{abstraction, first};

impl Turned {
    /// The rule that a step breaks, as far as it takes the states around it to see that.
    pub(super) fn broken_by(&self, turn: Turn, after: &Turned) -> Option<&'static str> {
        let connection = &after.connection;
        let control = connection.control();
        let is_over = wants(connection).is_none();
        let due = connection.poll_timeout();
        first(&[
            (
                "I1: the own phase falls",
                control.own < self.connection.control().own,
            ),
            (
                "the abstraction does not know of a step",
                !self.is_abstracted(after),
            ),
            (
                "what is written and not sent is not what was handed out",
                !is_over && connection.unsent() != after.past.owed,
            ),
            (
                "unsent bytes and the control state disagree",
                !is_over && control.unflushed != (connection.unsent() > 0),
            ),
            (
                "I13: output waits without a timeout",
                control.unflushed && due.is_none() && !is_over,
            ),
            (
                "I14: a timeout stays due",
                matches!(turn, Turn::Passes | Turn::Hears)
                    && !is_over
                    && due.is_some_and(|due| due <= after.now),
            ),
        ])
        .or_else(|| self.ends_wrongly(turn, after))
        .or_else(|| after.holds_wrongly(turn))
        .or_else(|| self.waits_wrongly(turn, after))
    }

    /// The rule that a connection breaks by its end.
    fn ends_wrongly(&self, turn: Turn, after: &Turned) -> Option<&'static str> {
        use Outcome::{Aborted, ClosedFresh, ClosedIdle, Completed, Stalled, Truncated, Vanished};
        use Stage::{Ending, Fresh, Gone, Idle, Lingering, LookFresh, LookIdle, Querying};
        let (connection, past) = (&after.connection, &after.past);
        let (before, control) = (self.connection.control(), connection.control());
        let tally = connection.tally();
        let is_gone = control.stage == Gone;
        let has_ended = |stage| matches!(stage, Ending | Lingering | Querying | Gone);
        let is_between = matches!(before.stage, Fresh | LookFresh | Idle | LookIdle)
            || before.stage == Stage::Replying(Content::Whole);
        let is_silent = matches!(control.outcome, Some(ClosedFresh | ClosedIdle | Completed));
        let is_a_loss = matches!(
            control.outcome,
            Some(Vanished | Stalled | Aborted | Truncated)
        );
        first(&[
            (
                "I9: a request that was received whole is dropped silently",
                has_ended(control.stage)
                    && !has_ended(before.stage)
                    && is_between
                    && is_silent
                    && turn != Turn::Breaks
                    && !past.announced
                    && after.server < Progress::Closing
                    && after.input.contains("\r\n\r\n"),
            ),
            (
                "I15: a response that is not whole ends as if it were",
                has_ended(control.stage) && past.open.is_some() && !is_a_loss,
            ),
            (
                "I15: a response that only the close ends is cut without a reset",
                is_gone && past.open == Some(true) && !control.reset && turn != Turn::Breaks,
            ),
            (
                "I16: bytes were not sent, and the end does not say so",
                is_gone && past.owed > 0 && !is_a_loss,
            ),
            (
                "I22: a whole response that was sent is not counted",
                is_gone && past.owed == 0 && tally.completed < past.whole,
            ),
            (
                "I7: more responses are counted than there were, or than there were requests",
                tally.completed > past.finals || tally.completed > tally.dispatched,
            ),
            (
                "I7: completed, but not every request is",
                is_gone
                    && control.outcome == Some(Completed)
                    && (tally.completed < tally.dispatched || past.owed > 0),
            ),
        ])
    }

    /// The rule that a connection breaks by its state, as a census sees it.
    fn holds_wrongly(&self, turn: Turn) -> Option<&'static str> {
        let (control, past) = (self.connection.control(), &self.past);
        let state = self.connection.state();
        let is_exchanging = past.finals < self.connection.tally().dispatched || past.open.is_some();
        let goes_on = control.outcome.is_none() && state != State::Upgraded;
        let nothing = !is_exchanging && past.owed == 0 && !past.has_begun;
        first(&[
            (
                "I11: an exchange is under way and nobody is held",
                goes_on && is_exchanging && state != State::Busy,
            ),
            (
                "I11: output waits and nobody is held",
                past.owed > 0 && !matches!(state, State::Head | State::Busy | State::Gone),
            ),
            (
                "I11: half a head has come and nobody is held",
                goes_on && past.has_begun && state != State::Head,
            ),
            (
                "I11: nothing is under way and somebody is held",
                goes_on
                    && nothing
                    && !matches!(control.stage, Stage::Skipping | Stage::Upgrading)
                    && matches!(state, State::Head | State::Busy),
            ),
            (
                "I11: a client that has vanished is still counted",
                turn == Turn::Breaks && !matches!(state, State::Gone | State::Upgraded),
            ),
        ])
    }

    /// The rule that a connection breaks by what it waits for.
    fn waits_wrongly(&self, turn: Turn, after: &Turned) -> Option<&'static str> {
        let connection = &after.connection;
        let wants = wants(connection)?;
        let (before, control) = (self.connection.control(), connection.control());
        let is_wanted = matches!(
            control.stage,
            Stage::Running(Content::Wanted) | Stage::Replying(Content::Wanted)
        );
        let is_peers = wants.handler == Handler::No || is_wanted;
        let due = connection.poll_timeout();
        let is_left = |ticks: u32| due.is_some_and(|due| due <= after.now.after(TICK * ticks));
        let is_prompt = !after.duties().is_empty();
        let hurries = after.server >= Progress::Sealing && !is_prompt;
        let window = abstraction::window(connection.state());
        first(&[
            (
                "I13: the peer is waited for without end",
                is_peers && due.is_none() && !is_prompt,
            ),
            (
                "I10: who holds nothing is waited for longer than its window",
                hurries && window.is_some_and(|(ticks, _)| !is_left(ticks)),
            ),
            (
                "I14: an end that was heard is asked for again",
                turn == Turn::Ends && before == control && wants.read != Read::No,
            ),
            (
                "I10: lingering goes on though the peer is silent",
                control.stage == Stage::Lingering && !is_left(2),
            ),
        ])
    }

    /// Whether the abstraction knows of this step.
    fn is_abstracted(&self, after: &Turned) -> bool {
        let phase = after.connection.control().server;
        let (from, to) = (self.state(), after.state());
        from == to || abstraction::moves(phase, from).contains(&to)
    }
}

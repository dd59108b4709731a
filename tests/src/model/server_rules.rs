//! The rules that a server keeps with each of its steps.

use neap_core::{Cause, Config, Listening, Phase, Progress, State};

use super::first;
use super::server::{DEADLINE, DEBOUNCE, GRACE, LAME_DUCK, Server, Slot, Step, UNHELD};

impl Server {
    /// The rule that a step breaks, as far as it takes two states to see that.
    pub(super) fn broken_by(
        &self,
        config: &Config,
        step: Step,
        after: &Server,
    ) -> Option<&'static str> {
        use Progress::{Closing, Done, LameDuck, Running, Sealing, Waiting};
        let (old, new) = (self.lifecycle.progress(), after.lifecycle.progress());
        let begins = old != new;
        let listening = after.lifecycle.poll_listening();
        let is_open = |slot: &Slot| slot.state != State::Gone;
        let open = after
            .connections
            .iter()
            .filter(|slot| is_open(slot))
            .count();
        let is_empty = open == 0 && after.listeners == 0;
        let census = after.census();
        first(&[
            (
                "I1: the progress falls",
                new < old && (step, old, new) != (Step::Cancel, LameDuck, Running),
            ),
            (
                "I3: ended listeners are accepted from",
                (listening == Listening::Ended) != (after.listeners == 0),
            ),
            (
                "I11: the census does not count who is held",
                (census.held(&config.drain), census.open()) != (after.held(), open),
            ),
            (
                "I12: nothing remains to wait for, yet it waits",
                is_empty && matches!(new, Sealing | Waiting | Closing),
            ),
            (
                "I10: it waits for those who hold nothing",
                after.unheld >= UNHELD,
            ),
            (
                "I17: a server that was told to stop is ready, or one that was not is not",
                (after.lifecycle.phase() == Phase::Running) != after.lifecycle.cause().is_none(),
            ),
            (
                "I17: a lame duck does not accept",
                after.listeners > 0
                    && matches!(new, Running | LameDuck) != (listening == Listening::Accept),
            ),
            (
                "waiting, but listeners remain",
                new == Waiting && after.listeners > 0,
            ),
            (
                "done, but neither empty nor out of time",
                begins && new == Done && !(is_empty || after.lasted(self, GRACE)),
            ),
        ])
    }

    /// How many ticks have passed since the server was like `before`.
    pub(super) fn since_then(&self, before: &Server) -> u32 {
        let passed = self.now.since(before.now).as_nanos();
        u32::try_from(passed).expect("time passes by few ticks")
    }

    /// Whether the step that it was in before this one has lasted so long.
    fn lasted(&self, before: &Server, ticks: u32) -> bool {
        before.since + self.since_then(before) >= ticks
    }

    /// The rule that a step breaks on the way to Closing and to Done.
    pub(super) fn shuts_down_wrongly(
        &self,
        config: &Config,
        step: Step,
        after: &Server,
    ) -> Option<&'static str> {
        use Progress::{Closing, Done, LameDuck, Running, Sealing, Waiting};
        let (old, new) = (self.lifecycle.progress(), after.lifecycle.progress());
        let begins = old != new;
        let closes = begins && new >= Closing && old < Closing;
        let passed = after.since_then(self);
        let lasted = |ticks| passed > 0 && self.since + passed >= ticks;
        let is_late = old != Running && passed > 0 && self.drained + passed >= DEADLINE;
        let rests = |slot: &Slot| matches!(slot.state, State::Linger | State::Gone);
        let is_quiet = after.connections.iter().all(rests) && after.listeners == 0;
        let is_asked = matches!(step, Step::Signal | Step::CloseNow);
        let is_forced = after.lifecycle.forced().is_some();
        let signal = step == Step::Signal;
        let debounced = self.since < DEBOUNCE;
        let hurries = matches!(old, LameDuck | Sealing | Waiting);
        first(&[
            (
                "closing, but neither forced nor out of time nor quiet",
                closes && !(is_asked || is_late || is_quiet),
            ),
            (
                "said to be forced, but by nobody",
                closes && is_forced && !(is_late || is_asked),
            ),
            (
                "forced, but nobody says why",
                closes && !is_forced && !is_quiet,
            ),
            (
                "I13: the deadline has passed without closing",
                is_late && !matches!(new, Closing | Done),
            ),
            (
                "I13: the grace has passed without an end",
                old == Closing && lasted(GRACE) && new != Done,
            ),
            (
                "I13: a wait has no end",
                after.lifecycle.phase() != Phase::Running
                    && new != Done
                    && after.lifecycle.poll_timeout(config).is_none(),
            ),
            (
                "a lame duck outlasts its time",
                old == LameDuck && lasted(LAME_DUCK) && !begins && !config.drain.keep_accepting,
            ),
            (
                "a lame duck ends before its time",
                begins && old == LameDuck && passed > 0 && !lasted(LAME_DUCK),
            ),
            (
                "a later signal changes nothing",
                signal && hurries && !debounced && !begins,
            ),
            (
                "a signal within the debounce time is no duplicate",
                signal && old != Running && debounced && begins,
            ),
            (
                "the first signal does not begin the drain",
                signal && old == Running && !begins,
            ),
        ])
    }

    /// The rule that a server breaks that goes on accepting until it is deserted.
    pub(super) fn is_deserted_wrongly(
        &self,
        config: &Config,
        step: Step,
        after: &Server,
    ) -> Option<&'static str> {
        let (old, new) = (self.lifecycle.progress(), after.lifecycle.progress());
        if !config.drain.keep_accepting || old != Progress::LameDuck {
            return None;
        }
        let is_deserted = !after.waits && after.held() == 0;
        let elapsed = self.lasted(self, LAME_DUCK);
        first(&[
            (
                "a deserted server goes on accepting",
                is_deserted && elapsed && new == old,
            ),
            (
                "a server that is not deserted stops accepting",
                new == Progress::Sealing && step != Step::Signal && !is_deserted,
            ),
        ])
    }

    /// I23: what was asked for once is not different when it is asked for again.
    pub(super) fn repeats_wrongly(&self, config: &Config, step: Step) -> Option<&'static str> {
        let mut again = self.clone();
        match step {
            Step::Drain if self.lifecycle.phase() != Phase::Running => {
                again.lifecycle.drain(self.now, config, Cause::Signal);
            }
            Step::CloseNow => again.lifecycle.close_now(self.now, Cause::Signal),
            _ => return None,
        }
        (again != *self).then_some("I23: asking twice is not asking once")
    }
}

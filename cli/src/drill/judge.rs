//! From what was seen to a verdict.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::fact::DEFERRED;
use super::proc::Member;
use super::record::{Event, Outcome, Verdict};
use super::run::Run;
use super::script::Attempt;
use super::situation::{Entry, Exit};
use super::stage::MARGIN;
use super::{server, signal};

/// A load that lags more says nothing about the server.
const LAG_MAX: Duration = Duration::from_millis(20);
/// How soon after the second signal the exit comes, if it comes of it.
const AT_ONCE: Duration = Duration::from_secs(2);
/// What a run is judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// The signal that was sent.
    pub(crate) signal: Signal,
    pub(crate) deadline: Duration,
    /// Whether the drill started the server, and so knows how it exits.
    pub(crate) is_started: bool,
}

/// What is wrong with a run, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    pub(crate) required: bool,
    pub(crate) reason: String,
    pub(crate) fault: Fault,
}

/// What kind of thing went wrong: it decides what there is to say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    None,
    /// What the situation is about.
    Own,
    Status,
    NoExit,
    Survivor,
    NotReceived,
}

impl Finding {
    fn new(verdict: Verdict, required: bool, fault: Fault, reason: String) -> Finding {
        Finding {
            verdict,
            required,
            reason,
            fault,
        }
    }

    fn failed(required: bool, fault: Fault, reason: String) -> Finding {
        Finding::new(Verdict::Failed, required, fault, reason)
    }
}

/// How an attempt counts, and whether its request had been delivered before the signal.
pub(crate) struct Counted {
    pub(crate) outcome: Outcome,
    is_before: bool,
}

impl Terms {
    fn signal_name(&self) -> String {
        signal::name(self.signal.as_raw())
    }

    /// Whether this is the end of a process that stopped because it was told to: status 0, or the
    /// signal's own, as a shell tells it, too.
    pub(crate) fn is_right(&self, status: ExitStatus) -> bool {
        let signal = self.signal.as_raw();
        status.success() || status.signal() == Some(signal) || status.code() == Some(128 + signal)
    }

    /// What is lost so late is not lost, but cut: the server's time was over.
    fn count(&self, attempt: &Attempt, signal: Instant) -> Counted {
        let is_late = attempt.ended.saturating_duration_since(signal) >= self.deadline.mul_f64(0.9);
        let outcome = match attempt.outcome {
            outcome if outcome.is_lost() && is_late => Outcome::CutAtDeadline,
            outcome => outcome,
        };
        let is_before = attempt
            .delivered
            .is_some_and(|delivered| delivered < signal);
        Counted { outcome, is_before }
    }

    /// Judges one run.
    pub(crate) fn judge(&self, entry: &Entry, run: &Run) -> Finding {
        if let Some(trouble) = &run.trouble {
            let verdict = Verdict::Inconclusive;
            return Finding::new(verdict, entry.required, Fault::None, trouble.clone());
        }
        if let Some(lag) = run.lag.filter(|lag| *lag > LAG_MAX) {
            let millis = lag.as_secs_f64() * 1e3;
            let reason = format!("this machine was busy: a client came {millis:.1} ms late");
            return Finding::new(Verdict::Inconclusive, entry.required, Fault::None, reason);
        }
        let mut found = self.exit_faults(entry, run);
        if !entry.is_start_up() {
            found.extend(self.losses(entry, run));
        }
        if let Some(Err(reason)) = &run.after {
            found.push(Finding::failed(entry.required, Fault::Own, reason.clone()));
        }
        let deferred = run.facts.iter().find(|fact| fact.contains(DEFERRED));
        let reasons = found.iter().map(|finding| &finding.reason).chain(deferred);
        let reason = reasons.map(String::as_str).collect::<Vec<_>>().join("; ");
        let worst = found
            .iter()
            .max_by_key(|finding| (finding.verdict, finding.fault));
        match worst {
            None => Finding::new(Verdict::Passed, entry.required, Fault::None, reason),
            Some(worst) => Finding {
                required: found.iter().any(|finding| finding.required),
                reason,
                ..*worst
            },
        }
    }

    fn exit_faults(&self, entry: &Entry, run: &Run) -> Vec<Finding> {
        let mut found = Vec::new();
        let names = |members: &[Member]| {
            let names: Vec<String> = members.iter().map(Member::describe).collect();
            names.join(", ")
        };
        let is_elsewhere = !run.was_owner && !run.owners.is_empty();
        let serving: Vec<Member> = run
            .owners
            .iter()
            .filter(|owner| run.survivors.iter().any(|left| left.is(owner)))
            .cloned()
            .collect();
        let not_received = |members: &[Member]| {
            let signal = self.signal_name();
            let reason = format!("{signal} did not get to {}, which serves", names(members));
            Finding::new(Verdict::SignalNotReceived, true, Fault::NotReceived, reason)
        };
        let (Some(signal), Some(exit)) = (run.signal, run.exit) else {
            let limit = (self.deadline + MARGIN).as_millis();
            found.push(if is_elsewhere && run.closed.is_none() {
                not_received(&run.owners)
            } else {
                let reason = format!("no exit within {limit} ms of {}", self.signal_name());
                Finding::failed(true, Fault::NoExit, reason)
            });
            return found;
        };
        if is_elsewhere && !serving.is_empty() {
            found.push(not_received(&serving));
        } else if !run.survivors.is_empty() {
            let reason = format!("left behind: {}", names(&run.survivors));
            found.push(Finding::new(
                Verdict::SurvivorLeft,
                true,
                Fault::Survivor,
                reason,
            ));
        }
        // A drain that was cut short may say so by its status.
        let by_force = |status: &ExitStatus| entry.exit == Exit::Forced && status.code().is_some();
        let is_free = matches!(entry.exit, Exit::Second | Exit::Any) || !self.is_started;
        if let Some(status) = run
            .status
            .filter(|status| !is_free && !by_force(status) && !self.is_right(*status))
        {
            let reason = format!("exit status {}", server::describe(status));
            found.push(Finding::failed(true, Fault::Status, reason));
        }
        let took = exit.saturating_duration_since(signal);
        let is_late = took >= self.deadline.mul_f64(0.9);
        if entry.exit == Exit::Prompt && is_late {
            let reason = format!("exit after {} ms only, by its limit", took.as_millis());
            found.push(Finding::failed(false, Fault::Own, reason));
        }
        if entry.exit == Exit::Second {
            found.extend(second(entry, run, exit, is_late));
        }
        found
    }

    fn losses(&self, entry: &Entry, run: &Run) -> Vec<Finding> {
        let cut_is_lost = !matches!(entry.exit, Exit::Forced | Exit::Second);
        let counted = self.counted(run);
        let is_lost = |one: &&Counted| {
            one.outcome.is_lost() || (cut_is_lost && one.outcome == Outcome::CutAtDeadline)
        };
        let all = counted.len();
        let (before, after): (Vec<&Counted>, Vec<&Counted>) = counted
            .iter()
            .filter(is_lost)
            .partition(|one| one.is_before);
        let is_there = !entry.is_paced();
        let mut found = Vec::new();
        if !before.is_empty() {
            let (lost, name) = (before.len(), before[0].outcome.name());
            let reason = format!("{lost} of {all} {name}, delivered before the signal");
            // What another signal cuts nobody promised to keep.
            let is_noted = entry.signal.is_some();
            let verdict = if is_noted {
                Verdict::Noted
            } else {
                Verdict::Failed
            };
            found.push(Finding::new(verdict, entry.required, Fault::Own, reason));
        }
        if !after.is_empty() {
            let (lost, name) = (after.len(), after[0].outcome.name());
            let when = if is_there { "" } else { ", after the signal" };
            let reason = format!("{lost} of {all} {name}{when}");
            let verdict = if entry.by_chance {
                Verdict::Noted
            } else {
                Verdict::Failed
            };
            let required = entry.required && is_there;
            found.push(Finding::new(verdict, required, Fault::Own, reason));
        }
        found
    }

    pub(crate) fn counted(&self, run: &Run) -> Vec<Counted> {
        let signal = run.signal.unwrap_or_else(Instant::now);
        let lives = run.lives.iter().map(|life| life.borrow());
        let attempts = lives.flat_map(|life| life.attempts.clone());
        attempts
            .map(|attempt| self.count(&attempt, signal))
            .collect()
    }
}

/// What came of the second signal.
/// `is_late` if the deadline may have ended it as well.
fn second(entry: &Entry, run: &Run, exit: Instant, is_late: bool) -> Option<Finding> {
    let second = run
        .marks
        .iter()
        .find(|(event, _)| *event == Event::SecondSignal);
    match second {
        Some((_, second)) if exit < *second => Some(Finding::new(
            Verdict::Inconclusive,
            entry.required,
            Fault::None,
            "it exited before the second signal".into(),
        )),
        Some((_, second)) if exit.duration_since(*second) > AT_ONCE || is_late => {
            let took = exit.duration_since(*second).as_millis();
            let reason = format!("exit {took} ms after the second signal");
            Some(Finding::failed(entry.required, Fault::Own, reason))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use rustix::process::getpid;

    use super::*;
    use crate::drill::proc;
    use crate::drill::script::Life;
    use crate::drill::situation;

    const TERMS: Terms = Terms {
        signal: Signal::TERM,
        deadline: Duration::from_secs(10),
        is_started: true,
    };

    fn entry(id: &str) -> &'static Entry {
        situation::all().find(|entry| entry.id == id).unwrap()
    }

    /// A signal, an exit with status 0 so long after it.
    fn exit_after(millis: u64) -> Run {
        let signal = Instant::now();
        Run {
            signal: Some(signal),
            exit: Some(signal + Duration::from_millis(millis)),
            status: Some(ExitStatus::from_raw(0)),
            ..Run::of_owner()
        }
    }

    /// The same, where a request ended in this way, so long after the signal.
    fn ended(outcome: Outcome, is_before: bool, millis: u64) -> Run {
        let run = exit_after(millis);
        let signal = run.signal.unwrap();
        let pause = Duration::from_millis(5);
        let delivered = if is_before {
            signal - pause
        } else {
            signal + pause
        };
        let mut life = Life::new("request".into());
        life.attempts.push(Attempt {
            outcome,
            delivered: Some(delivered),
            ended: signal + Duration::from_millis(millis),
        });
        let lives = vec![Rc::new(RefCell::new(life))];
        Run { lives, ..run }
    }

    fn verdict(id: &str, run: &Run) -> (Verdict, bool) {
        let found = TERMS.judge(entry(id), run);
        (found.verdict, found.required)
    }

    #[test]
    fn an_exit_in_time_with_nothing_lost_passes() {
        for id in ["no-connection", "backlog", "load"] {
            assert_eq!(verdict(id, &exit_after(5)), (Verdict::Passed, true), "{id}");
        }
        let answered = ended(Outcome::AnsweredWithClose, true, 5);
        assert_eq!(verdict("backlog", &answered), (Verdict::Passed, true));
        let dismissed = ended(Outcome::Dismissed, true, 5);
        assert_eq!(verdict("pipelined", &dismissed), (Verdict::Passed, true));
    }

    #[test]
    fn a_server_that_does_not_exit_passes_no_situation() {
        for entry in situation::all() {
            let run = Run {
                exit: None,
                status: None,
                ..exit_after(0)
            };
            let found = TERMS.judge(entry, &run);
            let expected = (Verdict::Failed, true, Fault::NoExit);
            let got = (found.verdict, found.required, found.fault);
            assert_eq!(got, expected, "{}", entry.id);
        }
    }

    #[test]
    fn a_request_that_was_delivered_before_the_signal_must_not_get_lost() {
        for outcome in [
            Outcome::Reset,
            Outcome::EndOfStream,
            Outcome::Silence,
            Outcome::OtherStatus,
        ] {
            let run = ended(outcome, true, 5);
            for id in ["backlog", "last-call-random", "load"] {
                assert_eq!(
                    verdict(id, &run),
                    (Verdict::Failed, true),
                    "{id}: {outcome:?}"
                );
            }
            assert_eq!(verdict("half-head", &run), (Verdict::Failed, false));
        }
    }

    #[test]
    fn what_came_after_the_signal_is_lost_by_chance_or_without_need() {
        let run = ended(Outcome::Reset, false, 5);
        assert_eq!(verdict("last-call-random", &run).0, Verdict::Noted);
        assert_eq!(verdict("load", &run), (Verdict::Failed, false));
    }

    #[test]
    fn what_ends_with_the_servers_time_is_cut() {
        let run = ended(Outcome::Reset, true, 9_500);
        assert_eq!(verdict("deadline", &run), (Verdict::Passed, true));
        let found = TERMS.judge(entry("in-flight"), &run);
        assert_eq!((found.verdict, found.required), (Verdict::Failed, true));
        assert!(
            found.reason.contains("cut at the deadline"),
            "{}",
            found.reason
        );
    }

    #[test]
    fn where_nothing_holds_the_exit_it_does_not_take_all_the_time_there_is() {
        let run = exit_after(9_500);
        assert_eq!(verdict("silent", &run), (Verdict::Failed, false));
        assert_eq!(verdict("in-flight", &run), (Verdict::Passed, true));
    }

    #[test]
    fn a_status_is_right_if_it_says_that_the_signal_did_it() {
        // As wait(2) encodes them.
        for (raw, is_right) in [
            (0, true),
            (15, true),
            (143 << 8, true),
            (1 << 8, false),
            (9, false),
            (11, false),
        ] {
            let status = ExitStatus::from_raw(raw);
            assert_eq!(TERMS.is_right(status), is_right, "{status}");
            let run = Run {
                status: Some(status),
                ..exit_after(5)
            };
            let expected = if is_right {
                Verdict::Passed
            } else {
                Verdict::Failed
            };
            assert_eq!(verdict("backlog", &run), (expected, true), "{status}");
        }
    }

    #[test]
    fn whoever_is_left_is_told_apart_from_whoever_was_never_told() {
        let us = proc::tree(getpid(), false);
        let left = Run {
            survivors: us.clone(),
            ..exit_after(5)
        };
        assert_eq!(verdict("backlog", &left), (Verdict::SurvivorLeft, true));
        let elsewhere = Run {
            owners: us,
            was_owner: false,
            ..left
        };
        assert_eq!(
            verdict("backlog", &elsewhere),
            (Verdict::SignalNotReceived, true)
        );
        let deaf = Run {
            exit: None,
            ..elsewhere
        };
        assert_eq!(
            verdict("backlog", &deaf),
            (Verdict::SignalNotReceived, true)
        );
    }

    #[test]
    fn what_cannot_be_laid_at_the_servers_door_is_inconclusive() {
        let late = Run {
            lag: Some(Duration::from_millis(21)),
            ..ended(Outcome::Reset, true, 5)
        };
        assert_eq!(verdict("load", &late).0, Verdict::Inconclusive);
        let in_time = Run {
            lag: Some(LAG_MAX),
            ..exit_after(5)
        };
        assert_eq!(verdict("load", &in_time).0, Verdict::Passed);
        let trouble = Run::troubled("without the signal: 1 of 1 clients failed".into());
        assert_eq!(verdict("backlog", &trouble).0, Verdict::Inconclusive);
    }

    #[test]
    fn a_second_signal_ends_the_server_soon() {
        let with_second = |exit: u64| {
            let mut run = exit_after(exit);
            let second = run.signal.unwrap() + Duration::from_secs(1);
            run.marks.push((Event::SecondSignal, second));
            verdict("second-signal", &run)
        };
        assert_eq!(with_second(1_100), (Verdict::Passed, false));
        assert_eq!(with_second(3_500), (Verdict::Failed, false));
        assert_eq!(with_second(9_500), (Verdict::Failed, false));
        assert_eq!(with_second(500).0, Verdict::Inconclusive);
    }
}

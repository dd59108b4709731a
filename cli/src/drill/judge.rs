//! From what was seen to a verdict.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::proc::Member;
use super::record::{End, Event, Mark, Outcome, Situation, Timeline, Verdict};
use super::script::{Attempt, millis_after};
use super::situation::{Entry, Exit};
use super::stage::{MARGIN, Run};
use super::{server, signal};

/// A load that lags more says nothing about the server.
const LAG_MAX: Duration = Duration::from_millis(20);
/// How soon after the second signal the exit comes, if it comes of it.
const AT_ONCE: Duration = Duration::from_secs(2);
/// More bars nobody looks at.
const BARS_MAX: usize = 60;

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
struct Counted {
    outcome: Outcome,
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
            let reason = format!(
                "this machine was busy: a client came {} ms late",
                lag.as_millis()
            );
            return Finding::new(Verdict::Inconclusive, entry.required, Fault::None, reason);
        }
        let mut found = self.exit_faults(entry, run);
        if !entry.is_start_up() {
            found.extend(self.losses(entry, run));
        }
        if let Some(Err(reason)) = &run.after {
            found.push(Finding::failed(entry.required, Fault::Own, reason.clone()));
        }
        let pass = Finding::new(Verdict::Passed, entry.required, Fault::None, String::new());
        let Some(worst) = found
            .iter()
            .max_by_key(|finding| (finding.verdict, finding.fault))
        else {
            return pass;
        };
        let reasons: Vec<&str> = found
            .iter()
            .map(|finding| finding.reason.as_str())
            .collect();
        Finding {
            required: found.iter().any(|finding| finding.required),
            reason: reasons.join("; "),
            ..*worst
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
        if entry.exit == Exit::Prompt && took >= self.deadline.mul_f64(0.9) {
            let reason = format!("exit after {} ms only, by its limit", took.as_millis());
            found.push(Finding::failed(false, Fault::Own, reason));
        }
        if entry.exit == Exit::Second {
            found.extend(second(entry, run, exit));
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

    fn counted(&self, run: &Run) -> Vec<Counted> {
        let signal = run.signal.unwrap_or_else(Instant::now);
        let lives = run.lives.iter().map(|life| life.borrow());
        let attempts = lives.flat_map(|life| life.attempts.clone());
        attempts
            .map(|attempt| self.count(&attempt, signal))
            .collect()
    }
}

/// What came of the second signal.
fn second(entry: &Entry, run: &Run, exit: Instant) -> Option<Finding> {
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
        Some((_, second)) if exit.duration_since(*second) > AT_ONCE => {
            let took = exit.duration_since(*second).as_millis();
            let reason = format!("exit {took} ms after the second signal");
            Some(Finding::failed(entry.required, Fault::Own, reason))
        }
        _ => None,
    }
}

impl Terms {
    /// What is recorded about all runs of a situation.
    pub(crate) fn record(&self, entry: &Entry, runs: &[Run], took: Duration) -> Situation {
        let found: Vec<Finding> = runs.iter().map(|run| self.judge(entry, run)).collect();
        let worst = (0..runs.len()).max_by_key(|at| (found[*at].verdict, found[*at].fault));
        let Some((run, finding)) = worst.map(|at| (&runs[at], &found[at])) else {
            return not_applicable(entry, String::new());
        };
        let mut outcomes = BTreeMap::new();
        for counted in runs
            .iter()
            .filter(|run| run.trouble.is_none())
            .flat_map(|run| self.counted(run))
        {
            *outcomes.entry(counted.outcome).or_insert(0) += 1;
        }
        let attempts: usize = outcomes.values().sum();
        let lost = outcomes.iter().filter(|(outcome, _)| outcome.is_lost());
        let lost: usize = lost.map(|(_, count)| count).sum();
        let (meaning, mend) = words(entry, finding);
        let end = run.signal.map(|signal| self.end(run, signal));
        let mut figure = if entry.is_start_up() {
            let stopped = outcomes.get(&Outcome::Closed).copied().unwrap_or(0);
            format!("{stopped} of {attempts} starts ended by the signal")
        } else {
            figure(&outcomes, attempts, end.as_ref())
        };
        if runs.len() > 1 {
            let bad = found
                .iter()
                .filter(|one| one.verdict != Verdict::Passed)
                .count();
            figure = format!("{bad} of {} runs not passed; {figure}", runs.len());
        }
        Situation {
            id: entry.id,
            title: entry.title,
            required: finding.required,
            verdict: finding.verdict,
            reason: finding.reason.clone(),
            attempts,
            lost,
            outcomes,
            figure,
            meaning,
            mend,
            end,
            lag_ms: run.lag.map(|lag| (lag.as_secs_f64() * 1e6).round() / 1e3),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            timeline: timeline(run),
        }
    }

    fn end(&self, run: &Run, signal: Instant) -> End {
        let after = |at: Option<Instant>| at.map(|at| millis_after(signal, at));
        End {
            listener_closed_ms: after(run.closed),
            exit_ms: after(run.exit),
            exit_status: run.status.filter(|_| self.is_started).map(server::describe),
            memory_kib: run.memory_kib,
            survivors: run.survivors.iter().map(Member::describe).collect(),
        }
    }
}

/// What there is to say about a situation that is not for this server.
pub(crate) fn not_applicable(entry: &Entry, reason: String) -> Situation {
    Situation {
        id: entry.id,
        title: entry.title,
        required: entry.required,
        verdict: Verdict::NotApplicable,
        reason,
        attempts: 0,
        lost: 0,
        outcomes: BTreeMap::new(),
        figure: String::new(),
        meaning: String::new(),
        mend: String::new(),
        end: None,
        lag_ms: None,
        took_ms: 0,
        timeline: Timeline::default(),
    }
}

/// What it means, and how to mend it.
fn words(entry: &Entry, finding: &Finding) -> (String, String) {
    let (meaning, mend) = match (finding.verdict, finding.fault) {
        (Verdict::Passed, _) => (entry.passed, ""),
        (Verdict::Inconclusive | Verdict::NotApplicable, _) => {
            ("it says nothing about the server", "")
        }
        (_, Fault::NotReceived) => (
            "whoever stops the server stops only what started it",
            "start the server by exec, or let what starts it pass the signal on and wait",
        ),
        (_, Fault::Survivor) => (
            "processes go on that nobody supervises any more",
            "let the process that gets the signal end last",
        ),
        (_, Fault::NoExit) => (
            "each stop ends with SIGKILL, whatever clients are doing then",
            "handle the signal, and limit the drain by a deadline",
        ),
        (_, Fault::Status) => (
            "supervisors take the stop for a crash",
            "exit with status 0 after a drain that was asked for",
        ),
        (_, Fault::Own | Fault::None) => (entry.failed, entry.mend),
    };
    (meaning.to_owned(), mend.to_owned())
}

/// What was counted and measured, in a few words.
fn figure(outcomes: &BTreeMap<Outcome, usize>, attempts: usize, end: Option<&End>) -> String {
    let of = |outcome| outcomes.get(&outcome).copied().unwrap_or(0);
    let answered = of(Outcome::Answered) + of(Outcome::AnsweredWithClose);
    let mut parts = Vec::new();
    if answered > 0 {
        parts.push(format!("{answered} of {attempts} answered"));
    }
    let others = outcomes
        .iter()
        .filter(|(outcome, _)| !matches!(outcome, Outcome::Answered | Outcome::AnsweredWithClose));
    parts.extend(others.map(|(outcome, count)| format!("{count} {}", outcome.name())));
    let Some(end) = end else {
        return parts.join(", ");
    };
    parts.push(match (end.exit_ms, &end.exit_status) {
        (None, _) => "no exit".into(),
        (Some(exit), Some(status)) if status == "0" => format!("exit after {exit:.0} ms"),
        (Some(exit), Some(status)) => format!("exit ({status}) after {exit:.0} ms"),
        (Some(exit), None) => format!("exit after {exit:.0} ms"),
    });
    parts.join(", ")
}

/// The picture of a run.
fn timeline(run: &Run) -> Timeline {
    let Some(signal) = run.signal else {
        return Timeline::default();
    };
    let mut bars: Vec<_> = run
        .lives
        .iter()
        .map(|life| life.borrow().bar(signal))
        .collect();
    let hidden = bars.len().saturating_sub(BARS_MAX);
    if hidden > 0 {
        // Those that were lost, and of the others a selection that is spread out evenly.
        let (lost, kept): (Vec<_>, Vec<_>) =
            bars.into_iter().partition(|bar| bar.outcome.is_lost());
        let room = BARS_MAX.saturating_sub(lost.len()).max(1);
        let step = kept.len().div_ceil(room).max(1);
        bars = lost
            .into_iter()
            .chain(kept.into_iter().step_by(step))
            .take(BARS_MAX)
            .collect();
    }
    let hidden = run.lives.len() - bars.len();
    let mut marks: Vec<Mark> = run
        .marks
        .iter()
        .map(|(what, at)| Mark {
            what: *what,
            at_ms: millis_after(signal, *at),
        })
        .collect();
    marks.sort_by(|one, other| one.at_ms.total_cmp(&other.at_ms));
    Timeline {
        bars,
        hidden,
        marks,
    }
}

//! From verdicts to what is recorded about a situation: figures, words, the picture.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::judge::{Fault, Finding, Terms};
use super::proc::Member;
use super::record::{End, Mark, Outcome, Situation, Timeline, Verdict};
use super::run::Run;
use super::script::millis_after;
use super::server;
use super::situation::Entry;

/// More bars nobody looks at.
const BARS_MAX: usize = 60;

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
            let passed = found.iter().filter(|one| one.verdict == Verdict::Passed);
            figure = format!("{} of {} runs passed; {figure}", passed.count(), runs.len());
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
            confirmed: run.facts.clone(),
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
        confirmed: Vec::new(),
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

//! `neap drill` is drilled.
//!
//! `broken-server` fails in one way at a time. The situation that is meant for the fault has to
//! catch it, situations that have nothing to do with it must not, and without a fault there is
//! nothing to catch. So a verdict is known to say what it claims to say.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use neap_tests::process::Program;
use serde_json::Value;

/// What is run side by side: mostly they wait, and there may be few cores.
const WORKERS: usize = 8;

/// How often a machine may be too busy to judge a load.
const TRIES: usize = 20;

/// Verdicts of situations, by their ids.
type Verdicts = BTreeMap<String, String>;

/// A fault, which situations have to catch it, and which have nothing to do with it.
struct Case(
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const CASES: &[Case] = &[
    Case("full-timeout-slept", &["no-connection"], &["in-flight"]),
    Case("deadline-ignored", &["deadline", "drip"], &["in-flight"]),
    Case("head-held", &["drip"], &["deadline"]),
    Case("second-signal-ignored", &["second-signal"], &["deadline"]),
    Case("interrupt-ignored", &["sigint"], &["in-flight"]),
    Case("backlog-lost", &["backlog"], &["idle"]),
    Case("late-untracked", &["backlog"], &["idle"]),
    Case("handlers-dropped", &["in-flight"], &["stream", "upload"]),
    Case(
        "busy-cut",
        &["in-flight", "stream", "upload"],
        &["no-connection", "silent"],
    ),
    Case("head-cut", &["half-head", "half-head-kept"], &["in-flight"]),
    Case(
        "kept-head-cut",
        &["half-head-kept"],
        &["half-head", "last-call"],
    ),
    Case(
        "busy-swept",
        &["half-head-kept"],
        &["half-head", "in-flight"],
    ),
    Case("content-cut", &["upload"], &["in-flight", "half-head"]),
    Case("stream-cut", &["stream"], &["in-flight", "slow-reader"]),
    Case("pipeline-dropped", &["pipelined"], &["last-call"]),
    Case("fin-too-early", &["slow-reader"], &["stream"]),
    Case("not-lingered", &["still-sending"], &["upload"]),
    Case("served-on", &["idle", "late-idle"], &["in-flight"]),
    Case("idle-answered", &["idle"], &["last-call"]),
    Case("preconnected-held", &["silent"], &["idle"]),
    Case("idle-later-kept", &["late-idle"], &["idle"]),
    Case("crossing-lost", &["last-call"], &["half-head"]),
    Case("aborted-counted", &["vanish-rst"], &["silent"]),
    Case("early-signal-lost", &["start-up"], &["in-flight"]),
    Case("address-kept", &["restart"], &["no-connection"]),
    Case("open-but-deaf", &["load"], &["in-flight", "idle"]),
    Case("socket-file-left", &["unix"], &["unix-successor"]),
    Case("successors-socket-deleted", &["unix-successor"], &["unix"]),
    Case("many-cut", &["active-1000"], &["in-flight"]),
    Case("idle-in-turn", &["idle-5000"], &["silent"]),
    Case("status-wrong", &["no-connection"], &[]),
];

/// Every fault of `broken-server` that a client can see at the end of a server. The others belong
/// to `tests/failures`.
#[test]
fn each_fault_is_caught_by_the_situation_meant_for_it_and_by_no_other() {
    let cases = Mutex::new(CASES.iter());
    let complaints = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(case) = { cases.lock().expect("nobody panics").next() } {
                    let found = judge(case);
                    complaints.lock().expect("nobody panics").extend(found);
                }
            });
        }
    });
    let complaints = complaints.into_inner().expect("nobody panics");
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn judge(Case(fault, caught, unseen): &Case) -> Vec<String> {
    let all = [*caught, *unseen].concat();
    // The second signal comes after a second, and has to be faster than the deadline.
    let deadline = if all.contains(&"second-signal") {
        "5s"
    } else {
        "2s"
    };
    let command = server(&["--fault", fault]);
    let mut verdicts = drill(&command, &all, deadline);
    for _ in 0..TRIES {
        // Nothing was judged: this machine was too busy for the pace.
        if verdicts.get("load").is_none_or(|it| it != "inconclusive") {
            break;
        }
        verdicts = drill(&command, &all, deadline);
    }
    let mut complaints = Vec::new();
    for (id, verdict) in &verdicts {
        let is_right = if caught.contains(&&**id) {
            is_failure(verdict)
        } else {
            verdict == "passed"
        };
        if !is_right {
            complaints.push(format!("{fault}: {id}: {verdict}"));
        }
    }
    if verdicts.len() != all.len() {
        complaints.push(format!("{fault}: {verdicts:?}"));
    }
    complaints
}

#[test]
fn a_server_without_a_fault_fails_nowhere() {
    let verdicts = drill(&server(&[]), &[], "3s");
    assert!(verdicts.len() > 25, "{verdicts:?}");
    for (id, verdict) in &verdicts {
        // A machine that is too busy for a pace says so; chance is noted.
        let is_paced = ["load", "pair", "last-call-random"].contains(&&**id);
        let is_fine = verdict == "passed" || (is_paced && !is_failure(verdict));
        assert!(is_fine, "{id}: {verdict}");
    }
}

/// The signal is what all of it is about.
#[test]
fn a_server_that_ignores_the_signal_passes_nothing() {
    let verdicts = drill(&server(&["--fault", "signal-ignored"]), &[], "1s");
    assert!(verdicts.len() > 25, "{verdicts:?}");
    for (id, verdict) in &verdicts {
        assert_ne!(verdict, "passed", "{id}");
    }
    assert!(is_failure(&verdicts["no-connection"]));
    assert!(is_failure(&verdicts["backlog"]));
}

/// A shell that waits for its child, as in many a container's entry point, keeps the signal; one
/// that dies of it leaves its child alone.
#[test]
fn a_signal_that_a_wrapper_keeps_is_told_from_one_that_the_server_ignores() {
    for script in ["trap : TERM; \"$@\"; :", "\"$@\"; :"] {
        let shell = ["sh", "-c", script, "sh"].map(String::from);
        let command = [shell.to_vec(), server(&[])].concat();
        let verdicts = drill(&command, &["no-connection"], "1s");
        let verdict = &verdicts["no-connection"];
        assert_eq!(verdict, "signal-not-received", "{script}");
    }
}

#[test]
fn a_process_that_is_left_behind_is_told_from_a_failure_of_the_server() {
    for fault in ["child-left", "child-left-late"] {
        let command = server(&["--fault", fault]);
        let verdicts = drill(&command, &["no-connection"], "1s");
        assert_eq!(verdicts["no-connection"], "survivor-left", "{fault}");
    }
}

/// A command that starts the broken server.
fn server(options: &[&str]) -> Vec<String> {
    let path = Program::Twin.path().display().to_string();
    let words = [
        "echo",
        "--listen=127.0.0.1:{port}",
        "--listen=unix:{socket}",
        "--deadline={deadline}s",
    ];
    let words = words.iter().flat_map(|word| word.split('='));
    let words = words.chain(options.iter().copied()).map(String::from);
    [path].into_iter().chain(words).collect()
}

fn is_failure(verdict: &str) -> bool {
    ["failed", "survivor-left", "signal-not-received"].contains(&verdict)
}

/// Drills this command in these situations, or in all.
fn drill(command: &[String], only: &[&str], deadline: &str) -> Verdicts {
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("drill.json");
    let mut drill = Command::new(Program::Echo.path());
    drill.args(["drill", "--preset", "neap", "--deadline", deadline]);
    drill.arg("--json").arg(&file);
    if !only.is_empty() {
        drill.arg("--only").arg(only.join(","));
    }
    drill.arg("--").args(command).stdin(Stdio::null());
    let output = drill.output().expect("the drill runs");
    let text = fs::read_to_string(&file);
    let text = text.unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let file: Value = serde_json::from_str(&text).expect("it is JSON");
    let passed = file["passed"].as_bool();
    assert_eq!(passed, Some(output.status.success()), "{output:?}");
    let situations = file["situations"].as_array().expect("it has situations");
    let verdicts = situations.iter().map(|it| {
        let word = |name: &str| it[name].as_str().expect("it is a word").to_owned();
        (word("id"), word("verdict"))
    });
    verdicts.collect()
}

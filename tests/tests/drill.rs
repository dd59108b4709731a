//! `neap drill` as a command: neap itself is drilled, and what is not a drill says so.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Instant;

use neap_tests::process::{PATIENCE, Program, Server};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

/// What the system confirms before it is judged. The others hang on a pace, which a machine that
/// runs tests cannot keep.
const CONFIRMED: [&str; 16] = [
    "backlog",
    "in-flight",
    "half-head",
    "half-head-kept",
    "upload",
    "stream",
    "pipelined",
    "slow-reader",
    "still-sending",
    "idle",
    "silent",
    "late-idle",
    "last-call",
    "vanish-fin",
    "vanish-rst",
    "active-1000",
];

fn drill(words: &[&str]) -> Command {
    let mut command = Command::new(Program::Echo.path());
    command.arg("drill").args(words).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn neap() -> String {
    Program::Echo.path().display().to_string()
}

fn run(words: &[&str]) -> Output {
    drill(words).output().expect("the drill runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn situations(file: &Path) -> Vec<Value> {
    let json = fs::read_to_string(file).expect("the drill has written it");
    let json: Value = serde_json::from_str(&json).expect("it is JSON");
    json["situations"].as_array().expect("it is a list").clone()
}

#[test]
fn neap_passes_whatever_the_system_confirms() {
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("drill.json");
    let (neap, only) = (neap(), CONFIRMED.join(","));
    let json = file.display().to_string();
    let words = ["--preset", "neap", "--only", &only, "--json", &json, "--"];
    let server = [&*neap, "echo", "-p", "{port}", "--log", "off"];
    let output = run(&[&words[..], &server].concat());
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let found = situations(&file);
    assert_eq!(found.len(), CONFIRMED.len());
    for situation in found {
        assert_eq!(situation["verdict"], "passed", "{situation}");
        assert_eq!(situation["lost"], 0, "{situation}");
        let confirmed = situation["confirmed"].as_array().expect("it is a list");
        assert!(!confirmed.is_empty(), "{situation}");
    }
}

/// A job in the background of a script ignores SIGQUIT, and a server that heeds it was drilled as
/// one that does not.
#[test]
fn a_signal_that_is_ignored_around_the_drill_is_none_to_the_server() {
    let neap = neap();
    let script = "trap '' QUIT; exec \"$0\" \"$@\"";
    let drill = ["drill", "--signal", "QUIT", "--only", "no-connection", "--"];
    let server = [&*neap, "echo", "-p", "{port}", "--log", "off"];
    let mut shell = Command::new("sh");
    shell.args(["-c", script, &neap]).args(drill).args(server);
    let output = shell
        .stdin(Stdio::null())
        .output()
        .expect("there is a shell");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
}

#[test]
fn a_failure_is_told_with_its_reason_and_its_remedy() {
    let server = Program::Twin.path().display().to_string();
    let words = ["--only", "backlog", "--", &server, "echo", "--listen"];
    let fault = ["127.0.0.1:{port}", "--fault", "backlog-lost"];
    let output = run(&[&words[..], &fault].concat());
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [
        "failed",
        "delivered before the signal",
        "mend: accept until",
        "FAILED",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(
        !said.contains('\x1b'),
        "no colours where there is no terminal"
    );
}

#[test]
fn what_is_no_drill_exits_with_2_and_says_why() {
    let neap = neap();
    for (words, reason) in [
        (&["--", "server"][..], "{port}"),
        (&["--", "/nonexistent", "{port}"], "cannot be run"),
        (&["--", "sh", "-c", "echo gone; exit 3", "{port}"], "gone"),
        (
            &["--slow", "/no", "--", &neap, "echo", "-p", "{port}"],
            "404",
        ),
        (&["--only", "nothing", "--", &neap, "{port}"], "--list"),
    ] {
        let output = run(words);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(reason), "{words:?}: {said}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}

#[test]
fn a_server_that_was_started_elsewhere_is_drilled_once() {
    let server = Server::start(Program::Echo, &["--log", "off"]);
    let url = format!("http://{}", server.address);
    let pid = server.pid().as_raw_nonzero().to_string();
    let output = run(&["--url", &url, "--pid", &pid, "--only", "backlog"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("200 of 200 answered"), "{said}");
    assert!(server.exit().status.success());
}

/// A daemon has left whoever started it, and its process group: it is found by its socket.
#[test]
fn a_server_that_has_gone_its_own_way_is_stopped_in_its_tracks_and_ended() {
    let folder = tempfile::tempdir().expect("there is room");
    let (file, pids) = (folder.path().join("json"), folder.path().join("pids"));
    let daemon = "echo $$ >>\"$2\"; exec \"$0\" echo -p \"$1\" --log off";
    let shell = "(setsid sh -c \"$0\" \"$@\" &); exec sleep 600";
    let (neap, json, pids_path) = (
        neap(),
        file.display().to_string(),
        pids.display().to_string(),
    );
    let words = [
        "--only",
        "backlog",
        "--deadline",
        "2s",
        "--json",
        &json,
        "--",
    ];
    let command = ["sh", "-c", shell, daemon, &neap, "{port}", &pids_path];
    let output = run(&[&words[..], &command].concat());
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let found = situations(&file);
    assert_eq!(found[0]["verdict"], "signal-not-received", "{said}");
    let confirmed = "200 of 200 clients wait to be accepted";
    assert_eq!(found[0]["confirmed"][0], confirmed, "it stood still");
    let pids = fs::read_to_string(&pids).expect("daemons have written it");
    assert!(pids.lines().count() >= 2, "{pids:?}");
    assert_gone(&pids);
}

/// None of these processes is there any more.
fn assert_gone(pids: &str) {
    for pid in pids.lines() {
        let number = pid.parse().ok().and_then(Pid::from_raw);
        let is_there = test_kill_process(number.expect("it is a number")).is_ok();
        assert!(!is_there, "{pid} is left");
    }
}

/// A child that is ended if a test fails before it was.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whoever presses Ctrl-C wants neither the drill nor the server to go on.
#[test]
fn an_interrupted_drill_leaves_no_server_behind() {
    let neap = neap();
    let folder = tempfile::tempdir().expect("there is room");
    let pids = folder.path().join("pids");
    let path = pids.display();
    let shell = format!("echo $$ >>'{path}'; exec \"$0\" echo -p \"$1\" --log off");
    let words = [
        "--preset",
        "neap",
        "--only",
        "active-1000",
        "--",
        "sh",
        "-c",
        &shell,
        &neap,
    ];
    let mut child = Guard(drill(&words).arg("{port}").spawn().expect("the drill runs"));
    // The first server is asked what it can do; the second one is in the situation.
    let started = || fs::read_to_string(&pids).unwrap_or_default();
    let begun = Instant::now();
    while started().lines().count() < 2 {
        assert!(
            begun.elapsed() < PATIENCE,
            "no second server: {:?}",
            started()
        );
        thread::yield_now();
    }
    let drill = Pid::from_child(&child.0);
    kill_process(drill, Signal::INT).expect("it runs");
    let status = child.0.wait().expect("it is our child");
    assert_eq!(status.code(), Some(130));
    let mut said = String::new();
    let mut stderr = BufReader::new(child.0.stderr.take().expect("it is piped"));
    while stderr.read_line(&mut said).expect("it is text") > 0 {}
    assert!(said.contains("interrupted"), "{said}");
    assert_gone(&started());
}

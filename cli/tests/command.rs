//! The command as whoever starts it sees it: its lines, its exit status, its patience.

// Helpers of tests may panic as tests may, which Clippy does not know.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

fn neap(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neap"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NEAP_") {
            command.env_remove(name);
        }
    }
    command.args(words).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A server that has said where it listens. It is killed if a test fails before it ended.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(command: &mut Command) -> Server {
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let port = line.strip_prefix("listening on http://127.0.0.1:");
        let port = port.and_then(|port| port.trim_end().parse().ok());
        let port = port.unwrap_or_else(|| panic!("{line:?}"));
        Server { child, port }
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        // A server that hangs is a test that fails, not one that hangs, too.
        client
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        client
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its exit status, and what it said on stderr.
    fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request that closes the connection, and reads all of the response.
fn get(server: &Server, target: &str) -> String {
    let mut client = server.connect();
    write!(
        client,
        "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).unwrap();
    response
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn what_cannot_be_started_is_one_sentence_and_status_2() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (words, sentence) in [
        (
            &["serve", "/nowhere", "-p", "0"][..],
            "neap: cannot serve /nowhere: there is no such",
        ),
        (
            &["serve", "Cargo.toml", "-p", "0"],
            "neap: cannot serve Cargo.toml: it is a file",
        ),
        (&["echo", "-p", &port], "the port is taken"),
        (
            &["echo", "--inherit"],
            "neap: cannot take over sockets: there are none",
        ),
    ] {
        let output = neap(words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(output.stdout.is_empty());
        let said = stderr(&output);
        assert!(
            said.contains(sentence) && said.lines().count() == 1,
            "{said}"
        );
    }
    let output = neap(&["echo", "--deadline", "30"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains(r#""30" has no unit: write 30s"#));
}

#[test]
fn a_signal_ends_it_with_its_report_and_status_0() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let server = Server::start(&mut neap(&["echo", "-p", "0"]));
        assert!(get(&server, "/").ends_with("\r\n\r\nHello, World!"));
        let port = server.port;
        server.signal(signal);
        let (status, said) = server.end();
        assert_eq!(status, Some(0), "{said}");
        assert!(said.contains("\"GET / HTTP/1.1\" 200 13\n"), "{said}");
        let received = format!("neap: received {name}\nneap: draining: ");
        assert!(said.contains(&received), "{said}");
        assert!(said.contains(" open, at most 30 s\n"), "{said}");
        let closed = format!("neap: stopped listening on 127.0.0.1:{port} (seal: ");
        assert!(said.contains(&closed), "{said}");
        let report = said.lines().last().unwrap();
        assert!(
            report.starts_with("neap: stopped by signal after "),
            "{said}"
        );
        let listener = format!("; none lost; 127.0.0.1:{port} sealed (");
        assert!(report.contains(&listener), "{said}");
    }
}

#[test]
fn a_log_that_is_off_leaves_the_report() {
    let server = Server::start(&mut neap(&["echo", "-p", "0", "--log", "off"]));
    get(&server, "/");
    server.signal(Signal::TERM);
    let (_, said) = server.end();
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn the_environment_counts_until_a_flag_says_otherwise() {
    let mut command = neap(&["echo", "-p", "0"]);
    command
        .env("NEAP_LISTEN", "unix:/nowhere/at/all")
        .env("NEAP_LOG", "json");
    let server = Server::start(&mut command);
    get(&server, "/status/204");
    server.signal(Signal::TERM);
    let (status, said) = server.end();
    assert_eq!(status, Some(0), "{said}");
    for line in said.lines() {
        let _: serde_json::Value = serde_json::from_str(line).unwrap();
    }
    let output = neap(&["echo"])
        .env("NEAP_DEADLINE", "soon")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// A pipe that nobody reads holds 64 KiB. Writing to it would block, and with it the server.
#[test]
fn a_log_that_nobody_reads_holds_neither_a_request_nor_the_end() {
    const REQUESTS: usize = 2_000;
    let mut server = Server::start(&mut neap(&["echo", "-p", "0", "--log", "combined"]));
    for _ in 0..REQUESTS {
        assert!(get(&server, "/").ends_with("Hello, World!"));
    }
    server.signal(Signal::TERM);
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

/// How many threads serve, by their names: `neap-1` and so on, or `neap` where there is one.
fn threads_of(server: &Server) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.child.id())).unwrap();
    let comms = tasks.map(|task| task.unwrap().path().join("comm"));
    let names = comms.filter_map(|comm| std::fs::read_to_string(comm).ok());
    let digits = |name: &String| {
        let number = name.trim_end().strip_prefix("neap-")?;
        number.parse::<usize>().ok()
    };
    names.filter(|name| digits(name).is_some()).count()
}

#[cfg(target_os = "linux")]
#[test]
fn it_serves_on_as_many_threads_as_it_is_told_and_as_there_are_cores_unless_it_is() {
    let cores = std::thread::available_parallelism().unwrap().get();
    let default = if cores == 1 { 0 } else { cores };
    let flags = ["--threads", "3"];
    for (flags, threads) in [(&flags[..], 3), (&["--threads", "1"], 0), (&[], default)] {
        let words = [&["echo", "-p", "0"], flags].concat();
        let server = Server::start(&mut neap(&words));
        // The last of them has started when it answers.
        let mut client = server.connect();
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        client.read_exact(&mut [0; 15]).unwrap();
        assert_eq!(threads_of(&server), threads, "{flags:?}");
        drop(client);
        server.signal(Signal::TERM);
        assert_eq!(server.end().0, Some(0));
    }
}

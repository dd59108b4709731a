//! The command as whoever starts it sees it. What is here starts the real binary for all of them.

// Helpers of tests may panic as tests may, which Clippy does not know.
#![allow(clippy::unwrap_used)]

mod addresses;
mod completions;
mod manual;
mod mistakes;
mod running;
mod settings;
#[cfg(target_os = "linux")]
mod static_binary;
mod terminal;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take that should take no time. It passes only where a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

fn neap(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neap"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NEAP_") {
            command.env_remove(name);
        }
    }
    for name in ["CI", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command.args(words).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A process that is killed if a test fails before it ended.
struct Guard(Child);

impl Guard {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that has said where it listens.
struct Server {
    process: Guard,
    port: u16,
}

impl Server {
    fn start(command: &mut Command) -> Server {
        let mut process = Guard(command.spawn().unwrap());
        let mut line = String::new();
        let stdout = process.0.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let port = line.strip_prefix("listening on http://127.0.0.1:");
        let port = port.and_then(|port| port.trim_end().parse().ok());
        let port = port.unwrap_or_else(|| panic!("{line:?}"));
        Server { process, port }
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        // A server that hangs is a test that fails, not one that hangs, too.
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    }

    fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Its exit status, and what it said on stderr.
    fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        let mut stderr = self.process.0.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        (self.process.0.wait().unwrap().code(), said)
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

/// Whether a program is installed. A test that cannot do without it says so; in CI it is there.
fn is_installed(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&paths).any(|path| path.join(program).is_file());
    if !is_there {
        assert!(std::env::var_os("CI").is_none(), "{program} is missing");
        println!("skipped: {program} is not installed");
    }
    is_there
}

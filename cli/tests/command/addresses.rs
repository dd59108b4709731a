//! Where it says that it can be reached.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{ChildStdout, Command};
use std::time::Instant;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{Guard, PATIENCE, Server, get, neap};

/// A server on every interface.
struct Everywhere {
    server: Guard,
    stdout: BufReader<ChildStdout>,
    port: u16,
}

impl Everywhere {
    fn start(command: &mut Command) -> Everywhere {
        let mut server = Guard(command.spawn().unwrap());
        let mut stdout = BufReader::new(server.0.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let port = line.trim_end().strip_prefix("listening on http://0.0.0.0:");
        let port = port.and_then(|port| port.parse().ok());
        Everywhere {
            server,
            stdout,
            port: port.unwrap_or_else(|| panic!("{line:?}")),
        }
    }

    /// Drains it, and returns what else it said on stdout.
    fn end(mut self) -> Vec<String> {
        self.server.signal(Signal::TERM);
        assert_eq!(self.server.0.wait().unwrap().code(), Some(0));
        self.stdout.lines().map(Result::unwrap).collect()
    }
}

#[test]
fn a_wildcard_is_followed_by_the_addresses_that_it_stands_for() {
    let mut command = neap(&["echo", "--listen", "0.0.0.0:0", "--admin", "127.0.0.1:0"]);
    let server = Everywhere::start(&mut command);
    let port = server.port;
    let lines = server.end();
    let [checks, reachable, others @ ..] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert!(
        checks.starts_with("health checks on http://127.0.0.1:"),
        "{checks}"
    );
    assert_eq!(*reachable, format!("reachable at http://127.0.0.1:{port}"));
    let is_reachable = |line: &String| line.starts_with("reachable at http://");
    assert!(others.iter().all(is_reachable), "{lines:?}");
}

/// Serves with a browser that writes down what it is to open.
fn opening(directory: &TempDir, words: &[&str]) -> Command {
    let browser = directory.path().join("xdg-open");
    fs::write(
        &browser,
        "#!/bin/sh\necho \"$1\" > opened.new && mv opened.new opened\n",
    )
    .unwrap();
    fs::set_permissions(&browser, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = neap(&["serve", "--open"]);
    let path = format!("{}:/usr/bin:/bin", directory.path().display());
    command.args(words).env("PATH", path);
    command.current_dir(directory.path());
    command
}

#[test]
fn a_browser_is_opened_on_the_address_that_it_listens_on() {
    let directory = TempDir::new().unwrap();
    let mut command = opening(&directory, &["--listen", "0.0.0.0:0"]);
    let server = Everywhere::start(&mut command);
    let opened = directory.path().join("opened");
    // It is on its own: nobody waits for it, so that it has to be looked for.
    let start = Instant::now();
    while !opened.exists() {
        assert!(start.elapsed() < PATIENCE, "no browser was opened");
        std::thread::yield_now();
    }
    let url = fs::read_to_string(opened).unwrap();
    assert_eq!(url, format!("http://127.0.0.1:{}/\n", server.port));
    server.end();
}

#[test]
fn without_a_browser_it_serves_and_says_what_to_do() {
    let directory = TempDir::new().unwrap();
    let mut command = opening(&directory, &["-p", "0"]);
    command.env("PATH", "/nowhere");
    let server = Server::start(&mut command);
    let url = format!("http://127.0.0.1:{}/", server.port);
    assert!(get(&server, "/").starts_with("HTTP/1.1 200"));
    server.signal(Signal::TERM);
    let (status, said) = server.end();
    assert_eq!(status, Some(0), "{said}");
    let told = said.lines().filter(|line| line.contains("browser"));
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 1, "{said}");
    assert!(told[0].ends_with(&format!("open {url} yourself")), "{said}");
}

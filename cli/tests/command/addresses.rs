//! Where it says that it can be reached.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{ChildStdout, Command};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{Guard, neap};

/// The lines on stdout, up to that which fits.
fn lines_until(stdout: ChildStdout, is_last: impl Fn(&str) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    for line in BufReader::new(stdout).lines() {
        lines.push(line.unwrap());
        if is_last(lines.last().unwrap()) {
            break;
        }
    }
    lines
}

#[test]
fn a_wildcard_is_followed_by_the_addresses_that_it_stands_for() {
    let mut command = neap(&["echo", "--listen", "0.0.0.0:0", "--admin", "127.0.0.1:0"]);
    let mut server = Guard(command.spawn().unwrap());
    let stdout = server.0.stdout.take().unwrap();
    let lines = lines_until(stdout, |line| line.starts_with("reachable"));
    let [listening, checks, reachable] = &lines[..] else {
        panic!("{lines:?}");
    };
    let port = listening
        .strip_prefix("listening on http://0.0.0.0:")
        .unwrap();
    assert!(
        checks.starts_with("health checks on http://127.0.0.1:"),
        "{checks}"
    );
    assert_eq!(*reachable, format!("reachable at http://127.0.0.1:{port}"));
    server.signal(Signal::TERM);
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
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
    let mut server = Guard(command.spawn().unwrap());
    let stdout = server.0.stdout.take().unwrap();
    let lines = lines_until(stdout, |line| line.starts_with("reachable"));
    let opened = directory.path().join("opened");
    // It is on its own: nobody waits for it, so that it has to be looked for.
    while !opened.exists() {
        std::thread::yield_now();
    }
    let url = fs::read_to_string(opened).unwrap();
    let reachable = lines[1].strip_prefix("reachable at ").unwrap();
    assert_eq!(url, format!("{reachable}/\n"));
    server.signal(Signal::TERM);
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
}

#[test]
fn without_a_browser_it_serves_and_says_what_to_do() {
    let directory = TempDir::new().unwrap();
    let mut command = opening(&directory, &["-p", "0"]);
    command.env("PATH", "/nowhere");
    let server = crate::Server::start(&mut command);
    let url = format!("http://127.0.0.1:{}/", server.port);
    assert!(crate::get(&server, "/").starts_with("HTTP/1.1 200"));
    server.signal(Signal::TERM);
    let (status, said) = server.end();
    assert_eq!(status, Some(0), "{said}");
    let told = said.lines().filter(|line| line.contains("browser"));
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 1, "{said}");
    assert!(told[0].ends_with(&format!("open {url} yourself")), "{said}");
}

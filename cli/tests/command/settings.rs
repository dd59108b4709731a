//! Where settings come from, and which of them counts.

use std::fs;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{Server, get, neap, stderr};

/// A file of settings, in a directory that goes with it.
struct Settings {
    directory: TempDir,
}

impl Settings {
    fn new(text: &str) -> Settings {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("neap.toml"), text).unwrap();
        Settings { directory }
    }

    /// The command in the file's directory, with a free port, so that no two tests meet.
    fn neap(&self, words: &[&str]) -> Command {
        let mut command = neap(words);
        command.args(["--config", "neap.toml"]);
        command.current_dir(self.directory.path());
        command
    }
}

/// Runs a server to its end, and tells what it answered to a GET of `target` and said on stderr.
fn told(command: &mut Command, target: &str) -> (String, String) {
    let server = Server::start(command);
    let response = get(&server, target);
    server.signal(Signal::TERM);
    let (status, said) = server.end();
    assert_eq!(status, Some(0), "{said}");
    (response, said)
}

#[test]
fn a_value_in_the_file_counts_until_the_environment_and_then_a_flag_says_otherwise() {
    let settings = Settings::new("report = 'json'\nlog = 'off'\nport = 0\n");
    let is_json = |command: &mut Command| told(command, "/").1.starts_with('{');
    assert!(is_json(&mut settings.neap(&["echo"])));
    let mut command = settings.neap(&["echo"]);
    command.env("NEAP_REPORT", "text");
    assert!(!is_json(&mut command));
    command.args(["--report", "json"]);
    assert!(is_json(&mut command));
}

#[test]
fn a_list_in_the_file_counts_until_the_environment_and_then_a_flag_says_otherwise() {
    let settings = Settings::new("listen = ['127.0.0.1:0', 'unix:in-file']\n");
    // A server that cannot listen on its last address names it, and is no server.
    let refused = |command: &mut Command| {
        fs::write(settings.directory.path().join("taken"), "").unwrap();
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        stderr(&output)
    };
    fs::write(settings.directory.path().join("in-file"), "").unwrap();
    let said = refused(&mut settings.neap(&["echo"]));
    assert!(said.contains("cannot listen on unix:in-file"), "{said}");
    let mut command = settings.neap(&["echo"]);
    command.env("NEAP_LISTEN", "127.0.0.1:0,unix:taken");
    let said = refused(&mut command);
    assert!(said.contains("cannot listen on unix:taken"), "{said}");
    // A port that is typed outranks both lists.
    command.args(["-p", "0"]);
    assert!(told(&mut command, "/").0.ends_with("Hello, World!"));
}

#[test]
fn a_boolean_in_the_file_counts_until_the_environment_and_then_a_flag_says_otherwise() {
    let is_checked = |command: &mut Command| told(command, "/livez").0.starts_with("HTTP/1.1 200");
    let on = Settings::new("health = true\nport = 0\n");
    assert!(is_checked(&mut on.neap(&["echo"])));
    let mut command = on.neap(&["echo"]);
    command.env("NEAP_HEALTH", "no");
    assert!(!is_checked(&mut command));
    command.arg("--health");
    assert!(is_checked(&mut command));
    let off = Settings::new("health = false\nport = 0\n");
    assert!(!is_checked(&mut off.neap(&["echo"])));
    assert!(is_checked(&mut off.neap(&["echo", "--health"])));
}

#[test]
fn the_directory_is_a_setting_too_and_the_environment_may_name_the_file() {
    let settings = Settings::new("port = 0\n[serve]\ndirectory = 'public'\n");
    let public = settings.directory.path().join("public");
    fs::create_dir(&public).unwrap();
    fs::write(public.join("a"), "in public").unwrap();
    fs::write(settings.directory.path().join("a"), "outside").unwrap();
    let mut command = neap(&["serve"]);
    command.current_dir(settings.directory.path());
    command.env("NEAP_CONFIG", "neap.toml");
    let (response, said) = told(&mut command, "/a");
    assert!(response.ends_with("in public"));
    assert!(said.contains("neap: settings from neap.toml\n"), "{said}");
    command.arg(".");
    assert!(told(&mut command, "/a").0.ends_with("outside"));
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

//! The guides, followed to the letter by a newcomer: a crate outside of this workspace, its
//! dependencies added as they say, its program copied from them, drained by SIGTERM. It takes a
//! minute of compiling; `NEAP_SOAK` asks for it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use neap_tests::client::Client;
use rustix::process::{Pid, Signal, kill_process};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// The first block in `language` that comes behind `heading` in a guide.
fn block(guide: &str, heading: &str, language: &str) -> String {
    let text = fs::read_to_string(root().join("docs").join(guide)).unwrap();
    let (_, text) = text.split_once(heading).unwrap();
    let (_, text) = text.split_once(&format!("\n```{language}")).unwrap();
    let (_, text) = text.split_once('\n').unwrap();
    text.split_once("```\n").unwrap().0.to_owned()
}

/// A crate that is made by what the guide says behind `heading`.
struct Newcomer(tempfile::TempDir);

impl Newcomer {
    fn follows(guide: &str, heading: &str) -> Newcomer {
        let folder = tempfile::tempdir().unwrap();
        let newcomer = Newcomer(folder);
        newcomer.cargo("new hello");
        let path = newcomer.0.path().join("hello");
        // What was resolved here is what is known to be at hand.
        fs::copy(root().join("Cargo.lock"), path.join("Cargo.lock")).unwrap();
        let commands = block(guide, heading, "sh");
        for line in commands.lines() {
            if let Some(rest) = line.strip_prefix("cargo add neap-smol") {
                let ours = root().join("runtime-smol").display().to_string();
                newcomer.cargo(&format!("add neap-smol --path {ours}"));
                let (features, others) = match rest.strip_prefix(" --features ") {
                    Some(features) => (Some(features), ""),
                    None => (None, rest.trim()),
                };
                if let Some(features) = features {
                    newcomer.cargo(&format!("add neap-smol --features {features}"));
                }
                if !others.is_empty() {
                    newcomer.cargo(&format!("add {others}"));
                }
            } else if let Some(rest) = line.strip_prefix("cargo add ") {
                newcomer.cargo(&format!("add {rest}"));
            }
        }
        let program = block(guide, heading, "rust").replace("127.0.0.1:8080", "127.0.0.1:0");
        fs::write(path.join("src/main.rs"), program).unwrap();
        newcomer.cargo("build");
        newcomer
    }

    fn cargo(&self, arguments: &str) {
        let inside = self.0.path().join("hello");
        let folder = if inside.exists() {
            &inside
        } else {
            self.0.path()
        };
        let status = Command::new(env!("CARGO"))
            .args(arguments.split(' '))
            .arg("--quiet")
            .current_dir(folder)
            .env("CARGO_TARGET_DIR", root().join("target/guide"))
            .status()
            .unwrap();
        assert!(status.success(), "cargo {arguments}");
    }

    /// Runs it, asks it for `target`, drains it; gives what it answered and what it said.
    fn is_drained(&self, target: &str) -> (String, String) {
        let mut command = Command::new(root().join("target/guide/debug/hello"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim_end().rsplit_once("//").unwrap().1;
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let response = Client::connect(address.parse().unwrap()).ask(&request);
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let mut said = String::new();
        output.read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success(), "{said}");
        (String::from_utf8(response.content).unwrap(), said)
    }
}

#[test]
fn a_newcomer_gets_to_a_drained_server_by_the_guides_alone() {
    if std::env::var_os("NEAP_SOAK").is_none() {
        eprintln!("skipped: NEAP_SOAK is not set");
        return;
    }
    for (guide, heading, target, answer) in [
        ("embedding.md", "## A first server", "/", "Hello, World!\n"),
        ("embedding.md", "## axum", "/hello/you", "Hello, you!\n"),
        (
            "from-async-std.md",
            "## The server, inside async-std",
            "/",
            "Hello, World!\n",
        ),
    ] {
        let newcomer = Newcomer::follows(guide, heading);
        let (response, said) = newcomer.is_drained(target);
        assert_eq!(response, answer, "{heading}");
        assert!(
            said.contains("stopped by signal after "),
            "{heading}: {said}"
        );
        assert!(
            said.contains("(1 completed); none lost"),
            "{heading}: {said}"
        );
        println!("{heading}: {said}");
    }
}

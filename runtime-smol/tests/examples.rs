//! Every example that serves, as a process of its own: it answers, and SIGTERM drains it.

#![cfg(all(feature = "rustls", feature = "signal", feature = "tower"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests need more of it")]
mod common;
#[allow(dead_code, reason = "its `main` is not called")]
#[path = "../examples/pipe.rs"]
mod pipe;
#[allow(dead_code, reason = "its `main` is not called")]
#[path = "../examples/upload.rs"]
mod upload;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, OnceLock};

use futures_lite::future::block_on;
use http::{Method, Request, StatusCode};
use neap_smol::{Body, Outcome};
use rustix::process::{Pid, Signal, kill_process};

use common::{GET, Running, read_all};

/// Builds them all, once, and says where they are.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        // target/PROFILE/deps/TEST
        let profile = test.ancestors().nth(2).unwrap();
        // The features of this test, so that they are built already.
        let mut features = "rustls,tower".to_owned();
        for (name, is_on) in [
            ("json", cfg!(feature = "json")),
            ("metrics", cfg!(feature = "metrics")),
            ("tracing", cfg!(feature = "tracing")),
        ] {
            if is_on {
                features.push(',');
                features.push_str(name);
            }
        }
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--examples", "--features", &features]);
        cargo.arg("--target-dir").arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(
            cargo
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .status()
                .unwrap()
                .success()
        );
        profile.join("examples")
    })
}

/// An example that runs. Dropping it kills it.
struct Example {
    child: Child,
    output: BufReader<ChildStdout>,
    address: String,
}

impl Example {
    fn start(name: &str, arguments: &[&str]) -> Example {
        let mut command = Command::new(folder().join(name));
        command.arg("127.0.0.1:0").args(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim_end().rsplit_once("//").unwrap().1.to_owned();
        Example {
            child,
            output,
            address,
        }
    }

    /// What it answers to `request`, behind which the client's side ends.
    fn ask(&self, request: &str) -> String {
        let mut client = TcpStream::connect(&self.address).unwrap();
        client.write_all(request.as_bytes()).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        read_all(&mut client)
    }

    /// Drains it, and gives what it says then.
    fn drain(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let mut said = String::new();
        self.output.read_to_string(&mut said).unwrap();
        assert!(self.child.wait().unwrap().success(), "{said}");
        assert!(said.contains("stopped by signal after "), "{said}");
        assert!(said.contains("; none lost; 127.0.0.1:"), "{said}");
        said
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // Both fail where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn each_answers_and_is_drained_by_a_signal() {
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n42";
    let put = "PUT /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n42";
    let hello = "GET /hello/you HTTP/1.1\r\nHost: a\r\n\r\n";
    for (name, request, expected) in [
        ("async_std", GET, "You asked for /\n"),
        ("axum", hello, "Hello, you!\n"),
        ("database", post, "HTTP/1.1 201 Created\r\n"),
        ("sse", GET, "EventSource"),
        ("state", post, "\r\n\r\n42\n"),
        ("testing", post, "\r\n\r\n42"),
        ("upload", put, "\r\n\r\n2 bytes\n"),
        ("websocket", GET, "HTTP/1.1 426 Upgrade Required\r\n"),
    ] {
        let example = Example::start(name, &[]);
        let response = example.ask(request);
        assert!(response.contains(expected), "{name}: {response}");
        example.drain();
    }
}

#[test]
fn the_one_with_tls_counts_its_handshakes() {
    let example = Example::start("tls", &[]);
    // No client hello.
    example.ask(GET);
    assert!(
        example
            .drain()
            .contains("Handshakes { completed: 0, failed: 1 }")
    );
}

#[test]
fn the_database_has_every_entry_that_was_answered() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let example = Example::start("database", &[file.path().to_str().unwrap()]);
    for entry in ["one", "two", "six"] {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
        assert!(example.ask(&(head.to_owned() + entry)).contains(" 201 "));
    }
    let said = example.drain();
    assert_eq!(
        said.matches("stopped by ").count(),
        2,
        "both servers: {said}"
    );
    let entries = std::fs::read_to_string(file.path()).unwrap();
    assert_eq!(entries, "one\ntwo\nsix\n");
}

/// What is in `folder`.
fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
    entries.map(|it| name(it).into_string().unwrap()).collect()
}

#[test]
fn an_upload_is_there_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path: Arc<Path> = folder.path().into();
    let shared = Arc::clone(&path);
    let running = Running::start(move |server| {
        server
            .run(move |request| upload::app(Arc::clone(&shared), request))
            .unwrap()
    });
    let length = 3_000_000;
    let head = format!("PUT /whole HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    let response = running.exchange(&(head.clone() + &"x".repeat(length)));
    assert!(response.contains(" 201 "), "{response}");
    assert_eq!(
        std::fs::metadata(path.join("whole")).unwrap().len(),
        length as u64
    );
    let mut client = running.connect();
    client
        .write_all(head.replace("whole", "half").as_bytes())
        .unwrap();
    client.write_all(&vec![b'x'; length / 2]).unwrap();
    while files(&path).len() == 1 {
        std::thread::yield_now();
    }
    drop(client);
    let report = running.drain();
    assert_eq!(report.outcomes.get(Outcome::Vanished), 1, "{report}");
    assert_eq!(files(&path), ["whole"]);
}

#[test]
fn an_upload_goes_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    for target in ["/", "/../up", "/.hidden", "/a/b", "/a%2fb", "/%2e%2e"] {
        let request = Request::put(target).body(Body::from("content")).unwrap();
        let response = block_on(upload::app(folder.path().into(), request));
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{target}");
    }
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::GET;
    let response = block_on(upload::app(folder.path().into(), request));
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(files(folder.path()).is_empty());
}

#[test]
fn a_pipe_in_memory_is_served_and_drained() {
    let (response, report) = pipe::ask();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.ends_with("Hello from memory\n"), "{response}");
    assert_eq!(report.outcomes.total(), 1, "{report}");
    assert!(report.is_clean() && report.listeners[0].ended, "{report}");
}

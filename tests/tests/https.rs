//! HTTPS by the `neap` command, with curl as the client. Where it is not installed the tests say
//! `skipped`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use neap_tests::process::{PATIENCE, Program, Server};
use rustix::process::Signal;
use tempfile::TempDir;

/// A folder with a certificate and its key.
struct Files(TempDir);

impl Files {
    fn new() -> Files {
        let files = Files(tempfile::tempdir().unwrap());
        files.renew();
        files
    }

    /// Puts others in their place, of which clients know nothing yet.
    fn renew(&self) {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(self.path("cert.pem"), signed.cert.pem()).unwrap();
        fs::write(self.path("key.pem"), signed.signing_key.serialize_pem()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn options(&self) -> [String; 4] {
        let [certificate, key] = ["cert.pem", "key.pem"].map(|name| self.path(name));
        [
            "--tls-cert".to_owned(),
            certificate.display().to_string(),
            "--tls-key".to_owned(),
            key.display().to_string(),
        ]
    }

    fn start(&self, program: Program, options: &[&str]) -> Server {
        let tls = self.options();
        let tls = tls.iter().map(String::as_str);
        Server::start(
            program,
            &options.iter().copied().chain(tls).collect::<Vec<_>>(),
        )
    }

    /// A client that trusts the certificate that is there now.
    fn curl(&self, server: &Server, target: &str) -> Option<Child> {
        let port = server.address.port();
        let mut command = Command::new("curl");
        command
            .args(["-sSv", "--max-time", "20", "--cacert"])
            .arg(self.path("cert.pem"))
            .args(["--resolve", &format!("localhost:{port}:127.0.0.1")])
            .arg(format!("https://localhost:{port}{target}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let spawned = command.spawn();
        if spawned.is_err() {
            eprintln!("skipped: there is no curl");
        }
        spawned.ok()
    }

    fn get(&self, server: &Server, target: &str) -> Option<Output> {
        let child = self.curl(server, target)?;
        Some(child.wait_with_output().unwrap())
    }
}

#[test]
fn files_are_served_and_the_drain_ends_well() {
    let files = Files::new();
    let site = tempfile::tempdir().unwrap();
    fs::write(site.path().join("index.html"), "over TLS").unwrap();
    let mut server = files.start(Program::Serve, &[site.path().to_str().unwrap()]);
    let Some(output) = files.get(&server, "/") else {
        return;
    };
    assert_eq!(output.stdout, b"over TLS", "{output:?}");
    server.drain();
    let exit = server.exit();
    assert!(exit.status.success(), "{exit:?}");
}

#[test]
fn a_request_under_way_is_answered_in_the_drain() {
    let files = Files::new();
    let mut server = files.start(Program::Echo, &["--report", "json"]);
    let Some(mut client) = files.curl(&server, "/delay/1000") else {
        return;
    };
    let told = BufReader::new(client.stderr.take().unwrap());
    let mut told = told.lines().map(Result::unwrap);
    assert!(told.any(|line| line.starts_with("> GET")), "it has asked");
    server.drain();
    assert!(told.any(|line| line.to_lowercase().contains("connection: close")));
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let exit = server.exit();
    assert!(exit.status.success(), "{exit:?}");
}

#[test]
fn a_hangup_signal_loads_the_certificate_again() {
    let files = Files::new();
    let mut server = files.start(Program::Echo, &[]);
    let Some(output) = files.get(&server, "/") else {
        return;
    };
    assert!(output.status.success(), "{output:?}");
    files.renew();
    let output = files.get(&server, "/").unwrap();
    assert!(
        !output.status.success(),
        "it has not been told yet: {output:?}"
    );
    server.signal(Signal::HUP);
    let start = Instant::now();
    while !files.get(&server, "/").unwrap().status.success() {
        assert!(start.elapsed() < PATIENCE);
    }
    // One that is none changes nothing.
    fs::write(files.path("key.pem"), "nonsense").unwrap();
    server.signal(Signal::HUP);
    assert!(files.get(&server, "/").unwrap().status.success());
    server.drain();
    let exit = server.exit();
    assert!(exit.status.success(), "{exit:?}");
    assert!(
        exit.stderr
            .contains("the certificate has been loaded again"),
        "{exit:?}"
    );
}

#[test]
fn a_certificate_that_is_none_is_explained() {
    let files = Files::new();
    fs::write(files.path("cert.pem"), "nonsense").unwrap();
    let neap = |options: &[String]| {
        let mut command = Command::new(Program::Echo.path());
        command.arg("echo").args(options).output().unwrap()
    };
    for options in [&files.options()[..], &files.options()[..2]] {
        let output = neap(options);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let complaint = String::from_utf8(output.stderr).unwrap();
        let expected = ["cannot speak HTTPS: certificate", "--tls-key"];
        assert!(
            expected.iter().any(|it| complaint.contains(it)),
            "{complaint}"
        );
    }
}

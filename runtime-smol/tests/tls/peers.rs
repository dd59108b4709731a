//! Clients of other makes. Where one is not installed its test says `skipped`.

use std::io::Write;
use std::process::{Command, Stdio};

use neap_smol::Config;

use crate::client::Identity;
use crate::common::Running;
use crate::secure;

/// The program's output, if there is such a program; `input` is what it is told.
fn output(program: &str, arguments: &[&str], input: &str) -> Option<String> {
    let mut command = Command::new(program);
    let pipes = command.args(arguments).stdin(Stdio::piped());
    let spawned = pipes.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = spawned else {
        eprintln!("skipped: there is no {program}");
        return None;
    };
    // It stays open until the program has ended.
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    let [out, err] = [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into());
    let (out, err): (String, String) = (out, err);
    Some(out + &err)
}

fn with_file() -> (Identity, Running, tempfile::NamedTempFile) {
    let (identity, running) = secure(Config::default());
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(identity.certificate.as_bytes()).unwrap();
    (identity, running, file)
}

#[test]
fn curl_is_content() {
    let (_identity, running, certificate) = with_file();
    let port = running.address.port();
    let path = certificate.path().to_str().unwrap();
    let resolve = format!("localhost:{port}:127.0.0.1");
    let url = format!("https://localhost:{port}/echo");
    let trust = [
        "-sSv",
        "--max-time",
        "20",
        "--cacert",
        path,
        "--resolve",
        &resolve,
    ];
    let content = ["--data-binary", "some content", &url];
    let Some(told) = output("curl", &[&trust[..], &content].concat(), "") else {
        return;
    };
    assert!(told.contains("some content"), "{told}");
    assert!(told.contains("ALPN"), "{told}");
    assert!(told.contains("HTTP/1.1 200 OK"), "{told}");
    assert!(running.drain().is_clean());
}

/// It says `closed` when `close_notify` has come, and complains of an unexpected end otherwise.
#[test]
fn openssl_sees_the_end_announced() {
    let (_identity, running, certificate) = with_file();
    let path = certificate.path().to_str().unwrap();
    let address = running.address.to_string();
    let arguments = ["s_client", "-connect", &address, "-servername", "localhost"];
    let trust = [
        "-CAfile",
        path,
        "-verify_return_error",
        "-alpn",
        "http/1.1",
        "-ign_eof",
    ];
    let arguments = [&arguments[..], &trust].concat();
    let Some(told) = output("openssl", &arguments, "GET / HTTP/1.0\r\n\r\n") else {
        return;
    };
    assert!(told.contains("hello"), "{told}");
    assert!(told.contains("ALPN protocol: http/1.1"), "{told}");
    assert!(told.contains("Verify return code: 0 (ok)"), "{told}");
    assert!(told.contains("closed"), "{told}");
    assert!(!told.contains("unexpected eof"), "{told}");
    assert!(running.drain().is_clean());
}

//! A signal that comes when the addresses are bound and nobody serves them yet.

use std::io::{ErrorKind, PipeReader, Read, Write, pipe};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use neap_tests::process::{PATIENCE, Program};
use rustix::process::{Pid, Signal, kill_process};

/// A pipe that is full: whoever writes to it waits for a reader.
fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, mut writer) = pipe().expect("a pipe can be made");
    rustix::io::ioctl_fionbio(&writer, true).expect("a pipe can be told not to block");
    while writer.write(&[b'\n'; 4096]).is_ok_and(|count| count > 0) {}
    let more = writer.write(b"\n").expect_err("it is full");
    assert_eq!(more.kind(), ErrorKind::WouldBlock);
    rustix::io::ioctl_fionbio(&writer, false).expect("a pipe can be told to block");
    (reader, writer.into())
}

fn connect(path: &Path) -> UnixStream {
    let start = Instant::now();
    loop {
        match UnixStream::connect(path) {
            Ok(client) => return client,
            Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
        }
        thread::yield_now();
    }
}

/// The command says where it listens after it has bound its addresses and before it serves. As long
/// as nobody can hear that, it is in between.
#[test]
fn a_signal_before_it_serves_drains_what_has_come_already() {
    let name = format!("neap-before-running-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let (mut reader, stdout) = full_pipe();
    let mut command = Command::new(Program::Echo.path());
    let address = format!("unix:{}", path.display());
    command.args(["echo", "--listen", &address]);
    let mut server = command.stdout(stdout).spawn().expect("the server starts");
    drop(command);
    let mut client = connect(&path);
    client.set_read_timeout(Some(PATIENCE)).expect("so long");
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    client.write_all(request).expect("it waits in the queue");
    let signalled = kill_process(Pid::from_child(&server), Signal::TERM);
    // Now it may speak, and serve.
    let listener = thread::spawn(move || {
        let mut said = String::new();
        reader.read_to_string(&mut said).map(|_| said)
    });
    let mut response = String::new();
    let read = client.read_to_string(&mut response);
    let status = server.wait().expect("it is our child");
    assert!(signalled.is_ok() && read.is_ok(), "{read:?}");
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert!(response.contains("connection: close\r\n"), "{response}");
    assert!(status.success(), "{status}");
    assert!(!path.exists(), "its file is removed");
    let said = listener.join().expect("the listener hears it out");
    assert!(said.expect("it is text").contains(&address));
}

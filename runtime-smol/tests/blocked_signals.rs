//! Signals that come while the server's thread is blocked. They are the process's: there is one
//! test.

#![cfg(feature = "signal")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use neap_smol::{Cause, Config, Interrupt, Report, Server};
use rustix::process::{Signal, getpid, kill_process};

const PATIENCE: Duration = Duration::from_secs(10);

/// The report of a server that gets `signal` while a handler blocks its thread, and the end of
/// whose channel lets that handler go on.
fn signalled(config: Config, signal: Signal) -> (Report, Sender<()>) {
    let server = Server::bind("127.0.0.1:0").unwrap().config(config);
    let server = server.signals().unwrap().interrupt(Interrupt::Close);
    let mut client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    let (arrive, arrived) = channel();
    let (open, gate) = channel::<()>();
    let gate = std::sync::Arc::new(std::sync::Mutex::new(gate));
    let (send, report) = channel();
    thread::spawn(move || {
        let handler = move |_request| {
            arrive.send(()).unwrap();
            let _ = gate.lock().unwrap().recv();
            async { "late" }
        };
        send.send(server.run(handler).unwrap()).unwrap();
    });
    arrived.recv_timeout(PATIENCE).unwrap();
    kill_process(getpid(), signal).unwrap();
    (report.recv_timeout(PATIENCE).unwrap(), open)
}

#[test]
fn a_signal_counts_while_the_servers_thread_is_blocked() {
    let mut config = Config::default();
    config.drain.deadline = Duration::from_millis(100);
    let (report, _first) = signalled(config, Signal::TERM);
    assert_eq!(report.cause, Some(Cause::Signal));
    assert_eq!((report.forced, report.stuck), (Some(Cause::Deadline), 1));
    let (report, _second) = signalled(Config::default(), Signal::INT);
    assert_eq!((report.forced, report.stuck), (Some(Cause::Signal), 1));
}

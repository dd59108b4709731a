//! What the log says of those who hold the drain.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests need more of it")]
mod common;

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};

use futures_lite::future::pending;
use neap_smol::{Event, Server};

use common::Running;

/// A server that is held by a client's request; what the log says of that, every five seconds.
fn held(log_targets: bool) -> (Running, TcpStream, Receiver<String>) {
    let (sender, said) = channel();
    let (began, has_begun) = channel();
    let running = Running::start_with(
        |server: Server| {
            server.log_targets(log_targets).on_event(move |event| {
                if matches!(event, Event::Waiting { .. }) {
                    sender.send(event.to_string()).unwrap();
                }
            })
        },
        move |server| {
            let handler = move |_request| {
                began.send(()).unwrap();
                pending::<&'static str>()
            };
            server.run(handler).unwrap()
        },
    );
    let mut client = running.connect();
    let request = "GET /who?token=secret HTTP/1.1\r\nHost: test\r\n\r\n";
    client.write_all(request.as_bytes()).unwrap();
    has_begun.recv().unwrap();
    running.handle.drain();
    (running, client, said)
}

#[test]
fn who_holds_the_drain_is_said_and_the_target_only_if_it_may_be() {
    let silent = held(false);
    let open = held(true);
    let line = silent.2.recv_timeout(common::PATIENCE * 2).unwrap();
    assert!(
        line.starts_with("still draining, 1 held: 127.0.0.1:"),
        "{line}"
    );
    assert!(line.contains(" (busy, ") && !line.contains("who"), "{line}");
    let line = open.2.recv_timeout(common::PATIENCE * 2).unwrap();
    assert!(line.ends_with(" s, /who?token=secret)"), "{line}");
}

//! What the log says of those who hold the drain.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests need more of it")]
mod common;

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use futures_lite::future::pending;
use http::Request;
use neap_smol::{Body, Census, Config, Event, Server};

use common::{GET, PATIENCE, Running, read_until};

type Lines = Receiver<String>;

/// A server, and what its log says of those who hold the drain, every five seconds. It answers `/`
/// and nothing else.
fn start(log_targets: bool) -> (Running, Lines) {
    let (sender, said) = channel();
    let mut config = Config::default();
    config.drain.head_grace = Duration::from_secs(30);
    let running = Running::start_with(
        |server: Server| {
            let server = server.config(config).log_targets(log_targets);
            server.on_event(move |event| {
                if matches!(event, Event::Waiting { .. }) {
                    sender.send(event.to_string()).unwrap();
                }
            })
        },
        |server| {
            let handler = |request: Request<Body>| async move {
                match request.uri().path() {
                    "/" => "at once",
                    _ => pending().await,
                }
            };
            server.run(handler).unwrap()
        },
    );
    (running, said)
}

/// Begins the drain once a connection is in the state to hold it.
fn drain(running: &Running, is_held: impl Fn(&Census) -> bool) {
    while !is_held(&running.handle.census()) {
        std::thread::yield_now();
    }
    running.handle.drain();
}

fn held_by_a_request(log_targets: bool) -> (Running, TcpStream, Lines) {
    let (running, said) = start(log_targets);
    let mut client = running.connect();
    let request = "GET /who?token=secret HTTP/1.1\r\nHost: test\r\n\r\n";
    client.write_all(request.as_bytes()).unwrap();
    drain(&running, |census| census.busy == 1);
    (running, client, said)
}

/// Behind a whole request, part of another one.
fn held_by_half_a_head() -> (Running, TcpStream, Lines) {
    let (running, said) = start(true);
    let mut client = running.connect();
    client.write_all(GET.as_bytes()).unwrap();
    read_until(&mut client, "at once");
    client.write_all(&GET.as_bytes()[..5]).unwrap();
    drain(&running, |census| census.head == 1);
    (running, client, said)
}

fn line((_, _, said): &(Running, TcpStream, Lines)) -> String {
    said.recv_timeout(PATIENCE * 2).unwrap()
}

#[test]
fn who_holds_the_drain_is_said_and_the_target_only_if_it_may_be() {
    let (silent, open) = (held_by_a_request(false), held_by_a_request(true));
    let head = held_by_half_a_head();
    let said = line(&silent);
    assert!(
        said.starts_with("still draining, 1 held: 127.0.0.1:"),
        "{said}"
    );
    assert!(said.contains(" (busy, ") && said.ends_with(" s)"), "{said}");
    let said = line(&open);
    assert!(said.ends_with(" s, /who?token=secret)"), "{said}");
    let said = line(&head);
    let is_bare = said.contains(" (head, ") && said.ends_with(" s)");
    assert!(is_bare, "the target of the request before it: {said}");
}

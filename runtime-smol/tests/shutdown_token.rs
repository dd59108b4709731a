//! What a handler can know of the shutdown, from its own request.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests need more of it")]
mod common;

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use futures_lite::future::{block_on, pending};
use http::Request;
use neap_smol::{Body, Config, ConnectionInfo, Progress, Server, Shutdown};

use common::{GET, Running, read_all};

fn draining_within(deadline: Duration, lame_duck: Duration) -> Config {
    let mut config = Config::default();
    config.drain.deadline = deadline;
    config.drain.lame_duck = lame_duck;
    config
}

/// A server whose handlers give their tokens away, and then wait for ever; the client of one, and
/// its token.
fn start(config: Config) -> (Running, TcpStream, Shutdown) {
    let (sender, receiver) = channel();
    let running = Running::start_with(
        |server| server.config(config),
        |server: Server| {
            let handler = move |request: Request<Body>| {
                let shutdown = request.extensions().get::<Shutdown>();
                sender.send(shutdown.unwrap().clone()).unwrap();
                async { pending::<&'static str>().await }
            };
            server.run(handler).unwrap()
        },
    );
    let mut stream = running.connect();
    stream.write_all(GET.as_bytes()).unwrap();
    let shutdown = receiver.recv().unwrap();
    (running, stream, shutdown)
}

#[test]
fn a_handler_knows_when_it_will_be_dropped_from_the_drains_first_moment_on() {
    const DEADLINE: Duration = Duration::from_secs(3_000);
    let (running, _client, shutdown) = start(draining_within(DEADLINE, Duration::from_secs(1_000)));
    assert_eq!((shutdown.is_draining(), shutdown.deadline()), (false, None));
    let before = Instant::now();
    running.handle.drain();
    block_on(running.handle.reached(Progress::LameDuck));
    let deadline = shutdown.deadline().unwrap();
    assert!(shutdown.is_draining());
    assert!(deadline >= before + DEADLINE, "it counts from the trigger");
    assert!(deadline <= Instant::now() + DEADLINE);
    running.handle.close_now();
    let report = running.drain();
    assert_eq!(report.lost, 1);
    assert!(shutdown.deadline().unwrap() <= Instant::now());
}

#[test]
fn a_drain_that_is_called_off_has_no_deadline_any_more() {
    let (running, _client, shutdown) = start(draining_within(
        Duration::from_secs(3_000),
        Duration::from_secs(1_000),
    ));
    running.handle.drain();
    block_on(running.handle.reached(Progress::LameDuck));
    assert!(shutdown.deadline().is_some());
    running.handle.cancel_drain();
    while shutdown.is_draining() {
        std::thread::yield_now();
    }
    assert_eq!(shutdown.deadline(), None);
    running.handle.close_now();
}

#[test]
fn without_a_deadline_there_is_none_to_know() {
    let (running, _client, shutdown) =
        start(draining_within(Duration::MAX, Duration::from_secs(1_000)));
    running.handle.drain();
    block_on(running.handle.reached(Progress::LameDuck));
    assert_eq!(shutdown.deadline(), None);
    running.handle.close_now();
}

#[test]
fn the_token_of_the_request_and_of_its_connection_are_the_same() {
    let running = Running::start(|server| {
        let handler = |request: Request<Body>| {
            let extensions = request.extensions();
            let own = extensions.get::<Shutdown>().unwrap().clone();
            let connections = extensions.get::<ConnectionInfo>().unwrap().shutdown();
            async move {
                own.stop_asked().await;
                connections.stop_asked().await;
                format!("{:?}", own.deadline() == connections.deadline())
            }
        };
        server.run(handler).unwrap()
    });
    let mut stream = running.connect();
    stream.write_all(GET.as_bytes()).unwrap();
    assert!(running.drain().is_clean());
    assert!(read_all(&mut stream).ends_with("true"));
}

//! What a handler can know of the server, and others of its handlers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests need more of it")]
mod common;

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_lite::future::{block_on, pending, poll_once};
use http::Request;
use neap_smol::{Body, Config, Progress, Server, Shutdown};

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
                sender.send(Shutdown::of(&request).unwrap()).unwrap();
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
            let own = Shutdown::of(&request).unwrap();
            let connections = request.body().connection().unwrap().shutdown();
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

#[test]
fn a_handler_that_blocks_its_thread_stops_the_heartbeat() {
    let (began, has_begun) = channel();
    let (let_go, held) = channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let running = Running::start(|server| {
        let handler = move |_request: Request<Body>| {
            began.send(()).unwrap();
            let _ = held.lock().unwrap().recv();
            async { "at last" }
        };
        server.run(handler).unwrap()
    });
    block_on(running.handle.heartbeat());
    let mut stream = running.connect();
    stream.write_all(GET.as_bytes()).unwrap();
    has_begun.recv().unwrap();
    let mut heartbeat = Box::pin(running.handle.heartbeat());
    for _ in 0..10 {
        assert!(block_on(poll_once(&mut heartbeat)).is_none());
    }
    let_go.send(()).unwrap();
    block_on(heartbeat);
    assert!(running.drain().is_clean());
}

#[test]
fn a_server_that_is_done_gives_a_sign_of_life_all_the_same() {
    let server = Server::new();
    let handle = server.handle();
    assert!(block_on(poll_once(handle.heartbeat())).is_none());
    drop(server);
    block_on(handle.heartbeat());
}

//! A server that keeps accepting while it drains: nobody is refused as long as somebody is served.

use std::time::Duration;

use neap_tests::client::{Client, End};
use neap_tests::process::{Program, Server};
use rustix::process::Signal;

const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const FOREVER: &str = "GET /delay/600000 HTTP/1.1\r\nHost: a\r\n\r\n";

/// A client whose exchange holds the drain until it says so.
fn holder(server: &Server) -> Client {
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
    let mut client = Client::with(server.address, head.to_owned() + "a");
    client.await_ending(b"\r\n\r\na");
    client
}

fn release(mut holder: Client) {
    holder.send("b");
    assert_eq!(holder.response().content, b"ab");
}

/// With nothing lost, and before the log has had to say who still holds it.
fn exits_soon(server: Server) {
    let exit = server.exit();
    assert!(exit.status.success(), "{exit:?}");
    assert!(!exit.stderr.contains("still draining"), "{exit:?}");
}

/// Waits until the drain has begun: until a response says that it is the last.
fn await_drain(server: &Server) {
    while !Client::connect(server.address).ask(HELLO).says_close() {}
}

#[test]
fn clients_that_connect_during_the_drain_are_served_until_it_is_quiet() {
    let mut server = Server::start(Program::Echo, &["--keep-accepting"]);
    let holder = holder(&server);
    server.drain();
    await_drain(&server);
    for _ in 0..50 {
        let mut client = Client::connect(server.address);
        let response = client.ask(HELLO);
        assert_eq!((response.status, response.says_close()), (200, true));
        assert_eq!(client.end(), End::Eof);
    }
    release(holder);
    assert!(server.exit().status.success());
}

#[test]
fn one_client_after_another_holds_the_door_open_for_the_next() {
    let mut server = Server::start(Program::Echo, &["--keep-accepting"]);
    let mut last = holder(&server);
    server.drain();
    await_drain(&server);
    for _ in 0..20 {
        let next = holder(&server);
        release(std::mem::replace(&mut last, next));
    }
    release(last);
    assert!(server.exit().status.success());
}

#[test]
fn an_idle_client_does_not_keep_it_open() {
    let mut server = Server::start(Program::Echo, &["--keep-accepting"]);
    let mut idle = Client::connect(server.address);
    assert!(!idle.ask(HELLO).says_close());
    server.drain();
    assert_eq!(idle.end(), End::Eof);
    exits_soon(server);
}

/// Nothing else wakes it: not even a connection's timer.
#[test]
fn a_server_without_connections_exits_at_once() {
    let mut server = Server::start(Program::Echo, &["--keep-accepting"]);
    server.drain();
    exits_soon(server);
}

#[test]
fn idle_clients_that_leave_no_room_do_not_keep_it_open() {
    let options = ["--keep-accepting", "--max-connections", "1"];
    let mut server = Server::start(Program::Echo, &options);
    let mut idle = Client::connect(server.address);
    idle.ask(HELLO);
    let mut waiting = Client::with(server.address, HELLO);
    server.drain();
    assert_eq!(waiting.response().status, 200);
    assert_eq!(idle.end(), End::Eof);
    exits_soon(server);
}

#[test]
fn the_deadline_bounds_it() {
    let options = ["--keep-accepting", "--deadline", "1s"];
    let mut server = Server::start(Program::Echo, &options);
    let mut holder = Client::with(server.address, FOREVER);
    server.drain();
    assert_eq!(holder.response().status, 503);
    let exit = server.exit();
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
    assert!(exit.stderr.contains("forced by deadline"), "{exit:?}");
}

#[test]
fn a_second_signal_closes_the_door() {
    let server = Server::start(Program::Echo, &["--keep-accepting"]);
    let holder = holder(&server);
    server.signal(Signal::TERM);
    await_drain(&server);
    // A duplicate within the debounce time is ignored, so that it takes some; but one that comes as
    // long after the seal would end it.
    let mut refused = false;
    while !refused {
        server.signal(Signal::TERM);
        let pause = Duration::from_millis(20);
        assert!(!server.has_exited_within(pause), "the exchange goes on");
        refused = Client::try_connect(server.address).is_err();
    }
    release(holder);
    assert!(server.exit().status.success());
}

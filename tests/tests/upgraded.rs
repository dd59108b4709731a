//! Connections that have left HTTP, on the real binary. Elsewhere a drain did not see them, so that
//! the process ended under their feet (axum#3003), or closed them too early (caddy#6420).

use std::time::Duration;

use neap_tests::client::{Client, End};
use neap_tests::process::{Program, Server};

const UPGRADE: &str =
    "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
/// Takes longer than anything here.
const FOREVER: &str = "GET /delay/600000 HTTP/1.1\r\nHost: a\r\n\r\n";

fn start(deadline: &str) -> Server {
    let options = ["--deadline", deadline, "--report", "json", "--log", "off"];
    Server::start(Program::Echo, &options)
}

/// A client that speaks the other protocol, with some of it right behind its request.
fn upgraded(server: &Server) -> Client {
    let mut client = Client::with(server.address, UPGRADE.to_owned() + "early");
    client.await_ending(b"\r\n\r\nearly");
    client
}

/// The server says goodbye, and ends its side in good order.
fn ends_well(mut client: Client) {
    let (rest, end) = client.rest();
    let rest = String::from_utf8_lossy(&rest);
    assert!(
        rest.ends_with("goodbye\n") && end == End::Eof,
        "{rest} {end:?}"
    );
}

/// axum#3003.
#[test]
fn an_upgraded_connection_is_told_of_the_drain_and_says_goodbye() {
    let mut server = start("30s");
    let mut client = upgraded(&server);
    server.drain();
    client.await_ending(b"goodbye\n");
    // Nobody reads that, and it does not turn the end into a reset.
    client.try_send("late");
    ends_well(client);
    let exit = server.exit();
    assert!(exit.status.success(), "{exit:?}");
    assert!(exit.stderr.contains(r#""forced":null,"#), "{exit:?}");
    assert!(exit.stderr.contains(r#""upgraded":1,"#));
}

/// caddy#6420: in lame duck nobody has to go yet, and who comes is served, upgrades included.
#[test]
fn an_upgraded_connection_goes_on_until_its_owner_is_asked_to_end() {
    let options = ["--lame-duck", "2s", "--deadline", "30s", "--log", "off"];
    let mut server = Server::start(Program::Echo, &options);
    let mut client = upgraded(&server);
    server.drain();
    let late = upgraded(&server);
    for text in ["still", "here"] {
        client.send(text);
        client.await_ending(text.as_bytes());
    }
    ends_well(client);
    ends_well(late);
    assert!(server.exit().status.success());
}

/// Its own drain is over; what holds the server is somebody else's request.
#[test]
fn an_upgraded_connection_does_not_wait_for_the_others() {
    let mut server = start("2s");
    let client = upgraded(&server);
    let mut other = Client::with(server.address, FOREVER);
    server.drain();
    ends_well(client);
    assert_eq!(other.response().status, 503);
    assert_eq!(server.exit().status.code(), Some(1));
}

/// Upgraded connections whose clients vanish hold nothing up, whichever way they go.
#[test]
fn an_upgraded_client_that_vanishes_is_not_waited_for() {
    for resets in [false, true] {
        let mut server = start("30s");
        let client = upgraded(&server);
        if resets {
            client.reset();
        } else {
            client.vanish();
        }
        server.drain();
        let exit = server.exit();
        assert!(exit.took < Duration::from_secs(10), "{exit:?}");
        assert!(exit.status.success(), "{exit:?}");
    }
}

#[test]
fn without_the_wish_the_target_says_what_it_needs() {
    let server = start("30s");
    let plain = "GET /upgrade HTTP/1.1\r\nHost: a\r\n\r\n";
    for request in [plain, &UPGRADE.replace("echo", "else")] {
        let mut client = Client::connect(server.address);
        let response = client.ask(request);
        assert_eq!(response.status, 426);
        assert_eq!(response.field("upgrade"), Some("echo"));
    }
}

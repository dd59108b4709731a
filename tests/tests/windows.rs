//! The windows of a drain, seen from outside: what a client may still do, and for how long.

use neap_tests::client::{Client, End};
use neap_tests::process::{Program, Server};
use rustix::process::Signal;

const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HALF: usize = 20;

fn start(options: &[&str]) -> Server {
    let no_deadline = ["--deadline", "600s"];
    Server::start(Program::Echo, &[&no_deadline, options].concat())
}

/// Tells the server to stop, and waits until it takes nobody any more.
fn drain(server: &Server) {
    server.signal(Signal::TERM);
    while let Ok(client) = Client::try_connect(server.address) {
        client.vanish();
    }
}

fn exits_well(server: Server) {
    let exit = server.exit();
    assert!(exit.status.success(), "{exit:?}");
}

#[test]
fn a_head_that_is_not_completed_in_time_gets_408() {
    let server = start(&["--head-grace", "100ms"]);
    let mut client = Client::with(server.address, &HELLO[..HALF]);
    // Accepted after it, and answered: it has been read.
    assert_eq!(Client::connect(server.address).ask(HELLO).status, 200);
    server.signal(Signal::TERM);
    let response = client.response();
    assert!(
        response.status == 408 && response.says_close(),
        "{response:?}"
    );
    assert_eq!(client.end(), End::Eof);
    exits_well(server);
}

#[test]
fn a_head_that_is_completed_in_time_is_answered() {
    let server = start(&["--head-grace", "600s"]);
    let mut client = Client::with(server.address, &HELLO[..HALF]);
    assert_eq!(Client::connect(server.address).ask(HELLO).status, 200);
    drain(&server);
    let response = client.ask(&HELLO[HALF..]);
    assert!(
        response.status == 200 && response.says_close(),
        "{response:?}"
    );
    exits_well(server);
}

#[test]
fn whoever_says_nothing_is_waited_for_as_long_as_his_first_byte_may_take() {
    let server = start(&["--first-byte-grace", "600s"]);
    let mut client = Client::connect(server.address);
    drain(&server);
    let response = client.ask(HELLO);
    assert!(
        response.status == 200 && response.says_close(),
        "{response:?}"
    );
    exits_well(server);
}

#[test]
fn an_idle_connection_has_its_last_call() {
    let server = start(&["--quiet", "600s"]);
    let mut client = Client::connect(server.address);
    assert!(!client.ask(HELLO).says_close());
    drain(&server);
    let response = client.ask(HELLO);
    assert!(
        response.status == 200 && response.says_close(),
        "{response:?}"
    );
    assert_eq!(client.end(), End::Eof);
    exits_well(server);
}

#[test]
fn an_upload_goes_on_and_is_still_asked_for() {
    let server = start(&["--quiet", "600s"]);
    let mut client = Client::connect(server.address);
    client.ask(HELLO);
    drain(&server);
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\n\
                Expect: 100-continue\r\nContent-Length: 6\r\n\r\n";
    client.send(head);
    client.await_ending(b"HTTP/1.1 100 Continue\r\n\r\n");
    for piece in ["ab", "cd", "ef"] {
        client.send(piece);
    }
    let response = client.response();
    assert_eq!(response.interim, [100]);
    assert_eq!(response.content, b"abcdef");
    assert!(response.says_close(), "{response:?}");
    exits_well(server);
}

/// A response whose client is still sending would be destroyed by the reset that follows from a
/// close with unread input.
#[test]
fn whoever_still_sends_gets_the_last_response_whole() {
    const LEN: usize = 512 * 1024;
    let server = start(&["--quiet", "600s"]);
    let mut clients: Vec<Client> = (0..20).map(|_| Client::connect(server.address)).collect();
    for client in &mut clients {
        client.ask(HELLO);
    }
    drain(&server);
    for mut client in clients {
        client.send(format!(
            "POST /status/403 HTTP/1.1\r\nHost: a\r\nContent-Length: {LEN}\r\n\r\n"
        ));
        client.try_send(vec![b'x'; LEN]);
        let response = client.response();
        assert!(
            response.status == 403 && response.says_close(),
            "{response:?}"
        );
    }
    exits_well(server);
}

#[test]
fn whoever_has_ended_his_side_gets_his_answer_and_holds_nothing_for_longer() {
    let server = start(&["--half-close-grace", "3s"]);
    let mut answered = Client::with(server.address, "GET /delay/200 HTTP/1.1\r\nHost: a\r\n\r\n");
    answered.finish();
    let mut given_up = Client::with(
        server.address,
        "GET /delay/600000 HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    given_up.finish();
    drain(&server);
    assert_eq!(answered.response().status, 200);
    assert_eq!(answered.end(), End::Eof);
    // The client that is given up has vanished, as far as the server can see: nothing was lost.
    exits_well(server);
    let (rest, _) = given_up.rest();
    assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
}

//! Handlers that block the server's thread, on the real binary. They used to put off the deadline,
//! and every signal with it, for as long as they liked.

use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::Duration;

use neap_tests::client::{Client, End};
use neap_tests::process::{PATIENCE, Program, Server};
use rustix::process::Signal;

/// Blocks the server's thread for longer than any test has patience.
const BLOCK: &str = "GET /block/60000 HTTP/1.1\r\nHost: a\r\n\r\n";

fn start(deadline: &str) -> (Server, Client) {
    let options = ["--deadline", deadline, "--report", "json", "--log", "off"];
    let server = Server::start(Program::Echo, &options);
    let client = Client::with(server.address, BLOCK);
    (server, client)
}

#[test]
fn a_handler_that_blocks_its_thread_cannot_put_off_the_deadline() {
    let (mut server, mut client) = start("1s");
    server.drain();
    let exit = server.exit();
    assert!(exit.took < PATIENCE, "{exit:?}");
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
    for part in [
        r#""stuck":1,"#,
        r#""cause":"signal","#,
        r#""forced":"deadline","#,
        r#""clean":false,"#,
        r#""phase":"done","#,
        r#""dispatched":1,"#,
    ] {
        assert!(exit.stderr.contains(part), "{part} {exit:?}");
    }
    assert_eq!(client.end(), End::Reset);
}

#[test]
fn a_second_signal_ends_a_server_whose_thread_is_blocked() {
    let (server, mut client) = start("10m");
    server.signal(Signal::TERM);
    // Within the debounce time it would be taken for a duplicate.
    assert!(!server.has_exited_within(Duration::from_secs(2)));
    server.signal(Signal::TERM);
    let exit = server.exit();
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
    assert!(exit.stderr.contains(r#""forced":"signal","#), "{exit:?}");
    assert!(exit.stderr.contains(r#""stuck":1,"#), "{exit:?}");
    assert_eq!(client.end(), End::Reset);
}

#[test]
fn signals_that_go_on_coming_end_the_process_although_its_thread_is_blocked() {
    let (server, _client) = start("10m");
    while !server.has_exited_within(Duration::from_millis(50)) {
        server.signal(Signal::TERM);
    }
    let exit = server.exit();
    assert_eq!(
        exit.status.signal(),
        Some(Signal::TERM.as_raw()),
        "{exit:?}"
    );
}

/// The whole process stood still until long after its deadline: it is late, and not blocked.
#[test]
fn a_server_that_stood_still_beyond_its_deadline_still_answers_who_waits() {
    let options = ["--deadline", "500ms", "--report", "json", "--log", "off"];
    let mut server = Server::start(Program::Echo, &options);
    let mut client = Client::with(server.address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.response();
    client.send("GET /delay/600000 HTTP/1.1\r\nHost: a\r\n\r\n");
    server.drain();
    server.freeze();
    thread::sleep(Duration::from_secs(3));
    server.thaw();
    let exit = server.exit();
    assert!(exit.stderr.contains(r#""stuck":0,"#), "{exit:?}");
    assert_eq!(client.response().status, 503);
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
}

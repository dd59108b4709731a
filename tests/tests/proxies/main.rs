//! Ambiguous messages, to neap alone and through HAProxy and nginx in front of it: never does a
//! proxy see one message where neap sees two, or two where neap sees one.
//!
//! Each proxy marks every message that it forwards with a field that a client cannot guess, and
//! every response that it hands back with the same. A request without a mark is one that the proxy
//! did not see; a response with another request's mark answers the wrong client.
//!
//! Where a proxy is not installed its tests are skipped, but not in CI.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod check;
mod proxy;
mod relay;
mod upstream;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use neap_tests::fuzzing::{Driver, messages, statuses, verdict};

use check::Ledger;
use proxy::Proxy;
use relay::Relay;
use upstream::Neap;

/// How long a test waits before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// An honest request, which must always be answered.
const PROBE: &[u8] = b"GET /probe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[test]
fn neap_does_with_each_ambiguous_message_what_the_table_says() {
    let mut wrong = String::new();
    for message in messages() {
        let at_once = verdict(&Driver::echo().run([&*message.bytes]));
        let bytewise = verdict(&Driver::echo().run(message.bytes.chunks(1)));
        assert_eq!(at_once, bytewise, "{}, cut at every byte", message.name);
        if at_once != message.verdict {
            wrong += &format!("[{}]\n= {at_once}\n", message.name);
        }
    }
    assert!(wrong.is_empty(), "the table should say:\n\n{wrong}");
}

#[test]
fn over_a_socket_ambiguous_messages_are_answered_as_in_memory() {
    let neap = Neap::start();
    for message in messages() {
        let expected = statuses(&Driver::echo().run([&*message.bytes]));
        let answer = exchange(neap.address, &message.bytes);
        let lines = answer.split(|byte| *byte == b'\n');
        let lines = lines.filter_map(|line| line.strip_prefix(b"HTTP/1.1 "));
        let codes = lines.map(|line| String::from_utf8_lossy(&line[..3]).parse().unwrap());
        assert_eq!(codes.collect::<Vec<u16>>(), expected, "{}", message.name);
    }
}

#[test]
fn haproxy_and_neap_see_the_same_messages() {
    same_messages(Proxy::haproxy(""));
}

#[test]
fn haproxy_and_neap_see_the_same_messages_if_it_takes_invalid_ones() {
    same_messages(Proxy::haproxy("option accept-invalid-http-request"));
}

#[test]
fn nginx_and_neap_see_the_same_messages() {
    same_messages(Proxy::nginx(
        "proxy_http_version 1.1; proxy_set_header Connection '';",
    ));
}

#[test]
fn nginx_and_neap_see_the_same_messages_if_it_streams_and_takes_invalid_fields() {
    same_messages(Proxy::nginx(
        "proxy_http_version 1.1; proxy_set_header Connection '';
         proxy_request_buffering off; proxy_buffering off;
         ignore_invalid_headers off; underscores_in_headers on;",
    ));
}

#[test]
fn nginx_and_neap_see_the_same_messages_if_it_speaks_http_1_0() {
    same_messages(Proxy::nginx("proxy_http_version 1.0;"));
}

/// Sends every message through the proxy, an honest one behind each, and compares what the proxy
/// forwarded with what neap saw and what the clients got.
fn same_messages(proxy: Option<Proxy>) {
    let Some(mut proxy) = proxy else {
        return;
    };
    let neap = Neap::start();
    let relay = Relay::start(neap.address);
    proxy.start(relay.address);
    let mut ledger = Ledger::new(proxy.secret());
    for message in messages() {
        let answer = exchange(proxy.address(), &message.bytes);
        ledger.answered(message.name, &answer);
        let answer = exchange(proxy.address(), PROBE);
        ledger.probed(message.name, &answer);
        for forwarded in relay.finish() {
            ledger.forwarded(message.name, &forwarded);
        }
    }
    ledger.close(neap.seen());
}

/// Sends `bytes`, ends the client's side, and reads all that comes.
fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Who refuses a message may close before all of it is sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return answer,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return answer,
            Err(error) => panic!("{error} behind {}", answer.escape_ascii()),
        }
    }
}

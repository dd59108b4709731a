//! How connections end: announced by `close_notify`, unless they must look cut.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use neap_smol::Config;

use crate::client::rest;
use crate::common::read_until;
use crate::secure;

fn ask(request: &str, config: Config) -> (String, bool) {
    let (identity, running) = secure(config);
    let mut client = identity.connect(running.connect());
    client.write_all(request.as_bytes()).unwrap();
    rest(&mut client)
}

#[test]
fn an_end_in_good_order_is_announced() {
    let short = |set: fn(&mut Config)| {
        let mut config = Config::default();
        set(&mut config);
        config
    };
    let plain = Config::default();
    let cases = [
        ("GET / HTTP/1.0\r\n\r\n", "hello", plain),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "hello",
            plain,
        ),
        ("nonsense\r\n\r\n", "HTTP/1.1 400 ", plain),
        (
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "hello",
            short(|config| config.timeouts.idle = Duration::from_millis(50)),
        ),
        (
            "GET / HT",
            "HTTP/1.1 408 ",
            short(|config| config.timeouts.head = Duration::from_millis(300)),
        ),
    ];
    for (request, expected, config) in cases {
        let (response, is_announced) = ask(request, config);
        assert!(response.contains(expected), "{request:?}: {response}");
        assert!(is_announced, "{request:?}: {response}");
    }
}

/// A client of HTTP/1.0 could not tell otherwise.
#[test]
fn a_response_that_is_cut_is_not_announced_to_be_whole() {
    let (identity, running) = secure(Config::default());
    let mut client = identity.connect(running.connect());
    client.write_all(b"GET /fail HTTP/1.0\r\n\r\n").unwrap();
    let end = client.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(end.kind(), ErrorKind::ConnectionReset, "{end}");
}

#[test]
fn another_protocol_ends_in_good_order_too() {
    let (identity, running) = secure(Config::default());
    let mut client = identity.connect(running.connect());
    let wish = "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    client
        .write_all((wish.to_owned() + "early").as_bytes())
        .unwrap();
    read_until(&mut client, "\r\n\r\nearly");
    client.conn.send_close_notify();
    client.flush().unwrap();
    assert_eq!(rest(&mut client), ("goodbye".into(), true));
    assert!(running.drain().is_clean());
}

/// Many clients end like this, and no request can be taken for a whole one by it.
#[test]
fn a_client_that_ends_without_a_word_is_like_one_without_tls() {
    let (identity, running) = secure(Config::default());
    let mut client = identity.connect(running.connect());
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    read_until(&mut client, "hello");
    client.sock.shutdown(std::net::Shutdown::Write).unwrap();
    let _ = rest(&mut client);
    let report = running.drain();
    assert_eq!(
        report.outcomes.get(neap_smol::Outcome::Completed),
        1,
        "{report}"
    );
}

#[test]
fn much_goes_both_ways_whole() {
    let (identity, running) = secure(Config::default());
    let mut client = identity.connect(running.connect());
    let much = "0123456789".repeat(500_000);
    let head = format!(
        "POST /echo HTTP/1.0\r\nContent-Length: {}\r\n\r\n",
        much.len()
    );
    client.write_all(head.as_bytes()).unwrap();
    client.write_all(much.as_bytes()).unwrap();
    let (response, is_announced) = rest(&mut client);
    assert!(
        response.ends_with(&much) && is_announced,
        "{}",
        response.len()
    );
    let mut client = identity.connect(running.connect());
    client.write_all(b"GET /much HTTP/1.0\r\n\r\n").unwrap();
    let (response, is_announced) = rest(&mut client);
    assert!(
        response.len() > 20_000_000 && is_announced,
        "{}",
        response.len()
    );
    assert!(running.drain().is_clean());
}

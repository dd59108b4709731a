//! Handshakes: limited, counted, agreed upon or not.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use neap_smol::{Census, Config, Handle, Outcome, Tls};

use crate::client::{Identity, Stream, connect, rest};
use crate::common::{GET, PATIENCE, Running, read_until};
use crate::{secure, start, start_with};

/// Waits until `holds` of the census.
pub(crate) fn wait_for(handle: &Handle, holds: impl Fn(Census) -> bool) {
    let start = Instant::now();
    while !holds(handle.census()) {
        assert!(start.elapsed() < PATIENCE, "{:?}", handle.census());
        thread::yield_now();
    }
}

/// Sends the first bytes of a `ClientHello`; gives the rest of it.
pub(crate) fn begin(client: &mut Stream) -> Vec<u8> {
    let mut hello = Vec::new();
    client.conn.write_tls(&mut hello).unwrap();
    let rest = hello.split_off(10);
    client.sock.write_all(&hello).unwrap();
    rest
}

fn get(client: &mut Stream) {
    client.write_all(GET.as_bytes()).unwrap();
    read_until(client, "hello");
}

#[test]
fn both_versions_of_tls_are_spoken() {
    let (identity, running) = secure(Config::default());
    for is_old in [false, true] {
        get(&mut connect(identity.trusting(is_old), running.connect()));
    }
    assert!(running.drain().is_clean());
}

#[test]
fn http_1_1_is_agreed_on_and_nothing_else() {
    let (identity, running) = secure(Config::default());
    let offer = |protocols: &[&str]| {
        let mut config = identity.trusting(false);
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        connect(config, running.connect())
    };
    let mut client = offer(&["h2", "http/1.1"]);
    get(&mut client);
    assert_eq!(client.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    let refused = offer(&["h2"]).write_all(GET.as_bytes()).unwrap_err();
    assert!(
        refused.to_string().contains("NoApplicationProtocol"),
        "{refused}"
    );
}

#[test]
fn a_client_without_tls_is_refused_and_told_of() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let tls = Identity::new("localhost").tls();
    let running = start_with(Some(&tls), |server| {
        server.on_event(move |event| tell.lock().unwrap().push(event.to_string()))
    });
    let mut client = running.connect();
    client.write_all(GET.as_bytes()).unwrap();
    let mut alert = Vec::new();
    let _ = client.read_to_end(&mut alert);
    assert!(alert.is_empty() || alert.starts_with(&[21, 3]), "{alert:?}");
    drop(running);
    let handshakes = tls.handshakes();
    assert_eq!((handshakes.completed, handshakes.failed), (0, 1));
    let told = told.lock().unwrap();
    let is_told = |line: &&String| line.starts_with("TLS with 127.0.0.1:");
    assert_eq!(told.iter().filter(is_told).count(), 1, "{told:?}");
}

#[test]
fn handshakes_are_counted_each_once() {
    let identity = Identity::new("localhost");
    let tls = identity.tls();
    let running = start(Some(&tls), Config::default());
    for _ in 0..3 {
        let mut client = identity.connect(running.connect());
        get(&mut client);
        get(&mut client);
    }
    // Who says nothing has not begun one.
    drop(running.connect());
    begin(&mut identity.connect(running.connect()));
    running.drain();
    let handshakes = tls.handshakes();
    assert_eq!((handshakes.completed, handshakes.failed), (3, 1));
}

/// A handshake is in the time for the first head, and so is silence.
#[test]
fn a_handshake_that_takes_too_long_is_broken_off() {
    let mut config = Config::default();
    config.timeouts.head = Duration::from_millis(50);
    let (identity, running) = secure(config);
    let mut silent = running.connect();
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    let mut client = identity.connect(running.connect());
    begin(&mut client);
    let mut left = Vec::new();
    let _ = client.sock.read_to_end(&mut left);
    assert_eq!(left, b"", "no refusal can be read there");
    wait_for(&running.handle, |census| census.open() == 0);
    let report = running.drain();
    assert_eq!(report.requests.dispatched, 0);
    assert_eq!(report.outcomes.get(Outcome::Refused), 1, "{report}");
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_client_that_is_gone_in_its_handshake_holds_nothing() {
    let (identity, running) = secure(Config::default());
    let mut client = identity.connect(running.connect());
    begin(&mut client);
    wait_for(&running.handle, |census| census.head == 1);
    drop(client);
    wait_for(&running.handle, |census| census.open() == 0);
    let report = running.drain();
    assert_eq!(report.outcomes.get(Outcome::Vanished), 1, "{report}");
}

fn common_name(identity: &Identity, running: &Running) -> bool {
    let mut client = identity.connect(running.connect());
    client.write_all(GET.as_bytes()).is_ok() && rest_is_fine(&mut client)
}

fn rest_is_fine(client: &mut Stream) -> bool {
    read_until(client, "hello");
    true
}

#[test]
fn a_certificate_is_exchanged_while_the_server_runs() {
    let [old, new] = [(); 2].map(|()| Identity::new("localhost"));
    let tls = old.tls();
    let running = start(Some(&tls), Config::default());
    let mut kept = old.connect(running.connect());
    get(&mut kept);
    assert!(!common_name(&new, &running), "it is not trusted yet");
    tls.replace(&new.tls());
    assert!(common_name(&new, &running));
    assert!(
        !common_name(&old, &running),
        "the old one is not shown any more"
    );
    get(&mut kept);
    assert!(running.drain().is_clean());
}

#[test]
fn what_is_no_certificate_says_so() {
    let [one, other] = [(); 2].map(|()| Identity::new("localhost"));
    let error = |certificate: &str, key: &str| {
        let tls = Tls::from_pem(certificate.as_bytes(), key.as_bytes());
        tls.unwrap_err().to_string()
    };
    assert!(error("", &one.key).starts_with("certificate: "));
    assert!(error(&one.certificate, "").starts_with("key: "));
    let mixed = error(&one.certificate, &other.key);
    assert!(mixed.starts_with("certificate and key: "), "{mixed}");
    let missing = Tls::from_files("/nowhere/it.pem", "/nowhere/it.key").unwrap_err();
    assert!(
        missing.to_string().starts_with("/nowhere/it.pem: "),
        "{missing}"
    );
}

/// RFC 9110 section 7.4: over TLS an `https` target is what it should be, and elsewhere it is not.
#[test]
fn requests_are_known_to_be_secured_and_https_targets_are_served() {
    let identity = Identity::new("localhost");
    let running = start(Some(&identity.tls()), Config::default());
    let ask = |target: &str| {
        let mut client = identity.connect(running.connect());
        let request = format!("GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        client.write_all(request.as_bytes()).unwrap();
        rest(&mut client).0
    };
    assert!(ask("/secure").ends_with("true"));
    assert!(ask("https://localhost/secure").ends_with("true"));
    let running = start(None, Config::default());
    let ask = |target: &str| running.exchange(&GET.replacen('/', target, 1));
    assert!(ask("/secure").ends_with("false"));
    assert!(ask("https://test/secure").starts_with("HTTP/1.1 421 "));
}

#[test]
fn the_admin_listener_speaks_no_tls() {
    let identity = Identity::new("localhost");
    let admin = Arc::new(Mutex::new(None));
    let place = Arc::clone(&admin);
    let running = start_with(Some(&identity.tls()), move |server| {
        let server = server.admin(&"127.0.0.1:0".parse().unwrap()).unwrap();
        *place.lock().unwrap() = Some(server.admin_addresses()[0].to_string());
        server
    });
    let address = admin.lock().unwrap().take().unwrap();
    let mut probe = TcpStream::connect(address).unwrap();
    probe.write_all(b"GET /livez HTTP/1.0\r\n\r\n").unwrap();
    read_until(&mut probe, "alive\n");
    let mut client = identity.connect(running.connect());
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert!(rest(&mut client).1);
}

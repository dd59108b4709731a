//! The drain over TLS is the drain: each scene is played without it and with it, and seen and
//! reported alike.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use neap_smol::{Config, Report};

use crate::client::Identity;
use crate::common::{GET, Running, read_until};
use crate::handshake::{begin, wait_for};
use crate::start;

/// A client, whatever carries it.
trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// Who makes clients.
struct Stage {
    identity: Option<Identity>,
    running: Running,
}

impl Stage {
    fn connect(&self) -> Box<dyn Wire> {
        let socket: TcpStream = self.running.connect();
        match &self.identity {
            Some(identity) => Box::new(identity.connect(socket)),
            None => Box::new(socket),
        }
    }

    /// Begins the drain, and waits until an idle client has had its last call: by then all threads
    /// have heard of it.
    fn drain(&self) {
        let mut idle = self.sending(GET);
        read_until(&mut idle, "hello");
        self.running.handle.drain();
        all(&mut idle);
    }

    fn sending(&self, bytes: &str) -> Box<dyn Wire> {
        let mut client = self.connect();
        client.write_all(bytes.as_bytes()).unwrap();
        client
    }
}

/// What comes until the end, in whichever way it ends; without `Date`, which is of its own time.
fn all(client: &mut dyn Wire) -> String {
    let mut all = Vec::new();
    let _ = client.read_to_end(&mut all);
    let text = String::from_utf8_lossy(&all).into_owned();
    let lines = text.split_inclusive('\n');
    lines.filter(|line| !line.starts_with("date: ")).collect()
}

/// Plays `scene` without TLS and with it. It gives what its clients have seen.
fn alike(config: Config, scene: impl Fn(&Stage) -> Vec<String>) -> (Vec<String>, Report) {
    let [plain, secure] = [None, Some(Identity::new("localhost"))].map(|identity| {
        let tls = identity.as_ref().map(Identity::tls);
        let running = start(tls.as_ref(), config);
        let stage = Stage { identity, running };
        let seen = scene(&stage);
        (seen, stage.running.drain())
    });
    assert_eq!(plain.0, secure.0);
    let sums = |report: &Report| {
        let outcomes = report.outcomes.to_string();
        (
            outcomes,
            report.requests,
            report.lost,
            report.forced,
            report.stuck,
        )
    };
    assert_eq!(sums(&plain.1), sums(&secure.1));
    secure
}

#[test]
fn a_request_under_way_is_answered_and_told_to_close() {
    let (seen, report) = alike(Config::default(), |stage| {
        let mut client = stage.sending("GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
        wait_for(&stage.running.handle, |census| census.busy == 1);
        stage.running.handle.drain();
        vec![all(&mut client)]
    });
    assert!(seen[0].contains("connection: close\r\n"), "{seen:?}");
    assert!(seen[0].ends_with("late"), "{seen:?}");
    assert!(report.is_clean());
}

#[test]
fn an_idle_connection_gets_a_last_call() {
    let (seen, report) = alike(Config::default(), |stage| {
        let mut silent = stage.sending(GET);
        let mut late = stage.sending(GET);
        read_until(&mut silent, "hello");
        read_until(&mut late, "hello");
        wait_for(&stage.running.handle, |census| census.idle == 2);
        stage.running.handle.drain();
        late.write_all(GET.as_bytes()).unwrap();
        vec![all(&mut silent), all(&mut late)]
    });
    assert_eq!(seen[0], "");
    assert!(seen[1].ends_with("hello"), "{seen:?}");
    assert!(report.is_clean());
}

#[test]
fn half_a_head_may_be_finished() {
    let (seen, report) = alike(Config::default(), |stage| {
        let mut client = stage.sending("GET / HTTP/1.1\r\n");
        wait_for(&stage.running.handle, |census| census.head == 1);
        stage.running.handle.drain();
        client.write_all(b"Host: a\r\n\r\n").unwrap();
        vec![all(&mut client)]
    });
    assert!(seen[0].ends_with("hello"), "{seen:?}");
    assert!(report.is_clean());
}

#[test]
fn an_upload_goes_on() {
    let (seen, report) = alike(Config::default(), |stage| {
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345";
        let mut client = stage.sending(head);
        wait_for(&stage.running.handle, |census| census.busy == 1);
        stage.drain();
        client.write_all(b"67890").unwrap();
        vec![all(&mut client)]
    });
    assert!(seen[0].ends_with("1234567890"), "{seen:?}");
    assert!(report.is_clean());
}

#[test]
fn the_deadline_cuts_off_alike() {
    let mut config = Config::default();
    config.drain.deadline = Duration::from_millis(300);
    let (seen, report) = alike(config, |stage| {
        let mut waiting = stage.sending("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut begun = stage.sending("GET /begun HTTP/1.1\r\nHost: a\r\n\r\n");
        read_until(&mut begun, "begun\r\n");
        wait_for(&stage.running.handle, |census| census.busy == 2);
        stage.running.handle.drain();
        vec![all(&mut waiting), all(&mut begun)]
    });
    assert!(seen[0].starts_with("HTTP/1.1 503 "), "{seen:?}");
    assert_eq!(seen[1], "", "no last chunk");
    assert_eq!(report.lost, 2);
}

/// A thread that is blocked encrypts nothing: the watchdog ends the sockets themselves.
#[test]
fn a_handler_that_blocks_is_cut_off_alike() {
    let mut config = Config::default();
    config.drain.deadline = Duration::from_millis(300);
    config.drain.close_grace = Duration::from_millis(1);
    let (seen, report) = alike(config, |stage| {
        let mut idle = stage.sending(GET);
        read_until(&mut idle, "hello");
        let mut blocked = stage.sending("GET /block HTTP/1.1\r\nHost: a\r\n\r\n");
        wait_for(&stage.running.handle, |census| census.busy == 1);
        stage.running.handle.drain();
        vec![all(&mut blocked), all(&mut idle)]
    });
    assert_eq!(seen, ["", ""]);
    assert_eq!((report.stuck, report.lost), (1, 1), "{report}");
}

/// Who waits in the queue when the drain begins has not even begun a handshake.
#[test]
fn who_has_only_connected_is_served_too() {
    let (seen, report) = alike(Config::default(), |stage| {
        let mut clients: Vec<_> = (0..20).map(|_| stage.connect()).collect();
        stage.running.handle.drain();
        for client in &mut clients {
            client.write_all(GET.as_bytes()).unwrap();
        }
        clients.iter_mut().map(|client| all(client)).collect()
    });
    assert!(seen.iter().all(|seen| seen.ends_with("hello")), "{seen:?}");
    assert!(report.is_clean());
}

/// It is half a head, and not a client that has not begun: for that there would be less time.
#[test]
fn a_handshake_that_has_begun_may_be_finished_in_the_drain() {
    let mut config = Config::default();
    config.drain.first_byte_grace = Duration::from_millis(1);
    let identity = Identity::new("localhost");
    let running = start(Some(&identity.tls()), config);
    let mut client = identity.connect(running.connect());
    let rest = begin(&mut client);
    let mut fresh = running.connect();
    wait_for(&running.handle, |census| {
        (census.head, census.fresh) == (1, 1)
    });
    running.handle.drain();
    // The time for a client that has not begun is over when one of those is gone.
    assert_eq!(fresh.read(&mut [0]).unwrap(), 0);
    client.sock.write_all(&rest).unwrap();
    client.write_all(GET.as_bytes()).unwrap();
    assert!(all(&mut client).ends_with("hello"));
    let report = running.drain();
    assert!(
        report.is_clean() && report.requests.completed == 1,
        "{report}"
    );
}

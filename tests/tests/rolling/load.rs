//! Clients that come and go, each in one of several shapes, until they are told to end.

use std::fmt;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use neap_tests::client::{Client, End, Response};
use neap_tests::process::PATIENCE;

const ONCE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const DELAYED: &str = "GET /delay/300 HTTP/1.1\r\nHost: a\r\n\r\n";

/// New connections a second, all together, if the machine bears it.
const ONE_SHOT_RATE: u32 = 600;
const ONE_SHOT_CLIENTS: u32 = 30;

/// Bursts of so many connections, so far apart.
const BURST: usize = 60;
const BURST_CLIENTS: u32 = 2;
const BURST_INTERVAL: Duration = Duration::from_millis(150);

/// They do one thing half of the time, and the other one the other half.
const SLOW_CLIENTS: u32 = 40;
/// An upload comes in so many pieces, so far apart.
const PIECES: usize = 6;
const PIECE_INTERVAL: Duration = Duration::from_millis(50);

/// What became of all attempts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// With whole responses.
    pub(crate) answered: u64,
    /// Before they were connected.
    pub(crate) refused: u64,
    /// How those who were connected have seen their end.
    pub(crate) lost: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally {
            answered,
            refused,
            lost,
        } = self;
        write!(
            f,
            "{answered} answered, {refused} refused, {} lost",
            lost.len()
        )
    }
}

impl Tally {
    /// Enough of them to see what happened.
    pub(crate) fn first_lost(&self) -> &[String] {
        &self.lost[..self.lost.len().min(5)]
    }

    fn add(&mut self, attempt: Result<(), Failure>) {
        match attempt {
            Ok(()) => self.answered += 1,
            Err(Failure::Refused) => self.refused += 1,
            Err(Failure::Lost(how)) => self.lost.push(how),
        }
    }
}

/// Why an attempt failed.
enum Failure {
    Refused,
    Lost(String),
}

impl From<End> for Failure {
    fn from(end: End) -> Failure {
        Failure::Lost(format!("{end:?}"))
    }
}

/// Load that goes on until it is ended.
pub(crate) trait Load {
    /// Waits until the servers are busy with it again.
    fn await_more(&mut self);

    /// Ends it, and says what became of it.
    fn end(self) -> Tally;
}

/// Clients that do the same over and over, each in its own time.
pub(crate) struct Clients {
    threads: Vec<JoinHandle<Tally>>,
    shared: Arc<Shared>,
    /// Turns that the load takes to be at its full height again.
    full: u64,
    seen: u64,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    turns: Mutex<u64>,
    counted: Condvar,
}

impl Clients {
    /// Starts so many. They are busy again when each of them has had so many turns on average.
    fn start(
        clients: u32,
        turns: u64,
        turn: impl Fn(&mut Tally) + Clone + Send + 'static,
    ) -> Clients {
        let shared = Arc::<Shared>::default();
        let client = |_| {
            let (shared, turn) = (Arc::clone(&shared), turn.clone());
            thread::spawn(move || {
                let mut tally = Tally::default();
                while !shared.over.load(Ordering::Relaxed) {
                    turn(&mut tally);
                    *shared.turns.lock().expect("nobody panics with it") += 1;
                    shared.counted.notify_all();
                }
                tally
            })
        };
        Clients {
            threads: (0..clients).map(client).collect(),
            shared,
            full: u64::from(clients) * turns,
            seen: 0,
        }
    }
}

impl Load for Clients {
    fn await_more(&mut self) {
        let turns = self.shared.turns.lock().expect("nobody panics with it");
        let enough = self.seen + self.full;
        let waited = self
            .shared
            .counted
            .wait_timeout_while(turns, PATIENCE, |turns| *turns < enough);
        let (turns, waited) = waited.expect("nobody panics with it");
        assert!(!waited.timed_out(), "the clients are stuck");
        self.seen = *turns;
    }

    fn end(self) -> Tally {
        self.shared.over.store(true, Ordering::Relaxed);
        let mut total = Tally::default();
        for thread in self.threads {
            let tally = thread.join().expect("a client does not panic");
            total.answered += tally.answered;
            total.refused += tally.refused;
            total.lost.extend(tally.lost);
        }
        total
    }
}

/// Keeps a pace: waits for what is left of `interval` since `start`.
fn pace(start: Instant, interval: Duration) {
    thread::sleep(interval.saturating_sub(start.elapsed()));
}

fn connect(address: SocketAddr) -> Result<Client, Failure> {
    Client::try_connect(address).map_err(|error| match error.kind() {
        ErrorKind::ConnectionRefused => Failure::Refused,
        kind => Failure::Lost(format!("{kind:?} while connecting")),
    })
}

fn whole(response: &Response, content: &[u8]) -> Result<(), Failure> {
    let is_whole = response.status == 200 && response.content == content;
    let wrong = || Failure::Lost(format!("{response:?}"));
    is_whole.then_some(()).ok_or_else(wrong)
}

/// A response, and the connection's orderly end.
fn last_response(client: &mut Client) -> Result<(), Failure> {
    whole(&client.try_response(false)?, b"Hello, World!")?;
    match client.rest() {
        (rest, End::Eof) if rest.is_empty() => Ok(()),
        (_, end) => Err(end.into()),
    }
}

/// Connections of one request each.
pub(crate) fn one_shot(address: SocketAddr) -> Clients {
    let attempt = move || {
        let mut client = connect(address)?;
        client.try_send(ONCE);
        last_response(&mut client)
    };
    Clients::start(ONE_SHOT_CLIENTS, 6, move |tally| {
        let start = Instant::now();
        tally.add(attempt());
        pace(
            start,
            Duration::from_secs(1) * ONE_SHOT_CLIENTS / ONE_SHOT_RATE,
        );
    })
}

/// Many connections at once: all connect and send, and only then the first one reads.
///
/// Each sends as soon as it is connected: one that waits for the others longer than its first byte
/// may take, because the system has one of them try again after a second, has waited too long.
pub(crate) fn bursts(address: SocketAddr) -> Clients {
    Clients::start(BURST_CLIENTS, 2, move |tally| {
        let start = Instant::now();
        let send = |mut client: Client| {
            client.try_send(ONCE);
            client
        };
        let clients: Vec<_> = (0..BURST).map(|_| connect(address).map(send)).collect();
        for client in clients {
            tally.add(client.and_then(|mut client| last_response(&mut client)));
        }
        pace(start, BURST_INTERVAL);
    })
}

/// Handlers that take their time, and clients that take theirs with an upload.
pub(crate) fn slow(address: SocketAddr) -> Clients {
    let patient = move || {
        let mut client = connect(address)?;
        client.try_send(DELAYED);
        whole(&client.try_response(false)?, b"waited 300 ms\n")
    };
    let upload = move || {
        let mut client = connect(address)?;
        let head = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {PIECES}\r\n\r\n");
        client.try_send(head);
        for _ in 0..PIECES {
            let start = Instant::now();
            client.try_send("x");
            pace(start, PIECE_INTERVAL);
        }
        whole(&client.try_response(false)?, &[b'x'; PIECES])
    };
    Clients::start(SLOW_CLIENTS, 1, move |tally| {
        tally.add(patient());
        tally.add(upload());
    })
}

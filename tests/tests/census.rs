//! The registry of connections is what it says: the sockets that are open, and what each of them
//! is doing, however its client comes and goes.

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use http::Request;
use neap_smol::{Body, Census, Config, Drain, Handle, Report, Server, State};
use neap_tests::client::Client;
use neap_tests::process::PATIENCE;

const HEAD: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
const HALF: usize = 20;

/// Turns of the walk, and clients at most.
const STEPS: usize = 3_000;
const CLIENTS: usize = 12;

/// Numbers that are as good as random, and always the same.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).expect("less than a number of this type")
    }
}

/// A client, and what the server knows of it.
struct Guest {
    client: Client,
    state: State,
}

impl Guest {
    fn arrive(address: SocketAddr) -> Guest {
        Guest {
            client: Client::connect(address),
            state: State::Fresh,
        }
    }

    /// Goes one step on: half a head, a whole one and half the content, the rest of it.
    fn go_on(&mut self) {
        self.state = match self.state {
            State::Fresh | State::Idle => {
                self.client.send(&HEAD[..HALF]);
                State::Head
            }
            State::Head => {
                self.client.send(&HEAD[HALF..]);
                self.client.send("a");
                State::Busy
            }
            _ => {
                self.client.send("b");
                assert_eq!(self.client.response().content, b"ab");
                State::Idle
            }
        }
    }

    fn vanish(self, with_a_reset: bool) {
        if with_a_reset {
            self.client.reset();
        } else {
            self.client.vanish();
        }
    }
}

/// The sockets of this process, by the system's account.
fn sockets() -> usize {
    let descriptors = fs::read_dir("/proc/self/fd").expect("a process sees its descriptors");
    let links = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links
        .filter(|link| link.to_string_lossy().starts_with("socket:"))
        .count()
}

/// Waits until the server sees the guests as they are, and has a socket for each of them, and no
/// other one, beside the `listeners` of this process.
fn agree(handle: &Handle, listeners: usize, guests: &[Guest]) {
    let expected = Census::of(guests.iter().map(|guest| guest.state));
    let held = expected.head + expected.busy;
    let start = Instant::now();
    loop {
        let (census, sockets) = (handle.census(), sockets() - listeners);
        // Their own ends are in this process, too.
        if (census, census.held(&Drain::default()), sockets) == (expected, held, 2 * guests.len()) {
            return;
        }
        let late = start.elapsed() > PATIENCE;
        assert!(!late, "{census:?} and {sockets} instead of {expected:?}");
        thread::yield_now();
    }
}

fn assert_balance(report: &Report, arrived: u64) {
    assert_eq!(report.accepted, arrived, "{report}");
    assert_eq!(report.outcomes.total(), arrived, "{report}");
    let requests = &report.requests;
    let ended = requests.completed
        + requests.truncated
        + requests.aborted
        + requests.vanished
        + requests.panicked;
    assert_eq!(requests.dispatched, ended, "{report}");
}

#[test]
fn the_registry_is_the_open_sockets_however_clients_come_and_go() {
    let mut config = Config::default();
    config.drain.half_close_grace = Duration::from_millis(1);
    let server = Server::bind("127.0.0.1:0").expect("there is a port");
    let server = server.config(config);
    let address = server.local_addr().expect("it listens on TCP");
    let (handle, listeners) = (server.handle(), sockets());
    let serving = thread::spawn(|| {
        server.run(|request: Request<Body>| async { request.into_body().collect(2).await })
    });
    let mut random = Random(1);
    let (mut guests, mut arrived): (Vec<Guest>, u64) = (Vec::new(), 0);
    for _ in 0..STEPS {
        let which = random.below(CLIENTS);
        match random.below(4) {
            _ if which >= guests.len() => {
                guests.push(Guest::arrive(address));
                arrived += 1;
            }
            0 => {
                let guest = guests.swap_remove(which);
                guest.vanish(random.below(2) == 0);
            }
            _ => guests[which].go_on(),
        }
        agree(&handle, listeners, &guests);
    }
    // In the drain those that are in the midst of something go on, and nobody else.
    handle.drain();
    while let Some(mut guest) = guests.pop() {
        while matches!(guest.state, State::Head | State::Busy) {
            guest.go_on();
        }
    }
    let report = serving.join().expect("no panic").expect("it has run");
    assert_balance(&report, arrived);
    assert!(report.is_clean(), "{report}");
    assert_eq!((handle.census().open(), sockets()), (0, 0));
}

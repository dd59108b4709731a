//! One shutdown on a link with a round trip, and what became of every client.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use neap_tests::link::{Link, SERVER};
use neap_tests::process::PATIENCE;

use crate::client::{End, ask};
use crate::process::{Process, User};

const PORT: u16 = 8080;

/// Between one client and the next: 400 a second.
const PACE: Duration = Duration::from_micros(2500);

/// Clients of a burst.
pub(crate) const BURST: usize = 64;

/// A client whose SYN is dropped sends it again after a second.
const SECOND_TRY: Duration = Duration::from_secs(1);

/// How many clients are held before the signal is sent.
const HELD: usize = 5;

/// Which servers are on the address, and which of them are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Servers {
    Sole,
    /// Two; one of them is stopped.
    Pair,
    /// Two; both are stopped at once.
    PairStopped,
    /// One that was bound elsewhere, to all addresses of both versions of IP.
    Adopted,
}

/// What is tried.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    pub(crate) servers: Servers,
    pub(crate) round_trip: Duration,
    /// The first rung of the seal that is tried.
    pub(crate) rung: &'static str,
    pub(crate) user: User,
    /// Where clients find it.
    pub(crate) address: IpAddr,
    /// How long a sealed listener waits at most, if not by default.
    pub(crate) window: Option<Duration>,
    /// For how long after the signal some clients cannot complete their handshakes.
    pub(crate) hold: Duration,
    /// A setting of the server's network.
    pub(crate) setting: Option<(&'static str, &'static str)>,
}

impl Trial {
    pub(crate) fn new(servers: Servers, round_trip: u64, rung: &'static str) -> Trial {
        Trial {
            servers,
            round_trip: Duration::from_millis(round_trip),
            rung,
            user: User::Root,
            address: SERVER[0],
            window: None,
            hold: Duration::from_millis(300),
            setting: None,
        }
    }

    /// Runs it once.
    pub(crate) fn run(&self) -> io::Result<Tally> {
        let link = Link::new(self.round_trip)?;
        if let Some((name, value)) = self.setting {
            link.server.set(name, value)?;
        }
        let server = self.start(&link)?;
        let sibling = match self.servers {
            Servers::Sole | Servers::Adopted => None,
            Servers::Pair | Servers::PairStopped => Some(self.start(&link)?),
        };
        let (sender, ends) = channel();
        let held = thread::scope(|scope| {
            scope.spawn(|| link.clients.enter(|| self.send_clients(&sender)));
            self.stop(&link, &server, sibling.as_ref())
        });
        drop(sender);
        let mut tally = Tally {
            held,
            ..Tally::default()
        };
        ends.iter().for_each(|end| tally.count(end));
        if let Some(sibling) = sibling {
            if self.servers == Servers::Pair {
                sibling.terminate();
            }
            self.check_end(sibling);
        }
        tally.report = self.check_end(server);
        Ok(tally)
    }

    /// Starts a server on the link.
    fn start(&self, link: &Link) -> io::Result<Process> {
        let program = Path::new(env!("CARGO_BIN_EXE_sealed-server"));
        let address = match self.servers {
            Servers::Adopted => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            _ => self.address,
        };
        let mut arguments = vec![
            SocketAddr::new(address, PORT).to_string(),
            self.rung.to_owned(),
        ];
        match self.servers {
            Servers::Sole => {}
            Servers::Adopted => arguments.push("adopted".into()),
            Servers::Pair | Servers::PairStopped => arguments.push("reuse-port".into()),
        }
        if let Some(window) = self.window {
            arguments.push(format!("window={}", window.as_millis()));
        }
        Process::start(&link.server, program, &arguments, self.user)
    }

    /// For how long before the signal some clients are held.
    pub(crate) fn holding(&self) -> Duration {
        self.round_trip + Duration::from_millis(100)
    }

    /// When the signal is sent, after the first client.
    pub(crate) fn signal(&self) -> Duration {
        Duration::from_millis(250) + self.round_trip
    }

    /// Stops `server` amid its clients, some of whom cannot complete their handshakes until later.
    /// Says how many.
    fn stop(&self, link: &Link, server: &Process, sibling: Option<&Process>) -> usize {
        let signal = Instant::now() + self.signal();
        // Long enough before the signal for them to be there.
        sleep_until(signal - self.holding());
        link.hold();
        sleep_until(signal);
        while link.held() < HELD {
            assert!(signal.elapsed() < PATIENCE, "{self}: nobody could be held");
            thread::yield_now();
        }
        server.terminate();
        if let Some(sibling) = sibling.filter(|_| self.servers == Servers::PairStopped) {
            sibling.terminate();
        }
        server.wait_for("draining");
        sleep_until(Instant::now() + self.hold);
        link.release()
    }

    /// When its clients come: one after the other until the server can be expected to be gone; and
    /// bursts of which the SYNs, or the ACKs, arrive with the signal.
    pub(crate) fn starts(&self) -> Vec<Duration> {
        let signal = self.signal();
        let until = signal + self.round_trip + self.hold;
        let steady = (0..).map(|number| PACE * number);
        let mut starts: Vec<_> = steady.take_while(|start| *start < until).collect();
        for lead in [self.round_trip / 2, self.round_trip] {
            starts.extend([signal - lead; BURST]);
        }
        starts.sort();
        starts
    }

    /// Sends all clients.
    fn send_clients(&self, ends: &Sender<End>) {
        let server = SocketAddr::new(self.address, PORT);
        let begun = Instant::now();
        thread::scope(|scope| {
            for (number, start) in self.starts().into_iter().enumerate() {
                sleep_until(begun + start);
                scope.spawn(move || ends.send(ask(server, number)));
            }
        });
    }

    /// Waits for the end of a server that was stopped; says what it said at last.
    fn check_end(&self, server: Process) -> String {
        let ended = server.end();
        let report = ended.lines.last().cloned().unwrap_or_default();
        assert_eq!(ended.status, Some(0), "{self}: {:?}", ended.lines);
        assert!(report.starts_with("stopped by signal"), "{self}: {report}");
        let sealed = ended.lines.iter().find(|line| line.contains("(seal: "));
        format!("{}; {report}", sealed.map_or("", String::as_str))
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (servers, rung, user) = (self.servers, self.rung, self.user);
        let round_trip = self.round_trip.as_millis();
        write!(f, "{servers:?}, {round_trip} ms, {rung}, {user:?}")?;
        if self.address.is_ipv6() {
            f.write_str(", IPv6")?;
        }
        if let Some((name, value)) = self.setting {
            write!(f, ", {name}={value}")?;
        }
        if let Some(window) = self.window {
            write!(f, ", window {} ms", window.as_millis())?;
        }
        if self.hold > self.window.unwrap_or(Duration::from_secs(1)) {
            write!(f, ", ACKs held for {} ms", self.hold.as_millis())?;
        }
        Ok(())
    }
}

/// How many clients came to which end.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answered: usize,
    /// How many of them had to try again.
    pub(crate) retried: usize,
    pub(crate) refused: usize,
    /// How each of them was.
    pub(crate) lost: Vec<String>,
    /// How long it took at most until a client knew that it was refused.
    pub(crate) slowest_refusal: Duration,
    /// How many clients could not complete their handshakes when they wanted to.
    pub(crate) held: usize,
    /// How the stopped server sealed its listener, and its report.
    pub(crate) report: String,
}

impl Tally {
    fn count(&mut self, end: End) {
        match end {
            End::Answered(after) => {
                self.answered += 1;
                self.retried += usize::from(after >= SECOND_TRY);
            }
            End::Refused(after) => {
                self.refused += 1;
                self.slowest_refusal = self.slowest_refusal.max(after);
            }
            End::Lost(how) => self.lost.push(how),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} answered, {} refused ({} ms at most), {} lost; {} were held; {}",
            self.answered,
            self.refused,
            self.slowest_refusal.as_millis(),
            self.lost.len(),
            self.held,
            self.report
        )
    }
}

/// The pace of the clients is what is tried.
fn sleep_until(moment: Instant) {
    thread::sleep(moment.saturating_duration_since(Instant::now()));
}

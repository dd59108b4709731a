//! The core driven without a socket and without a clock: the ports' application over wires in
//! memory, in a time that jumps from one deadline to the next. Hours pass in no time, and a minute
//! is a minute on any machine.
//!
//! The driver is [`Simulation`]; as a port it is the smallest one.

use std::collections::VecDeque;
use std::io::Read as _;
use std::time::Duration;

use neap_core::{Cause, Config, Failure, HttpDate, Read, Server, Session, Step, Tick, Time, Write};

use application::Application;

#[path = "../../core/examples/ports/application.rs"]
mod application;

const DATE: HttpDate = HttpDate::from_unix_seconds(784_111_777);
/// How much is read at once.
const PIECE: usize = 16 * 1024;
const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/// More turns without an end to them, at one moment, than anything here needs.
const TURNS: usize = 10_000;

/// How a connection ended for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Fin,
    Reset,
}

/// A connection: what is under way to the server, and what the client has received.
struct Wire {
    sent: VecDeque<u8>,
    /// Whether the client has ended its side.
    is_finished: bool,
    received: Vec<u8>,
    end: Option<End>,
    session: Option<Session<Application>>,
}

impl Wire {
    /// Does what is wanted. True if there is more to do at this moment.
    fn turn(&mut self, server: &mut Server, t: Tick<'_>) -> bool {
        let Some(mut session) = self.session.take() else {
            return false;
        };
        match session.poll_step() {
            Step::Go(wants) => {
                self.write(&mut session, t, wants.write);
                self.read(&mut session, t, wants.read);
            }
            Step::Close { reset, .. } => {
                self.end = Some(if reset { End::Reset } else { End::Fin });
                server.leave(session);
                return true;
            }
            Step::Upgrade => unreachable!("the application does not upgrade"),
        }
        session.advance(t, &DATE);
        let is_news = server.note(&session);
        let is_settled = session.is_settled();
        self.session = Some(session);
        is_news || !is_settled
    }

    fn write(&mut self, session: &mut Session<Application>, t: Tick<'_>, wanted: Write) {
        match wanted {
            Write::Flush => {
                self.received.extend_from_slice(session.output());
                let len = session.output().len();
                session.handle_written(t, Ok(len)).expect("it was output");
            }
            Write::Fin => {
                self.end = Some(End::Fin);
                session.handle_fin_sent(t).expect("it was wanted");
            }
            Write::Query => session.handle_send_queue(t, 0),
            Write::No | Write::Continue | Write::Refuse(_) => {}
        }
    }

    fn read(&mut self, session: &mut Session<Application>, t: Tick<'_>, wanted: Read) {
        if wanted == Read::No {
            return;
        }
        if self.sent.is_empty() && !self.is_finished {
            return session.handle_read(t, Err(Failure::Later));
        }
        let mut buffer = [0; PIECE];
        let len = self.sent.read(&mut buffer).expect("memory is read");
        session.handle_read(t, Ok(&buffer[..len]));
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }
}

/// A server, its clients and their time.
struct Simulation {
    config: Config,
    server: Server,
    wires: Vec<Wire>,
    now: Time,
}

impl Simulation {
    fn new() -> Simulation {
        Simulation {
            config: Config::default(),
            server: Server::new(),
            wires: Vec::new(),
            now: Time::ZERO,
        }
    }

    /// A client connects and sends `request`.
    fn connect(&mut self, request: &str) -> usize {
        let application = Application::new();
        let session = self.server.accept(self.now, &self.config, application);
        self.wires.push(Wire {
            sent: request.bytes().collect(),
            is_finished: false,
            received: Vec::new(),
            end: None,
            session: Some(session),
        });
        self.turn();
        self.wires.len() - 1
    }

    fn send(&mut self, id: usize, bytes: &str) {
        self.wires[id].sent.extend(bytes.bytes());
        self.turn();
    }

    /// Somebody tells the server to stop. Here nobody waits to be accepted.
    fn drain(&mut self) {
        let lifecycle = &mut self.server.lifecycle;
        lifecycle.drain(self.now, &self.config, Cause::Request);
        lifecycle.handle_listeners_ended(self.now);
        self.turn();
    }

    /// Everybody turns until nothing moves any more.
    fn turn(&mut self) {
        for _ in 0..TURNS {
            let mut moves = self.server.advance(self.now, &self.config).is_some();
            for wire in &mut self.wires {
                let t = self.server.tick(self.now, &self.config);
                moves |= wire.turn(&mut self.server, t);
            }
            if !moves {
                return;
            }
        }
        panic!("a connection turns and turns at {:?}", self.now);
    }

    /// When something is due.
    fn due(&self) -> Time {
        let sessions = self.wires.iter().filter_map(|wire| wire.session.as_ref());
        let dues = sessions.filter_map(Session::poll_timeout);
        let due = self.server.lifecycle.poll_timeout(&self.config);
        dues.chain(due).min().unwrap_or(Time::NEVER)
    }

    /// Lets time pass, from deadline to deadline.
    fn pass(&mut self, duration: Duration) {
        let until = self.now.after(duration);
        loop {
            let due = self.due();
            assert!(due > self.now, "a deadline has no effect");
            self.now = due.min(until);
            self.turn();
            if due > until {
                return;
            }
        }
    }

    fn is_done(&self) -> bool {
        self.server.is_over()
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_pause_of_a_handler_lasts_as_long_as_it_says() {
    let mut simulation = Simulation::new();
    let client = simulation.connect("GET /delay/3600000 HTTP/1.1\r\nHost: a\r\n\r\n");
    simulation.pass(seconds(3599));
    assert_eq!(simulation.wires[client].text(), "");
    simulation.pass(seconds(1));
    assert!(
        simulation.wires[client]
            .text()
            .ends_with("\r\n\r\nwaited\n")
    );
}

#[test]
fn a_head_that_is_not_completed_is_refused_when_its_time_is_over() {
    let mut simulation = Simulation::new();
    let client = simulation.connect(&HELLO[..20]);
    simulation.pass(seconds(29));
    assert_eq!(simulation.wires[client].text(), "");
    simulation.pass(seconds(1));
    let wire = &simulation.wires[client];
    assert!(wire.text().starts_with("HTTP/1.1 408 "), "{}", wire.text());
    assert_eq!(wire.end, Some(End::Fin));
}

#[test]
fn an_idle_connection_is_kept_for_75_seconds_and_closed_without_a_word() {
    let mut simulation = Simulation::new();
    let client = simulation.connect(HELLO);
    let received = simulation.wires[client].text();
    simulation.pass(seconds(74));
    assert_eq!(simulation.wires[client].end, None);
    simulation.pass(seconds(1));
    let wire = &simulation.wires[client];
    assert_eq!((wire.end, wire.text()), (Some(End::Fin), received));
}

#[test]
fn a_request_that_arrives_with_its_deadline_is_answered() {
    let mut simulation = Simulation::new();
    let client = simulation.connect(HELLO);
    // The bytes and the timer are there at the same moment: the bytes were in time.
    simulation.wires[client].sent.extend(HELLO.bytes());
    simulation.pass(seconds(75));
    let replies = simulation.wires[client].text();
    assert_eq!(replies.matches("HTTP/1.1 200 ").count(), 2, "{replies}");
}

#[test]
fn a_drain_ends_idle_connections_at_once_and_waits_for_those_that_work() {
    let mut simulation = Simulation::new();
    let idle = simulation.connect(HELLO);
    let busy = simulation.connect("GET /delay/10000 HTTP/1.1\r\nHost: a\r\n\r\n");
    let half = simulation.connect(HELLO);
    simulation.send(half, &HELLO[..20]);
    simulation.drain();
    simulation.pass(seconds(1));
    assert_eq!(simulation.wires[idle].end, Some(End::Fin));
    assert_eq!(simulation.wires[idle].text().matches("HTTP/1.1").count(), 1);
    assert_eq!(simulation.wires[busy].end, None);
    simulation.send(half, &HELLO[20..]);
    let replies = simulation.wires[half].text();
    assert!(replies.contains("connection: close\r\n"), "{replies}");
    simulation.pass(seconds(8));
    assert!(!simulation.is_done());
    simulation.pass(seconds(1));
    let reply = simulation.wires[busy].text();
    assert!(reply.contains("connection: close\r\n"), "{reply}");
    assert!(reply.ends_with("waited\n"), "{reply}");
    // Clients that do not close hold the lingering, which has its own end.
    simulation.pass(seconds(10));
    assert!(simulation.is_done() && !simulation.server.has_cut());
}

#[test]
fn in_the_drain_each_connection_has_the_window_of_its_state() {
    let mut simulation = Simulation::new();
    let (fresh, head) = (simulation.connect(""), simulation.connect(&HELLO[..20]));
    let idle = [(); 2].map(|()| simulation.connect(HELLO));
    let milliseconds = Duration::from_millis;
    let end = |simulation: &Simulation, id: usize| simulation.wires[id].end;
    simulation.drain();
    // The last call: who comes within `quiet` is served, who does not is closed without a word.
    simulation.pass(milliseconds(249));
    assert_eq!(idle.map(|id| end(&simulation, id)), [None; 2]);
    simulation.send(idle[0], HELLO);
    let replies = simulation.wires[idle[0]].text();
    assert_eq!(replies.matches("HTTP/1.1 200 ").count(), 2, "{replies}");
    assert_eq!(replies.matches("connection: close").count(), 1, "{replies}");
    simulation.pass(milliseconds(1));
    assert_eq!(idle.map(|id| end(&simulation, id)), [Some(End::Fin); 2]);
    let silent = simulation.wires[idle[1]].text();
    assert_eq!(silent.matches("HTTP/1.1").count(), 1, "{silent}");
    // A first byte has `first_byte_grace`, a head `head_grace`.
    simulation.pass(milliseconds(749));
    assert_eq!(end(&simulation, fresh), None);
    simulation.pass(milliseconds(1));
    assert_eq!(end(&simulation, fresh), Some(End::Fin));
    assert_eq!(simulation.wires[fresh].text(), "");
    simulation.pass(milliseconds(3999));
    assert_eq!(simulation.wires[head].text(), "");
    simulation.pass(milliseconds(1));
    let refusal = simulation.wires[head].text();
    assert!(refusal.starts_with("HTTP/1.1 408 "), "{refusal}");
    simulation.pass(seconds(2));
    assert!(simulation.is_done() && !simulation.server.has_cut());
}

#[test]
fn what_the_deadline_cuts_off_is_told_so() {
    let mut simulation = Simulation::new();
    let waits = simulation.connect("GET /delay/600000 HTTP/1.1\r\nHost: a\r\n\r\n");
    let streams = simulation.connect("GET /stream/1000/1000 HTTP/1.0\r\n\r\n");
    let config = Config::default();
    simulation.drain();
    simulation.pass(config.drain.deadline - seconds(1));
    assert_eq!(simulation.wires[waits].text(), "");
    simulation.pass(seconds(1));
    let refusal = simulation.wires[waits].text();
    assert!(refusal.starts_with("HTTP/1.1 503 "), "{refusal}");
    // Only the end of the connection delimits it: a FIN would make it look whole.
    assert_eq!(simulation.wires[streams].end, Some(End::Reset));
    simulation.pass(config.drain.close_grace);
    assert!(simulation.is_done() && simulation.server.has_cut());
}

#[test]
fn a_client_that_vanishes_is_not_waited_for() {
    let mut simulation = Simulation::new();
    let client = simulation.connect("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na");
    simulation.wires[client].is_finished = true;
    simulation.drain();
    simulation.pass(seconds(1));
    assert!(simulation.is_done());
}

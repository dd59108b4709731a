//! A connection as a driver turns it, in virtual time.

#![allow(dead_code, reason = "no test needs all of it")]

use std::time::Duration;

use neap_core::{
    BodyLength, Config, Connection, HttpDate, Item, Outcome, Phase, Spans, State, Status, Step,
    Tick, Time, Wants, Write,
};

pub(crate) const DATE: HttpDate = HttpDate::from_unix_seconds(784_111_777);
pub(crate) const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n";

/// A connection, and the circumstances it is in.
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) now: Time,
    pub(crate) phase: Phase,
    pub(crate) sealing: Time,
    pub(crate) connection: Connection,
    pub(crate) spans: Spans,
    pub(crate) out: Vec<u8>,
}

impl World {
    pub(crate) fn new() -> World {
        World::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> World {
        let tick = Tick {
            now: Time::ZERO,
            phase: Phase::Running,
            sealing: Time::NEVER,
            config: &config,
        };
        World {
            connection: Connection::new(tick),
            config,
            now: Time::ZERO,
            phase: Phase::Running,
            sealing: Time::NEVER,
            spans: Spans::new(),
            out: Vec::new(),
        }
    }

    pub(crate) fn on<T>(&mut self, act: impl FnOnce(&mut Connection, Tick<'_>) -> T) -> T {
        let tick = Tick {
            now: self.now,
            phase: self.phase,
            sealing: self.sealing,
            config: &self.config,
        };
        act(&mut self.connection, tick)
    }

    /// Sealing begins now.
    pub(crate) fn seal(&mut self) {
        self.phase = Phase::Draining;
        self.sealing = self.now;
        self.on(Connection::handle_timeout);
    }

    pub(crate) fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
        self.on(Connection::handle_timeout);
    }

    /// Lets `millis` pass, then tells the connection.
    pub(crate) fn pass(&mut self, millis: u64) {
        self.now = self.now.after(Duration::from_millis(millis));
        self.on(Connection::handle_timeout);
    }

    /// Milliseconds until the connection wants to be told of the time.
    pub(crate) fn due_in(&self) -> Option<u128> {
        self.connection
            .poll_timeout()
            .map(|due| due.since(self.now).as_millis())
    }

    /// Gives input; returns what was left of it, having started the handler of a request.
    pub(crate) fn input<'a>(&mut self, mut input: &'a [u8]) -> &'a [u8] {
        let mut spans = std::mem::take(&mut self.spans);
        loop {
            let received = self.on(|c, t| {
                let received = c.handle_input(t, input, &mut spans);
                (received.consumed, matches!(received.item, Item::Head(_)))
            });
            input = &input[received.0..];
            if received.1 {
                self.on(Connection::handle_started).unwrap();
            }
            if received.0 == 0 {
                self.spans = spans;
                return input;
            }
        }
    }

    /// Begins a reply of `length`; returns its head.
    pub(crate) fn reply_head(&mut self, length: BodyLength) -> String {
        let mut out = Vec::new();
        let none = std::iter::empty::<(&[u8], &[u8])>();
        self.on(|c, t| c.reply_head(t, Status::OK, length, &DATE, none, &mut out))
            .unwrap();
        self.out.extend_from_slice(&out);
        String::from_utf8(out).unwrap()
    }

    /// Gives a whole, empty reply, and writes it; returns its head.
    pub(crate) fn reply(&mut self) -> String {
        let head = self.reply_head(BodyLength::Known(0));
        let mut out = Vec::new();
        self.on(|c, t| c.reply_end(t, &mut out)).unwrap();
        self.out.extend_from_slice(&out);
        self.flush();
        head
    }

    pub(crate) fn refusal(&mut self) -> String {
        let mut out = Vec::new();
        self.on(|c, t| c.reply_refusal(t, &DATE, &mut out)).unwrap();
        self.flush();
        String::from_utf8(out).unwrap()
    }

    pub(crate) fn flush(&mut self) {
        let unsent = self.connection.unsent();
        self.on(|c, t| c.handle_written(t, unsent)).unwrap();
    }

    pub(crate) fn wants(&self) -> Wants {
        match self.connection.poll_step() {
            Step::Go(wants) => wants,
            over => panic!("{over:?}"),
        }
    }

    pub(crate) fn outcome(&self) -> (Outcome, bool) {
        match self.connection.poll_step() {
            Step::Close { outcome, reset } => (outcome, reset),
            other => panic!("{other:?}"),
        }
    }

    /// Sends the FIN that is wanted, and sees the client's.
    pub(crate) fn part(&mut self) -> Outcome {
        assert_eq!(self.wants().write, Write::Fin);
        self.on(Connection::handle_fin_sent).unwrap();
        assert_eq!(self.connection.state(), State::Linger);
        self.on(Connection::handle_eof);
        self.outcome().0
    }
}

/// One that has been served, and is kept.
pub(crate) fn idle() -> World {
    let mut world = World::new();
    world.input(GET);
    assert!(!world.reply().contains("connection: close"));
    assert_eq!(world.connection.state(), State::Idle);
    world
}

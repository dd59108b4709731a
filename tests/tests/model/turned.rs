//! A whole connection as a driver turns it, with what is around it. The driver does what the
//! connection wants and nothing else.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use neap_core::control::{Content, Stage};
use neap_core::{
    BodyLength, Config, Connection, Handler, HttpDate, Item, Phase, Read, Spans, Status, Step,
    Tick, Time, Wants, Write,
};

const DATE: HttpDate = HttpDate(*b"Sun, 06 Nov 1994 08:49:37 GMT");

/// What a client sends, piece by piece.
pub(crate) type Script = &'static [&'static str];

/// A connection and what is around it.
#[derive(Clone, Debug)]
pub(crate) struct Turned {
    pub(crate) connection: Connection,
    pub(crate) now: u64,
    pub(crate) server: Phase,
    /// When sealing began.
    sealing: Time,
    /// How much of the script the client has sent, and what of it the driver has buffered.
    pub(crate) sent: usize,
    input: String,
    /// Whether the client has ended its side.
    pub(crate) fin: bool,
    pub(crate) past: Past,
    /// The rule that the last step broke.
    pub(crate) broken: Option<&'static str>,
    /// Tells states apart.
    key: u64,
}

/// What is remembered to judge a connection by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Past {
    /// Final responses that were handed out.
    finals: u32,
    /// Whether one of them said that it is the last.
    announced: bool,
    /// Whether the current reply has been given a piece of content.
    pub(crate) has_piece: bool,
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Turn {
    // The client.
    Sends,
    Ends,
    Breaks,
    // The driver, as it is asked.
    Takes,
    FindsNothing,
    Flushes,
    Continues,
    Refuses,
    Fins,
    Queries { unacknowledged: u64 },
    Starts,
    HandsOver,
    // The handler.
    Demands,
    Abandons,
    Closes,
    Replies(BodyLength),
    Pieces,
    Finishes,
    Fails,
    Upgrades,
    EndsUpgrade,
    // Time, and the server.
    Expires,
    Rises(Phase),
    Hears,
}

impl PartialEq for Turned {
    fn eq(&self, other: &Turned) -> bool {
        self.key == other.key
    }
}

impl Eq for Turned {}

impl Hash for Turned {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.key.hash(hasher);
    }
}

/// Short windows, and little room. Few different ones: their number is that of the states.
pub(crate) fn config() -> Config {
    let ticks = Duration::from_nanos;
    let mut config = Config::default();
    config.limits.content = 2;
    config.limits.unsent = 60;
    config.limits.pipeline = 1;
    config.timeouts.head = ticks(4);
    config.timeouts.content = ticks(4);
    config.timeouts.write = ticks(2);
    config.timeouts.idle = ticks(4);
    config.drain.quiet = ticks(2);
    config.drain.first_byte_grace = ticks(2);
    config.drain.head_grace = ticks(2);
    config.drain.half_close_grace = ticks(2);
    config.drain.linger_max = ticks(2);
    config.drain.linger_short = ticks(1);
    config
}

/// What the driver is asked to do, or nothing if the connection is over.
pub(crate) fn wants(connection: &Connection) -> Option<Wants> {
    match connection.poll_step() {
        Step::Go(wants) => Some(wants),
        Step::Upgrade | Step::Close { .. } => None,
    }
}

impl Turned {
    pub(crate) fn new() -> Turned {
        let config = config();
        let t = Tick {
            now: Time::ZERO,
            phase: Phase::Running,
            sealing: Time::NEVER,
            config: &config,
        };
        let mut turned = Turned {
            connection: Connection::new(t),
            now: 0,
            server: Phase::Running,
            sealing: Time::NEVER,
            sent: 0,
            input: String::new(),
            fin: false,
            past: Past::default(),
            broken: None,
            key: 0,
        };
        turned.mark();
        turned
    }

    /// Brings the key up to date: it stands for everything that the state is made of, with times
    /// counted from now.
    pub(crate) fn mark(&mut self) {
        let times = format!("{:?} {:?}", self.connection, self.sealing);
        let mut parts = times.split("Time(");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (nanos, rest) = part.split_once(')').expect("a time in brackets");
            let nanos: u64 = nanos.parse().expect("a time is a number");
            // What is over for longer than any window is over.
            let nanos = match nanos {
                u64::MAX => nanos,
                nanos => (nanos + 5).saturating_sub(self.now),
            };
            let _ = write!(text, "{nanos}{rest}");
        }
        let rest = (
            self.server,
            self.sent,
            &self.input,
            self.fin,
            self.past,
            self.broken,
        );
        let mut hasher = DefaultHasher::new();
        (text, rest).hash(&mut hasher);
        self.key = hasher.finish();
    }

    pub(crate) fn is_running(&self) -> bool {
        wants(&self.connection).is_some_and(|wants| wants.handler == Handler::Run)
    }

    /// What the driver does now by itself: its duties, of which those come first that do not
    /// depend on the peer.
    pub(crate) fn duties(&self) -> Vec<Turn> {
        let wants = match self.connection.poll_step() {
            Step::Go(wants) => wants,
            Step::Upgrade => return vec![Turn::HandsOver],
            Step::Close { .. } => return vec![],
        };
        if self.connection.control().server != self.server {
            return vec![Turn::Hears];
        }
        let mut duties = Vec::new();
        match wants.read {
            Read::Head | Read::Content if self.takes() => duties.push(Turn::Takes),
            Read::Look if self.takes() => duties.push(Turn::Takes),
            Read::Look => duties.push(Turn::FindsNothing),
            Read::Discard if !self.input.is_empty() => duties.push(Turn::Takes),
            _ => {}
        }
        match wants.write {
            Write::Continue => duties.push(Turn::Continues),
            Write::Refuse(_) => duties.push(Turn::Refuses),
            Write::Fin => duties.push(Turn::Fins),
            Write::Query => duties.push(Turn::Queries { unacknowledged: 1 }),
            Write::Flush | Write::No => {}
        }
        if wants.handler == Handler::Start {
            duties.push(Turn::Starts);
        }
        duties
    }

    /// Whether the connection takes something of what is buffered.
    fn takes(&self) -> bool {
        let mut turned = self.clone();
        let _ = turned.take();
        turned.input != self.input || turned.connection.control() != self.connection.control()
    }

    fn tick<'c>(&self, config: &'c Config) -> Tick<'c> {
        Tick {
            now: Time::from_nanos(self.now),
            phase: self.server,
            sealing: self.sealing,
            config,
        }
    }

    /// Makes one step. An error names the rule that it breaks.
    pub(crate) fn turn(&mut self, script: Script, turn: Turn) -> Result<(), &'static str> {
        let config = config();
        let t = self.tick(&config);
        let connection = &mut self.connection;
        // What was wanted may have lapsed where the phase has risen since.
        let lapsed = connection.control().server != self.server;
        let done = match turn {
            Turn::Takes => return self.take(),
            Turn::Replies(_) | Turn::Refuses => return self.answers(script, turn, lapsed),
            Turn::Flushes => connection.handle_written(t, connection.unsent()),
            Turn::Fins if connection.unsent() > 0 => return Err("FIN overtakes output"),
            Turn::Fins => connection.handle_fin_sent(t),
            Turn::Starts => connection.handle_started(t),
            Turn::HandsOver => connection.handle_upgrade_taken(t),
            Turn::EndsUpgrade => connection.handle_upgrade_end(t, 0),
            Turn::Continues => connection.reply_continue(t, &mut Vec::new()),
            Turn::Finishes => connection.reply_end(t, &mut Vec::new()),
            Turn::Pieces => {
                self.past.has_piece = true;
                connection.reply_body(t, 1).map(|_| ())
            }
            Turn::Upgrades => {
                let status = Status::new(101).expect("three digits");
                let upgraded = connection.reply_upgrade(t, status, &DATE, [], &mut Vec::new());
                self.past.finals += u32::from(upgraded.is_ok());
                // Not every request may be answered so: that is the handler's to know.
                return Ok(());
            }
            _ => {
                self.reports(script, turn);
                return Ok(());
            }
        };
        if done.is_err() && !lapsed {
            return Err("what is wanted is refused");
        }
        Ok(())
    }

    /// The steps that nothing can be wrong with.
    fn reports(&mut self, script: Script, turn: Turn) {
        let config = config();
        if turn == Turn::Expires {
            let due = self.connection.poll_timeout().unwrap_or_default();
            self.now = self.now.max(due.as_nanos());
        }
        let t = self.tick(&config);
        match turn {
            Turn::Sends => {
                self.input += script[self.sent];
                self.sent += 1;
            }
            Turn::Ends => {
                self.fin = true;
                self.connection.handle_eof(t);
            }
            Turn::Rises(phase) => {
                self.server = phase;
                self.sealing = self.sealing.min(t.now);
            }
            Turn::Breaks => self.connection.handle_io_error(t),
            Turn::FindsNothing => self.connection.handle_nothing(t),
            Turn::Queries { unacknowledged } => {
                self.connection.handle_send_queue(t, unacknowledged);
            }
            Turn::Demands => self.connection.want_content(t),
            Turn::Abandons => self.connection.drop_content(t),
            Turn::Closes => self.connection.close_after_reply(t),
            Turn::Fails => self.connection.handle_failure(t),
            Turn::Expires | Turn::Hears => self.connection.handle_timeout(t),
            other => unreachable!("{other:?} is made elsewhere"),
        }
    }

    /// Gives the connection what is buffered, once.
    fn take(&mut self) -> Result<(), &'static str> {
        let config = config();
        let t = self.tick(&config);
        let read = wants(&self.connection).map(|wants| wants.read);
        if read == Some(Read::Discard) {
            self.connection.handle_discarded(t, self.input.len() as u64);
            self.input.clear();
            return Ok(());
        }
        let mut spans = Spans::new();
        let received = self
            .connection
            .handle_input(t, self.input.as_bytes(), &mut spans);
        let is_head = matches!(received.item, Item::Head(_));
        let consumed = received.consumed;
        self.input.drain(..consumed);
        if is_head && self.past.announced {
            return Err("I8: a request is dispatched after the close was announced");
        }
        if is_head && self.connection.unsent() > config.limits.unsent {
            return Err("a request is taken though too much waits to be sent");
        }
        Ok(())
    }

    /// Hands out a final response, or a refusal in its place.
    fn answers(&mut self, script: Script, turn: Turn, lapsed: bool) -> Result<(), &'static str> {
        let config = config();
        let t = self.tick(&config);
        let before = self.connection.control();
        let dispatched = self.connection.tally().dispatched;
        let mut out = Vec::new();
        let is_whole = self.connection.is_request_whole();
        let has_next = is_whole && self.input.contains("\r\n\r\n");
        let answered = if let Turn::Replies(length) = turn {
            if is_whole {
                self.connection.handle_buffered(t, self.input.as_bytes());
            }
            self.connection
                .reply_head(t, Status::OK, length, &DATE, [], &mut out)
        } else {
            self.connection.reply_refusal(t, &DATE, &mut out)
        };
        if answered.is_err() {
            let rule = Err("what is wanted is refused");
            return if lapsed { Ok(()) } else { rule };
        }
        let closes = out.windows(19).any(|line| line == b"connection: close\r\n");
        let uninvited = matches!(
            before.stage,
            Stage::Running(Content::Expected | Content::Invited)
        );
        let until_close = self.connection.control().until_close;
        let has_reason = before.own >= Phase::Draining || uninvited || until_close;
        let is_reply = turn != Turn::Refuses;
        let past = self.past;
        self.past = Past {
            finals: past.finals + 1,
            announced: past.announced || closes,
            has_piece: false,
        };
        if past.finals > dispatched || (is_reply && past.finals == dispatched) {
            return Err("I7: a second final response");
        }
        if is_reply && closes && self.server == Phase::Running && !has_reason {
            return Err("I2: a response gains close without a shutdown");
        }
        if is_reply && !closes && self.server >= Phase::Draining && !has_next {
            return Err("in the drain a last response does not say so");
        }
        let last = ["Connection: close", "HTTP/1.0"].map(|last| script[0].contains(last));
        if is_reply && !closes && last.contains(&true) {
            return Err("a response that the client asked to be the last does not say so");
        }
        Ok(())
    }
}

//! A whole connection as a driver turns it, with what is around it. The driver does what the
//! connection wants and nothing else.

use std::hash::{DefaultHasher, Hash, Hasher};

use neap_core::control::{Content, Stage};
use neap_core::{
    Config, Connection, Handler, HttpDate, Item, PeerError, Phase, Progress, Read, Spans, Status,
    Step, Tick, Time, Wants, Write,
};

use super::abstraction::{LONGEST, LONGEST_GRACE, TICK, config};
use super::client::{Client, Kind};
use super::key;
use super::turn::{Past, Turn};

const DATE: HttpDate = HttpDate::from_unix_seconds(784_111_777);

/// A connection and what is around it.
#[derive(Clone, Debug)]
pub struct Turned {
    pub(super) connection: Connection,
    pub(super) now: Time,
    pub(super) server: Progress,
    /// When sealing began.
    sealing: Time,
    /// Whether the connection has been told how the server is.
    pub(super) heard: bool,
    pub(super) client: Client,
    /// What the client has sent and the driver has buffered.
    pub(super) input: String,
    /// Whether the client has ended its side.
    pub(super) fin: bool,
    pub(super) past: Past,
    /// The rule that the last step broke.
    pub(super) broken: Option<&'static str>,
    key: u64,
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

/// What the driver is asked to do, or nothing if the connection is over or handed over.
pub(super) fn wants(connection: &Connection) -> Option<Wants> {
    match connection.poll_step() {
        Step::Go(wants) => Some(wants),
        Step::Upgrade | Step::Close { .. } => None,
    }
}

impl Turned {
    /// A connection that was accepted when the server was this far; one that comes too late to be
    /// served is turned away.
    pub(super) fn accepted(server: Progress, first: Kind) -> Turned {
        let config = config();
        // Late enough for everything before it to be over.
        let now = Time::ZERO.after(TICK * 2 * LONGEST);
        let sealing = match server {
            Progress::Running | Progress::LameDuck => Time::NEVER,
            _ => now,
        };
        let t = Tick {
            now,
            phase: server.phase(),
            sealing,
            config: &config,
        };
        let mut connection = Connection::new(t);
        if server == Progress::Closing {
            connection.turn_away(t);
        } else {
            connection.handle_timeout(t);
        }
        let mut turned = Turned {
            connection,
            now,
            server,
            sealing,
            heard: true,
            client: Client::new(first),
            input: String::new(),
            fin: false,
            past: Past::default(),
            broken: None,
            key: 0,
        };
        turned.mark();
        turned
    }

    /// Brings the key up to date, which stands for everything that the state is made of: of a
    /// connection that is over, how it ended.
    pub(super) fn mark(&mut self) {
        let ticks = |ticks: u32| u64::try_from((TICK * ticks).as_nanos()).expect("it is short");
        let now = self.now.since(Time::ZERO).as_nanos();
        let now = u64::try_from(now).expect("it is early");
        let mut hasher = DefaultHasher::new();
        if let Step::Close { outcome, reset } = self.connection.poll_step() {
            (outcome, reset).hash(&mut hasher);
        } else {
            let circumstances = (self.server, self.heard, self.client, &self.input, self.fin);
            (circumstances, self.past).hash(&mut hasher);
            key(&self.connection, now, ticks(LONGEST)).hash(&mut hasher);
            key(&self.sealing, now, ticks(LONGEST_GRACE)).hash(&mut hasher);
        }
        self.broken.hash(&mut hasher);
        self.key = hasher.finish();
    }

    pub(super) fn is_running(&self) -> bool {
        wants(&self.connection).is_some_and(|wants| wants.handler == Handler::Run)
    }

    /// What the driver does now by itself: its duties, of which those come first that do not
    /// depend on the peer.
    pub(super) fn duties(&self) -> Vec<Turn> {
        let wants = match self.connection.poll_step() {
            Step::Go(wants) => wants,
            Step::Upgrade => return vec![Turn::HandsOver],
            Step::Close { .. } => return vec![],
        };
        if !self.heard {
            return vec![Turn::Hears];
        }
        let mut duties = Vec::new();
        match wants.read {
            Read::Head | Read::Content if self.takes() => duties.push(Turn::Takes),
            Read::Look if self.takes() => duties.push(Turn::Takes),
            Read::Discard if !self.input.is_empty() => duties.push(Turn::Takes),
            Read::No => {}
            // Whoever reads behind the end sees it again.
            _ if self.fin => duties.push(Turn::Ends),
            Read::Look => duties.push(Turn::FindsNothing),
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
    pub(super) fn takes(&self) -> bool {
        let mut turned = self.clone();
        let _ = turned.take();
        turned.input != self.input || turned.connection.control() != self.connection.control()
    }

    fn tick<'c>(&self, config: &'c Config) -> Tick<'c> {
        Tick {
            now: self.now,
            phase: self.server.phase(),
            sealing: self.sealing,
            config,
        }
    }

    /// Makes one step. An error names the rule that it breaks.
    pub(super) fn turn(&mut self, turn: Turn) -> Result<(), &'static str> {
        let config = config();
        let t = self.tick(&config);
        let connection = &mut self.connection;
        let past = &mut self.past;
        // What was wanted may have lapsed where the phase has risen since.
        let lapsed = connection.control().server != t.phase;
        let mut out = Vec::new();
        let done = match turn {
            Turn::Takes => return self.take(),
            Turn::Replies(_) | Turn::Refuses => return self.answers(turn, lapsed),
            Turn::Flushes => {
                past.owed = 0;
                connection.handle_written(t, connection.unsent())
            }
            Turn::WritesShort => {
                past.owed = 1;
                connection.handle_written(t, connection.unsent() - 1)
            }
            Turn::Fins if connection.unsent() > 0 => return Err("I16: FIN overtakes output"),
            Turn::Fins => connection.handle_fin_sent(t),
            Turn::Starts => connection.handle_started(t),
            Turn::HandsOver => connection.handle_upgrade_taken(t),
            Turn::EndsUpgrade => connection.handle_upgrade_end(t, 0),
            Turn::Continues => connection.reply_continue(t, &mut out),
            Turn::Finishes => {
                let ended = connection.reply_end(t, &mut out);
                if ended.is_ok() && connection.reply_left().unwrap_or(0) == 0 {
                    past.open = None;
                    past.whole += 1;
                }
                ended
            }
            Turn::Pieces => connection.reply_body(t, 1).map(|frame| {
                past.has_piece = true;
                let framing = frame.prefix().len() + frame.suffix.len();
                past.owed += frame.take + framing as u64;
            }),
            Turn::Upgrades => {
                let status = Status::new(101).expect("three digits");
                let upgrade = [(&b"upgrade"[..], &b"b"[..])];
                // Not every request may be answered so: that is the handler's to know.
                if connection
                    .reply_upgrade(t, status, &DATE, upgrade, &mut out)
                    .is_ok()
                {
                    past.finals += 1;
                    past.whole += 1;
                }
                Ok(())
            }
            _ => {
                self.reports(turn);
                return Ok(());
            }
        };
        self.past.owed += out.len() as u64;
        if done.is_err() && !lapsed {
            return Err("what is wanted is refused");
        }
        Ok(())
    }

    /// The steps that nothing can be wrong with.
    fn reports(&mut self, turn: Turn) {
        let config = config();
        match turn {
            Turn::Passes => self.now = self.now.after(TICK),
            Turn::Moves(progress) => {
                self.server = progress;
                self.heard = false;
                if progress == Progress::Sealing {
                    self.sealing = self.now;
                }
            }
            Turn::Hears => self.heard = true,
            Turn::Ends => self.fin = true,
            _ => {}
        }
        let t = self.tick(&config);
        let connection = &mut self.connection;
        match turn {
            Turn::Sends(kind) => {
                self.input += self.client.send(kind);
                self.past.is_last |= kind.is_last();
            }
            Turn::Ends => connection.handle_eof(t),
            Turn::Breaks => connection.handle_io_error(t),
            Turn::FindsNothing => connection.handle_nothing(t),
            Turn::FindsQuiet => connection.handle_quiet(t),
            Turn::Queries { unacknowledged } => connection.handle_send_queue(t, unacknowledged),
            Turn::Rejects => connection.reject(t, PeerError::Expectation),
            Turn::GivesUp => connection.close_idle(t),
            Turn::Demands => connection.want_content(t),
            Turn::Abandons => connection.drop_content(t),
            Turn::Closes => connection.close_after_reply(t),
            Turn::Fails => connection.handle_failure(t),
            Turn::Hears | Turn::Passes => connection.handle_timeout(t),
            Turn::Moves(_) => {}
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
        if matches!(read, Some(Read::Head | Read::Look)) {
            // A CR alone may be half of an empty line, which is no request yet.
            let is_begun = consumed == 0 && !matches!(self.input.as_str(), "" | "\r");
            self.past.has_begun = !is_head && is_begun;
        }
        if is_head && self.past.announced {
            return Err("I8: a request is dispatched after the close was announced");
        }
        if is_head && self.connection.unsent() > config.limits.unsent {
            return Err("a request is taken though too much waits to be sent");
        }
        Ok(())
    }

    /// Hands out a final response, or a refusal in its place.
    fn answers(&mut self, turn: Turn, lapsed: bool) -> Result<(), &'static str> {
        let config = config();
        let t = self.tick(&config);
        let connection = &mut self.connection;
        let before = connection.control();
        let dispatched = connection.tally().dispatched;
        let mut out = Vec::new();
        let is_whole = connection.is_request_whole();
        let has_next = is_whole && self.input.contains("\r\n\r\n");
        let reply = match turn {
            Turn::Replies(length) => Some(length),
            _ => None,
        };
        let answered = if let Some(length) = reply {
            connection.handle_buffered(t, self.input.as_bytes());
            connection.reply_head(t, Status::OK, length, &DATE, [], &mut out)
        } else {
            connection.reply_refusal(t, &DATE, &mut out)
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
        let until_close = connection.control().until_close;
        let has_reason = before.own >= Phase::Draining || uninvited || until_close;
        let past = self.past;
        self.past = Past {
            finals: past.finals + 1,
            announced: past.announced || closes,
            has_piece: false,
            open: reply.map(|_| until_close),
            owed: past.owed + out.len() as u64,
            ..past
        };
        let is_reply = reply.is_some();
        let rules = [
            (
                "I7: a second final response",
                past.finals > dispatched || (is_reply && past.finals == dispatched),
            ),
            (
                "I2: a response gains close without a shutdown",
                is_reply && closes && t.phase == Phase::Running && !has_reason,
            ),
            (
                "I17: in the drain a last response does not say so",
                is_reply && !closes && t.phase >= Phase::Draining && !has_next,
            ),
            (
                "I17: after a refusal the connection would be kept",
                !is_reply && !closes,
            ),
            (
                "a response that the client asked to be the last does not say so",
                is_reply && !closes && past.is_last,
            ),
        ];
        super::first(&rules).map_or(Ok(()), Err)
    }
}

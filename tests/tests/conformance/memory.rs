//! The core alone, with a driver that has no sockets: it does what the levels say.

use neap_core::{
    Config, Connection, Handler, HttpDate, Item, Outcome, PeerError, Phase, Read, Spans, Step,
    Tick, Time, Wants, Write,
};

use crate::app::{self, Reading, Reply, Request};
use crate::reader::To;

const DATE: HttpDate = HttpDate::from_unix_seconds(784_111_777);

/// A connection in memory, with both of its ends.
pub(crate) struct Memory {
    pub(crate) core: Connection,
    pub(crate) config: Config,
    pub(crate) now: Time,
    spans: Spans,
    /// What the client has sent and the core has not taken.
    pub(crate) inbox: Vec<u8>,
    /// Whether the client has ended its side.
    ended: bool,
    /// Whether the client takes output.
    pub(crate) takes_output: bool,
    /// What the server has sent, or would, if the client took it.
    pub(crate) output: Vec<u8>,
    pub(crate) seen: Seen,
    exchange: Option<Exchange>,
}

/// What was made of the input: the same, however it is cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The requests whose handler was started.
    pub(crate) requests: Vec<Request>,
    pub(crate) refused: Option<PeerError>,
    /// What the final responses answer.
    pub(crate) to: Vec<To>,
    /// Whether our side was ended after the last byte.
    pub(crate) fin: bool,
    pub(crate) outcome: Option<(Outcome, bool)>,
    /// Bytes that the core has taken, those thrown away at the end not included.
    pub(crate) consumed: usize,
}

impl Seen {
    /// What was made of the input, as far as it does not depend on how it was cut. Of content that
    /// turns out to be malformed, the handler may have seen more or less; where content is only
    /// skipped, it does not matter which of its faults ends the connection.
    pub(crate) fn fate(&self) -> Seen {
        let mut fate = self.clone();
        fate.consumed = 0;
        if self.to.len() == self.requests.len() {
            fate.refused = None;
        }
        if let (Some(last), Some(_)) = (fate.requests.last_mut(), self.refused) {
            last.content.clear();
        }
        fate
    }
}

struct Exchange {
    reading: Reading,
    replied: bool,
}

impl Memory {
    pub(crate) fn new(config: Config) -> Memory {
        let t = Tick {
            now: Time::ZERO,
            phase: Phase::Running,
            sealing: Time::NEVER,
            config: &config,
        };
        Memory {
            core: Connection::new(t),
            config,
            now: Time::ZERO,
            spans: Spans::new(),
            inbox: Vec::new(),
            ended: false,
            takes_output: true,
            output: Vec::new(),
            seen: Seen::default(),
            exchange: None,
        }
    }

    /// The client sends.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
        self.run();
    }

    /// The client ends its side.
    pub(crate) fn end(&mut self) {
        self.ended = true;
        self.run();
    }

    /// Time passes.
    pub(crate) fn wait_until(&mut self, now: Time) {
        self.now = now;
        self.run();
        self.with(Connection::handle_timeout);
        self.run();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.seen.outcome.is_some()
    }

    pub(crate) fn wants(&self) -> Option<Wants> {
        match self.core.poll_step() {
            Step::Go(wants) => Some(wants),
            Step::Upgrade | Step::Close { .. } => None,
        }
    }

    fn with<T>(&mut self, call: impl FnOnce(&mut Connection, Tick<'_>) -> T) -> T {
        let t = Tick {
            now: self.now,
            phase: Phase::Running,
            sealing: Time::NEVER,
            config: &self.config,
        };
        call(&mut self.core, t)
    }

    /// Goes on until nothing more can be done without the client or the clock.
    pub(crate) fn run(&mut self) {
        loop {
            match self.core.poll_step() {
                Step::Close { outcome, reset } => {
                    self.exchange = None;
                    self.seen.outcome = Some((outcome, reset));
                    return;
                }
                Step::Upgrade => unreachable!("the handler never asks for it"),
                Step::Go(wants) => {
                    let goes_on = self.handle(wants.handler)
                        || self.write(wants.write)
                        || self.read(wants.read);
                    if !goes_on {
                        return;
                    }
                }
            }
        }
    }

    fn handle(&mut self, handler: Handler) -> bool {
        match handler {
            Handler::No => self.exchange.take().is_some(),
            Handler::Start => {
                let reading = self.seen.requests.last().map(|r| app::reading(&r.target));
                self.exchange = reading.map(|reading| Exchange {
                    reading,
                    replied: false,
                });
                self.with(Connection::handle_started).unwrap();
                true
            }
            Handler::Run => self.run_handler(),
        }
    }

    fn run_handler(&mut self) -> bool {
        let exchange = self.exchange.as_mut().unwrap();
        if exchange.replied {
            return false;
        }
        let before = self.core.control();
        match exchange.reading {
            Reading::Collects if !self.core.is_request_whole() => {
                self.with(Connection::want_content);
                return self.core.control() != before;
            }
            Reading::Drops => self.with(Connection::drop_content),
            Reading::Collects | Reading::Leaves => {}
        }
        self.exchange.as_mut().unwrap().replied = true;
        let reply = app::reply(self.seen.requests.last().unwrap());
        self.reply(&reply);
        true
    }

    fn reply(&mut self, reply: &Reply) {
        if reply.fails {
            return self.with(Connection::handle_failure);
        }
        let status = neap_core::Status::new(reply.status).unwrap();
        let length = reply
            .length
            .map_or(neap_core::BodyLength::Unknown, neap_core::BodyLength::Known);
        let fields = reply.fields.iter();
        let fields = fields.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let mut out = std::mem::take(&mut self.output);
        let head = self.with(|core, t| core.reply_head(t, status, length, &DATE, fields, &mut out));
        if head.is_err() {
            self.output = out;
            return self.with(Connection::handle_failure);
        }
        let method = &self.seen.requests.last().unwrap().method;
        self.seen.to.push(To::method(method));
        for piece in &reply.pieces {
            let frame = self
                .with(|core, t| core.reply_body(t, piece.len() as u64))
                .unwrap();
            out.extend_from_slice(frame.prefix());
            out.extend_from_slice(&piece[..usize::try_from(frame.take).unwrap()]);
            out.extend_from_slice(frame.suffix);
        }
        let trailers = reply.trailers.iter();
        let trailers = trailers.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        self.with(|core, t| core.reply_trailers(t, trailers, &mut out))
            .unwrap();
        self.output = out;
    }

    fn write(&mut self, write: Write) -> bool {
        let mut out = std::mem::take(&mut self.output);
        match write {
            Write::No => {}
            Write::Flush if !self.takes_output => {}
            Write::Flush => self
                .with(|core, t| core.handle_written(t, core.unsent()))
                .unwrap(),
            Write::Continue => self
                .with(|core, t| core.reply_continue(t, &mut out))
                .unwrap(),
            Write::Refuse(_) => {
                let is_head = match self.seen.requests.get(self.seen.to.len()) {
                    Some(request) => request.method == "HEAD",
                    None => self.inbox.starts_with(b"HEAD "),
                };
                self.seen
                    .to
                    .push(if is_head { To::Head } else { To::Other });
                self.with(|core, t| core.reply_refusal(t, &DATE, &mut out))
                    .unwrap();
            }
            Write::Fin => {
                self.with(Connection::handle_fin_sent).unwrap();
                self.seen.fin = true;
            }
            Write::Query => self.with(|core, t| core.handle_send_queue(t, 0)),
        }
        self.output = out;
        match write {
            Write::No => false,
            Write::Flush => self.takes_output,
            Write::Continue | Write::Refuse(_) | Write::Fin | Write::Query => true,
        }
    }

    fn read(&mut self, read: Read) -> bool {
        if read == Read::No {
            return false;
        }
        if read == Read::Discard && !self.inbox.is_empty() {
            let count = self.inbox.len() as u64;
            self.inbox.clear();
            self.with(|core, t| core.handle_discarded(t, count));
            return true;
        }
        let takes = matches!(read, Read::Head | Read::Look | Read::Content);
        if takes && self.take_input() {
            return true;
        }
        let before = self.core.control();
        if self.ended {
            self.with(Connection::handle_eof);
        } else if read == Read::Look {
            self.with(Connection::handle_nothing);
        }
        self.core.control() != before
    }

    /// Gives the core what the client has sent. False if it could make nothing of it.
    fn take_input(&mut self) -> bool {
        let t = Tick {
            now: self.now,
            phase: Phase::Running,
            sealing: Time::NEVER,
            config: &self.config,
        };
        let received = self.core.handle_input(t, &self.inbox, &mut self.spans);
        let consumed = received.consumed;
        assert!(consumed <= self.inbox.len(), "nothing is consumed twice");
        let taken = self.inbox[..consumed].as_ptr_range();
        let within =
            |part: &[u8]| taken.start <= part.as_ptr() && part.as_ptr_range().end <= taken.end;
        let idle = consumed == 0 && matches!(received.item, Item::Nothing);
        match received.item {
            Item::Nothing => {}
            Item::Head(head) => {
                assert!(within(head.method().as_bytes()) && within(head.target().as_bytes()));
                self.seen.requests.push(Request {
                    method: head.method().into(),
                    target: head.target().into(),
                    fields: texts(head.fields()),
                    ..Request::default()
                });
            }
            Item::Content(content) => {
                assert!(within(content) && !content.is_empty());
                let request = self.seen.requests.last_mut().unwrap();
                request.content.extend_from_slice(content);
            }
            Item::Trailers(fields) => {
                self.seen.requests.last_mut().unwrap().trailers = texts(fields);
            }
            Item::Refused(error) => self.seen.refused = Some(error),
        }
        self.inbox.drain(..consumed);
        self.seen.consumed += consumed;
        !idle
    }
}

fn texts(fields: neap_core::Fields<'_>) -> Vec<(String, String)> {
    let text = |value: &[u8]| value.iter().map(|byte| char::from(*byte)).collect();
    fields
        .iter()
        .map(|(name, value)| (name.into(), text(value)))
        .collect()
}

//! Requests and responses: what each client must get, and what none may (I0, I2, I7, I8, I9, I15).

use super::{EXACT, Findings, NEVER, Times, may_be_exhausted};
use crate::simulation::kernel::{End, Record};
use crate::simulation::reader::{Framing, Response, read};
use crate::simulation::script::{ClientScript, Handler, Micros, Reading, RequestScript, pattern};
use crate::simulation::world::Run;

/// How large a piece of an endless response is, and of one that was waited for.
pub(super) const PIECE: usize = 16;

/// How much content of a request that nobody reads is read and thrown away, for the next request.
pub(super) const SKIPPED: usize = 64 * 1024;

/// A connection under judgement.
pub(super) struct Connection<'a> {
    pub(super) run: &'a Run,
    pub(super) client: usize,
    pub(super) script: &'a ClientScript,
    pub(super) record: &'a Record,
    pub(super) times: &'a Times,
    /// When it was accepted.
    pub(super) accepted: Micros,
    /// The final responses that the server wrote.
    pub(super) written: Vec<Response>,
}

impl<'a> Connection<'a> {
    /// `None` if what the server wrote is no response.
    pub(super) fn new(
        run: &'a Run,
        client: usize,
        times: &'a Times,
        findings: &mut Findings,
    ) -> Option<Connection<'a>> {
        let record = &run.records[client];
        let (accepted, _, _) = record.accepted?;
        let written = match read(&record.written) {
            Ok(responses) => responses,
            Err(error) => {
                findings.add(
                    "I7 what is written are responses",
                    format!("{client}: {error}"),
                );
                return None;
            }
        };
        Some(Connection {
            run,
            client,
            script: &run.script.clients[client],
            record,
            times,
            accepted,
            written: written.into_iter().filter(|r| !r.is_interim()).collect(),
        })
    }

    /// When so many of the client's bytes had arrived.
    pub(super) fn arrival(&self, count: usize) -> Micros {
        let found = self
            .record
            .arrivals
            .iter()
            .find(|(_, total)| *total >= count);
        found.map_or(NEVER, |(at, _)| *at)
    }

    /// When so many bytes had been written.
    pub(super) fn written_at(&self, count: usize) -> Micros {
        let found = self.record.writes.iter().find(|(_, total)| *total >= count);
        found.map_or(NEVER, |(at, _)| *at)
    }

    /// When the server can hear of something that arrives at `at`.
    pub(super) fn heard(&self, at: Micros) -> Micros {
        self.times.heard(at.saturating_add(self.run.script.net.lag))
    }

    /// When the client was gone, as the server could see it.
    pub(super) fn vanished(&self) -> Micros {
        let reset = self.record.reset.unwrap_or(NEVER);
        // A client that closed its socket takes nothing any more.
        let own = matches!(self.record.end, Some((_, End::Own)));
        let fin = if own { self.record.fin } else { None };
        reset.min(fin.unwrap_or(NEVER))
    }

    /// When a wait that began at `since` is over: the usual time, or the drain's.
    pub(super) fn window(&self, since: Micros, usual: Micros, grace: Micros) -> Micros {
        let hurried = if self.times.sealing == NEVER {
            NEVER
        } else {
            self.times.sealing.max(since) + grace
        };
        hurried.min(since + usual)
    }

    pub(super) fn expected(&self, number: usize) -> (u16, Vec<u8>) {
        let request = &self.script.requests[number];
        let known = |length| pattern(self.script.id, number, length);
        let content = match request.handler {
            Handler::Instant(length) | Handler::Ignore(length) => known(length),
            Handler::Delay(_) | Handler::UntilStop => known(PIECE),
            Handler::Stream(pieces, size, _) => known(pieces * size),
            Handler::Collect | Handler::Echo => self.script.content(number),
            Handler::PanicLate(pieces) => known(PIECE).repeat(pieces),
            Handler::StreamUntilStop(_) | Handler::Never => Vec::new(),
            Handler::Panic => return (500, Vec::new()),
        };
        (200, content)
    }

    /// When the handler has everything to say, if it starts at `start`; `content` is when the
    /// request's content has come.
    fn completion(&self, request: &RequestScript, start: Micros, content: Micros) -> Micros {
        match request.handler {
            Handler::Instant(_) | Handler::Ignore(_) | Handler::Panic => start,
            Handler::Delay(time) => start + time,
            Handler::Stream(pieces, _, gap) => start + gap * (pieces as Micros + 1),
            Handler::Collect | Handler::Echo => start.max(content),
            Handler::UntilStop => start.max(self.times.sealing),
            Handler::StreamUntilStop(_) | Handler::Never | Handler::PanicLate(_) => NEVER,
        }
    }

    /// How long sending so much takes at most; `NEVER` if the client is too slow.
    fn transfer(&self, length: usize) -> Micros {
        let net = &self.run.script.net;
        let buffer = net.send_buffer.min(self.script.receive_buffer);
        let rounds = (length / buffer + 2) as Micros;
        let packet = self.script.delay + self.script.jitter;
        let pauses = match self.script.reading {
            Reading::AtOnce => 0,
            Reading::Paced(most, every) => {
                let portion = most.min(self.script.receive_buffer);
                (length / portion + 2) as Micros * every
            }
        };
        let time = rounds * 4 * packet + pauses * 2;
        if time * 2 > self.run.script.windows.write {
            return NEVER;
        }
        time
    }

    /// Checks one request after the other, as long as each one's response lets the next one come.
    fn check_requests(&self, findings: &mut Findings) {
        let (mut since, mut early) = (self.accepted, self.accepted);
        let mut start = 0;
        let mut may_go_on = true;
        for (number, (head_end, end)) in self.script.ends().into_iter().enumerate() {
            let turn = Turn {
                number,
                since,
                early,
                first: self.arrival(start + 1),
                head: self.arrival(head_end),
                whole: self.arrival(end),
            };
            start = end;
            let obliged = may_go_on && self.is_obliged(&turn);
            let response = self.written.get(number);
            if obliged {
                self.check_answer(&turn, response, findings);
            }
            let Some(response) = response.filter(|response| response.whole) else {
                return;
            };
            if response.close {
                return;
            }
            since = self.written_at(response.place.1);
            early = self.dispatched_at(number).unwrap_or(early);
            let request = &self.script.requests[number];
            let unread = request.content.unwrap_or(0);
            if matches!(request.handler, Handler::Ignore(_)) && unread > 0 {
                let whole = self.heard(turn.whole);
                let drains = self.times.drained <= whole;
                let begun = turn.head.max(turn.since);
                let slow = whole >= begun + self.run.script.windows.content;
                may_go_on = !(drains || slow || unread > SKIPPED);
                since = since.max(whole);
            }
        }
    }

    /// Whether a request came in time in every way, so that it has to be answered whole.
    fn is_obliged(&self, turn: &Turn) -> bool {
        let windows = &self.run.script.windows;
        let request = &self.script.requests[turn.number];
        let is_first = turn.number == 0;
        let first = if is_first {
            self.window(turn.since, windows.head, windows.first_byte_grace)
        } else {
            self.window(turn.since, windows.idle, windows.quiet)
        };
        let begun = turn.first.max(turn.since);
        let early = turn.first.max(turn.early);
        let head = self.window(early, windows.head, windows.head_grace);
        let is_read = !matches!(request.handler, Handler::Ignore(_) | Handler::Panic);
        let has_content = request.content.unwrap_or(0) > 0;
        let content = turn.head.max(begun) + windows.content;
        let start = self.heard(turn.head.max(begun));
        let complete = self.completion(request, start, turn.whole);
        let length = self.expected(turn.number).1.len() + 300;
        let transfer = self.transfer(length);
        if transfer == NEVER || complete == NEVER || turn.head == NEVER {
            return false;
        }
        let end = self.heard(complete) + transfer + self.times.stalled();
        let fin = self.record.fin.unwrap_or(NEVER);
        let half_closed = fin.max(start) + windows.half_close_grace;
        let in_time = turn.first + EXACT < first && turn.head + EXACT < head;
        let content_in_time = !(is_read && has_content) || turn.whole + EXACT < content;
        let evicted = !is_first
            && may_be_exhausted(self.run)
            && self.record.ended.is_some_and(|ended| ended <= turn.head);
        in_time
            && content_in_time
            && !evicted
            && end + EXACT < self.times.forced
            && end + EXACT < self.vanished()
            && (fin >= end || end + EXACT < half_closed)
            && (!is_read || turn.whole < NEVER)
    }

    fn check_answer(&self, turn: &Turn, response: Option<&Response>, findings: &mut Findings) {
        let client = self.client;
        let number = turn.number;
        let rule = "I0 who is reached and cooperative is answered whole";
        let Some(response) = response else {
            let text = format!(
                "request {number} of client {client} is not answered; its head arrived at {}, the \
                 server ended its side at {:?}",
                turn.head, self.record.ended
            );
            return findings.add(rule, text);
        };
        let whole =
            response.whole || (response.framing == Framing::Close && self.record.ended.is_some());
        let (status, content) = self.expected(number);
        let right = response.status == status && (status != 200 || response.content == content);
        findings.check(whole && right, rule, || {
            format!(
                "request {number} of client {client} gets {} with {} of {} bytes at {}",
                response.status,
                response.content.len(),
                content.len(),
                self.written_at(response.place.1)
            )
        });
        if whole && right {
            self.check_delivery(response, findings);
        }
    }

    /// What was written for a client that goes on reading has to come to it.
    fn check_delivery(&self, response: &Response, findings: &mut Findings) {
        let record = self.record;
        let got = record.got.len() >= response.place.1;
        let own = matches!(record.end, Some((_, End::Own | End::Patience)));
        // A client that sends to a socket that has lingered for its time destroys its own response.
        let excused = record
            .closed
            .is_some_and(|closed| self.lingered_enough(&closed) && record.was_reset.is_some());
        findings.check(
            got || own || excused,
            "I0 what was written is delivered",
            || {
                format!(
                    "client {} has read {} of {} bytes; {} were destroyed by {:?}, {:?}",
                    self.client,
                    record.got.len(),
                    response.place.1,
                    record.destroyed,
                    record.was_reset,
                    record.closed
                )
            },
        );
    }

    pub(super) fn is_dispatched(&self, number: usize) -> bool {
        self.dispatched_at(number).is_some()
    }

    pub(super) fn dispatched_at(&self, number: usize) -> Option<Micros> {
        let dispatched = &self.run.servers[self.times.server].dispatched;
        let found = dispatched
            .iter()
            .find(|one| one.client == self.client && one.number == number);
        found.map(|one| one.at)
    }
}

/// A request, and when it came.
struct Turn {
    number: usize,
    /// When the connection was ready for it.
    since: Micros,
    /// When it may have been looked at first: responses that wait to be written do not keep the
    /// server from reading on.
    early: Micros,
    first: Micros,
    head: Micros,
    whole: Micros,
}

pub(super) fn check(run: &Run, client: usize, times: &Times, findings: &mut Findings) {
    let Some(connection) = Connection::new(run, client, times, findings) else {
        return;
    };
    let record = &run.records[client];
    let intact = record.written.starts_with(&record.got);
    findings.check(intact, "I7 what is read is what was written", || {
        format!("client {client}")
    });
    connection.check_requests(findings);
    connection.check_responses(findings);
}

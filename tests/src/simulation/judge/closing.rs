//! How connections end: in time, not before, and so that nothing is destroyed (I9, I10, I20).

use super::exchange::{Connection, SKIPPED};
use super::{EXACT, Findings, NEVER, Times, may_be_exhausted};
use crate::simulation::kernel::{Closed, Reset};
use crate::simulation::reader::Framing;
use crate::simulation::script::{Handler, Micros, Owner, Reading, RequestScript};
use crate::simulation::world::Run;

/// What one segment carries on any path.
const SEGMENT: usize = 536;

/// How much is thrown away while lingering.
const LINGER: usize = 1 << 20;

impl Connection<'_> {
    /// How much the server has read after `at`.
    fn read_after(&self, at: Micros) -> usize {
        let before = self.record.reads.iter().rfind(|(time, _)| *time <= at);
        let before = before.map_or(0, |(_, count)| *count);
        self.record.reads.last().map_or(0, |(_, count)| *count) - before
    }

    /// Whether a socket whose FIN was sent has been kept for as long as it had to.
    pub(super) fn lingered_enough(&self, closed: &Closed) -> bool {
        let windows = &self.run.script.windows;
        let record = self.record;
        let at = closed.at;
        let gone = |time: Option<Micros>| time.is_some_and(|time| time <= at);
        if gone(record.fin) || gone(record.reset) || self.times.over <= at {
            return true;
        }
        if self.has_parted() {
            return record.ended.is_some();
        }
        let Some(ended) = record.ended else {
            return false;
        };
        let unix = self.run.script.net.owner == Owner::Unix;
        let acknowledged = closed.outstanding == 0 || unix;
        if self.was_quiet(closed) {
            return true;
        }
        let input = record.arrivals.iter().rfind(|(time, _)| *time <= at);
        let input = input.map_or(0, |(time, _)| *time).max(ended);
        at + EXACT >= ended + windows.linger_max
            || (acknowledged && at + EXACT >= input + windows.linger_short)
            || self.read_after(ended) >= LINGER
    }

    /// Whether the connection was idle, all of its last response acknowledged, and silent for as
    /// long as it would have lingered, so that its close destroyed nothing.
    fn was_quiet(&self, closed: &Closed) -> bool {
        let input = self.record.arrivals.last().map_or(0, |(time, _)| *time);
        let silent_for = |since: Micros| {
            closed.at + EXACT >= since.max(input) + self.run.script.windows.linger_short
        };
        let idle = self
            .last_response()
            .is_some_and(|(since, close)| !close && silent_for(since));
        let at_once = self.record.ended == Some(closed.at);
        idle && at_once && closed.unread == 0 && closed.outstanding == 0
    }

    /// Whether the only request is one without content, which its client has called its last, and
    /// the answer so short that it comes whole or not at all, whatever that client sends behind it.
    fn has_parted(&self) -> bool {
        let [answer] = &self.written[..] else {
            return false;
        };
        let request = self.script.requests.first();
        let is_last = |it: &RequestScript| (it.close || it.old) && it.content.is_none();
        answer.place.1 <= SEGMENT && request.is_some_and(is_last)
    }

    /// When the exchange that the server's end follows was over, and whether something was said.
    fn last_response(&self) -> Option<(Micros, bool)> {
        let last = self.written.last()?;
        let close = last.close || last.framing == Framing::Close || !last.whole;
        // What nobody wanted of its request is read before the next one can come.
        let request = self
            .script
            .ends()
            .get(self.written.len() - 1)
            .map(|(_, end)| *end);
        let whole = request.map_or(NEVER, |end| self.arrival(end));
        let written = self.written_at(last.place.1);
        let since = if whole < NEVER {
            written.max(whole)
        } else {
            written
        };
        Some((since, close))
    }

    /// Whether the end of a connection that says nothing has a reason.
    fn check_silent_end(&self, ended: Micros, findings: &mut Findings) {
        let windows = &self.run.script.windows;
        let answered = self.written.len();
        let ends = self.script.ends();
        let start = answered
            .checked_sub(1)
            .map_or(0, |last| ends[last.min(ends.len() - 1)].1);
        let (since, usual, grace) = match self.last_response() {
            None => (self.accepted, windows.head, windows.first_byte_grace),
            Some((at, _)) => (at, windows.idle, windows.quiet),
        };
        let over = self.window(since, usual, grace);
        let evicted = answered > 0 && may_be_exhausted(self.run);
        let ours = self.times.closing <= ended || evicted;
        let came = self.arrival(start + 1);
        let in_time = came.max(since) < ended && came + EXACT < over.min(self.times.closing);
        if in_time && !evicted && answered < ends.len() {
            // It was read, so it is no silent end: somebody has to be told.
            let dispatched = self.is_dispatched(answered);
            findings.check(dispatched, "I9 nothing is dropped silently", || {
                format!(
                    "client {}: request {answered} began to arrive at {came}, the server ended at \
                     {ended}",
                    self.client
                )
            });
            return;
        }
        findings.check(
            ended + EXACT >= over || ours,
            "§5 nobody is sent away early",
            || {
                format!(
                    "client {}, waiting since {since}, is at {ended}, not {over}",
                    self.client
                )
            },
        );
    }

    fn check_end(&self, findings: &mut Findings) {
        let record = self.record;
        let Some(closed) = record.closed else {
            return;
        };
        let vanished = record
            .fin
            .unwrap_or(NEVER)
            .min(record.reset.unwrap_or(NEVER));
        if let Some(ended) = record.ended.filter(|ended| *ended < vanished) {
            let says = self.last_response().is_some_and(|(_, close)| close);
            if !says && ended < self.times.forced && !self.is_skipping(ended) {
                self.check_silent_end(ended, findings);
            }
        }
        self.check_socket(&closed, findings);
    }

    /// Whether the content of the last request that was answered is still on its way: then the
    /// drain ends the connection.
    fn is_skipping(&self, ended: Micros) -> bool {
        let Some(last) = self.written.len().checked_sub(1) else {
            return false;
        };
        let Some((_, end)) = self.script.ends().get(last).copied() else {
            return false;
        };
        let ignored = matches!(self.script.requests[last].handler, Handler::Ignore(_));
        let decided = self.written_at(self.written[last].head);
        let asked = self.times.drained.max(decided).min(ended);
        let long = self.script.requests[last].content.unwrap_or(0) > SKIPPED;
        ignored && (self.heard(self.arrival(end)) >= asked || long)
    }

    /// Whether the connection was cut off before all that had been handed out was written.
    pub(super) fn is_cut(&self) -> bool {
        let record = self.record;
        let vanished = record
            .fin
            .unwrap_or(NEVER)
            .min(record.reset.unwrap_or(NEVER));
        let ended = record.ended.unwrap_or(NEVER);
        ended >= vanished || ended >= self.times.forced
    }

    /// Whether closing the socket destroys nothing, and comes in time.
    fn check_socket(&self, closed: &Closed, findings: &mut Findings) {
        let windows = &self.run.script.windows;
        let record = self.record;
        let client = self.client;
        let forced = self.times.forced <= closed.at || self.times.over <= closed.at;
        let vanished = record
            .fin
            .unwrap_or(NEVER)
            .min(record.reset.unwrap_or(NEVER));
        let gone = vanished <= closed.at;
        if closed.reset && !forced && !gone {
            let stalls = self.may_stall();
            // Where only the end of the connection delimits the content, this is how a cut shows.
            let fails = |request: &RequestScript| matches!(request.handler, Handler::PanicLate(_));
            let last = self
                .written
                .iter()
                .filter(|response| response.whole)
                .count();
            let cut = self.script.requests.get(last).is_some_and(fails);
            findings.check(stalls || cut, "I0 no reset without a reason", || {
                format!("client {client} is reset at {}", closed.at)
            });
            return;
        }
        let destroys = record
            .was_reset
            .is_some_and(|(_, why)| why == Reset::Unread);
        findings.check(
            forced || self.lingered_enough(closed),
            "§5 lingering lasts until nothing can be destroyed",
            || {
                format!(
                    "client {client}: {closed:?}, ended at {:?}, {destroys}",
                    record.ended
                )
            },
        );
        if let Some(ended) = record.ended {
            let latest = self.times.due(ended + windows.linger_max);
            findings.check(closed.at <= latest, "I10 lingering has an end", || {
                format!(
                    "client {client}, ended at {ended}, is closed at {}",
                    closed.at
                )
            });
        }
    }

    /// Whether the client reads so slowly that it can be taken for one that does not.
    fn may_stall(&self) -> bool {
        matches!(self.script.reading, Reading::Paced(..))
            || self.run.script.windows.write < 8 * (self.script.delay + self.script.jitter)
    }

    /// When the connection ends at the latest where the client does nothing more.
    fn check_hold(&self, findings: &mut Findings) {
        let windows = &self.run.script.windows;
        let record = self.record;
        let end = record
            .ended
            .unwrap_or(NEVER)
            .min(record.closed.map_or(NEVER, |c| c.at));
        let answered = self.written.len();
        let ends = self.script.ends();
        let start = match answered {
            0 => 0,
            _ => ends.get(answered - 1).map_or(usize::MAX, |(_, end)| *end),
        };
        let came = self.arrival(start.saturating_add(1));
        let next = ends
            .get(answered)
            .map_or(NEVER, |(head, _)| self.arrival(*head));
        let (since, over) = match self.last_response() {
            _ if came < NEVER => {
                let since = self
                    .last_response()
                    .map_or(self.accepted, |(at, _)| at)
                    .max(came);
                (since, self.window(since, windows.head, windows.head_grace))
            }
            None => (
                self.accepted,
                self.window(self.accepted, windows.head, windows.first_byte_grace),
            ),
            Some((at, false)) => (at, self.window(at, windows.idle, windows.quiet)),
            Some((at, true)) => (at, at),
        };
        if next < NEVER || self.last_response().is_some_and(|(_, close)| close) {
            return;
        }
        if self.written.last().is_some_and(|last| !last.whole) || self.is_skipping(end) {
            return;
        }
        let latest = self.times.due(over + self.run.script.net.lag) + self.times.stalled();
        let vanished = record
            .fin
            .unwrap_or(NEVER)
            .min(record.reset.unwrap_or(NEVER));
        findings.check(
            end <= latest || self.times.over <= latest || vanished <= latest,
            "I10 nobody holds the drain for longer than the windows",
            || {
                format!(
                    "client {} waits from {since} until {end}, not {over}",
                    self.client
                )
            },
        );
    }
}

pub(super) fn check(run: &Run, client: usize, times: &Times, findings: &mut Findings) {
    let mut nothing = Findings::default();
    let Some(connection) = Connection::new(run, client, times, &mut nothing) else {
        return;
    };
    let closed = connection.record.closed;
    findings.check(
        closed.is_some_and(|closed| closed.at <= times.over),
        "I20 nothing remains",
        || {
            format!(
                "the socket of client {client} is still open after {}",
                times.over
            )
        },
    );
    connection.check_end(findings);
    connection.check_hold(findings);
}

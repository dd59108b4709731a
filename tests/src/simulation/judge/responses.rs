//! What was said, whether it had to be or not: to whom, what, and when (I2, I7, I8, I15).

use super::exchange::{Connection, PIECE};
use super::{EXACT, Findings};
use crate::simulation::kernel::End;
use crate::simulation::reader::{Framing, Response};
use crate::simulation::script::{Handler, Micros, pattern};
use crate::simulation::world::Progress;

impl Connection<'_> {
    /// Checks all responses, whether they had to come or not.
    pub(super) fn check_responses(&self, findings: &mut Findings) {
        let ends = self.script.ends();
        for (number, response) in self.written.iter().enumerate() {
            let at = self.written_at(response.head);
            if number >= ends.len() {
                self.check_unasked(response, at, findings);
                continue;
            }
            let dispatched = self.is_dispatched(number);
            match response.status {
                200 | 500 if dispatched => self.check_content(number, response, findings),
                503 => findings.check(
                    self.times.closing <= at,
                    "§6 only a closing server refuses",
                    || format!("client {} gets 503 at {at}", self.client),
                ),
                408 => self.check_timeout(number, ends[number], at, findings),
                status => findings.add(
                    "I7 each response answers its request",
                    format!("client {} gets {status} for request {number}", self.client),
                ),
            }
            self.check_close(number, response, at, findings);
        }
        let last = self.written.iter().position(|response| response.close);
        if let Some(last) = last {
            let end = self.written[last].place.1;
            let nothing = last + 1 == self.written.len() && end == self.record.written.len();
            findings.check(nothing, "I8 nothing follows a response with close", || {
                format!("client {}", self.client)
            });
        }
    }

    /// A response to nothing: only a server that closes says something unasked.
    fn check_unasked(&self, response: &Response, at: Micros, findings: &mut Findings) {
        let turned_away = response.status == 503 && self.times.closing <= at;
        findings.check(turned_away, "I7 no response without a request", || {
            format!("client {} gets {} at {at}", self.client, response.status)
        });
    }

    fn check_content(&self, number: usize, response: &Response, findings: &mut Findings) {
        let (status, content) = self.expected(number);
        let request = &self.script.requests[number];
        if status == 500 {
            return findings.check(
                response.status == 500,
                "I7 each response answers its request",
                || format!("client {} gets {}", self.client, response.status),
            );
        }
        let client = self.client;
        if response.status == 500 {
            return findings.add("I7 no handler failed", format!("client {client} gets 500"));
        }
        let got = &response.content;
        let incomplete = request.handler == Handler::Collect && got == b"incomplete";
        let piece = pattern(self.script.id, number, PIECE);
        let mut pieces = got.chunks(PIECE);
        let right = match request.handler {
            Handler::StreamUntilStop(_) => pieces.all(|one| piece.starts_with(one)),
            _ => content.starts_with(got) || incomplete,
        };
        findings.check(right, "I7 the content is the handler's", || {
            format!("client {client}, request {number}: {} bytes", got.len())
        });
        let endless = matches!(
            request.handler,
            Handler::StreamUntilStop(_) | Handler::PanicLate(_)
        );
        let short = got.len() < content.len() && !incomplete;
        if matches!(request.handler, Handler::StreamUntilStop(_)) {
            let told = self.times.sealing <= self.written_at(response.place.1);
            return findings.check(
                !response.whole || told,
                "§5 who is told to stop stops",
                || format!("client {client} has a whole response before the stop"),
            );
        }
        let panics = matches!(request.handler, Handler::PanicLate(_));
        let whole = response.whole && (short || panics);
        findings.check(!whole, "I15 what is cut looks cut", || {
            format!(
                "client {client}, request {number}: {} bytes look whole",
                got.len()
            )
        });
        if response.framing == Framing::Close && (short || endless) {
            let fin = matches!(self.record.end, Some((_, End::Fin)));
            findings.check(!fin, "I15 what is cut looks cut", || {
                format!("client {client}, request {number}: a FIN makes it look whole")
            });
        }
        if request.handler == Handler::UntilStop {
            let early = self.written_at(response.head) < self.times.sealing;
            findings.check(!early, "§5 nobody is told to stop before the seal", || {
                format!("client {client}, request {number}")
            });
        }
    }

    /// 408 is for those whose time is up.
    fn check_timeout(
        &self,
        number: usize,
        (head_end, end): (usize, usize),
        at: Micros,
        findings: &mut Findings,
    ) {
        let windows = &self.run.script.windows;
        let start = if number == 0 {
            0
        } else {
            self.script.ends()[number - 1].1
        };
        let since = match number {
            0 => self.accepted,
            _ => self.dispatched_at(number - 1).unwrap_or(self.accepted),
        };
        let begun = self.arrival(start + 1).max(since);
        let head = self.window(begun, windows.head, windows.head_grace);
        let no_head = self.arrival(head_end) + EXACT >= at.min(head)
            && (at + EXACT >= head || self.times.closing <= at)
            || self.times.closing <= at && self.heard(self.arrival(head_end)) >= self.times.closing;
        let whole = self.arrival(end);
        let no_content = self.is_dispatched(number)
            && at + EXACT >= begun + windows.content
            && whole + EXACT >= begun + windows.content;
        findings.check(
            no_head || no_content,
            "§5 408 is for those whose time is up",
            || {
                format!(
                    "client {} gets 408 at {at}, head arrives by {head}",
                    self.client
                )
            },
        );
    }

    /// Close is said when it has to be, and not sooner (I2, §5).
    fn check_close(&self, number: usize, response: &Response, at: Micros, findings: &mut Findings) {
        let request = &self.script.requests[number];
        let own = request.close || request.old || response.status != 200;
        let unread = request.content.unwrap_or(0) > 0
            && (request.expect || matches!(request.handler, Handler::Ignore(_)));
        let (before, after) = self.times.around(at);
        let running = before == Progress::Running && after == Progress::Running;
        let decided = self.record.written.len() < self.run.script.net.send_buffer;
        if running && decided && response.close && !own && !unread {
            findings.add(
                "I2 while it runs nobody is told to close",
                format!("client {} is, at {at}", self.client),
            );
        }
        let draining = before >= Progress::LameDuck && after >= Progress::LameDuck;
        let draining = draining && !self.times.runs_at(at);
        let next = self.script.ends().get(number + 1).map(|(head, _)| *head);
        let buffered = next.is_some_and(|next| self.arrival(next) <= at);
        if draining && !response.close && decided && !buffered {
            findings.add(
                "§5 from the drain's beginning the last response says close",
                format!("client {} is not told, at {at}", self.client),
            );
        }
    }
}

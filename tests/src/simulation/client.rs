//! A client: does what its script says, and reads what comes.

use super::kernel::{End, Fin, Happening, Kernel};
use super::reader::{Response, read};
use super::script::{ClientScript, Micros, Reading, SECOND, Step};

/// For how long a client waits at most.
pub const PATIENCE: Micros = 600 * SECOND;

/// A client.
#[derive(Debug)]
pub struct Client {
    index: usize,
    script: ClientScript,
    bytes: Vec<u8>,
    step: usize,
    sent: usize,
    /// When the wait that it is in is over.
    until: Option<Micros>,
    /// When it reads again.
    reads_at: Micros,
    /// For when it has asked to be called last.
    alarm: Micros,
    /// All that it has read when it last looked, and what that was.
    parsed: usize,
    responses: Vec<Response>,
    over: bool,
}

impl Client {
    pub(super) fn new(index: usize, script: &ClientScript) -> Client {
        Client {
            index,
            bytes: script.bytes(),
            script: script.clone(),
            step: 0,
            sent: 0,
            until: None,
            reads_at: 0,
            alarm: 0,
            parsed: 0,
            responses: Vec::new(),
            over: false,
        }
    }

    /// Whether it has closed its socket.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Does all that it can do now.
    pub(super) fn run(&mut self, kernel: &mut Kernel) {
        if self.over {
            return;
        }
        let stream = &kernel.streams[self.index];
        if stream.client_reset {
            return self.close(kernel, false, End::Reset);
        }
        if stream.record.connected.is_none() {
            return;
        }
        self.read(kernel);
        while !self.over && self.advance(kernel) {}
        if self.over {
            return;
        }
        let last = self.script.leaves && {
            self.understand(kernel);
            self.finals()
                .last()
                .is_some_and(|last| last.close && last.whole)
        };
        let stream = &kernel.streams[self.index];
        let ended = stream.down.fin >= Fin::Arrived && stream.down.received.is_empty();
        let is_done = self.step >= self.script.steps.len();
        if ended && (is_done || !self.waits_for_itself()) {
            self.close(kernel, false, End::Fin);
        } else if last && is_done {
            self.close(kernel, false, End::Own);
        } else if kernel.now >= self.script.start + PATIENCE {
            self.close(kernel, false, End::Patience);
        }
    }

    /// Whether it goes on without hearing from the server.
    fn waits_for_itself(&self) -> bool {
        !matches!(
            self.script.steps.get(self.step),
            None | Some(Step::AwaitResponses(_) | Step::AwaitContinue | Step::AwaitBytes(_))
        )
    }

    fn close(&mut self, kernel: &mut Kernel, reset: bool, end: End) {
        self.over = true;
        let (id, number) = (self.script.id, self.index);
        kernel.note(|| format!("client {number} (id {id}) closes: {end:?}"));
        kernel.client_close(self.index, reset, end);
    }

    fn read(&mut self, kernel: &mut Kernel) {
        match self.script.reading {
            Reading::AtOnce => {
                kernel.client_read(self.index, usize::MAX);
            }
            Reading::Paced(most, every) => {
                if kernel.now >= self.reads_at {
                    self.reads_at = kernel.now + every;
                    kernel.client_read(self.index, most);
                }
                if !kernel.streams[self.index].down.received.is_empty() {
                    self.call_at(kernel, self.reads_at);
                }
            }
        }
    }

    /// Asks to be called at a time, once.
    fn call_at(&mut self, kernel: &mut Kernel, time: Micros) {
        if self.alarm != time {
            self.alarm = time;
            kernel.at(time, Happening::Client(self.index));
        }
    }

    /// Understands what it has read.
    fn understand(&mut self, kernel: &Kernel) {
        let got = &kernel.streams[self.index].record.got;
        if got.len() != self.parsed {
            self.parsed = got.len();
            // What is no response is the judge's affair.
            self.responses = read(got).unwrap_or_default();
        }
    }

    fn finals(&self) -> impl Iterator<Item = &Response> {
        self.responses
            .iter()
            .filter(|response| !response.is_interim())
    }

    /// Goes one step further, if it can.
    fn advance(&mut self, kernel: &mut Kernel) -> bool {
        let Some(step) = self.script.steps.get(self.step).copied() else {
            return false;
        };
        let awaits = matches!(step, Step::AwaitResponses(_) | Step::AwaitContinue);
        if awaits {
            self.understand(kernel);
        }
        match step {
            Step::Send(end) => {
                let end = end.min(self.bytes.len());
                if end > self.sent {
                    kernel.client_send(self.index, &self.bytes[self.sent..end]);
                    self.sent = end;
                }
            }
            Step::Wait(time) => {
                let now = kernel.now;
                let until = *self.until.get_or_insert(now + time);
                if now < until {
                    self.call_at(kernel, until);
                    return false;
                }
                self.until = None;
            }
            Step::AwaitResponses(count) => {
                let whole = self.finals().filter(|response| response.whole);
                let nth = whole
                    .map(|response| response.close)
                    .nth(count.saturating_sub(1));
                let Some(close) = nth else {
                    return false;
                };
                if close {
                    self.step = self.script.steps.len();
                    return false;
                }
            }
            Step::AwaitContinue => {
                if !self.responses.iter().any(Response::is_interim) {
                    if self.finals().next().is_some() {
                        self.step = self.script.steps.len();
                    }
                    return false;
                }
            }
            Step::AwaitBytes(count) => {
                if kernel.streams[self.index].record.got.len() < count {
                    return false;
                }
            }
            Step::HalfClose => kernel.client_finish(self.index),
            Step::Close => {
                self.close(kernel, false, End::Own);
                return false;
            }
            Step::Reset => {
                self.close(kernel, true, End::Own);
                return false;
            }
        }
        self.step += 1;
        true
    }
}

//! Clients of every kind, around the moment of the drain.

use fastrand::Rng;

use super::{once_in, pick};
use crate::simulation::script::{
    ClientScript, Handler, Kind, MS, Micros, Reading, RequestScript, SECOND, Step, Windows,
};

/// Between two and a dozen of them.
pub(super) fn draw(rng: &mut Rng, windows: &Windows, drain: Micros) -> Vec<ClientScript> {
    let count = rng.u32(2..13);
    let mut clients: Vec<ClientScript> = Vec::new();
    while clients.len() < count as usize {
        let kind = pick(rng, &Kind::DRAWN);
        let copies = if kind == Kind::Burst {
            rng.u32(2..6)
        } else {
            1
        };
        let start = start(rng, drain);
        let delay = delay(rng);
        for _ in 0..copies {
            let id = u32::try_from(clients.len()).unwrap_or(u32::MAX);
            let client = ClientScript::new(id, kind, start, delay);
            clients.push(
                Drawn {
                    rng,
                    windows,
                    drain,
                }
                .fill(client),
            );
        }
    }
    clients
}

/// Before the drain, around it, after it.
fn start(rng: &mut Rng, drain: Micros) -> Micros {
    match rng.u32(0..5) {
        0 | 1 => rng.u64(0..drain),
        2 | 3 => drain.saturating_sub(rng.u64(0..100 * MS)) + rng.u64(0..50 * MS),
        _ => drain + rng.u64(0..2 * SECOND),
    }
}

fn delay(rng: &mut Rng) -> Micros {
    match rng.u32(0..4) {
        0 => rng.u64(10..200),
        1 | 2 => rng.u64(200..20 * MS),
        _ => rng.u64(20 * MS..150 * MS),
    }
}

struct Drawn<'a> {
    rng: &'a mut Rng,
    windows: &'a Windows,
    drain: Micros,
}

impl Drawn<'_> {
    fn fill(&mut self, mut client: ClientScript) -> ClientScript {
        client.jitter = if self.rng.bool() {
            0
        } else {
            self.rng.u64(0..5 * MS)
        };
        client.leaves = self.rng.bool();
        match client.kind {
            Kind::Plain | Kind::Burst => self.plain(&mut client),
            Kind::LateAck => {
                self.plain(&mut client);
                client.ack_delay = self.rng.u64(MS..1_500 * MS);
            }
            Kind::Silent => client.steps = vec![Step::Wait(self.rng.u64(0..2 * SECOND))],
            Kind::HalfAHead | Kind::HalfAHeadKept => self.half_a_head(&mut client),
            Kind::Pipelined => self.pipelined(&mut client, 2..6),
            Kind::PipelinedFar => self.pipelined(&mut client, 15..22),
            Kind::Upload | Kind::UploadExpecting | Kind::UploadIgnored | Kind::StillSending => {
                self.upload(&mut client);
            }
            Kind::SlowReader => self.slow_reader(&mut client),
            Kind::Drip => self.drip(&mut client),
            Kind::VanishesByFin | Kind::VanishesByReset => self.vanishes(&mut client),
            Kind::HalfClosing => {
                self.plain(&mut client);
                client.steps.push(Step::HalfClose);
            }
            Kind::KeepAlive | Kind::GoesIdle => self.kept(&mut client),
            Kind::CrossesTheLastCall => self.crosses(&mut client),
            Kind::Old => {
                self.plain(&mut client);
                client.requests[0].old = true;
                client.requests[0].handler = match self.rng.u32(0..6) {
                    0 => Handler::PanicLate(self.rng.usize(0..4)),
                    1 | 2 => self.stream(),
                    3 => Handler::StreamUntilStop(self.rng.u64(MS..300 * MS)),
                    _ => client.requests[0].handler,
                };
            }
            Kind::Streamed => {
                let handler = match self.rng.u32(0..4) {
                    0 => Handler::StreamUntilStop(self.rng.u64(MS..300 * MS)),
                    1 => Handler::PanicLate(self.rng.usize(0..4)),
                    _ => self.stream(),
                };
                client.requests.push(RequestScript::get(handler));
                client.steps.push(Step::Send(usize::MAX));
            }
            Kind::TooPatient => {
                let handler = *pick(self.rng, &[&Handler::Never, &Handler::UntilStop]);
                client.requests.push(RequestScript::get(handler));
                client.steps.push(Step::Send(usize::MAX));
            }
            Kind::Script => {}
        }
        client
    }

    fn stream(&mut self) -> Handler {
        let pieces = self.rng.usize(1..8);
        let size = self.rng.usize(1..3_000);
        Handler::Stream(pieces, size, self.rng.u64(0..200 * MS))
    }

    fn handler(&mut self) -> Handler {
        match self.rng.u32(0..12) {
            0..=4 => Handler::Instant(self.rng.usize(0..2_000)),
            5 => Handler::Instant(self.rng.usize(2_000..100_000)),
            6..=8 => Handler::Delay(self.rng.u64(0..1_500 * MS)),
            9 => self.stream(),
            10 => Handler::Panic,
            _ => Handler::UntilStop,
        }
    }

    fn get(&mut self) -> RequestScript {
        let mut request = RequestScript::get(self.handler());
        request.close = once_in(self.rng, 6);
        request
    }

    fn plain(&mut self, client: &mut ClientScript) {
        let request = self.get();
        client.requests.push(request);
        if once_in(self.rng, 3) {
            client.steps.push(Step::Wait(self.rng.u64(0..300 * MS)));
        }
        client.steps.push(Step::Send(usize::MAX));
    }

    fn half_a_head(&mut self, client: &mut ClientScript) {
        let mut start = 0;
        if client.kind == Kind::HalfAHeadKept {
            let first = RequestScript::get(Handler::Instant(self.rng.usize(0..100)));
            client.requests.push(first);
            start = client.bytes().len();
            client.steps = vec![Step::Send(start), Step::AwaitResponses(1)];
        }
        let request = self.get();
        client.requests.push(request);
        let length = client.bytes().len();
        client
            .steps
            .push(Step::Send(self.rng.usize(start + 1..length)));
        let longest = self.windows.head_grace.min(3 * SECOND) * 3 / 2;
        client.steps.push(Step::Wait(self.rng.u64(0..longest)));
        if !once_in(self.rng, 4) {
            client.steps.push(Step::Send(usize::MAX));
        }
    }

    fn pipelined(&mut self, client: &mut ClientScript, counts: std::ops::Range<usize>) {
        for _ in 0..self.rng.usize(counts) {
            let mut request = RequestScript::get(match self.rng.u32(0..4) {
                0 => Handler::Delay(self.rng.u64(0..200 * MS)),
                _ => Handler::Instant(self.rng.usize(0..500)),
            });
            if once_in(self.rng, 4) {
                request.content = Some(self.rng.usize(0..300));
                request.handler = Handler::Collect;
            }
            client.requests.push(request);
        }
        if self.rng.bool() {
            let length = client.bytes().len();
            client.steps.push(Step::Send(self.rng.usize(1..length)));
            client.steps.push(Step::Wait(self.rng.u64(0..100 * MS)));
        }
        client.steps.push(Step::Send(usize::MAX));
    }

    fn upload(&mut self, client: &mut ClientScript) {
        let most = if client.kind == Kind::StillSending {
            200_000
        } else {
            40_000
        };
        let handler = match client.kind {
            Kind::UploadIgnored | Kind::StillSending => Handler::Ignore(self.rng.usize(0..20_000)),
            _ if self.rng.bool() => Handler::Echo,
            _ => Handler::Collect,
        };
        let mut request = RequestScript::post(handler, self.rng.usize(0..most));
        request.chunked = self.rng.bool();
        request.expect = client.kind == Kind::UploadExpecting;
        if request.expect && once_in(self.rng, 4) {
            request.handler = Handler::Ignore(self.rng.usize(0..200));
        }
        request.close = client.kind == Kind::StillSending && self.rng.bool();
        client.requests.push(request);
        let (head, end) = client.ends()[0];
        if request.expect {
            client.steps = vec![Step::Send(head), Step::AwaitContinue];
        }
        let pieces = self.rng.usize(1..6);
        for piece in 1..pieces {
            client
                .steps
                .push(Step::Send(head + (end - head) * piece / pieces));
            client.steps.push(Step::Wait(self.rng.u64(0..300 * MS)));
        }
        client.steps.push(Step::Send(end));
        if once_in(self.rng, 3) {
            let next = self.get();
            client.requests.push(next);
            client.steps.push(Step::AwaitResponses(1));
            client.steps.push(Step::Send(usize::MAX));
        }
    }

    fn slow_reader(&mut self, client: &mut ClientScript) {
        let size = self.rng.usize(1_000..60_000);
        let handler = if self.rng.bool() {
            Handler::Instant(size)
        } else {
            Handler::Stream(4, size / 4, self.rng.u64(0..100 * MS))
        };
        client.requests.push(RequestScript::get(handler));
        client.steps.push(Step::Send(usize::MAX));
        let portion = self.rng.usize(size / 20 + 1..size);
        let pause = if once_in(self.rng, 4) {
            self.rng.u64(MS..4 * SECOND)
        } else {
            self.rng.u64(MS..400 * MS)
        };
        client.reading = Reading::Paced(portion, pause);
        client.receive_buffer = pick(self.rng, &[500, 4_096, 65_536]);
    }

    fn drip(&mut self, client: &mut ClientScript) {
        let request = self.get();
        client.requests.push(request);
        let length = client.bytes().len();
        let pause = self.rng.u64(0..60 * MS);
        for end in (1..=length).step_by(self.rng.usize(1..12)) {
            client.steps.push(Step::Send(end));
            client.steps.push(Step::Wait(pause));
        }
        client.steps.push(Step::Send(length));
    }

    fn vanishes(&mut self, client: &mut ClientScript) {
        match self.rng.u32(0..3) {
            0 => self.plain(client),
            1 => self.upload(client),
            _ => self.kept(client),
        }
        let keep = self.rng.usize(0..=client.steps.len());
        client.steps.truncate(keep);
        if self.rng.bool() {
            client.steps.push(Step::Wait(self.rng.u64(0..600 * MS)));
        } else {
            client.steps.push(Step::AwaitBytes(self.rng.usize(1..400)));
        }
        client.steps.push(match client.kind {
            Kind::VanishesByFin => Step::Close,
            _ => Step::Reset,
        });
    }

    fn kept(&mut self, client: &mut ClientScript) {
        let mut end = 0;
        for number in 1..=self.rng.usize(1..4) {
            let mut request = self.get();
            request.close &= number == 3;
            client.requests.push(request);
            end = end.max(client.bytes().len());
            client.steps.push(Step::Send(end));
            client.steps.push(Step::AwaitResponses(number));
            if client.kind != Kind::GoesIdle {
                client.steps.push(Step::Wait(self.rng.u64(0..400 * MS)));
            }
        }
    }

    /// Idle when the drain comes; its next request arrives about when the last call is over.
    fn crosses(&mut self, client: &mut ClientScript) {
        client.start = self.drain.saturating_sub(self.rng.u64(0..400 * MS));
        client
            .requests
            .push(RequestScript::get(Handler::Instant(10)));
        let end = client.bytes().len();
        let request = self.get();
        client.requests.push(request);
        let call = self.drain + self.windows.lame_duck + self.windows.quiet;
        let near = call.saturating_sub(client.start + 3 * client.delay);
        let late = self.rng.u64(0..20 * MS) + near;
        let wait = late.saturating_sub(self.rng.u64(0..40 * MS));
        client.steps = vec![
            Step::Send(end),
            Step::AwaitResponses(1),
            Step::Wait(wait),
            Step::Send(usize::MAX),
        ];
    }
}

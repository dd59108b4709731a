//! A connection: two flows between a client and a server's socket.

use std::task::Waker;

use fastrand::Rng;

use super::{Fin, Flow, Happening, Kernel, Record, Reset};
use crate::simulation::script::{ClientScript, Micros, Net};

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// Where a connection is on the server's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its SYN has not been answered.
    Connecting,
    /// It is in the middle of its handshake with this listener.
    HalfOpen(usize),
    /// So it is, and nobody keeps a list of that.
    Cookie(usize),
    /// It waits to be accepted.
    Queued(usize),
    /// This server has accepted it.
    Accepted(usize),
    /// The system knows nothing of it.
    Forgotten,
}

/// A connection.
#[derive(Debug)]
pub struct Stream {
    /// The client's number.
    pub id: u32,
    rng: Rng,
    /// For the sizes of reads and writes, which depend on how often a server tries.
    sizes: Rng,
    delay: Micros,
    jitter: Micros,
    pub(super) ack_delay: Micros,
    pub(super) tries: u32,
    /// Where it is on the server's side.
    pub stage: Stage,
    /// From the client to the server.
    pub up: Flow,
    /// From the server to the client.
    pub down: Flow,
    /// What came before its handshake was complete.
    pub(super) early: Vec<Happening>,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    /// The server's side has been full, and has not become a good deal emptier since.
    pub(super) is_full: bool,
    /// The server's side has been reset by the client.
    pub(super) broken: bool,
    /// The server's socket is closed.
    pub(super) closed: bool,
    /// Closing the server's socket resets it.
    pub(super) reset_on_close: bool,
    /// The client's socket is closed.
    pub client_closed: bool,
    /// The client has been reset.
    pub client_reset: bool,
    /// What happened to it.
    pub record: Record,
}

impl Stream {
    pub(super) fn new(seed: u64, client: &ClientScript, net: &Net) -> Stream {
        let own = seed ^ (u64::from(client.id) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Stream {
            id: client.id,
            rng: Rng::with_seed(own),
            sizes: Rng::with_seed(!own),
            delay: client.delay,
            jitter: client.jitter,
            ack_delay: client.ack_delay,
            tries: 0,
            stage: Stage::Connecting,
            up: Flow::new(usize::MAX, net.receive_buffer),
            down: Flow::new(net.send_buffer, client.receive_buffer),
            early: Vec::new(),
            reader: None,
            writer: None,
            is_full: false,
            broken: false,
            closed: false,
            reset_on_close: false,
            client_closed: false,
            client_reset: false,
            record: Record::default(),
        }
    }

    /// How long the next packet takes.
    pub(super) fn delay(&mut self) -> Micros {
        self.delay + self.rng.u64(0..=self.jitter)
    }

    /// Whether `server` has it open.
    #[must_use]
    pub fn is_open_at(&self, server: usize) -> bool {
        self.stage == Stage::Accepted(server) && !self.closed
    }

    /// The client takes no more part in anything.
    pub(super) fn give_up(&mut self) {
        self.stage = Stage::Forgotten;
        self.client_reset = true;
    }

    fn flow(&mut self, direction: Direction) -> &mut Flow {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }

    fn is_established(&self) -> bool {
        matches!(self.stage, Stage::Queued(_) | Stage::Accepted(_))
    }

    fn wake_writer(&mut self) {
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }

    /// A size that a read or write is cut to.
    pub(super) fn cut(&mut self, short: bool, size: usize) -> usize {
        if short && size > 1 {
            self.sizes.usize(1..=size)
        } else {
            size
        }
    }
}

impl Kernel {
    /// Lets the server's side hear that there is something to read.
    fn tell_reader(&mut self, client: usize) {
        let at = self.now + self.net.lag;
        if let Some(waker) = self.streams[client].reader.take() {
            self.at(at, Happening::Wake(waker));
        }
    }

    /// Sends what can be sent.
    pub fn transmit(&mut self, client: usize, direction: Direction) {
        let now = self.now;
        let stream = &mut self.streams[client];
        if direction == Direction::Up && stream.record.connected.is_none() {
            return;
        }
        let mut sent = Vec::new();
        while let Some(bytes) = stream.flow(direction).next_segment() {
            let delay = stream.delay();
            let arrival = stream.flow(direction).arrival(now, delay);
            sent.push((arrival, Happening::Segment(client, direction, bytes)));
        }
        if stream.flow(direction).takes_fin() {
            let delay = stream.delay();
            let arrival = stream.flow(direction).arrival(now, delay);
            sent.push((arrival, Happening::Fin(client, direction)));
        }
        for (arrival, happening) in sent {
            self.at(arrival, happening);
        }
    }

    pub(super) fn take_segment(&mut self, client: usize, direction: Direction, bytes: Vec<u8>) {
        let now = self.now;
        let stream = &mut self.streams[client];
        let delay = stream.delay();
        let count = bytes.len();
        match direction {
            Direction::Up if !stream.is_established() && stream.stage != Stage::Forgotten => {
                let early = Happening::Segment(client, direction, bytes);
                return stream.early.push(early);
            }
            Direction::Up if stream.broken => return,
            Direction::Up if stream.closed || stream.stage == Stage::Forgotten => {
                let late = if stream.closed {
                    Reset::Late
                } else {
                    Reset::HalfOpen
                };
                return self.reset_client(client, late);
            }
            Direction::Down if stream.client_reset || stream.down.overtaken => return,
            Direction::Down if stream.client_closed => {
                stream.client_reset = true;
                let arrival = stream.up.arrival(now, delay);
                return self.at(arrival, Happening::Reset(client, Direction::Up));
            }
            Direction::Up | Direction::Down => {}
        }
        let flow = stream.flow(direction);
        flow.in_flight -= count;
        flow.arrived += count;
        flow.received.extend(bytes);
        let arrived = flow.arrived;
        if direction == Direction::Up {
            stream.record.arrivals.push((now, arrived));
            self.tell_reader(client);
        }
        self.at(
            now + delay,
            Happening::Acknowledged(client, direction, count),
        );
    }

    pub(super) fn take_acknowledgement(
        &mut self,
        client: usize,
        direction: Direction,
        count: usize,
    ) {
        let stream = &mut self.streams[client];
        let flow = stream.flow(direction);
        if count == 0 {
            flow.fin = Fin::Acknowledged;
        }
        flow.unacknowledged = flow.unacknowledged.saturating_sub(count);
        if direction == Direction::Down && stream.down.room() >= stream.down.send_buffer / 3 {
            stream.is_full = false;
            stream.wake_writer();
        }
        self.transmit(client, direction);
    }

    pub(super) fn take_fin(&mut self, client: usize, direction: Direction) {
        let now = self.now;
        let stream = &mut self.streams[client];
        let delay = stream.delay();
        if direction == Direction::Up {
            if !stream.is_established() && stream.stage != Stage::Forgotten {
                return stream.early.push(Happening::Fin(client, direction));
            }
            stream.record.fin.get_or_insert(now);
            self.tell_reader(client);
        }
        let stream = &mut self.streams[client];
        stream.flow(direction).fin = Fin::Arrived;
        self.at(now + delay, Happening::Acknowledged(client, direction, 0));
    }

    pub(super) fn take_reset(&mut self, client: usize, direction: Direction) {
        let now = self.now;
        let stream = &mut self.streams[client];
        match direction {
            Direction::Up => {
                if !stream.is_established() && stream.stage != Stage::Forgotten {
                    return stream.early.push(Happening::Reset(client, direction));
                }
                stream.record.reset.get_or_insert(now);
                stream.broken = true;
                stream.wake_writer();
                self.tell_reader(client);
            }
            Direction::Down => {
                stream.client_reset = true;
                stream.record.destroyed = stream.down.received.len();
                stream.down.received.clear();
            }
        }
    }

    /// Sends a client a reset, behind what is on its way already. What is not is destroyed.
    pub(super) fn reset_client(&mut self, client: usize, reset: Reset) {
        let now = self.now;
        self.note(|| format!("{client} is reset: {reset:?}"));
        let stream = &mut self.streams[client];
        stream.record.was_reset.get_or_insert((now, reset));
        stream.down.unsent.clear();
        stream.down.fin = Fin::No;
        let delay = stream.delay();
        let arrival = stream.down.arrival(now, delay);
        self.at(arrival, Happening::Reset(client, Direction::Down));
    }
}

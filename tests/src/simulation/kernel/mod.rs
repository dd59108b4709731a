//! The virtual kernel: time, the network, listeners with their queues, sockets with their buffers.
//!
//! It does what Linux does as far as a shutdown can tell. A SYN is answered or not, as its listener
//! is sealed; a handshake is in no queue that can be accepted from until its ACK has come; closing
//! a listener resets who is in the middle of one or waits. Closing a socket with unread input
//! resets it; a reset destroys what the closing side has not sent, and what the other side has not
//! read. Bytes that come to a closed socket are answered by a reset.
//!
//! Everything that takes time is an event, taken in order; two at the same moment in the order in
//! which they were arranged.

mod flow;
mod handshake;
mod listening;
mod record;
mod sockets;
mod stream;

use std::collections::BTreeMap;
use std::task::Waker;

pub use flow::{Fin, Flow};
pub use listening::Listening;
pub use record::{Closed, End, ListenerRecord, Record, Reset};
pub use stream::{Direction, Stage, Stream};

use crate::simulation::faults::Fault;
use crate::simulation::script::{Micros, Net, Script};

/// Something that happens at its time.
#[derive(Debug)]
pub enum Happening {
    /// A client begins to connect, or tries again.
    Connects(usize),
    /// A client's SYN arrives.
    Syn(usize),
    /// The answer to it arrives.
    SynAck(usize),
    /// The ACK that completes the handshake arrives.
    Ack(usize),
    /// A packet with content arrives.
    Segment(usize, Direction, Vec<u8>),
    /// So many bytes, or the FIN, are acknowledged.
    Acknowledged(usize, Direction, usize),
    /// A FIN arrives.
    Fin(usize, Direction),
    /// A reset arrives.
    Reset(usize, Direction),
    /// The receiver has made room.
    Window(usize, Direction),
    /// A client goes on.
    Client(usize),
    /// Somebody is woken.
    Wake(Waker),
    /// A server's timer; only the one that was set last counts.
    Timer(usize, u64),
    /// A server is there.
    Starts(usize),
    /// A server is told something.
    Told(usize, usize),
    /// A server gets the processor back.
    Resumes(usize),
}

/// The virtual kernel.
#[derive(Debug)]
pub struct Kernel {
    /// The time.
    pub now: Micros,
    /// How it is set up.
    pub net: Net,
    /// What is wrong with it, or with what connects a server to it.
    pub fault: Fault,
    events: BTreeMap<(Micros, u64), Happening>,
    arranged: u64,
    /// All listeners there have ever been.
    pub listeners: Vec<Listening>,
    /// A connection for each client.
    pub streams: Vec<Stream>,
    /// Who is woken by each server's timer.
    pub timers: [Option<Waker>; 2],
    /// A client that was accepted has been lost, as a fault wanted.
    pub has_lost: bool,
    /// What happened, in words.
    pub trace: Vec<String>,
    /// Whether that is kept.
    pub tracing: bool,
}

impl Kernel {
    /// The kernel of a script.
    #[must_use]
    pub fn new(script: &Script, fault: Fault) -> Kernel {
        let stream = |client| Stream::new(script.seed, client, &script.net);
        Kernel {
            now: 0,
            net: script.net.clone(),
            fault,
            events: BTreeMap::new(),
            arranged: 0,
            listeners: Vec::new(),
            streams: script.clients.iter().map(stream).collect(),
            timers: [None, None],
            has_lost: false,
            trace: Vec::new(),
            tracing: false,
        }
    }

    /// Notes what happens.
    pub fn note(&mut self, text: impl FnOnce() -> String) {
        if self.tracing {
            let line = format!("{:>10} {}", self.now, text());
            self.trace.push(line);
        }
    }

    /// Lets something happen at a time, or now if that has passed.
    pub fn at(&mut self, time: Micros, happening: Happening) {
        self.arranged += 1;
        self.events
            .insert((time.max(self.now), self.arranged), happening);
    }

    /// Lets the next thing happen, as far as the kernel is concerned. What is others' affair is
    /// given back; so is the client that may have something new to look at.
    pub fn step(&mut self) -> Option<Happening> {
        let ((time, _), happening) = self.events.pop_first()?;
        self.now = time;
        if !matches!(happening, Happening::Wake(_)) {
            self.note(|| describe(&happening));
        }
        let client = match happening {
            Happening::Connects(client) => {
                self.send_syn(client);
                client
            }
            Happening::Syn(client) => {
                self.take_syn(client);
                client
            }
            Happening::SynAck(client) => {
                self.take_syn_ack(client);
                client
            }
            Happening::Ack(client) => {
                self.take_ack(client);
                client
            }
            Happening::Segment(client, direction, bytes) => {
                self.take_segment(client, direction, bytes);
                client
            }
            Happening::Acknowledged(client, direction, count) => {
                self.take_acknowledgement(client, direction, count);
                client
            }
            Happening::Fin(client, direction) => {
                self.take_fin(client, direction);
                client
            }
            Happening::Reset(client, direction) => {
                self.take_reset(client, direction);
                client
            }
            Happening::Window(client, direction) => {
                self.transmit(client, direction);
                client
            }
            others => return Some(others),
        };
        Some(Happening::Client(client))
    }
}

/// What happens, without the bytes.
fn describe(happening: &Happening) -> String {
    match happening {
        Happening::Segment(client, direction, bytes) => {
            format!("Segment({client}, {direction:?}, {} bytes)", bytes.len())
        }
        other => format!("{other:?}"),
    }
}

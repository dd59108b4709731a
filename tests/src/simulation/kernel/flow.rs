//! One direction of a connection: from a send buffer over the network into a receive buffer.

use std::collections::VecDeque;

use crate::simulation::script::Micros;

/// How far a FIN has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fin {
    /// There is none.
    No,
    /// It waits behind what is unsent.
    Queued,
    /// It is on its way.
    Sent,
    /// It is there.
    Arrived,
    /// The sender knows that.
    Acknowledged,
}

/// One direction of a connection.
#[derive(Debug)]
pub struct Flow {
    /// Written and not sent yet.
    pub unsent: VecDeque<u8>,
    /// Sent and not there yet.
    pub in_flight: usize,
    /// Sent and not acknowledged yet.
    pub unacknowledged: usize,
    /// There and not read yet.
    pub received: VecDeque<u8>,
    /// How much may be unsent and unacknowledged.
    pub send_buffer: usize,
    /// How much may be on its way and unread.
    pub receive_buffer: usize,
    /// Its end.
    pub fin: Fin,
    /// When the last packet arrives: none overtakes another.
    pub last: Micros,
    /// How much has arrived in all.
    pub arrived: usize,
    /// The FIN has overtaken what is on its way.
    pub overtaken: bool,
}

/// How much a packet carries.
const SEGMENT: usize = 1_460;

impl Flow {
    pub(crate) fn new(send_buffer: usize, receive_buffer: usize) -> Flow {
        Flow {
            unsent: VecDeque::new(),
            in_flight: 0,
            unacknowledged: 0,
            received: VecDeque::new(),
            send_buffer,
            receive_buffer,
            fin: Fin::No,
            last: 0,
            arrived: 0,
            overtaken: false,
        }
    }

    /// How much can be written now.
    pub(crate) fn room(&self) -> usize {
        let used = self.unsent.len() + self.unacknowledged;
        self.send_buffer.saturating_sub(used)
    }

    /// How much its receiver has not acknowledged, the FIN counting for one.
    pub(crate) fn outstanding(&self) -> usize {
        let fin = usize::from(self.fin != Fin::No && self.fin != Fin::Acknowledged);
        self.unsent.len() + self.unacknowledged + fin
    }

    /// The next packet's content, if one can be sent.
    pub(crate) fn next_segment(&mut self) -> Option<Vec<u8>> {
        let used = self.in_flight + self.received.len();
        let window = self.receive_buffer.saturating_sub(used);
        let length = self.unsent.len().min(window).min(SEGMENT);
        // Little packets wait until what was sent has been acknowledged, as everywhere.
        let little = length < self.unsent.len() && length < SEGMENT.min(self.receive_buffer / 2);
        if length == 0 || (little && self.unacknowledged > 0) {
            return None;
        }
        let bytes: Vec<u8> = self.unsent.drain(..length).collect();
        self.in_flight += length;
        self.unacknowledged += length;
        Some(bytes)
    }

    /// Whether the FIN is to be sent now.
    pub(crate) fn takes_fin(&mut self) -> bool {
        let due = self.fin == Fin::Queued && self.unsent.is_empty();
        if due {
            self.fin = Fin::Sent;
        }
        due
    }

    /// When the next packet arrives that is sent at `now` and takes `delay`.
    pub(crate) fn arrival(&mut self, now: Micros, delay: Micros) -> Micros {
        self.last = self.last.max(now + delay);
        self.last
    }

    /// Takes up to `most` bytes of what has arrived.
    pub(crate) fn read(&mut self, most: usize) -> Vec<u8> {
        let length = self.received.len().min(most);
        self.received.drain(..length).collect()
    }
}

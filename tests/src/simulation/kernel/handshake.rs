//! How a client gets into a listener's queue.

use super::{Direction, Happening, Kernel, Reset, Stage};
use crate::simulation::script::{Owner, SECOND, Seal};

/// How often a client sends its SYN, each time after twice as long.
const TRIES: u32 = 6;

/// What becomes of a SYN.
enum Lookup {
    Listener(usize),
    Dropped,
    Refused,
}

impl Kernel {
    pub(super) fn send_syn(&mut self, client: usize) {
        let stream = &mut self.streams[client];
        if stream.stage != Stage::Connecting {
            return;
        }
        let delay = stream.delay();
        let tries = stream.tries;
        stream.tries += 1;
        if tries >= TRIES {
            stream.give_up();
            return;
        }
        let now = self.now;
        self.at(now + delay, Happening::Syn(client));
        self.at(now + (SECOND << tries), Happening::Connects(client));
    }

    /// Whom a SYN reaches. In a group the client's number decides; one that is bound to an
    /// interface that does not exist is found there, and has no way to answer.
    fn lookup(&self, client: usize) -> Lookup {
        let open: Vec<usize> = (0..self.listeners.len())
            .filter(|listener| self.listeners[*listener].is_open())
            .collect();
        let seal = |listener: usize| self.listeners[listener].seal;
        if open
            .iter()
            .all(|listener| seal(*listener) == Some(Seal::Interface))
        {
            return Lookup::Refused;
        }
        let hash = self.streams[client].id.wrapping_mul(0x9E37_79B9) >> 16;
        let chosen = open[hash as usize % open.len()];
        match seal(chosen) {
            None | Some(Seal::Plain) => Lookup::Listener(chosen),
            Some(Seal::Interface | Seal::Filter) => Lookup::Dropped,
        }
    }

    pub(super) fn take_syn(&mut self, client: usize) {
        let now = self.now;
        let stream = &mut self.streams[client];
        if stream.stage != Stage::Connecting {
            return;
        }
        stream.record.syns.push(now);
        let delay = stream.delay();
        match self.lookup(client) {
            Lookup::Refused => {
                self.streams[client].stage = Stage::Forgotten;
                self.reset_client(client, Reset::Refused);
            }
            Lookup::Dropped => {}
            Lookup::Listener(listener) => {
                if self.listeners[listener].queue.len() >= self.net.backlog {
                    return;
                }
                let stream = &mut self.streams[client];
                stream.record.answered = Some((now, listener));
                if self.net.owner == Owner::Unix {
                    // Connecting is being in the queue.
                    stream.record.connected = Some(now);
                    self.enqueue(client, listener);
                    return;
                }
                stream.stage = Stage::HalfOpen(listener);
                if self.net.cookies {
                    stream.stage = Stage::Cookie(listener);
                } else {
                    self.listeners[listener].half_open.push(client);
                }
                self.at(now + delay, Happening::SynAck(client));
            }
        }
    }

    pub(super) fn take_syn_ack(&mut self, client: usize) {
        let now = self.now;
        let stream = &mut self.streams[client];
        let delay = stream.delay() + stream.ack_delay;
        stream.record.connected = Some(now);
        let arrival = stream.up.arrival(now, delay);
        self.at(arrival, Happening::Ack(client));
        self.transmit(client, Direction::Up);
    }

    /// The handshake is complete, if its listener is still there and has room.
    pub(super) fn take_ack(&mut self, client: usize) {
        let now = self.now;
        let listener = match self.streams[client].stage {
            Stage::HalfOpen(listener) => listener,
            Stage::Cookie(listener) => {
                let listening = &self.listeners[listener];
                // The cookie is looked at by whoever listens where the client came to.
                if !listening.is_open() || listening.seal == Some(Seal::Interface) {
                    self.streams[client].stage = Stage::Forgotten;
                    self.listeners[listener].record.lost.push(client);
                    self.reset_client(client, Reset::HalfOpen);
                    return;
                }
                listener
            }
            Stage::Forgotten => {
                self.reset_client(client, Reset::HalfOpen);
                return;
            }
            Stage::Connecting | Stage::Queued(_) | Stage::Accepted(_) => return,
        };
        if self.listeners[listener].queue.len() >= self.net.backlog {
            // No room: the system answers the SYN once more, and the client acknowledges that.
            self.at(now + SECOND, Happening::Ack(client));
            return;
        }
        self.enqueue(client, listener);
        let early = std::mem::take(&mut self.streams[client].early);
        for happening in early {
            self.at(now, happening);
        }
    }
}

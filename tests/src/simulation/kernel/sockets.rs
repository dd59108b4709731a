//! What the two sides of a connection do with their sockets.

use std::io;
use std::task::Waker;

use super::{Closed, Direction, End, Fin, Happening, Kernel, Reset};

/// The server's side.
impl Kernel {
    /// Reads at most `most` bytes; none is the end.
    ///
    /// # Errors
    ///
    /// If nothing is there, or the connection is broken.
    pub fn read(
        &mut self,
        client: usize,
        most: usize,
        waker: Option<&Waker>,
    ) -> io::Result<Vec<u8>> {
        let (now, short) = (self.now, self.net.short);
        let stream = &mut self.streams[client];
        let there = stream.up.received.len().min(most);
        if there > 0 {
            let full = stream.up.received.len() + stream.up.in_flight >= stream.up.receive_buffer;
            let count = stream.cut(short, there);
            let bytes = stream.up.read(count);
            let before = stream.record.reads.last().map_or(0, |(_, count)| *count);
            stream.record.reads.push((now, before + bytes.len()));
            if full && !stream.up.unsent.is_empty() {
                let delay = stream.delay();
                self.at(now + delay, Happening::Window(client, Direction::Up));
            }
            return Ok(bytes);
        }
        if stream.broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if stream.up.fin >= Fin::Arrived {
            return Ok(Vec::new());
        }
        if let Some(waker) = waker {
            stream.reader = Some(waker.clone());
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Writes what goes.
    ///
    /// # Errors
    ///
    /// If nothing does, or the connection is broken.
    pub fn write(&mut self, client: usize, bytes: &[u8], waker: &Waker) -> io::Result<usize> {
        let (now, short) = (self.now, self.net.short);
        let stream = &mut self.streams[client];
        if stream.broken || stream.down.fin != Fin::No {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = stream.down.room().min(bytes.len());
        stream.is_full |= room == 0;
        if stream.is_full {
            stream.writer = Some(waker.clone());
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = stream.cut(short, room);
        stream.down.unsent.extend(&bytes[..count]);
        stream.record.written.extend(&bytes[..count]);
        let written = stream.record.written.len();
        stream.record.writes.push((now, written));
        self.transmit(client, Direction::Down);
        Ok(count)
    }

    /// Ends the server's side.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    pub fn end(&mut self, client: usize) -> io::Result<()> {
        let now = self.now;
        self.note(|| format!("the server ends its side of {client}"));
        let stream = &mut self.streams[client];
        if stream.broken {
            return Err(io::ErrorKind::NotConnected.into());
        }
        if stream.down.fin == Fin::No {
            stream.down.fin = Fin::Queued;
            stream.record.ended.get_or_insert(now);
            self.transmit(client, Direction::Down);
        }
        Ok(())
    }

    /// Forgets whom to wake when it can be written to.
    pub fn forget_writer(&mut self, client: usize) {
        self.streams[client].writer = None;
    }

    /// The close that follows is a reset.
    pub fn reset_on_close(&mut self, client: usize) {
        self.streams[client].reset_on_close = true;
    }

    /// Closes the server's socket.
    pub fn close(&mut self, client: usize) {
        let now = self.now;
        self.note(|| format!("the server closes {client}"));
        let stream = &mut self.streams[client];
        stream.closed = true;
        stream.reader = None;
        stream.writer = None;
        let unread = stream.up.received.len();
        stream.record.closed = Some(Closed {
            at: now,
            unread,
            outstanding: stream.down.outstanding(),
            reset: stream.reset_on_close,
        });
        if stream.broken {
            return;
        }
        if stream.reset_on_close {
            self.reset_client(client, Reset::Asked);
        } else if unread > 0 {
            self.reset_client(client, Reset::Unread);
        } else if stream.down.fin == Fin::No {
            stream.down.fin = Fin::Queued;
            stream.record.ended.get_or_insert(now);
            self.transmit(client, Direction::Down);
        }
    }
}

/// The client's side.
impl Kernel {
    /// Sends these bytes.
    pub fn client_send(&mut self, client: usize, bytes: &[u8]) {
        let stream = &mut self.streams[client];
        stream.up.unsent.extend(bytes);
        self.transmit(client, Direction::Up);
    }

    /// Reads at most `most` bytes of what has come.
    pub fn client_read(&mut self, client: usize, most: usize) -> usize {
        let now = self.now;
        let stream = &mut self.streams[client];
        let bytes = stream.down.read(most);
        stream.record.got.extend(&bytes);
        if !bytes.is_empty() && !stream.down.unsent.is_empty() {
            let delay = stream.delay();
            self.at(now + delay, Happening::Window(client, Direction::Down));
        }
        bytes.len()
    }

    /// Ends the client's side.
    pub fn client_finish(&mut self, client: usize) {
        let stream = &mut self.streams[client];
        if stream.up.fin == Fin::No {
            stream.up.fin = Fin::Queued;
            self.transmit(client, Direction::Up);
        }
    }

    /// Closes the client's socket: with a reset if it asks for that or has not read everything.
    pub fn client_close(&mut self, client: usize, reset: bool, end: End) {
        let now = self.now;
        let stream = &mut self.streams[client];
        stream.client_closed = true;
        stream.record.end.get_or_insert((now, end));
        if stream.client_reset || stream.record.connected.is_none() {
            return;
        }
        if reset || !stream.down.received.is_empty() {
            stream.client_reset = true;
            stream.up.unsent.clear();
            let delay = stream.delay();
            let arrival = stream.up.arrival(now, delay);
            self.at(arrival, Happening::Reset(client, Direction::Up));
        } else {
            self.client_finish(client);
        }
    }
}

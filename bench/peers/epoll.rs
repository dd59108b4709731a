//! The limit: a loop around edge-triggered epoll that knows the requests it will get, and gives
//! canned answers. No parser, no limits, no timeouts; SIGTERM just ends it.

use std::error::Error;
use std::io;
use std::mem;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};

use neap_bench::peer::{HELLO, MEBIBYTE, Options};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, acceptfrom_with};

/// As much as is read at once.
const CHUNK: usize = 64 << 10;
const LISTENER: u64 = u64::MAX;
const END: &[u8] = b"\r\n\r\n";

/// A connection, which has no buffers of its own unless something had to wait in them.
struct Connection {
    socket: OwnedFd,
    /// Of a request that has not come as a whole.
    input: Vec<u8>,
    /// Of answers that the socket did not take, and how much of that it has taken since.
    output: Vec<u8>,
    written: usize,
}

struct Server {
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    hello: Vec<u8>,
    mebibyte: Vec<u8>,
    read: Vec<u8>,
    answers: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let listener = Options::from_command_line()?.listen()?;
    let canned = |content: &[u8]| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            content.len()
        );
        [head.as_bytes(), content].concat()
    };
    let mut server = Server {
        connections: Vec::new(),
        free: Vec::new(),
        hello: canned(HELLO.as_bytes()),
        mebibyte: canned(&MEBIBYTE),
        read: Vec::with_capacity(CHUNK),
        answers: Vec::new(),
    };
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &epoll,
        &listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;
    let mut events: Vec<Event> = Vec::with_capacity(1024);
    loop {
        events.clear();
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in &events {
            match event.data.u64() {
                LISTENER => server.accept(&listener, &epoll)?,
                number => server.serve(usize::try_from(number)?, event.flags),
            }
        }
    }
}

impl Server {
    fn accept(&mut self, listener: &TcpListener, epoll: &OwnedFd) -> io::Result<()> {
        loop {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let socket = match acceptfrom_with(listener, flags) {
                Ok((socket, _)) => socket,
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let number = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(epoll, &socket, EventData::new_u64(number as u64), interest)?;
            self.connections[number] = Some(Connection {
                socket,
                input: Vec::new(),
                output: Vec::new(),
                written: 0,
            });
        }
    }

    fn serve(&mut self, number: usize, flags: EventFlags) {
        let Some(mut connection) = self.connections[number].take() else {
            return;
        };
        let goes_on = (!flags.contains(EventFlags::OUT) || connection.flush().unwrap_or(false))
            && (!flags.contains(EventFlags::IN) || self.read(&mut connection).unwrap_or(false));
        if goes_on {
            self.connections[number] = Some(connection);
        } else {
            self.free.push(number);
        }
    }

    /// Reads and answers as much as there is; says whether the connection goes on.
    fn read(&mut self, connection: &mut Connection) -> rustix::io::Result<bool> {
        loop {
            self.read.clear();
            mem::swap(&mut self.read, &mut connection.input);
            self.read.reserve(CHUNK);
            let room = self.read.capacity() - self.read.len();
            let space = spare_capacity(&mut self.read);
            let len = match rustix::net::recv(connection.socket.as_fd(), space, RecvFlags::empty())
            {
                Ok((_, 0)) => return Ok(false),
                Ok((_, len)) => len,
                Err(Errno::AGAIN) => 0,
                Err(error) => return Err(error),
            };
            let closes = self.answer(connection);
            if !self.answers.is_empty() {
                connection.send(&self.answers)?;
                self.answers.clear();
            }
            if closes {
                return Ok(false);
            }
            if len < room {
                return Ok(true);
            }
        }
    }

    /// Answers the whole requests among what was read, and keeps the rest. Says whether the client
    /// wants no more.
    fn answer(&mut self, connection: &mut Connection) -> bool {
        let mut rest = &self.read[..];
        let mut closes = false;
        while let Some(end) = rest.windows(END.len()).position(|window| window == END) {
            let (head, content) = rest.split_at(end + END.len());
            closes |= head.ends_with(b"close\r\n\r\n");
            if head.starts_with(b"GET / ") {
                self.answers.extend_from_slice(&self.hello);
            } else if head.starts_with(b"GET ") {
                self.answers.extend_from_slice(&self.mebibyte);
            } else {
                let len = content_length(head);
                let Some(content) = content.get(..len) else {
                    break;
                };
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n");
                self.answers.extend_from_slice(head.as_bytes());
                self.answers.extend_from_slice(content);
                rest = &rest[end + END.len() + len..];
                continue;
            }
            rest = content;
        }
        if !rest.is_empty() {
            connection.input = rest.to_vec();
        }
        closes
    }
}

impl Connection {
    /// Sends `answers`, or keeps what the socket does not take.
    fn send(&mut self, answers: &[u8]) -> rustix::io::Result<()> {
        let mut sent = 0;
        if self.output.is_empty() {
            sent = send(&self.socket, answers)?;
        }
        self.output.extend_from_slice(&answers[sent..]);
        Ok(())
    }

    /// Sends what was kept.
    fn flush(&mut self) -> rustix::io::Result<bool> {
        if !self.output.is_empty() {
            self.written += send(&self.socket, &self.output[self.written..])?;
            if self.written == self.output.len() {
                self.output = Vec::new();
                self.written = 0;
            }
        }
        Ok(true)
    }
}

/// Sends until all is sent or the socket takes no more.
fn send(socket: &OwnedFd, bytes: &[u8]) -> rustix::io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match rustix::net::send(socket, &bytes[sent..], SendFlags::NOSIGNAL) {
            Ok(len) => sent += len,
            Err(Errno::AGAIN) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

/// What the load generator says in its last field.
fn content_length(head: &[u8]) -> usize {
    let digits = head.trim_ascii_end().rsplit(|byte| *byte == b' ').next();
    let digits = digits.and_then(|digits| str::from_utf8(digits).ok());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

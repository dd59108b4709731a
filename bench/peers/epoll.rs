//! The limit: a loop around edge-triggered epoll that knows the requests it will get, and gives
//! canned answers. No parser, no limits, no timeouts; SIGTERM just ends it.

use std::error::Error;
use std::io::{self, IoSlice};
use std::mem;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use neap_bench::peer::{HELLO, MEBIBYTE, Options};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, acceptfrom_with, recv};

/// As much as is read at once.
const CHUNK: usize = 128 << 10;
const LISTENER: u64 = u64::MAX;
const END: &[u8] = b"\r\n\r\n";

/// A connection, which has no buffers of its own unless something had to wait in them.
struct Connection {
    socket: OwnedFd,
    /// A request that has not come as a whole.
    input: Vec<u8>,
    output: Output,
}

/// What the socket has not taken yet.
enum Output {
    Nothing,
    Kept(Vec<u8>),
    /// The longest answer from there on.
    Mebibyte(usize),
}

struct Server {
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    canned: Canned,
    read: Vec<u8>,
}

struct Canned {
    hello: Vec<u8>,
    mebibyte: Vec<u8>,
    /// Short answers to requests that came together.
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
        canned: Canned {
            hello: canned(HELLO.as_bytes()),
            mebibyte: canned(&MEBIBYTE),
            answers: Vec::new(),
        },
        read: Vec::with_capacity(CHUNK),
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
                output: Output::Nothing,
            });
        }
    }

    fn serve(&mut self, number: usize, flags: EventFlags) {
        let Some(mut connection) = self.connections[number].take() else {
            return;
        };
        let flushed = !flags.contains(EventFlags::OUT) || connection.flush(&self.canned).is_ok();
        let goes_on = flushed
            && (!flags.contains(EventFlags::IN) || self.read(&mut connection).unwrap_or(false));
        if goes_on {
            self.connections[number] = Some(connection);
        } else {
            self.free.push(number);
        }
    }

    /// Reads and answers as much as there is; says whether the connection goes on.
    fn read(&mut self, connection: &mut Connection) -> io::Result<bool> {
        loop {
            let mut input = mem::take(&mut connection.input);
            let is_continued = !input.is_empty();
            let buffer = if is_continued {
                &mut input
            } else {
                &mut self.read
            };
            buffer.reserve(CHUNK);
            let room = buffer.capacity() - buffer.len();
            let (_, len) = match recv(
                &connection.socket,
                spare_capacity(buffer),
                RecvFlags::empty(),
            ) {
                Err(Errno::AGAIN) => {
                    connection.input = input;
                    return Ok(true);
                }
                read => read?,
            };
            let (answered, closes) = connection.answer(buffer, &mut self.canned)?;
            if is_continued {
                input.drain(..answered);
                connection.input = input;
            } else {
                connection.input = self.read[answered..].to_vec();
                self.read.clear();
            }
            if len < room || closes {
                return Ok(len > 0 && !closes);
            }
        }
    }
}

impl Connection {
    /// Answers the requests that have come as a whole; says how long they are, and whether the
    /// client wants no more.
    fn answer(&mut self, input: &[u8], canned: &mut Canned) -> io::Result<(usize, bool)> {
        let mut rest = input;
        let mut closes = false;
        while let Some(end) = rest.windows(END.len()).position(|window| window == END) {
            let (head, behind) = rest.split_at(end + END.len());
            closes |= head.ends_with(b"close\r\n\r\n");
            if head.starts_with(b"GET / ") {
                canned.answers.extend_from_slice(&canned.hello);
                rest = behind;
            } else if head.starts_with(b"GET ") {
                let sent = send(&self.socket, &canned.mebibyte)?;
                self.output = Output::Mebibyte(sent);
                rest = behind;
            } else {
                let len = content_length(head);
                let Some((content, behind)) = behind.split_at_checked(len) else {
                    break;
                };
                self.echo(content)?;
                rest = behind;
            }
        }
        if !canned.answers.is_empty() {
            let sent = send(&self.socket, &canned.answers)?;
            self.keep(&canned.answers[sent..]);
            canned.answers.clear();
        }
        Ok((input.len() - rest.len(), closes))
    }

    fn echo(&mut self, content: &[u8]) -> io::Result<()> {
        let len = content.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n");
        let slices = [IoSlice::new(head.as_bytes()), IoSlice::new(content)];
        let sent = match rustix::io::writev(&self.socket, &slices) {
            Err(Errno::AGAIN) => 0,
            sent => sent?,
        };
        self.keep(head.as_bytes().get(sent..).unwrap_or_default());
        self.keep(&content[sent.saturating_sub(head.len())..]);
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) {
        match &mut self.output {
            _ if bytes.is_empty() => {}
            Output::Kept(kept) => kept.extend_from_slice(bytes),
            Output::Nothing | Output::Mebibyte(_) => self.output = Output::Kept(bytes.to_vec()),
        }
    }

    /// Sends what was kept.
    fn flush(&mut self, canned: &Canned) -> io::Result<()> {
        match &mut self.output {
            Output::Nothing => {}
            Output::Kept(kept) => {
                let sent = send(&self.socket, kept)?;
                kept.drain(..sent);
                if kept.is_empty() {
                    self.output = Output::Nothing;
                }
            }
            Output::Mebibyte(sent) => {
                *sent += send(&self.socket, &canned.mebibyte[*sent..])?;
                if *sent == canned.mebibyte.len() {
                    self.output = Output::Nothing;
                }
            }
        }
        Ok(())
    }
}

/// Sends until all is sent or the socket takes no more.
fn send(socket: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match rustix::net::send(socket, &bytes[sent..], SendFlags::NOSIGNAL) {
            Ok(len) => sent += len,
            Err(Errno::AGAIN) => break,
            Err(error) => return Err(error.into()),
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

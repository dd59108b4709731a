//! The load: clients in a closed loop, each asking again when it has its answer.

use std::io;
use std::net::SocketAddr;
use std::ops::RangeFrom;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_linger, set_tcp_nodelay};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::workload::{Request, Workload};
use crate::process::PATIENCE;

const CHUNK: usize = 256 << 10;
/// How many connect at once.
const BATCH: usize = 256;
const STATUS: &[u8] = b"HTTP/1.1 200 ";

/// The clients of one server, doing one workload.
#[derive(Debug)]
pub struct Load {
    server: SocketAddr,
    workload: Workload,
    /// What each sends at once, and how long the answers to that are together.
    request: Vec<u8>,
    answer: usize,
    epoll: OwnedFd,
    clients: Vec<Client>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Client {
    socket: OwnedFd,
    /// How much of the request has been sent, and how much of the answer has come; both are whole
    /// where a client has nothing to do.
    sent: usize,
    received: usize,
}

/// What a client is up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Waits,
    Answered,
    Closed,
}

impl Load {
    /// Connects clients, each of which has had an answer.
    ///
    /// # Errors
    ///
    /// If they cannot connect, or have no valid answer.
    pub fn connect(server: SocketAddr, workload: Workload) -> io::Result<Load> {
        let mut load = Load {
            server,
            workload,
            request: workload.request.bytes().repeat(workload.pipelined),
            answer: 0,
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            clients: Vec::with_capacity(workload.connections),
            buffer: Vec::with_capacity(CHUNK),
        };
        load.answer = load.measure_answer()? * workload.pipelined;
        for number in 0..workload.connections {
            let client = load.client(number)?;
            load.clients.push(client);
            // Not all of them at once: no server has to have that long a queue.
            if number % BATCH == BATCH - 1 {
                load.run_some(number + 1 - BATCH.., Duration::ZERO)?;
            }
        }
        load.run_some(workload.connections / BATCH * BATCH.., Duration::ZERO)?;
        Ok(load)
    }

    /// Lets every client ask for as long as it says, once at least, and waits for the answers. Says
    /// how many came.
    ///
    /// # Errors
    ///
    /// If a client is cut off, or answers do not come.
    pub fn run(&mut self, duration: Duration) -> io::Result<usize> {
        self.run_some(0.., duration)
    }

    fn run_some(&mut self, clients: RangeFrom<usize>, duration: Duration) -> io::Result<usize> {
        let begun = Instant::now();
        let mut answered = 0;
        let mut asking = 0;
        for client in &mut self.clients[clients] {
            client.ask(&self.request)?;
            asking += 1;
        }
        let mut events: Vec<Event> = Vec::with_capacity(1024);
        let patience = Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
        while asking > 0 {
            events.clear();
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&patience))?;
            if events.is_empty() {
                return Err(io::Error::other("no answer comes"));
            }
            for event in &events {
                let number = usize::try_from(event.data.u64()).map_err(io::Error::other)?;
                let progress = self.proceed(number, event.flags)?;
                if progress == Progress::Waits {
                    continue;
                }
                answered += self.workload.pipelined;
                if progress == Progress::Closed {
                    self.clients[number] = self.client(number)?;
                }
                if begun.elapsed() < duration {
                    self.clients[number].ask(&self.request)?;
                } else {
                    asking -= 1;
                }
            }
        }
        Ok(answered)
    }

    /// A new client, which has nothing to do yet.
    fn client(&self, number: usize) -> io::Result<Client> {
        let socket = connect(self.server)?;
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let data = EventData::new_u64(number as u64);
        epoll::add(&self.epoll, &socket, data, interest)?;
        Ok(Client {
            socket,
            sent: self.request.len(),
            received: self.answer,
        })
    }

    /// Goes on with what a client does.
    fn proceed(&mut self, number: usize, flags: EventFlags) -> io::Result<Progress> {
        let client = &mut self.clients[number];
        if flags.contains(EventFlags::OUT) {
            client.send(&self.request)?;
        }
        if !flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            return Ok(Progress::Waits);
        }
        let had_all = client.received == self.answer;
        loop {
            self.buffer.clear();
            let room = self.buffer.capacity();
            let space = spare_capacity(&mut self.buffer);
            let len = match rustix::net::recv(&client.socket, space, RecvFlags::empty()) {
                Err(Errno::AGAIN) => break,
                read => read?.1,
            };
            if len == 0 {
                let is_due = client.received == self.answer
                    && self.workload.request == Request::HelloAndClose;
                return if is_due {
                    Ok(Progress::Closed)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
            check_beginning(client.received, &self.buffer)?;
            client.received += len;
            if len < room && self.workload.request != Request::HelloAndClose {
                break;
            }
        }
        if client.received > self.answer {
            return Err(io::Error::other("an answer is longer than the first one"));
        }
        let is_whole = client.received == self.answer && !had_all;
        if is_whole && self.workload.request != Request::HelloAndClose {
            return Ok(Progress::Answered);
        }
        Ok(Progress::Waits)
    }

    /// How long the answer to one request is.
    fn measure_answer(&mut self) -> io::Result<usize> {
        let socket = connect(self.server)?;
        rustix::io::ioctl_fionbio(&socket, false)?;
        let request = self.workload.request.bytes();
        rustix::io::retry_on_intr(|| rustix::net::send(&socket, &request, SendFlags::NOSIGNAL))?;
        let mut answer = Vec::new();
        loop {
            answer.reserve(CHUNK);
            let space = spare_capacity(&mut answer);
            if rustix::net::recv(&socket, space, RecvFlags::empty())?.1 == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            check_beginning(0, &answer)?;
            if let Some(len) = whole(&answer)?.filter(|len| *len <= answer.len()) {
                return Ok(len);
            }
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // By a reset: tens of thousands of ports would have to wait for a minute otherwise.
        for client in &self.clients {
            let _ = set_socket_linger(&client.socket, Some(Duration::ZERO));
        }
    }
}

impl Client {
    fn ask(&mut self, request: &[u8]) -> io::Result<()> {
        (self.sent, self.received) = (0, 0);
        self.send(request)
    }

    /// Sends as much of the rest of its request as the socket takes.
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        while self.sent < request.len() {
            let rest = &request[self.sent..];
            match rustix::net::send(&self.socket, rest, SendFlags::NOSIGNAL) {
                Ok(len) => self.sent += len,
                // It may be about to be connected.
                Err(Errno::AGAIN | Errno::NOTCONN | Errno::INPROGRESS) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// A socket that is connected, or about to be.
fn connect(server: SocketAddr) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    set_tcp_nodelay(&socket, true)?;
    match rustix::net::connect(&socket, &server) {
        Err(error) if error != Errno::INPROGRESS => Err(error.into()),
        _ => Ok(socket),
    }
}

/// An answer begins like one.
fn check_beginning(received: usize, bytes: &[u8]) -> io::Result<()> {
    let len = bytes.len().min(STATUS.len());
    if received > 0 || bytes[..len] == STATUS[..len] {
        return Ok(());
    }
    let line = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
    Err(io::Error::other(format!("an unexpected answer: {line}")))
}

/// How long an answer is that begins like this, if that much of it has come.
fn whole(answer: &[u8]) -> io::Result<Option<usize>> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(end) = end else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length = length.ok_or_else(|| io::Error::other(format!("no length: {head}")))?;
    let length: usize = length.trim().parse().map_err(io::Error::other)?;
    Ok(Some(end + 4 + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_it_says() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!";
        for len in 0..38 {
            assert_eq!(whole(&answer[..len]).unwrap(), None, "{len}");
        }
        assert_eq!(whole(&answer[..39]).unwrap(), Some(answer.len()));
    }

    #[test]
    fn a_refusal_is_no_answer() {
        assert!(check_beginning(0, b"HTTP/1.1 503 ").is_err());
        assert!(check_beginning(0, b"HTTP").is_ok());
    }
}

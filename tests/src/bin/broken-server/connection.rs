//! A connection, on a thread of its own.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use socket2::Socket;

use crate::bell::{Bell, broken, readable, wait, writable};
use crate::fault::Fault;
use crate::request::{Request, Route};
use crate::server::Server;

/// How long a connection may be idle.
const KEEP_ALIVE: Duration = Duration::from_secs(72);
/// How long a new connection may take to say something, in the drain.
const FIRST_BYTE: Duration = Duration::from_secs(1);
/// How long a head may take.
const HEAD: Duration = Duration::from_secs(30);
/// How long to listen to who may still be sending.
const LINGER: Duration = Duration::from_secs(1);
/// How often a stream has something to say.
const EVENT: Duration = Duration::from_millis(100);

pub(crate) struct Connection<'s> {
    stream: Socket,
    server: &'s Server,
    /// Its number in the registry, while it stands there.
    key: Option<u64>,
    /// Read and not yet understood.
    buffer: Vec<u8>,
    served: u32,
    /// Of the response to the current request some has been written.
    begun: bool,
    /// The current response is the last.
    last: bool,
}

impl<'s> Connection<'s> {
    pub(crate) fn new(stream: Socket, server: &'s Server, key: Option<u64>) -> Connection<'s> {
        Connection {
            stream,
            server,
            key,
            buffer: Vec::new(),
            served: 0,
            begun: false,
            last: false,
        }
    }

    /// Serves it to its end.
    pub(crate) fn run(mut self) {
        let mut served = self.serve();
        // A wait that is over because of the server's end is the only one that times out.
        if served
            .as_ref()
            .is_err_and(|e| e.kind() == ErrorKind::TimedOut)
        {
            self.server.lose();
            if !self.begun {
                let text = "HTTP/1.1 503 Service Unavailable\r\n\
                            Connection: close\r\nContent-Length: 0\r\n\r\n";
                let _ = self.stream.write(text.as_bytes());
            }
            served = self.end();
        }
        if served.is_ok() || !self.server.has(Fault::AbortedCounted) {
            self.server.leave(self.key);
        }
    }

    fn serve(&mut self) -> io::Result<()> {
        while !self.last && self.await_request()? {
            let Some(request) = self.head()? else {
                break;
            };
            self.begun = false;
            self.respond(&request)?;
            self.served += 1;
            self.server.keep(self.key);
        }
        self.end()
    }

    /// Waits for the first byte of a request. False if there will be none.
    fn await_request(&mut self) -> io::Result<bool> {
        if !self.buffer.is_empty() {
            return Ok(true);
        }
        let (server, is_idle) = (self.server, self.served > 0);
        let began_before = server.draining.has_rung();
        let sources = [readable(self.stream.as_fd()), server.draining.heard()];
        let [input, draining] = wait(sources, Some(KEEP_ALIVE))?;
        let abrupt = if is_idle {
            Fault::CrossingLost
        } else {
            Fault::UndispatchedDropped
        };
        if server.has(abrupt) && (draining || server.hears_of_the_drain()) {
            return Ok(false);
        }
        if input || !draining {
            return Ok(input && self.fill()?);
        }
        let patience = match is_idle {
            true if began_before && server.has(Fault::IdleLaterKept) => KEEP_ALIVE,
            true if server.has(Fault::ServedOn) => KEEP_ALIVE,
            true => server.quiet,
            false if server.has(Fault::PreconnectedHeld) => KEEP_ALIVE,
            false => FIRST_BYTE,
        };
        let turn = (is_idle && server.has(Fault::IdleInTurn)).then(|| server.turn());
        let sources = [readable(self.stream.as_fd()), server.closing.heard()];
        let [input, _] = wait(sources, Some(patience))?;
        drop(turn);
        if !input && is_idle && server.has(Fault::IdleAnswered) {
            self.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")?;
        }
        Ok(input && self.fill()?)
    }

    /// Reads what is there. False at its end.
    fn fill(&mut self) -> io::Result<bool> {
        let mut piece = [0; 4096];
        let count = self.stream.read(&mut piece)?;
        self.buffer.extend_from_slice(&piece[..count]);
        Ok(count > 0)
    }

    /// Waits for more, and reads it. False at its end.
    fn more(&mut self, patience: Duration) -> io::Result<bool> {
        let bell = &self.server.closing;
        self.more_until(bell, patience)
    }

    /// The same, unless this rings.
    fn more_until(&mut self, bell: &Bell, patience: Duration) -> io::Result<bool> {
        let sources = [readable(self.stream.as_fd()), bell.heard()];
        let [input, rung] = wait(sources, Some(patience))?;
        match (input, rung) {
            (true, _) => self.fill(),
            (false, true) => Err(ErrorKind::TimedOut.into()),
            (false, false) => Ok(false),
        }
    }

    /// What ends the wait for something: the end of the drain, or its beginning for those with a
    /// fault.
    fn bell(&self, is_hasty: bool) -> &'s Bell {
        if is_hasty {
            &self.server.draining
        } else {
            &self.server.closing
        }
    }

    fn head(&mut self) -> io::Result<Option<Request>> {
        loop {
            let end = self.buffer.windows(4).position(|end| end == b"\r\n\r\n");
            if let Some(end) = end {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Ok(Some(Request::parse(&head)));
            }
            let kept_only = self.server.has(Fault::KeptHeadCut) && self.served > 0;
            let is_hasty = kept_only || self.server.has(Fault::HeadCut);
            let bell = if self.server.has(Fault::HeadHeld) {
                &self.server.dropped
            } else {
                self.bell(is_hasty)
            };
            match self.more_until(bell, HEAD) {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) if is_hasty && error.kind() == ErrorKind::TimedOut => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    fn respond(&mut self, request: &Request) -> io::Result<()> {
        match request.route {
            Route::Hello => self.reply(request, 200, b"Hello, World!"),
            Route::Nowhere => self.reply(request, 404, b""),
            Route::Status(code) => {
                if self.server.has(Fault::ContentAwaited) {
                    self.content(request.length, |_, _| Ok(()))?;
                }
                self.reply(request, code, b"")
            }
            Route::Delay(pause) => {
                self.pause(pause)?;
                self.reply(request, 200, b"waited")
            }
            Route::Block(pause) => {
                thread::sleep(pause);
                self.reply(request, 200, b"blocked")
            }
            Route::Echo => {
                if request.expects {
                    self.send(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                }
                self.begin(request, 200, request.length)?;
                self.content(request.length, Connection::send)
            }
            Route::Bytes(length) => {
                self.begin(request, 200, length)?;
                self.send(&vec![b'x'; length])
            }
            Route::Stream(chunks, pause) => self.stream(request, chunks, pause),
            Route::Events => self.events(),
            Route::Upgrade => self.upgrade(),
        }
    }

    /// Waits, unless the client vanishes or the server ends meanwhile.
    fn pause(&self, pause: Duration) -> io::Result<()> {
        let is_hasty = self.server.has(Fault::HandlersDropped) && !self.begun;
        let bell = self.bell(is_hasty);
        let sources = [broken(self.stream.as_fd()), bell.heard()];
        match wait(sources, Some(pause))? {
            [true, _] => Err(ErrorKind::ConnectionReset.into()),
            [_, true] => Err(ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }

    /// Hands the content on, piece by piece.
    fn content(
        &mut self,
        mut left: usize,
        mut take: impl FnMut(&mut Self, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        while left > 0 {
            let bell = self.bell(self.server.has(Fault::ContentCut));
            if self.buffer.is_empty() && !self.more_until(bell, HEAD)? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let count = left.min(self.buffer.len());
            let piece: Vec<u8> = self.buffer.drain(..count).collect();
            take(self, &piece)?;
            left -= count;
        }
        Ok(())
    }

    fn reply(&mut self, request: &Request, status: u16, content: &[u8]) -> io::Result<()> {
        self.begin(request, status, content.len())?;
        self.send(content)
    }

    /// Sends a head.
    fn begin(&mut self, request: &Request, status: u16, length: usize) -> io::Result<()> {
        let drains = self.drains() && !self.server.has(Fault::ServedOn);
        self.begin_with(
            request,
            status,
            &format!("Content-Length: {length}"),
            drains,
        )
    }

    /// Whether another whole head is there already.
    fn is_followed(&self) -> bool {
        self.buffer.windows(4).any(|end| end == b"\r\n\r\n")
    }

    fn drains(&self) -> bool {
        let server = self.server;
        let depends = server.has(Fault::PipelineDropped) && self.is_followed();
        server.draining.has_rung() || (depends && server.hears_of_the_drain())
    }

    fn begin_with(
        &mut self,
        request: &Request,
        status: u16,
        framing: &str,
        drains: bool,
    ) -> io::Result<()> {
        // Content that was not asked for cannot be told from another request.
        let has_content = request.expects || request.length > 0;
        let is_unread = has_content && !matches!(request.route, Route::Echo);
        let is_followed = drains && self.is_followed();
        let is_dropping = is_followed && self.server.has(Fault::PipelineDropped);
        let says_close = request.closes || is_unread || (drains && !is_followed);
        self.last = says_close || is_dropping;
        let close = if says_close {
            "Connection: close\r\n"
        } else {
            ""
        };
        let head = format!("HTTP/1.1 {status} X\r\n{close}{framing}\r\n\r\n");
        self.begun = true;
        self.send(head.as_bytes())
    }

    /// Sends chunks, so long apart.
    fn stream(&mut self, request: &Request, chunks: usize, pause: Duration) -> io::Result<()> {
        let drains = self.server.draining.has_rung();
        self.begin_with(request, 200, "Transfer-Encoding: chunked", drains)?;
        for number in 0..chunks {
            if number > 0 {
                self.pause(pause)?;
            }
            if self.server.has(Fault::StreamCut) && self.server.draining.has_rung() {
                return Err(ErrorKind::ConnectionAborted.into());
            }
            self.send(b"8\r\ndata: x\n\r\n")?;
        }
        self.send(b"0\r\n\r\n")
    }

    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let bell = self.bell(self.server.has(Fault::FinTooEarly));
                    let sources = [writable(self.stream.as_fd()), bell.heard()];
                    if let [_, true] = wait(sources, None)? {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends an event now and then, until the drain begins.
    fn events(&mut self) -> io::Result<()> {
        self.begun = true;
        self.last = true;
        self.send(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let is_told = !self.server.has(Fault::StreamUntold);
        while !(is_told && self.server.draining.has_rung()) {
            self.send(b"8\r\ndata: x\n\r\n")?;
            self.pause(EVENT)?;
        }
        self.send(b"0\r\n\r\n")
    }

    /// Returns what comes, until the client has said all.
    fn upgrade(&mut self) -> io::Result<()> {
        self.begun = true;
        self.last = true;
        self.send(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")?;
        if self.server.has(Fault::UpgradedInvisible) {
            self.server.leave(self.key.take());
        }
        loop {
            let piece = std::mem::take(&mut self.buffer);
            self.send(&piece)?;
            let server = self.server;
            if server.has(Fault::UpgradedCut) {
                let sources = [readable(self.stream.as_fd()), server.draining.heard()];
                if let [_, true] = wait(sources, None)? {
                    return Ok(());
                }
            }
            if !self.more(Duration::from_secs(3_600))? {
                return Ok(());
            }
        }
    }

    /// Says that all is said, and listens until the client has said all, too.
    fn end(&mut self) -> io::Result<()> {
        if self.server.has(Fault::NotLingered) {
            return Ok(());
        }
        self.stream.shutdown(Shutdown::Write)?;
        let mut rest = [0; 4096];
        while let [true] = wait([readable(self.stream.as_fd())], Some(LINGER))? {
            if self.stream.read(&mut rest)? == 0 {
                break;
            }
        }
        Ok(())
    }
}

//! A client that knows every byte it sends and gets.

#![expect(
    clippy::missing_panics_doc,
    reason = "what helps tests panics where a test fails"
)]

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::process::PATIENCE;

/// A connection of a client.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    /// Read and not yet understood.
    buffer: Vec<u8>,
    /// How long silence may last.
    patience: Duration,
}

/// How reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a FIN.
    Eof,
    /// With a reset.
    Reset,
    /// Nothing came for too long.
    Silence,
}

/// What delimits a response's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// It has none.
    None,
    /// `Content-Length`.
    Length,
    /// So many chunks.
    Chunks(usize),
    /// The end of the connection.
    Close,
}

/// A whole response.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The codes of the interim responses before it.
    pub interim: Vec<u16>,
    /// Names, in lower case, and values, in order.
    pub fields: Vec<(String, String)>,
    /// What delimits the content.
    pub framing: Framing,
    /// The content.
    pub content: Vec<u8>,
}

impl Response {
    /// The value of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.as_str())
    }

    /// Whether it says that the connection ends behind it.
    #[must_use]
    pub fn says_close(&self) -> bool {
        self.field("connection") == Some("close")
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = &self.content[..self.content.len().min(64)];
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("interim", &self.interim)
            .field("fields", &self.fields)
            .field("framing", &self.framing)
            .field("length", &self.content.len())
            .field("content", &String::from_utf8_lossy(start))
            .finish()
    }
}

impl Client {
    /// Connects, which has to succeed.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Client {
        Client::try_connect(address).expect("the server accepts")
    }

    /// Connects, if the server takes it.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn try_connect(address: SocketAddr) -> std::io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client {
            stream,
            buffer: Vec::new(),
            patience: PATIENCE,
        })
    }

    /// Waits so long for the server, and no longer.
    pub fn set_patience(&mut self, patience: Duration) {
        let set = self.stream.set_read_timeout(Some(patience));
        set.expect("a socket has a read timeout, and it is not zero");
        self.patience = patience;
    }

    /// Connects, and sends this.
    pub fn with(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Client {
        let mut client = Client::connect(address);
        client.send(bytes);
        client
    }

    /// Sends all of this.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.stream.write_all(bytes.as_ref());
        sent.expect("the server takes what is sent");
    }

    /// Sends what the server takes of this.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        // That it takes no more is no failure: it may have answered already.
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Another handle of the same connection, to send with while this one reads.
    #[must_use]
    pub fn sender(&self) -> Client {
        Client {
            stream: self.stream.try_clone().expect("a socket can be cloned"),
            buffer: Vec::new(),
            patience: self.patience,
        }
    }

    /// Ends its own side.
    pub fn finish(&mut self) {
        let ended = self.stream.shutdown(Shutdown::Write);
        ended.expect("the connection is open");
    }

    /// Vanishes with a FIN for both sides.
    pub fn vanish(self) {
        drop(self);
    }

    /// Vanishes with a reset.
    pub fn reset(self) {
        let linger = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        linger.expect("a socket can be told to reset");
    }

    /// Waits until the server has begun to answer. What has come stays to be read.
    pub fn await_some(&mut self) {
        self.more().expect("an answer");
    }

    /// Whether the server has begun to answer, after a moment in which it may.
    pub fn has_answer(&mut self) -> bool {
        const MOMENT: Duration = Duration::from_millis(20);
        let limited = self.stream.set_read_timeout(Some(MOMENT));
        limited.expect("a socket can be told how long to wait");
        let more = self.more();
        let unlimited = self.stream.set_read_timeout(Some(PATIENCE));
        unlimited.expect("a socket can be told how long to wait");
        assert!(!matches!(more, Err(End::Eof | End::Reset)), "{more:?}");
        !self.buffer.is_empty()
    }

    /// Waits until what the server has answered ends like this. It stays to be read.
    pub fn await_ending(&mut self, ending: &[u8]) {
        let awaited = self.try_await_ending(ending);
        awaited.unwrap_or_else(|end| panic!("{end:?} after {:?}", self.text()));
    }

    /// The same, if it comes.
    ///
    /// # Errors
    ///
    /// How the connection ended before it did.
    pub fn try_await_ending(&mut self, ending: &[u8]) -> Result<(), End> {
        let start = Instant::now();
        while !self.buffer.ends_with(ending) {
            self.more().and_then(|()| self.within(start))?;
        }
        Ok(())
    }

    /// Sends a request and reads its response.
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> Response {
        self.send(&request);
        let is_head = request.as_ref().starts_with(b"HEAD ");
        self.read(is_head)
    }

    /// Reads a whole response to another request than HEAD.
    pub fn response(&mut self) -> Response {
        self.read(false)
    }

    /// Reads a whole response.
    fn read(&mut self, is_head: bool) -> Response {
        let response = self.try_response(is_head);
        response.unwrap_or_else(|end| panic!("{end:?} instead of a response: {:?}", self.text()))
    }

    /// Reads a response, if it is whole.
    ///
    /// # Errors
    ///
    /// How the connection ended before it was.
    pub fn try_response(&mut self, is_head: bool) -> Result<Response, End> {
        let mut interim = Vec::new();
        let (status, fields) = loop {
            let (status, fields) = self.head()?;
            if status >= 200 {
                break (status, fields);
            }
            interim.push(status);
        };
        let mut response = Response {
            status,
            interim,
            fields,
            framing: Framing::None,
            content: Vec::new(),
        };
        if !(is_head || status == 204 || status == 304) {
            (response.framing, response.content) = self.content(&response)?;
        }
        Ok(response)
    }

    fn head(&mut self) -> Result<(u16, Vec<(String, String)>), End> {
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let status = lines[0].strip_prefix("HTTP/1.1 ").expect("a status line");
        let status = status[..3].parse().expect("a status code");
        let field = |line: &String| {
            let (name, value) = line.split_once(": ").expect("a field line");
            (name.to_ascii_lowercase(), value.to_owned())
        };
        Ok((status, lines[1..].iter().map(field).collect()))
    }

    fn content(&mut self, response: &Response) -> Result<(Framing, Vec<u8>), End> {
        if let Some(length) = response.field("content-length") {
            let length = length.parse().expect("a length");
            return Ok((Framing::Length, self.bytes(length)?));
        }
        if response.field("transfer-encoding").is_none() {
            let (content, end) = self.rest();
            let whole = (Framing::Close, content);
            return if end == End::Eof { Ok(whole) } else { Err(end) };
        }
        assert_eq!(response.field("transfer-encoding"), Some("chunked"));
        let mut content = Vec::new();
        for chunks in 0.. {
            let size = usize::from_str_radix(&self.line()?, 16).expect("a chunk size");
            if size > 0 {
                content.extend(self.bytes(size)?);
            }
            let line = self.line()?;
            assert_eq!(line, "", "behind a chunk, or as the trailer section");
            if size == 0 {
                return Ok((Framing::Chunks(chunks), content));
            }
        }
        unreachable!("a response has less chunks than there are numbers")
    }

    /// A line without its CRLF.
    fn line(&mut self) -> Result<String, End> {
        loop {
            if let Some(len) = self.buffer.windows(2).position(|end| end == b"\r\n") {
                let line = self.bytes(len + 2)?;
                let line = String::from_utf8(line).expect("heads are ASCII");
                assert!(!line[..len].contains(['\r', '\n']), "{line:?}");
                return Ok(line[..len].to_owned());
            }
            self.more()?;
        }
    }

    fn bytes(&mut self, len: usize) -> Result<Vec<u8>, End> {
        while self.buffer.len() < len {
            self.more()?;
        }
        let rest = self.buffer.split_off(len);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    /// Everything until the connection ends, and how it does.
    pub fn rest(&mut self) -> (Vec<u8>, End) {
        let start = Instant::now();
        loop {
            if let Err(end) = self.more().and_then(|()| self.within(start)) {
                return (std::mem::take(&mut self.buffer), end);
            }
        }
    }

    /// Waits for the end; nothing may come before it.
    pub fn end(&mut self) -> End {
        let (rest, end) = self.rest();
        assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
        end
    }

    fn more(&mut self) -> Result<(), End> {
        let mut piece = [0; 64 * 1024];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(End::Eof),
                Ok(len) => {
                    self.buffer.extend_from_slice(&piece[..len]);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Err(End::Silence);
                }
                Err(_) => return Err(End::Reset),
            }
        }
    }

    /// Whether it is still worth waiting for what was waited for from `start` on.
    fn within(&self, start: Instant) -> Result<(), End> {
        let is_early = start.elapsed() < self.patience;
        is_early.then_some(()).ok_or(End::Silence)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }
}

//! One request and its answer, byte for byte, by a client that knows what became of it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::peer::HELLO;

/// What every client asks for.
pub const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: neap.test\r\n\r\n";

/// How long a client tries to connect: a SYN that is dropped is sent again after one second, and
/// after three.
const CONNECTING: Duration = Duration::from_secs(6);

/// How long a client waits for its answer.
pub const WAITING: Duration = Duration::from_secs(10);

/// Why a client did not get its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It was never connected, and was told so.
    Refused,
    /// It was connected, and got no whole answer; how it noticed.
    Lost(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Lost(match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "reset".into(),
            ErrorKind::UnexpectedEof => "end of stream".into(),
            ErrorKind::WouldBlock | ErrorKind::TimedOut => "silence".into(),
            _ => error.to_string(),
        })
    }
}

/// Connects to a server.
///
/// # Errors
///
/// If it is refused, or does not succeed in time.
pub fn connect(server: SocketAddr) -> Result<TcpStream, Failure> {
    let stream =
        TcpStream::connect_timeout(&server, CONNECTING).map_err(|error| match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::TimedOut => Failure::Refused,
            _ => error.into(),
        })?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(WAITING))?;
    Ok(stream)
}

/// Sends [`REQUEST`].
///
/// # Errors
///
/// If the connection does not take it.
pub fn ask(mut stream: &TcpStream) -> Result<(), Failure> {
    Ok(stream.write_all(REQUEST)?)
}

/// Reads the answer to [`REQUEST`], and nothing but that, until `deadline`.
///
/// # Errors
///
/// If what comes is not that, or not all of it.
pub fn read_answer(mut stream: &TcpStream, deadline: Instant) -> Result<(), Failure> {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        match stream.read(&mut buffer)? {
            0 => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
            len => answer.extend_from_slice(&buffer[..len]),
        }
        if is_whole(&answer)? {
            return Ok(());
        }
    }
}

/// Connects, asks a while later, reads.
///
/// # Errors
///
/// If any of it fails.
pub fn converse(server: SocketAddr, hesitation: Duration) -> Result<(), Failure> {
    let stream = connect(server)?;
    if !hesitation.is_zero() {
        thread::sleep(hesitation);
    }
    ask(&stream)?;
    read_answer(&stream, Instant::now() + WAITING)
}

/// Whether `answer` is all that was asked for, rather than its beginning.
fn is_whole(answer: &[u8]) -> Result<bool, Failure> {
    let answer = String::from_utf8_lossy(answer);
    let Some((head, content)) = answer.split_once("\r\n\r\n") else {
        return Ok(false);
    };
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 200 ") {
        return Err(Failure::Lost(status.into()));
    }
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map(|(_, value)| value.trim());
    let is_expected = length == Some(&HELLO.len().to_string()) && HELLO.starts_with(content);
    if !is_expected {
        return Err(Failure::Lost(format!("an unexpected answer: {answer}")));
    }
    Ok(content.len() == HELLO.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_last_byte_is_there() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!";
        for len in 0..answer.len() {
            assert_eq!(is_whole(&answer[..len]), Ok(false), "{len}");
        }
        assert_eq!(is_whole(answer), Ok(true));
    }

    #[test]
    fn another_answer_than_was_asked_for_is_none() {
        for answer in [
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello",
            "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!!",
            "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, Moon",
        ] {
            assert!(is_whole(answer.as_bytes()).is_err(), "{answer}");
        }
    }
}

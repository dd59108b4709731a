//! Clients that connect, ask once and know what they must be told.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long a client tries to connect: a SYN that is dropped is sent again after one second, and
/// after three.
const CONNECTING: Duration = Duration::from_secs(6);

/// How long a client waits for its answer.
const WAITING: Duration = Duration::from_secs(10);

/// What became of a client.
#[derive(Debug)]
pub(crate) enum End {
    /// It got the whole answer, and was connected after so long.
    Answered(Duration),
    /// It was never connected, and knew that after so long.
    Refused(Duration),
    /// It was connected, and got no whole answer: reset, end of stream or silence.
    Lost(String),
}

/// Connects to `server` and asks for something that nobody else asks for.
pub(crate) fn ask(server: SocketAddr, number: usize) -> End {
    let begun = Instant::now();
    let stream = match TcpStream::connect_timeout(&server, CONNECTING) {
        Ok(stream) => stream,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::ConnectionRefused | io::ErrorKind::TimedOut => {
                    End::Refused(begun.elapsed())
                }
                _ => End::Lost(format!("while it connected: {error}")),
            };
        }
    };
    let connected = begun.elapsed();
    match converse(&stream, &format!("/{number}")) {
        Ok(()) => End::Answered(connected),
        Err(error) => End::Lost(format!(
            "client {number}, connected after {connected:?}: {error} after {:?}",
            begun.elapsed()
        )),
    }
}

fn converse(mut stream: &TcpStream, target: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(WAITING))?;
    stream.set_write_timeout(Some(WAITING))?;
    write!(stream, "GET {target} HTTP/1.1\r\nHost: neap.test\r\n\r\n")?;
    let mut response = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            len => response.extend_from_slice(&buffer[..len]),
        }
        if is_whole(&response, &format!("{target}\n").repeat(crate::REPEATED))? {
            return Ok(());
        }
    }
}

/// Whether `response` is a whole one with the body `expected`.
fn is_whole(response: &[u8], expected: &str) -> io::Result<bool> {
    let response = String::from_utf8_lossy(response);
    let Some((head, body)) = response.split_once("\r\n\r\n") else {
        return Ok(false);
    };
    if !head.starts_with("HTTP/1.1 200 ") || !expected.starts_with(body) {
        return Err(io::Error::other(format!(
            "an unexpected answer: {response}"
        )));
    }
    Ok(body.len() == expected.len())
}

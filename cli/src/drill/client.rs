//! The client: it sends the bytes that it is told to send, once, and knows what became of them.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::future::or;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use socket2::SockRef;

use super::http::{Malformed, Reader, Response};
use super::record::Outcome;

/// How long a client tries to connect: a SYN that is dropped is sent again after one second, and
/// after three.
const CONNECT_MAX: Duration = Duration::from_secs(6);

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// How a conversation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It came to this, and the server, or its system, did it.
    Ended(Outcome),
    /// This machine has no more ports, or files: nobody's fault but the drill's.
    Exhausted(ErrorKind),
}

impl From<Malformed> for Failure {
    fn from(_: Malformed) -> Failure {
        Failure::Ended(Outcome::Malformed)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
                Failure::Ended(Outcome::Reset)
            }
            ErrorKind::UnexpectedEof => Failure::Ended(Outcome::EndOfStream),
            ErrorKind::TimedOut => Failure::Ended(Outcome::Silence),
            kind => Failure::Exhausted(kind),
        }
    }
}

/// A GET of `path`.
pub(crate) fn get(host: SocketAddr, path: &str) -> Rc<[u8]> {
    request("GET", host, path, "")
}

/// The head of a request, with more fields, each with its CR LF.
pub(crate) fn request(method: &str, host: SocketAddr, path: &str, fields: &str) -> Rc<[u8]> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: neap-drill\r\nAccept: */*\r\n\
         {fields}\r\n"
    );
    head.into_bytes().into()
}

/// A connection.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(Async<TcpStream>),
    Unix(Async<UnixStream>),
}

impl Stream {
    /// Connects.
    ///
    /// # Errors
    ///
    /// `Refused` if it was never connected.
    pub(crate) async fn connect(address: &Address) -> Result<Stream, Failure> {
        let late = async {
            Timer::after(CONNECT_MAX).await;
            Err(io::Error::from(ErrorKind::NotConnected))
        };
        let connect = async {
            match address {
                Address::Tcp(address) => {
                    Async::<TcpStream>::connect(*address).await.map(Stream::Tcp)
                }
                Address::Unix(path) => Async::<UnixStream>::connect(path).await.map(Stream::Unix),
            }
        };
        let stream = or(connect, late)
            .await
            .map_err(|error| match error.kind() {
                // The file of a socket that is gone is no connection either.
                ErrorKind::ConnectionRefused | ErrorKind::NotConnected | ErrorKind::NotFound => {
                    Failure::Ended(Outcome::Refused)
                }
                ErrorKind::TimedOut => Failure::Ended(Outcome::Refused),
                _ => error.into(),
            })?;
        if let Stream::Tcp(stream) = &stream {
            // Bytes that are told to go one by one go one by one.
            stream.get_ref().set_nodelay(true)?;
        }
        Ok(stream)
    }

    /// The client's port, by which the system knows the connection.
    pub(crate) fn port(&self) -> Option<u16> {
        match self {
            Stream::Tcp(stream) => Some(stream.get_ref().local_addr().ok()?.port()),
            Stream::Unix(_) => None,
        }
    }

    /// Sends all of it.
    pub(crate) async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => {
                let mut stream: &Async<TcpStream> = stream;
                stream.write_all(bytes).await
            }
            Stream::Unix(stream) => {
                let mut stream: &Async<UnixStream> = stream;
                stream.write_all(bytes).await
            }
        }
    }

    /// Receives some bytes, none at the end of the stream.
    pub(crate) async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => {
                let mut stream: &Async<TcpStream> = stream;
                stream.read(buffer).await
            }
            Stream::Unix(stream) => {
                let mut stream: &Async<UnixStream> = stream;
                stream.read(buffer).await
            }
        }
    }

    /// Whether the end of the connection has come already, and nothing before it.
    pub(crate) fn has_ended(&self) -> bool {
        let peeked = match self {
            Stream::Tcp(stream) => stream.get_ref().peek(&mut [0]),
            Stream::Unix(_) => return false,
        };
        match peeked {
            Ok(len) => len == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }

    /// Whether it has been reset.
    pub(crate) fn is_reset(&self) -> bool {
        let error = match self {
            Stream::Tcp(stream) => stream.get_ref().take_error(),
            Stream::Unix(stream) => stream.get_ref().take_error(),
        };
        !matches!(error, Ok(None))
    }

    /// Another handle of the same connection.
    pub(crate) fn another(&self) -> io::Result<Stream> {
        Ok(match self {
            Stream::Tcp(stream) => Stream::Tcp(Async::new(stream.get_ref().try_clone()?)?),
            Stream::Unix(stream) => Stream::Unix(Async::new(stream.get_ref().try_clone()?)?),
        })
    }

    /// Lets the system keep but little of what comes, so that the server's side fills up.
    pub(crate) fn shrink(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => SockRef::from(stream.get_ref()).set_recv_buffer_size(64 * 1024),
            Stream::Unix(_) => Ok(()),
        }
    }

    /// Makes closing it a reset.
    pub(crate) fn reset_on_close(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => SockRef::from(stream.get_ref()).set_linger(Some(Duration::ZERO)),
            Stream::Unix(_) => Ok(()),
        }
    }
}

/// Asks once and waits for the whole response, on a connection of its own.
///
/// # Errors
///
/// If there is none.
pub(crate) async fn ask(address: SocketAddr, request: &[u8]) -> Result<Response, Failure> {
    let stream = Stream::connect(&Address::Tcp(address)).await?;
    exchange(&stream, request, || {}).await
}

/// Asks once and waits for the whole response; says whenever content `came`.
///
/// # Errors
///
/// If there is none.
pub(crate) async fn exchange(
    stream: &Stream,
    request: &[u8],
    mut came: impl FnMut(),
) -> Result<Response, Failure> {
    stream.send(request).await?;
    let mut reader = Reader::default();
    let mut buffer = vec![0; 64 * 1024];
    while !reader.is_whole() {
        let len = stream.receive(&mut buffer).await?;
        reader.take(&buffer[..len])?;
        if reader.has_content() {
            came();
        }
        if len == 0 && !reader.end() {
            return Err(Failure::Ended(Outcome::EndOfStream));
        }
    }
    let response = reader.response().cloned();
    response.ok_or(Failure::Ended(Outcome::Malformed))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use async_io::block_on;

    use super::*;

    /// What a client that asks gets from a server that does this to it.
    fn ask_one(serve: impl FnOnce(TcpStream) + Send) -> Result<u16, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || serve(listener.accept().unwrap().0));
            let answer = block_on(ask(address, &get(address, "/")));
            answer.map(|response| response.status)
        })
    }

    fn read_head(stream: &mut TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
    }

    #[test]
    fn a_whole_response_is_an_answer() {
        let answered = ask_one(|mut stream| {
            read_head(&mut stream);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab")
                .unwrap();
        });
        assert_eq!(answered, Ok(200));
    }

    #[test]
    fn an_end_before_the_last_byte_is_one_of_the_stream() {
        let cut = ask_one(|mut stream| {
            read_head(&mut stream);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
                .unwrap();
        });
        assert_eq!(cut, Err(Failure::Ended(Outcome::EndOfStream)));
    }

    #[test]
    fn a_request_that_nobody_read_is_reset_with_its_connection() {
        let reset = ask_one(|stream| {
            // The request is there before the connection is closed.
            stream.peek(&mut [0]).unwrap();
        });
        assert_eq!(reset, Err(Failure::Ended(Outcome::Reset)));
    }

    #[test]
    fn what_is_no_response_is_malformed() {
        let malformed = ask_one(|mut stream| {
            read_head(&mut stream);
            stream.write_all(b"220 smtp\r\n\r\n").unwrap();
        });
        assert_eq!(malformed, Err(Failure::Ended(Outcome::Malformed)));
    }

    #[test]
    fn where_nobody_listens_clients_are_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let refused = block_on(ask(address, &get(address, "/")));
        assert_eq!(refused, Err(Failure::Ended(Outcome::Refused)));
    }

    #[test]
    fn the_end_of_a_connection_is_seen_before_another_request_is_sent_there() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        block_on(async {
            let stream = Stream::connect(&address).await.unwrap();
            let (server, _) = listener.accept().unwrap();
            assert!(!stream.has_ended(), "it is open");
            drop(server);
            let Stream::Tcp(client) = &stream else {
                panic!("{stream:?}");
            };
            client.readable().await.unwrap();
            assert!(stream.has_ended() && !stream.is_reset());
        });
    }
}

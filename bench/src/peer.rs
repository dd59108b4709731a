//! What the peers have in common: where they listen, and what they answer.
//!
//! | request | response |
//! |---|---|
//! | `GET /` | [`HELLO`] |
//! | `POST /echo` | the request's content |
//! | `GET /mebibyte` | [`MEBIBYTE`] |
//!
//! The drill asks for what takes its time, too, of those that it judges:
//!
//! | request | response |
//! |---|---|
//! | `GET /delay/MS` | [`HELLO`], after so many milliseconds |
//! | `GET /stream/N/MS` | N chunks, so many milliseconds apart |
//! | `GET /bytes/N` | N bytes |

use std::error::Error;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use async_io::Timer;
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use socket2::{Domain, Socket, Type};

/// The shortest answer.
pub const HELLO: &str = "Hello, World!";

/// The longest answer.
pub static MEBIBYTE: [u8; 1 << 20] = [b'm'; 1 << 20];

/// Connections that may wait to be accepted: as many as neap lets wait, for everybody.
const BACKLOG: i32 = 4096;

/// What a request asks a peer for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// [`HELLO`].
    Hello,
    /// The request's content.
    Echo,
    /// [`MEBIBYTE`].
    Mebibyte,
    /// [`HELLO`], later.
    Delay(Duration),
    /// Chunks, one now and then.
    Stream {
        /// How many.
        chunks: u32,
        /// How long between two of them.
        pause: Duration,
    },
    /// So many bytes.
    Bytes(usize),
}

impl Route {
    /// What `path` stands for, if it is any of them.
    #[must_use]
    pub fn of(path: &str) -> Option<Route> {
        let mut segments = path.split('/').skip(1);
        let name = segments.next()?;
        let numbers: Result<Vec<u32>, _> = segments.map(str::parse).collect();
        let millis = |millis: u32| Duration::from_millis(millis.into());
        match (name, &numbers.ok()?[..]) {
            ("", []) => Some(Route::Hello),
            ("echo", []) => Some(Route::Echo),
            ("mebibyte", []) => Some(Route::Mebibyte),
            ("delay", &[pause]) => Some(Route::Delay(millis(pause))),
            ("stream", &[chunks, pause]) => Some(Route::Stream {
                chunks,
                pause: millis(pause),
            }),
            ("bytes", &[count]) => Some(Route::Bytes(count.try_into().ok()?)),
            _ => None,
        }
    }
}

/// So many bytes, in pieces that are made when they are asked for.
pub fn bytes(count: usize) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold(count, |left| async move {
        let piece = left.min(MEBIBYTE.len());
        (piece > 0).then(|| (Ok(Bytes::from_static(&MEBIBYTE[..piece])), left - piece))
    })
}

/// So many chunks, so long apart.
pub fn chunks(count: u32, pause: Duration) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold(0, move |sent| async move {
        if sent == count {
            return None;
        }
        if sent > 0 {
            Timer::after(pause).await;
        }
        Some((Ok(Bytes::from(format!("chunk {sent}\n"))), sent + 1))
    })
}

/// How a peer was started: `ADDRESS [--reuse-port] [--one-thread] [--deadline=SECONDS]`.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Where to listen.
    pub address: SocketAddr,
    /// Whether others listen there as well.
    pub reuse_port: bool,
    /// Whether one thread has to do; otherwise it is as many as the library likes.
    pub one_thread: bool,
    /// How long it may drain, if it has a way to be told.
    pub deadline: Option<Duration>,
}

impl Options {
    /// Reads them from this process's command line.
    ///
    /// # Errors
    ///
    /// If it is not as above.
    pub fn from_command_line() -> Result<Options, Box<dyn Error>> {
        let mut words = std::env::args().skip(1);
        let address = words.next().ok_or("no address")?.parse()?;
        let mut options = Options {
            address,
            reuse_port: false,
            one_thread: false,
            deadline: None,
        };
        for word in words {
            match (word.as_str(), word.strip_prefix("--deadline=")) {
                ("--reuse-port", _) => options.reuse_port = true,
                ("--one-thread", _) => options.one_thread = true,
                (_, Some(seconds)) => {
                    options.deadline = Some(Duration::from_secs(seconds.parse()?));
                }
                _ => return Err(format!("what is {word}?").into()),
            }
        }
        Ok(options)
    }

    /// A listening socket that does not block.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound.
    pub fn listen(&self) -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(self.reuse_port)?;
        socket.set_nonblocking(true)?;
        // Linux hands the option down to accepted connections.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&self.address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    }

    /// A runtime for the peers on tokio.
    ///
    /// # Errors
    ///
    /// If there are no threads to be had.
    pub fn tokio(&self) -> io::Result<tokio::runtime::Runtime> {
        let mut builder = if self.one_thread {
            tokio::runtime::Builder::new_current_thread()
        } else {
            tokio::runtime::Builder::new_multi_thread()
        };
        builder.enable_all().build()
    }
}

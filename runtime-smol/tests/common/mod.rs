//! A plain client and a place for servers to run, for the tests of the embedding API.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use http::Request;
use neap_smol::{Body, Handle, Reactor, Report, Server};

/// How long a test waits before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A server that listens on a free port. `NEAP_TEST_REACTOR=async-io` has the tests run on the
/// portable reactor instead of the server's own, `NEAP_TEST_THREADS=3` on so many threads those
/// that use `run`.
pub(crate) fn listening() -> Server {
    let server = unbound();
    server.listen(&"127.0.0.1:0".parse().unwrap()).unwrap()
}

/// The same without a listener.
pub(crate) fn unbound() -> Server {
    let reactor = match std::env::var("NEAP_TEST_REACTOR").as_deref() {
        Ok("async-io") => Reactor::AsyncIo,
        _ => Reactor::Own,
    };
    let threads = std::env::var("NEAP_TEST_THREADS").ok();
    let threads = threads.map_or(1, |threads| threads.parse().unwrap());
    Server::new().reactor(reactor).threads(threads)
}

/// A server on a thread of its own; drained when the test is over.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: Handle,
    thread: Option<JoinHandle<Report>>,
}

impl Running {
    /// Runs `serve` with a server that listens on a free port.
    pub(crate) fn start(serve: impl FnOnce(Server) -> Report + Send + 'static) -> Running {
        Running::start_with(|server| server, serve)
    }

    pub(crate) fn start_with(
        configure: impl FnOnce(Server) -> Server,
        serve: impl FnOnce(Server) -> Report + Send + 'static,
    ) -> Running {
        Running::of(configure(listening()), serve)
    }

    /// Runs `serve` with `server`, which listens already.
    pub(crate) fn of(
        server: Server,
        serve: impl FnOnce(Server) -> Report + Send + 'static,
    ) -> Running {
        let address = server.local_addr().unwrap();
        let handle = server.handle();
        let thread = Some(std::thread::spawn(move || serve(server)));
        Running {
            address,
            handle,
            thread,
        }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends `request`, ends the client's side, and reads all that comes.
    pub(crate) fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        read_all(&mut stream)
    }

    pub(crate) fn drain(mut self) -> Report {
        self.handle.drain();
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.close_now();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

pub(crate) fn read_all(stream: &mut impl Read) -> String {
    let mut all = Vec::new();
    // A reset ends what was read before it.
    let _ = stream.read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads until `end` has come.
pub(crate) fn read_until(stream: &mut impl Read, end: &str) -> String {
    let mut all = Vec::new();
    let mut byte = [0];
    while !all.ends_with(end.as_bytes()) {
        match stream.read(&mut byte) {
            Ok(1) => all.push(byte[0]),
            other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&all)),
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Tells when it is dropped.
pub(crate) struct Witness(pub(crate) Sender<()>);

impl Drop for Witness {
    fn drop(&mut self) {
        // Nobody may be listening any more.
        let _ = self.0.send(());
    }
}

pub(crate) const BLOCK: &str = "GET /block HTTP/1.1\r\nHost: test\r\n\r\n";

/// A handler that blocks its thread at `/block`, until [`Gate`] is dropped.
#[derive(Clone)]
pub(crate) struct Blocking {
    arrived: Sender<()>,
    gate: Arc<Mutex<Receiver<()>>>,
}

/// Knows when a handler blocks; lets it go on when it is dropped.
pub(crate) struct Gate {
    arrived: Receiver<()>,
    open: Sender<()>,
}

impl Gate {
    pub(crate) fn new() -> (Gate, Blocking) {
        let (arrive, arrived) = channel();
        let (open, gate) = channel();
        let gate = Arc::new(Mutex::new(gate));
        let blocking = Blocking {
            arrived: arrive,
            gate,
        };
        (Gate { arrived, open }, blocking)
    }

    pub(crate) fn await_blocked(&self) {
        self.arrived.recv_timeout(PATIENCE).unwrap();
    }

    /// Lets one handler go on.
    pub(crate) fn let_one_go(&self) {
        self.open.send(()).unwrap();
    }

    /// Lets the handler go on, and waits until its server is gone.
    pub(crate) fn open(self) {
        drop(self.open);
        let gone = self.arrived.recv_timeout(PATIENCE);
        assert_eq!(gone, Err(RecvTimeoutError::Disconnected));
    }
}

impl Blocking {
    /// Says that a handler has been called.
    pub(crate) fn arrive(&self) {
        self.arrived.send(()).unwrap();
    }

    pub(crate) fn block(&self) {
        self.arrive();
        let _ = self.gate.lock().unwrap().recv();
    }

    pub(crate) fn answer(&self, request: &Request<Body>) -> &'static str {
        if request.uri().path() == "/block" {
            self.block();
        }
        "fine"
    }
}

pub(crate) fn is_reset(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    let read = stream.read(&mut byte);
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
}

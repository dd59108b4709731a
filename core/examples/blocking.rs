//! A complete server on threads of the standard library: the guide for porting neap's core.
//!
//! ```text
//! cargo run -p neap-core --example blocking -- 127.0.0.1:8080
//! ```
//!
//! It answers a part of what `neap echo` answers. The standard library knows no signals: a line on
//! standard input, or its end, begins the drain.
//!
//! What a driver is made of stands here in its plainest form:
//!
//! - [`Server`]: the clock, the [`Lifecycle`] and the registry of connections, from which the
//!   census is derived. [`Server::supervise`] tells it what has changed and waits for its timeouts.
//! - [`accept`]: does what [`Listening`] says.
//! - [`Peer`]: a socket, its buffers and its [`Connection`]. [`Peer::turn`] does what [`Wants`]
//!   says, and nothing else.
//!
//! What a handler can do is in `blocking/exchange.rs`, the handlers in `blocking/application.rs`. A
//! handler is a function that runs on its connection's thread. Whatever it waits for, it waits in
//! turns of the connection, so that input, output and timeouts go on meanwhile, and that it learns
//! when nobody waits for its answer any more. With futures it would be one, polled in each turn.
//!
//! A driver with a reactor waits for the socket, the timeout and the news of a risen phase at once.
//! A blocking call cannot be woken, so that here none lasts longer than [`TICK`].

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, mem, thread};

use neap_core::{
    Cause, Census, Config, Connection, Fate, Handler, Item, Lifecycle, Listening, Phase, Read,
    Spans, State, Step, Tick, Time, Wants, Write,
};

use application::{Request, date, handle};

#[path = "blocking/application.rs"]
mod application;
#[path = "blocking/exchange.rs"]
mod exchange;

/// How long a connection's thread may be deaf to the server's phase.
const TICK: Duration = Duration::from_millis(20);
/// How much is read at once.
const PIECE: usize = 16 * 1024;
/// How much input is read ahead, and how much output may wait before the handler does.
const AHEAD: usize = 4 * PIECE;

fn main() -> io::Result<ExitCode> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(address)?;
    let local = listener.local_addr()?;
    let server = Arc::new(Server {
        config: Config::default(),
        start: Instant::now(),
        shared: Mutex::default(),
        bell: Condvar::new(),
    });
    let (accepting, stopping) = (Arc::clone(&server), Arc::clone(&server));
    thread::spawn(move || accept(&accepting, listener));
    thread::spawn(move || stopping.drain_on_input(local));
    println!("listening on http://{local}");
    Ok(ExitCode::from(u8::from(server.supervise())))
}

/// What all threads share.
struct Server {
    config: Config,
    start: Instant,
    shared: Mutex<Shared>,
    /// Rung when a connection's state or the server's phase has changed.
    bell: Condvar,
}

#[derive(Default)]
struct Shared {
    lifecycle: Lifecycle,
    connections: HashMap<u64, State>,
    /// Whether a request was dispatched and then cut off.
    aborted: bool,
}

impl Server {
    fn now(&self) -> Time {
        Time::ZERO.after(self.start.elapsed())
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is shared, for the supervisor to see.
    fn change(&self, change: impl FnOnce(&mut Shared)) {
        change(&mut self.shared());
        self.bell.notify_all();
    }

    /// Notes where a connection stands; gives the tick for its next input.
    fn tick(&self, id: u64, state: State) -> Tick<'_> {
        let mut shared = self.shared();
        if shared.connections.insert(id, state) != Some(state) {
            self.bell.notify_all();
        }
        shared.lifecycle.tick(self.now(), &self.config)
    }

    fn drain_on_input(&self, local: SocketAddr) {
        // A line, the end and an error are all the same: somebody wants us to stop.
        let _ = io::stdin().read_line(&mut String::new());
        let now = self.now();
        self.change(|shared| shared.lifecycle.drain(now, &self.config, Cause::Request));
        // The accepting thread waits in the kernel: a client wakes it.
        let _ = TcpStream::connect_timeout(&local, TICK);
    }

    /// Feeds the lifecycle until it is done. Whether a request was cut off.
    fn supervise(&self) -> bool {
        let mut shared = self.shared();
        loop {
            let now = self.now();
            let census = Census::of(shared.connections.values().copied());
            let lifecycle = &mut shared.lifecycle;
            lifecycle.handle_census(now, &self.config, &census);
            lifecycle.handle_timeout(now, &self.config);
            if lifecycle.phase() == Phase::Done {
                return shared.aborted;
            }
            let due = lifecycle.poll_timeout(&self.config).unwrap_or(Time::NEVER);
            let waited = self.bell.wait_timeout(shared, due.since(now));
            shared = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Accepts for as long as the lifecycle says, each connection into a thread of its own.
fn accept(server: &Arc<Server>, listener: TcpListener) {
    for id in 0.. {
        let listening = server.shared().lifecycle.poll_listening();
        // A listener that is to end takes in what has arrived and waits for nothing.
        let ends = listening != Listening::Accept;
        let accepted = listener
            .set_nonblocking(ends)
            .and_then(|()| listener.accept());
        match accepted {
            Ok((stream, _)) => {
                // In the registry before anything else, so that nobody is forgotten.
                server.tick(id, State::Fresh);
                let server = Arc::clone(server);
                let turn_away = listening == Listening::TurnAway;
                thread::spawn(move || Peer::new(&server, id, stream).serve(turn_away));
            }
            Err(error) if ends && error.kind() == ErrorKind::WouldBlock => break,
            // One client's failure, or a shortage that will pass.
            Err(_) => thread::sleep(TICK),
        }
    }
    drop(listener);
    let now = server.now();
    server.change(|shared| shared.lifecycle.handle_listeners_ended(now));
}

/// A connection, with everything that the core does not hold.
pub(crate) struct Peer<'s> {
    server: &'s Server,
    id: u64,
    stream: TcpStream,
    connection: Connection,
    spans: Spans,
    input: Vec<u8>,
    output: Vec<u8>,
    request: Request,
    /// Content of the request that the handler has not taken yet.
    content: Vec<u8>,
}

impl<'s> Peer<'s> {
    fn new(server: &'s Server, id: u64, stream: TcpStream) -> Peer<'s> {
        let _ = stream.set_nodelay(true);
        let _ = stream.set_write_timeout(Some(TICK));
        Peer {
            server,
            id,
            stream,
            connection: Connection::new(server.tick(id, State::Fresh)),
            spans: Spans::new(),
            input: Vec::new(),
            output: Vec::new(),
            request: Request::default(),
            content: Vec::new(),
        }
    }

    fn tick(&self) -> Tick<'s> {
        self.server.tick(self.id, self.connection.state())
    }

    /// Turns until the connection is over.
    fn serve(mut self, turn_away: bool) {
        if turn_away {
            self.connection.turn_away(self.tick());
        }
        let reset = loop {
            match self.connection.poll_step() {
                Step::Go(wants) if wants.handler == Handler::Start => {
                    let request = mem::take(&mut self.request);
                    let started = self.connection.handle_started(self.tick());
                    if started.and_then(|()| handle(&request, &mut self)).is_err() {
                        self.connection.handle_failure(self.tick());
                    }
                }
                Step::Go(wants) => self.turn(wants, Time::NEVER),
                Step::Upgrade => break false,
                Step::Close { reset, .. } => break reset,
            }
        };
        if reset {
            let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
        drop(self.stream);
        let tally = self.connection.tally();
        let cut = matches!(tally.rest, Fate::Aborted | Fate::Truncated);
        self.server.change(|shared| {
            shared.connections.remove(&self.id);
            shared.aborted |= cut && tally.completed < tally.dispatched;
        });
    }

    /// Does what is wanted: writes, then waits until `until` at most for something to read.
    fn turn(&mut self, wants: Wants, until: Time) {
        let changed = self.write(wants.write) | self.take_input();
        if let Step::Go(wants) = self.connection.poll_step() {
            let due = self.connection.poll_timeout().unwrap_or(Time::NEVER);
            let wait = due.min(until).since(self.server.now()).min(TICK);
            self.read(wants.read, if changed { Duration::ZERO } else { wait });
        }
        // Only now that the socket was read: no timer overtakes bytes that were there.
        self.connection.handle_timeout(self.tick());
    }

    /// True unless there was nothing to write, or the peer takes nothing.
    fn write(&mut self, write: Write) -> bool {
        let t = self.tick();
        let (connection, output) = (&mut self.connection, &mut self.output);
        match write {
            Write::No => return false,
            Write::Continue => return connection.reply_continue(t, output).is_ok(),
            Write::Refuse(_) => return connection.reply_refusal(t, &date(), output).is_ok(),
            // The standard library cannot ask.
            Write::Query => connection.handle_send_queue(t, 0),
            Write::Fin => {
                let _ = self.stream.shutdown(Shutdown::Write);
                return connection.handle_fin_sent(t).is_ok();
            }
            Write::Flush => match self.stream.write(output) {
                Ok(len) => {
                    output.drain(..len);
                    return connection.handle_written(t, len as u64).is_ok();
                }
                Err(error) if is_timeout(&error) => return false,
                Err(_) => connection.handle_io_error(t),
            },
        }
        true
    }

    fn read(&mut self, read: Read, wait: Duration) {
        if read == Read::No || (read == Read::Watch && self.input.len() >= AHEAD) {
            return thread::sleep(wait);
        }
        let look = read == Read::Look;
        let mut buffer = [0; PIECE];
        let wait = if look { Duration::ZERO } else { wait };
        let received = read_within(&self.stream, &mut buffer, wait);
        let t = self.tick();
        match received {
            Ok(0) => self.connection.handle_eof(t),
            Ok(len) if read == Read::Discard => {
                self.input.clear();
                self.connection.handle_discarded(t, len as u64);
            }
            Ok(len) => {
                self.input.extend_from_slice(&buffer[..len]);
                self.take_input();
            }
            Err(error) if is_timeout(&error) && look => self.connection.handle_nothing(t),
            Err(error) if is_timeout(&error) => {}
            Err(_) => self.connection.handle_io_error(t),
        }
    }

    /// Gives the core what is buffered, of which it takes what it wants. True if it took some.
    fn take_input(&mut self) -> bool {
        let t = self.tick();
        let mut taken = 0;
        loop {
            let input = &self.input[taken..];
            let received = self.connection.handle_input(t, input, &mut self.spans);
            match received.item {
                Item::Nothing | Item::Refused(_) if received.consumed == 0 => break,
                Item::Head(head) => {
                    self.request = Request::new(head);
                    self.content.clear();
                }
                Item::Content(bytes) => self.content.extend_from_slice(bytes),
                Item::Nothing | Item::Refused(_) | Item::Trailers(_) => {}
            }
            taken += received.consumed;
        }
        self.input.drain(..taken);
        taken > 0
    }
}

fn read_within(mut stream: &TcpStream, buffer: &mut [u8], wait: Duration) -> io::Result<usize> {
    if !wait.is_zero() {
        stream.set_read_timeout(Some(wait))?;
        return stream.read(buffer);
    }
    stream.set_nonblocking(true)?;
    let received = stream.read(buffer);
    stream.set_nonblocking(false)?;
    received
}

fn is_timeout(error: &io::Error) -> bool {
    use ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

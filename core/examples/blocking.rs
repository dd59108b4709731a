//! A complete server on threads of the standard library.
//!
//! ```text
//! cargo run -p neap-core --example blocking -- 127.0.0.1:8080
//! ```
//!
//! It answers a part of what `neap echo` answers. The standard library knows no signals: a line on
//! standard input, or its end, begins the drain.
//!
//! A driver with a reactor waits for the socket, the timeout and the news of a risen phase at once.
//! A blocking call cannot be woken, so that here none lasts longer than [`TICK`]. `docs/porting.md`
//! tells what is done here and why.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use neap_core::{
    Cause, Config, Failure, Listening, Read, Server, Session, Step, Tick, Time, Write,
};

use application::Application;
use start::{date, failure};

#[path = "ports/application.rs"]
mod application;
#[path = "ports/start.rs"]
mod start;

/// How long a connection's thread may be deaf to the server's phase.
const TICK: Duration = Duration::from_millis(20);
/// How much is read at once.
const PIECE: usize = 16 * 1024;

fn main() -> io::Result<ExitCode> {
    let (listener, config) = start::listen()?;
    let local = listener.local_addr()?;
    let (server, bell) = (Mutex::default(), Condvar::new());
    let start = Instant::now();
    let shared = Arc::new(Shared {
        config,
        start,
        server,
        bell,
    });
    let (accepting, stopping) = (Arc::clone(&shared), Arc::clone(&shared));
    thread::spawn(move || accept(&accepting, listener));
    start::when_told(move || stopping.drain(local));
    Ok(ExitCode::from(u8::from(shared.supervise())))
}

/// What all threads share.
struct Shared {
    config: Config,
    start: Instant,
    server: Mutex<Server>,
    /// Rung when the server is to advance.
    bell: Condvar,
}

impl Shared {
    fn now(&self) -> Time {
        Time::ZERO.after(self.start.elapsed())
    }

    fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) -> Tick<'_> {
        self.server().tick(self.now(), &self.config)
    }

    fn drain(&self, local: SocketAddr) {
        let lifecycle = &mut self.server().lifecycle;
        lifecycle.drain(self.now(), &self.config, Cause::Request);
        self.bell.notify_all();
        // The accepting thread waits in the kernel: a client wakes it.
        let _ = TcpStream::connect_timeout(&local, TICK);
    }

    /// Advances the server until it is over. Whether a reply was cut off.
    fn supervise(&self) -> bool {
        let mut server = self.server();
        loop {
            let now = self.now();
            // Every connection's thread sees within a tick that the phase has risen.
            server.advance(now, &self.config);
            if server.is_over() {
                return server.has_cut();
            }
            let due = server.lifecycle.poll_timeout(&self.config);
            let wait = due.unwrap_or(Time::NEVER).since(now);
            let waited = self.bell.wait_timeout(server, wait);
            server = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Accepts for as long as the lifecycle says, each connection into a thread of its own.
fn accept(shared: &Arc<Shared>, listener: TcpListener) {
    loop {
        // A listener that is to end takes in what has arrived and waits for nothing.
        let ends = shared.server().lifecycle.poll_listening() != Listening::Accept;
        let accepted = listener.set_nonblocking(ends);
        let accepted = accepted.and_then(|()| listener.accept());
        match accepted.map_err(failure) {
            Ok((stream, _)) => {
                let (now, application) = (shared.now(), Application::new());
                let session = shared.server().accept(now, &shared.config, application);
                let shared = Arc::clone(shared);
                thread::spawn(move || serve(&shared, session, stream));
            }
            Err(Failure::Later) if ends => break,
            // One client's failure, or a shortage that will pass.
            Err(_) => thread::sleep(TICK),
        }
    }
    drop(listener);
    let now = shared.now();
    shared.server().lifecycle.handle_listeners_ended(now);
    shared.bell.notify_all();
}

/// Turns until the connection is over.
fn serve(shared: &Shared, mut session: Session<Application>, mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_write_timeout(Some(TICK));
    let reset = loop {
        let wants = match session.poll_step() {
            Step::Go(wants) => wants,
            Step::Close { reset, .. } => break reset,
            Step::Upgrade => break false,
        };
        write(shared.tick(), &mut session, &mut stream, wants.write);
        if session.is_settled() {
            let due = session.poll_timeout().unwrap_or(Time::NEVER);
            wait(&stream, wants.read, due.since(shared.now()).min(TICK));
        }
        // Behind the wait, which may have taken a while, and before the socket is read.
        let t = shared.tick();
        if wants.read != Read::No {
            let mut buffer = [0; PIECE];
            let _ = stream.set_nonblocking(true);
            let received = stream.read(&mut buffer).map_err(failure);
            session.handle_read(t, received.map(|len| &buffer[..len]));
        }
        session.advance(t, &date());
        if shared.server().note(&session) {
            shared.bell.notify_all();
        }
    };
    if reset {
        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
    drop(stream);
    shared.server().leave(session);
    shared.bell.notify_all();
}

/// Writes, for as long as a tick if need be: nothing else tells when there is room again.
fn write(t: Tick<'_>, session: &mut Session<Application>, stream: &mut TcpStream, wanted: Write) {
    let _ = stream.set_nonblocking(false);
    match wanted {
        Write::Flush => {
            let written = stream.write(session.output()).map_err(failure);
            session.handle_written(t, written).expect("it was output");
        }
        Write::Fin => {
            let _ = stream.shutdown(Shutdown::Write);
            session.handle_fin_sent(t).expect("it was wanted");
        }
        // The standard library cannot ask.
        Write::Query => session.handle_send_queue(t, 0),
        Write::No | Write::Continue | Write::Refuse(_) => {}
    }
}

/// Waits for something to read, if that is wanted, and for so long at most.
fn wait(stream: &TcpStream, read: Read, most: Duration) {
    if read == Read::No {
        thread::sleep(most);
    } else if !most.is_zero() {
        let _ = stream.set_read_timeout(Some(most));
        let _ = stream.peek(&mut [0]);
    }
}

//! A complete server on bare readiness: mio, one thread, no runtime.
//!
//! ```text
//! cargo run -p neap-tests --example port_mio -- 127.0.0.1:8080
//! ```
//!
//! A line on standard input, or its end, begins the drain. `docs/porting.md` tells what is done
//! here and why.

use std::collections::{HashMap, HashSet};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use neap_core::{
    Cause, Config, Failure, Listening, Read, Server, Session, Step, Tick, Time, Write,
};
use socket2::SockRef;

use application::Application;
use start::{date, failure};

#[path = "../../core/examples/ports/application.rs"]
mod application;
#[path = "../../core/examples/ports/start.rs"]
mod start;

const LISTENER: Token = Token(0);
const TOLD: Token = Token(1);
/// How much is read at once.
const PIECE: usize = 16 * 1024;
/// How many turns a connection has before the others have theirs.
const TURNS: usize = 8;
/// When to try again where accepting failed.
const SHORTAGE: Duration = Duration::from_millis(20);

struct Driver {
    config: Config,
    server: Server,
    poll: Poll,
    listener: Option<TcpListener>,
    connections: HashMap<Token, (Session<Application>, TcpStream)>,
    last: Token,
    /// Connections of which there is news. News comes once: who is told turns until nothing moves.
    ready: HashSet<Token>,
}

fn main() -> io::Result<ExitCode> {
    let (listener, config) = start::listen()?;
    let mut listener = TcpListener::from_std(listener);
    let poll = Poll::new()?;
    let registry = poll.registry();
    registry.register(&mut listener, LISTENER, Interest::READABLE)?;
    // It lives as long as this function: a wake-up that nobody has taken would go with it.
    let waker = Arc::new(Waker::new(registry, TOLD)?);
    let told = Arc::clone(&waker);
    start::when_told(move || told.wake().expect("the system takes a wake-up"));
    let mut driver = Driver {
        config,
        server: Server::new(),
        poll,
        listener: Some(listener),
        connections: HashMap::new(),
        last: TOLD,
        ready: HashSet::new(),
    };
    driver.run()?;
    Ok(ExitCode::from(u8::from(driver.server.has_cut())))
}

impl Driver {
    fn run(&mut self) -> io::Result<()> {
        let start = Instant::now();
        let mut events = Events::with_capacity(1024);
        loop {
            let now = Time::ZERO.after(start.elapsed());
            if self.ready.contains(&TOLD) {
                let lifecycle = &mut self.server.lifecycle;
                lifecycle.drain(now, &self.config, Cause::Request);
            }
            let patience = self.accept(now)?;
            let risen = self.server.advance(now, &self.config).is_some();
            if self.server.is_over() {
                return Ok(());
            }
            let due = self.turn_all(now, risen);
            // What has changed may be what the drain waits for.
            let again = risen || !self.ready.is_empty();
            let wait = if again {
                Duration::ZERO
            } else {
                due.since(now).min(patience)
            };
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => self.ready.extend(events.iter().map(Event::token)),
            }
        }
    }

    /// Accepts what waits, and ends the listener if the lifecycle says so. When to try again.
    fn accept(&mut self, now: Time) -> io::Result<Duration> {
        let Some(listener) = &self.listener else {
            return Ok(Duration::MAX);
        };
        let error = loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) => break error,
            };
            let _ = stream.set_nodelay(true);
            self.last = Token(self.last.0 + 1);
            let (registry, interest) = (self.poll.registry(), Interest::READABLE);
            registry.register(&mut stream, self.last, interest | Interest::WRITABLE)?;
            let session = self.server.accept(now, &self.config, Application::new());
            self.connections.insert(self.last, (session, stream));
            self.ready.insert(self.last);
        };
        // One client's failure, or a shortage that will pass.
        if failure(error) == Failure::Broken {
            return Ok(SHORTAGE);
        }
        if self.server.lifecycle.poll_listening() != Listening::Accept {
            self.listener = None;
            self.server.lifecycle.handle_listeners_ended(now);
        }
        Ok(Duration::MAX)
    }

    /// Turns those of which there is news, whose time has come, or all. When it is due again.
    fn turn_all(&mut self, now: Time, all: bool) -> Time {
        let ready = std::mem::take(&mut self.ready);
        // With many connections this would be a heap of times; a list says the same.
        let turning = self.connections.iter().filter(|(token, (session, _))| {
            let due = session.poll_timeout();
            all || ready.contains(*token) || due.is_some_and(|due| due <= now)
        });
        let turning: Vec<Token> = turning.map(|(token, _)| *token).collect();
        turning.into_iter().for_each(|token| self.turn(now, token));
        let due = self.server.lifecycle.poll_timeout(&self.config);
        let sessions = self.connections.values();
        let dues = sessions.filter_map(|(session, _)| session.poll_timeout());
        dues.chain(due).min().unwrap_or(Time::NEVER)
    }

    fn turn(&mut self, now: Time, token: Token) {
        let Some((mut session, mut stream)) = self.connections.remove(&token) else {
            return;
        };
        let t = self.server.tick(now, &self.config);
        let mut turns = (0..TURNS).map(|_| turn(t, &mut session, &mut stream));
        let is_settled = turns.any(|is_settled| is_settled);
        // The server is to advance, or there is more to do: no wait before that.
        if self.server.note(&session) || !is_settled {
            self.ready.insert(token);
        }
        let Step::Close { reset, .. } = session.poll_step() else {
            self.connections.insert(token, (session, stream));
            return;
        };
        if reset {
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        drop(stream);
        self.server.leave(session);
        self.ready.insert(token);
    }
}

/// Does what is wanted without waiting. True if nothing is left to do before a wait.
fn turn(t: Tick<'_>, session: &mut Session<Application>, stream: &mut TcpStream) -> bool {
    let Step::Go(wants) = session.poll_step() else {
        return true;
    };
    match wants.write {
        Write::Flush => {
            let written = stream.write(session.output()).map_err(failure);
            session.handle_written(t, written).expect("it was output");
        }
        Write::Fin => {
            let _ = stream.shutdown(Shutdown::Write);
            session.handle_fin_sent(t).expect("it was wanted");
        }
        // Nobody asks the system: it counts as acknowledged.
        Write::Query => session.handle_send_queue(t, 0),
        Write::No | Write::Continue | Write::Refuse(_) => {}
    }
    if wants.read != Read::No {
        let buffer = &mut [0; PIECE];
        let received = stream.read(buffer).map_err(failure);
        session.handle_read(t, received.map(|len| &buffer[..len]));
    }
    session.advance(t, &date());
    session.is_settled()
}

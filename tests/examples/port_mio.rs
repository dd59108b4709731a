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
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use neap_core::{Cause, Listening, Read, Step, Time, Wants, Write};

use peer::{PIECE, Peer, Server};

#[path = "ports/application.rs"]
mod application;
#[path = "ports/peer.rs"]
mod peer;
#[path = "ports/start.rs"]
mod start;

const LISTENER: Token = Token(0);
const TOLD: Token = Token(1);
/// How many turns a connection has before the others have theirs.
const TURNS: usize = 8;
/// When to try again where accepting failed: one client's failure, or a shortage that will pass.
const SHORTAGE: Duration = Duration::from_millis(20);

struct Driver {
    server: Rc<Server>,
    poll: Poll,
    listener: Option<TcpListener>,
    /// The socket before its peer, so that it is closed before the census forgets it.
    connections: HashMap<Token, (TcpStream, Peer)>,
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
    let told = Arc::new(AtomicBool::new(false));
    // It lives as long as this: a wake-up that nobody has taken would go with it.
    let waker = Arc::new(Waker::new(registry, TOLD)?);
    start::when_told({
        let (told, waker) = (Arc::clone(&told), Arc::clone(&waker));
        move || {
            told.store(true, Ordering::SeqCst);
            let _ = waker.wake();
        }
    });
    let mut driver = Driver {
        server: Server::new(config),
        poll,
        listener: Some(listener),
        connections: HashMap::new(),
        last: TOLD,
        ready: HashSet::new(),
    };
    driver.run(&told)?;
    Ok(ExitCode::from(u8::from(driver.server.has_aborted())))
}

impl Driver {
    fn run(&mut self, told: &AtomicBool) -> io::Result<()> {
        let start = Instant::now();
        let server = Rc::clone(&self.server);
        let mut events = Events::with_capacity(1024);
        loop {
            server.set_now(Time::ZERO.after(start.elapsed()));
            if told.load(Ordering::SeqCst) {
                let lifecycle = &mut server.lifecycle.borrow_mut();
                lifecycle.drain(server.now(), server.config(), Cause::Request);
            }
            let risen = server.advance();
            if server.is_over() {
                return Ok(());
            }
            let short = self.accept()?;
            let due = self.turn_all(risen).min(server.due());
            // An end may be the one that the drain waits for.
            let again = risen || !self.ready.is_empty();
            let wait = match due.since(server.now()) {
                _ if again => Duration::ZERO,
                wait if short => wait.min(SHORTAGE),
                wait => wait,
            };
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => self
                    .ready
                    .extend(events.iter().map(mio::event::Event::token)),
            }
        }
    }

    /// Accepts what waits, and ends the listener if the lifecycle says so. True if that failed.
    fn accept(&mut self) -> io::Result<bool> {
        let listening = self.server.lifecycle.borrow().poll_listening();
        let Some(listener) = &self.listener else {
            return Ok(false);
        };
        let failed = loop {
            match listener.accept() {
                Ok((mut stream, _)) => {
                    self.last = Token(self.last.0 + 1);
                    let _ = stream.set_nodelay(true);
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    let registry = self.poll.registry();
                    registry.register(&mut stream, self.last, interest)?;
                    let turn_away = listening == Listening::TurnAway;
                    let peer = Peer::new(&self.server, self.last.0 as u64, turn_away);
                    self.connections.insert(self.last, (stream, peer));
                    self.ready.insert(self.last);
                }
                Err(error) => break error.kind() != ErrorKind::WouldBlock,
            }
        };
        if listening != Listening::Accept {
            self.listener = None;
            let now = self.server.now();
            self.server
                .lifecycle
                .borrow_mut()
                .handle_listeners_ended(now);
            self.ready.insert(LISTENER);
        }
        Ok(failed)
    }

    /// Turns those of which there is news, whose time has come, or all. When the next one's comes.
    fn turn_all(&mut self, all: bool) -> Time {
        let now = self.server.now();
        let ready = std::mem::take(&mut self.ready);
        let mut next = Time::NEVER;
        // With many connections this would be a heap of times; a list says the same.
        self.connections.retain(|token, (stream, peer)| {
            let mut turns = 0;
            if all || ready.contains(token) || peer.due() <= now {
                while turns < TURNS {
                    match turn(stream, peer) {
                        Some(true) => turns += 1,
                        Some(false) => break,
                        None => {
                            self.ready.insert(*token);
                            return false;
                        }
                    }
                }
            }
            if turns == TURNS {
                self.ready.insert(*token);
            }
            next = next.min(peer.due());
            true
        });
        next
    }
}

/// Does what is wanted without waiting. True if something was done, none if nothing is left to do.
fn turn(stream: &mut TcpStream, peer: &mut Peer) -> Option<bool> {
    let moved = match peer.settle() {
        Step::Go(wants) => write(stream, peer, wants) | read(stream, peer, wants.read),
        Step::Close { reset, .. } => {
            if reset {
                let _ = socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO));
            }
            return None;
        }
        Step::Upgrade => return None,
    };
    // Only now that the socket was read: no timer overtakes bytes that were there.
    Some(peer.handle_timeout() || moved)
}

fn write(stream: &mut TcpStream, peer: &Peer, wants: Wants) -> bool {
    match wants.write {
        Write::Flush => peer.flush(|output| stream.write(output)),
        Write::Fin => {
            let _ = stream.shutdown(Shutdown::Write);
            peer.handle_fin_sent()
        }
        Write::Query => peer.handle_no_query(),
        Write::No | Write::Continue | Write::Refuse(_) => false,
    }
}

fn read(stream: &mut TcpStream, peer: &Peer, read: Read) -> bool {
    if read == Read::No {
        return false;
    }
    let buffer = &mut [0; PIECE];
    let received = stream.read(buffer);
    peer.handle_read(read, buffer, received)
}

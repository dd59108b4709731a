//! A complete server on one-shot interests: polling, the readiness beneath smol, one thread.
//!
//! ```text
//! cargo run -p neap-tests --example port_polling -- 127.0.0.1:8080
//! ```
//!
//! A line on standard input, or its end, begins the drain. `docs/porting.md` tells what is done
//! here and why.
//!
//! An interest ends with its news and is armed again before the next wait. Arming asks the system
//! how things stand, so that no news is missed and one turn in a round is enough.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use neap_core::{
    Cause, Config, Failure, Listening, Read, Server, Session, Step, Tick, Time, Write,
};
use polling::{Event, Poller};
use socket2::SockRef;

use application::Application;
use start::{date, failure};

#[path = "../../core/examples/ports/application.rs"]
mod application;
#[path = "../../core/examples/ports/start.rs"]
mod start;

const LISTENER: usize = 0;
const TOLD: usize = 1;
/// How much is read at once.
const PIECE: usize = 16 * 1024;
/// When to try again where accepting failed.
const SHORTAGE: Duration = Duration::from_millis(20);

struct Driver {
    config: Config,
    server: Server,
    poller: Poller,
    listener: Option<TcpListener>,
    connections: HashMap<usize, (Session<Application>, TcpStream)>,
    last: usize,
    /// When something is due, by its key: what there is news of is due at once. With many
    /// connections this would be a heap of times; a map says the same.
    due: HashMap<usize, Time>,
}

fn main() -> io::Result<ExitCode> {
    let (listener, config) = start::listen()?;
    let poller = Poller::new()?;
    poller.add(&listener, Event::readable(LISTENER))?;
    // The end of a pipe is news like any other.
    let (told, telling) = io::pipe()?;
    poller.add(&told, Event::readable(TOLD))?;
    start::when_told(move || drop(telling));
    let mut driver = Driver {
        config,
        server: Server::new(),
        poller,
        listener: Some(listener),
        connections: HashMap::new(),
        last: TOLD,
        due: HashMap::new(),
    };
    driver.run()?;
    Ok(ExitCode::from(u8::from(driver.server.has_cut())))
}

impl Driver {
    fn run(&mut self) -> io::Result<()> {
        let (start, mut events) = (Instant::now(), Vec::new());
        loop {
            let now = Time::ZERO.after(start.elapsed());
            let news = events.drain(..).map(|event: Event| (event.key, now));
            self.due.extend(news);
            if self.due.remove(&TOLD).is_some() {
                let lifecycle = &mut self.server.lifecycle;
                lifecycle.drain(now, &self.config, Cause::Request);
            }
            self.accept(now)?;
            let has_risen = self.server.advance(now, &self.config).is_some();
            if self.server.is_over() {
                return Ok(());
            }
            let is_news = self.turn_all(now, has_risen)?;
            let lifecycle = self.server.lifecycle.poll_timeout(&self.config);
            let due = self.due.values().copied().chain(lifecycle).min();
            let due = if is_news {
                now
            } else {
                due.unwrap_or(Time::NEVER)
            };
            match self.poller.wait(&mut events, Some(due.since(now))) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
    }

    /// Accepts what waits. A listener that is to end does so when the system has nobody left.
    fn accept(&mut self, now: Time) -> io::Result<()> {
        let is_ending = self.server.lifecycle.poll_listening() != Listening::Accept;
        let is_due = self.due.get(&LISTENER).is_some_and(|due| *due <= now);
        while let (Some(listener), true) = (&self.listener, is_due || is_ending) {
            let accepted = listener.accept().and_then(|(stream, _)| {
                stream.set_nonblocking(true)?;
                self.poller.add(&stream, Event::none(self.last + 1))?;
                Ok(stream)
            });
            match accepted.map_err(failure) {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    self.last += 1;
                    let session = self.server.accept(now, &self.config, Application::new());
                    self.connections.insert(self.last, (session, stream));
                    self.due.insert(self.last, now);
                }
                // One client's failure, or a shortage that will pass.
                Err(Failure::Broken) => {
                    self.due.insert(LISTENER, now.after(SHORTAGE));
                    break;
                }
                Err(Failure::Later) => {
                    self.due.remove(&LISTENER);
                    if !is_ending {
                        return self.poller.modify(listener, Event::readable(LISTENER));
                    }
                    self.poller.delete(listener)?;
                    self.listener = None;
                    self.server.lifecycle.handle_listeners_ended(now);
                }
            }
        }
        Ok(())
    }

    /// Turns those whose turn is due, or all. True if the server is to advance.
    fn turn_all(&mut self, now: Time, all: bool) -> io::Result<bool> {
        let (mut is_news, mut over) = (false, Vec::new());
        for (key, (session, stream)) in &mut self.connections {
            let due = self.due.entry(*key).or_insert(now);
            if !all && *due > now {
                continue;
            }
            let step = turn(self.server.tick(now, &self.config), session, stream);
            is_news |= self.server.note(session);
            match step {
                Step::Go(wants) if session.is_settled() => {
                    *due = session.poll_timeout().unwrap_or(Time::NEVER);
                    let mut interest = Event::none(*key);
                    interest.readable = wants.read != Read::No;
                    interest.writable = wants.write == Write::Flush;
                    // Errors are told whatever is armed: armed in vain, they come for ever.
                    if interest != Event::none(*key) {
                        self.poller.modify(&*stream, interest)?;
                    }
                }
                Step::Go(_) => *due = now,
                Step::Close { reset, .. } => over.push((*key, reset)),
                Step::Upgrade => unreachable!("a session does not upgrade"),
            }
        }
        for (key, reset) in over {
            self.due.remove(&key);
            let (session, stream) = self.connections.remove(&key).expect("it has turned");
            if reset {
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            }
            self.poller.delete(&stream)?;
            drop(stream);
            self.server.leave(session);
            is_news = true;
        }
        Ok(is_news)
    }
}

/// Does what is wanted without waiting. What is wanted then.
fn turn(t: Tick<'_>, session: &mut Session<Application>, stream: &mut TcpStream) -> Step {
    let Step::Go(wants) = session.poll_step() else {
        return session.poll_step();
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
        // The standard library cannot ask: it counts as acknowledged.
        Write::Query => session.handle_send_queue(t, 0),
        Write::No | Write::Continue | Write::Refuse(_) => {}
    }
    if wants.read != Read::No {
        let buffer = &mut [0; PIECE];
        let received = stream.read(buffer).map_err(failure);
        session.handle_read(t, received.map(|len| &buffer[..len]));
    }
    session.advance(t, &date())
}

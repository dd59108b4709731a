//! A complete server on tokio: readiness from a reactor, a task for each connection.
//!
//! ```text
//! cargo run -p neap-tests --example port_tokio -- 127.0.0.1:8080
//! ```
//!
//! `SIGTERM` begins the drain, as does a line on standard input or its end; a second `SIGTERM` ends
//! it. `docs/porting.md` tells what is done here and why.

use std::cell::RefCell;
use std::io::{self, Read as _};
use std::net::Shutdown;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use neap_core::{
    Cause, Config, Failure, Listening, Phase, Read, Server, Session, Step, Tick, Time, Wants, Write,
};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::task::{LocalSet, spawn_local, yield_now};
use tokio::time::{Instant, sleep};

use application::Application;
use start::{date, failure};

#[path = "../../core/examples/ports/application.rs"]
mod application;
#[path = "../../core/examples/ports/start.rs"]
mod start;

/// How much is read at once.
const PIECE: usize = 16 * 1024;
/// When to try again where accepting failed.
const SHORTAGE: Duration = Duration::from_millis(20);

/// The server and how its tasks hear of each other.
struct Shared {
    config: Config,
    start: Instant,
    server: RefCell<Server>,
    /// Every connection turns when it has changed.
    phase: watch::Sender<Phase>,
    /// Rung when the server is to advance.
    bell: Notify,
}

impl Shared {
    fn tick(&self) -> Tick<'_> {
        let now = Time::ZERO.after(self.start.elapsed());
        self.server.borrow().tick(now, &self.config)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<ExitCode> {
    let (listener, config) = start::listen()?;
    let shared = Rc::new(Shared {
        config,
        start: Instant::now(),
        server: RefCell::default(),
        phase: watch::Sender::default(),
        bell: Notify::new(),
    });
    let tasks = LocalSet::new();
    tasks.run_until(supervise(&shared, listener)).await?;
    Ok(ExitCode::from(u8::from(shared.server.borrow().has_cut())))
}

/// Accepts for as long as the lifecycle says, and advances the server until it is over.
async fn supervise(shared: &Rc<Shared>, listener: std::net::TcpListener) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let told = Arc::new(Notify::new());
    let stopping = Arc::clone(&told);
    start::when_told(move || stopping.notify_one());
    let serve = |stream| {
        let (now, application) = (shared.tick().now, Application::new());
        let mut server = shared.server.borrow_mut();
        let session = server.accept(now, &shared.config, application);
        spawn_local(connection(Rc::clone(shared), session, stream));
    };
    let mut listener = Some(TcpListener::from_std(listener)?);
    loop {
        let (now, config) = (shared.tick().now, &shared.config);
        if let Some(phase) = shared.server.borrow_mut().advance(now, config) {
            shared.phase.send_replace(phase);
        }
        if shared.server.borrow().is_over() {
            return Ok(());
        }
        let listening = shared.server.borrow().lifecycle.poll_listening();
        if let Some(ending) = listener.take_if(|_| listening != Listening::Accept) {
            // What has arrived is asked of the system: tokio may not have heard of it yet.
            let ending = ending.into_std()?;
            let error = loop {
                match ending.accept() {
                    Ok((stream, _)) => {
                        stream.set_nonblocking(true)?;
                        serve(TcpStream::from_std(stream)?);
                    }
                    Err(error) => break failure(error),
                }
            };
            if error == Failure::Later {
                drop(ending);
                let lifecycle = &mut shared.server.borrow_mut().lifecycle;
                lifecycle.handle_listeners_ended(now);
            } else {
                listener = Some(TcpListener::from_std(ending)?);
                sleep(SHORTAGE).await;
            }
            continue;
        }
        let due = shared.server.borrow().lifecycle.poll_timeout(config);
        tokio::select! {
            accepted = async { listener.as_ref()?.accept().await.ok() }, if listener.is_some() => {
                match accepted {
                    Some((stream, _)) => serve(stream),
                    // One client's failure, or a shortage that will pass.
                    None => sleep(SHORTAGE).await,
                }
            }
            () = told.notified() => {
                shared.server.borrow_mut().lifecycle.drain(now, config, Cause::Request);
            }
            Some(()) = terminate.recv() => {
                shared.server.borrow_mut().lifecycle.handle_signal(now, config);
            }
            () = shared.bell.notified() => {}
            () = sleep(due.unwrap_or(Time::NEVER).since(now)) => {}
        }
    }
}

/// Turns until the connection is over.
async fn connection(shared: Rc<Shared>, mut session: Session<Application>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut phase = shared.phase.subscribe();
    let reset = loop {
        let t = shared.tick();
        let wants = match session.poll_step() {
            Step::Go(wants) => wants,
            Step::Close { reset, .. } => break reset,
            Step::Upgrade => break false,
        };
        transfer(t, &mut session, &stream, wants);
        session.advance(t, &date());
        if shared.server.borrow_mut().note(&session) {
            shared.bell.notify_one();
        }
        if !session.is_settled() {
            // A connection that always has something to do leaves the others their turn.
            yield_now().await;
            continue;
        }
        let due = session.poll_timeout().unwrap_or(Time::NEVER);
        tokio::select! {
            _ = stream.readable(), if wants.read != Read::No => {}
            _ = stream.writable(), if wants.write == Write::Flush => {}
            _ = phase.changed() => {}
            () = sleep(due.since(t.now)) => {}
        }
    };
    if reset {
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
    drop(stream);
    shared.server.borrow_mut().leave(session);
    shared.bell.notify_one();
}

/// Does what is wanted without waiting.
fn transfer(t: Tick<'_>, session: &mut Session<Application>, stream: &TcpStream, wants: Wants) {
    match wants.write {
        Write::Flush => {
            let written = stream.try_write(session.output()).map_err(failure);
            session.handle_written(t, written).expect("it was output");
        }
        Write::Fin => {
            let _ = SockRef::from(stream).shutdown(Shutdown::Write);
            session.handle_fin_sent(t).expect("it was wanted");
        }
        // Nobody asks the system: it counts as acknowledged.
        Write::Query => session.handle_send_queue(t, 0),
        Write::No | Write::Continue | Write::Refuse(_) => {}
    }
    if wants.read != Read::No {
        let buffer = &mut [0; PIECE];
        let mut received = stream.try_read(buffer).map_err(failure);
        // Tokio answers from memory. Bytes that it has not heard of yet are bytes nevertheless,
        // before a timer acts or a look finds nothing.
        if received == Err(Failure::Later) {
            received = (&*SockRef::from(stream)).read(buffer).map_err(failure);
        }
        session.handle_read(t, received.map(|len| &buffer[..len]));
    }
}

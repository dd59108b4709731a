//! A complete server on tokio: readiness from a reactor, a task for each connection.
//!
//! ```text
//! cargo run -p neap-tests --example port_tokio -- 127.0.0.1:8080
//! ```
//!
//! `SIGTERM` begins the drain, as does a line on standard input or its end; a second `SIGTERM` ends
//! it. `docs/porting.md` tells what is done here and why.

use std::io::{self, Read as _};
use std::net::Shutdown;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use neap_core::{Cause, Listening, Phase, Read, Step, Time, Wants, Write};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::task::{LocalSet, spawn_local, yield_now};
use tokio::time::{Instant, sleep_until};

use peer::{PIECE, Peer, Server};

#[path = "ports/application.rs"]
mod application;
#[path = "ports/peer.rs"]
mod peer;
#[path = "ports/start.rs"]
mod start;

/// The server and how its tasks hear of each other.
struct Shared {
    server: Rc<Server>,
    start: Instant,
    /// Rung when the phase has risen: every connection turns.
    phase: watch::Sender<Phase>,
    /// Rung when a connection has turned: the census may have changed.
    census: Notify,
}

impl Shared {
    fn read_clock(&self) {
        self.server.set_now(Time::ZERO.after(self.start.elapsed()));
    }

    /// Waits until `due`; for ever, if that is never.
    async fn sleep(&self, due: Time) {
        match self.start.checked_add(due.since(Time::ZERO)) {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<ExitCode> {
    let (listener, config) = start::listen()?;
    let shared = Rc::new(Shared {
        server: Server::new(config),
        start: Instant::now(),
        phase: watch::Sender::default(),
        census: Notify::new(),
    });
    LocalSet::new()
        .run_until(supervise(&shared, listener))
        .await?;
    Ok(ExitCode::from(u8::from(shared.server.has_aborted())))
}

/// Accepts for as long as the lifecycle says, and feeds it until it is done.
async fn supervise(shared: &Rc<Shared>, listener: std::net::TcpListener) -> io::Result<()> {
    let server = &shared.server;
    let mut terminate = signal(SignalKind::terminate())?;
    let told = std::sync::Arc::new(Notify::new());
    start::when_told({
        let told = told.clone();
        move || told.notify_one()
    });
    let mut listener = Some(TcpListener::from_std(listener)?);
    let mut ids = 0..;
    let mut serve = |stream| {
        let id = ids.next().unwrap_or_default();
        let turn_away = server.lifecycle.borrow().poll_listening() == Listening::TurnAway;
        let peer = Peer::new(server, id, turn_away);
        spawn_local(connection(Rc::clone(shared), stream, peer));
    };
    loop {
        shared.read_clock();
        let now = server.now();
        if server.advance() {
            shared.phase.send_replace(server.lifecycle.borrow().phase());
        }
        let listening = server.lifecycle.borrow().poll_listening();
        match listener.take() {
            Some(open) if listening == Listening::Accept => listener = Some(open),
            Some(ending) => {
                // What has arrived is asked of the system: tokio may not have heard of it yet.
                let ending = ending.into_std()?;
                while let Ok((stream, _)) = ending.accept() {
                    stream.set_nonblocking(true)?;
                    serve(TcpStream::from_std(stream)?);
                }
                drop(ending);
                server.lifecycle.borrow_mut().handle_listeners_ended(now);
                continue;
            }
            None => {}
        }
        if server.is_over() {
            return Ok(());
        }
        tokio::select! {
            accepted = accept(listener.as_ref()) => match accepted {
                Ok((stream, _)) => serve(stream),
                // One client's failure, or a shortage that will pass.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            () = told.notified() => {
                let lifecycle = &mut server.lifecycle.borrow_mut();
                lifecycle.drain(now, server.config(), Cause::Request);
            }
            Some(()) = terminate.recv() => {
                server.lifecycle.borrow_mut().handle_signal(now, server.config());
            }
            () = shared.census.notified() => {}
            () = shared.sleep(server.due()) => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, std::net::SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// Turns until the connection is over.
async fn connection(shared: Rc<Shared>, stream: TcpStream, mut peer: Peer) {
    let _ = stream.set_nodelay(true);
    let mut phase = shared.phase.subscribe();
    let mut ask = false;
    let reset = loop {
        let wants = match peer.settle() {
            Step::Go(wants) => wants,
            Step::Close { reset, .. } => break reset,
            Step::Upgrade => break false,
        };
        let mut moved = turn(&stream, &peer, wants, ask);
        // Only now that the socket was read: no timer overtakes bytes that were there.
        moved |= peer.handle_timeout();
        shared.census.notify_one();
        ask = false;
        if moved {
            // A connection that always has something to do leaves the others their turn.
            yield_now().await;
        } else {
            let due = peer.due();
            tokio::select! {
                _ = ready(&stream, wants) => {}
                _ = phase.changed() => ask = true,
                () = shared.sleep(due) => ask = true,
            }
        }
        shared.read_clock();
    };
    if reset {
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
    drop(stream);
    drop(peer);
    shared.census.notify_one();
}

async fn ready(stream: &TcpStream, wants: Wants) -> io::Result<()> {
    let interest = match (wants.read, wants.write) {
        (Read::No, Write::Flush) => Interest::WRITABLE,
        (Read::No, _) => return std::future::pending().await,
        (_, Write::Flush) => Interest::READABLE | Interest::WRITABLE,
        _ => Interest::READABLE,
    };
    stream.ready(interest).await.map(drop)
}

/// Does what is wanted without waiting. True if something was done.
fn turn(stream: &TcpStream, peer: &Peer, wants: Wants, ask: bool) -> bool {
    let wrote = match wants.write {
        Write::Flush => peer.flush(|output| stream.try_write(output)),
        Write::Fin => {
            let _ = SockRef::from(stream).shutdown(Shutdown::Write);
            peer.handle_fin_sent()
        }
        Write::Query => peer.handle_no_query(),
        Write::No | Write::Continue | Write::Refuse(_) => false,
    };
    if wants.read == Read::No {
        return wrote;
    }
    let buffer = &mut [0; PIECE];
    // A look, and whatever a timer may follow, asks the system: tokio answers from memory, and
    // bytes that it has not heard of yet are bytes.
    let received = if ask || wants.read == Read::Look {
        (&*SockRef::from(stream)).read(buffer)
    } else {
        stream.try_read(buffer)
    };
    peer.handle_read(wants.read, buffer, received) || wrote
}

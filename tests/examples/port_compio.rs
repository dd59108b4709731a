//! A complete server on completions: compio, which is `io_uring` on Linux; buffers are the kernel's
//! while it fills or reads them, and nothing is `Send`.
//!
//! ```text
//! cargo run -p neap-tests --example port_compio -- 127.0.0.1:8080
//! ```
//!
//! A line on standard input, or its end, begins the drain. Tokio lends its channels and `select!`,
//! which run anywhere. `docs/porting.md` tells what is done here and why.

use std::future::pending;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use compio::buf::BufResult;
use compio::io::{AsyncRead as _, AsyncWrite as _};
use compio::net::{TcpListener, TcpStream};
use compio::time::sleep;
use neap_core::{Cause, Listening, Phase, Read, Step, Time, Write};
use socket2::SockRef;
use tokio::sync::{Notify, watch};

use peer::{PIECE, Peer, Server};

#[path = "ports/application.rs"]
mod application;
#[path = "ports/peer.rs"]
mod peer;
#[path = "ports/start.rs"]
mod start;

/// What is in flight has completed within this time, if it could complete at all.
const MOMENT: Duration = Duration::from_millis(1);

/// An operation in flight. It outlives turns: dropping it would lose what the kernel has done.
type InFlight<T> = Option<Pin<Box<dyn Future<Output = T>>>>;

/// What has come of an operation in flight; for ever pending if there is none.
async fn completed<T>(operation: &mut InFlight<T>) -> T {
    let Some(running) = operation else {
        return pending().await;
    };
    let result = running.as_mut().await;
    *operation = None;
    result
}

/// The same, if it comes at once. What has completed goes before the time that is over.
async fn at_once<T>(operation: &mut InFlight<T>) -> Option<T> {
    tokio::select! {
        biased;
        result = completed(operation) => Some(result),
        () = sleep(MOMENT) => None,
    }
}

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

    async fn sleep(&self, due: Time) {
        match due {
            Time::NEVER => pending().await,
            _ => sleep(due.since(self.server.now())).await,
        }
    }
}

#[compio::main]
async fn main() -> io::Result<ExitCode> {
    let (listener, config) = start::listen()?;
    let shared = Rc::new(Shared {
        server: Server::new(config),
        start: Instant::now(),
        phase: watch::Sender::default(),
        census: Notify::new(),
    });
    supervise(&shared, TcpListener::from_std(listener)?).await;
    Ok(ExitCode::from(u8::from(shared.server.has_aborted())))
}

/// Accepts for as long as the lifecycle says, and feeds it until it is done.
async fn supervise(shared: &Rc<Shared>, listener: TcpListener) {
    let server = &shared.server;
    let told = Arc::new(Notify::new());
    start::when_told({
        let told = Arc::clone(&told);
        move || told.notify_one()
    });
    let mut ids = 0..;
    let mut serve = |stream| {
        let id = ids.next().unwrap_or_default();
        let turn_away = server.lifecycle.borrow().poll_listening() == Listening::TurnAway;
        let peer = Peer::new(server, id, turn_away);
        compio::runtime::spawn(connection(Rc::clone(shared), stream, peer)).detach();
    };
    let mut listener = Some(listener);
    let mut accepting: InFlight<io::Result<(TcpStream, SocketAddr)>> = None;
    loop {
        shared.read_clock();
        let now = server.now();
        if server.advance() {
            shared.phase.send_replace(server.lifecycle.borrow().phase());
        }
        if server.is_over() {
            return;
        }
        if let (Some(open), None) = (&listener, &accepting) {
            let open = open.clone();
            accepting = Some(Box::pin(async move { open.accept().await }));
        }
        let ends = server.lifecycle.borrow().poll_listening() != Listening::Accept;
        if ends && listener.is_some() {
            match at_once(&mut accepting).await {
                Some(accepted) => accepted.into_iter().for_each(|(stream, _)| serve(stream)),
                None => {
                    (accepting, listener) = (None, None);
                    server.lifecycle.borrow_mut().handle_listeners_ended(now);
                }
            }
            continue;
        }
        tokio::select! {
            accepted = completed(&mut accepting) => match accepted {
                Ok((stream, _)) => serve(stream),
                // One client's failure, or a shortage that will pass.
                Err(_) => sleep(20 * MOMENT).await,
            },
            () = told.notified() => {
                let lifecycle = &mut server.lifecycle.borrow_mut();
                lifecycle.drain(now, server.config(), Cause::Request);
            }
            () = shared.census.notified() => {}
            () = shared.sleep(server.due()) => {}
        }
    }
}

/// Turns until the connection is over.
async fn connection(shared: Rc<Shared>, stream: TcpStream, mut peer: Peer) {
    let _ = SockRef::from(&stream).set_tcp_nodelay(true);
    let mut phase = shared.phase.subscribe();
    let mut reading: InFlight<BufResult<usize, Vec<u8>>> = None;
    let mut writing: InFlight<BufResult<usize, Vec<u8>>> = None;
    let mut ask = false;
    let reset = loop {
        let wants = match peer.settle() {
            Step::Go(wants) => wants,
            Step::Close { reset, .. } => break reset,
            Step::Upgrade => break false,
        };
        if wants.write == Write::Flush && writing.is_none() {
            let mut output = Vec::new();
            peer.flush(|waits| {
                output = waits.to_vec();
                Err(ErrorKind::WouldBlock.into())
            });
            let mut stream = stream.clone();
            writing = Some(Box::pin(async move { stream.write(output).await }));
        }
        if wants.read != Read::No && reading.is_none() {
            let mut stream = stream.clone();
            let buffer = Vec::with_capacity(PIECE);
            reading = Some(Box::pin(async move { stream.read(buffer).await }));
        }
        let mut moved = match wants.write {
            Write::Fin => {
                let _ = SockRef::from(&stream).shutdown(Shutdown::Write);
                peer.handle_fin_sent()
            }
            Write::Query => peer.handle_no_query(),
            Write::No | Write::Flush | Write::Continue | Write::Refuse(_) => false,
        };
        // A look, and whatever a timer may follow, gives a read the moment that it needs to
        // complete, if something is there.
        if wants.read != Read::No && (ask || wants.read == Read::Look) {
            let read = at_once(&mut reading).await;
            let later = || BufResult(Err(ErrorKind::WouldBlock.into()), Vec::new());
            let BufResult(received, buffer) = read.unwrap_or_else(later);
            moved |= peer.handle_read(wants.read, &buffer, received);
        }
        ask = false;
        moved |= peer.handle_timeout();
        shared.census.notify_one();
        if moved {
            continue;
        }
        let due = peer.due();
        tokio::select! {
            BufResult(received, buffer) = completed(&mut reading) => {
                peer.handle_read(wants.read, &buffer, received);
            }
            BufResult(written, _) = completed(&mut writing) => {
                peer.flush(|_| written);
            }
            _ = phase.changed() => ask = true,
            () = shared.sleep(due) => ask = true,
        }
        shared.read_clock();
    };
    if reset {
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
    drop((reading, writing));
    let _ = stream.close().await;
    drop(peer);
    shared.census.notify_one();
}

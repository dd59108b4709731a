//! A complete server on completions: compio, which is `io_uring` on Linux; buffers are the kernel's
//! while it fills or reads them, and nothing is `Send`.
//!
//! ```text
//! cargo run -p neap-tests --example port_compio -- 127.0.0.1:8080
//! ```
//!
//! A line on standard input, or its end, begins the drain. Tokio lends its channels and `select!`,
//! which run anywhere. `docs/porting.md` tells what is done here and why.

use std::cell::RefCell;
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
use neap_core::{Cause, Config, Listening, Phase, Read, Server, Session, Step, Tick, Time, Write};
use socket2::SockRef;
use tokio::sync::{Notify, watch};

use application::Application;
use start::{date, failure};

#[path = "../../core/examples/ports/application.rs"]
mod application;
#[path = "../../core/examples/ports/start.rs"]
mod start;

/// How much is read at once.
const PIECE: usize = 16 * 1024;
/// What is in flight has completed within this time, if it could complete at all.
const MOMENT: Duration = Duration::from_millis(1);

/// An operation in flight. It outlives turns: dropping it would lose what the kernel has done.
type InFlight<T> = Option<Pin<Box<dyn Future<Output = T>>>>;

/// What has come of a read or a write, and the buffer that it had.
type Transfer = BufResult<usize, Vec<u8>>;

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

/// Nothing has come of a read yet.
fn later() -> Transfer {
    BufResult(Err(ErrorKind::WouldBlock.into()), Vec::new())
}

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

#[compio::main]
async fn main() -> io::Result<ExitCode> {
    let (listener, config) = start::listen()?;
    let shared = Rc::new(Shared {
        config,
        start: Instant::now(),
        server: RefCell::default(),
        phase: watch::Sender::default(),
        bell: Notify::new(),
    });
    supervise(&shared, TcpListener::from_std(listener)?).await;
    Ok(ExitCode::from(u8::from(shared.server.borrow().has_cut())))
}

/// Accepts for as long as the lifecycle says, and advances the server until it is over.
async fn supervise(shared: &Rc<Shared>, listener: TcpListener) {
    let told = Arc::new(Notify::new());
    let stopping = Arc::clone(&told);
    start::when_told(move || stopping.notify_one());
    let serve = |stream| {
        let (now, application) = (shared.tick().now, Application::new());
        let mut server = shared.server.borrow_mut();
        let session = server.accept(now, &shared.config, application);
        compio::runtime::spawn(connection(Rc::clone(shared), session, stream)).detach();
    };
    let mut listener = Some(listener);
    let mut accepting: InFlight<io::Result<(TcpStream, SocketAddr)>> = None;
    loop {
        let (now, config) = (shared.tick().now, &shared.config);
        if let Some(phase) = shared.server.borrow_mut().advance(now, config) {
            shared.phase.send_replace(phase);
        }
        if shared.server.borrow().is_over() {
            return;
        }
        if let (Some(open), None) = (&listener, &accepting) {
            let open = open.clone();
            accepting = Some(Box::pin(async move { open.accept().await }));
        }
        let listening = shared.server.borrow().lifecycle.poll_listening();
        if listening != Listening::Accept && listener.is_some() {
            match at_once(&mut accepting).await {
                Some(Ok((stream, _))) => serve(stream),
                // Others wait behind it.
                Some(Err(_)) => sleep(20 * MOMENT).await,
                None => {
                    (accepting, listener) = (None, None);
                    let lifecycle = &mut shared.server.borrow_mut().lifecycle;
                    lifecycle.handle_listeners_ended(now);
                }
            }
            continue;
        }
        let due = shared.server.borrow().lifecycle.poll_timeout(config);
        tokio::select! {
            accepted = completed(&mut accepting) => match accepted {
                Ok((stream, _)) => serve(stream),
                // One client's failure, or a shortage that will pass.
                Err(_) => sleep(20 * MOMENT).await,
            },
            () = told.notified() => {
                shared.server.borrow_mut().lifecycle.drain(now, config, Cause::Request);
            }
            () = shared.bell.notified() => {}
            () = sleep(due.unwrap_or(Time::NEVER).since(now)) => {}
        }
    }
}

/// Turns until the connection is over.
async fn connection(shared: Rc<Shared>, mut session: Session<Application>, stream: TcpStream) {
    let _ = SockRef::from(&stream).set_tcp_nodelay(true);
    let mut phase = shared.phase.subscribe();
    let (mut reading, mut writing): (InFlight<Transfer>, InFlight<Transfer>) = (None, None);
    let mut t = shared.tick();
    let reset = loop {
        let step = session.advance(t, &date());
        if shared.server.borrow_mut().note(&session) {
            shared.bell.notify_one();
        }
        let wants = match step {
            Step::Go(wants) => wants,
            Step::Close { reset, .. } => break reset,
            Step::Upgrade => break false,
        };
        if wants.write == Write::Flush && writing.is_none() {
            let (mut stream, output) = (stream.clone(), session.output().to_vec());
            writing = Some(Box::pin(async move { stream.write(output).await }));
        }
        if wants.read != Read::No && reading.is_none() {
            let (mut stream, buffer) = (stream.clone(), Vec::with_capacity(PIECE));
            reading = Some(Box::pin(async move { stream.read(buffer).await }));
        }
        match wants.write {
            Write::Fin => {
                let _ = SockRef::from(&stream).shutdown(Shutdown::Write);
                session.handle_fin_sent(t).expect("it was wanted");
                continue;
            }
            // Nobody asks the system: it counts as acknowledged.
            Write::Query => {
                session.handle_send_queue(t, 0);
                continue;
            }
            Write::No | Write::Flush | Write::Continue | Write::Refuse(_) => {}
        }
        let due = session.poll_timeout().unwrap_or(Time::NEVER);
        let received = tokio::select! {
            received = completed(&mut reading) => Some(received),
            BufResult(written, _) = completed(&mut writing) => {
                t = shared.tick();
                session.handle_written(t, written.map_err(failure)).expect("it was output");
                continue;
            }
            _ = phase.changed() => None,
            () = sleep(due.since(t.now)) => None,
        };
        t = shared.tick();
        // A look, and whatever a timer may follow, gives a read the moment that it needs to
        // complete, if something is there.
        let BufResult(received, bytes) = match received {
            Some(received) => received,
            None => at_once(&mut reading).await.unwrap_or_else(later),
        };
        session.handle_read(t, received.map(|len| &bytes[..len]).map_err(failure));
    };
    if reset {
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
    drop((reading, writing));
    let _ = stream.close().await;
    shared.server.borrow_mut().leave(session);
    shared.bell.notify_one();
}

//! What every port on one thread keeps, and what touches neither socket nor clock nor runtime: the
//! server's registry, and of each connection the buffers, the handler and its reports to the core.
//!
//! A handler is a future. It runs in the turns of its connection, is polled in each of them and so
//! needs no waker; whatever it waits for is something that a turn brings.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use neap_core::{
    BodyLength, Census, Config, Connection, Fate, Handler, Item, Lifecycle, MisuseError, Phase,
    Read, Spans, State, Status, Step, Tick, Time, Write,
};

use crate::application::{Request, date, handle};

/// How much is read at once.
pub(crate) const PIECE: usize = 16 * 1024;
/// How much input is read ahead, and how much output may wait before the handler does.
const AHEAD: usize = 4 * PIECE;

/// The server's phase, the settings, the time of this wake-up, and who is connected.
#[derive(Default)]
pub(crate) struct Server {
    config: Config,
    pub(crate) lifecycle: RefCell<Lifecycle>,
    connections: RefCell<HashMap<u64, State>>,
    now: Cell<Time>,
    /// The phase that connections have heard of.
    announced: Cell<Phase>,
    aborted: Cell<bool>,
}

impl Server {
    pub(crate) fn new(config: Config) -> Rc<Server> {
        let server = Server {
            config,
            ..Server::default()
        };
        Rc::new(server)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The time of this wake-up.
    pub(crate) fn now(&self) -> Time {
        self.now.get()
    }

    /// Whether a request was dispatched and then cut off.
    pub(crate) fn has_aborted(&self) -> bool {
        self.aborted.get()
    }

    /// Reads the clock, so to speak: the driver has, and says what it saw.
    pub(crate) fn set_now(&self, now: Time) {
        self.now.set(now.max(self.now.get()));
    }

    /// Feeds the lifecycle. True if the phase has risen since it was asked last: then every
    /// connection is to turn.
    pub(crate) fn advance(&self) -> bool {
        let now = self.now();
        let mut lifecycle = self.lifecycle.borrow_mut();
        // While the server runs, nobody asks how many there are.
        if lifecycle.phase() > Phase::Running {
            let census = Census::of(self.connections.borrow().values().copied());
            lifecycle.handle_census(now, &self.config, &census);
        }
        lifecycle.handle_timeout(now, &self.config);
        self.announced.replace(lifecycle.phase()) != lifecycle.phase()
    }

    /// When the lifecycle is to be fed at the latest.
    pub(crate) fn due(&self) -> Time {
        let due = self.lifecycle.borrow().poll_timeout(&self.config);
        due.unwrap_or(Time::NEVER)
    }

    /// Whether all is done and everybody has heard of it.
    pub(crate) fn is_over(&self) -> bool {
        let phase = self.lifecycle.borrow().phase();
        phase == Phase::Done && self.connections.borrow().is_empty()
    }

    fn tick(&self, id: u64, state: State) -> Tick<'_> {
        // It is gone once its socket is closed and it is in the registry no more.
        let state = if state == State::Gone {
            State::Linger
        } else {
            state
        };
        self.connections.borrow_mut().insert(id, state);
        self.lifecycle.borrow().tick(self.now(), &self.config)
    }
}

type Running = Pin<Box<dyn Future<Output = Result<(), MisuseError>>>>;

/// A connection and its handler.
pub(crate) struct Peer {
    exchange: Rc<Exchange>,
    handler: Option<Running>,
}

impl Peer {
    /// In the registry before anything else, so that nobody is forgotten.
    pub(crate) fn new(server: &Rc<Server>, id: u64, turn_away: bool) -> Peer {
        let t = server.tick(id, State::Fresh);
        let mut connection = Connection::new(t);
        if turn_away {
            connection.turn_away(t);
        }
        let held = Held {
            connection,
            spans: Spans::new(),
            input: Vec::new(),
            output: Vec::new(),
            request: Request::default(),
            content: Vec::new(),
            until: Time::NEVER,
        };
        let exchange = Exchange {
            server: Rc::clone(server),
            id,
            held: RefCell::new(held),
        };
        Peer {
            exchange: Rc::new(exchange),
            handler: None,
        }
    }

    /// Does all that needs no socket; what the answer wants then does.
    pub(crate) fn settle(&mut self) -> Step {
        loop {
            let step = self.step();
            let Step::Go(mut wants) = step else {
                self.handler = None;
                return step;
            };
            let ran = self.run(wants.handler);
            let exchange = &self.exchange;
            // A refusal consumes nothing and yet changes what is to be done.
            if ran | exchange.put(wants.write) | exchange.take_input() || self.step() != step {
                continue;
            }
            // What has become of it, for the census.
            exchange.tick();
            if wants.read == Read::Watch && exchange.held.borrow().input.len() >= AHEAD {
                wants.read = Read::No;
            }
            return Step::Go(wants);
        }
    }

    fn step(&self) -> Step {
        self.exchange.held.borrow().connection.poll_step()
    }

    /// Starts, runs or drops the handler. True if that has changed something.
    fn run(&mut self, wanted: Handler) -> bool {
        let exchange = &self.exchange;
        let t = exchange.tick();
        // A pause is the handler's that is polled now, and ends with it.
        exchange.held.borrow_mut().until = Time::NEVER;
        match wanted {
            Handler::No => return self.handler.take().is_some(),
            Handler::Start => {
                let mut held = exchange.held.borrow_mut();
                let request = mem::take(&mut held.request);
                self.handler = Some(Box::pin(handle(request, Rc::clone(exchange))));
                return held.connection.handle_started(t).is_ok();
            }
            Handler::Run => {}
        }
        let before = exchange.held.borrow().mark();
        let context = &mut Context::from_waker(Waker::noop());
        let ended = match &mut self.handler {
            Some(handler) => handler.as_mut().poll(context).is_ready(),
            None => true,
        };
        let mut held = exchange.held.borrow_mut();
        if ended {
            self.handler = None;
            // One that has replied is not wanted any more; one that has not has failed.
            if matches!(held.connection.poll_step(), Step::Go(w) if w.handler == Handler::Run) {
                held.connection.handle_failure(t);
            }
        }
        ended || held.mark() != before
    }

    /// When the connection is to turn at the latest.
    pub(crate) fn due(&self) -> Time {
        let held = self.exchange.held.borrow();
        let due = held.connection.poll_timeout().unwrap_or(Time::NEVER);
        due.min(held.until)
    }

    /// Time has passed or the phase has risen; the socket was read before. True if something else
    /// is to be done now than before.
    pub(crate) fn handle_timeout(&self) -> bool {
        let t = self.exchange.tick();
        let connection = &mut self.exchange.held.borrow_mut().connection;
        let before = connection.poll_step();
        connection.handle_timeout(t);
        connection.poll_step() != before
    }

    /// What has come of reading `into` this buffer. True unless that was nothing.
    pub(crate) fn handle_read(&self, read: Read, into: &[u8], received: io::Result<usize>) -> bool {
        let t = self.exchange.tick();
        let held = &mut *self.exchange.held.borrow_mut();
        match received {
            Ok(0) => held.connection.handle_eof(t),
            Ok(len) if read == Read::Discard => {
                held.input.clear();
                held.connection.handle_discarded(t, len as u64);
            }
            Ok(len) => held.input.extend_from_slice(&into[..len]),
            Err(error) if is_later(&error) && read == Read::Look => {
                held.connection.handle_nothing(t);
            }
            Err(error) if is_later(&error) => return false,
            Err(_) => held.connection.handle_io_error(t),
        }
        true
    }

    /// Shows what waits to be written and reports how much of it was. True unless that was nothing.
    pub(crate) fn flush(&self, write: impl FnOnce(&[u8]) -> io::Result<usize>) -> bool {
        let written = write(&self.exchange.held.borrow().output);
        let t = self.exchange.tick();
        let held = &mut *self.exchange.held.borrow_mut();
        match written {
            Ok(len) => {
                held.output.drain(..len);
                return held.connection.handle_written(t, len as u64).is_ok();
            }
            Err(error) if is_later(&error) => return false,
            Err(_) => held.connection.handle_io_error(t),
        }
        true
    }

    /// Our side has been ended.
    pub(crate) fn handle_fin_sent(&self) -> bool {
        let t = self.exchange.tick();
        let mut held = self.exchange.held.borrow_mut();
        held.connection.handle_fin_sent(t).is_ok()
    }

    /// Nobody asked the system; that counts as acknowledged.
    pub(crate) fn handle_no_query(&self) -> bool {
        let t = self.exchange.tick();
        let mut held = self.exchange.held.borrow_mut();
        held.connection.handle_send_queue(t, 0);
        true
    }
}

impl Drop for Peer {
    /// The socket is closed before, so that nobody counts as gone who is still there.
    fn drop(&mut self) {
        let server = &self.exchange.server;
        let tally = self.exchange.held.borrow().connection.tally();
        let cut = matches!(tally.rest, Fate::Aborted | Fate::Truncated);
        if cut && tally.completed < tally.dispatched {
            server.aborted.set(true);
        }
        server.connections.borrow_mut().remove(&self.exchange.id);
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// What a connection and its handler share.
pub(crate) struct Exchange {
    server: Rc<Server>,
    id: u64,
    held: RefCell<Held>,
}

struct Held {
    connection: Connection,
    spans: Spans,
    input: Vec<u8>,
    output: Vec<u8>,
    request: Request,
    /// Content of the request that the handler has not taken yet.
    content: Vec<u8>,
    /// Until when the handler pauses.
    until: Time,
}

impl Held {
    /// Differs if something has changed that a turn can follow up.
    fn mark(&self) -> (Step, usize, usize) {
        let step = self.connection.poll_step();
        (step, self.output.len(), self.content.len())
    }
}

impl Exchange {
    fn tick(&self) -> Tick<'_> {
        let state = self.held.borrow().connection.state();
        self.server.tick(self.id, state)
    }

    /// Puts what the core says by itself to the output. True if it does.
    fn put(&self, write: Write) -> bool {
        let t = self.tick();
        let held = &mut *self.held.borrow_mut();
        let (connection, output) = (&mut held.connection, &mut held.output);
        match write {
            Write::Continue => connection.reply_continue(t, output).is_ok(),
            Write::Refuse(_) => connection.reply_refusal(t, &date(), output).is_ok(),
            Write::No | Write::Flush | Write::Fin | Write::Query => false,
        }
    }

    /// Gives the core what is buffered, of which it takes what it wants. True if it took some.
    fn take_input(&self) -> bool {
        let t = self.tick();
        let held = &mut *self.held.borrow_mut();
        let mut taken = 0;
        loop {
            let input = &held.input[taken..];
            let received = held.connection.handle_input(t, input, &mut held.spans);
            match received.item {
                Item::Nothing | Item::Refused(_) if received.consumed == 0 => break,
                Item::Head(head) => {
                    held.request = Request::new(head);
                    held.content.clear();
                }
                Item::Content(bytes) => held.content.extend_from_slice(bytes),
                Item::Nothing | Item::Refused(_) | Item::Trailers(_) => {}
            }
            taken += received.consumed;
        }
        held.input.drain(..taken);
        taken > 0
    }
}

/// What a handler can do.
impl Exchange {
    pub(crate) async fn pause(&self, duration: Duration) {
        let until = self.server.now().after(duration);
        poll_fn(|_| {
            self.held.borrow_mut().until = until;
            if self.server.now() < until {
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }

    /// The next piece of the request's content; empty at its end.
    pub(crate) async fn content(&self) -> Vec<u8> {
        poll_fn(|_| {
            let t = self.tick();
            let mut held = self.held.borrow_mut();
            if held.content.is_empty() && !held.connection.is_request_whole() {
                held.connection.want_content(t);
                return Poll::Pending;
            }
            Poll::Ready(mem::take(&mut held.content))
        })
        .await
    }

    pub(crate) fn reply(
        &self,
        status: u16,
        length: BodyLength,
        allow: &str,
    ) -> Result<(), MisuseError> {
        let t = self.tick();
        let held = &mut *self.held.borrow_mut();
        if held.connection.is_request_whole() {
            held.connection.handle_buffered(t, &held.input);
        }
        let status = Status::new(status).ok_or(MisuseError::Status)?;
        let text: (&[u8], &[u8]) = (b"content-type", b"text/plain; charset=utf-8");
        let allow: (&[u8], &[u8]) = (b"allow", allow.as_bytes());
        let fields = [text, allow]
            .into_iter()
            .filter(|(_, value)| !value.is_empty());
        let output = &mut held.output;
        held.connection
            .reply_head(t, status, length, &date(), fields, output)
    }

    /// Sends a piece of the reply's content, once not too much waits to be sent.
    pub(crate) async fn send(&self, piece: &[u8]) -> Result<(), MisuseError> {
        poll_fn(|_| {
            if self.held.borrow().output.len() >= AHEAD {
                return Poll::Pending;
            }
            let t = self.tick();
            let held = &mut *self.held.borrow_mut();
            let output = &mut held.output;
            Poll::Ready(held.connection.reply_content(t, piece, output))
        })
        .await
    }

    pub(crate) async fn text(
        &self,
        status: u16,
        text: &str,
        allow: &str,
    ) -> Result<(), MisuseError> {
        let t = self.tick();
        self.held.borrow_mut().connection.drop_content(t);
        self.reply(status, BodyLength::Known(text.len() as u64), allow)?;
        self.send(text.as_bytes()).await?;
        self.end()
    }

    pub(crate) fn end(&self) -> Result<(), MisuseError> {
        let t = self.tick();
        let held = &mut *self.held.borrow_mut();
        held.connection.reply_end(t, &mut held.output)
    }
}

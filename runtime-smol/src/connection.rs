//! A connection: does what the core's [`Wants`] say, and nothing more.

use std::future::Future;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use neap_core::{
    Connection, Handler, Item, Outcome, PeerError, Read, State, Step, Tick, Time, Wants,
};
use neap_core::{Phase, Status, Tally, Write};

use crate::body::{Demand, Feed};
use crate::environment::Environment;
use crate::event::Event;
use crate::exchange::{BodyFailure, DataOf, Exchange, request, trailers};
use crate::input::Inbox;
use crate::output::Output;
use crate::registry::Entry;
use crate::socket::{Readiness, Socket};
use crate::{Address, Body, IntoResponse, LocalAddress, PeerAddress};

/// Steps that a connection may take before others get their turn.
const TURN: usize = 64;

/// Unsent output above which the response's body is not asked for more.
const HIGH_WATER: u64 = 64 * 1024;

/// Who is at either end of a connection.
pub(crate) struct Ends {
    pub(crate) peer: Address,
    pub(crate) local: Address,
}

/// A connection and everything that belongs to it.
pub(crate) struct Served<F: Future<Output: IntoResponse>, S> {
    core: Connection,
    socket: Socket<S>,
    inbox: Inbox,
    output: Output<DataOf<F>>,
    exchange: Option<Exchange<F>>,
    /// The handler, or the response's body, may have something new: poll it.
    handler_due: bool,
    ends: Ends,
    /// Last, so that the connection leaves the registry after its socket is closed.
    entry: Entry,
}

impl<F, S> Served<F, S>
where
    F: Future<Output: IntoResponse>,
    S: Readiness,
{
    pub(crate) fn new(t: Tick<'_>, socket: Socket<S>, ends: Ends, entry: Entry) -> Self {
        let core = Connection::new(t);
        entry.set(core.state());
        Served {
            core,
            socket,
            inbox: Inbox::default(),
            output: Output::new(),
            exchange: None,
            handler_due: false,
            ends,
            entry,
        }
    }

    /// When [`expire`](Served::expire) is due.
    pub(crate) fn deadline(&self) -> Time {
        self.core.poll_timeout().unwrap_or(Time::NEVER)
    }

    pub(crate) fn tally(&self) -> Tally {
        self.core.tally()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.core.state() == State::Idle
    }

    /// The server's phase has changed.
    pub(crate) fn observe(&mut self, t: Tick<'_>) {
        self.core.handle_timeout(t);
    }

    /// A deadline has come. The socket is read first: what was in time is not overtaken.
    pub(crate) fn expire<H: Fn(Request<Body>) -> F>(
        &mut self,
        t: Tick<'_>,
        cx: &mut Context<'_>,
        env: &mut Environment<H, F>,
    ) -> Poll<Outcome> {
        self.socket.expect_input();
        let closed = self.poll(t, cx, env);
        if closed.is_pending() {
            self.core.handle_timeout(t);
            return self.poll(t, cx, env);
        }
        closed
    }

    /// Gives up an idle connection, because its descriptor is needed.
    pub(crate) fn close_idle(&mut self, t: Tick<'_>) {
        self.core.close_idle(t);
    }

    /// Turns away a client that came too late.
    pub(crate) fn turn_away(&mut self, t: Tick<'_>) {
        self.core.turn_away(t);
    }

    /// Goes on until there is nothing left to do now, or the connection is over.
    pub(crate) fn poll<H: Fn(Request<Body>) -> F>(
        &mut self,
        t: Tick<'_>,
        cx: &mut Context<'_>,
        env: &mut Environment<H, F>,
    ) -> Poll<Outcome> {
        self.handler_due = true;
        let mut end = Poll::Pending;
        let mut steps = 0;
        loop {
            match self.core.poll_step() {
                Step::Close { outcome, reset } => {
                    if reset {
                        self.socket.reset_on_close();
                    }
                    self.drop_exchange(env);
                    end = Poll::Ready(outcome);
                    break;
                }
                // No handler can switch protocols yet.
                Step::Upgrade => self.core.handle_io_error(t),
                Step::Go(wants) => {
                    if !self.step(wants, t, cx, env) {
                        break;
                    }
                }
            }
            steps += 1;
            if steps >= TURN {
                cx.waker().wake_by_ref();
                break;
            }
        }
        self.inbox.keep(&env.buffer);
        if self.output.bytes.is_empty() {
            env.give_output(std::mem::take(&mut self.output.bytes));
        }
        self.entry.set(self.core.state());
        end
    }

    /// Does one thing that is wanted and possible. False if there is none.
    ///
    /// Buffered input comes before writing, so that the replies to pipelined requests share a
    /// write; writing comes before reading, so that nobody waits for an answer that is there.
    fn step<H: Fn(Request<Body>) -> F>(
        &mut self,
        wants: Wants,
        t: Tick<'_>,
        cx: &mut Context<'_>,
        env: &mut Environment<H, F>,
    ) -> bool {
        if wants.handler == Handler::No && self.exchange.is_some() {
            self.drop_exchange(env);
            return true;
        }
        if wants.handler == Handler::Run && self.handler_due && self.run_handler(t, cx, env) {
            return true;
        }
        if self.output.is_open() && self.put(wants.write, t, env) {
            return true;
        }
        let takes_input = matches!(wants.read, Read::Head | Read::Content | Read::Look);
        if takes_input && self.output.is_open() && self.take_input(t, cx, env) {
            return true;
        }
        self.write(wants.write, t, cx) || self.read(wants.read, t, cx, env)
    }

    /// Puts the core's own responses into the output.
    fn put<H>(&mut self, write: Write, t: Tick<'_>, env: &mut Environment<H, F>) -> bool {
        let out = match write {
            Write::Continue | Write::Refuse(_) => self.output.buffer(env),
            Write::No | Write::Flush | Write::Fin | Write::Query => return false,
        };
        let done = match write {
            Write::Refuse(refusal) => {
                env.observer.tell(&Event::Refused {
                    peer: &self.ends.peer,
                    refusal,
                });
                self.core.reply_refusal(t, &env.date, out)
            }
            _ => self.core.reply_continue(t, out),
        };
        done.is_ok()
    }

    fn write(&mut self, write: Write, t: Tick<'_>, cx: &mut Context<'_>) -> bool {
        match write {
            Write::Flush => self.flush(t, cx),
            Write::Fin => {
                // A socket that cannot be ended any more is a broken one.
                if self.socket.end().is_err() || self.core.handle_fin_sent(t).is_err() {
                    self.core.handle_io_error(t);
                }
                true
            }
            Write::Query => {
                self.core.handle_send_queue(t, 0);
                true
            }
            Write::No | Write::Continue | Write::Refuse(_) => false,
        }
    }

    fn flush(&mut self, t: Tick<'_>, cx: &mut Context<'_>) -> bool {
        let mut slices = [IoSlice::new(&[]); 3];
        let used = self.output.slices(&mut slices);
        match self.socket.poll_write(cx, &slices[..used]) {
            Poll::Pending => return false,
            Poll::Ready(Ok(count)) if count > 0 => {
                self.output.advance(count);
                self.handler_due = true;
                if self.core.handle_written(t, count as u64).is_err() {
                    debug_assert!(false, "output and core disagree about what was handed out");
                    self.core.handle_io_error(t);
                }
            }
            Poll::Ready(_) => self.core.handle_io_error(t),
        }
        true
    }

    fn read<H>(
        &mut self,
        read: Read,
        t: Tick<'_>,
        cx: &mut Context<'_>,
        env: &mut Environment<H, F>,
    ) -> bool {
        match read {
            Read::No => return false,
            Read::Watch if self.inbox.len() >= t.config.limits.head => return false,
            Read::Discard if self.inbox.len() > 0 => {
                let count = self.inbox.discard();
                self.core.handle_discarded(t, count as u64);
                return true;
            }
            Read::Watch | Read::Head | Read::Content | Read::Look | Read::Discard => {}
        }
        self.inbox.keep(&env.buffer);
        let done = if read == Read::Look {
            match self.socket.try_read(&mut env.buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.core.handle_nothing(t);
                    return true;
                }
                done => done,
            }
        } else {
            match self.socket.poll_read(cx, &mut env.buffer) {
                Poll::Pending => return false,
                Poll::Ready(done) => done,
            }
        };
        match done {
            Ok(0) => self.core.handle_eof(t),
            Ok(count) if read == Read::Discard => self.core.handle_discarded(t, count as u64),
            Ok(count) => self.inbox.received(&env.buffer, count),
            Err(_) => self.core.handle_io_error(t),
        }
        true
    }

    /// Gives buffered input to the core. False if it could make nothing of it.
    fn take_input<H: Fn(Request<Body>) -> F>(
        &mut self,
        t: Tick<'_>,
        cx: &mut Context<'_>,
        env: &mut Environment<H, F>,
    ) -> bool {
        let input = self.inbox.pending(&env.buffer);
        if input.is_empty() {
            return false;
        }
        let received = self.core.handle_input(t, input, &mut env.spans);
        let feed = self
            .exchange
            .as_mut()
            .and_then(|exchange| exchange.feed.as_ref());
        let mut progress = received.consumed > 0;
        match received.item {
            Item::Nothing => {}
            Item::Head(head) => {
                let length = self.core.content_length();
                let (body, feed) = match length {
                    Some(0) => (Body::empty(), None),
                    length => {
                        let (body, feed) = Body::channel(length, cx.waker().clone());
                        (body, Some(feed))
                    }
                };
                let request = request(&head, body);
                self.inbox.consume(received.consumed);
                self.start(request, feed, t, env);
                return true;
            }
            Item::Content(content) => {
                if let Some(feed) = feed {
                    feed.push(Bytes::copy_from_slice(content));
                }
            }
            Item::Trailers(fields) => {
                if let (Some(feed), Some(fields)) = (feed, trailers(fields)) {
                    if !fields.is_empty() {
                        feed.push_trailers(fields);
                    }
                }
            }
            Item::Refused(_) => progress = true,
        }
        self.inbox.consume(received.consumed);
        self.end_content();
        self.handler_due |= progress;
        progress
    }

    /// Tells the handler, once, that its request has been received whole.
    fn end_content(&mut self) {
        if !self.core.is_request_whole() {
            return;
        }
        if let Some(feed) = self
            .exchange
            .as_mut()
            .and_then(|exchange| exchange.feed.take())
        {
            feed.end();
        }
    }

    fn start<H: Fn(Request<Body>) -> F>(
        &mut self,
        request: Option<Request<Body>>,
        feed: Option<Feed>,
        t: Tick<'_>,
        env: &mut Environment<H, F>,
    ) {
        let Some(mut request) = request else {
            return self.core.reject(t, PeerError::Target);
        };
        request
            .extensions_mut()
            .insert(PeerAddress(self.ends.peer.clone()));
        request
            .extensions_mut()
            .insert(LocalAddress(self.ends.local.clone()));
        let mut places = env.take_places();
        let started = places.start(|| (env.handler)(request));
        let is_head = self.core.is_head_request();
        self.exchange = Some(Exchange {
            places,
            feed,
            is_head,
            replying: false,
        });
        self.handler_due = true;
        if self.core.handle_started(t).is_err() || started.is_err() {
            self.fail(t, env);
        }
    }

    /// Polls the handler or the body of its response. True if something came of it.
    fn run_handler<H>(
        &mut self,
        t: Tick<'_>,
        cx: &mut Context<'_>,
        env: &mut Environment<H, F>,
    ) -> bool {
        let Some(exchange) = &mut self.exchange else {
            self.fail(t, env);
            return true;
        };
        if exchange.replying {
            return self.send_body(t, cx, env) | self.meet_demand(t);
        }
        match exchange.places.poll_response(cx) {
            Poll::Pending => {
                self.handler_due = false;
                self.meet_demand(t)
            }
            Poll::Ready(Ok(response)) => {
                self.meet_demand(t);
                self.reply(&response, t, env);
                true
            }
            Poll::Ready(Err(_)) => {
                self.fail(t, env);
                true
            }
        }
    }

    /// The handler, or its response's body, panicked.
    fn fail<H>(&mut self, t: Tick<'_>, env: &Environment<H, F>) {
        env.observer.tell(&Event::HandlerPanicked {
            peer: &self.ends.peer,
        });
        self.core.handle_failure(t);
    }

    /// Passes on what the handler wants of its request's content. True if that is news.
    fn meet_demand(&mut self, t: Tick<'_>) -> bool {
        let Some(exchange) = &mut self.exchange else {
            return false;
        };
        let before = self.core.control();
        match exchange.feed.as_ref().map(Feed::demand) {
            Some(Demand::More) => self.core.want_content(t),
            Some(Demand::Dropped) => {
                exchange.feed = None;
                self.core.drop_content(t);
            }
            Some(Demand::None) | None => {}
        }
        self.core.control() != before
    }

    fn reply<H>(&mut self, response: &Response<()>, t: Tick<'_>, env: &mut Environment<H, F>) {
        let Some(exchange) = &mut self.exchange else {
            return;
        };
        if t.phase == Phase::Draining {
            self.core
                .handle_buffered(t, self.inbox.pending(&env.buffer));
        }
        let length = exchange.places.length(response, exchange.is_head);
        let status = Status::new(response.status().as_u16()).unwrap_or(Status::OK);
        let fields = response.headers().iter();
        let fields = fields.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
        let out = self.output.buffer(env);
        match self
            .core
            .reply_head(t, status, length, &env.date, fields, out)
        {
            Ok(()) => exchange.replying = true,
            Err(error) => {
                let peer = &self.ends.peer;
                env.observer.tell(&Event::InvalidResponse { peer, error });
                self.core.handle_failure(t);
            }
        }
    }

    /// Moves the response's body to the output, as long as there is room. True if something came
    /// of it.
    fn send_body<H>(
        &mut self,
        t: Tick<'_>,
        cx: &mut Context<'_>,
        env: &mut Environment<H, F>,
    ) -> bool {
        let mut progress = false;
        while let Some(exchange) = &mut self.exchange {
            if !self.output.is_open() || self.core.unsent() >= HIGH_WATER {
                // Flushing makes it due again.
                self.handler_due = false;
                return progress;
            }
            let frame = if exchange.places.is_body_over() {
                Ok(None)
            } else {
                match exchange.places.poll_body(cx) {
                    Poll::Pending => {
                        self.handler_due = false;
                        return progress;
                    }
                    Poll::Ready(frame) => frame,
                }
            };
            progress = true;
            match frame {
                Ok(Some(frame)) => {
                    if self.send_frame(frame, t, env) {
                        break;
                    }
                }
                Ok(None) => {
                    let _ = self.core.reply_end(t, self.output.buffer(env));
                    break;
                }
                Err(BodyFailure::Panicked) => {
                    self.fail(t, env);
                    break;
                }
                Err(BodyFailure::Error(error)) => {
                    let peer = &self.ends.peer;
                    env.observer.tell(&Event::BodyFailed {
                        peer,
                        error: &*error,
                    });
                    self.core.handle_failure(t);
                    break;
                }
            }
        }
        progress
    }

    /// Puts one frame into the output. True if it was the last.
    fn send_frame<H>(
        &mut self,
        frame: http_body::Frame<DataOf<F>>,
        t: Tick<'_>,
        env: &mut Environment<H, F>,
    ) -> bool {
        use bytes::Buf;
        match frame.into_data() {
            Ok(data) => {
                let Ok(frame) = self.core.reply_body(t, data.remaining() as u64) else {
                    return true;
                };
                self.output.buffer(env);
                self.output.push(&frame, data);
                false
            }
            Err(frame) => {
                let Ok(fields) = frame.into_trailers() else {
                    return false;
                };
                let fields = fields.iter();
                let fields =
                    fields.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
                let _ = self.core.reply_trailers(t, fields, self.output.buffer(env));
                true
            }
        }
    }

    fn drop_exchange<H>(&mut self, env: &mut Environment<H, F>) {
        let Some(mut exchange) = self.exchange.take() else {
            return;
        };
        drop(exchange.feed.take());
        if exchange.places.clear().is_err() {
            env.observer.tell(&Event::HandlerPanicked {
                peer: &self.ends.peer,
            });
        }
        env.give_places(exchange.places);
    }
}

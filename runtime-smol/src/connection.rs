//! A connection: does what the core's [`Wants`] say, and nothing more.

use std::future::Future;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use http::Request;
use neap_core::{Connection, Handler, Outcome, Read, State, Step, Tick, Time, Wants, Write};

use crate::environment::Environment;
use crate::event::Event;
use crate::exchange::{DataOf, Exchange, Stage, catch};
use crate::input::Inbox;
use crate::output::Output;
use crate::refusal::RefusalPage;
use crate::registry::Entry;
use crate::shared::Shared;
use crate::system::Transport;
use crate::{Body, ConnectionInfo, IntoResponse};

/// Steps that a connection may take before others get their turn.
const TURN: usize = 64;

/// How much is read at once where heads are expected, but of who has just sent long content: many
/// small requests.
pub(crate) const HEADS: usize = 16 * 1024;

/// A connection and everything that belongs to it.
pub(crate) struct Served<F: Future<Output: IntoResponse>, T: Transport> {
    pub(crate) core: Connection,
    pub(crate) transport: T,
    pub(crate) inbox: Inbox,
    pub(crate) output: Output<DataOf<F>>,
    pub(crate) exchange: Option<Exchange<F>>,
    /// The handler, or the response's body, may have something new: poll it.
    pub(crate) handler_due: bool,
    /// The last request had long content: with the next head its content is read, too.
    pub(crate) reads_long: bool,
    pub(crate) info: ConnectionInfo,
    /// What it was last seen doing, before it began to end.
    doing: State,
    /// Last, so that the connection leaves the registry after its socket is closed.
    entry: Entry,
}

impl<F, T> Served<F, T>
where
    F: Future<Output: IntoResponse>,
    T: Transport,
{
    pub(crate) fn new(t: Tick<'_>, transport: T, info: ConnectionInfo, entry: Entry) -> Self {
        Served {
            core: Connection::new(t),
            transport,
            inbox: Inbox::default(),
            output: Output::new(),
            exchange: None,
            handler_due: false,
            reads_long: false,
            info,
            doing: State::Fresh,
            entry,
        }
    }

    /// When [`expire`](Served::expire) is due.
    pub(crate) fn deadline(&self) -> Time {
        self.core.poll_timeout().unwrap_or(Time::NEVER)
    }

    /// Closes the socket, then leaves the registry for the sums of what has ended.
    pub(crate) fn end(self, outcome: Outcome, now: Time, shared: &Shared) {
        let Served {
            core,
            transport,
            info,
            doing,
            entry,
            ..
        } = self;
        drop(transport);
        entry.leave(|| shared.ended(outcome, core.tally(), || info.aborted(doing, now)));
    }

    /// The server is dropped, perhaps in the middle of a response. One that only the end of the
    /// connection delimits must not look whole for that.
    pub(crate) fn abandon(&mut self) {
        use neap_core::control::Stage::{Gone, Replying};
        let control = self.core.control();
        let goes_on = matches!(control.stage, Replying(_)) || control.unflushed;
        if control.until_close && goes_on && control.stage != Gone {
            self.transport.reset_on_close();
        }
    }

    /// Lets other threads see how far it has come: at the end of each poll, and before somebody
    /// else's code is called, which may block.
    pub(crate) fn note(&self) {
        let state = self.core.state();
        // Who is gone has still to close its socket, and leaves the registry after that.
        if state != State::Gone {
            self.entry.set(state);
        }
        let exchange = self.exchange.as_ref();
        let replying = exchange.is_some_and(|exchange| exchange.stage == Stage::Replying);
        let (tally, outcome) = (self.core.tally(), self.core.control().outcome);
        self.info.ledger().note(tally, replying, outcome);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.core.state() == State::Idle
    }

    /// A deadline has come, or the server's phase has changed. The socket is read first: what was
    /// in time is not overtaken.
    pub(crate) fn expire<H: Fn(Request<Body>) -> F>(
        &mut self,
        t: Tick<'_>,
        cx: &mut Context<'_>,
        env: &mut Environment<H, F>,
    ) -> Poll<Outcome> {
        self.transport.expect_input();
        // All that a timer does to an idle connection is to ask for the last look, which is a read.
        let closed = if self.is_idle() {
            Poll::Pending
        } else {
            self.poll(t, cx, env)
        };
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
                        self.transport.reset_on_close();
                    }
                    self.drop_exchange(env);
                    end = Poll::Ready(outcome);
                    break;
                }
                Step::Upgrade => self.switch(t, env),
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
        self.note();
        let state = self.core.state();
        if !matches!(state, State::Linger | State::Gone) {
            self.doing = state;
        }
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
        if self.core.state() == State::Upgraded {
            return self.carry(t, cx, env);
        }
        if self.output.is_open() && self.put(wants.write, t, env) {
            return true;
        }
        let reads_first = wants.read == Read::Content && self.content_is_next();
        if reads_first && self.reads_on() && self.read(wants.read, t, cx, env) {
            return true;
        }
        let takes_input = match wants.read {
            // What answers the next request has to fit behind what waits.
            Read::Head | Read::Look => self.output.is_open(),
            Read::Content => true,
            Read::No | Read::Watch | Read::Discard => false,
        };
        if takes_input && self.take_input(t, cx, env) {
            return true;
        }
        (reads_first && self.read(wants.read, t, cx, env))
            || self.write(wants.write, t, cx)
            || self.read(wants.read, t, cx, env)
    }

    /// Whether content comes before writing: what it leads to may share the write. Not if an
    /// earlier request is owed its response: this one's client may be at its end.
    fn content_is_next(&self) -> bool {
        let tally = self.core.tally();
        tally.completed.saturating_add(1) >= tally.dispatched && self.has_room()
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
                    peer: self.info.peer(),
                    refusal,
                });
                let make = env.refusals.0.as_ref();
                match make.and_then(|make| catch(|| make(refusal)).ok()) {
                    None => self.core.reply_refusal(t, &env.date, out),
                    Some(RefusalPage {
                        content_type,
                        content,
                    }) => {
                        let content = &[&content[..]];
                        let content_type = content_type.as_bytes();
                        self.core
                            .reply_refusal_as(t, &env.date, content_type, content, out)
                    }
                }
            }
            _ => self.core.reply_continue(t, out),
        };
        done.is_ok()
    }

    fn write(&mut self, write: Write, t: Tick<'_>, cx: &mut Context<'_>) -> bool {
        match write {
            Write::Flush => self.flush(t, cx),
            Write::Fin => match self.transport.poll_end(cx) {
                Poll::Pending => false,
                Poll::Ready(ended) => {
                    // A socket that cannot be ended any more is a broken one.
                    if ended.is_err() || self.core.handle_fin_sent(t).is_err() {
                        self.core.handle_io_error(t);
                    }
                    true
                }
            },
            Write::Query => {
                let (local, peer) = (self.info.local(), self.info.peer());
                let unacknowledged = self.transport.unacknowledged(local, peer);
                self.core.handle_send_queue(t, unacknowledged);
                true
            }
            Write::No | Write::Continue | Write::Refuse(_) => false,
        }
    }

    fn flush(&mut self, t: Tick<'_>, cx: &mut Context<'_>) -> bool {
        let mut slices = [IoSlice::new(&[]); 3];
        let used = self.output.slices(&mut slices);
        match self.transport.poll_write(cx, &slices[..used]) {
            Poll::Pending => return false,
            Poll::Ready(Ok(count)) if count > 0 => {
                self.output.advance(count);
                self.info.ledger().add_sent(count);
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

    /// Looks out for a client that goes away while no more of what it sends is read.
    fn watch(&mut self, t: Tick<'_>, cx: &mut Context<'_>) -> bool {
        let gone = self.transport.poll_hangup(cx).is_ready();
        if gone {
            self.core.handle_io_error(t);
        }
        gone
    }

    fn read<H: Fn(Request<Body>) -> F>(
        &mut self,
        read: Read,
        t: Tick<'_>,
        cx: &mut Context<'_>,
        env: &mut Environment<H, F>,
    ) -> bool {
        match read {
            Read::No => return self.watch(t, cx),
            Read::Watch if self.inbox.len() >= t.config.limits.head => return self.watch(t, cx),
            Read::Discard if self.inbox.len() > 0 => {
                let count = self.inbox.discard();
                self.core.handle_discarded(t, count as u64);
                return true;
            }
            Read::Watch | Read::Head | Read::Content | Read::Look | Read::Discard => {}
        }
        // Most content is read when it is asked for, and not before.
        let most = if read == Read::Head && !self.reads_long {
            HEADS
        } else {
            env.buffer.len()
        };
        let room = self.inbox.room(&env.buffer, most);
        let buffer = &mut env.buffer[room];
        let done = if read == Read::Look {
            // Asked before the look: nothing is sent after it that would have to be acknowledged.
            let (local, peer) = (self.info.local(), self.info.peer());
            let is_idle = self.core.state() == State::Idle;
            let can_close = is_idle && self.transport.can_close(local, peer);
            match self.transport.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.note_begin(t);
                    if can_close {
                        self.core.handle_quiet(t);
                    } else {
                        self.core.handle_nothing(t);
                    }
                    return true;
                }
                done => done,
            }
        } else {
            match self.transport.poll_read(cx, buffer) {
                Poll::Pending => return self.note_begin(t),
                Poll::Ready(done) => done,
            }
        };
        let received = done.as_ref().map_or(0, |count| *count);
        self.info.ledger().add_received(received);
        match done {
            // What is buffered is taken first, and the end found again.
            Ok(0) if read == Read::Content && self.reads_on() => return false,
            Ok(0) => self.core.handle_eof(t),
            Ok(count) if read == Read::Discard => self.core.handle_discarded(t, count as u64),
            Ok(count) => self.inbox.received(&env.buffer, count),
            Err(error) => {
                if error.kind() == io::ErrorKind::InvalidData {
                    let peer = self.info.peer();
                    let error = &error;
                    env.observer.tell(&Event::HandshakeFailed { peer, error });
                }
                self.core.handle_io_error(t);
            }
        }
        true
    }

    /// What comes before the first byte counts as its beginning. True if that is news.
    fn note_begin(&mut self, t: Tick<'_>) -> bool {
        let is_news = self.transport.has_begun() && self.core.state() == State::Fresh;
        if is_news {
            self.core.handle_begun(t);
        }
        is_news
    }
}

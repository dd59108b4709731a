//! A connection with all that is its own: everything of a driver that needs no socket.

use crate::buffer::Buffer;
use crate::buffered::Buffered;
use crate::server::Entry;
use crate::{
    Connection, Exchange, Head, HttpDate, Item, MisuseError, Phase, Read, Spans, State, Step,
    Tally, Tick, Time, Write,
};

/// What answers the requests of one connection, one after the other. It never waits: it is run in
/// each turn of its connection, and whatever it waits for is something that a turn brings.
///
/// ```
/// use neap_core::{Exchange, Head, MisuseError, Responder, Status, Time};
///
/// struct Hello;
///
/// impl Responder for Hello {
///     fn start(&mut self, _: Head<'_>) {}
///
///     fn run(&mut self, exchange: &mut Exchange<'_>) -> Result<Time, MisuseError> {
///         exchange.reply(Status::OK, [], b"Hello")?;
///         Ok(Time::NEVER)
///     }
///
///     fn stop(&mut self) {}
/// }
/// ```
pub trait Responder {
    /// A request has come. The views into its head end with this call.
    fn start(&mut self, head: Head<'_>);

    /// Goes on as far as it can. It is run again when something has happened to its connection,
    /// and at the latest when the time has come that it gives: [`Time::NEVER`] if it waits for
    /// none. Each run gives it anew.
    ///
    /// # Errors
    ///
    /// It has failed. Before the reply has begun the client gets a 500, after that the reply is cut
    /// so that it looks cut.
    fn run(&mut self, exchange: &mut Exchange<'_>) -> Result<Time, MisuseError>;

    /// It is not wanted any more: its reply is whole, or nobody waits for it. Called once behind
    /// each [`start`](Responder::start).
    fn stop(&mut self);
}

/// Why a read or a write moved nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// It would have had to wait (`EAGAIN`, `EINTR`, a timeout).
    Later,
    /// Any other error: the connection is broken.
    Broken,
}

/// A [`Connection`] with all that is its own: its input and its output, its [`Responder`], its
/// place in the [`Server`](crate::Server)'s registry. What is left to a driver is the socket, the
/// clock and whatever wakes it.
///
/// A driver turns in a loop:
///
/// 1. It takes a [`Tick`], then reads and writes what [`poll_step`](Session::poll_step) wants, as
///    far as that goes without waiting, and reports what came of it.
/// 2. It calls [`advance`](Session::advance), which does the rest, timeouts included, and notes the
///    session in the registry ([`Server::note`](crate::Server::note)).
/// 3. If that is not [settled](Session::is_settled), it turns again. Otherwise it waits: for the
///    socket, for [`poll_timeout`](Session::poll_timeout), for a change of the server's phase.
///
/// So **after a wait the socket comes first**, and no timer overtakes bytes that were there.
///
/// ```
/// use neap_core::*;
/// # struct Hello;
/// # impl Responder for Hello {
/// #     fn start(&mut self, _: Head<'_>) {}
/// #     fn run(&mut self, exchange: &mut Exchange<'_>) -> Result<Time, MisuseError> {
/// #         exchange.reply(Status::OK, [], b"Hello")?;
/// #         Ok(Time::NEVER)
/// #     }
/// #     fn stop(&mut self) {}
/// # }
///
/// let config = Config::default();
/// let date = HttpDate::from_unix_seconds(784_111_777);
/// let mut server = Server::new();
/// let mut session = server.accept(Time::ZERO, &config, Hello);
/// let t = server.tick(Time::ZERO, &config);
///
/// // The socket gave a request; a read of no bytes would be the end of the client's side.
/// session.handle_read(t, Ok(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
/// let Step::Go(wants) = session.advance(t, &date) else { panic!("it goes on") };
///
/// // The socket takes the response.
/// assert_eq!(wants.write, Write::Flush);
/// assert!(session.output().ends_with(b"\r\n\r\nHello"));
/// session.handle_written(t, Ok(session.output().len()))?;
/// let Step::Go(wants) = session.advance(t, &date) else { panic!("it goes on") };
/// assert_eq!((wants.read, wants.write), (Read::Head, Write::No));
/// # Ok::<(), MisuseError>(())
/// ```
///
/// # Memory
///
/// Input that nobody takes is read ahead up to 16 KiB more than a head may have
/// ([`Limits::head`](crate::Limits::head)); output waits up to
/// [`Limits::unsent`](crate::Limits::unsent) and one piece of the responder's. Buffers grow to what
/// the exchanges need and are used again, without allocating; between requests each keeps 4 KiB
/// at most.
#[derive(Debug)]
#[must_use = "a session that never leaves the server is waited for"]
pub struct Session<R> {
    pub(crate) entry: Entry,
    buffered: Buffered,
    responder: R,
    /// Whether the responder was started and not stopped.
    runs: bool,
    /// When the responder wants to be run.
    due: Time,
    /// Above so much input, no more is read than what was asked for.
    ahead: usize,
    /// Whether the socket has moved since the last advance.
    moved: bool,
    /// What the last advance left to be done.
    step: Step,
    is_settled: bool,
}

/// How much more than a head may be read ahead.
const AHEAD: usize = 16 * 1024;

impl<R> Session<R> {
    /// A connection that comes while the server closes is turned away.
    pub(crate) fn new(entry: Entry, t: Tick<'_>, responder: R) -> Session<R> {
        let mut connection = Connection::new(t);
        if t.phase >= Phase::Closing {
            connection.turn_away(t);
        }
        Session {
            entry,
            step: connection.poll_step(),
            buffered: Buffered {
                connection,
                input: Buffer::default(),
                output: Buffer::default(),
                ended: false,
            },
            responder,
            runs: false,
            due: Time::NEVER,
            ahead: t.config.limits.head.saturating_add(AHEAD),
            moved: false,
            is_settled: false,
        }
    }

    /// What the socket is to do now. Asking changes nothing. Of [`Wants`](crate::Wants) only that
    /// is left: `Read::Head`, `Content`, `Watch` and `Discard` all mean that a read is welcome, and
    /// `Write::Continue`, `Write::Refuse` and the handler's column that
    /// [`advance`](Session::advance) is due. [`Step::Upgrade`] does not occur.
    #[must_use]
    pub fn poll_step(&self) -> Step {
        let mut step = self.buffered.connection.poll_step();
        if let Step::Go(wants) = &mut step {
            let may_wait = matches!(wants.read, Read::Watch | Read::Content);
            if self.buffered.ended || (may_wait && self.buffered.input.len() >= self.ahead) {
                wants.read = Read::No;
            }
        }
        step
    }

    /// Whether the last turn has moved nothing and changed nothing, so that waiting is right. Not
    /// before the first turn, nor where the last one has just come to [`Step::Close`].
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.is_settled && !self.moved
    }

    /// When the session is to turn at the latest; `None` for never. A look is due at once. Only a
    /// turn changes it.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        if self.buffered.read() == Read::Look {
            return Some(Time::ZERO);
        }
        let due = self.buffered.connection.poll_timeout();
        let due = due.unwrap_or(Time::NEVER).min(self.due);
        (due != Time::NEVER).then_some(due)
    }

    /// Where the connection stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.buffered.connection.state()
    }

    /// What became of the connection's requests.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.buffered.connection.tally()
    }

    /// Reports what a read gave; no bytes are the end of the peer's side. A read that was wanted
    /// once may be reported when none is wanted any more, and at any time that the socket is
    /// broken.
    pub fn handle_read(&mut self, t: Tick<'_>, received: Result<&[u8], Failure>) {
        self.moved |= received != Err(Failure::Later);
        let buffered = &mut self.buffered;
        match received {
            Ok([]) => buffered.ended = true,
            Ok(bytes) if buffered.read() == Read::Discard => {
                buffered.connection.handle_discarded(t, bytes.len() as u64);
            }
            Ok(bytes) => buffered.input.end().extend_from_slice(bytes),
            // It matters where a look was wanted and has found nothing, and only there.
            Err(Failure::Later) if self.moved => {}
            Err(Failure::Later) => buffered.connection.handle_nothing(t),
            Err(Failure::Broken) => buffered.connection.handle_io_error(t),
        }
    }

    /// What waits to be written.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.buffered.output.rest()
    }

    /// Reports what a write took of the output.
    ///
    /// # Errors
    ///
    /// [`MisuseError::TooMuch`] if less was waiting.
    pub fn handle_written(
        &mut self,
        t: Tick<'_>,
        written: Result<usize, Failure>,
    ) -> Result<(), MisuseError> {
        match written {
            Ok(len) => {
                self.buffered.connection.handle_written(t, len as u64)?;
                self.buffered.output.consume(len);
            }
            Err(Failure::Later) => return Ok(()),
            Err(Failure::Broken) => self.buffered.connection.handle_io_error(t),
        }
        self.moved = true;
        Ok(())
    }

    /// Reports that our side of the socket has been ended, as [`Write::Fin`] asked.
    ///
    /// # Errors
    ///
    /// [`MisuseError::OutOfOrder`] where that was not asked.
    pub fn handle_fin_sent(&mut self, t: Tick<'_>) -> Result<(), MisuseError> {
        if self.buffered.write() != Write::Fin {
            return Err(MisuseError::OutOfOrder);
        }
        // It was wanted. If the phase has risen since, it may be too late to matter.
        let _ = self.buffered.connection.handle_fin_sent(t);
        self.moved = true;
        Ok(())
    }

    /// Reports how many bytes the peer has not acknowledged, as [`Write::Query`] asked; zero where
    /// the system cannot say.
    pub fn handle_send_queue(&mut self, t: Tick<'_>, bytes: u64) {
        self.buffered.connection.handle_send_queue(t, bytes);
        self.moved = true;
    }
}

impl<R: Responder> Session<R> {
    /// Does everything that needs no socket: takes requests out of the input, runs the responder,
    /// invites content, refuses, acts on timers and on the server's phase. What is left is the
    /// answer, the same that [`poll_step`](Session::poll_step) gives.
    pub fn advance(&mut self, t: Tick<'_>, date: &HttpDate) -> Step {
        loop {
            let before = self.buffered.mark();
            self.take_input(t);
            self.run(t, date);
            self.buffered.put(t, date);
            self.buffered.report_end(t);
            self.buffered.connection.handle_timeout(t);
            if self.buffered.mark() == before {
                break;
            }
        }
        if self.buffered.read() == Read::Discard {
            self.buffered.input.clear();
        }
        if matches!(self.state(), State::Idle | State::Linger) {
            self.buffered.input.give_back();
            self.buffered.output.give_back();
        }
        let step = self.poll_step();
        self.is_settled = !self.moved && step == self.step;
        self.moved = false;
        self.step = step;
        step
    }

    /// Takes a request out of the input, or content that nobody will want.
    fn take_input(&mut self, t: Tick<'_>) {
        let buffered = &mut self.buffered;
        match buffered.read() {
            Read::Head | Read::Look => {}
            Read::Content if !buffered.connection.is_content_deliverable() => {}
            Read::Content | Read::Watch | Read::Discard | Read::No => return,
        }
        if buffered.input.is_empty() {
            return;
        }
        let mut spans = Spans::new();
        let rest = buffered.input.rest();
        let received = buffered.connection.handle_input(t, rest, &mut spans);
        let consumed = received.consumed;
        if let Item::Head(head) = received.item {
            self.responder.start(head);
            self.runs = true;
            // It fits: a head was received, and nothing has happened since.
            let _ = buffered.connection.handle_started(t);
        }
        buffered.input.consume(consumed);
    }

    /// Runs the responder if it is wanted, and stops it if it is not any more.
    fn run(&mut self, t: Tick<'_>, date: &HttpDate) {
        if !self.runs {
            return;
        }
        if self.buffered.is_run() {
            let exchange = &mut Exchange::new(&mut self.buffered, t, date);
            match self.responder.run(exchange) {
                Ok(due) => self.due = due,
                // One that misused a reply that is whole has nevertheless replied.
                Err(_) if self.buffered.is_run() => self.buffered.connection.handle_failure(t),
                Err(_) => {}
            }
        }
        if !self.buffered.is_run() {
            self.runs = false;
            self.due = Time::NEVER;
            self.responder.stop();
        }
    }
}

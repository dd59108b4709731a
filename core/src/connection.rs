//! A connection: the control state, and the bytes, times and counters beside it.

use crate::control::{Control, Event, Stage, Timer};
use crate::input::Inbound;
use crate::reply::Outbound;
use crate::timers::Timers;
use crate::{Fate, MisuseError, PeerError, Phase, Refusal, Tick, Time};

/// One HTTP/1.1 connection, without its socket, its buffers and its handler.
///
/// Inputs are `handle_*`, each with a [`Tick`]; commands are verbs; what the driver should do is
/// asked by [`poll_step`](Connection::poll_step) and [`poll_timeout`](Connection::poll_timeout).
/// The state changes only by inputs and commands, and only through the table in
/// [`control`](crate::control).
#[derive(Clone, Debug)]
pub struct Connection {
    pub(crate) control: Control,
    timers: Timers,
    pub(crate) inbound: Inbound,
    pub(crate) outbound: Outbound,
    pub(crate) refusal: Option<Refusal>,
    /// Bytes handed out and not reported as written.
    pub(crate) unsent: u64,
    /// What is left of a segment, if the only request so far is one without content that its client
    /// has called the last, and if all that was handed out fits into one.
    parted: Option<u64>,
    /// Whether so much is unsent that no further request should be read.
    pub(crate) full: bool,
    pub(crate) tally: Tally,
    /// Requests whose reply has been handed out whole, written or not.
    replied: u32,
}

/// What one segment carries on any path (RFC 9293 section 3.7.1).
const SEGMENT: u64 = 536;

/// How many requests of a connection were dispatched, and what became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tally {
    /// Requests whose head was given to the driver.
    pub dispatched: u32,
    /// Those whose whole response is in the kernel.
    pub completed: u32,
    /// What the others met, if the connection has ended: they share its end.
    pub rest: Fate,
}

impl Connection {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(t: Tick<'_>) -> Connection {
        Connection {
            control: Control::new(),
            timers: Timers::new(t),
            inbound: Inbound::new(),
            outbound: Outbound::new(),
            refusal: None,
            unsent: 0,
            parted: None,
            full: false,
            tally: Tally {
                dispatched: 0,
                completed: 0,
                rest: Fate::Vanished,
            },
            replied: 0,
        }
    }

    /// When [`handle_timeout`](Connection::handle_timeout) is due; `None` for never.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let earliest = self.timers.earliest();
        (earliest != Time::NEVER).then_some(earliest)
    }

    /// Reports that the handler has been started.
    ///
    /// # Errors
    ///
    /// [`MisuseError::OutOfOrder`] where no handler was to be started.
    pub fn handle_started(&mut self, t: Tick<'_>) -> Result<(), MisuseError> {
        self.event(t, Event::Started)
    }

    /// Reports that `bytes` of the output are in the kernel.
    ///
    /// # Errors
    ///
    /// [`MisuseError::TooMuch`] if less was waiting.
    pub fn handle_written(&mut self, t: Tick<'_>, bytes: u64) -> Result<(), MisuseError> {
        self.observe(t);
        if bytes > self.unsent {
            return Err(MisuseError::TooMuch);
        }
        self.unsent -= bytes;
        self.full = self.unsent > t.config.limits.unsent;
        self.timers.output_taken(t, bytes);
        if self.unsent == 0 && self.control.unflushed {
            self.tally.completed = self.replied;
            self.apply(Event::Flushed);
        }
        self.settle(t);
        Ok(())
    }

    /// Reports that the peer has begun something that comes before its first byte, a TLS handshake
    /// for instance: it counts as the beginning of its first head. Does nothing later on.
    pub fn handle_begun(&mut self, t: Tick<'_>) {
        self.observe(t);
        if matches!(self.stage(), Stage::Fresh | Stage::LookFresh) {
            self.apply(Event::Bytes);
        }
        self.settle(t);
    }

    /// Reports that the peer has ended its side: a read gave zero bytes. What was read before it
    /// may still wait in the driver's buffer.
    pub fn handle_eof(&mut self, t: Tick<'_>) {
        self.observe(t);
        self.apply(Event::Eof);
        self.settle(t);
    }

    /// Reports that the peer or the network broke the connection: an error of a read or write.
    pub fn handle_io_error(&mut self, t: Tick<'_>) {
        self.observe(t);
        self.apply(Event::Reset);
        self.settle(t);
    }

    /// Reports that the look that [`Read::Look`](crate::Read::Look) asked for found nothing.
    pub fn handle_nothing(&mut self, t: Tick<'_>) {
        self.observe(t);
        self.apply(Event::Nothing);
        self.settle(t);
    }

    /// Reports that the look found nothing, like [`handle_nothing`](Connection::handle_nothing),
    /// and that the peer had acknowledged everything before it. If it has also been silent for as
    /// long as [`linger_short`](crate::Drain::linger_short), an idle connection is closed without a
    /// linger: there is no response left that a reset could destroy. A driver that cannot tell what
    /// is acknowledged reports `handle_nothing`.
    pub fn handle_quiet(&mut self, t: Tick<'_>) {
        self.observe(t);
        let is_silent = self.timers.silence() >= t.config.drain.linger_short;
        let is_quiet = self.stage() == Stage::LookIdle && is_silent && !self.control.unflushed;
        self.apply(if is_quiet {
            Event::Quiet
        } else {
            Event::Nothing
        });
        self.settle(t);
    }

    /// Reports that our side of the socket has been ended.
    ///
    /// # Errors
    ///
    /// [`MisuseError::OutOfOrder`] where output was still waiting, or no end was wanted.
    pub fn handle_fin_sent(&mut self, t: Tick<'_>) -> Result<(), MisuseError> {
        // Who has parted and sends something all the same is answered by a reset behind the close.
        // It cannot come before the response where that is one segment, nor leave a part of it.
        let event = match self.parted {
            Some(_) => Event::FinSentToParted,
            None => Event::FinSent,
        };
        self.event(t, event)
    }

    /// Reports that `bytes` of input were thrown away, as [`Read::Discard`](crate::Read::Discard)
    /// asked.
    pub fn handle_discarded(&mut self, t: Tick<'_>, bytes: u64) {
        self.observe(t);
        self.timers.silence_broken();
        if self.control.stage == Stage::Querying {
            self.apply(Event::Unacknowledged);
        }
        if self.control.stage == Stage::Lingering
            && self.inbound.discard(bytes) > t.config.limits.linger
        {
            self.apply(Event::LingerFull);
        }
        self.settle(t);
    }

    /// Reports how many bytes the peer has not acknowledged, as
    /// [`Write::Query`](crate::Write::Query) asked.
    pub fn handle_send_queue(&mut self, t: Tick<'_>, bytes: u64) {
        self.observe(t);
        let event = if bytes == 0 {
            Event::Acknowledged
        } else {
            Event::Unacknowledged
        };
        let lingers = self.apply(event) && bytes > 0;
        self.settle(t);
        if lingers {
            self.timers.requery(t);
        }
    }

    /// Reports that time has passed, or that the server's phase may have changed. Sockets are to
    /// be read before, so that bytes that were in time are not overtaken by a timer.
    pub fn handle_timeout(&mut self, t: Tick<'_>) {
        self.observe(t);
        self.settle(t);
        // Each expiry ends its own wait, so that this ends.
        while let Some(timer) = self.timers.expired() {
            if !self.apply(Event::Expired(timer)) {
                break;
            }
            self.settle(t);
        }
    }

    /// Reports that the handler failed: before the reply it is answered in its place (500), after
    /// that the reply is cut so that it looks cut.
    pub fn handle_failure(&mut self, t: Tick<'_>) {
        self.observe(t);
        self.refuse(Refusal::HandlerFailed);
        self.settle(t);
    }

    /// Refuses a request that the driver cannot hand to its handler, although the core took it.
    pub fn reject(&mut self, t: Tick<'_>, error: PeerError) {
        self.observe(t);
        self.refuse(Refusal::Peer(error));
        self.settle(t);
    }

    /// Ends an idle connection before its time, because its descriptor is needed. It gets the last
    /// look that every idle connection gets. Does nothing to one that is not idle.
    pub fn close_idle(&mut self, t: Tick<'_>) {
        self.observe(t);
        if self.stage() == Stage::Idle {
            self.apply(Event::Expired(Timer::Input));
        }
        self.settle(t);
    }

    /// The handler asks for content: `100 Continue` and back-pressure hang on it. It holds for
    /// the next piece of content.
    pub fn want_content(&mut self, t: Tick<'_>) {
        self.observe(t);
        self.apply(Event::Demand);
        self.settle(t);
    }

    /// The handler will not ask for content any more.
    pub fn drop_content(&mut self, t: Tick<'_>) {
        self.observe(t);
        self.apply(Event::Abandon);
        self.settle(t);
    }

    /// Makes the reply of the current request the connection's last.
    pub fn close_after_reply(&mut self, t: Tick<'_>) {
        self.observe(t);
        self.apply(Event::Raise);
        self.settle(t);
    }

    /// Turns a client away that was accepted while the server closes: 503.
    pub fn turn_away(&mut self, t: Tick<'_>) {
        // Of a server that is done it only hears.
        if t.phase < Phase::Done {
            self.refuse(Refusal::Closing);
        }
        self.observe(t);
        self.settle(t);
    }

    /// Reports that the driver has handed the socket over, as
    /// [`Step::Upgrade`](crate::Step::Upgrade) asked.
    ///
    /// # Errors
    ///
    /// [`MisuseError::OutOfOrder`] where that was not asked.
    pub fn handle_upgrade_taken(&mut self, t: Tick<'_>) -> Result<(), MisuseError> {
        self.event(t, Event::UpgradeTaken)
    }

    /// Reports that the other protocol has ended. The `unsent` bytes that it has left behind are
    /// still written, and the socket is ended like after any last response: its goodbye arrives.
    ///
    /// # Errors
    ///
    /// [`MisuseError::OutOfOrder`] where there was none.
    pub fn handle_upgrade_end(&mut self, t: Tick<'_>, unsent: u64) -> Result<(), MisuseError> {
        self.event(t, Event::UpgradeEnd)?;
        self.queue(t, unsent);
        self.settle(t);
        Ok(())
    }

    #[inline(always)]
    fn event(&mut self, t: Tick<'_>, event: Event) -> Result<(), MisuseError> {
        self.observe(t);
        let done = self.apply(event);
        self.settle(t);
        if done {
            Ok(())
        } else {
            Err(MisuseError::OutOfOrder)
        }
    }

    /// The first thing every input does: time and phase are what the tick says.
    #[inline(always)]
    pub(crate) fn observe(&mut self, t: Tick<'_>) {
        self.timers.observe(t);
        if t.phase != self.control.server {
            self.hear(t.phase);
        }
    }

    #[cold]
    fn hear(&mut self, phase: Phase) {
        self.apply(Event::Server(phase));
    }

    /// The last thing every input does.
    pub(crate) fn settle(&mut self, t: Tick<'_>) {
        self.timers.settle(t, &self.control);
    }

    /// Asks the table. False where it has no row for the event.
    #[inline(always)]
    pub(crate) fn apply(&mut self, event: Event) -> bool {
        let from = self.control.stage;
        if !self.control.take(event) {
            return false;
        }
        if self.control.stage == Stage::Refusing && self.refusal.is_none() {
            self.refusal = Some(refusal_for(from, event));
        }
        true
    }

    /// Refuses what is under way. Where the reply has begun it is cut instead, and nobody told.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        if self.apply(Event::Refuse) && self.control.stage == Stage::Refusing {
            self.refusal = Some(refusal);
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        self.control.stage
    }

    pub(crate) fn content_came(&mut self, t: Tick<'_>, bytes: u64) {
        self.timers.content_came(t, bytes);
    }

    /// A request has been given to the driver; `ends_client` if its client sends nothing behind it,
    /// as it says.
    pub(crate) fn count_request(&mut self, ends_client: bool) {
        self.timers.request_began();
        self.tally.dispatched = self.tally.dispatched.saturating_add(1);
        let has_parted = ends_client && self.tally.dispatched == 1;
        self.parted = has_parted.then_some(SEGMENT);
    }

    /// The reply has been handed out whole.
    pub(crate) fn count_reply(&mut self) {
        self.replied = self.tally.dispatched;
        if self.unsent == 0 {
            self.tally.completed = self.replied;
        }
    }

    /// Output has been handed out and waits to be written.
    pub(crate) fn queue(&mut self, t: Tick<'_>, bytes: u64) {
        if bytes == 0 {
            return;
        }
        if self.unsent == 0 {
            self.timers.output_waits(t);
            self.apply(Event::Queued);
        }
        self.unsent = self.unsent.saturating_add(bytes);
        self.parted = self.parted.and_then(|left| left.checked_sub(bytes));
        self.full = self.unsent > t.config.limits.unsent;
    }
}

/// What a client is told whose exchange the table refuses by itself.
fn refusal_for(from: Stage, event: Event) -> Refusal {
    match (from, event) {
        (Stage::Head, _) => Refusal::HeadTimeout,
        (_, Event::Expired(Timer::Input)) => Refusal::ContentTimeout,
        (_, Event::Server(Phase::Closing)) => Refusal::Closing,
        _ => Refusal::HandlerFailed,
    }
}

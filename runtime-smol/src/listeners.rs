//! All listeners of a server: accepting in batches, pausing, ending.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use neap_core::{Drain, Listening, Time};

use crate::Address;
use crate::ending::{Ending, Verdict};
use crate::event::{Event, Observer};
use crate::listener::{Attempt, Listener, Ownership, Watched};
use crate::report::ListenerReport;
use crate::seal::Rung;
use crate::system::{Accepted, ListeningSocket};

/// Connections accepted in one go before those that are open get their turn.
const BATCH: usize = 256;

/// How often at most the log says that accepting is paused.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// When to try again without a connection of our own having ended: descriptors may run out by the
/// fault of others in the process.
const RETRY: Duration = Duration::from_secs(1);

/// A connection that has just been accepted.
#[derive(Debug)]
pub(crate) struct Arrival<T> {
    pub(crate) transport: T,
    pub(crate) peer: Address,
    pub(crate) local: Address,
}

/// The listeners.
#[derive(Debug)]
pub(crate) struct Listeners<L> {
    slots: Vec<Slot<L>>,
    max_connections: usize,
    first_rung: Rung,
    /// Accepting waits for a connection to end, or for this moment.
    paused_until: Option<Time>,
    /// Accepting waits for a connection to end: no more are allowed.
    full: bool,
    complained: Option<Time>,
}

#[derive(Debug)]
struct Slot<L> {
    address: Address,
    /// `None` once it has ended.
    listener: Option<Listener<L>>,
    /// Somebody may be waiting.
    ready: bool,
    ownership: Ownership,
    /// Once it is on its way to its end.
    ending: Option<Ending>,
    /// Who was still in the middle of a handshake when it was closed.
    lost_in_handshake: u64,
    /// Who was left in its queue when it was closed by force.
    lost_in_queue: u64,
}

/// Why a listener is left alone for now.
enum Stop {
    /// Nobody waits any more, it has ended, or others get their turn.
    Next,
    /// As many connections are open as are allowed.
    Full,
    /// The system has no more descriptors or memory.
    Exhausted(io::Error),
}

impl<L: ListeningSocket> Listeners<L> {
    pub(crate) fn new(
        listeners: Vec<Listener<L>>,
        max_connections: usize,
        first_rung: Rung,
    ) -> Listeners<L> {
        let slot = |listener: Listener<L>| Slot {
            address: listener.address().clone(),
            ownership: listener.ownership(),
            listener: Some(listener),
            ready: true,
            ending: None,
            lost_in_handshake: 0,
            lost_in_queue: 0,
        };
        Listeners {
            slots: listeners.into_iter().map(slot).collect(),
            max_connections: max_connections.max(1),
            first_rung,
            paused_until: None,
            full: false,
            complained: None,
        }
    }

    pub(crate) fn reports(&self) -> Vec<ListenerReport> {
        let report = |slot: &Slot<L>| ListenerReport {
            address: slot.address.clone(),
            ownership: slot.ownership,
            ended: slot.listener.is_none(),
            rung: slot.ending.as_ref().and_then(|ending| ending.rung),
            lost_in_handshake: slot.lost_in_handshake,
            lost_in_queue: slot.lost_in_queue,
        };
        self.slots.iter().map(report).collect()
    }

    /// What a watchdog needs.
    pub(crate) fn watched(&self) -> impl Iterator<Item = Watched> {
        let listeners = self.slots.iter().filter_map(|slot| slot.listener.as_ref());
        listeners.map(Listener::watched)
    }

    pub(crate) fn have_ended(&self) -> bool {
        self.slots.iter().all(|slot| slot.listener.is_none())
    }

    /// Whether somebody may wait to be accepted: the last look found somebody, or there was none.
    /// Who waits for room does not count: idle connections make it once the listeners are to end,
    /// and not before.
    pub(crate) fn is_anybody_waiting(&self) -> bool {
        let unseen = |slot: &Slot<L>| slot.listener.is_some() && slot.ready;
        !self.full && (self.paused_until.is_some() || self.slots.iter().any(unseen))
    }

    /// Whether there is something to be done about them while they are to accept: somebody may
    /// wait, or they have ended.
    pub(crate) fn are_due(&self) -> bool {
        self.slots.iter().any(|slot| slot.ready) || self.have_ended()
    }

    /// Whether accepting waits for a connection to end.
    pub(crate) fn wait_for_room(&self) -> bool {
        self.full || self.paused_until.is_some()
    }

    /// The server is done: closes those that are left, and counts whom that loses.
    pub(crate) fn abandon(&mut self) {
        for slot in &mut self.slots {
            slot.abandon();
        }
    }

    /// A connection has ended: accepting may go on.
    pub(crate) fn room_was_made(&mut self) {
        self.paused_until = None;
    }

    /// When [`handle_timeout`](Listeners::handle_timeout) is due. What listeners wait for does not
    /// count while they may not be accepted from.
    pub(crate) fn next_deadline(&self) -> Time {
        match self.paused_until {
            Some(until) => until,
            None if self.full => Time::NEVER,
            None => self
                .slots
                .iter()
                .map(Slot::next_deadline)
                .fold(Time::NEVER, Time::min),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) {
        if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = None;
        }
    }

    /// Somebody may be waiting at any of them.
    pub(crate) fn wake(&mut self) {
        for slot in &mut self.slots {
            slot.ready = true;
        }
    }

    /// Lets nobody new come to listeners that nobody else accepts from, where it is time for that.
    /// Clients of the others would be in want of somebody who takes them for longer.
    pub(crate) fn end_sole(&mut self, duty: &Duty<'_>) {
        let is_sole = |slot: &&mut Slot<L>| slot.ownership == Ownership::Sole;
        for slot in self.slots.iter_mut().filter(is_sole) {
            slot.end(duty, self.first_rung);
        }
    }

    /// Accepts who is waiting and gives them to `take`, which says how many connections are open
    /// then; ends the listeners once nobody waits, if it is time for that. True if the system had
    /// no more descriptors or memory.
    pub(crate) fn poll(
        &mut self,
        duty: &Duty<'_>,
        open: usize,
        cx: &mut Context<'_>,
        take: &mut dyn FnMut(Arrival<L::Transport>) -> usize,
    ) -> bool {
        let now = duty.now;
        if duty.listening != Listening::Accept {
            // All of them, whether they may be accepted from or not.
            for slot in &mut self.slots {
                slot.end(duty, self.first_rung);
            }
        }
        if self.paused_until.is_some() {
            return false;
        }
        let limit = match duty.listening {
            Listening::TurnAway => usize::MAX,
            Listening::Accept | Listening::End | Listening::Ended => self.max_connections,
        };
        let mut room = Room { open, limit };
        self.full = false;
        for slot in &mut self.slots {
            match slot.poll(duty, &mut room, cx, take) {
                Stop::Next => {}
                Stop::Full => {
                    self.full = true;
                    return false;
                }
                Stop::Exhausted(error) => {
                    self.paused_until = Some(now.after(RETRY));
                    if self
                        .complained
                        .is_none_or(|last| now.since(last) >= COMPLAINT_INTERVAL)
                    {
                        self.complained = Some(now);
                        duty.observer.tell(&Event::AcceptPaused {
                            address: &slot.address,
                            error: &error,
                        });
                    }
                    return true;
                }
            }
        }
        false
    }
}

/// What is to be done with the listeners, and under which circumstances.
pub(crate) struct Duty<'a> {
    pub(crate) listening: Listening,
    pub(crate) now: Time,
    pub(crate) drain: &'a Drain,
    pub(crate) observer: &'a Observer,
}

/// How many connections there are, and how many there may be.
struct Room {
    open: usize,
    limit: usize,
}

impl<L: ListeningSocket> Slot<L> {
    /// Lets nobody new come, if that has not been seen to.
    fn end(&mut self, duty: &Duty<'_>, first_rung: Rung) {
        let Some(listener) = &mut self.listener else {
            return;
        };
        let begin = || Ending::begin(listener, first_rung, duty.drain, duty.now);
        let ending = self.ending.get_or_insert_with(begin);
        if duty.listening != Listening::End {
            ending.hurry(duty.now);
        }
        if self.ownership == Ownership::Shared {
            // Who waits is accepted by the others.
            self.close(duty);
        }
    }

    fn poll(
        &mut self,
        duty: &Duty<'_>,
        room: &mut Room,
        cx: &mut Context<'_>,
        take: &mut dyn FnMut(Arrival<L::Transport>) -> usize,
    ) -> Stop {
        if duty.listening == Listening::Accept && !self.ready {
            return Stop::Next;
        }
        for _ in 0..BATCH {
            if room.open >= room.limit {
                return Stop::Full;
            }
            let Some(listener) = &self.listener else {
                return Stop::Next;
            };
            match listener.accept() {
                Attempt::Connection(accepted) => {
                    room.open = take(self.arrival(accepted));
                }
                Attempt::Retry => {}
                Attempt::Empty => match self.poll_empty(duty, cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return self.fail(&error, duty),
                    Poll::Pending => return Stop::Next,
                },
                Attempt::Exhausted(error) => return Stop::Exhausted(error),
                Attempt::Failed(error) => return self.fail(&error, duty),
            }
        }
        cx.waker().wake_by_ref();
        Stop::Next
    }

    /// Nobody waits: ready if it is worth looking again at once, or if this was its end.
    fn poll_empty(&mut self, duty: &Duty<'_>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let (Some(ending), Some(listener)) = (&mut self.ending, &mut self.listener) {
            match ending.poll(listener, duty.now, cx) {
                Verdict::AcceptAgain => return Poll::Ready(Ok(())),
                Verdict::Wait => {}
                Verdict::Close => {
                    self.close(duty);
                    return Poll::Ready(Ok(()));
                }
            }
        }
        let Some(listener) = &self.listener else {
            return Poll::Ready(Ok(()));
        };
        let readable = listener.poll_readable(cx);
        self.ready = readable.is_ready();
        readable
    }

    fn next_deadline(&self) -> Time {
        match (&self.listener, &self.ending) {
            (Some(_), Some(ending)) => ending.next_deadline(),
            _ => Time::NEVER,
        }
    }

    fn close(&mut self, duty: &Duty<'_>) -> Stop {
        let rung = self.ending.as_ref().and_then(|ending| ending.rung);
        if let (Some(mut listener), Some(ending)) = (self.listener.take(), &mut self.ending) {
            self.lost_in_handshake = ending.lost(&mut listener);
        }
        duty.observer.tell(&Event::ListenerClosed {
            address: &self.address,
            rung,
        });
        Stop::Next
    }

    fn fail(&mut self, error: &io::Error, duty: &Duty<'_>) -> Stop {
        self.listener = None;
        duty.observer.tell(&Event::ListenerFailed {
            address: &self.address,
            error,
        });
        Stop::Next
    }

    /// Closes it by force, and counts who is left in its queue.
    fn abandon(&mut self) {
        let Some(listener) = self.listener.take() else {
            return;
        };
        let socket = listener.socket();
        if self.ownership.loses(|| socket.has_heir()) {
            self.lost_in_queue = socket.queued().unwrap_or(0);
        }
    }

    fn arrival(&self, accepted: Accepted<L::Transport>) -> Arrival<L::Transport> {
        Arrival {
            transport: accepted.transport,
            peer: accepted.peer,
            local: accepted.local.unwrap_or_else(|| self.address.clone()),
        }
    }
}

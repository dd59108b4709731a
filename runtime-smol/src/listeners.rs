//! All listeners of a server: accepting in batches, pausing, ending.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::Async;
use neap_core::{Listening, Time};

use crate::Address;
use crate::connection::Ends;
use crate::event::{Event, Observer};
use crate::listener::{Accepted, Listener};
use crate::report::ListenerReport;
use crate::socket::Socket;

/// Connections accepted in one go before those that are open get their turn.
const BATCH: usize = 256;

/// How often at most the log says that accepting is paused.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// When to try again without a connection of our own having ended: descriptors may run out by the
/// fault of others in the process.
const RETRY: Duration = Duration::from_secs(1);

/// A connection that has just been accepted.
pub(crate) struct Arrival {
    pub(crate) socket: Socket<Async<OwnedFd>>,
    pub(crate) ends: Ends,
}

/// The listeners.
#[derive(Debug)]
pub(crate) struct Listeners {
    slots: Vec<Slot>,
    max_connections: usize,
    /// Accepting waits for a connection to end, or for this moment.
    paused_until: Option<Time>,
    complained: Option<Time>,
}

#[derive(Debug)]
struct Slot {
    address: Address,
    /// `None` once it has ended.
    listener: Option<Listener>,
    /// Somebody may be waiting.
    ready: bool,
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

impl Listeners {
    pub(crate) fn new(listeners: Vec<Listener>, max_connections: usize) -> Listeners {
        let slot = |listener: Listener| Slot {
            address: listener.address().clone(),
            listener: Some(listener),
            ready: true,
        };
        Listeners {
            slots: listeners.into_iter().map(slot).collect(),
            max_connections: max_connections.max(1),
            paused_until: None,
            complained: None,
        }
    }

    pub(crate) fn reports(&self) -> Vec<ListenerReport> {
        let report = |slot: &Slot| ListenerReport {
            address: slot.address.clone(),
            ended: slot.listener.is_none(),
        };
        self.slots.iter().map(report).collect()
    }

    pub(crate) fn have_ended(&self) -> bool {
        self.slots.iter().all(|slot| slot.listener.is_none())
    }

    /// A connection has ended: accepting may go on.
    pub(crate) fn room_was_made(&mut self) {
        self.paused_until = None;
    }

    /// When [`handle_timeout`](Listeners::handle_timeout) is due.
    pub(crate) fn next_deadline(&self) -> Time {
        self.paused_until.unwrap_or(Time::NEVER)
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

    /// Accepts who is waiting and gives them to `take`, which says how many connections are open
    /// then; ends the listeners once nobody waits, if it is time for that. True if the system had
    /// no more descriptors or memory.
    pub(crate) fn poll(
        &mut self,
        listening: Listening,
        open: usize,
        now: Time,
        cx: &mut Context<'_>,
        observer: &Observer,
        mut take: impl FnMut(Arrival) -> usize,
    ) -> bool {
        if self.paused_until.is_some() {
            return false;
        }
        let limit = match listening {
            Listening::TurnAway => usize::MAX,
            Listening::Accept | Listening::End | Listening::Ended => self.max_connections,
        };
        let mut room = Room { open, limit };
        for slot in &mut self.slots {
            match slot.poll(listening, &mut room, cx, observer, &mut take) {
                Stop::Next => {}
                Stop::Full => return false,
                Stop::Exhausted(error) => {
                    self.paused_until = Some(now.after(RETRY));
                    if self
                        .complained
                        .is_none_or(|last| now.since(last) >= COMPLAINT_INTERVAL)
                    {
                        self.complained = Some(now);
                        observer.tell(&Event::AcceptPaused {
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

/// How many connections there are, and how many there may be.
struct Room {
    open: usize,
    limit: usize,
}

impl Slot {
    fn poll(
        &mut self,
        listening: Listening,
        room: &mut Room,
        cx: &mut Context<'_>,
        observer: &Observer,
        take: &mut impl FnMut(Arrival) -> usize,
    ) -> Stop {
        let ending = listening != Listening::Accept;
        let Some(listener) = &mut self.listener else {
            return Stop::Next;
        };
        if ending {
            listener.hide();
        } else if !self.ready {
            return Stop::Next;
        }
        for _ in 0..BATCH {
            if room.open >= room.limit {
                return Stop::Full;
            }
            match listener.accept() {
                Accepted::Connection(fd, peer) => match arrival(fd, peer, &self.address) {
                    Ok(arrival) => room.open = take(arrival),
                    Err(error) => return Stop::Exhausted(error),
                },
                Accepted::Retry => {}
                Accepted::Empty if ending => {
                    self.listener = None;
                    observer.tell(&Event::ListenerClosed {
                        address: &self.address,
                    });
                    return Stop::Next;
                }
                Accepted::Empty => match listener.poll_readable(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return self.fail(&error, observer),
                    Poll::Pending => {
                        self.ready = false;
                        return Stop::Next;
                    }
                },
                Accepted::Exhausted(error) => return Stop::Exhausted(error),
                Accepted::Failed(error) => return self.fail(&error, observer),
            }
        }
        cx.waker().wake_by_ref();
        Stop::Next
    }

    fn fail(&mut self, error: &io::Error, observer: &Observer) -> Stop {
        self.listener = None;
        observer.tell(&Event::ListenerFailed {
            address: &self.address,
            error,
        });
        Stop::Next
    }
}

/// Makes an accepted descriptor a connection to be. Where the listener's address does not say
/// which interface the client came to, the socket does.
fn arrival(fd: OwnedFd, peer: Address, listener: &Address) -> io::Result<Arrival> {
    let local = match listener {
        Address::Tcp(address) if address.ip().is_unspecified() => {
            Address::from_raw(Some(rustix::net::getsockname(&fd)?))
        }
        named => named.clone(),
    };
    Ok(Arrival {
        socket: Socket::new(fd)?,
        ends: Ends { peer, local },
    })
}

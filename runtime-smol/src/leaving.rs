//! How a listener leaves its queue to an heir: while the system works on none of its clients.
//!
//! Where Linux hands the clients of a listener over to another one, it does so with those in the
//! queue, and with those whose ACK comes later. An ACK that it works on while the listener is
//! closed falls between the two, and is answered with a reset. So the queue is narrowed before
//! that: once somebody is in it, an ACK is left without an answer, and what it should have brought
//! comes a second time, to the heir. Who is in it is not accepted any more, but handed over, too.

use std::task::{Context, Poll};
use std::time::Duration;

use neap_core::Time;

use crate::listener::Listener;
use crate::system::ListeningSocket;

/// How long to wait for somebody in the queue. Where nobody comes for so long an ACK just then
/// would be more than chance.
const LONGEST: Duration = Duration::from_millis(10);

/// How long after that another processor may still work on an ACK that found room: microseconds.
const PAUSE: Duration = Duration::from_millis(1);

/// A narrowed listener until it can be closed.
#[derive(Debug)]
pub(crate) enum Leaving {
    /// The queue is empty. If it is so until then, that is as good.
    Empty { until: Time },
    /// Somebody was found in it, in a turn that began then, perhaps long before.
    Full { found: Time },
    /// From then on nobody is worked on any more.
    Still { from: Time },
}

impl Leaving {
    /// Begins to leave `listener` to its heir. Nothing if it has none, or its queue cannot be
    /// narrowed.
    pub(crate) fn begin(listener: &Listener<impl ListeningSocket>, now: Time) -> Option<Leaving> {
        let socket = listener.socket();
        if !socket.has_heir() || socket.narrow().is_err() {
            return None;
        }
        let until = now.after(LONGEST);
        Some(Leaving::Empty { until })
    }

    /// Ready when it can be closed, if it still has an heir.
    pub(crate) fn poll(
        &mut self,
        listener: &Listener<impl ListeningSocket>,
        now: Time,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        match *self {
            Leaving::Empty { until } => {
                if listener.poll_readable(cx).is_ready() {
                    *self = Leaving::Full { found: now };
                } else if now >= until {
                    return Poll::Ready(());
                }
            }
            Leaving::Full { .. } => {
                let from = now.after(PAUSE);
                *self = Leaving::Still { from };
            }
            Leaving::Still { from } if now >= from => return Poll::Ready(()),
            Leaving::Still { .. } => {}
        }
        Poll::Pending
    }

    /// Does not wait any longer.
    pub(crate) fn hurry(&mut self, now: Time) {
        *self = Leaving::Still { from: now };
    }

    /// When to look again although nobody woke us.
    pub(crate) fn next_deadline(&self) -> Time {
        match *self {
            Leaving::Empty { until } => until,
            Leaving::Full { found } => found,
            Leaving::Still { from } => from,
        }
    }
}

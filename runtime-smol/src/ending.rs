//! How a listener ends, each kind by its own rule.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use neap_core::{Drain, Time};

use crate::Address;
use crate::half_open::HalfOpen;
use crate::listener::{Listener, Ownership};
use crate::seal::{NOWHERE, Rung};
use crate::sock_diag::{LISTEN, SockDiag};

/// How soon handshakes in flight are asked for again, twice as long each time up to the longest.
/// It is the one thing that nobody wakes us for; and in a group every moment of the seal costs
/// somebody a second.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// A listener on its way to its end.
#[derive(Debug)]
pub(crate) struct Ending {
    /// What keeps new handshakes from beginning, for TCP listeners.
    pub(crate) rung: Option<Rung>,
    /// When it ends, whoever is still in the middle of a handshake.
    until: Time,
    half_open: Option<HalfOpen>,
    /// Nobody was left in the middle of a handshake: who has completed one is in the queue.
    clear: bool,
    /// When to look for them again; meanwhile there may be other reasons to wake up.
    recheck: Time,
    pause: Duration,
}

/// What to do with an ending listener whose queue is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Close it.
    Close,
    /// Look into the queue once more.
    AcceptAgain,
    /// Somebody is still to come.
    Wait,
}

impl Ending {
    /// Begins to end `listener`: nobody new is to come.
    pub(crate) fn begin(listener: &mut Listener, first: Rung, drain: &Drain, now: Time) -> Ending {
        let mut ending = Ending {
            rung: None,
            until: now,
            half_open: None,
            clear: false,
            recheck: Time::NEVER,
            pause: SHORTEST_PAUSE,
        };
        listener.hide();
        let &Address::Tcp(address) = listener.address() else {
            return ending;
        };
        let window = match listener.ownership() {
            Ownership::Shared => return ending,
            Ownership::Grouped => drain.seal_max_group,
            Ownership::Sole => drain.seal_max,
        };
        let rung = listener.seal(first);
        ending.rung = Some(rung);
        if rung == Rung::Plain || is_migrated(listener, address, rung) {
            return ending;
        }
        ending.until = now.after(window);
        ending.half_open = Some(match rung {
            // The filter lets their ACKs pass, but nobody keeps a list of them.
            Rung::Filter if setting("tcp_syncookies") == Some(2) => HalfOpen::unknown(address),
            _ => HalfOpen::new(address),
        });
        ending
    }

    /// Ends it as soon as its queue is empty.
    pub(crate) fn hurry(&mut self, now: Time) {
        self.until = self.until.min(now);
    }

    /// When to look again although nobody woke us.
    pub(crate) fn next_deadline(&self) -> Time {
        self.recheck.min(self.until)
    }

    /// The queue is empty: what now?
    pub(crate) fn poll(&mut self, now: Time, cx: &mut Context<'_>) -> Verdict {
        if self.clear || now >= self.until {
            return Verdict::Close;
        }
        let Some(half_open) = &mut self.half_open else {
            return Verdict::Close;
        };
        if now < self.recheck && self.recheck != Time::NEVER {
            return Verdict::Wait;
        }
        match half_open.poll(cx) {
            Poll::Ready(Some(false)) => {
                self.clear = true;
                Verdict::AcceptAgain
            }
            Poll::Ready(Some(true)) => {
                self.recheck = now.after(self.pause);
                self.pause = LONGEST_PAUSE.min(self.pause * 2);
                Verdict::Wait
            }
            Poll::Ready(None) | Poll::Pending => {
                self.recheck = Time::NEVER;
                Verdict::Wait
            }
        }
    }
}

/// Whether the system hands the clients of a closing listener, whether they wait in its queue or
/// are still to come, to another one on its address.
///
/// That is asked after the seal, of which the first rung can be seen from outside. Two that end at
/// the same time would otherwise each rely on the other.
fn is_migrated(listener: &Listener, address: SocketAddr, rung: Rung) -> bool {
    listener.ownership() == Ownership::Grouped
        && rung != Rung::Filter
        && setting("tcp_migrate_req") == Some(1)
        && has_sibling(listener, address).unwrap_or(false)
}

/// Whether somebody else listens on the address, and is not about to end.
fn has_sibling(listener: &Listener, address: SocketAddr) -> io::Result<bool> {
    let inode = listener.inode()?;
    let mut found = false;
    SockDiag::open()?.visit(address, LISTEN, |entry| {
        found |= entry.is_bound_to(address)
            && entry.interface() != NOWHERE
            && u64::from(entry.inode()) != inode;
    })?;
    Ok(found)
}

/// One of the system's numbers for TCP.
fn setting(name: &str) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/sys/net/ipv4/{name}"));
    text.ok()?.trim().parse().ok()
}

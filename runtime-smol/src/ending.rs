//! How a listener ends, each kind by its own rule.

use std::fs;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use neap_core::{Drain, Time};

use crate::Address;
use crate::half_open::HalfOpen;
use crate::listener::{Listener, Ownership};
use crate::seal::Rung;
use crate::sock_diag::{LISTEN, SockDiag};

/// How often handshakes in flight are asked for. It is the one thing that nobody wakes us for.
const RECHECK: Duration = Duration::from_millis(5);

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
    recheck: Time,
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
        };
        listener.hide();
        let &Address::Tcp(address) = listener.address() else {
            return ending;
        };
        let window = match listener.ownership() {
            Ownership::Shared => return ending,
            // Whoever waits with us, or is about to, goes over to a sibling.
            Ownership::Grouped if is_migrated(address) => return ending,
            Ownership::Grouped => drain.seal_max_group,
            Ownership::Sole => drain.seal_max,
        };
        let rung = listener.seal(first);
        ending.rung = Some(rung);
        if rung != Rung::Plain {
            ending.until = now.after(window);
            ending.half_open = Some(HalfOpen::new(address));
        }
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
        match half_open.poll(cx) {
            Poll::Ready(Some(false)) => {
                self.clear = true;
                Verdict::AcceptAgain
            }
            Poll::Ready(Some(true)) => {
                self.recheck = now.after(RECHECK);
                Verdict::Wait
            }
            Poll::Ready(None) | Poll::Pending => {
                self.recheck = Time::NEVER;
                Verdict::Wait
            }
        }
    }
}

/// Whether the system hands the clients of a closing listener to another one on its address.
fn is_migrated(address: SocketAddr) -> bool {
    let setting = fs::read_to_string("/proc/sys/net/ipv4/tcp_migrate_req");
    let migrates = setting.is_ok_and(|value| value.trim() == "1");
    migrates && has_sibling(address)
}

fn has_sibling(address: SocketAddr) -> bool {
    let found = SockDiag::open().and_then(|diag| diag.find(address, LISTEN));
    found.is_ok_and(|found| found.sockets > 1)
}

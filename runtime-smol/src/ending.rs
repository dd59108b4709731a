//! How a listener ends, each kind by its own rule.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use neap_core::{Drain, Time};

use crate::Address;
use crate::half_open::HalfOpen;
use crate::listener::{Listener, Ownership};
use crate::seal::Rung;
use crate::system::ListeningSocket;

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
    since_seal: SinceSeal,
    /// Nobody can tell who is in the middle of a handshake.
    unlisted: bool,
    /// Nobody was left in the middle of a handshake: who has completed one is in the queue.
    clear: bool,
    /// When to look for them again; meanwhile there may be other reasons to wake up.
    recheck: Time,
    pause: Duration,
}

/// What has passed since the seal. A SYN that another processor was working on meanwhile is listed
/// a moment after it. So the first look comes a pause after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SinceSeal {
    /// The time is that of a turn that began before it, perhaps long before.
    Nothing,
    /// It is a later turn: from its time on the pause is counted.
    ATurn,
    /// The pause is over when it is time to look.
    APause,
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
    pub(crate) fn begin(
        listener: &mut Listener<impl ListeningSocket>,
        first: Rung,
        drain: &Drain,
        now: Time,
    ) -> Ending {
        let mut ending = Ending {
            rung: None,
            until: now,
            half_open: None,
            since_seal: SinceSeal::Nothing,
            unlisted: false,
            clear: false,
            recheck: Time::NEVER,
            pause: SHORTEST_PAUSE,
        };
        listener.hide();
        if !matches!(listener.address(), Address::Tcp(_)) {
            return ending;
        }
        let window = match listener.ownership() {
            Ownership::Shared => return ending,
            Ownership::Grouped => drain.seal_max_group,
            Ownership::Sole => drain.seal_max,
        };
        let rung = listener.seal(first);
        ending.rung = Some(rung);
        if rung == Rung::Plain {
            return ending;
        }
        ending.until = now.after(window);
        ending.half_open = Some(HalfOpen::default());
        // The filter lets the ACKs of cookies pass, but nobody keeps a list of them.
        ending.unlisted = rung == Rung::Filter && listener.socket().uses_cookies();
        ending
    }

    /// Ends it as soon as its queue is empty.
    pub(crate) fn hurry(&mut self, now: Time) {
        self.until = self.until.min(now);
    }

    /// How many are lost when it is closed now: those who are still in the middle of a handshake,
    /// as far as that is known, if nobody inherits them.
    pub(crate) fn lost(&mut self, listener: &mut Listener<impl ListeningSocket>) -> u64 {
        let Some(half_open) = self.half_open.as_mut().filter(|_| !self.clear) else {
            return 0;
        };
        // Only the first rung can be seen from outside: of two that end at the same time each
        // would otherwise rely on the other.
        let has_heir = || self.rung == Some(Rung::Interface) && listener.socket().has_heir();
        if !listener.ownership().loses(has_heir) {
            return 0;
        }
        if !self.unlisted && half_open.is_new() {
            // Who is given up before the first look is counted all the same.
            let cx = &mut Context::from_waker(Waker::noop());
            let _ = listener.poll_half_open(half_open, cx);
        }
        half_open.len() as u64
    }

    /// When to look again although nobody woke us.
    pub(crate) fn next_deadline(&self) -> Time {
        self.recheck.min(self.until)
    }

    /// The queue is empty: what now?
    pub(crate) fn poll(
        &mut self,
        listener: &mut Listener<impl ListeningSocket>,
        now: Time,
        cx: &mut Context<'_>,
    ) -> Verdict {
        let Some(half_open) = self.half_open.as_mut().filter(|_| !self.clear) else {
            return Verdict::Close;
        };
        if now >= self.until {
            return Verdict::Close;
        }
        if self.unlisted || (now < self.recheck && self.recheck != Time::NEVER) {
            return Verdict::Wait;
        }
        if let Some(left) = half_open.take_listed(listener.socket_mut(), SHORTEST_PAUSE) {
            self.since_seal = SinceSeal::APause;
            return self.see(left, now);
        }
        match self.since_seal {
            SinceSeal::Nothing => {
                self.since_seal = SinceSeal::ATurn;
                self.recheck = now;
                return Verdict::Wait;
            }
            SinceSeal::ATurn => {
                self.since_seal = SinceSeal::APause;
                return self.pause(now);
            }
            SinceSeal::APause => {}
        }
        match listener.poll_half_open(half_open, cx) {
            Poll::Ready(Some(left)) => self.see(left, now),
            Poll::Ready(None) | Poll::Pending => {
                self.recheck = Time::NEVER;
                Verdict::Wait
            }
        }
    }

    /// A look has told whether anybody is left in the middle of a handshake.
    fn see(&mut self, left: bool, now: Time) -> Verdict {
        if left {
            return self.pause(now);
        }
        self.clear = true;
        Verdict::AcceptAgain
    }

    /// Does not look again before a pause is over, each time a longer one.
    fn pause(&mut self, now: Time) -> Verdict {
        self.recheck = now.after(self.pause);
        self.pause = LONGEST_PAUSE.min(self.pause * 2);
        Verdict::Wait
    }
}

//! What a server tells when it is done, and while it runs.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use neap_core::{Cause, Durations, Fate, Outcome, Phase, State, Tally};

use crate::Address;
use crate::listener::Ownership;
use crate::seal::Rung;

/// What became of every connection and request of a server.
///
/// Accepted connections are those that are open and those that ended, each in one outcome. The
/// requests balance by themselves: each that was dispatched and is not under way any more met one
/// fate.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// What triggered the shutdown, once something has.
    pub cause: Option<Cause>,
    /// What ended the drain before everything had ended by itself, if something did.
    pub forced: Option<Cause>,
    /// How far the server has come.
    pub phase: Phase,
    /// Where it listened.
    pub listeners: Vec<ListenerReport>,
    /// Connections accepted.
    pub accepted: u64,
    /// How connections ended.
    pub outcomes: Outcomes,
    /// How requests ended.
    pub requests: Requests,
    /// Requests that were dispatched, and that the shutdown did not let end.
    pub lost: u64,
    /// Whom the shutdown cut off: the first [`Report::ABORTED_KEPT`]; `outcomes` counts all.
    pub aborted: Vec<Aborted>,
    /// Handlers that blocked their thread beyond the deadline and are still there; their
    /// connections are among those that were cut off.
    pub stuck: u64,
    /// How long each part of the shutdown lasted.
    pub durations: Durations,
}

/// A connection that the shutdown cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Aborted {
    /// Who it was.
    pub peer: Address,
    /// What it was doing.
    pub state: State,
    /// How long ago it had been accepted.
    pub age: Duration,
    /// Bytes read from it.
    pub bytes_in: u64,
    /// Bytes written to it.
    pub bytes_out: u64,
}

impl Report {
    /// How many of the connections that were cut off are described.
    pub const ABORTED_KEPT: usize = 1_024;

    /// Whether everybody who was being served was served to the end: no dispatched request was
    /// aborted or cut by the shutdown, nobody was left in a listener's queue, and no handler is
    /// stuck. The `neap` command's exit status is 0 then, otherwise 1.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.lost_in_queue() == 0 && self.stuck == 0
    }

    /// Clients that were left in listeners' queues.
    #[must_use]
    pub fn lost_in_queue(&self) -> u64 {
        self.listeners
            .iter()
            .map(|listener| listener.lost_in_queue)
            .sum()
    }
}

/// One paragraph, for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_course(f)?;
        let requests = &self.requests;
        write!(
            f,
            ": {} connections ({}), {} requests ({} completed",
            self.accepted, self.outcomes, requests.dispatched, requests.completed
        )?;
        for (count, name) in [
            (requests.truncated, "truncated"),
            (requests.aborted, "aborted"),
            (requests.vanished, "vanished"),
            (requests.panicked, "panicked"),
        ] {
            if count > 0 {
                write!(f, ", {count} {name}")?;
            }
        }
        match (self.lost, self.lost_in_queue()) {
            (0, 0) => f.write_str("); none lost")?,
            (lost, 0) => write!(f, "); {lost} lost by the shutdown")?,
            (lost, queue) => write!(f, "); {lost} lost by the shutdown, {queue} in the queue")?,
        }
        if self.stuck > 0 {
            write!(f, "; {} stuck", self.stuck)?;
        }
        let mut separator = "; ";
        for listener in &self.listeners {
            write!(f, "{separator}{listener}")?;
            separator = ", ";
        }
        self.fmt_aborted(f)
    }
}

impl Report {
    /// What stopped it, and how long that took.
    fn fmt_course(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.cause, self.phase) {
            (Some(cause), Phase::Done) => {
                let total = Short(self.durations.total);
                write!(f, "stopped by {} after {total}", cause.name())?;
            }
            (Some(cause), _) => write!(f, "stopping by {}", cause.name())?,
            (None, Phase::Done) => f.write_str("dropped")?,
            (None, _) => f.write_str("running")?,
        }
        let mut separator = " (";
        for (part, name) in [
            (self.durations.lame, "lame duck"),
            (self.durations.sealed, "sealing"),
            (self.durations.waited, "waiting"),
        ] {
            if part >= Duration::from_millis(1) {
                write!(f, "{separator}{name} {}", Short(part))?;
                separator = ", ";
            }
        }
        if separator == ", " {
            f.write_str(")")?;
        }
        self.forced
            .map_or(Ok(()), |forced| write!(f, ", forced by {}", forced.name()))
    }

    /// Whom it cut off, the first few of them.
    fn fmt_aborted(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMED: usize = 5;
        let mut separator = "; cut off: ";
        for aborted in self.aborted.iter().take(NAMED) {
            write!(f, "{separator}{aborted}")?;
            separator = ", ";
        }
        let named = self.aborted.len().min(NAMED) as u64;
        match self.outcomes.get(Outcome::Aborted).saturating_sub(named) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, age) = (self.state.name(), Short(self.age));
        write!(
            f,
            "{} ({state}, {age}, {} bytes in, {} out)",
            self.peer, self.bytes_in, self.bytes_out
        )
    }
}

impl fmt::Display for ListenerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.address)?;
        match (self.rung, self.ownership) {
            (Some(rung), _) => write!(f, "sealed ({})", rung.name())?,
            (None, Ownership::Shared) if self.ended => f.write_str("left to others")?,
            (None, _) if self.ended => f.write_str("closed")?,
            (None, _) => f.write_str("open")?,
        }
        for (lost, place) in [
            (self.lost_in_handshake, "in their handshakes"),
            (self.lost_in_queue, "in its queue"),
        ] {
            if lost > 0 {
                write!(f, ", {lost} lost {place}")?;
            }
        }
        Ok(())
    }
}

/// A duration in the unit that suits it.
struct Short(Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < Duration::from_secs(1) {
            write!(f, "{} ms", self.0.subsec_millis())
        } else {
            // In whole numbers: what prints fractions would be a sixtieth of a small program.
            let rounded = self.0.saturating_add(Duration::from_millis(50));
            write!(
                f,
                "{}.{} s",
                rounded.as_secs(),
                rounded.subsec_millis() / 100
            )
        }
    }
}

/// What became of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerReport {
    /// Where it listened.
    pub address: Address,
    /// Who else accepts from its address.
    pub ownership: Ownership,
    /// Whether it has ended.
    pub ended: bool,
    /// How it was sealed, if it was.
    pub rung: Option<Rung>,
    /// Clients that were still in the middle of a handshake when its window was over, as far as the
    /// system tells. With a shared address some of them may be another server's.
    pub lost_in_handshake: u64,
    /// Clients in its queue when it was closed by force, as far as the system tells.
    pub lost_in_queue: u64,
}

/// How many connections ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes([u64; Outcome::ALL.len()]);

impl Outcomes {
    /// Connections that ended like this.
    #[must_use]
    pub fn get(&self, outcome: Outcome) -> u64 {
        self.0[outcome as usize]
    }

    /// Connections that ended.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl fmt::Display for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for outcome in Outcome::ALL {
            let count = self.get(outcome);
            if count > 0 {
                write!(f, "{separator}{count} {}", outcome.name())?;
                separator = ", ";
            }
        }
        if separator.is_empty() {
            f.write_str("none ended")
        } else {
            Ok(())
        }
    }
}

/// How many requests met which fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Requests {
    /// Requests whose head was received whole.
    pub dispatched: u64,
    /// Their whole response reached the kernel.
    pub completed: u64,
    /// Their response was cut.
    pub truncated: u64,
    /// The shutdown ended them before their response began.
    pub aborted: u64,
    /// Their client was gone.
    pub vanished: u64,
    /// Their handler panicked before it answered.
    pub panicked: u64,
}

/// The sums of what has ended, written by the server, readable from other threads.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) accepted: AtomicU64,
    outcomes: [AtomicU64; Outcome::ALL.len()],
    dispatched: AtomicU64,
    completed: AtomicU64,
    truncated: AtomicU64,
    aborted: AtomicU64,
    vanished: AtomicU64,
    panicked: AtomicU64,
    lost: AtomicU64,
}

impl Totals {
    /// A connection has ended.
    pub(crate) fn add(&self, outcome: Outcome, tally: Tally) {
        add(&self.outcomes[outcome as usize], 1);
        let rest = u64::from(tally.dispatched - tally.completed);
        add(&self.dispatched, u64::from(tally.dispatched));
        add(&self.completed, u64::from(tally.completed));
        let fate = match tally.rest {
            Fate::Completed => &self.completed,
            Fate::Truncated => &self.truncated,
            Fate::Aborted => &self.aborted,
            Fate::Vanished => &self.vanished,
            Fate::Panicked => &self.panicked,
        };
        add(fate, rest);
        if outcome == Outcome::Aborted {
            add(&self.lost, rest);
        }
    }

    pub(crate) fn outcomes(&self) -> Outcomes {
        Outcomes(std::array::from_fn(|index| get(&self.outcomes[index])))
    }

    pub(crate) fn requests(&self) -> Requests {
        Requests {
            dispatched: get(&self.dispatched),
            completed: get(&self.completed),
            truncated: get(&self.truncated),
            aborted: get(&self.aborted),
            vanished: get(&self.vanished),
            panicked: get(&self.panicked),
        }
    }

    pub(crate) fn lost(&self) -> u64 {
        get(&self.lost)
    }
}

fn add(sum: &AtomicU64, count: u64) {
    if count > 0 {
        sum.fetch_add(count, Ordering::Relaxed);
    }
}

fn get(sum: &AtomicU64) -> u64 {
    sum.load(Ordering::Relaxed)
}

impl Report {
    pub(crate) fn empty() -> Report {
        Report {
            cause: None,
            forced: None,
            phase: Phase::Running,
            listeners: Vec::new(),
            accepted: 0,
            outcomes: Outcomes::default(),
            requests: Requests::default(),
            lost: 0,
            aborted: Vec::new(),
            stuck: 0,
            durations: Durations::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aborted(port: u16) -> Aborted {
        Aborted {
            peer: Address::Tcp(([10, 0, 0, 1], port).into()),
            state: State::Busy,
            age: Duration::from_millis(12_340),
            bytes_in: 120,
            bytes_out: 0,
        }
    }

    fn listener(address: &str, ownership: Ownership, rung: Option<Rung>) -> ListenerReport {
        ListenerReport {
            address: address.parse().unwrap(),
            ownership,
            ended: true,
            rung,
            lost_in_handshake: 0,
            lost_in_queue: 0,
        }
    }

    #[test]
    fn a_report_is_one_paragraph_that_tells_it_all() {
        let millis = Duration::from_millis;
        let mut report = Report::empty();
        report.cause = Some(Cause::Signal);
        report.forced = Some(Cause::Deadline);
        report.phase = Phase::Done;
        report.durations = Durations {
            lame: millis(5_000),
            sealed: millis(3),
            waited: millis(24_997),
            total: millis(30_001),
        };
        report.listeners = vec![
            listener("127.0.0.1:80", Ownership::Sole, Some(Rung::Interface)),
            listener("[::1]:80", Ownership::Shared, None),
            listener("unix:/run/a", Ownership::Sole, None),
        ];
        report.listeners[2].lost_in_queue = 2;
        report.accepted = 7;
        let totals = Totals::default();
        let tally = Tally {
            dispatched: 2,
            completed: 1,
            rest: Fate::Aborted,
        };
        for port in 1..=7 {
            totals.add(Outcome::Aborted, tally);
            report.aborted.push(aborted(port));
        }
        report.outcomes = totals.outcomes();
        report.requests = totals.requests();
        report.lost = totals.lost();
        let named: Vec<_> = (1..=5)
            .map(|port| format!("10.0.0.1:{port} (busy, 12.3 s, 120 bytes in, 0 out)"))
            .collect();
        let expected = format!(
            "stopped by signal after 30.0 s (lame duck 5.0 s, sealing 3 ms, waiting 25.0 s), \
             forced by deadline: 7 connections (7 aborted), 14 requests (7 completed, 7 aborted); \
             7 lost by the shutdown, 2 in the queue; 127.0.0.1:80 sealed (interface), \
             [::1]:80 left to others, unix:/run/a closed, 2 lost in its queue; \
             cut off: {} and 2 more",
            named.join(", ")
        );
        assert_eq!(report.to_string(), expected);
    }

    #[test]
    fn what_did_not_happen_is_left_out() {
        let mut report = Report::empty();
        report.cause = Some(Cause::Request);
        report.phase = Phase::Done;
        let expected = "stopped by request after 0 ms: 0 connections (none ended), \
                        0 requests (0 completed); none lost";
        assert_eq!(report.to_string(), expected);
    }
}

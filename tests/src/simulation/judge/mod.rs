//! The judge: what every client must have seen, worked out from the script and from what the
//! network saw. It knows nothing of neap's code; it knows the specification.
//!
//! Its chief rule is the claim that everything serves, I0: a client whose SYN was answered before
//! the seal, and whose ACK, first byte, head and exchange each came within their windows, gets a
//! whole response. The others are the invariants of the specification that can be seen from
//! outside, by their numbers. Where two things happen at the same moment either order is allowed.

mod closing;
mod exchange;
mod handshake;
mod phases;
mod responses;
mod times;
mod totals;

use std::fmt;

pub use times::{NEVER, Times};

use super::script::{AcceptError, MS, Micros};
use super::world::Run;

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub rule: &'static str,
    /// How.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.text)
    }
}

/// What the judge has found so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, rule: &'static str, text: impl Into<String>) {
        let text = text.into();
        self.0.push(Violation { rule, text });
    }

    /// Notes a rule that is broken unless `holds`.
    fn check(&mut self, holds: bool, rule: &'static str, text: impl FnOnce() -> String) {
        if !holds {
            self.add(rule, text());
        }
    }
}

/// Windows that the servers keep in steps of their own: how soon a sealed listener is looked at
/// again, at most.
const RECHECK: Micros = 7 * MS;

/// How exact a timer is.
const EXACT: Micros = 10;

/// All rules that were broken.
#[must_use]
pub fn judge(run: &Run) -> Vec<Violation> {
    let mut findings = Findings::default();
    for server in 0..run.servers.len() {
        let times = Times::of(run, server);
        phases::check(run, server, &times, &mut findings);
        for lie in &run.servers[server].lies {
            findings.add("I6 I11 I17 what it says of itself is so", lie.clone());
        }
        handshake::check_listener(run, server, &times, &mut findings);
        for client in 0..run.records.len() {
            let accepted = run.records[client].accepted;
            if accepted.is_some_and(|(_, _, by)| by == server) {
                exchange::check(run, client, &times, &mut findings);
                closing::check(run, client, &times, &mut findings);
            }
        }
        totals::check(run, server, &times, &mut findings);
    }
    for client in 0..run.records.len() {
        handshake::check_client(run, client, &mut findings);
    }
    findings.0
}

/// Whether a server may have run out of descriptors.
fn may_be_exhausted(run: &Run) -> bool {
    let is_shortage = |error: AcceptError| {
        matches!(
            error,
            AcceptError::ProcessFiles
                | AcceptError::SystemFiles
                | AcceptError::Buffers
                | AcceptError::Memory
        )
    };
    let net = &run.script.net;
    net.descriptors < run.script.clients.len()
        || net
            .accept_errors
            .iter()
            .any(|(_, error)| is_shortage(*error))
}

/// Whether clients may have to wait until others are gone.
fn may_be_full(run: &Run) -> bool {
    may_be_exhausted(run) || run.script.net.max_connections <= run.script.clients.len()
}

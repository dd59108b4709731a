//! A server's report, in plain numbers and words.

use std::collections::BTreeMap;

use neap_smol::{Cause, Outcome, Report, Rung};

use super::faults::Fault;

/// A server's report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are named as in the report")]
pub struct Account {
    pub cause: Option<&'static str>,
    pub forced: Option<&'static str>,
    pub accepted: u64,
    pub outcomes: BTreeMap<&'static str, u64>,
    pub dispatched: u64,
    pub completed: u64,
    pub truncated: u64,
    pub aborted: u64,
    pub vanished: u64,
    pub panicked: u64,
    pub lost: u64,
    pub is_clean: bool,
    pub described: u64,
    pub listener_ended: bool,
    pub ownership: &'static str,
    pub rung: Option<&'static str>,
    pub lost_in_queue: u64,
    pub lost_in_handshake: u64,
}

impl Account {
    /// What a report says.
    #[must_use]
    pub fn of(report: &Report) -> Account {
        let outcomes = Outcome::ALL
            .into_iter()
            .map(|outcome| (outcome.name(), report.outcomes.get(outcome)))
            .filter(|(_, count)| *count > 0);
        let requests = &report.requests;
        let listener = report.listeners.first();
        Account {
            cause: report.cause.map(Cause::name),
            forced: report.forced.map(Cause::name),
            accepted: report.accepted,
            outcomes: outcomes.collect(),
            dispatched: requests.dispatched,
            completed: requests.completed,
            truncated: requests.truncated,
            aborted: requests.aborted,
            vanished: requests.vanished,
            panicked: requests.panicked,
            lost: report.lost,
            is_clean: report.is_clean(),
            described: report.aborted.len() as u64,
            listener_ended: listener.is_some_and(|listener| listener.ended),
            ownership: listener.map_or("", |listener| listener.ownership.name()),
            rung: listener.and_then(|listener| listener.rung.map(Rung::name)),
            lost_in_queue: listener.map_or(0, |listener| listener.lost_in_queue),
            lost_in_handshake: listener.map_or(0, |listener| listener.lost_in_handshake),
        }
    }

    /// How many connections ended.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Makes it say what is not so, if that is the fault.
    pub(super) fn tamper(&mut self, fault: Fault) {
        match fault {
            Fault::ReportCountsTwice => self.accepted += 1,
            Fault::ReportHidesLoss => self.lost = 0,
            _ => {}
        }
    }
}

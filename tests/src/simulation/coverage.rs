//! What a number of runs has met. A run that meets too little shows too little.

use std::collections::BTreeMap;

use super::kernel::{End, Reset};
use super::script::{AcceptError, Command, Kind, Listing, Owner};
use super::world::{Ended, Run};

/// What was met, and how often.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    met: BTreeMap<String, u64>,
}

/// The ways in which a connection can end, but for other protocols.
const OUTCOMES: [&str; 8] = [
    "completed",
    "closed_idle",
    "closed_fresh",
    "refused",
    "vanished",
    "truncated",
    "aborted",
    "stalled",
];

impl Coverage {
    /// Takes note of a run.
    pub fn add(&mut self, run: &Run) {
        let net = &run.script.net;
        self.meet(format!("owner {:?}", net.owner));
        if net.migrate && run.records.iter().any(|record| record.migrated) {
            self.meet("migrated".into());
        }
        if net.cookies {
            self.meet("cookies".into());
        }
        self.meet(match net.listing {
            Listing::Known => "listing known".into(),
            Listing::Unknown => "listing unknown".into(),
            Listing::Slow(_) => "listing slow".into(),
        });
        for (_, error) in &net.accept_errors {
            self.meet(format!("accept error {error:?}"));
        }
        for (client, record) in run.script.clients.iter().zip(&run.records) {
            let how = match (record.accepted, record.was_reset) {
                (Some(_), _) => "accepted",
                (None, Some((_, Reset::Refused))) => "refused",
                _ => "unreached",
            };
            if record.accepted.is_some() {
                self.meet(format!("client {:?}", client.kind));
            }
            self.meet(how.into());
            if let Some((_, end)) = record.end {
                self.meet(format!("end {end:?}"));
            }
            if let Some((_, reset)) = record.was_reset {
                self.meet(format!("reset {reset:?}"));
            }
        }
        for server in &run.servers {
            for (_, command) in &server.told {
                self.meet(format!("told {command:?}"));
            }
            if let Some((_, ended)) = server.ended {
                self.meet(format!("server {ended:?}"));
            }
            let Some(account) = &server.account else {
                continue;
            };
            for outcome in account.outcomes.keys() {
                self.meet(format!("outcome {outcome}"));
            }
            self.meet(format!("cause {}", account.cause.unwrap_or("none")));
            self.meet(format!("forced by {}", account.forced.unwrap_or("nothing")));
            self.meet(format!("rung {}", account.rung.unwrap_or("none")));
            let lost = account.lost_in_queue > 0;
            self.meet(format!("lost in queue: {lost}"));
        }
    }

    fn meet(&mut self, what: String) {
        *self.met.entry(what).or_default() += 1;
    }

    /// What has to be met and was not.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let expected = Coverage::expected();
        let is_missing = |what: &String| !self.met.contains_key(what);
        expected.into_iter().filter(is_missing).collect()
    }

    fn expected() -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        all.extend(Kind::DRAWN.map(|kind| format!("client {kind:?}")));
        all.extend(OUTCOMES.map(|outcome| format!("outcome {outcome}")));
        let owners = [Owner::Sole, Owner::Grouped, Owner::Shared, Owner::Unix];
        all.extend(owners.map(|owner| format!("owner {owner:?}")));
        let causes = ["signal", "request", "failed listeners"];
        all.extend(causes.map(|cause| format!("cause {cause}")));
        let forces = ["nothing", "signal", "request", "deadline"];
        all.extend(forces.map(|cause| format!("forced by {cause}")));
        all.extend(["interface", "filter", "plain", "none"].map(|rung| format!("rung {rung}")));
        let ends = [Ended::Done, Ended::Dropped, Ended::Killed];
        all.extend(ends.map(|end| format!("server {end:?}")));
        all.extend([End::Fin, End::Reset, End::Own].map(|end| format!("end {end:?}")));
        // That input is left unread is what the server avoids: only where its future is dropped.
        let resets = [
            Reset::Refused,
            Reset::HalfOpen,
            Reset::Queued,
            Reset::Asked,
            Reset::Late,
        ];
        all.extend(resets.map(|reset| format!("reset {reset:?}")));
        let commands = [
            Command::Terminate,
            Command::Interrupt,
            Command::Drain,
            Command::CloseNow,
            Command::CancelDrain,
            Command::Drop,
        ];
        all.extend(commands.map(|command| format!("told {command:?}")));
        all.extend(AcceptError::ALL.map(|error| format!("accept error {error:?}")));
        let others = [
            "migrated",
            "cookies",
            "listing known",
            "listing unknown",
            "listing slow",
            "accepted",
            "refused",
            "unreached",
            "lost in queue: true",
        ];
        all.extend(others.map(Into::into));
        all
    }

    /// What was met, a line for each.
    #[must_use]
    pub fn lines(&self) -> String {
        let line = |(what, count): (&String, &u64)| format!("{count:>8} {what}\n");
        self.met.iter().map(line).collect()
    }
}

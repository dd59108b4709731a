//! When a server took which step, and when it could hear of what happened.

use super::EXACT;
use crate::simulation::script::{Command, Micros};
use crate::simulation::world::{Ended, Progress, Run};

/// A moment that does not come.
pub const NEVER: Micros = Micros::MAX / 4;

/// When a server took which step.
#[derive(Clone, Debug)]
pub struct Times {
    /// Which server.
    pub server: usize,
    pub(super) steps: Vec<(Micros, Progress)>,
    stalls: Vec<(Micros, Micros)>,
    /// When the drain was called off, or was to be.
    cancelled: Vec<Micros>,
    /// The drain's beginning.
    pub drained: Micros,
    /// From when on its connections are hurried.
    pub sealing: Micros,
    /// When it began to abort what was left.
    pub closing: Micros,
    /// The same, if it was made to.
    pub forced: Micros,
    /// When it was over.
    pub over: Micros,
}

impl Times {
    pub(super) fn of(run: &Run, server: usize) -> Times {
        let server_run = &run.servers[server];
        let steps = server_run.steps.clone();
        let first = |least: Progress| {
            let found = steps.iter().find(|(_, step)| *step >= least);
            found.map_or(NEVER, |(at, _)| *at)
        };
        let last_run = steps
            .iter()
            .rposition(|(_, step)| *step == Progress::Running);
        let drained = last_run.map_or(0, |index| index + 1);
        let drained = steps.get(drained).map_or(NEVER, |(at, _)| *at);
        let mut times = Times {
            server,
            stalls: run.script.servers[server].stalls.clone(),
            cancelled: (server_run.told.iter())
                .filter(|(_, command)| *command == Command::CancelDrain)
                .map(|(at, _)| *at)
                .collect(),
            drained,
            sealing: first(Progress::Sealing),
            closing: first(Progress::Closing),
            forced: NEVER,
            over: server_run.ended.map_or(NEVER, |(at, _)| at),
            steps,
        };
        times.forced = times.forced_at(run);
        times
    }

    fn forced_at(&self, run: &Run) -> Micros {
        let server_run = &run.servers[self.server];
        let windows = &run.script.windows;
        let told = server_run.told.iter().any(|(at, command)| {
            *at == self.closing && !matches!(command, Command::Drain | Command::CancelDrain)
        });
        let deadline = self.closing >= self.drained.saturating_add(windows.deadline);
        let ended = match server_run.ended {
            Some((at, Ended::Dropped | Ended::Killed)) => at,
            _ => NEVER,
        };
        if self.closing < NEVER && (told || deadline) {
            self.closing.min(ended)
        } else {
            ended
        }
    }

    /// Where the server stood just before `at`, and where it stood then.
    #[must_use]
    pub fn around(&self, at: Micros) -> (Progress, Progress) {
        let last = |steps: &mut dyn Iterator<Item = &(Micros, Progress)>| {
            steps.last().map_or(Progress::Running, |(_, step)| *step)
        };
        (
            last(&mut self.steps.iter().filter(|(time, _)| *time < at)),
            last(&mut self.steps.iter().filter(|(time, _)| *time <= at)),
        )
    }

    /// Whether the drain was called off at `at`: for a moment at least it ran again.
    #[must_use]
    pub fn runs_at(&self, at: Micros) -> bool {
        self.cancelled.contains(&at)
    }

    /// When the server can look at what happens at `at`.
    #[must_use]
    pub fn heard(&self, at: Micros) -> Micros {
        let stall = self
            .stalls
            .iter()
            .filter(|(from, until)| *from <= at && at < *until);
        stall.map(|(_, until)| *until).max().unwrap_or(at)
    }

    /// For how long it does not get the processor, in all.
    #[must_use]
    pub fn stalled(&self) -> Micros {
        self.stalls.iter().map(|(from, until)| until - from).sum()
    }

    /// When something must have happened that is due at `at`.
    #[must_use]
    pub fn due(&self, at: Micros) -> Micros {
        self.heard(at.saturating_add(EXACT)).saturating_add(EXACT)
    }
}

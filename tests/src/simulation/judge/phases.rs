//! The server's steps: each one has its reason, and no reason is without its step (I1, I12, I13).

use super::{EXACT, Findings};
use crate::simulation::script::{Command, Micros};
use crate::simulation::world::{Ended, Progress, Run};

/// A moment that does not come.
pub const NEVER: Micros = Micros::MAX / 4;

/// When a server took which step.
#[derive(Clone, Debug)]
pub struct Times {
    /// Which server.
    pub server: usize,
    steps: Vec<(Micros, Progress)>,
    stalls: Vec<(Micros, Micros)>,
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

/// The server's machine, as the specification has it.
struct Model {
    step: Progress,
    drained: Micros,
    since: Micros,
    killed: bool,
}

pub(super) fn check(run: &Run, server: usize, times: &Times, findings: &mut Findings) {
    let server_run = &run.servers[server];
    let windows = &run.script.windows;
    let mut model = Model {
        step: Progress::Running,
        drained: NEVER,
        since: 0,
        killed: false,
    };
    let mut told = server_run.told.clone();
    told.sort_by_key(|(at, _)| *at);
    let mut told = told.iter().peekable();
    let mut steps = times.steps.iter().peekable();
    let mut failed = run.listeners[server_run.listener].failed[server];
    loop {
        let timer = match model.step {
            Progress::Running | Progress::Done => NEVER,
            Progress::LameDuck => model.drained + windows.lame_duck.min(windows.deadline),
            Progress::Sealing | Progress::Waiting => model.drained + windows.deadline,
            Progress::Closing => model.since + windows.close_grace,
        };
        let timer = if timer == NEVER {
            NEVER
        } else {
            times.heard(timer)
        };
        let command = told.peek().map_or(NEVER, |(at, _)| *at);
        let step = steps.peek().map_or(NEVER, |(at, _)| *at);
        let now = timer.min(command).min(step).min(failed.unwrap_or(NEVER));
        if now == NEVER || now > times.over {
            break;
        }
        let forced = model.step;
        if timer == now {
            model.expire(now, windows.lame_duck, windows.deadline);
        }
        let mut heard: Vec<Command> = Vec::new();
        while let Some((_, command)) = told.next_if(|(at, _)| *at == now) {
            heard.push(*command);
        }
        for command in effective(heard) {
            model.hear(command, now, run);
        }
        if model.killed {
            break;
        }
        if failed.take_if(|at| *at == now).is_some() {
            // It listens no more: there is nothing left to run for.
            model.drain(now, run);
        }
        let seen = std::iter::from_fn(|| steps.next_if(|(at, _)| *at == now)).last();
        let seen = seen.map_or(forced, |(_, step)| *step);
        let expected = model.step;
        model.rest(seen, now);
        findings.check(
            model.step == seen,
            "I1 I13 each step has its reason",
            || {
                format!(
                    "server {server} stands at {seen:?} at {now}, not {expected:?} or what follows"
                )
            },
        );
        if model.step != seen {
            return;
        }
    }
    let killed = matches!(server_run.ended, Some((_, Ended::Killed)));
    findings.check(
        killed == model.killed,
        "§3 a last signal ends the process",
        || format!("server {server}: {killed}"),
    );
    findings.check(server_run.ended.is_some(), "liveness: it is done", || {
        format!("server {server} never is")
    });
}

/// What is done of all that is heard at one moment. Signals come first; of what is asked through
/// the handle, to drain and to call that off, the last word counts; to close is more than either.
fn effective(heard: Vec<Command>) -> Vec<Command> {
    let is_word = |command: &&Command| matches!(command, Command::Drain | Command::CancelDrain);
    let last = heard.iter().rfind(is_word).copied();
    let (signals, others): (Vec<_>, Vec<_>) = heard
        .into_iter()
        .filter(|command| !is_word(&command))
        .partition(|command| matches!(command, Command::Terminate | Command::Interrupt));
    signals.into_iter().chain(last).chain(others).collect()
}

impl Model {
    fn go(&mut self, step: Progress, now: Micros) {
        if self.step == Progress::Running {
            self.drained = now;
        }
        self.step = step;
        self.since = now;
    }

    fn expire(&mut self, now: Micros, lame_duck: Micros, deadline: Micros) {
        match self.step {
            Progress::LameDuck if now < self.drained + deadline => {
                debug_assert!(now >= self.drained + lame_duck, "only then");
                self.go(Progress::Sealing, now);
            }
            Progress::LameDuck | Progress::Sealing | Progress::Waiting => {
                self.go(Progress::Closing, now);
            }
            Progress::Closing => self.go(Progress::Done, now),
            Progress::Running | Progress::Done => {}
        }
    }

    fn drain(&mut self, now: Micros, run: &Run) {
        if self.step == Progress::Running {
            let lame = run.script.windows.lame_duck > 0;
            let next = if lame {
                Progress::LameDuck
            } else {
                Progress::Sealing
            };
            self.go(next, now);
        }
    }

    fn close(&mut self, now: Micros) {
        if self.step < Progress::Closing {
            self.go(Progress::Closing, now);
        }
    }

    fn hear(&mut self, command: Command, now: Micros, run: &Run) {
        let windows = &run.script.windows;
        match command {
            Command::Interrupt if windows.interrupt_closes => self.close(now),
            Command::Terminate | Command::Interrupt => match self.step {
                Progress::Running => self.drain(now, run),
                _ if now - self.since < windows.debounce => {}
                Progress::LameDuck => self.go(Progress::Sealing, now),
                Progress::Sealing | Progress::Waiting => self.go(Progress::Closing, now),
                Progress::Closing => self.killed = true,
                Progress::Done => {}
            },
            Command::Drain => self.drain(now, run),
            Command::CloseNow => self.close(now),
            Command::CancelDrain => {
                if self.step == Progress::LameDuck {
                    self.go(Progress::Running, now);
                }
            }
            Command::Drop => self.go(Progress::Done, now),
        }
    }

    /// The steps that are taken when nothing is left to wait for.
    fn rest(&mut self, seen: Progress, now: Micros) {
        while self.step < seen && self.step >= Progress::Sealing {
            let next = match self.step {
                Progress::Sealing => Progress::Waiting,
                Progress::Waiting => Progress::Closing,
                _ => Progress::Done,
            };
            self.go(next, now);
        }
    }
}

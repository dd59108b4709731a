//! The server's steps: each one has its reason, and no reason is without its step (I1, I12, I13).

use super::{Findings, NEVER, Times};
use crate::simulation::script::{Command, Micros};
use crate::simulation::world::{Ended, Progress, Run};

/// The server's machine, as the specification has it.
#[derive(Clone, Copy, Debug)]
struct Model {
    step: Progress,
    drained: Micros,
    since: Micros,
    killed: bool,
}

/// What happens to a server at one moment.
struct Moment {
    now: Micros,
    /// Its timer is due.
    expires: bool,
    heard: Vec<Command>,
    /// Its listener fails.
    fails: bool,
    /// Where it stands after that, if that is another step than before.
    seen: Option<Progress>,
}

pub(super) fn check(run: &Run, server: usize, times: &Times, findings: &mut Findings) {
    let server_run = &run.servers[server];
    let killed = matches!(server_run.ended, Some((_, Ended::Killed)));
    let mut model = Model {
        step: Progress::Running,
        drained: NEVER,
        since: 0,
        killed: false,
    };
    let mut told = server_run.told.clone();
    told.sort_by_key(|(at, _)| *at);
    let mut told = told.into_iter().peekable();
    let mut steps = times.steps.iter().copied().peekable();
    let mut failed = run.listeners[server_run.listener].failed[server];
    loop {
        let timer = model.timer(run, times);
        let command = told.peek().map_or(NEVER, |(at, _)| *at);
        let step = steps.peek().map_or(NEVER, |(at, _)| *at);
        let now = timer.min(command).min(step).min(failed.unwrap_or(NEVER));
        if now == NEVER || now > times.over {
            break;
        }
        let moment = Moment {
            now,
            expires: timer == now,
            heard: effective(&mut std::iter::from_fn(|| {
                told.next_if(|(at, _)| *at == now)
                    .map(|(_, command)| command)
            })),
            fails: failed.take_if(|at| *at == now).is_some(),
            seen: std::iter::from_fn(|| steps.next_if(|(at, _)| *at == now))
                .last()
                .map(|(_, step)| step),
        };
        let seen = moment.seen.unwrap_or(model.step);
        let either = [true, false].map(|first| model.after(&moment, seen, first, run));
        let agrees = |after: &Model| after.killed || after.step == seen;
        let after = either
            .iter()
            .find(|after| after.killed == killed && agrees(after));
        let Some(after) = after.or(either.iter().find(|after| agrees(after))) else {
            let text = format!("server {server} stands at {seen:?} at {now}, not {either:?}");
            return findings.add("I1 I13 each step has its reason", text);
        };
        model = *after;
        if model.killed {
            break;
        }
    }
    let rule = "§3 a last signal ends the process";
    findings.check(killed == model.killed, rule, || {
        format!("server {server}: {killed}")
    });
    findings.check(server_run.ended.is_some(), "liveness: it is done", || {
        format!("server {server} never is")
    });
}

/// In which order all that is heard at one moment is done: what is asked through the handle as it
/// came, and behind that the signals, which the server asks for when it is awake.
fn effective(heard: &mut dyn Iterator<Item = Command>) -> Vec<Command> {
    let is_signal = |command: &Command| matches!(command, Command::Terminate | Command::Interrupt);
    let (signals, asked): (Vec<_>, Vec<_>) = heard.partition(is_signal);
    [asked, signals].concat()
}

impl Model {
    /// When time alone takes it further.
    fn timer(&self, run: &Run, times: &Times) -> Micros {
        let windows = &run.script.windows;
        let due = match self.step {
            Progress::Running | Progress::Done => return NEVER,
            Progress::LameDuck => self.drained + windows.lame_duck.min(windows.deadline),
            Progress::Sealing | Progress::Waiting => self.drained + windows.deadline,
            Progress::Closing => self.since + windows.close_grace,
        };
        times.heard(due)
    }

    /// Where a moment leads that ends with the server at `seen`, if the timer comes first, or last.
    fn after(mut self, moment: &Moment, seen: Progress, timer_first: bool, run: &Run) -> Model {
        if moment.expires && timer_first {
            self.expire(moment.now, run);
        }
        for command in &moment.heard {
            self.hear(*command, moment.now, run);
        }
        if moment.expires && !timer_first {
            self.expire(moment.now, run);
        }
        if moment.fails {
            // It listens no more: there is nothing left to run for.
            self.drain(moment.now, run);
        }
        if !self.killed {
            self.rest(seen, moment.now);
        }
        self
    }

    fn go(&mut self, step: Progress, now: Micros) {
        if self.step == Progress::Running {
            self.drained = now;
        }
        self.step = step;
        self.since = now;
    }

    fn expire(&mut self, now: Micros, run: &Run) {
        match self.step {
            Progress::LameDuck if now < self.drained + run.script.windows.deadline => {
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
            Command::Interrupt if windows.interrupt_closes && self.step < Progress::Closing => {
                self.close(now);
            }
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

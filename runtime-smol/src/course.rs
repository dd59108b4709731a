//! The course of a shutdown, as it is known outside of the server's thread: what was asked of the
//! server and when, how far it had come when that thread was last heard of, and what must have
//! become of it since.

use std::sync::Arc;

use neap_core::{Cause, Config, Lifecycle, Phase, SignalEffect, Time};

use crate::event::Observer;
use crate::listener::Watched;
use crate::registry::Registry;
use crate::system::StopSignal;
use crate::threads::Thread;
use crate::{Interrupt, Report};

/// What waits to be taken up at most. Beyond it only the latest counts: each moves the shutdown a
/// step further at most, and there are fewer steps.
const ASKED: usize = 16;

/// What can be asked of a server from outside of its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Drain,
    Close,
    Cancel,
    Signal(StopSignal),
}

/// The settings that decide what follows from a command.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) config: Config,
    pub(crate) interrupt: Interrupt,
}

impl Command {
    /// Lets `lifecycle` take it up, as something that came at `at`.
    pub(crate) fn apply(self, at: Time, lifecycle: &mut Lifecycle, rules: &Rules) -> SignalEffect {
        let Rules { config, interrupt } = rules;
        let is_open = lifecycle.phase() < Phase::Closing;
        match self {
            Command::Drain => lifecycle.drain(at, config, Cause::Request),
            Command::Close => lifecycle.close_now(at, Cause::Request),
            Command::Cancel => {
                lifecycle.cancel_drain(at);
            }
            Command::Signal(StopSignal::Interrupt) if *interrupt == Interrupt::Close && is_open => {
                lifecycle.close_now(at, Cause::Signal);
            }
            Command::Signal(_) => return lifecycle.handle_signal(at, config),
        }
        SignalEffect::Obeyed
    }
}

/// Who keeps an eye on the server's thread.
#[derive(Debug, Default)]
pub(crate) enum Watch {
    /// Nobody may: it does not serve yet, or its time is not the real one.
    #[default]
    Off,
    /// Nobody needs to before the drain begins.
    Ready,
    /// A thread of its own.
    Thread(Thread),
    /// Whoever called [`Server::run`](crate::Server::run).
    Caller,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// As the server's thread last left it.
    pub(crate) lifecycle: Lifecycle,
    pub(crate) rules: Rules,
    /// What that thread has not taken up yet, in its order; [`Time::NEVER`] where there is no
    /// clock to tell when it came.
    asked: Vec<(Time, Command)>,
    pub(crate) watch: Watch,
    /// The server is done: nobody has to be watched, or cut off, any more.
    pub(crate) is_over: bool,
    /// The report, where it was delivered in the server's stead.
    pub(crate) report: Option<Report>,
    pub(crate) listeners: Vec<Watched>,
    /// Who is connected to the admin listener.
    pub(crate) admin: Option<Arc<Registry>>,
    pub(crate) observer: Observer,
}

impl Course {
    pub(crate) fn ask(&mut self, at: Time, command: Command) {
        let is_signal = matches!(command, Command::Signal(_));
        let is_full = self.asked.len() >= ASKED;
        match self.asked.last_mut() {
            // Of two of the same the first counts. Signals tell by their times whether they do.
            Some((_, last)) if *last == command && !is_signal => {}
            Some(last) if is_full => *last = (at, command),
            _ => self.asked.push((at, command)),
        }
    }

    /// What has been asked since this was last called.
    pub(crate) fn take_asked(&mut self) -> Vec<(Time, Command)> {
        std::mem::take(&mut self.asked)
    }

    /// How far the server has to be at `now`, unless connections and listeners that have ended
    /// have brought it further.
    pub(crate) fn foresee(&self, now: Time) -> Lifecycle {
        let mut lifecycle = self.lifecycle.clone();
        for (at, command) in &self.asked {
            let at = (*at).min(now);
            pass_time(&mut lifecycle, &self.rules.config, at);
            command.apply(at, &mut lifecycle, &self.rules);
        }
        pass_time(&mut lifecycle, &self.rules.config, now);
        lifecycle
    }
}

/// Lets `lifecycle` take each step that is due by `now`, at the moment at which it is due.
fn pass_time(lifecycle: &mut Lifecycle, config: &Config, now: Time) {
    while let Some(due) = lifecycle.poll_timeout(config).filter(|due| *due <= now) {
        let before = lifecycle.progress();
        lifecycle.handle_timeout(due, config);
        if lifecycle.progress() == before {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use neap_core::Progress;

    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO.after(Duration::from_millis(millis))
    }

    fn course(asked: &[(u64, Command)]) -> Course {
        let mut course = Course::default();
        for (millis, command) in asked {
            course.ask(at(*millis), *command);
        }
        course
    }

    const TERM: Command = Command::Signal(StopSignal::Terminate);
    const INT: Command = Command::Signal(StopSignal::Interrupt);

    #[test]
    fn a_server_that_is_not_heard_of_is_closing_and_then_done() {
        for command in [Command::Drain, TERM] {
            let course = course(&[(1_000, command)]);
            let progress = |millis| course.foresee(at(millis)).progress();
            assert_eq!(progress(30_999), Progress::Sealing);
            assert_eq!(progress(31_000), Progress::Closing);
            assert_eq!(progress(31_499), Progress::Closing);
            assert_eq!(progress(31_500), Progress::Done);
            assert_eq!(
                course.foresee(at(99_000)).forced(),
                Some(Cause::Deadline),
                "however late it is asked for"
            );
        }
    }

    #[test]
    fn a_second_signal_counts_from_the_moment_at_which_it_came() {
        let second = course(&[(0, TERM), (2_000, TERM)]);
        assert_eq!(second.foresee(at(2_499)).progress(), Progress::Closing);
        assert_eq!(second.foresee(at(2_500)).progress(), Progress::Done);
        let duplicate = course(&[(0, TERM), (100, TERM)]);
        assert_eq!(duplicate.foresee(at(2_500)).progress(), Progress::Sealing);
        let mut closing = second.foresee(at(2_400));
        let effect = TERM.apply(at(2_400), &mut closing, &second.rules);
        assert_eq!(effect, SignalEffect::Default, "a third ends the process");
    }

    #[test]
    fn an_interrupt_that_closes_at_once_ends_the_process_when_it_comes_again() {
        let mut course = course(&[(0, INT)]);
        course.rules.interrupt = Interrupt::Close;
        let mut closing = course.foresee(at(300));
        assert_eq!(closing.progress(), Progress::Closing);
        let effect = INT.apply(at(300), &mut closing, &course.rules);
        assert_eq!(effect, SignalEffect::Default);
    }

    #[test]
    fn commands_are_taken_in_their_order_and_there_are_never_many() {
        let mut course = Course::default();
        course.rules.config.drain.lame_duck = Duration::from_secs(5);
        course.ask(at(0), Command::Drain);
        course.ask(at(1), Command::Drain);
        course.ask(at(2), Command::Cancel);
        assert_eq!(course.foresee(at(3)).progress(), Progress::Running);
        for millis in 3..1_000 {
            course.ask(at(millis), TERM);
        }
        let asked = course.take_asked();
        assert_eq!(
            asked[..2],
            [(at(0), Command::Drain), (at(2), Command::Cancel)]
        );
        assert_eq!((asked.len(), asked[ASKED - 1].0), (ASKED, at(999)));
        assert!(course.take_asked().is_empty());
    }
}

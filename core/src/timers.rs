//! The deadlines of a connection: a table whose minimum is the one `poll_timeout`.

use core::time::Duration;

use crate::control::{Content, Control, Stage, Timer};
use crate::{Tick, Time};

/// What input a connection waits for, each with a window of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Nothing,
    FirstByte,
    Head,
    Request,
    Content,
    Silence,
}

impl Wait {
    fn of(control: &Control) -> Wait {
        match control.stage {
            Stage::Fresh => Wait::FirstByte,
            Stage::Head => Wait::Head,
            Stage::Idle if !control.unflushed => Wait::Request,
            Stage::Running(Content::Invited | Content::Wanted)
            | Stage::Replying(Content::Wanted)
            | Stage::Skipping => Wait::Content,
            Stage::Lingering => Wait::Silence,
            Stage::LookFresh
            | Stage::Idle
            | Stage::LookIdle
            | Stage::Asked(_)
            | Stage::Running(_)
            | Stage::Replying(_)
            | Stage::Refusing
            | Stage::Ending
            | Stage::Querying
            | Stage::Upgrading
            | Stage::Upgraded
            | Stage::Gone => Wait::Nothing,
        }
    }
}

/// When each wait of a connection ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timers {
    /// The latest time heard of.
    now: Time,
    wait: Wait,
    /// When the wait for input began, or last made progress.
    since: Time,
    input: Time,
    output: Time,
    half_close: Time,
    linger: Time,
}

impl Timers {
    pub(crate) fn new(t: Tick<'_>) -> Timers {
        let mut timers = Timers {
            now: t.now,
            wait: Wait::Nothing,
            since: t.now,
            input: Time::NEVER,
            output: Time::NEVER,
            half_close: Time::NEVER,
            linger: Time::NEVER,
        };
        timers.settle(t, &Control::new());
        timers
    }

    /// Time passes; an earlier tick reads as the last one.
    pub(crate) fn observe(&mut self, t: Tick<'_>) {
        self.now = self.now.max(t.now);
    }

    /// Some of what is waited for has come.
    pub(crate) fn input_progress(&mut self) {
        self.since = self.now;
    }

    /// The peer was asked for, and has not acknowledged everything: it is not asked again at once,
    /// however short lingering may be.
    pub(crate) fn requery(&mut self, t: Tick<'_>) {
        const PAUSE: Duration = Duration::from_millis(20);
        self.since = self
            .now
            .after(PAUSE.saturating_sub(t.config.drain.linger_short));
        self.input = self.input_deadline(t);
    }

    /// The peer has taken output, or output waits where none did.
    pub(crate) fn output_progress(&mut self, t: Tick<'_>) {
        self.output = self.now.after(t.config.timeouts.write);
        if self.half_close != Time::NEVER {
            self.half_close = self.now.after(t.config.drain.half_close_grace);
        }
    }

    /// Brings the deadlines in line with the control state.
    pub(crate) fn settle(&mut self, t: Tick<'_>, control: &Control) {
        let wait = Wait::of(control);
        if wait != self.wait {
            self.wait = wait;
            self.since = self.now;
        }
        self.input = self.input_deadline(t);
        if !control.unflushed {
            self.output = Time::NEVER;
        }
        let handled = matches!(
            control.stage,
            Stage::Asked(_) | Stage::Running(_) | Stage::Replying(_)
        );
        if !(handled && control.half_closed) {
            self.half_close = Time::NEVER;
        } else if self.half_close == Time::NEVER {
            self.half_close = self.now.after(t.config.drain.half_close_grace);
        }
        if !matches!(control.stage, Stage::Lingering | Stage::Querying) {
            self.linger = Time::NEVER;
        } else if self.linger == Time::NEVER {
            self.linger = self.now.after(t.config.drain.linger_max);
        }
    }

    /// The windows of connections without a whole request shrink once sealing has begun, but run
    /// from then on at the earliest: in lame duck nobody is hurried.
    fn input_deadline(&self, t: Tick<'_>) -> Time {
        let timeouts = &t.config.timeouts;
        let drain = &t.config.drain;
        let hurried = |usual: Duration, grace: Duration| {
            let usual = self.since.after(usual);
            if t.sealing == Time::NEVER {
                return usual;
            }
            usual.min(self.since.max(t.sealing).after(grace))
        };
        match self.wait {
            Wait::Nothing => Time::NEVER,
            Wait::FirstByte => hurried(timeouts.head, drain.first_byte_grace),
            Wait::Head => hurried(timeouts.head, drain.head_grace),
            Wait::Request => hurried(timeouts.idle, drain.quiet),
            Wait::Content => self.since.after(timeouts.content),
            Wait::Silence => self.since.after(drain.linger_short),
        }
    }

    /// The earliest deadline.
    pub(crate) fn earliest(&self) -> Time {
        self.input
            .min(self.output)
            .min(self.half_close)
            .min(self.linger)
    }

    /// A deadline that has come, if one has; the ones that end a connection at once come first.
    pub(crate) fn expired(&self) -> Option<Timer> {
        let due = |deadline: Time| deadline != Time::NEVER && deadline <= self.now;
        if due(self.output) {
            Some(Timer::Output)
        } else if due(self.half_close) {
            Some(Timer::HalfClose)
        } else if due(self.linger) {
            Some(Timer::Linger)
        } else if due(self.input) {
            Some(Timer::Input)
        } else {
            None
        }
    }
}

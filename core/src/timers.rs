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
    /// Content that nobody wants, in front of the next request.
    Rest,
    Silence,
    Goodbye,
}

impl Wait {
    fn of(control: &Control) -> Wait {
        match control.stage {
            Stage::Fresh => Wait::FirstByte,
            Stage::Head => Wait::Head,
            Stage::Idle if !control.unflushed => Wait::Request,
            Stage::Running(Content::Invited | Content::Wanted)
            | Stage::Replying(Content::Wanted) => Wait::Content,
            Stage::Skipping if !control.unflushed => Wait::Rest,
            Stage::Lingering => Wait::Silence,
            Stage::Upgraded => Wait::Goodbye,
            Stage::LookFresh
            | Stage::Idle
            | Stage::LookIdle
            | Stage::Asked(_)
            | Stage::Running(_)
            | Stage::Replying(_)
            | Stage::Skipping
            | Stage::Refusing
            | Stage::Ending
            | Stage::Querying
            | Stage::Upgrading
            | Stage::Gone => Wait::Nothing,
        }
    }
}

/// Bytes that are not enough to be progress yet.
#[derive(Clone, Copy, Debug, Default)]
struct Meter(u64);

impl Meter {
    /// Adds `bytes`; true if that makes it progress.
    fn add(&mut self, t: Tick<'_>, bytes: u64) -> bool {
        self.0 = self.0.saturating_add(bytes);
        let progress = self.0 >= t.config.limits.progress;
        if progress {
            self.0 = 0;
        }
        progress
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
    /// When sealing began, as far as `input` knows.
    sealing: Time,
    /// Whether `since` has moved, which `input` does not know of yet.
    moved: bool,
    /// How long the current request's content has been waited for without progress, before the
    /// wait was interrupted by a handler that did not ask for more.
    spent: Duration,
    /// Content that is too little to be progress yet.
    content: Meter,
    /// Output taken by the peer that is too little to be progress yet.
    taken: Meter,
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
            sealing: t.sealing,
            moved: false,
            spent: Duration::ZERO,
            content: Meter::default(),
            taken: Meter::default(),
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

    /// A request has begun, whose content has not been waited for yet.
    pub(crate) fn request_began(&mut self) {
        self.spent = Duration::ZERO;
        self.content = Meter::default();
    }

    /// Content has come.
    pub(crate) fn content_came(&mut self, t: Tick<'_>, bytes: u64) {
        if self.content.add(t, bytes) {
            self.silence_broken();
        }
    }

    /// The peer has sent something that its wait begins anew with.
    pub(crate) fn silence_broken(&mut self) {
        self.since = self.now;
        self.moved = true;
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

    /// Output waits where none did.
    pub(crate) fn output_waits(&mut self, t: Tick<'_>) {
        self.taken = Meter::default();
        self.output = self.now.after(t.config.timeouts.write);
    }

    /// The peer has taken output: it is there, and its handler goes on.
    pub(crate) fn output_taken(&mut self, t: Tick<'_>, bytes: u64) {
        if self.taken.add(t, bytes) {
            self.output = self.now.after(t.config.timeouts.write);
        }
        if self.half_close != Time::NEVER {
            self.half_close = self.now.after(t.config.drain.half_close_grace);
        }
    }

    /// Brings the deadlines in line with the control state. It is asked for at every input, and
    /// mostly there is nothing to bring in line: that is found out where it is asked.
    #[inline(always)]
    pub(crate) fn settle(&mut self, t: Tick<'_>, control: &Control) {
        if !control.unflushed {
            self.output = Time::NEVER;
        }
        let wait = Wait::of(control);
        let is_same = wait == self.wait && !self.moved && t.sealing == self.sealing;
        // Lingering begins with another wait, and its deadlines are kept until it has ended.
        if !is_same || control.half_closed || self.linger != Time::NEVER {
            self.settle_all(t, control, wait);
        }
    }

    /// Brings all deadlines of input in line, whether they have to be or not.
    #[inline(never)]
    fn settle_all(&mut self, t: Tick<'_>, control: &Control, wait: Wait) {
        if wait != self.wait {
            self.change_wait(wait);
        }
        self.sealing = t.sealing;
        self.moved = false;
        self.input = self.input_deadline(t);
        let lingers = matches!(control.stage, Stage::Lingering | Stage::Querying);
        let handled = matches!(
            control.stage,
            Stage::Asked(_) | Stage::Running(_) | Stage::Replying(_)
        );
        if !(handled && control.half_closed) {
            self.half_close = Time::NEVER;
        } else if self.half_close == Time::NEVER {
            self.half_close = self.now.after(t.config.drain.half_close_grace);
        }
        if !lingers {
            self.linger = Time::NEVER;
        } else if self.linger == Time::NEVER {
            self.linger = self.now.after(t.config.drain.linger_max);
        }
    }

    fn change_wait(&mut self, wait: Wait) {
        if matches!(self.wait, Wait::Content | Wait::Rest) {
            self.spent = self.now.since(self.since);
        }
        self.wait = wait;
        self.since = match wait {
            Wait::Content | Wait::Rest => self.now.before(self.spent),
            // How long the peer was silent before the last look is still to be told after it.
            Wait::Nothing => self.since,
            _ => self.now,
        };
    }

    /// The windows of connections without a whole request, and of upgraded ones, shrink once
    /// sealing has begun, but run from then on at the earliest: in lame duck nobody is hurried.
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
            // A kept connection gets its last call, whatever is still in front of the next request.
            Wait::Rest => hurried(timeouts.content, drain.quiet),
            Wait::Silence => self.since.after(drain.linger_short),
            Wait::Goodbye => hurried(Duration::MAX, drain.upgraded_grace),
        }
    }

    /// How long it is since the last wait for the peer began, or made progress.
    pub(crate) fn silence(&self) -> Duration {
        self.now.since(self.since)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Lifecycle};

    const LINGERING: Control = Control {
        stage: Stage::Lingering,
        ..Control::new()
    };
    const GONE: Control = Control {
        stage: Stage::Gone,
        ..Control::new()
    };

    fn at(now: Time, config: &Config) -> Tick<'_> {
        Lifecycle::new().tick(now, config)
    }

    #[test]
    fn what_comes_while_lingering_begins_its_wait_anew_however_long_it_may_linger() {
        let mut config = Config::default();
        for linger_max in [config.drain.linger_max, Duration::MAX] {
            config.drain.linger_max = linger_max;
            let short = config.drain.linger_short;
            let mut timers = Timers::new(at(Time::ZERO, &config));
            timers.settle(at(Time::ZERO, &config), &LINGERING);
            assert_eq!(timers.earliest(), Time::ZERO.after(short));
            let t = at(Time::ZERO.after(short / 2), &config);
            timers.observe(t);
            timers.silence_broken();
            timers.settle(t, &LINGERING);
            assert_eq!(timers.earliest(), t.now.after(short));
        }
    }

    #[test]
    fn a_connection_that_is_gone_waits_for_nothing() {
        let config = Config::default();
        let t = at(Time::ZERO, &config);
        let querying = Control {
            stage: Stage::Querying,
            ..LINGERING
        };
        let mut timers = Timers::new(t);
        for control in [LINGERING, querying, GONE] {
            assert_ne!(timers.earliest(), Time::NEVER);
            timers.settle(t, &control);
        }
        assert_eq!(timers.earliest(), Time::NEVER);
    }
}

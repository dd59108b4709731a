//! The server's future on its way through the shutdown: what moves the lifecycle, and who is told.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use neap_core::{Listening, Phase, Progress, SignalEffect, Time};

use crate::conductor::{Conductor, TransportOf};
use crate::course::Command;
use crate::event::Event;
use crate::listeners::Duty;
use crate::report::Report;
use crate::serving::{Serving, expire_all, tell_all};
use crate::system::System;
use crate::{Handle, watchdog};

/// How often the log says who holds the drain, and how many of them.
const NOTICE: Duration = Duration::from_secs(5);
const NOTICED: usize = 5;

impl<S: System> Conductor<S> {
    /// Signals and commands.
    pub(crate) fn take_commands(&mut self, serving: &mut dyn Serving<TransportOf<S>>, now: Time) {
        self.wakers.control.0.clear();
        let mut cx = Context::from_waker(&self.wakers.control.1);
        let shared = Arc::clone(&self.owner.0);
        while let Poll::Ready(signal) = self.system.poll_stop(&mut cx) {
            shared.course().ask(now, Command::Signal(signal));
        }
        shared.beat(&shared.seat);
        if serving.departures() != self.departures {
            self.listeners.room_was_made();
        }
        let (asked, rules) = {
            let mut course = shared.course();
            (course.take_asked(), course.rules)
        };
        let mut last = None;
        for (at, command) in asked {
            // What came while the thread was blocked counts from when it came.
            let effect = command.apply(at.min(now), &mut self.lifecycle, &rules);
            let Command::Signal(signal) = command else {
                continue;
            };
            self.observer.tell(&Event::Signal {
                name: signal.name(),
                ignored: effect == SignalEffect::Ignored,
            });
            if effect == SignalEffect::Default {
                last = Some(signal);
            }
        }
        shared.course().lifecycle = self.lifecycle.clone();
        if let Some(signal) = last {
            self.system.end_process(signal);
        }
        self.tell(serving, now);
    }

    pub(crate) fn take_timer(&mut self, serving: &mut dyn Serving<TransportOf<S>>, now: Time) {
        self.wakers.timer.0.clear();
        self.armed = Time::NEVER;
        self.listeners.handle_timeout(now);
        if let Some(admin) = &mut self.admin {
            admin.handle_timeout(now, &self.config, self.date);
        }
        // Connections first: one that has just ended by itself was in time.
        let t = self.lifecycle.tick(now, &self.config);
        if expire_all(serving, &self.system, t) {
            self.listeners.room_was_made();
        }
        self.lifecycle.handle_timeout(now, &self.config);
        self.tell(serving, now);
        if now >= self.notice {
            self.notice = now.after(NOTICE);
            let held = self.owner.0.census().held(&self.config.drain);
            let t = self.lifecycle.tick(now, &self.config);
            let holders = self.owner.0.holders(NOTICED, t.now, &self.config.drain);
            self.observer.tell(&Event::Waiting {
                holders: &holders,
                held,
            });
        }
    }

    /// Lets the lifecycle see who is connected, as long as that matters.
    pub(crate) fn advance(&mut self, serving: &mut dyn Serving<TransportOf<S>>, now: Time) {
        loop {
            let before = self.lifecycle.phase();
            if before == Phase::Running || before == Phase::Done {
                return;
            }
            let census = self.owner.0.census();
            let waiting = self.listeners.is_anybody_waiting() || serving.is_anybody_waiting();
            let before_sealing = self.lifecycle.progress() < Progress::Sealing;
            self.lifecycle.handle_waiting(now, &self.config, waiting);
            self.lifecycle.handle_census(now, &self.config, &census);
            if before_sealing && self.lifecycle.progress() == Progress::Sealing {
                // The listeners are seen to in the next turn.
                self.wakers.control.1.wake_by_ref();
            }
            self.tell(serving, now);
            if self.lifecycle.phase() == before {
                return;
            }
        }
    }

    /// Tells everybody of a step that was taken, and nobody of one that was not.
    pub(crate) fn tell(&mut self, serving: &mut dyn Serving<TransportOf<S>>, now: Time) {
        let told = std::mem::replace(&mut self.told, self.lifecycle.progress());
        if self.told == told {
            return;
        }
        #[cfg(feature = "tracing")]
        crate::trace::progress(self.told);
        self.write_outline(now);
        let shared = &self.owner.0;
        shared.course().lifecycle = self.lifecycle.clone();
        shared.bell.notify(usize::MAX);
        let phase = self.told.phase();
        shared.set_sealing(self.lifecycle.tick(now, &self.config).sealing);
        if phase == Phase::Draining {
            watchdog::begin(shared);
        }
        if phase != told.phase() && phase != Phase::Done {
            let census = self.owner.0.census();
            let deadline = self.config.drain.deadline;
            self.observer.tell(&Event::Phase {
                phase,
                census,
                held: census.held(&self.config.drain),
                deadline,
            });
        }
        let draining = phase == Phase::Draining;
        self.notice = if draining {
            now.after(NOTICE)
        } else {
            Time::NEVER
        };
        // Done is announced with the report, when nothing is left.
        if phase != Phase::Done {
            self.owner.0.set_progress(self.told);
        }
        let t = self.lifecycle.tick(now, &self.config);
        if self.told == Progress::Sealing {
            // To tell many connections takes time. Meanwhile nobody new comes, and a list of these
            // connections shows who is still in the middle of a handshake.
            self.listeners.end_sole(&Duty {
                listening: Listening::End,
                now: t.now,
                drain: &self.config.drain,
                observer: &self.observer,
            });
        }
        tell_all(serving, &self.system, t);
        self.listeners.room_was_made();
    }

    pub(crate) fn report(&mut self) -> Report {
        let now = self.system.now();
        self.listeners.abandon();
        if let Some(mut admin) = self.admin.take() {
            admin.end(now, &self.config);
        }
        self.write_outline(now);
        watchdog::end(&self.owner.0);
        self.owner.0.set_progress(Progress::Done);
        let report = Handle::new(&self.owner.0).report();
        #[cfg(feature = "tracing")]
        crate::trace::done(&report);
        report
    }

    /// Brings the parts of the report that are not sums up to date.
    fn write_outline(&self, now: Time) {
        let mut outline = self.owner.0.outline();
        outline.cause = self.lifecycle.cause();
        outline.forced = self.lifecycle.forced();
        outline.durations = self.lifecycle.durations(now);
        outline.listeners = self.listeners.reports();
    }
}

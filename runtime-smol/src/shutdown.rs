//! The server's future on its way through the shutdown: what moves the lifecycle, and who is told.

use std::future::Future;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use neap_core::{Cause, Phase, Progress, SignalEffect, Time};

use crate::event::Event;
use crate::handle::Word;
use crate::report::Report;
use crate::serve::Serve;
use crate::system::{StopSignal, System};
use crate::{Body, Handle, Interrupt, IntoResponse};

/// How often the log says who holds the drain, and how many of them.
const NOTICE: Duration = Duration::from_secs(5);
const NOTICED: usize = 5;

impl<H, F, S> Serve<H, F, S>
where
    H: Fn(Request<Body>) -> F,
    F: Future<Output: IntoResponse>,
    S: System,
{
    /// Signals and commands.
    pub(crate) fn take_commands(&mut self, now: Time) {
        self.wakers.control.0.clear();
        let mut cx = Context::from_waker(&self.wakers.control.1);
        while let Poll::Ready(signal) = self.system.poll_stop(&mut cx) {
            if signal == StopSignal::Interrupt && self.interrupt == Interrupt::Close {
                self.lifecycle.close_now(now, Cause::Signal);
            } else if self.lifecycle.handle_signal(now, &self.config) == SignalEffect::Default {
                self.system.end_process(signal);
            }
        }
        let shared = &self.owner.0;
        match shared.hear() {
            Word::None => {}
            Word::Drain => self.lifecycle.drain(now, &self.config, Cause::Request),
            Word::Cancel => {
                self.lifecycle.cancel_drain(now);
            }
        }
        if shared.asked_to_close.load(Ordering::Acquire) {
            self.lifecycle.close_now(now, Cause::Request);
        }
        self.tell(now);
    }

    pub(crate) fn take_timer(&mut self, now: Time) {
        self.wakers.timer.0.clear();
        self.armed = Time::NEVER;
        self.listeners.handle_timeout(now);
        if let Some(admin) = &mut self.admin {
            admin.handle_timeout(now, &self.config, self.env.date);
        }
        // Connections first: one that has just ended by itself was in time.
        let t = self.lifecycle.tick(now, &self.config);
        while self.connections.expire(t, &mut self.env) {
            self.listeners.room_was_made();
        }
        self.lifecycle.handle_timeout(now, &self.config);
        self.tell(now);
        if now >= self.notice {
            self.notice = now.after(NOTICE);
            let held = self.owner.0.registry.census().held();
            let holders = self.connections.holders(NOTICED, now);
            self.env.observer.tell(&Event::Waiting {
                holders: &holders,
                held,
            });
        }
    }

    /// Lets the lifecycle see who is connected, as long as that matters.
    pub(crate) fn advance(&mut self, now: Time) {
        loop {
            let before = self.lifecycle.phase();
            if before == Phase::Running || before == Phase::Done {
                return;
            }
            let census = self.owner.0.registry.census();
            self.lifecycle.handle_census(now, &census);
            self.tell(now);
            if self.lifecycle.phase() == before {
                return;
            }
        }
    }

    /// Tells everybody of a step that was taken, and nobody of one that was not.
    pub(crate) fn tell(&mut self, now: Time) {
        let told = std::mem::replace(&mut self.told, self.lifecycle.progress());
        if self.told == told {
            return;
        }
        self.write_outline(now);
        let phase = self.told.phase();
        if phase != told.phase() && phase != Phase::Done {
            let census = self.owner.0.registry.census();
            let deadline = self.config.drain.deadline;
            self.env.observer.tell(&Event::Phase {
                phase,
                census,
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
        self.connections.poll_all(t, &mut self.env);
        self.listeners.room_was_made();
    }

    pub(crate) fn report(&mut self) -> Report {
        let now = self.system.now();
        self.listeners.abandon();
        if let Some(mut admin) = self.admin.take() {
            admin.end(now, &self.config);
        }
        self.write_outline(now);
        self.owner.0.set_progress(Progress::Done);
        Handle::new(&self.owner.0).report()
    }

    /// Brings the parts of the report that are not sums up to date.
    fn write_outline(&self, now: Time) {
        let mut outline = self
            .owner
            .0
            .outline
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        outline.cause = self.lifecycle.cause();
        outline.forced = self.lifecycle.forced();
        outline.durations = self.lifecycle.durations(now);
        outline.listeners = self.listeners.reports();
    }
}

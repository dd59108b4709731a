//! The system in production: its clocks, async-io's timer, signals of the process.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use async_io::Timer;
use neap_core::Time;

use crate::listening::{NativeListener, Options};
use crate::probe::Probe;
use crate::signals::StopSignals;
use crate::system::{StopSignal, System};

/// The operating system.
#[derive(Debug)]
pub struct Native {
    origin: Instant,
    timer: Timer,
    pub(crate) signals: Option<StopSignals>,
    pub(crate) options: Options,
    pub(crate) probe: Arc<Probe>,
}

impl Native {
    pub(crate) fn new(options: Options) -> Native {
        Native {
            origin: Instant::now(),
            timer: Timer::never(),
            signals: None,
            options,
            probe: Arc::new(Probe::new()),
        }
    }
}

impl System for Native {
    type Listener = NativeListener;

    fn now(&self) -> Time {
        Time::ZERO.after(self.origin.elapsed())
    }

    fn origin(&self) -> Option<Instant> {
        Some(self.origin)
    }

    fn unix_seconds(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap_or_default().as_secs()
    }

    fn set_timer(&mut self, at: Time, cx: &mut Context<'_>) {
        // `None` where the system cannot count that far.
        let instant = self
            .origin
            .checked_add(Duration::from_nanos(at.as_nanos()))
            .filter(|_| at != Time::NEVER);
        match instant {
            Some(instant) => self.timer.set_at(instant),
            None => self.timer = Timer::never(),
        }
        if Pin::new(&mut self.timer).poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<StopSignal> {
        match &mut self.signals {
            Some(signals) => signals.poll_stop(cx),
            None => Poll::Pending,
        }
    }

    fn end_process(&mut self, signal: StopSignal) {
        signal.end_process();
    }
}

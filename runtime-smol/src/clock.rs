//! The clock, read once per wake-up, and what is derived from it.

use std::time::{Duration, Instant, SystemTime};

use neap_core::{HttpDate, Time};

/// Monotonic time since the server was made, and the date that goes with it.
#[derive(Debug)]
pub(crate) struct Clock {
    origin: Instant,
    /// The monotonic second for which `date` was written.
    second: Option<u64>,
    date: HttpDate,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock {
            origin: Instant::now(),
            second: None,
            date: HttpDate([b' '; 29]),
        }
    }

    pub(crate) fn now(&self) -> Time {
        Time::ZERO.after(self.origin.elapsed())
    }

    /// The instant of `time`, for timers; `None` where the system cannot count that far.
    pub(crate) fn instant(&self, time: Time) -> Option<Instant> {
        self.origin
            .checked_add(Duration::from_nanos(time.as_nanos()))
    }

    /// The date at `now`, written anew once a second.
    pub(crate) fn date(&mut self, now: Time) -> HttpDate {
        let second = now.as_nanos() / 1_000_000_000;
        if self.second != Some(second) {
            self.second = Some(second);
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            self.date = HttpDate::from_unix_seconds(since.unwrap_or_default().as_secs());
        }
        self.date
    }
}

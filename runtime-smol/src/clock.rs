//! The date that goes with the time.

use std::time::Duration;

use neap_core::{HttpDate, Time};

/// Written anew once a second, when the calendar's second changes: a date that is behind would be
/// older than a file that was just written and is sent with it (RFC 9110 section 8.8.2.1).
#[derive(Debug)]
pub(crate) struct Dates {
    /// When `date` is over.
    until: Time,
    date: HttpDate,
}

impl Dates {
    pub(crate) fn new() -> Dates {
        Dates {
            until: Time::ZERO,
            date: HttpDate::from_unix_seconds(0),
        }
    }

    /// The date at `now`; `since_1970` is asked for it when the last one is over. A calendar that
    /// is set to another time is followed a second later at most.
    pub(crate) fn at(&mut self, now: Time, since_1970: impl FnOnce() -> Duration) -> HttpDate {
        if now >= self.until {
            let since = since_1970();
            let second = Duration::from_secs(1);
            let past = Duration::from_nanos(since.subsec_nanos().into());
            self.until = now.after(second - past);
            self.date = HttpDate::from_unix_seconds(since.as_secs());
        }
        self.date
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_changes_with_the_calendars_second_whenever_the_server_began() {
        for began in [0, 1, 400, 999] {
            let calendar = |now: u64| Duration::from_millis(784_111_777_000 + began + now);
            let (mut dates, mut asked) = (Dates::new(), 0);
            // The monotonic clock began at a moment of its own.
            for now in 0..5_000 {
                let time = Time::ZERO.after(Duration::from_millis(12_345 + now));
                let date = dates.at(time, || {
                    asked += 1;
                    calendar(now)
                });
                let expected = HttpDate::from_unix_seconds(calendar(now).as_secs());
                assert_eq!(date, expected, "{now} ms after {began}");
            }
            assert!(asked <= 6, "{asked}");
        }
    }
}

//! Points in time as logs and listings write them, always in UTC.
//!
//! HTTP's own dates are left to `httpdate`. It accepts the years 1970 to 9999 and panics beyond
//! them, which a file's date can be, so that it is called here only, after a check.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The first second of the year 10000.
const YEAR_10000: i64 = 253_402_300_800;

/// Seconds since 1970, rounded down, negative before.
pub(crate) fn unix_seconds(time: SystemTime) -> i64 {
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => seconds(after),
        Err(before) => {
            let before = before.duration();
            -seconds(before) - i64::from(before.subsec_nanos() > 0)
        }
    }
}

/// The date as HTTP writes it, `Sun, 06 Nov 1994 08:49:37 GMT`, if HTTP can write it.
pub(crate) fn http_date(unix_seconds: i64) -> Option<String> {
    let seconds = u64::try_from(unix_seconds)
        .ok()
        .filter(|_| unix_seconds < YEAR_10000)?;
    Some(httpdate::fmt_http_date(
        UNIX_EPOCH + Duration::from_secs(seconds),
    ))
}

/// Reads any of the three forms of a date that HTTP knows.
pub(crate) fn parse_http_date(text: &str) -> Option<i64> {
    httpdate::parse_http_date(text).ok().map(unix_seconds)
}

/// A point in time as a calendar and a clock show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    year: i64,
    /// 1 to 12.
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Civil {
    /// The calendar date of a second, by Howard Hinnant's `civil_from_days`: years begin in March,
    /// so that a leap day is the last of its year, and eras of 400 years repeat.
    pub(crate) fn from_unix(unix_seconds: i64) -> Civil {
        let (days, clock) = (
            unix_seconds.div_euclid(86_400),
            unix_seconds.rem_euclid(86_400),
        );
        let days = days + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
        let year_of_era = (day_of_era - leap_days) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = (month_from_march + 2) % 12 + 1;
        Civil {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: clock / 3_600,
            minute: clock / 60 % 60,
            second: clock % 60,
        }
    }

    /// As the common log format writes it: `06/Nov/1994:08:49:37 +0000`.
    pub(crate) fn common_log(self) -> String {
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        let month = usize::try_from(month - 1).map_or("", |month| MONTHS[month]);
        format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
    }

    /// As RFC 3339 writes it: `1994-11-06T08:49:37Z`.
    pub(crate) fn rfc3339(self) -> String {
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// Whether RFC 3339 can write it: its years have four digits.
    pub(crate) fn is_in_rfc3339(self) -> bool {
        (0..=9999).contains(&self.year)
    }

    /// As a person reads it: `1994-11-06 08:49`.
    pub(crate) fn to_the_minute(self) -> String {
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            ..
        } = self;
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_agrees_with_known_days() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (784_111_777, "1994-11-06T08:49:37Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (4_107_456_000, "2100-02-28T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (YEAR_10000 - 1, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Civil::from_unix(seconds).rfc3339(), text);
        }
    }

    /// Two independent calendars, one day of each month over 8,000 years.
    #[test]
    fn the_calendar_agrees_with_httpdate() {
        for seconds in (0..YEAR_10000).step_by(2_628_000) {
            let http = http_date(seconds).unwrap();
            let log = Civil::from_unix(seconds).common_log();
            let words: Vec<&str> = http.split(' ').collect();
            let (day, month, year, time) = (words[1], words[2], words[3], words[4]);
            assert_eq!(log, format!("{day}/{month}/{year}:{time} +0000"));
        }
    }

    #[test]
    fn a_date_http_cannot_write_is_none_instead_of_a_panic() {
        for seconds in [i64::MIN, -1, YEAR_10000, i64::MAX] {
            assert_eq!(http_date(seconds), None);
            Civil::from_unix(seconds);
        }
        assert!(http_date(0).is_some() && http_date(YEAR_10000 - 1).is_some());
    }

    #[test]
    fn a_moment_before_1970_rounds_down() {
        assert_eq!(unix_seconds(UNIX_EPOCH - Duration::from_millis(1)), -1);
        assert_eq!(unix_seconds(UNIX_EPOCH + Duration::from_millis(1_999)), 1);
    }
}

//! Dates, as they stand in a head.

use core::ops::Range;

/// A date in the format of RFC 9110 section 5.6.7 (`Sun, 06 Nov 1994 08:49:37 GMT`). The core has
/// no clock: the driver says what time it is.
///
/// ```
/// use neap_core::HttpDate;
///
/// let date = HttpDate::from_unix_seconds(784_111_777);
/// assert_eq!(date.as_bytes(), b"Sun, 06 Nov 1994 08:49:37 GMT");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HttpDate {
    /// The whole field line, as each head has it: a date is written once a second, and sent more
    /// often.
    pub(crate) line: [u8; LEN],
}

/// How long a field line with a date is.
const LEN: usize = 37;

/// The last second that the format can write: the end of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

const WEEKDAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];

/// Years are counted from March on, so that the leap day is a year's last.
const MONTHS: [&[u8; 3]; 12] = [
    b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec", b"Jan", b"Feb",
];

impl HttpDate {
    /// The date `seconds` after 1970-01-01 00:00:00 UTC; beyond the year 9999, its last second.
    #[must_use]
    pub const fn from_unix_seconds(seconds: u64) -> HttpDate {
        let is_late = seconds > LAST_SECOND;
        let seconds = if is_late { LAST_SECOND } else { seconds };
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        // The calendar repeats itself every 400 years, which have 146,097 days. Day 0 of the count
        // is the first of March of the year 0, 719,468 days before 1970.
        let (era, day) = ((days + 719_468) / 146_097, (days + 719_468) % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let year = 400 * era + year + (month >= 10) as u64;
        let mut line = *b"date: Day, 00 Mon 0000 00:00:00 GMT\r\n";
        put(&mut line, 6, WEEKDAYS[(days % 7) as usize]);
        put(&mut line, 14, MONTHS[month as usize]);
        put_digits(&mut line, 11..13, day);
        put_digits(&mut line, 18..22, year);
        put_digits(&mut line, 23..25, second / 3_600);
        put_digits(&mut line, 26..28, second / 60 % 60);
        put_digits(&mut line, 29..31, second % 60);
        HttpDate { line }
    }

    /// The date alone, as the field's value.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.line[6..LEN - 2]
    }
}

const fn put(line: &mut [u8; LEN], at: usize, text: &[u8]) {
    let mut index = 0;
    while index < text.len() {
        line[at + index] = text[index];
        index += 1;
    }
}

/// Writes `number` with as many digits as there is room for.
const fn put_digits(line: &mut [u8; LEN], room: Range<usize>, mut number: u64) {
    let mut at = room.end;
    while at > room.start {
        at -= 1;
        line[at] = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_around_leap_years_and_the_ends_of_time_are_right() {
        for (seconds, date) in [
            (0, b"Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_399, b"Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, b"Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, b"Wed, 01 Mar 2000 00:00:00 GMT"),
            (4_107_542_399, b"Sun, 28 Feb 2100 23:59:59 GMT"),
            (4_107_542_400, b"Mon, 01 Mar 2100 00:00:00 GMT"),
            (LAST_SECOND, b"Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX, b"Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(HttpDate::from_unix_seconds(seconds).as_bytes(), date);
        }
    }
}

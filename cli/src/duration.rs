//! Durations as people write them on a command line: `250ms`, `3s`, `1m`, `1h`, `7d`.

use std::fmt;
use std::time::Duration;

/// The units, longest spelling first: `ms` ends in `s` too.
const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Reads a whole number followed by its unit.
///
/// A number alone is refused: half of the tools mean seconds by it and half milliseconds, and a
/// drain of 30 milliseconds is not what its author wanted.
pub(crate) fn parse(text: &str) -> Result<Duration, DurationError> {
    let error = |reason| DurationError {
        text: text.to_owned(),
        reason,
    };
    if is_number(text) {
        return Err(error(Reason::NoUnit));
    }
    let parts = UNITS
        .iter()
        .find_map(|&(unit, millis)| Some((text.strip_suffix(unit)?, millis)));
    let Some((number, millis)) = parts.filter(|(number, _)| is_number(number)) else {
        return Err(error(Reason::NoDuration));
    };
    let millis = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(millis));
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| error(Reason::TooLong))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Why a text is no duration. Its `Display` says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DurationError {
    text: String,
    reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    NoUnit,
    NoDuration,
    TooLong,
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        match self.reason {
            Reason::NoUnit => write!(f, "{text:?} has no unit: write {text}s"),
            Reason::NoDuration => write!(
                f,
                "{text:?} is no duration: write a whole number with ms, s, m, h or d, such as 250ms"
            ),
            Reason::TooLong => write!(f, "{text:?} is too long: write 1h or less than a lifetime"),
        }
    }
}

impl std::error::Error for DurationError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_with_a_unit_is_a_duration() {
        for (text, millis) in [
            ("0ms", 0),
            ("250ms", 250),
            ("3s", 3_000),
            ("1m", 60_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn a_number_alone_is_refused_with_the_unit_to_write() {
        assert_eq!(
            parse("30").unwrap_err().to_string(),
            r#""30" has no unit: write 30s"#
        );
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "", "s", "ms", "1.5s", "-1s", "+1s", " 1s", "1 s", "1s ", "3w", "1m30s", "é",
        ] {
            assert_eq!(
                parse(text).unwrap_err().reason,
                Reason::NoDuration,
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for text in ["18446744073709551615s", "99999999999999999999ms"] {
            assert_eq!(parse(text).unwrap_err().reason, Reason::TooLong, "{text:?}");
        }
    }
}

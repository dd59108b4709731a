//! Which part of a file a `Range` asks for (RFC 9110 section 14), as a pure function.
//!
//! One range is answered with it, several with the whole, which section 14.2 leaves to the server.

/// What to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All, with 200.
    Whole,
    /// A part, with 206.
    Part {
        /// The first byte.
        first: u64,
        /// The last byte, included.
        last: u64,
    },
    /// Nothing, with 416: no byte is in the range.
    Unsatisfiable,
}

/// Selects from `length` bytes by the value of a `Range` field. One that cannot be understood is
/// ignored, as section 14.2 asks for.
pub(crate) fn select(value: &[u8], length: u64) -> Selection {
    let Some((first, last)) = single(value) else {
        return Selection::Whole;
    };
    match (first, last) {
        (Some(first), Some(last)) if first > last => Selection::Whole,
        (Some(first), _) if first >= length => Selection::Unsatisfiable,
        (Some(first), None) => Selection::Part {
            first,
            last: length - 1,
        },
        (Some(first), Some(last)) => Selection::Part {
            first,
            last: last.min(length - 1),
        },
        (None, Some(0)) => Selection::Unsatisfiable,
        // The end of nothing is all of it, and no Content-Range can say so.
        (None, Some(_)) if length == 0 => Selection::Whole,
        (None, Some(count)) => Selection::Part {
            first: length.saturating_sub(count),
            last: length - 1,
        },
        (None, None) => Selection::Whole,
    }
}

/// The two numbers around the dash, if there is one range and its unit is bytes.
fn single(value: &[u8]) -> Option<(Option<u64>, Option<u64>)> {
    let value = std::str::from_utf8(value).ok()?;
    let (unit, ranges) = value.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let trimmed = ranges
        .split(',')
        .map(|range| range.trim_matches([' ', '\t']));
    let mut ranges = trimmed.filter(|range| !range.is_empty());
    let (first, last) = ranges.next()?.split_once('-')?;
    match ranges.next() {
        Some(_) => None,
        None => Some((number(first)?, number(last)?)),
    }
}

/// A number or its absence; none at all if it is anything else. A number too large for us is larger
/// than any file, so that the largest will do.
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::Selection::*;
    use super::*;

    fn part(first: u64, last: u64) -> Selection {
        Part { first, last }
    }

    #[test]
    fn a_single_range_selects_its_bytes() {
        for (value, expected) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=0-9", part(0, 9)),
            ("bytes=3-5", part(3, 5)),
            ("bytes=3-", part(3, 9)),
            ("bytes=9-", part(9, 9)),
            ("bytes=-1", part(9, 9)),
            ("bytes=-10", part(0, 9)),
            ("bytes=-11", part(0, 9)),
            ("bytes=3-99", part(3, 9)),
            ("bytes=3-99999999999999999999999", part(3, 9)),
            ("bytes=-99999999999999999999999", part(0, 9)),
            ("BYTES=3-5", part(3, 5)),
            ("bytes= 3-5 ", part(3, 5)),
            ("bytes=,3-5,,", part(3, 5)),
        ] {
            assert_eq!(select(value.as_bytes(), 10), expected, "{value}");
        }
    }

    #[test]
    fn a_range_without_a_byte_is_unsatisfiable() {
        for (value, length) in [
            ("bytes=10-", 10),
            ("bytes=10-20", 10),
            ("bytes=99999999999999999999999-", 10),
            ("bytes=-0", 10),
            ("bytes=0-", 0),
            ("bytes=0-0", 0),
            ("bytes=-0", 0),
        ] {
            assert_eq!(
                select(value.as_bytes(), length),
                Unsatisfiable,
                "{value} of {length}"
            );
        }
    }

    #[test]
    fn what_is_not_understood_is_ignored() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=,",
            "bytes=a-b",
            "bytes=1",
            "bytes=5-3",
            "bytes=20-15",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=--1",
            "bytes=1-2-3",
            "bytes=0x1-2",
            "bytes =1-2",
            "lines=1-2",
            "bytes=1 -2",
            "bytes=0-1,3-4",
            "bytes=1-2;3-4",
        ] {
            assert_eq!(select(value.as_bytes(), 10), Whole, "{value}");
        }
        assert_eq!(select(b"bytes=\xff-", 10), Whole);
        assert_eq!(select(b"bytes=-5", 0), Whole);
    }

    /// Against the definition, written down as a filter over all positions.
    #[test]
    fn every_small_range_agrees_with_the_definition() {
        let selected = |keep: &dyn Fn(u64) -> bool, length| {
            let kept: Vec<u64> = (0..length).filter(|&at| keep(at)).collect();
            kept.first()
                .map_or(Unsatisfiable, |&first| part(first, kept[kept.len() - 1]))
        };
        for (a, length) in (0..8).flat_map(|a| (0..8).map(move |length| (a, length))) {
            let open = selected(&|at| at >= a, length);
            assert_eq!(select(format!("bytes={a}-").as_bytes(), length), open);
            for b in a..8 {
                let closed = selected(&|at| a <= at && at <= b, length);
                assert_eq!(select(format!("bytes={a}-{b}").as_bytes(), length), closed);
            }
            if length > 0 {
                let suffix = selected(&|at| at + a >= length, length);
                assert_eq!(select(format!("bytes=-{a}").as_bytes(), length), suffix);
            }
        }
    }
}

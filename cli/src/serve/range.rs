//! Which part of a file a `Range` asks for (RFC 9110 section 14), as a pure function.
//!
//! One range is answered with it, several with a part for each ([`multipart`](super::multipart)).

/// Bytes of a representation, from the first to the last one, which is included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Span {
    /// How many bytes it has, one at least.
    pub(crate) fn length(self) -> u64 {
        self.last - self.first + 1
    }

    /// Its `Content-Range`, of so many bytes in all.
    pub(crate) fn content_range(self, length: u64) -> String {
        format!("bytes {}-{}/{length}", self.first, self.last)
    }
}

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All, with 200.
    Whole,
    /// A part, with 206.
    Part(Span),
    /// Several parts, which do not touch, in the order that the client asked for, with 206.
    Parts(Vec<Span>),
    /// Nothing, with 416: no byte is in the range.
    Unsatisfiable,
}

/// The most ranges that a client gets: more is an attack, or better served by the whole.
const MOST: usize = 64;

/// Ranges with fewer bytes between them are sent as one: a part of its own would cost more.
const GAP: u64 = 128;

/// Selects from `length` bytes by the value of a `Range` field. One that cannot be understood is
/// ignored, as section 14.2 asks for; so is one of too many parts, which that section allows.
///
/// What is sent is never more than the whole: ranges that overlap are sent as one.
pub(crate) fn select(value: &[u8], length: u64) -> Selection {
    let Some(ranges) = ranges(value) else {
        return Selection::Whole;
    };
    let mut spans = Vec::new();
    for range in ranges {
        match range.map(|range| range.of(length)) {
            None | Some(Of::All) => return Selection::Whole,
            Some(Of::Nothing) => {}
            Some(Of::Span(_)) if spans.len() == MOST => return Selection::Whole,
            Some(Of::Span(span)) => spans.push(span),
        }
    }
    if spans.len() > 1 {
        spans = coalesce(&spans);
    }
    match spans[..] {
        [] => Selection::Unsatisfiable,
        [span] => Selection::Part(span),
        _ => Selection::Parts(spans),
    }
}

/// A range as it was written.
#[derive(Clone, Copy)]
enum Range {
    /// `FIRST-` or `FIRST-LAST`.
    From(u64, Option<u64>),
    /// `-COUNT`.
    Suffix(u64),
}

/// What a range is of a representation.
enum Of {
    Span(Span),
    Nothing,
    /// The end of nothing is all of it, and no `Content-Range` can say so.
    All,
}

impl Range {
    fn of(self, length: u64) -> Of {
        let last_byte = length.checked_sub(1);
        match (self, last_byte) {
            (Range::Suffix(0), _) => Of::Nothing,
            (Range::Suffix(_), None) => Of::All,
            (Range::Suffix(count), Some(last)) => Of::Span(Span {
                first: length.saturating_sub(count),
                last,
            }),
            (Range::From(first, last), Some(end)) if first <= end => Of::Span(Span {
                first,
                last: last.map_or(end, |last| last.min(end)),
            }),
            (Range::From(..), _) => Of::Nothing,
        }
    }
}

/// The ranges of a field whose unit is bytes; `None` stands for one that is malformed.
fn ranges(value: &[u8]) -> Option<impl Iterator<Item = Option<Range>>> {
    let value = std::str::from_utf8(value).ok()?;
    let (unit, ranges) = value.split_once('=')?;
    let trimmed = ranges
        .split(',')
        .map(|range| range.trim_matches([' ', '\t']));
    let mut ranges = trimmed.filter(|range| !range.is_empty()).peekable();
    // A list of none is malformed.
    ranges.peek()?;
    unit.eq_ignore_ascii_case("bytes")
        .then(|| ranges.map(parse))
}

fn parse(range: &str) -> Option<Range> {
    let (first, last) = range.split_once('-')?;
    match (number(first)?, number(last)?) {
        (Some(first), Some(last)) if first > last => None,
        (Some(first), last) => Some(Range::From(first, last)),
        (None, Some(count)) => Some(Range::Suffix(count)),
        (None, None) => None,
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

/// Makes one of those that overlap, touch or nearly do. Each of the rest keeps the place of the
/// first that it was made of.
fn coalesce(spans: &[Span]) -> Vec<Span> {
    let mut sorted: Vec<(usize, Span)> = spans.iter().copied().enumerate().collect();
    sorted.sort_by_key(|(_, span)| span.first);
    let mut merged: Vec<(usize, Span)> = Vec::with_capacity(sorted.len());
    for (place, span) in sorted {
        match merged.last_mut() {
            Some((earliest, before)) if span.first <= before.last.saturating_add(1 + GAP) => {
                before.last = before.last.max(span.last);
                *earliest = place.min(*earliest);
            }
            _ => merged.push((place, span)),
        }
    }
    merged.sort_by_key(|&(place, _)| place);
    merged.into_iter().map(|(_, span)| span).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Selection::*;
    use super::*;

    fn part(first: u64, last: u64) -> Selection {
        Part(Span { first, last })
    }

    fn parts(spans: &[(u64, u64)]) -> Selection {
        let span = |&(first, last): &(u64, u64)| Span { first, last };
        Parts(spans.iter().map(span).collect())
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
            "bytes=1-2;3-4",
        ] {
            assert_eq!(select(value.as_bytes(), 10), Whole, "{value}");
        }
        assert_eq!(select(b"bytes=\xff-", 10), Whole);
        assert_eq!(select(b"bytes=-5", 0), Whole);
    }

    #[test]
    fn several_ranges_are_parts_in_the_order_asked_for() {
        for (value, expected) in [
            ("bytes=0-0,500-599", parts(&[(0, 0), (500, 599)])),
            ("bytes=500-599, 0-0", parts(&[(500, 599), (0, 0)])),
            ("bytes=-1,0-0", parts(&[(999, 999), (0, 0)])),
            ("bytes=0-0,5000-", part(0, 0)),
            ("bytes=2000-,5000-", Unsatisfiable),
            ("bytes=0-0,9-5", Whole),
            ("bytes=0-0,x", Whole),
            // What overlaps, touches or nearly does is one, in the place of the first.
            ("bytes=0-9,5-19", part(0, 19)),
            ("bytes=10-19,0-9", part(0, 19)),
            ("bytes=0-9,138-199", part(0, 199)),
            ("bytes=0-9,139-199", parts(&[(0, 9), (139, 199)])),
            ("bytes=900-,0-9,5-19,500-", parts(&[(500, 999), (0, 19)])),
            ("bytes=0-,0-,0-", part(0, 999)),
        ] {
            assert_eq!(select(value.as_bytes(), 1000), expected, "{value}");
        }
    }

    #[test]
    fn too_many_ranges_are_ignored() {
        let ranges = |count| {
            let range = |place: u64| format!("{}-{}", 1000 * place, 1000 * place);
            let ranges: Vec<String> = (0..count).map(range).collect();
            select(format!("bytes={}", ranges.join(",")).as_bytes(), 1_000_000)
        };
        assert!(matches!(ranges(64), Parts(spans) if spans.len() == 64));
        assert_eq!(ranges(65), Whole);
    }

    proptest! {
        /// Every byte asked for is in a part, each is in one part only, and what is there
        /// besides lies in a gap that was too small.
        #[test]
        fn parts_are_what_was_asked_for_and_no_byte_twice(
            length in 1u64..3000,
            asked in prop::collection::vec((0u64..3500, 0u64..400), 1..20),
        ) {
            let texts: Vec<String> = asked.iter()
                .map(|(first, more)| format!("{first}-{}", first + more))
                .collect();
            let spans = match select(format!("bytes={}", texts.join(",")).as_bytes(), length) {
                Whole => return Err(TestCaseError::fail("nothing was wrong with it")),
                Unsatisfiable => Vec::new(),
                Part(span) => vec![span],
                Parts(spans) => spans,
            };
            let is_in = |at, &(first, more): &(u64, u64)| first <= at && at <= first + more;
            let wanted = |at: u64| asked.iter().any(|range| is_in(at, range));
            for at in 0..length {
                let sent = spans.iter().filter(|span| span.first <= at && at <= span.last).count();
                prop_assert!(sent <= 1, "{at} is sent {sent} times");
                prop_assert!(sent == 1 || !wanted(at), "{at} is missing");
                let near = (at.saturating_sub(GAP)..=at + GAP).any(wanted);
                prop_assert!(sent == 0 || near, "{at} was not asked for");
            }
            prop_assert!(spans.iter().all(|span| span.first <= span.last && span.last < length));
        }

        /// No field, whatever is in it, makes more of a file than it has.
        #[test]
        fn no_field_selects_more_than_there_is(
            value in "(bytes=)?[0-9,\\- ]{0,60}", length in 0u64..100,
        ) {
            let sum = match select(value.as_bytes(), length) {
                Whole => length,
                Unsatisfiable => 0,
                Part(span) => span.length(),
                Parts(spans) => spans.into_iter().map(Span::length).sum(),
            };
            prop_assert!(sum <= length);
        }
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

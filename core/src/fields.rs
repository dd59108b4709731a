//! Field lines as views into the driver's buffer (RFC 9110 section 5, RFC 9112 section 5).

use core::fmt;

use crate::syntax::{Class, ascii, find_control};
use crate::{Limits, PeerError};

/// Room for the offsets of a parsed head's or trailer section's field lines.
///
/// It has no lifetime: a driver keeps one for each thread and lends it to whichever connection
/// parses a head.
///
/// ```
/// use neap_core::Spans;
///
/// let spans = Spans::new();
/// assert!(size_of_val(&spans) <= 16 * Spans::MAX_FIELDS);
/// ```
#[derive(Debug)]
pub struct Spans([Span; Spans::MAX_FIELDS]);

impl Spans {
    /// How many field lines there is room for; [`Limits::fields`] may not exceed it.
    pub const MAX_FIELDS: usize = 128;

    /// Empty room, two kilobytes of it.
    #[must_use]
    pub const fn new() -> Spans {
        Spans(
            [Span {
                name: 0,
                name_end: 0,
                value: 0,
                value_end: 0,
            }; Spans::MAX_FIELDS],
        )
    }

    /// The first `count` fields that were found in `section`.
    pub(crate) fn fields<'b>(&'b self, section: &'b [u8], count: usize) -> Fields<'b> {
        let spans = &self.0[..count];
        Fields { section, spans }
    }
}

impl Default for Spans {
    fn default() -> Spans {
        Spans::new()
    }
}

/// Where a field line's name and value are in their section, which is never larger than 4 GiB.
#[derive(Clone, Copy, Debug)]
struct Span {
    name: u32,
    name_end: u32,
    value: u32,
    value_end: u32,
}

impl Span {
    /// Those of a `name` that begins at one offset and a `value` that ends at another.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "no section is larger than the finder lets it be"
    )]
    const fn new(at: usize, name: &[u8], end: usize, value: &[u8]) -> Span {
        Span {
            name: at as u32,
            name_end: (at + name.len()) as u32,
            value: (end - value.len()) as u32,
            value_end: end as u32,
        }
    }

    fn name(self, section: &[u8]) -> &[u8] {
        &section[self.name as usize..self.name_end as usize]
    }

    fn value(self, section: &[u8]) -> &[u8] {
        &section[self.value as usize..self.value_end as usize]
    }
}

/// The fields of a head or a trailer section, in the order and with the names as they were sent
/// (RFC 9110 section 5).
///
/// A name is a token, compared without regard to ASCII case. A value is what stands between the
/// optional white space around it: visible ASCII, bytes above it (`obs-text`), spaces and tabs,
/// never another control character.
///
/// ```
/// use neap_core::Fields;
///
/// fn describe(fields: Fields<'_>) {
///     for (name, value) in fields {
///         println!("{name} has {} bytes", value.len());
///     }
///     assert_eq!(fields.get("cookie"), fields.all("Cookie").next());
/// }
/// # describe(Fields::empty());
/// ```
#[derive(Clone, Copy)]
pub struct Fields<'b> {
    section: &'b [u8],
    spans: &'b [Span],
}

impl<'b> Fields<'b> {
    /// No fields.
    #[must_use]
    pub const fn empty() -> Fields<'b> {
        Fields {
            section: &[],
            spans: &[],
        }
    }

    /// How many field lines there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The names and values, in order.
    #[must_use]
    pub fn iter(&self) -> FieldsIter<'b> {
        FieldsIter {
            section: self.section,
            spans: self.spans.iter(),
        }
    }

    /// The value of the first field of this name (RFC 9110 section 5.1).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'b [u8]> {
        self.all(name).next()
    }

    /// The values of all fields of this name, in order (RFC 9110 section 5.2).
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'b [u8]> + use<'b, 'n> {
        let named = move |line: &(&'b [u8], &'b [u8])| line.0.eq_ignore_ascii_case(name.as_bytes());
        self.lines().filter(named).map(|(_, value)| value)
    }

    /// Like [`iter`](Fields::iter), with names as bytes, which costs less.
    pub fn lines(&self) -> impl Iterator<Item = (&'b [u8], &'b [u8])> + Clone + use<'b> {
        let section = self.section;
        self.spans
            .iter()
            .map(move |span| (span.name(section), span.value(section)))
    }
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in self {
            map.entry(
                &format_args!("{name}"),
                &format_args!("{}", value.escape_ascii()),
            );
        }
        map.finish()
    }
}

impl<'b> IntoIterator for Fields<'b> {
    type Item = (&'b str, &'b [u8]);
    type IntoIter = FieldsIter<'b>;

    fn into_iter(self) -> FieldsIter<'b> {
        self.iter()
    }
}

impl<'b> IntoIterator for &Fields<'b> {
    type Item = (&'b str, &'b [u8]);
    type IntoIter = FieldsIter<'b>;

    fn into_iter(self) -> FieldsIter<'b> {
        self.iter()
    }
}

/// The names and values of [`Fields`], in order (RFC 9110 section 5.3).
#[derive(Clone, Debug)]
pub struct FieldsIter<'b> {
    section: &'b [u8],
    spans: core::slice::Iter<'b, Span>,
}

impl<'b> Iterator for FieldsIter<'b> {
    type Item = (&'b str, &'b [u8]);

    fn next(&mut self) -> Option<(&'b str, &'b [u8])> {
        let span = self.spans.next()?;
        // A name is a token.
        Some((ascii(span.name(self.section)), span.value(self.section)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl ExactSizeIterator for FieldsIter<'_> {}

/// Parses the `count` field lines of a head or a trailer section, and the empty line behind them.
///
/// Fields of trailers that only make sense in a head (framing, routing) are listed like all others:
/// nothing of the core reads trailers, and a driver must not merge them into the head (RFC 9110
/// section 6.5.1).
///
/// The finder has decided where the lines end, httparse looks inside them, and the two must agree:
/// as many fields as lines, and an end at the end.
pub(crate) fn parse_fields<'b>(
    section: &'b [u8],
    count: usize,
    spans: &'b mut Spans,
    limits: &Limits,
) -> Result<Fields<'b>, PeerError> {
    if count > limits.fields.min(Spans::MAX_FIELDS) {
        return Err(PeerError::TooManyFields);
    }
    let spans = &mut spans.0[..count];
    // httparse wants initialised room, and to initialise room for all would take longer than to
    // parse the few fields that most requests have.
    match count {
        0 => parse_lines::<0>(section, spans)?,
        1..=8 => parse_lines::<8>(section, spans)?,
        9..=32 => parse_lines::<32>(section, spans)?,
        _ => parse_lines::<{ Spans::MAX_FIELDS }>(section, spans)?,
    }
    Ok(Fields { section, spans })
}

fn parse_lines<const ROOM: usize>(section: &[u8], spans: &mut [Span]) -> Result<(), PeerError> {
    let mut room = [httparse::EMPTY_HEADER; ROOM];
    let (end, lines) = match httparse::parse_headers(section, &mut room) {
        Ok(httparse::Status::Complete(parsed)) => parsed,
        Ok(httparse::Status::Partial) => return Err(PeerError::LineEnd),
        Err(error) => return Err(peer_error(error)),
    };
    if end != section.len() || lines.len() != spans.len() {
        return Err(PeerError::LineEnd);
    }
    for (line, span) in lines.iter().zip(spans) {
        let name = offset(section, line.name.as_bytes())?;
        let value = offset(section, line.value)?;
        *span = Span {
            name,
            name_end: name.saturating_add(small(line.name.len())?),
            value,
            value_end: value.saturating_add(small(line.value.len())?),
        };
    }
    Ok(())
}

/// Takes the field lines at the beginning of `input` and the empty line behind them, if all are as
/// nearly all are, and if `each` takes them too: how many, and the length of it all.
///
/// `input` is no larger than a section may be ([`window`](crate::finder::window)). What is taken
/// [`parse_fields`] takes as well, behind the finder, and with the same spans. Lines with tabs, or
/// with more white space around a value than one space before it, are left to it, and so are those
/// that are wrong.
pub(crate) fn take_lines(
    input: &[u8],
    spans: &mut Spans,
    limits: &Limits,
    mut each: impl FnMut(&[u8], &[u8]) -> Option<()>,
) -> Option<(usize, usize)> {
    let mut room = spans.0.iter_mut().take(limits.fields);
    let (mut line, mut count) = (input, 0);
    loop {
        if let [b'\r', b'\n', rest @ ..] = line {
            return Some((count, input.len() - rest.len()));
        }
        let (name, rest) = line.split_at_checked(Class::TOKEN.prefix(line))?;
        let rest = match rest {
            [b':', b' ', rest @ ..] | [b':', rest @ ..] if !name.is_empty() => rest,
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(find_control(rest, 0))?;
        let [b'\r', b'\n', next @ ..] = rest else {
            return None;
        };
        if value.first() == Some(&b' ') || value.last() == Some(&b' ') {
            return None;
        }
        each(name, value)?;
        *room.next()? = Span::new(
            input.len() - line.len(),
            name,
            input.len() - rest.len(),
            value,
        );
        count += 1;
        line = next;
    }
}

/// Where `part` begins in `section`, of which it is a part.
fn offset(section: &[u8], part: &[u8]) -> Result<u32, PeerError> {
    small(part.as_ptr().addr().wrapping_sub(section.as_ptr().addr()))
}

/// A number that fits, unless a section is larger than the finder lets any be.
fn small(number: usize) -> Result<u32, PeerError> {
    u32::try_from(number).map_err(|_| PeerError::FieldsTooLarge)
}

fn peer_error(error: httparse::Error) -> PeerError {
    match error {
        httparse::Error::TooManyHeaders => PeerError::TooManyFields,
        httparse::Error::NewLine => PeerError::LineEnd,
        httparse::Error::HeaderName
        | httparse::Error::HeaderValue
        | httparse::Error::Status
        | httparse::Error::Token
        | httparse::Error::Version => PeerError::Field,
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;
    use std::string::String;
    use std::vec::Vec;

    use super::*;

    /// Finds and parses the section, which there is nothing behind.
    fn read<'b>(
        section: &'b [u8],
        spans: &'b mut Spans,
        limits: &Limits,
    ) -> Result<Fields<'b>, PeerError> {
        let fields = section.iter().filter(|byte| **byte == b'\n').count();
        parse_fields(section, fields.saturating_sub(1), spans, limits)
    }

    fn parse(section: &[u8]) -> Result<Vec<(String, Vec<u8>)>, PeerError> {
        let mut spans = Spans::new();
        let fields = read(section, &mut spans, &Limits::default())?;
        Ok(fields
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect())
    }

    fn value(line: &[u8]) -> Result<Vec<u8>, PeerError> {
        let section = [line, b"\r\n\r\n"].concat();
        parse(&section).map(|mut fields| fields.remove(0).1)
    }

    #[test]
    fn fields_keep_their_order_and_spelling() {
        let mut spans = Spans::new();
        let section = b"Cookie: a\r\nX-Y: 1\r\ncookie: b\r\n\r\n";
        let fields = read(section, &mut spans, &Limits::default()).unwrap();
        let expected: [(&str, &[u8]); 3] = [("Cookie", b"a"), ("X-Y", b"1"), ("cookie", b"b")];
        assert_eq!(fields.iter().collect::<Vec<_>>(), expected);
        assert_eq!(
            (fields.len(), fields.iter().len(), fields.is_empty()),
            (3, 3, false)
        );
        assert_eq!(fields.get("COOKIE"), Some(b"a" as &[u8]));
        assert_eq!(fields.all("cookie").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(fields.get("cooki"), None);
        assert_eq!(format!("{fields:?}"), "{Cookie: a, X-Y: 1, cookie: b}");
    }

    #[test]
    fn an_empty_section_has_no_fields() {
        assert_eq!(parse(b"\r\n"), Ok(Vec::new()));
        assert!(Fields::empty().is_empty() && Fields::empty().get("a").is_none());
    }

    #[test]
    fn white_space_around_a_value_is_no_part_of_it_rfc_9112_5_1() {
        for line in [b"A:b" as &[u8], b"A: b", b"A:\t b \t", b"A:  \tb"] {
            assert_eq!(value(line), Ok(b"b".to_vec()), "{}", line.escape_ascii());
        }
        assert_eq!(value(b"A: b \t c "), Ok(b"b \t c".to_vec()));
        for line in [b"A:" as &[u8], b"A: ", b"A: \t "] {
            assert_eq!(value(line), Ok(Vec::new()), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_value_is_text_wherever_its_bytes_stand_rfc_9110_5_5() {
        for byte in 0..=255 {
            // At the beginning, in the middle of a word that is scanned at once, and at the end.
            for at in [0, 11, 39] {
                let mut line = b"Name: 0123456789012345678901234567890123456789".to_vec();
                line[6 + at] = byte;
                let is_text = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
                let expected = match byte {
                    b'\n' => continue,
                    _ => is_text
                        .then(|| line[6..].trim_ascii().to_vec())
                        .ok_or(PeerError::Field),
                };
                assert_eq!(value(&line), expected, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn a_name_is_a_token_wherever_its_bytes_stand_rfc_9110_5_1() {
        for byte in (0..=255).filter(|byte| !b"\n:".contains(byte)) {
            for at in [0, 11, 19] {
                let mut line = b"Name5678901234567890: a".to_vec();
                line[at] = byte;
                let is_token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
                let expected = if is_token {
                    Ok(b"a".to_vec())
                } else {
                    Err(PeerError::Field)
                };
                // A CR begins the empty line here, which has no LF.
                let expected = if byte == b'\r' && at == 0 {
                    Err(PeerError::LineEnd)
                } else {
                    expected
                };
                assert_eq!(value(&line), expected, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn malformed_lines_are_refused_rfc_9112_5() {
        for line in [
            b"A : b" as &[u8], // 5.1: no white space before the colon
            b"A\t: b",
            b": b",
            b":",
            b"A",
            b"A b: c",
            b" A: b", // 2.2: no white space before the first field
            b"\tA: b",
            b"A: b\r\n c", // 5.2: no folding
            b"A: b\r\n\tc: d",
            b"A: b\r\n ",
            b"A:\r\n b",
            b"\xc3\xa9: b",
        ] {
            assert_eq!(
                value(line),
                Err(PeerError::Field),
                "{}",
                line.escape_ascii()
            );
        }
    }

    #[test]
    fn httparse_must_agree_about_the_end() {
        for section in [
            b"A: b\n\r\n" as &[u8], // fine for httparse, which takes a bare LF for a line end
            b"A: b\n\n",            // the same, as the end
            b"A: b\r\n\n",
            b"A: b\r\n\r\nC: d\r\n\r\n", // it ends before the end
            b"A: b\r\n",                 // it does not end
            b"A: b",
            b"",
        ] {
            let found = crate::finder::Finder::default().find_trailers(section, &Limits::default());
            assert_ne!(found, Ok(Some(section.len())), "{}", section.escape_ascii());
        }
        for section in [
            b"A: b\r\n\r\nC: d\r\n\r\n" as &[u8],
            b"A: b\r\n",
            b"A: b",
            b"",
        ] {
            assert!(parse(section).is_err(), "{}", section.escape_ascii());
        }
    }

    #[test]
    fn as_many_fields_as_allowed_are_parsed_and_no_more() {
        for allowed in [0, 1, 7, 8, 9, 31, 32, 33, 100, 127, 128] {
            let limits = Limits {
                fields: allowed,
                ..Limits::default()
            };
            let mut section = "Name: value\r\n".repeat(allowed);
            let mut spans = Spans::new();
            let fields = [section.as_bytes(), b"\r\n"].concat();
            let fields = read(&fields, &mut spans, &limits).unwrap();
            assert_eq!(fields.len(), allowed);
            assert!(fields.iter().all(|field| field == ("Name", b"value")));
            section.push_str("A: b\r\n\r\n");
            let error = read(section.as_bytes(), &mut spans, &limits).unwrap_err();
            assert_eq!(error, PeerError::TooManyFields);
        }
        let limits = Limits {
            fields: 1000,
            ..Limits::default()
        };
        let section = ["A: b\r\n".repeat(129).as_bytes(), b"\r\n"].concat();
        let error = read(&section, &mut Spans::new(), &limits).unwrap_err();
        assert_eq!(error, PeerError::TooManyFields);
    }
}

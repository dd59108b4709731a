//! Where a head or a trailer section ends: found once, each byte looked at once.
//!
//! The search is strict about lines (RFC 9112 section 2.2): they end in CRLF, and neither CR nor LF
//! stands anywhere else. Everything that parses what it finds can therefore agree with it about
//! where a line ends, which is what request smuggling lives on.

use crate::syntax::{Class, find_break};
use crate::{Limits, PeerError};

/// The longest method. Those that are registered have 17 bytes at most; RFC 9112 section 3 has a
/// server answer with 501 to one that is longer than any it implements, and which methods those are
/// is for the handler to say.
pub(crate) const METHOD: usize = 256;

/// `HTTP/1.1` and all other versions are as long.
const VERSION: usize = 8;

/// The search for the end of one section. A new section takes a new `Finder`.
///
/// It refuses at the first offending byte, no matter how the input is cut: a TLS handshake or an
/// HTTP/0.9 request is answered at once, not when its head times out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Finder {
    /// Bytes that need not be looked at again.
    scanned: u32,
    /// Where the part that is being scanned began; for lines, where the current one did.
    mark: u32,
    part: Part,
    outline: Outline,
}

/// What was seen of a section on the way to its end, for its parser to rely on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Outline {
    /// Where the method is; it is a token.
    pub(crate) method: u32,
    pub(crate) method_end: u32,
    /// Where the target ends, which begins behind the space behind the method. All of its bytes are
    /// of [`Class::QUERY`].
    pub(crate) target_end: u32,
    /// How many field lines there are.
    pub(crate) fields: u32,
}

/// The part of a section that the search has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Part {
    #[default]
    Start,
    Method,
    Target,
    Version,
    Lines,
}

impl Finder {
    /// The length of the head at the beginning of `input`, its final empty line included, or
    /// `None` if the head goes on.
    ///
    /// `input` is the whole unfinished head, from its first byte; asked again after the end was
    /// found, it answers the same at once. One empty line before the request line belongs to the
    /// head, as RFC 9112 section 2.2 asks of a robust server.
    pub(crate) fn find_head(
        &mut self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<Option<usize>, PeerError> {
        let window = window(input, limits);
        if self.part != Part::Lines {
            self.scan_request_line(window, limits.target)?;
        }
        self.find_end(window, limits)
    }

    /// The length of the trailer section at the beginning of `input`, its final empty line
    /// included, or `None` if the section goes on; the empty section is `\r\n`.
    ///
    /// `input` is the whole unfinished section, from its first byte.
    pub(crate) fn find_trailers(
        &mut self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<Option<usize>, PeerError> {
        self.part = Part::Lines;
        self.find_end(window(input, limits), limits)
    }

    /// Whether a part of the section has been seen.
    pub(crate) fn has_begun(&self) -> bool {
        self.part != Part::Start
    }

    /// What was seen of the section that was found.
    pub(crate) fn outline(&self) -> Outline {
        self.outline
    }

    fn find_end(&mut self, window: &[u8], limits: &Limits) -> Result<Option<usize>, PeerError> {
        let end = if self.part == Part::Lines {
            self.scan_lines(window)?
        } else {
            None
        };
        // A section that fills the window without an end cannot end within the limit. Waiting for
        // one byte more could wait forever: the driver's buffer may be just as large.
        if end.is_none() && window.len() == limit(limits) {
            return Err(match self.part {
                Part::Start | Part::Method => PeerError::MethodTooLong,
                Part::Target => PeerError::TargetTooLong,
                Part::Version => PeerError::Version,
                Part::Lines => PeerError::FieldsTooLarge,
            });
        }
        Ok(end)
    }

    /// Scans as much of the request line as there is; at its end, the part is `Lines`.
    fn scan_request_line(&mut self, window: &[u8], longest: usize) -> Result<(), PeerError> {
        if self.part == Part::Start {
            match window {
                [] | [b'\r'] => return Ok(()),
                [b'\r', b'\n', ..] => self.begin(Part::Method, 2),
                [..] => self.begin(Part::Method, 0),
            }
        }
        while self.part != Part::Lines {
            let (from, mark) = (self.scanned as usize, self.mark as usize);
            let stop = window[from..].iter().position(|byte| *byte <= b' ');
            let at = stop.map_or(window.len(), |stop| from + stop);
            self.scanned = offset(at);
            match self.part {
                Part::Method if at - mark > METHOD => return Err(PeerError::MethodTooLong),
                Part::Target if at - mark > longest => return Err(PeerError::TargetTooLong),
                Part::Version if at - mark > VERSION => return Err(PeerError::Version),
                _ => {}
            }
            let Some(byte) = window.get(at) else {
                return Ok(());
            };
            match (byte, self.part) {
                (b'\r' | b'\n', part) => match line_end(window, at)? {
                    None => return Ok(()),
                    Some(next) if part == Part::Version && at - mark == VERSION => {
                        self.begin(Part::Lines, next);
                    }
                    Some(_) if part == Part::Version => return Err(PeerError::Version),
                    // Fewer than three parts; with two it is HTTP/0.9.
                    Some(_) => return Err(PeerError::RequestLine),
                },
                (b' ', Part::Method) if at > mark => self.end_method(window, at)?,
                (b' ', Part::Target) if at > mark => self.end_target(window, at)?,
                // The first space, a second in a row, or a third.
                (b' ', _) => return Err(PeerError::RequestLine),
                (_, Part::Target) => return Err(PeerError::Target),
                (_, Part::Version) => return Err(PeerError::Version),
                (_, Part::Start | Part::Method | Part::Lines) => return Err(PeerError::Method),
            }
        }
        Ok(())
    }

    fn end_method(&mut self, window: &[u8], end: usize) -> Result<(), PeerError> {
        if !Class::TOKEN.has_all(&window[self.mark as usize..end]) {
            return Err(PeerError::Method);
        }
        (self.outline.method, self.outline.method_end) = (self.mark, offset(end));
        self.begin(Part::Target, end + 1);
        Ok(())
    }

    fn end_target(&mut self, window: &[u8], end: usize) -> Result<(), PeerError> {
        if !Class::QUERY.has_all(&window[self.mark as usize..end]) {
            return Err(PeerError::Target);
        }
        self.outline.target_end = offset(end);
        self.begin(Part::Version, end + 1);
        Ok(())
    }

    /// Goes from line to line until an empty one.
    fn scan_lines(&mut self, window: &[u8]) -> Result<Option<usize>, PeerError> {
        let (mut at, mut line) = (self.scanned as usize, self.mark as usize);
        let end = loop {
            at = find_break(window, at);
            match line_end(window, at)? {
                Some(next) if at > line => {
                    self.outline.fields += 1;
                    (at, line) = (next, next);
                }
                end => break end,
            }
        };
        (self.scanned, self.mark) = (offset(at), offset(line));
        Ok(end)
    }

    fn begin(&mut self, part: Part, at: usize) {
        self.part = part;
        self.mark = offset(at);
        self.scanned = self.mark;
    }
}

/// As much of `input` as may belong to the section.
pub(crate) fn window<'b>(input: &'b [u8], limits: &Limits) -> &'b [u8] {
    &input[..input.len().min(limit(limits))]
}

/// The largest section: offsets in it are kept in 32 bits.
fn limit(limits: &Limits) -> usize {
    limits.head.min(u32::MAX as usize)
}

/// An offset in the window, which [`limit`] bounds.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// What follows the line that ends at `at`, where a CR, a LF or the window's end is; `None` where
/// more input decides.
fn line_end(window: &[u8], at: usize) -> Result<Option<usize>, PeerError> {
    match &window[at..] {
        [] | [b'\r'] => Ok(None),
        [b'\r', b'\n', ..] => Ok(Some(at + 2)),
        [..] => Err(PeerError::LineEnd),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    type Found = Result<Option<usize>, PeerError>;

    fn small() -> Limits {
        Limits {
            head: 64,
            target: 16,
            ..Limits::default()
        }
    }

    fn head(input: &[u8], limits: &Limits) -> Found {
        Finder::default().find_head(input, limits)
    }

    fn trailers(input: &[u8]) -> Found {
        Finder::default().find_trailers(input, &small())
    }

    /// One byte more each time, until there is an answer.
    fn bytewise(
        input: &[u8],
        find: impl Fn(&mut Finder, &[u8], &Limits) -> Found,
    ) -> (usize, Found) {
        let mut finder = Finder::default();
        for len in 0..=input.len() {
            let found = find(&mut finder, &input[..len], &small());
            if found != Ok(None) {
                return (len, found);
            }
        }
        (input.len(), Ok(None))
    }

    #[test]
    fn a_head_ends_with_its_first_empty_line() {
        let limits = Limits::default();
        assert_eq!(head(b"GET / HTTP/1.1\r\n\r\nGET", &limits), Ok(Some(18)));
        assert_eq!(
            head(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n", &limits),
            Ok(Some(27))
        );
        assert_eq!(head(b"GET / HTTP/1.1\r\nHost: a\r\n", &limits), Ok(None));
        assert_eq!(head(b"", &limits), Ok(None));
    }

    #[test]
    fn asked_again_after_the_end_it_answers_the_same() {
        let mut finder = Finder::default();
        let input = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(finder.find_head(input, &small()), Ok(Some(27)));
        let before = finder;
        assert_eq!(finder.find_head(input, &small()), Ok(Some(27)));
        assert_eq!(finder, before);
    }

    #[test]
    fn one_empty_line_before_the_request_line_is_skipped_rfc_9112_2_2() {
        assert_eq!(head(b"\r\nGET / HTTP/1.1\r\n\r\n", &small()), Ok(Some(20)));
        assert_eq!(
            head(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", &small()),
            Err(PeerError::RequestLine)
        );
        assert_eq!(head(b"\r\n", &small()), Ok(None));
        assert_eq!(head(b"\n", &small()), Err(PeerError::LineEnd));
        assert_eq!(head(b"\rG", &small()), Err(PeerError::LineEnd));
    }

    #[test]
    fn only_crlf_ends_a_line_rfc_9112_2_2() {
        for bad in [
            b"GET / HTTP/1.1\n" as &[u8],
            b"GET / HTTP/1.1\r\nA: b\n",
            b"GET / HTTP/1.1\r\nA: b\r\n\n",
            b"GET / HTTP/1.1\r\nA: b\rc",
            b"GET / HTTP/1.1\r\nA: b\r\r",
            b"GET / HTTP/1.1\r\r",
            b"GET /\ra",
            b"GET\n",
        ] {
            assert_eq!(
                head(bad, &small()),
                Err(PeerError::LineEnd),
                "{}",
                bad.escape_ascii()
            );
            let before = &bad[..bad.len() - 1];
            assert_eq!(head(before, &small()), Ok(None), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn a_request_line_has_three_parts_and_two_spaces_rfc_9112_3() {
        for bad in [
            " ",
            " GET / HTTP/1.1",
            "GET  ",
            "GET /  ",
            "GET / HTTP/1.1 ",
            "GET\r\n",
            "GET /\r\n",
        ] {
            assert_eq!(
                head(bad.as_bytes(), &small()),
                Err(PeerError::RequestLine),
                "{bad}"
            );
        }
    }

    #[test]
    fn what_is_no_http_is_refused_at_the_first_control_character() {
        assert_eq!(head(b"\x16\x03\x01", &small()), Err(PeerError::Method));
        assert_eq!(head(b"GET\t", &small()), Err(PeerError::Method));
        assert_eq!(head(b"GET /\0", &small()), Err(PeerError::Target));
        assert_eq!(head(b"GET / H\t", &small()), Err(PeerError::Version));
    }

    #[test]
    fn a_long_target_is_refused_before_it_ends_and_before_the_head_is_too_large() {
        assert_eq!(head(b"GET /234567890123456", &small()), Ok(None));
        assert_eq!(
            head(b"GET /2345678901234567", &small()),
            Err(PeerError::TargetTooLong)
        );
        assert_eq!(
            head(b"GET /234567890123456 HTTP/1.1\r\n\r\n", &small()),
            Ok(Some(33))
        );
        assert_eq!(
            head(b"GET /2345678901234567 ", &small()),
            Err(PeerError::TargetTooLong)
        );
        let mut long = Vec::from(b"GET /" as &[u8]);
        long.resize(1000, b'a');
        assert_eq!(head(&long, &small()), Err(PeerError::TargetTooLong));
    }

    #[test]
    fn a_method_or_version_that_is_too_long_is_refused_before_it_ends() {
        let find = |input: &[u8]| Finder::default().find_head(input, &Limits::default());
        for before in ["", "\r\n"] {
            let method = [before.as_bytes(), &[b'A'; METHOD]].concat();
            assert_eq!(find(&method), Ok(None));
            assert_eq!(find(&[&method[..], b" / HTTP/1.1"].concat()), Ok(None));
            for rest in ["A", "AA", "AA / HTTP/1.1"] {
                let longer = [&method[..], rest.as_bytes()].concat();
                assert_eq!(find(&longer), Err(PeerError::MethodTooLong));
            }
        }
        assert_eq!(find(b"GET / HTTP/1.1"), Ok(None));
        for version in [
            "HTTP/1.1x",
            "HTTP/1.1xx",
            "HTTP/1.\r\n\r\n",
            "HTTP/1.11\r\n\r\n",
        ] {
            let line = ["GET / ", version].concat();
            assert_eq!(find(line.as_bytes()), Err(PeerError::Version), "{version}");
        }
        assert_eq!(find(b"GET /2345678\r\n\r\n"), Err(PeerError::RequestLine));
    }

    #[test]
    fn a_head_that_cannot_end_within_the_limit_is_refused() {
        let mut input = Vec::from(b"GET / HTTP/1.1\r\nA: " as &[u8]);
        input.resize(60, b'a');
        input.extend(b"\r\n\r\n");
        assert_eq!(head(&input, &small()), Ok(Some(64)));
        input.insert(30, b'a');
        assert_eq!(head(&input, &small()), Err(PeerError::FieldsTooLarge));
        assert_eq!(head(&input[..64], &small()), Err(PeerError::FieldsTooLarge));
        assert_eq!(head(&input[..63], &small()), Ok(None));
        for (endless, error) in [
            (b"A" as &[u8], PeerError::MethodTooLong),
            (b"GET /aaaaaaaaaaa HTTP/1.1\r\nA", PeerError::FieldsTooLarge),
        ] {
            let mut input = endless.to_vec();
            input.resize(64, b'A');
            assert_eq!(head(&input, &small()), Err(error));
        }
        let small = |head| Limits { head, ..small() };
        assert_eq!(head(b"GET /aaa", &small(8)), Err(PeerError::TargetTooLong));
        assert_eq!(head(b"GET / HTTP", &small(10)), Err(PeerError::Version));
        assert_eq!(trailers(&[b'A'; 64]), Err(PeerError::FieldsTooLarge));
    }

    #[test]
    fn a_trailer_section_may_be_empty() {
        assert_eq!(trailers(b"\r\nGET"), Ok(Some(2)));
        assert_eq!(trailers(b"\r"), Ok(None));
        assert_eq!(trailers(b""), Ok(None));
        assert_eq!(trailers(b"A: b\r\n\r\n"), Ok(Some(8)));
        assert_eq!(trailers(b"\n"), Err(PeerError::LineEnd));
        assert_eq!(trailers(b"\rA"), Err(PeerError::LineEnd));
    }

    #[test]
    fn cut_at_every_byte_the_answer_is_the_same() {
        for input in [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" as &[u8],
            b"\r\nGET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nB: c\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
            b"GET /23456789012345678\n HTTP/1.1\r\n\r\n",
            b"GET /23456789012345\n678 HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: 89012345678901234567890123456789012345678901234567890\r\n\r\n",
            b"GET /\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02",
        ] {
            let (len, found) = bytewise(input, Finder::find_head);
            assert_eq!(head(input, &small()), found, "{}", input.escape_ascii());
            assert_ne!(found, Ok(None), "{}", input.escape_ascii());
            if let Ok(Some(end)) = found {
                assert_eq!(end, len);
            }
            let (_, found) = bytewise(input, Finder::find_trailers);
            assert_eq!(trailers(input), found, "{}", input.escape_ascii());
        }
    }

    #[test]
    fn a_break_is_found_wherever_it_is() {
        for len in 0..40 {
            let mut bytes = [b'a'; 40];
            for byte in [b'\r', b'\n'] {
                bytes[len] = byte;
                for from in 0..=len {
                    assert_eq!(find_break(&bytes, from), len);
                }
                assert_eq!(find_break(&bytes, len + 1), 40);
            }
        }
        // Neighbours of CR and LF, and bytes that differ from them in the high bit alone.
        let others = [
            0x0b, 0x0c, 0x0e, 0x09, 0x8d, 0x8a, 0x00, 0xff, 0x0c, 0x0b, 0x0e, b'\r',
        ];
        assert_eq!(find_break(&others, 0), 11);
    }
}

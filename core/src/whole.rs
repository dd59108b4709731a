//! A head that is there as a whole, in one pass, if it is as nearly all are.
//!
//! The pass only ever takes. What is in pieces, unusual or wrong it leaves to the
//! [`Finder`] and to [`parse_head`](crate::head::parse_head), which alone say what is wrong.
//! They are the reference: whatever is taken here they take as well, and read the same in it.

use crate::fields::take_lines;
use crate::finder::{Finder, METHOD, window};
use crate::framing::{Seen, Semantics};
use crate::head::split_version;
use crate::syntax::Class;
use crate::{Head, Limits, Spans};

/// A head with what it means for its connection; its spans are in the room that it was taken with.
pub(crate) struct Whole<'b> {
    method: &'b [u8],
    target: &'b [u8],
    section: &'b [u8],
    fields: usize,
    pub(crate) semantics: Semantics,
    /// How long it is, its final empty line included.
    pub(crate) len: usize,
}

impl<'b> Whole<'b> {
    /// Takes the head at the beginning of `input`, if its target is in origin-form and its lines
    /// are for [`take_lines`].
    ///
    /// One that the finder has begun with is the finder's: otherwise its first bytes would be
    /// looked at again with each of its pieces.
    #[inline(always)]
    pub(crate) fn take(
        finder: &Finder,
        input: &'b [u8],
        spans: &mut Spans,
        limits: &Limits,
    ) -> Option<Whole<'b>> {
        if finder.has_begun() {
            return None;
        }
        let window = window(input, limits);
        let method_end = match window {
            [b'G', b'E', b'T', b' ', ..] => 3,
            _ => Class::TOKEN.prefix(window),
        };
        let (method, rest) = window.split_at_checked(method_end)?;
        let rest = rest.strip_prefix(b" ")?;
        let (target, rest) = rest.split_at_checked(path_and_query(rest)?)?;
        let (version, section) = split_version(rest.strip_prefix(b" ")?).ok()?;
        let fits = (1..=METHOD).contains(&method.len()) && target.len() <= limits.target;
        // The target of CONNECT has another form.
        if !fits || method == b"CONNECT" {
            return None;
        }
        let mut seen = Seen::default();
        let read = |name: &[u8], value: &[u8]| seen.read(name, value).ok();
        let (fields, len) = take_lines(section, spans, limits, read)?;
        Some(Whole {
            method,
            target,
            section,
            fields,
            semantics: seen.semantics(method, version, limits).ok()?,
            len: window.len() - section.len() + len,
        })
    }

    /// The head, as views that the spans say.
    pub(crate) fn head(&self, spans: &'b Spans) -> Head<'b> {
        let fields = spans.fields(self.section, self.fields);
        Head::new(self.method, self.target, self.semantics.version, fields)
    }
}

/// How long the path and the query are that `bytes` begin with.
fn path_and_query(bytes: &[u8]) -> Option<usize> {
    if bytes.first() != Some(&b'/') {
        return None;
    }
    let path = Class::PATH.prefix(bytes);
    match bytes.get(path)? {
        b'?' => Some(path + Class::QUERY.prefix(&bytes[path..])),
        _ => Some(path),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;
    use std::string::String;
    use std::vec::Vec;

    use super::*;
    use crate::framing::semantics;
    use crate::head::read_head;
    use crate::{PeerError, Version};

    /// A head on its own: method, target, version, fields, what it means, its length.
    #[derive(Debug, PartialEq)]
    struct Read(
        String,
        String,
        Version,
        Vec<(String, Vec<u8>)>,
        Semantics,
        usize,
    );

    fn owned(head: &Head<'_>, semantics: Semantics, len: usize) -> Read {
        let fields = head.fields().iter();
        let fields = fields.map(|(name, value)| (name.into(), value.into()));
        let (method, target) = (head.method().into(), head.target().into());
        Read(
            method,
            target,
            head.version(),
            fields.collect(),
            semantics,
            len,
        )
    }

    fn take(input: &[u8], limits: &Limits) -> Option<Read> {
        let mut spans = Spans::new();
        let whole = Whole::take(&Finder::default(), input, &mut spans, limits)?;
        Some(owned(&whole.head(&spans), whole.semantics, whole.len))
    }

    /// What the finder, httparse and the rest make of it.
    fn refer(input: &[u8], limits: &Limits) -> Result<Option<Read>, PeerError> {
        let Some(len) = Finder::default().find_head(input, limits)? else {
            return Ok(None);
        };
        let mut spans = Spans::new();
        let head = read_head(input, &mut spans, limits)?.unwrap();
        Ok(Some(owned(&head, semantics(&head, limits)?, len)))
    }

    fn small() -> Limits {
        Limits {
            head: 200,
            target: 20,
            fields: 4,
            content: 1000,
            ..Limits::default()
        }
    }

    fn is_taken(head: &[u8]) -> bool {
        let taken = take(head, &Limits::default());
        let reference = refer(head, &Limits::default()).ok().flatten();
        assert!(
            taken.is_none() || taken == reference,
            "{}",
            head.escape_ascii()
        );
        taken.is_some()
    }

    fn is_line_taken(line: &[u8]) -> bool {
        is_taken(&[b"GET / HTTP/1.1\r\nHost: a\r\n", line, b"\r\n\r\n"].concat())
    }

    const METHODS: [&[u8]; 8] = [
        b"GET", b"HEAD", b"POST", b"OPTIONS", b"TRACE", b"CONNECT", b"get", b"",
    ];
    const TARGETS: [&[u8]; 8] = [
        b"/",
        b"/a|b?c=d&e?{}",
        b"/?",
        b"/{",
        b"*",
        b"a",
        b"http://a/",
        b"/23456789012345678901",
    ];
    const VERSIONS: [&[u8]; 5] = [
        b" HTTP/1.1\r\n",
        b" HTTP/1.0\r\n",
        b" HTTP/1.2\r\n",
        b" HTTP/2.0\r\n",
        b"\r\n",
    ];
    const NAMES: [&[u8]; 11] = [
        b"HOST",
        b"Accept",
        b"x",
        b"Expect",
        b"Upgrade",
        b"Connection",
        b"Content-Length",
        b"cONTENT-lENGTH",
        b"Transfer-Encoding",
        b"TRANSFER-ENCODING",
        b"",
    ];
    const COLONS: [&[u8]; 4] = [b": ", b":", b":  ", b" :"];
    const VALUES: [&[u8]; 15] = [
        b"a",
        b"neap.test",
        b"127.0.0.1:80",
        b"[::1]",
        b"",
        b"0",
        b"13",
        b"5000",
        b"chunked",
        b"gzip, chunked",
        b"close",
        b"keep-alive, Upgrade",
        b"100-continue",
        b"\xff \xe9",
        b"a\tb",
    ];
    const ENDS: [&[u8]; 4] = [b"\r\n", b" \r\n", b"\t\r\n", b"\n"];

    /// Not a good one, and the same each time.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 16) as usize % end
        }

        fn one_of<'a>(&mut self, all: &[&'a [u8]]) -> &'a [u8] {
            all[self.below(all.len())]
        }

        /// Mostly the first.
        fn mostly<'a>(&mut self, all: &[&'a [u8]]) -> &'a [u8] {
            if self.below(5) > 0 {
                all[0]
            } else {
                self.one_of(all)
            }
        }

        /// Something like a head, right more often than not.
        fn head(&mut self) -> Vec<u8> {
            let mut head = [self.one_of(&METHODS), b" ", self.mostly(&TARGETS)].concat();
            head.extend(self.mostly(&VERSIONS));
            if self.below(8) > 0 {
                head.extend(b"Host: a\r\n");
            }
            for _ in 0..self.below(5) {
                head.extend(self.one_of(&NAMES));
                head.extend(self.mostly(&COLONS));
                head.extend(self.one_of(&VALUES));
                head.extend(self.mostly(&ENDS));
            }
            head.extend(b"\r\n");
            head
        }

        /// The head with a byte or two replaced, left out or put in, and what follows it.
        fn mutated(&mut self, mut head: Vec<u8>) -> Vec<u8> {
            const BYTES: &[u8] = b"\0\t\n\r\r\n  ::,;/?#\"AZaz09\x7f\x80\xff";
            for _ in 0..self.below(3) {
                let at = self.below(head.len());
                let byte = BYTES[self.below(BYTES.len())];
                match self.below(3) {
                    0 => head[at] = byte,
                    1 => head.insert(at, byte),
                    _ => drop(head.remove(at)),
                }
            }
            head.extend(self.one_of(&[b"", b"", b"G", b"GET / HTTP/1.1\r\n\r\n"]));
            head
        }
    }

    #[test]
    fn whatever_is_taken_in_one_pass_the_finder_and_httparse_take_and_read_the_same() {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..40_000 {
            let head = random.head();
            let input = random.mutated(head);
            for limits in [Limits::default(), small()] {
                let reference = refer(&input, &limits);
                refused += u32::from(reference.is_err());
                if let Some(read) = take(&input, &limits) {
                    assert_eq!(Ok(Some(read)), reference, "{}", input.escape_ascii());
                    taken += 1;
                }
            }
        }
        // Enough of both were tried.
        assert!(taken > 5000 && refused > 5000, "{taken} and {refused}");
    }

    #[test]
    fn heads_as_clients_send_them_are_taken_in_one_pass() {
        for head in [
            "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "HEAD /a/b%20c?d=e&f HTTP/1.1\r\nhost:a\r\nAccept: */*\r\n\r\n",
            "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX:\r\n\r\n0\r\n\r\n",
            "GET /chat HTTP/1.1\r\nHost: [::1]:80\r\nConnection: keep-alive, Upgrade\r\n\
             Upgrade: websocket\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: \u{fc}ber (X11; Linux x86_64)\r\n\r\n",
        ] {
            assert!(is_taken(head.as_bytes()), "{head}");
        }
    }

    #[test]
    fn a_head_that_is_cut_anywhere_is_left_to_the_finder() {
        let head = b"GET /a?b HTTP/1.1\r\nHost: neap.test\r\nAccept: */*\r\n\r\n";
        assert!(is_taken(head));
        for len in 0..head.len() {
            assert!(!is_taken(&head[..len]), "{len}");
        }
    }

    #[test]
    fn a_head_that_the_finder_has_begun_with_is_left_to_it() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let (mut finder, limits) = (Finder::default(), Limits::default());
        assert_eq!(finder.find_head(&head[..1], &limits), Ok(None));
        let mut spans = Spans::new();
        assert!(Whole::take(&finder, head, &mut spans, &limits).is_none());
    }

    #[test]
    fn a_head_beyond_a_limit_is_left_to_the_finder() {
        let limits = small();
        let line = |target: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n", "a".repeat(target));
        let fields = |count: usize| format!("{}{}\r\n", line(0), "A: b\r\n".repeat(count));
        let sized = |len: usize| format!("{}A: {}\r\n\r\n", line(0), "b".repeat(len - 32));
        let method = |len: usize| format!("{} / HTTP/1.0\r\n\r\n", "M".repeat(len));
        assert_eq!(sized(200).len(), 200);
        for (fits, too_much) in [
            (line(19) + "\r\n", line(20) + "\r\n"),
            (fields(3), fields(4)),
            (sized(200), sized(201)),
        ] {
            assert!(take(fits.as_bytes(), &limits).is_some(), "{fits}");
            assert!(take(too_much.as_bytes(), &limits).is_none(), "{too_much}");
        }
        let limits = Limits {
            fields: 1000,
            ..Limits::default()
        };
        assert!(take(method(METHOD).as_bytes(), &limits).is_some());
        assert!(take(method(METHOD + 1).as_bytes(), &limits).is_none());
        let most = Spans::MAX_FIELDS - 1;
        assert!(take(fields(most).as_bytes(), &limits).is_some());
        assert!(take(fields(most + 1).as_bytes(), &limits).is_none());
    }

    #[test]
    fn a_request_line_is_taken_as_the_letter_has_it_rfc_9112_3() {
        let line = |line: &str| is_taken(format!("{line}Host: a\r\n\r\n").as_bytes());
        assert!(line("GET / HTTP/1.1\r\n"));
        for bad in [
            " / HTTP/1.1\r\n",
            "G(T / HTTP/1.1\r\n",
            "GET  / HTTP/1.1\r\n",
            "GET\t/ HTTP/1.1\r\n",
            "GET /  HTTP/1.1\r\n",
            "GET /\tHTTP/1.1\r\n",
            "GET / HTTP/1.1 \r\n",
            "GET / HTTP/1.1\n",
            "GET / HTTP/2.0\r\n",
            "GET / http/1.1\r\n",
            "GET /\r\n",
            "GET /{ HTTP/1.1\r\n",
            "GET /# HTTP/1.1\r\n",
            "GET /?# HTTP/1.1\r\n",
            "GET /\u{e9} HTTP/1.1\r\n",
            "GET a HTTP/1.1\r\n",
            "GET ?a HTTP/1.1\r\n",
            "CONNECT / HTTP/1.1\r\n",
            "\r\nGET / HTTP/1.1\r\n",
            // These are right, and for the finder.
            "OPTIONS * HTTP/1.1\r\n",
            "GET https://a/ HTTP/1.1\r\n",
            "CONNECT a:80 HTTP/1.1\r\n",
        ] {
            assert!(!line(bad), "{bad}");
        }
    }

    #[test]
    fn a_field_line_is_taken_as_the_letter_has_it_rfc_9112_5() {
        for good in [
            b"A: b" as &[u8],
            b"A:b",
            b"A:",
            b"A: ",
            b"!~: b c",
            b"A: \xff",
        ] {
            assert!(is_line_taken(good), "{}", good.escape_ascii());
        }
        for bad in [
            b"A : b" as &[u8],
            b": b",
            b":",
            b"A",
            b"A b: c",
            b" A: b",
            b"A: b\r\n c: d",
            b"A: b\nC: d",
            b"A: b\rC: d",
            b"A: b\r",
            b"\xe9: b",
            // These are right, and for the finder.
            b"A:  b",
            b"A:\tb",
            b"A: b ",
            b"A: b\t",
            b"A: b\tc",
        ] {
            assert!(!is_line_taken(bad), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn names_and_values_are_looked_at_wherever_their_bytes_stand_rfc_9110_5() {
        for byte in 0..=255 {
            for at in [0, 3, 11, 19] {
                let mut line = b"Name5678901234567890: 01234567890123456789".to_vec();
                line[at] = byte;
                let expected = Class::TOKEN.has(byte) || (byte == b':' && at > 0);
                assert_eq!(is_line_taken(&line), expected, "{byte} at {at} of a name");
                let mut line = b"Name5678901234567890: 01234567890123456789".to_vec();
                line[22 + at] = byte;
                let is_edge = at == 0 || at == 19;
                let expected = byte > b' ' && byte != 0x7f || (byte == b' ' && !is_edge);
                assert_eq!(is_line_taken(&line), expected, "{byte} at {at} of a value");
            }
        }
    }

    #[test]
    fn what_a_head_means_is_decided_before_it_is_taken() {
        for bad in [
            b"Host: b" as &[u8],
            b"Content-Length: +5",
            b"Content-Length: 5\r\nContent-Length: 5",
            b"Content-Length: 99999999999999999999",
            b"Content-Length: 5\r\nTransfer-Encoding: chunked",
            b"Transfer-Encoding: gzip",
            b"Expect: 200-ok",
        ] {
            assert!(!is_line_taken(bad), "{}", bad.escape_ascii());
        }
        assert!(!is_taken(b"GET / HTTP/1.1\r\n\r\n"), "no Host");
    }
}

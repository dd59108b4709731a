//! A request's head: its request line and fields (RFC 9112 sections 2.1, 3 and 5).
//!
//! The request line is validated here and by the finder. httparse, which reads the field lines,
//! would take more in it than the RFC does (empty lines before it, `"<>#\` and non-ASCII in a
//! target, a bare LF at its end) and less (it refuses HTTP/1.2, which RFC 9110 section 2.5 wants to
//! be read as 1.1).

use crate::fields::parse_fields;
use crate::finder::Outline;
use crate::syntax::ascii;
use crate::target::is_target;
use crate::{Fields, Limits, PeerError, Spans};

/// The version that a message is to be understood by (RFC 9110 section 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1, or a later minor version, which a recipient treats as the highest it knows.
    Http11,
}

/// A request's head, as views into the driver's buffer (RFC 9112 section 2.1).
///
/// ```
/// use neap_core::{Head, Version};
///
/// fn log(head: Head<'_>) {
///     let agent = head.fields().get("user-agent").unwrap_or_default();
///     println!("{} {} {}", head.method(), head.target(), agent.escape_ascii());
///     assert!(head.version() >= Version::Http10);
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Head<'b> {
    method: &'b [u8],
    target: &'b [u8],
    version: Version,
    fields: Fields<'b>,
}

impl<'b> Head<'b> {
    pub(crate) const fn new(
        method: &'b [u8],
        target: &'b [u8],
        version: Version,
        fields: Fields<'b>,
    ) -> Head<'b> {
        Head {
            method,
            target,
            version,
            fields,
        }
    }

    /// The method, a case-sensitive token (RFC 9110 section 9.1).
    #[must_use]
    pub fn method(&self) -> &'b str {
        ascii(self.method)
    }

    /// The [method](Head::method) as bytes, which costs less.
    #[must_use]
    pub const fn method_bytes(&self) -> &'b [u8] {
        self.method
    }

    /// The request target as it was sent, in the one of the four forms that goes with the method
    /// (RFC 9112 section 3.2).
    ///
    /// Path and query are not decoded. Beyond RFC 3986 they may hold the characters that browsers
    /// do not encode: ``[ ] ^ |`` in both, `` ` { } `` in the query, and a `%` that encodes
    /// nothing. In the absolute-form the authority counts, not `Host` (section 3.2.2).
    #[must_use]
    pub fn target(&self) -> &'b str {
        ascii(self.target)
    }

    /// The [target](Head::target) as bytes, which costs less.
    #[must_use]
    pub const fn target_bytes(&self) -> &'b [u8] {
        self.target
    }

    /// The version (RFC 9112 section 2.3).
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The fields (RFC 9112 section 5).
    #[must_use]
    pub const fn fields(&self) -> Fields<'b> {
        self.fields
    }
}

/// Parses a head, exactly as the finder found it.
///
/// What the fields mean for the connection is for [`semantics`](crate::framing::semantics) to say.
pub(crate) fn parse_head<'b>(
    head: &'b [u8],
    outline: Outline,
    spans: &'b mut Spans,
    limits: &Limits,
) -> Result<Head<'b>, PeerError> {
    let part = |start: usize, end: u32| head.get(start..end as usize);
    let method = part(outline.method as usize, outline.method_end);
    let target = part(outline.method_end as usize + 1, outline.target_end);
    let rest = head.get(outline.target_end as usize + 1..);
    let (Some(method), Some(target), Some(rest)) = (method, target, rest) else {
        return Err(PeerError::RequestLine);
    };
    // The version comes before the target's form, so that an HTTP/2 preface, `PRI * HTTP/2.0`, is
    // told what is wrong with it.
    let (version, section) = split_version(rest)?;
    if !is_target(method, target) {
        return Err(PeerError::Target);
    }
    let fields = parse_fields(section, outline.fields as usize, spans, limits)?;
    Ok(Head::new(method, target, version, fields))
}

/// The version at the end of a request line, and what follows the line.
pub(crate) fn split_version(rest: &[u8]) -> Result<(Version, &[u8]), PeerError> {
    let Some((version, section)) = rest.split_first_chunk::<10>() else {
        return Err(PeerError::Version);
    };
    // A pattern would be compared byte by byte.
    if version == b"HTTP/1.1\r\n" {
        return Ok((Version::Http11, section));
    }
    match version {
        b"HTTP/1.0\r\n" => Ok((Version::Http10, section)),
        [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            major,
            b'.',
            minor,
            b'\r',
            b'\n',
        ] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            let is_known = *major == b'1';
            is_known
                .then_some((Version::Http11, section))
                .ok_or(PeerError::VersionUnsupported)
        }
        _ => {
            let mut line = rest
                .iter()
                .take_while(|byte| !matches!(byte, b'\r' | b'\n'));
            let has_space = line.any(|byte| *byte == b' ');
            Err(if has_space {
                PeerError::RequestLine
            } else {
                PeerError::Version
            })
        }
    }
}

/// Finds and parses the head that `input` begins with.
#[cfg(test)]
pub(crate) fn read_head<'b>(
    input: &'b [u8],
    spans: &'b mut Spans,
    limits: &Limits,
) -> Result<Option<Head<'b>>, PeerError> {
    let mut finder = crate::finder::Finder::default();
    let Some(len) = finder.find_head(input, limits)? else {
        return Ok(None);
    };
    parse_head(&input[..len], finder.outline(), spans, limits).map(Some)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;
    use std::vec::Vec;
    use std::{format, vec};

    use super::*;
    use crate::finder::Finder;

    /// A head's views, on their own: a method, a target, a version and fields.
    type Parsed = (String, String, Version, Vec<(String, Vec<u8>)>);

    /// What the finder and the parser together make of the input.
    fn read(input: &[u8]) -> Result<Option<Parsed>, PeerError> {
        let limits = Limits::default();
        let mut spans = Spans::new();
        let Some(head) = read_head(input, &mut spans, &limits)? else {
            return Ok(None);
        };
        let fields = head
            .fields()
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        let (method, target) = (head.method().into(), head.target().into());
        Ok(Some((method, target, head.version(), fields.collect())))
    }

    fn line(line: &str) -> Result<(String, String, Version), PeerError> {
        let head = format!("{line}\r\nHost: a\r\n\r\n");
        read(head.as_bytes()).map(|head| head.map(|(a, b, c, _)| (a, b, c)).unwrap())
    }

    fn error(input: &str) -> Option<PeerError> {
        line(input).err()
    }

    #[test]
    fn a_target_of_just_the_length_that_is_allowed_is_taken() {
        let longest = Limits::default().target;
        let target = ["/", &"a".repeat(longest - 1)].concat();
        assert!(line(&format!("GET {target} HTTP/1.1")).is_ok());
        let longer = format!("GET {target}a HTTP/1.1");
        assert_eq!(error(&longer), Some(PeerError::TargetTooLong));
    }

    #[test]
    fn a_head_is_a_request_line_and_fields() {
        let input = b"POST /a?b HTTP/1.1\r\nHost: c\r\nX: \xff d\r\n\r\nrest";
        let fields = vec![
            ("Host".into(), b"c".to_vec()),
            ("X".into(), b"\xff d".to_vec()),
        ];
        assert_eq!(
            read(input),
            Ok(Some((
                "POST".into(),
                "/a?b".into(),
                Version::Http11,
                fields
            )))
        );
    }

    #[test]
    fn one_empty_line_before_the_request_line_is_skipped_rfc_9112_2_2() {
        assert_eq!(
            read(b"\r\nGET / HTTP/1.1\r\n\r\n"),
            read(b"GET / HTTP/1.1\r\n\r\n")
        );
    }

    #[test]
    fn any_token_is_a_method_rfc_9110_9_1() {
        let long = "M".repeat(100);
        for method in ["GET", "get", "M-SEARCH", "!#$%&'*+-.^_`|~09", &long] {
            let (parsed, ..) = line(&format!("{method} / HTTP/1.1")).unwrap();
            assert_eq!(parsed, method);
        }
        for method in ["G(T", "G\u{e9}T", "G\"T", "GET:", "{", "G\x7fT"] {
            assert_eq!(
                error(&format!("{method} / HTTP/1.1")),
                Some(PeerError::Method),
                "{method}"
            );
        }
    }

    #[test]
    fn a_later_minor_version_is_read_as_the_highest_known_rfc_9110_2_5() {
        assert_eq!(line("GET / HTTP/1.0").unwrap().2, Version::Http10);
        for minor in 1..10 {
            assert_eq!(
                line(&format!("GET / HTTP/1.{minor}")).unwrap().2,
                Version::Http11
            );
        }
    }

    #[test]
    fn another_major_version_is_not_supported_rfc_9110_15_6_6() {
        for bad in [
            "GET / HTTP/2.0",
            "GET / HTTP/0.9",
            "PRI * HTTP/2.0",
            "GET / HTTP/3.1",
        ] {
            assert_eq!(error(bad), Some(PeerError::VersionUnsupported), "{bad}");
        }
    }

    #[test]
    fn a_version_is_five_letters_and_two_digits_rfc_9112_2_3() {
        for version in [
            "HTTP/1.10",
            "HTTP/11.1",
            "HTTP/1",
            "HTTP/1.",
            "HTTP/.1",
            "HTTP/1,1",
            "http/1.1",
            "HTTP 1.1",
            "HTTPS/1.1",
            "HTTP/1.1a",
            "HTTP/+1.1",
            "HTTP/1.1\x7f",
            "H",
            "",
            "HTTP/\u{661}.1",
        ] {
            let expected = if version.contains(' ') {
                PeerError::RequestLine
            } else {
                PeerError::Version
            };
            assert_eq!(
                error(&format!("GET / {version}")),
                Some(expected),
                "{version}"
            );
        }
    }

    #[test]
    fn exactly_one_space_separates_the_parts_rfc_9112_3() {
        for bad in [
            " GET / HTTP/1.1",
            "GET  / HTTP/1.1",
            "GET /  HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET / / HTTP/1.1",
            "GET /",
            "GET",
            "GET / ",
            "GET  HTTP/1.1",
        ] {
            let expected = if bad == "GET / " {
                PeerError::Version
            } else {
                PeerError::RequestLine
            };
            assert_eq!(error(bad), Some(expected), "{bad}");
        }
        assert_eq!(error("GET\t/ HTTP/1.1"), Some(PeerError::Method));
        assert_eq!(error("GET /\tHTTP/1.1"), Some(PeerError::Target));
        assert_eq!(error("GET /\x0bHTTP/1.1"), Some(PeerError::Target));
    }

    #[test]
    fn the_target_has_the_form_of_its_method_rfc_9112_3_2() {
        for good in [
            "GET / HTTP/1.1",
            "OPTIONS * HTTP/1.1",
            "CONNECT a:1 HTTP/1.1",
        ] {
            assert_eq!(error(good), None, "{good}");
        }
        for bad in [
            "GET * HTTP/1.1",
            "GET a:1 HTTP/1.1",
            "CONNECT / HTTP/1.1",
            "GET a HTTP/1.1",
            "GET /\" HTTP/1.1",
            "GET /< HTTP/1.1",
            "GET /> HTTP/1.1",
            "GET /# HTTP/1.1",
            "GET /\\ HTTP/1.1",
            "GET /\u{e9} HTTP/1.1",
            "GET /\x7f HTTP/1.1",
            "GET /?# HTTP/1.1",
        ] {
            assert_eq!(error(bad), Some(PeerError::Target), "{bad}");
        }
    }

    /// Each of these is fine for `httparse::Request::parse`, and none of them for the core.
    #[test]
    fn every_leniency_of_httparse_is_closed() {
        let leniencies: [(&[u8], PeerError); 12] = [
            (b"GET / HTTP/1.1\nHost: a\r\n\r\n", PeerError::LineEnd), // RFC 9112 2.2
            (b"GET / HTTP/1.1\r\nHost: a\n\r\n", PeerError::LineEnd), // RFC 9112 2.2
            (b"GET / HTTP/1.1\r\nHost: a\r\n\n", PeerError::LineEnd), // RFC 9112 2.2
            (b"GET / HTTP/1.1\nHost: a\n\n", PeerError::LineEnd),     // RFC 9112 2.2
            (b"\nGET / HTTP/1.1\r\n\r\n", PeerError::LineEnd),        // RFC 9112 2.2
            (b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", PeerError::RequestLine), // RFC 9112 2.2
            (b"GET /\"<> HTTP/1.1\r\n\r\n", PeerError::Target),       // RFC 3986 3.3
            (b"GET /a#b HTTP/1.1\r\n\r\n", PeerError::Target),        // RFC 9112 3.2.1
            (b"GET /\\ HTTP/1.1\r\n\r\n", PeerError::Target),         // RFC 3986 3.3
            (b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n", PeerError::Target),   // RFC 3986 2
            (b"GET a HTTP/1.1\r\n\r\n", PeerError::Target),           // RFC 9112 3.2
            (b"GET * HTTP/1.1\r\n\r\n", PeerError::Target),           // RFC 9112 3.2.4
        ];
        for (input, error) in leniencies {
            let mut room = [httparse::EMPTY_HEADER; 4];
            let lenient = httparse::Request::new(&mut room).parse(input);
            assert_eq!(
                lenient,
                Ok(httparse::Status::Complete(input.len())),
                "{}",
                input.escape_ascii()
            );
            assert_eq!(read(input), Err(error), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn where_httparse_is_too_strict_the_core_is_not() {
        let input = b"GET / HTTP/1.2\r\nHost: a\r\n\r\n";
        let mut room = [httparse::EMPTY_HEADER; 4];
        let strict = httparse::Request::new(&mut room).parse(input);
        assert_eq!(strict, Err(httparse::Error::Version));
        assert!(matches!(read(input), Ok(Some((_, _, Version::Http11, _)))));
    }

    /// Mutates a head in many thousand ways. What is accepted must look the same to httparse, which
    /// reads the whole of it, and to a reader that cuts it at CRLF and colon.
    #[test]
    fn what_is_accepted_looks_the_same_to_every_reader() {
        let seed = b"GET /a?b=c HTTP/1.1\r\nHost: a.b\r\nA:\tb c \r\nX-Long-Name: d\r\n\r\n";
        let alphabet = b"\r\n\t :a/\0\x7f\xff?*H1";
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random % below as u64).unwrap()
        };
        let mut accepted = 0;
        for _ in 0..40_000 {
            let mut input = seed.to_vec();
            for _ in 0..=next(3) {
                let (at, byte) = (next(input.len()), alphabet[next(alphabet.len())]);
                match next(3) {
                    0 => input[at] = byte,
                    1 => input.insert(at, byte),
                    _ => drop(input.remove(at)),
                }
            }
            let Ok(Some(head)) = read(&input) else {
                continue;
            };
            accepted += 1;
            assert_eq!(head, read_naively(&input), "{}", input.escape_ascii());
            let mut room = [httparse::EMPTY_HEADER; 16];
            let mut request = httparse::Request::new(&mut room);
            let end = Finder::default()
                .find_head(&input, &Limits::default())
                .unwrap();
            assert_eq!(
                request.parse(&input),
                Ok(httparse::Status::Complete(end.unwrap()))
            );
            assert_eq!(request.method, Some(head.0.as_str()));
            assert_eq!(request.path, Some(head.1.as_str()));
            let fields = request
                .headers
                .iter()
                .map(|line| (line.name.into(), line.value.into()));
            assert_eq!(fields.collect::<Vec<(String, Vec<u8>)>>(), head.3);
        }
        assert!(accepted > 4_000, "{accepted} are too few to mean anything");
    }

    fn read_naively(input: &[u8]) -> Parsed {
        let text: String = input.iter().map(|byte| char::from(*byte)).collect();
        let text = text.strip_prefix("\r\n").unwrap_or(&text);
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(
            head.matches(['\r', '\n']).count(),
            2 * head.matches("\r\n").count()
        );
        let mut lines = head.split("\r\n");
        let parts: Vec<&str> = lines.next().unwrap().split(' ').collect();
        let [method, target, version] = parts[..] else {
            panic!("{parts:?}")
        };
        let version = if version == "HTTP/1.0" {
            Version::Http10
        } else {
            Version::Http11
        };
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            assert!(
                !name.is_empty() && !name.contains([' ', '\t', '\0']),
                "{name:?}"
            );
            assert!(!value.contains(['\0', '\x7f']));
            let value = value.trim_matches([' ', '\t']).chars();
            (
                name.into(),
                value.map(|byte| u8::try_from(byte).unwrap()).collect(),
            )
        });
        (method.into(), target.into(), version, fields.collect())
    }
}

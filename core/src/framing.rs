//! What a head means for its connection: how much content follows, and what comes after it
//! (RFC 9112 sections 6 and 9).
//!
//! Whatever leaves the framing of a message in doubt is refused, also where the RFC would let a
//! server guess: a guess that differs from that of a proxy in front is request smuggling.

use crate::syntax::{Class, elements};
use crate::target::is_host;
use crate::{Head, Limits, PeerError, Version};

/// How the content that follows a head is delimited (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ContentFraming {
    /// There is none.
    None,
    /// So many bytes, at least one.
    Length(u64),
    /// Chunks, until the last.
    Chunked,
}

/// What a head means for its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent properties of a request"
)]
pub(crate) struct Semantics {
    /// The content that follows.
    pub(crate) content: ContentFraming,
    /// This is the connection's last request: `Connection: close`, or HTTP/1.0 without
    /// `keep-alive` (RFC 9112 section 9.3).
    pub(crate) close: bool,
    /// The client may wait for `100 Continue` before it sends content (RFC 9110 section 10.1.1).
    pub(crate) expect: bool,
    /// The version of the request.
    pub(crate) version: Version,
    /// `HEAD`: the response has no content (RFC 9110 section 9.3.2).
    pub(crate) is_head: bool,
    /// `GET`, `HEAD`, `OPTIONS` or `TRACE` (RFC 9110 section 9.2.1).
    pub(crate) is_safe: bool,
    /// `CONNECT`: a successful response makes the connection a tunnel (RFC 9110 section 9.3.6).
    pub(crate) is_connect: bool,
    /// The client asks for another protocol (RFC 9110 section 7.8).
    pub(crate) upgrade: bool,
}

impl Semantics {
    /// Whether the client has nothing more to send behind the head, as it says.
    pub(crate) fn ends_client(&self) -> bool {
        let is_whole = matches!(self.content, ContentFraming::None);
        self.close && is_whole && !(self.upgrade || self.is_connect)
    }
}

/// Reads everything in `head` that the connection depends on, in one pass.
pub(crate) fn semantics(head: &Head<'_>, limits: &Limits) -> Result<Semantics, PeerError> {
    let mut seen = Seen::default();
    for (name, value) in head.fields().lines() {
        seen.read(name, value)?;
    }
    seen.semantics(head.method_bytes(), head.version(), limits)
}

/// What the fields read so far have said.
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one for each thing that may be seen"
)]
pub(crate) struct Seen {
    host: bool,
    length: Option<u64>,
    length_too_large: bool,
    coding: Option<Coding>,
    close: bool,
    keep_alive: bool,
    connection_upgrade: bool,
    upgrade: bool,
    expect_continue: bool,
    expect_unknown: bool,
}

/// The transfer codings read so far (RFC 9112 section 6.1).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// The field is there, but has named no coding yet.
    Empty,
    /// `chunked`, and nothing before it.
    Chunked,
    /// Others, and not yet `chunked`.
    Others,
    /// Others, then `chunked`.
    OthersChunked,
}

impl Seen {
    /// Reads one field line. The length of the name decides quickly that most are of no interest.
    #[inline(always)]
    pub(crate) fn read(&mut self, name: &[u8], value: &[u8]) -> Result<(), PeerError> {
        match name.len() {
            4 if is_name(name, b"host") => self.read_host(value),
            6 if is_name(name, b"expect") => {
                self.read_expect(value);
                Ok(())
            }
            7 if is_name(name, b"upgrade") => {
                self.upgrade |= !value.is_empty();
                Ok(())
            }
            10 if is_name(name, b"connection") => {
                self.read_connection(value);
                Ok(())
            }
            14 if is_name(name, b"content-length") => self.read_length(value),
            17 if is_name(name, b"transfer-encoding") => self.read_codings(value),
            _ => Ok(()),
        }
    }

    /// One `Host` at most, and one that could be part of a URI; it may be empty, if the target has
    /// no authority (RFC 9112 section 3.2).
    fn read_host(&mut self, value: &[u8]) -> Result<(), PeerError> {
        if self.host || !(value.is_empty() || is_host(value)) {
            return Err(PeerError::Host);
        }
        self.host = true;
        Ok(())
    }

    fn read_expect(&mut self, value: &[u8]) {
        for expectation in elements(value) {
            if expectation.eq_ignore_ascii_case(b"100-continue") {
                self.expect_continue = true;
            } else {
                self.expect_unknown = true;
            }
        }
    }

    fn read_connection(&mut self, value: &[u8]) {
        for option in elements(value) {
            match option.len() {
                5 => self.close |= option.eq_ignore_ascii_case(b"close"),
                7 => self.connection_upgrade |= option.eq_ignore_ascii_case(b"upgrade"),
                10 => self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive"),
                _ => {}
            }
        }
    }

    /// `1*DIGIT`, once. The same length twice, or as a list, could be read as one, but RFC 9112
    /// section 6.3 lets a server refuse it, and no honest client sends it.
    fn read_length(&mut self, value: &[u8]) -> Result<(), PeerError> {
        let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        if self.length.is_some() || !is_number {
            return Err(PeerError::ContentLength);
        }
        let length = value.iter().try_fold(0_u64, |length, digit| {
            length.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        });
        self.length_too_large = length.is_none();
        self.length = Some(length.unwrap_or(u64::MAX));
        Ok(())
    }

    /// A list over any number of lines. The coding `chunked` has no parameters, is applied once
    /// and last; others are told apart from malformed ones, to be answered with 501.
    fn read_codings(&mut self, value: &[u8]) -> Result<(), PeerError> {
        let mut coding = self.coding.unwrap_or(Coding::Empty);
        for element in elements(value) {
            let (name, parameters) = split_parameters(element);
            let is_chunked = name.eq_ignore_ascii_case(b"chunked");
            let is_coding = !name.is_empty() && Class::TOKEN.has_all(name);
            // A parameter is a name and a value. One with a comma in it comes in pieces here, of
            // which the next is no coding: 400 instead of 501, never a guess.
            if !is_coding || parameters.is_some_and(|text| is_chunked || !text.contains(&b'=')) {
                return Err(PeerError::TransferEncoding);
            }
            coding = match (coding, is_chunked) {
                (Coding::Empty, true) => Coding::Chunked,
                (Coding::Others, true) => Coding::OthersChunked,
                (Coding::Empty | Coding::Others, false) => Coding::Others,
                (Coding::Chunked | Coding::OthersChunked, _) => {
                    return Err(PeerError::TransferEncoding);
                }
            };
        }
        self.coding = Some(coding);
        Ok(())
    }

    /// What a head means of which these were the fields.
    #[inline(always)]
    pub(crate) fn semantics(
        &self,
        method: &[u8],
        version: Version,
        limits: &Limits,
    ) -> Result<Semantics, PeerError> {
        let is_1_1 = version == Version::Http11;
        if is_1_1 && !self.host {
            return Err(PeerError::Host);
        }
        if is_1_1 && self.expect_unknown {
            return Err(PeerError::Expectation);
        }
        let content = self.content(version, limits)?;
        Ok(Semantics {
            content,
            close: self.close || (!is_1_1 && !self.keep_alive),
            // HTTP/1.0 knows no interim responses, and without content there is nothing to wait
            // with.
            expect: is_1_1 && self.expect_continue && content != ContentFraming::None,
            version,
            is_head: method == b"HEAD",
            is_safe: matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE"),
            is_connect: method == b"CONNECT",
            upgrade: is_1_1 && self.connection_upgrade && self.upgrade,
        })
    }

    /// The framing that follows from all fields (RFC 9112 section 6.3).
    fn content(&self, version: Version, limits: &Limits) -> Result<ContentFraming, PeerError> {
        let Some(coding) = self.coding else {
            return match self.length {
                None | Some(0) => Ok(ContentFraming::None),
                Some(length) if self.length_too_large || length > limits.content => {
                    Err(PeerError::ContentTooLarge)
                }
                Some(length) => Ok(ContentFraming::Length(length)),
            };
        };
        // A recipient that knows no transfer codings may have forwarded the message
        // (RFC 9112 section 6.1).
        if version == Version::Http10 {
            return Err(PeerError::TransferEncoding);
        }
        if self.length.is_some() {
            return Err(PeerError::LengthAndCoding);
        }
        match coding {
            Coding::Chunked => Ok(ContentFraming::Chunked),
            Coding::OthersChunked => Err(PeerError::CodingUnknown),
            // Without `chunked` at the end nobody knows where the content ends. Section 6.3 demands
            // 400 for it, whether the codings are known or not.
            Coding::Others | Coding::Empty => Err(PeerError::TransferEncoding),
        }
    }
}

/// Whether `name`, a token, is `lower`, which is letters in lower case and hyphens, in any case.
fn is_name<const N: usize>(name: &[u8], lower: &[u8; N]) -> bool {
    // The bit is what tells a letter's cases apart. It makes a letter or a hyphen of no other byte
    // that a token can have. Without an early exit all bytes are compared at once.
    let differ = |(byte, lower): (&u8, &u8)| (byte | 0x20) ^ lower;
    <&[u8; N]>::try_from(name)
        .is_ok_and(|name| name.iter().zip(lower).map(differ).fold(0, |a, b| a | b) == 0)
}

/// The name of a coding, and what follows its semicolon.
fn split_parameters(coding: &[u8]) -> (&[u8], Option<&[u8]>) {
    match coding.iter().position(|byte| *byte == b';') {
        Some(end) => (coding[..end].trim_ascii_end(), Some(&coding[end + 1..])),
        None => (coding, None),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;

    use super::*;
    use crate::Spans;
    use crate::head::read_head;

    fn read_line(line: &str, fields: &str) -> Result<Semantics, PeerError> {
        let limits = Limits {
            content: 1000,
            ..Limits::default()
        };
        let head = format!("{line}\r\n{fields}\r\n");
        let mut spans = Spans::new();
        let head = read_head(head.as_bytes(), &mut spans, &limits)?.unwrap();
        semantics(&head, &limits)
    }

    /// HTTP/1.1, with a valid `Host`.
    fn read(fields: &str) -> Result<Semantics, PeerError> {
        read_line("POST / HTTP/1.1", &format!("Host: a\r\n{fields}"))
    }

    fn read_1_0(fields: &str) -> Result<Semantics, PeerError> {
        read_line("POST / HTTP/1.0", fields)
    }

    #[track_caller]
    fn refuses(fields: &str, error: PeerError) {
        assert_eq!(read(fields), Err(error), "{fields:?}");
    }

    fn content(fields: &str) -> Result<ContentFraming, PeerError> {
        read(fields).map(|semantics| semantics.content)
    }

    #[test]
    fn a_name_is_told_from_all_others_whatever_its_case_rfc_9110_5_1() {
        let lower = b"transfer-encoding";
        for at in 0..lower.len() {
            for byte in (0..=255).filter(|byte| Class::TOKEN.has(*byte)) {
                let mut name = *lower;
                name[at] = byte;
                let expected = byte.eq_ignore_ascii_case(&lower[at]);
                assert_eq!(is_name(&name, lower), expected, "{byte} at {at}");
            }
        }
        assert!(!is_name(&lower[1..], lower) && !is_name(b"transfer-encodings", lower));
    }

    #[test]
    fn a_request_without_framing_fields_has_no_content_rfc_9112_6_3() {
        assert_eq!(content(""), Ok(ContentFraming::None));
        assert_eq!(content("Content-Length: 0\r\n"), Ok(ContentFraming::None));
        assert_eq!(content("Content-Length: 000\r\n"), Ok(ContentFraming::None));
    }

    #[test]
    fn content_length_is_one_decimal_number_rfc_9110_8_6() {
        assert_eq!(
            content("Content-Length: 1000\r\n"),
            Ok(ContentFraming::Length(1000))
        );
        assert_eq!(
            content("cONTENT-lENGTH:\t007 \r\n"),
            Ok(ContentFraming::Length(7))
        );
        for bad in [
            "", "+5", "-5", "5,5", "5, 5", "0x5", "5a", "5 5", "5.0", "\"5\"", "\u{665}", ",",
        ] {
            refuses(
                &format!("Content-Length: {bad}\r\n"),
                PeerError::ContentLength,
            );
        }
        refuses(
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            PeerError::ContentLength,
        );
        refuses(
            "Content-Length: 5\r\ncontent-length: 6\r\n",
            PeerError::ContentLength,
        );
        refuses(
            "Content-Length: 0\r\nContent-Length: 0\r\n",
            PeerError::ContentLength,
        );
    }

    #[test]
    fn content_beyond_the_limit_is_too_large_also_where_it_cannot_be_counted() {
        refuses("Content-Length: 1001\r\n", PeerError::ContentTooLarge);
        refuses(
            "Content-Length: 18446744073709551615\r\n",
            PeerError::ContentTooLarge,
        );
        refuses(
            "Content-Length: 18446744073709551616\r\n",
            PeerError::ContentTooLarge,
        );
        refuses(
            "Content-Length: 99999999999999999999999\r\n",
            PeerError::ContentTooLarge,
        );
        let head = b"POST / HTTP/1.0\r\nContent-Length: 18446744073709551616\r\n\r\n";
        let limits = Limits {
            content: u64::MAX,
            ..Limits::default()
        };
        let mut spans = Spans::new();
        let head = read_head(head, &mut spans, &limits).unwrap().unwrap();
        assert_eq!(semantics(&head, &limits), Err(PeerError::ContentTooLarge));
    }

    #[test]
    fn chunked_alone_is_accepted_however_the_list_is_written_rfc_9112_6_1() {
        for good in [
            "chunked",
            "CHUNKED",
            " chunked\t",
            ",chunked",
            "chunked , ,",
        ] {
            let fields = format!("Transfer-Encoding: {good}\r\n");
            assert_eq!(content(&fields), Ok(ContentFraming::Chunked), "{good}");
        }
        let over_lines = "Transfer-Encoding:\r\nA: b\r\nTransfer-Encoding: chunked\r\n";
        assert_eq!(content(over_lines), Ok(ContentFraming::Chunked));
    }

    #[test]
    fn chunked_is_last_and_applied_once_rfc_9112_6_1() {
        for bad in [
            "",
            ",",
            "chunked, chunked",
            "chunked, gzip",
            "gzip, chunked, gzip",
            "gzip",
            "gzip, chunked, chunked",
            "identity",
            "xchunked",
            "chunked, identity",
            "chunke",
            // Neither parameters nor quotes, and white space only around commas.
            "chunked;a=b",
            "chunked; q=1",
            "\"chunked\"",
            "chun ked",
            "gzip;a, chunked",
            "x;a=\"b, chunked\", chunked",
            ";a=b, chunked",
            "chunked;",
            "\"a, chunked",
            "chunked\x0c",
            "\u{212a}, chunked",
        ] {
            let expected = if bad.contains('\x0c') {
                PeerError::Field
            } else {
                PeerError::TransferEncoding
            };
            refuses(&format!("Transfer-Encoding: {bad}\r\n"), expected);
        }
        let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
        refuses(twice, PeerError::TransferEncoding);
        let not_last = "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n";
        refuses(not_last, PeerError::TransferEncoding);
    }

    #[test]
    fn a_coding_before_chunked_is_not_implemented_rfc_9112_6_1() {
        for bad in [
            "gzip, chunked",
            "identity, chunked",
            "x, y, Chunked",
            "x;a=b, chunked",
            "x ; a = \"b\";c=d , chunked",
        ] {
            refuses(
                &format!("Transfer-Encoding: {bad}\r\n"),
                PeerError::CodingUnknown,
            );
        }
        let over_lines = "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n";
        refuses(over_lines, PeerError::CodingUnknown);
    }

    #[test]
    fn length_and_coding_exclude_each_other_rfc_9112_6_1() {
        for coding in ["chunked", "gzip", ""] {
            for length in ["5", "0", "99999999999999999999999"] {
                let length = format!("Content-Length: {length}\r\n");
                let coding = format!("Transfer-Encoding: {coding}\r\n");
                refuses(&format!("{length}{coding}"), PeerError::LengthAndCoding);
                refuses(&format!("{coding}{length}"), PeerError::LengthAndCoding);
            }
        }
    }

    #[test]
    fn http_1_0_has_no_transfer_codings_rfc_9112_6_1() {
        for fields in ["Transfer-Encoding: chunked\r\n", "Transfer-Encoding:\r\n"] {
            assert_eq!(read_1_0(fields), Err(PeerError::TransferEncoding));
            let fields = format!("Content-Length: 5\r\n{fields}");
            assert_eq!(read_1_0(&fields), Err(PeerError::TransferEncoding));
        }
    }

    #[test]
    fn exactly_one_valid_host_is_needed_rfc_9112_3_2() {
        let get = "GET / HTTP/1.1";
        for good in ["a", "a:80", "", "[::1]:80", "a.b."] {
            assert!(
                read_line(get, &format!("Host: {good}\r\n")).is_ok(),
                "{good}"
            );
        }
        for bad in [
            "a b", "a, b", "u@a", "a/b", "http://a", "a:b", "[::1", ":80", "\u{e9}",
        ] {
            let host = format!("Host: {bad}\r\n");
            assert_eq!(read_line(get, &host), Err(PeerError::Host), "{bad}");
            assert_eq!(read_1_0(&host), Err(PeerError::Host), "{bad}");
            let absolute = "GET http://a/ HTTP/1.1";
            assert_eq!(read_line(absolute, &host), Err(PeerError::Host), "{bad}");
        }
        assert_eq!(read_line(get, ""), Err(PeerError::Host));
        assert_eq!(
            read_line("GET http://a/ HTTP/1.1", ""),
            Err(PeerError::Host)
        );
        assert_eq!(read_line("GET / HTTP/1.2", ""), Err(PeerError::Host));
        refuses("Host: a\r\n", PeerError::Host);
        refuses("hOST:\r\n", PeerError::Host);
        assert_eq!(read_1_0("Host:\r\nHost:\r\n"), Err(PeerError::Host));
        assert!(read_1_0("").is_ok() && read_1_0("Host: a\r\n").is_ok());
    }

    #[test]
    fn persistence_follows_version_and_connection_rfc_9112_9_3() {
        let close = |fields: &str| read(fields).unwrap().close;
        let close_1_0 = |fields: &str| read_1_0(fields).unwrap().close;
        assert!(!close("") && close_1_0(""));
        for keep in ["keep-alive", "Keep-Alive", "x,\tkeep-alive\t,y"] {
            let keep = format!("Connection: {keep}\r\n");
            assert!(!close(&keep) && !close_1_0(&keep), "{keep}");
            let both = format!("{keep}Connection: x, Close\r\n");
            assert!(close(&both) && close_1_0(&both), "{both}");
        }
        assert!(close("Connection: keep-alive, close\r\n"));
        assert!(close("CONNECTION: ,\tCLOSE,\r\n"));
        assert!(!close(
            "Connection: closed, xclose, clos, \"close\", close;a\r\n"
        ));
        assert!(!close("Connection:\r\n") && !close("Connectio: close\r\n"));
    }

    #[test]
    fn an_expectation_is_100_continue_rfc_9110_10_1_1() {
        let length = "Content-Length: 5\r\n";
        for good in [
            "100-continue",
            "100-Continue",
            "100-continue,",
            ", 100-CONTINUE",
        ] {
            let expect = format!("Expect: {good}\r\n");
            assert!(read(&format!("{expect}{length}")).unwrap().expect, "{good}");
            assert!(
                read(&format!("{expect}Transfer-Encoding: chunked\r\n"))
                    .unwrap()
                    .expect
            );
            assert!(!read(&expect).unwrap().expect, "without content");
            assert!(
                !read(&format!("{expect}Content-Length: 0\r\n"))
                    .unwrap()
                    .expect
            );
            assert!(
                !read_1_0(&format!("{expect}{length}")).unwrap().expect,
                "in HTTP/1.0"
            );
        }
        assert!(!read(&format!("Expect:\r\n{length}")).unwrap().expect);
        for bad in [
            "a",
            "100",
            "100-continue;a",
            "100-continue, a",
            "100-continue=a",
            "\"100-continue\"",
        ] {
            refuses(&format!("Expect: {bad}\r\n"), PeerError::Expectation);
            assert!(
                !read_1_0(&format!("Expect: {bad}\r\n{length}"))
                    .unwrap()
                    .expect
            );
        }
    }

    #[test]
    fn an_upgrade_takes_two_fields_and_http_1_1_rfc_9110_7_8() {
        let both = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
        assert!(read(both).unwrap().upgrade);
        assert!(!read_1_0(both).unwrap().upgrade);
        for one in [
            "Connection: upgrade\r\n",
            "Upgrade: a\r\n",
            "Connection: upgrade\r\nUpgrade:\r\n",
        ] {
            assert!(!read(one).unwrap().upgrade, "{one}");
        }
    }

    /// Field names are told apart by their length first.
    #[test]
    fn a_field_is_not_taken_for_another_one_whose_name_is_as_long() {
        let plain = read("").unwrap();
        for fields in [
            "From: tide\r\n",
            "Accept: 200-ok\r\n",
            "Connection: upgrade\r\nReferer: tide\r\n",
            "User-Agent: close\r\n",
            "Accept-Charset: 5\r\n",
            "If-Modified-Since: chunked\r\n",
        ] {
            assert_eq!(read(fields), Ok(plain), "{fields}");
        }
    }

    #[test]
    fn methods_are_told_apart_by_case_rfc_9110_9() {
        let method = |line: &str| {
            let semantics = read_line(line, "Host: a\r\n").unwrap();
            (semantics.is_safe, semantics.is_head, semantics.is_connect)
        };
        for safe in ["GET / HTTP/1.1", "OPTIONS * HTTP/1.1", "TRACE / HTTP/1.1"] {
            assert_eq!(method(safe), (true, false, false), "{safe}");
        }
        assert_eq!(method("HEAD / HTTP/1.1"), (true, true, false));
        assert_eq!(method("CONNECT a:1 HTTP/1.1"), (false, false, true));
        for other in [
            "POST / HTTP/1.1",
            "get / HTTP/1.1",
            "head / HTTP/1.1",
            "PROPFIND / HTTP/1.1",
        ] {
            assert_eq!(method(other), (false, false, false), "{other}");
        }
    }
}

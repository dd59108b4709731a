//! How heads and chunk lines are written.
//!
//! What every reply goes through is inlined into what writes it, which costs fewer instructions
//! than the calls would.

use crate::head::Version;
use crate::reply::{BodyLength, Encoder};
use crate::syntax::Class;
use crate::{HttpDate, MisuseError, Sink, Status};

/// Fields that the connection decides: a handler's are not sent (RFC 9110 section 7.6.1).
const OURS: [&str; 5] = [
    "connection",
    "content-length",
    "transfer-encoding",
    "keep-alive",
    "proxy-connection",
];

/// Fields that mean nothing behind the content, or something else, and must not stand there
/// (RFC 9110 section 6.5.1): they frame, route, authenticate, control the response or say how its
/// content is to be read.
const NOT_IN_TRAILERS: [&str; 24] = [
    "age",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-range",
    "content-type",
    "date",
    "expect",
    "expires",
    "host",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "retry-after",
    "set-cookie",
    "te",
    "trailer",
    "upgrade",
    "vary",
    "warning",
    "www-authenticate",
];

/// What a pass over the handler's fields found.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) date: bool,
    pub(crate) close: bool,
    pub(crate) upgrade: bool,
}

#[inline(always)]
pub(crate) fn put_status_line<O: Sink>(out: &mut O, status: Status) {
    if status == Status::OK {
        return out.put(b"HTTP/1.1 200 OK\r\n");
    }
    out.put(b"HTTP/1.1 ");
    let mut digits = [0; 5];
    let start = digits.len() - put_decimal(&mut digits, status.code().into());
    out.put(&digits[start..]);
    out.put(b" ");
    out.put(status.reason().as_bytes());
    out.put(b"\r\n");
}

pub(crate) fn put_field<O: Sink>(out: &mut O, name: &[u8], value: &[u8]) {
    out.put(name);
    out.put(b": ");
    out.put(value);
    out.put(b"\r\n");
}

/// Writes the handler's fields, but for those that the connection decides. Of several dates only
/// the first is sent: no recipient could tell which one holds (RFC 9110 section 5.3).
#[inline(always)]
pub(crate) fn put_fields<'a, F, O>(out: &mut O, fields: F) -> Result<Seen, MisuseError>
where
    F: IntoIterator<Item = (&'a [u8], &'a [u8])>,
    O: Sink,
{
    let mut seen = Seen::default();
    for (name, value) in fields {
        check_field(name, value)?;
        if is_any_of(name, &OURS) {
            seen.close |= name.eq_ignore_ascii_case(b"connection") && says_close(value);
            continue;
        }
        let is_date = name.eq_ignore_ascii_case(b"date");
        if !(is_date && seen.date) {
            put_field(out, name, value);
        }
        seen.date |= is_date;
        seen.upgrade |= name.eq_ignore_ascii_case(b"upgrade") && !value.is_empty();
    }
    Ok(seen)
}

/// Writes the handler's trailer fields, but for those that must not stand there.
pub(crate) fn put_trailers<'a, F, O>(out: &mut O, fields: F) -> Result<(), MisuseError>
where
    F: IntoIterator<Item = (&'a [u8], &'a [u8])>,
    O: Sink,
{
    for (name, value) in fields {
        check_field(name, value)?;
        if !is_any_of(name, &OURS) && !is_any_of(name, &NOT_IN_TRAILERS) {
            put_field(out, name, value);
        }
    }
    Ok(())
}

fn is_any_of(name: &[u8], names: &[&str]) -> bool {
    let mut names = names.iter();
    names.any(|one| name.eq_ignore_ascii_case(one.as_bytes()))
}

/// The `Connection` field. Who sends `Upgrade` names it there (RFC 9110 section 7.8).
#[inline(always)]
pub(crate) fn put_connection<O: Sink>(out: &mut O, option: &str, upgrade: bool) {
    let separator = if upgrade && !option.is_empty() {
        ", "
    } else {
        ""
    };
    let upgrade = if upgrade { "upgrade" } else { "" };
    if option.is_empty() && upgrade.is_empty() {
        return;
    }
    out.put(b"connection: ");
    for part in [option, separator, upgrade, "\r\n"] {
        out.put(part.as_bytes());
    }
}

fn says_close(value: &[u8]) -> bool {
    value
        .split(|&byte| byte == b',')
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// The fields that delimit the content (RFC 9112 section 6). A reply to HEAD has those that the
/// reply to GET would have (RFC 9110 section 9.3.2).
#[inline(always)]
pub(crate) fn put_framing<O: Sink>(
    out: &mut O,
    status: Status,
    length: BodyLength,
    encoder: Encoder,
    version: Version,
) {
    // Behind a 2xx to CONNECT, 205 among them, comes a tunnel (RFC 9110 section 9.3.6).
    if status.is_bodiless() || encoder == Encoder::UntilClose {
        return;
    }
    if status == Status::RESET_CONTENT {
        return put_field(out, b"content-length", b"0");
    }
    match length {
        BodyLength::Known(length) => put_content_length(out, length),
        BodyLength::Unknown if version == Version::Http11 => {
            put_field(out, b"transfer-encoding", b"chunked");
        }
        BodyLength::Unknown => {}
    }
}

/// The field. Digits and line end of a short length are one word: bytes that were just written one
/// by one cannot be copied at once.
fn put_content_length<O: Sink>(out: &mut O, length: u64) {
    out.put(b"content-length: ");
    let mut rest = length;
    let (mut text, mut len) = (u64::from(u16::from_le_bytes(*b"\r\n")), 2);
    while len < 8 {
        text = text << 8 | (u64::from(b'0') + rest % 10);
        rest /= 10;
        len += 1;
        if rest == 0 {
            return out.put(&text.to_le_bytes()[..len]);
        }
    }
    let mut digits = [0; 20];
    let start = digits.len() - put_decimal(&mut digits, length);
    out.put(&digits[start..]);
    out.put(b"\r\n");
}

/// Writes the decimal digits of `number`, of which there are 20 at most, to the end of `digits`;
/// returns how many there are.
fn put_decimal(digits: &mut [u8], mut number: u64) -> usize {
    let mut len = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789"[(number % 10) as usize];
        number /= 10;
        len += 1;
        if number == 0 {
            break;
        }
    }
    len
}

/// Writes a chunk's size line to the front of `prefix`; returns its length.
pub(crate) fn put_chunk_size(prefix: &mut [u8; 18], len: u64) -> u8 {
    let digits = (64 - len.leading_zeros()).div_ceil(4).max(1);
    let mut end = 0;
    for digit in (0..digits).rev() {
        prefix[usize::from(end)] = b"0123456789abcdef"[(len >> (4 * digit) & 0xf) as usize];
        end += 1;
    }
    prefix[usize::from(end)] = b'\r';
    prefix[usize::from(end) + 1] = b'\n';
    end + 2
}

/// Begins a head: the status line, the handler's fields, and `Date` unless they have one. Where a
/// field is not valid, `out` is left as it was.
#[inline(always)]
pub(crate) fn put_head<'a, F, O>(
    out: &mut O,
    status: Status,
    date: &HttpDate,
    fields: F,
) -> Result<Seen, MisuseError>
where
    F: IntoIterator<Item = (&'a [u8], &'a [u8])>,
    O: Sink,
{
    let start = out.len();
    put_status_line(out, status);
    let seen = put_fields(out, fields).inspect_err(|_| out.truncate(start))?;
    if !seen.date {
        out.put(&date.line);
    }
    Ok(seen)
}

/// Whether a field can stand in a head: no CR, LF or other control character, no empty name
/// (RFC 9110 section 5).
pub(crate) fn check_field(name: &[u8], value: &[u8]) -> Result<(), MisuseError> {
    let valid = !name.is_empty() && Class::TOKEN.has_all(name) && Class::TEXT.has_all(value);
    if valid {
        Ok(())
    } else {
        Err(MisuseError::Field)
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    extern crate std;

    use std::format;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn a_length_of_any_size_is_written_in_decimal_rfc_9110_8_6() {
        let powers = (0..20).map(|exponent| 10_u64.pow(exponent));
        for length in powers
            .flat_map(|power| [power - 1, power, power + 1])
            .chain([u64::MAX])
        {
            let mut out = Vec::new();
            put_content_length(&mut out, length);
            assert_eq!(out, format!("content-length: {length}\r\n").as_bytes());
        }
    }

    #[test]
    fn a_status_line_has_three_digits_rfc_9112_4() {
        for code in 100..=999 {
            let mut out = Vec::new();
            let status = Status::new(code).unwrap();
            put_status_line(&mut out, status);
            let expected = format!("HTTP/1.1 {code} {}\r\n", status.reason());
            assert_eq!(out, expected.as_bytes());
        }
    }
}

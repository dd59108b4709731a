//! The chunked coding, read from the grammar in RFC 9112 section 7.1, at once and from the start.

use super::syntax::{Fields, Reading, is_token_byte, read_fields};

/// What chunked content gives, as far as it can be read.
pub(super) struct Chunks<'b> {
    /// The data of all chunks so far.
    pub(super) content: Vec<u8>,
    /// Whether the last chunk's line has been read.
    pub(super) last: bool,
    /// The trailer section and what is behind it.
    pub(super) end: Reading<(Fields, &'b [u8])>,
}

/// Ends that make a line of some valid beginning, however it was cut.
const ENDS: [&[u8]; 8] = [b"", b"0", b"a", b";a", b"\"", b"a\"", b"=a", b"\\\""];

pub(super) fn read_chunks(mut bytes: &[u8], longest_line: usize) -> Chunks<'_> {
    let mut chunks = Chunks {
        content: Vec::new(),
        last: false,
        end: Reading::Partial,
    };
    loop {
        let (size, rest) = match read_size_line(bytes, longest_line) {
            Reading::Whole(line) => line,
            Reading::Partial => return chunks,
            Reading::Bad => {
                chunks.end = Reading::Bad;
                return chunks;
            }
        };
        if size == 0 {
            chunks.last = true;
            chunks.end = read_fields(rest);
            return chunks;
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let (data, rest) = rest.split_at(size.min(rest.len()));
        chunks.content.extend_from_slice(data);
        bytes = match rest {
            [b'\r', b'\n', rest @ ..] => rest,
            [] | [b'\r'] => return chunks,
            _ => {
                chunks.end = Reading::Bad;
                return chunks;
            }
        };
    }
}

/// The size that a chunk line says, and what follows the line.
fn read_size_line(bytes: &[u8], longest: usize) -> Reading<(u64, &[u8])> {
    let end = bytes.iter().position(|byte| b"\r\n".contains(byte));
    let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
    if line.len() > longest {
        return Reading::Bad;
    }
    match (size(line), rest) {
        (Some(size), [b'\r', b'\n', rest @ ..]) => Reading::Whole((size, rest)),
        (Some(_), [b'\r']) => Reading::Partial,
        (_, []) if ENDS.iter().any(|end| size(&[line, end].concat()).is_some()) => Reading::Partial,
        _ => Reading::Bad,
    }
}

/// `chunk-size *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )`.
fn size(line: &[u8]) -> Option<u64> {
    let (digits, mut rest) = split_while(line, u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok()?;
    let size = u64::from_str_radix(digits, 16).ok()?;
    while !rest.is_empty() {
        let (_, name) = bws(rest).split_first().filter(|(byte, _)| **byte == b';')?;
        let (name, behind) = split_while(bws(name), is_token_byte);
        if name.is_empty() {
            return None;
        }
        rest = match bws(behind) {
            [b'=', value @ ..] => extension_value(bws(value))?,
            _ => behind,
        };
    }
    Some(size)
}

/// What is behind a token or a quoted string.
fn extension_value(bytes: &[u8]) -> Option<&[u8]> {
    let Some(mut rest) = bytes.strip_prefix(b"\"") else {
        let (value, rest) = split_while(bytes, is_token_byte);
        return (!value.is_empty()).then_some(rest);
    };
    let is_text = |byte: u8| byte == b'\t' || !byte.is_ascii_control();
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', byte, rest @ ..] if is_text(*byte) => rest,
            [b'\\', ..] => return None,
            [byte, rest @ ..] if is_text(*byte) => rest,
            _ => return None,
        };
    }
}

fn bws(bytes: &[u8]) -> &[u8] {
    split_while(bytes, |byte| b" \t".contains(byte)).1
}

fn split_while(bytes: &[u8], belongs: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !belongs(byte));
    bytes.split_at(end.unwrap_or(bytes.len()))
}

//! Character classes and list syntax of RFC 9110 section 5.6 and RFC 3986, as table lookups.

/// A set of bytes; one bit of [`CLASSES`].
#[derive(Clone, Copy)]
pub(crate) struct Class(u8);

impl Class {
    /// `tchar` (RFC 9110 section 5.6.2).
    pub(crate) const TOKEN: Class = Class(1);
    /// What a field value, or a quoted pair, may be made of: `VCHAR`, `obs-text`, SP and HTAB
    /// (RFC 9110 section 5.5).
    pub(crate) const TEXT: Class = Class(1 << 1);
    /// `unreserved` and `sub-delims`: a registered name without its percent-encoded bytes
    /// (RFC 3986 section 3.2.2).
    pub(crate) const NAME: Class = Class(1 << 2);
    /// `ALPHA / DIGIT / "+" / "-" / "."` (RFC 3986 section 3.1).
    pub(crate) const SCHEME: Class = Class(1 << 3);
    /// What a path may be made of: `pchar` and `/` (RFC 3986 section 3.3), and the four
    /// characters ``[ ] ^ |``, which browsers send there as they are.
    pub(crate) const PATH: Class = Class(1 << 4);
    /// What a query may be made of: all of a path, `?` (RFC 3986 section 3.4), and the three
    /// characters `` ` { } ``, which browsers send there as they are. This is also the set of
    /// all bytes that any form of a request target may hold.
    pub(crate) const QUERY: Class = Class(1 << 5);

    /// Whether `byte` is in the class.
    pub(crate) const fn has(self, byte: u8) -> bool {
        CLASSES[byte as usize] & self.0 != 0
    }

    /// How many bytes at the beginning of `bytes` are.
    pub(crate) fn prefix(self, bytes: &[u8]) -> usize {
        let end = bytes.iter().position(|byte| !self.has(*byte));
        end.unwrap_or(bytes.len())
    }

    /// Whether all of `bytes` are; true if there are none.
    pub(crate) fn has_all(self, bytes: &[u8]) -> bool {
        // No early exit: what is looked at here is short and nearly always valid, and without a
        // branch for each byte the lookups overlap.
        bytes
            .iter()
            .fold(self.0, |common, byte| common & CLASSES[usize::from(*byte)])
            != 0
    }
}

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "the loop ends at 256")]
        let bits = classes_of(byte as u8);
        table[byte] = bits;
        byte += 1;
    }
    table
}

const fn classes_of(byte: u8) -> u8 {
    let mut bits = 0;
    let alphanumeric = byte.is_ascii_alphanumeric();
    if alphanumeric || is_in(byte, b"!#$%&'*+-.^_`|~") {
        bits |= Class::TOKEN.0;
    }
    if byte == b'\t' || (byte >= b' ' && byte != 0x7f) {
        bits |= Class::TEXT.0;
    }
    let name = alphanumeric || is_in(byte, b"-._~!$&'()*+,;=");
    if name {
        bits |= Class::NAME.0;
    }
    if alphanumeric || is_in(byte, b"+-.") {
        bits |= Class::SCHEME.0;
    }
    // The URL standard of the browsers leaves some characters alone that RFC 3986 wants encoded,
    // and a percent sign that encodes nothing, too. Refusing them would refuse links that work
    // everywhere else, and none of them separates anything in a request line. What neither
    // standard lets through stays out: `"`, `<`, `>`, `#`, `\`, controls and non-ASCII.
    let path = name || is_in(byte, b":@%/[]^|");
    if path {
        bits |= Class::PATH.0;
    }
    if path || is_in(byte, b"?`{}") {
        bits |= Class::QUERY.0;
    }
    bits
}

const fn is_in(byte: u8, set: &[u8]) -> bool {
    let mut index = 0;
    while index < set.len() {
        if set[index] == byte {
            return true;
        }
        index += 1;
    }
    false
}

/// The offset of the first control character at or after `from`, or the length of `bytes`.
pub(crate) fn find_control(bytes: &[u8], from: usize) -> usize {
    let controls =
        |word: u64| (word.wrapping_sub(ONES * 0x20) & !word & HIGH) | zeros(word ^ (ONES * 0x7f));
    find(bytes, from, controls, u8::is_ascii_control)
}

/// The offset of the first CR or LF at or after `from`, or the length of `bytes`.
pub(crate) fn find_break(bytes: &[u8], from: usize) -> usize {
    let breaks = |word: u64| zeros(word ^ (ONES * 0x0d)) | zeros(word ^ (ONES * 0x0a));
    find(bytes, from, breaks, |byte| matches!(byte, b'\r' | b'\n'))
}

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

/// The high bit of each zero byte, and perhaps of some bytes above the lowest zero byte.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

/// The offset of the first byte at or after `from` that `is_found`, or the length of `bytes`.
///
/// `found` says it of eight bytes at once: the lowest high bit that it sets is that of the first.
fn find(
    bytes: &[u8],
    from: usize,
    found: impl Fn(u64) -> u64,
    is_found: impl Fn(&u8) -> bool,
) -> usize {
    let mut rest = &bytes[from..];
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        let found = found(u64::from_le_bytes(*word));
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize / 8;
        }
        rest = after;
    }
    let skipped = rest.iter().position(is_found);
    bytes.len() - rest.len() + skipped.unwrap_or(rest.len())
}

/// `bytes`, all of them ASCII, as text.
pub(crate) fn ascii(bytes: &[u8]) -> &str {
    // It cannot fail; without `unsafe` it has to be asked.
    core::str::from_utf8(bytes).unwrap_or_default()
}

/// The elements of a comma-separated list, without the white space around them; empty elements
/// are skipped, as RFC 9110 section 5.6.1.2 asks of a recipient.
///
/// It knows no quoted strings: none of the lists that the core reads may hold one, and a comma
/// inside one gives pieces that are no tokens.
pub(crate) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    // A field value has no other white space than SP and HTAB, so that this trims OWS.
    value
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    fn members(class: Class) -> Vec<u8> {
        (0..=255).filter(|byte| class.has(*byte)).collect()
    }

    #[test]
    fn a_token_is_visible_ascii_without_delimiters() {
        let delimiters = b"\"(),/:;<=>?@[\\]{}";
        let expected: Vec<u8> = (0x21..0x7f)
            .filter(|byte| !delimiters.contains(byte))
            .collect();
        assert_eq!(members(Class::TOKEN), expected);
    }

    #[test]
    fn text_is_all_but_controls() {
        let expected: Vec<u8> = (0..=255)
            .filter(|byte| *byte == b'\t' || !byte.is_ascii_control())
            .collect();
        assert_eq!(members(Class::TEXT), expected);
    }

    #[test]
    fn no_target_holds_what_neither_rfc_3986_nor_browsers_leave_unencoded() {
        let refused: Vec<u8> = (0x21..0x7f)
            .filter(|byte| !Class::QUERY.has(*byte))
            .collect();
        assert_eq!(refused, b"\"#<>\\");
        assert!(
            (0..=0x20)
                .chain(0x7f..=255)
                .all(|byte| !Class::QUERY.has(byte))
        );
        let query_only: Vec<u8> = (0x21..0x7f)
            .filter(|byte| Class::QUERY.has(*byte) && !Class::PATH.has(*byte))
            .collect();
        assert_eq!(query_only, b"?`{}");
    }

    #[test]
    fn a_class_holds_of_all_bytes_or_not() {
        assert!(Class::TOKEN.has_all(b"") && Class::TOKEN.has_all(b"abc"));
        assert!(!Class::TOKEN.has_all(b" abc") && !Class::TOKEN.has_all(b"abc:"));
    }

    #[test]
    fn the_first_byte_is_found_wherever_it_stands_and_whatever_is_around_it() {
        let is_control = |byte: u8| byte.is_ascii_control();
        let is_break = |byte: u8| matches!(byte, b'\r' | b'\n');
        for (byte, next) in
            (0..=255).flat_map(|byte| [0, 0x1f, 0x7f, 0x80].map(|next| (byte, next)))
        {
            for at in 0..20 {
                let mut bytes = [0xff; 20];
                bytes[at] = byte;
                if let Some(after) = bytes.get_mut(at + 1) {
                    *after = next;
                }
                let first = |is: fn(u8) -> bool| bytes.iter().position(|byte| is(*byte));
                assert_eq!(
                    find_control(&bytes, 0),
                    first(is_control).unwrap_or(20),
                    "{bytes:?}"
                );
                assert_eq!(
                    find_break(&bytes, 0),
                    first(is_break).unwrap_or(20),
                    "{bytes:?}"
                );
            }
        }
        assert_eq!(find_break(b"\r12345678\n", 1), 9);
    }

    #[test]
    fn list_elements_are_trimmed_and_empty_ones_skipped() {
        let list: Vec<&[u8]> = elements(b",a , \tb\t,, c d").collect();
        assert_eq!(list, [b"a" as &[u8], b"b", b"c d"]);
        assert_eq!(elements(b" , ,").count(), 0);
    }
}

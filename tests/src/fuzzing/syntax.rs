//! What requests and responses have in common: lines and fields, read by the letter of RFC 9112.

/// Names and values, in order.
pub type Fields = Vec<(String, Vec<u8>)>;

/// What a reader made of some bytes that may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<T> {
    /// It is all there.
    Whole(T),
    /// It may be valid, but is not all there.
    Partial,
    /// However it goes on, it is not valid.
    Bad,
}

impl<T> Reading<T> {
    /// The value, if it is whole.
    pub fn whole(self) -> Option<T> {
        match self {
            Reading::Whole(value) => Some(value),
            Reading::Partial | Reading::Bad => None,
        }
    }
}

/// The first line, without its CRLF, and what follows it. Neither CR nor LF stands anywhere else.
pub(super) fn read_line(bytes: &[u8]) -> Reading<(&[u8], &[u8])> {
    let Some(at) = bytes.iter().position(|byte| b"\r\n".contains(byte)) else {
        return Reading::Partial;
    };
    match &bytes[at..] {
        [b'\r', b'\n', rest @ ..] => Reading::Whole((&bytes[..at], rest)),
        [b'\r'] => Reading::Partial,
        _ => Reading::Bad,
    }
}

/// Field lines up to the empty line, and what follows that.
pub fn read_fields(bytes: &[u8]) -> Reading<(Fields, &[u8])> {
    let (mut lines, mut rest) = (Vec::new(), bytes);
    loop {
        match read_line(rest) {
            Reading::Whole((b"", behind)) => {
                let fields: Option<Fields> = lines.into_iter().map(field).collect();
                return fields.map_or(Reading::Bad, |fields| Reading::Whole((fields, behind)));
            }
            Reading::Whole((line, behind)) => {
                lines.push(line);
                rest = behind;
            }
            Reading::Partial => return Reading::Partial,
            Reading::Bad => return Reading::Bad,
        }
    }
}

/// `field-name ":" OWS field-value OWS` (RFC 9112 section 5).
fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let is_text = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
    if !is_token(name) || !value.iter().all(is_text) {
        return None;
    }
    let name = String::from_utf8(name.to_vec()).ok()?;
    Some((name, trim(value).to_vec()))
}

/// Without the spaces and tabs at both ends.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(is_token_byte)
}

pub(super) fn is_token_byte(byte: &u8) -> bool {
    byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(byte)
}

/// The values of the fields of this name.
pub(super) fn all<'f>(fields: &'f Fields, name: &str) -> Vec<&'f [u8]> {
    let named = |field: &&(String, Vec<u8>)| field.0.eq_ignore_ascii_case(name);
    let value = |field: &'f (String, Vec<u8>)| &*field.1;
    fields.iter().filter(named).map(value).collect()
}

/// The elements of the comma-separated lists in the fields of this name, in lower case.
pub(super) fn elements(fields: &Fields, name: &str) -> Vec<Vec<u8>> {
    let lists = all(fields, name);
    let elements = lists
        .iter()
        .flat_map(|list| list.split(|byte| *byte == b','));
    let elements = elements.map(|element| trim(element).to_ascii_lowercase());
    elements.filter(|element| !element.is_empty()).collect()
}

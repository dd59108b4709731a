//! A reader of requests that takes nothing but the grammar, to hold the core against.
//!
//! It is the most that a connection may make of its input: the requests that the core dispatches
//! are the first ones of those that stand here. It may dispatch fewer (limits, targets that have no
//! valid form, `Connection: close`), never others.

use neap_core::{Limits, Version};

use super::chunks::{Chunks, read_chunks};
use super::syntax::{Fields, Reading, all, elements, is_token, read_fields, read_line};

/// A request, with as much of its content as there was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The target.
    pub target: String,
    /// The version it is to be understood by.
    pub version: Version,
    /// The head's fields.
    pub fields: Fields,
    /// The content, as far as it has come.
    pub content: Vec<u8>,
    /// The trailer section's fields, if it has come.
    pub trailers: Fields,
    /// Whether it has come whole.
    pub is_whole: bool,
}

/// How long its content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
}

/// The requests in `bytes`, from the first byte to the first that is not all there or not valid.
#[must_use]
pub fn read_requests(mut bytes: &[u8], limits: &Limits) -> Vec<Request> {
    let mut requests = Vec::new();
    while let Some((mut request, rest)) = read_head(bytes).whole() {
        let Some(framing) = framing(&request) else {
            break;
        };
        let behind = read_content(&mut request, framing, rest, limits);
        requests.push(request);
        let Some(behind) = behind else {
            break;
        };
        bytes = behind;
    }
    requests
}

/// The method of a head that is refused: a response to HEAD has no content, whatever is wrong.
pub(super) fn method_of(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    let is_head = bytes.starts_with(b"HEAD ");
    if is_head { "HEAD" } else { "" }.into()
}

/// A head without its content. One empty line before it is skipped (RFC 9112 section 2.2).
pub(super) fn read_head(bytes: &[u8]) -> Reading<(Request, &[u8])> {
    let bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    let (line, rest) = match read_line(bytes) {
        Reading::Whole(line) => line,
        Reading::Partial => return Reading::Partial,
        Reading::Bad => return Reading::Bad,
    };
    let Some((method, target, version)) = request_line(line) else {
        return Reading::Bad;
    };
    let (fields, rest) = match read_fields(rest) {
        Reading::Whole(fields) => fields,
        Reading::Partial => return Reading::Partial,
        Reading::Bad => return Reading::Bad,
    };
    let request = Request {
        method,
        target,
        version,
        fields,
        content: Vec::new(),
        trailers: Fields::new(),
        is_whole: false,
    };
    Reading::Whole((request, rest))
}

/// `method SP request-target SP HTTP-version` (RFC 9112 section 3).
fn request_line(line: &[u8]) -> Option<(String, String, Version)> {
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = parts[..] else {
        return None;
    };
    let is_target = |byte: &u8| byte.is_ascii_graphic() && !b"\"#<>\\".contains(byte);
    let version = match version {
        b"HTTP/1.0" => Version::Http10,
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Version::Http11,
        _ => return None,
    };
    if !is_token(method) || target.is_empty() || !target.iter().all(is_target) {
        return None;
    }
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    Some((text(method)?, text(target)?, version))
}

/// How long the content is, where that is beyond doubt, and the request fit to be served.
pub(super) fn framing(request: &Request) -> Option<Framing> {
    let hosts = all(&request.fields, "host").len();
    if hosts > 1 || (hosts == 0 && request.version == Version::Http11) {
        return None;
    }
    let lengths = all(&request.fields, "content-length");
    let codings = all(&request.fields, "transfer-encoding").len();
    match (&lengths[..], codings) {
        ([], 0) => Some(Framing::Length(0)),
        ([length], 0) => {
            let is_number = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
            let length = std::str::from_utf8(length).ok().filter(|_| is_number)?;
            length.parse().ok().map(Framing::Length)
        }
        ([], _) if request.version == Version::Http11 => {
            let codings = elements(&request.fields, "transfer-encoding");
            (codings == [b"chunked"]).then_some(Framing::Chunked)
        }
        _ => None,
    }
}

/// Adds the content to `request`; what is behind it, if the content is all there.
fn read_content<'b>(
    request: &mut Request,
    framing: Framing,
    bytes: &'b [u8],
    limits: &Limits,
) -> Option<&'b [u8]> {
    let rest = match framing {
        Framing::Length(length) => {
            let wanted = usize::try_from(length).unwrap_or(usize::MAX);
            let (content, rest) = bytes.split_at(wanted.min(bytes.len()));
            request.content = content.to_vec();
            (content.len() == wanted).then_some(rest)
        }
        Framing::Chunked => {
            let Chunks { content, end, .. } = read_chunks(bytes, limits.chunk_line);
            request.content = content;
            end.whole().map(|(trailers, rest)| {
                request.trailers = trailers;
                rest
            })
        }
    };
    request.is_whole = rest.is_some();
    rest
}

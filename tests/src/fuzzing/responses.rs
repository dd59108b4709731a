//! A reader of responses that takes nothing that RFC 9112 does not let a server send.

use neap_core::Version;

use super::chunks::{Chunks, read_chunks};
use super::syntax::{Fields, Reading, all, elements, read_fields, read_line};

/// What a response answers: its framing depends on that (RFC 9112 section 6.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The request's method; empty where there was no request to be understood.
    pub method: String,
    /// The request's version.
    pub version: Version,
}

/// How a response ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With its last byte.
    Whole,
    /// With the connection.
    Close,
    /// Too early.
    Cut,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The head's fields.
    pub fields: Fields,
    /// The content, as far as it has come.
    pub content: Vec<u8>,
    /// The trailer section's fields.
    pub trailers: Fields,
    /// How it ends.
    pub end: End,
}

impl Response {
    /// Whether it announces that the connection ends with it.
    #[must_use]
    pub fn says_close(&self) -> bool {
        elements(&self.fields, "connection").contains(&b"close".to_vec())
    }

    /// Whether it is not the answer yet (RFC 9110 section 15.2).
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }
}

/// The first response in `bytes`, which end with the connection, and what follows it.
///
/// # Errors
///
/// What is wrong with it.
pub fn read_response<'b>(
    bytes: &'b [u8],
    asked: &Asked,
) -> Result<(Response, &'b [u8]), &'static str> {
    let Reading::Whole((line, rest)) = read_line(bytes) else {
        return Err("no status line");
    };
    let status = status_line(line).ok_or("a malformed status line")?;
    let Reading::Whole((fields, rest)) = read_fields(rest) else {
        return Err("malformed fields");
    };
    let mut response = Response {
        status,
        fields,
        content: Vec::new(),
        trailers: Fields::new(),
        end: End::Whole,
    };
    check_fields(&response, asked)?;
    let rest = read_content(&mut response, asked, rest)?;
    Ok((response, rest))
}

/// `HTTP/1.1 SP 3DIGIT SP [ reason-phrase ]`: the second space is not optional.
fn status_line(line: &[u8]) -> Option<u16> {
    let (code, reason) = line.strip_prefix(b"HTTP/1.1 ")?.split_first_chunk::<3>()?;
    let reason = reason.strip_prefix(b" ")?;
    let is_text = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
    if !code.iter().all(u8::is_ascii_digit) || !reason.iter().all(is_text) {
        return None;
    }
    let code = std::str::from_utf8(code).ok()?.parse().ok()?;
    (100..=999).contains(&code).then_some(code)
}

fn check_fields(response: &Response, asked: &Asked) -> Result<(), &'static str> {
    let count = |name: &str| all(&response.fields, name).len();
    for ours in ["content-length", "transfer-encoding", "connection"] {
        if count(ours) > 1 {
            return Err("a field of the connection's twice");
        }
    }
    if count("date") == 0 && response.status >= 200 {
        return Err("no date");
    }
    let (lengths, codings) = (count("content-length"), count("transfer-encoding"));
    if lengths + codings > 1 {
        return Err("a length and a coding");
    }
    if codings > 0 && asked.version == Version::Http10 {
        return Err("a coding for HTTP/1.0");
    }
    let status = response.status;
    let tunnels = is_tunnel(response, asked);
    if lengths + codings > 0 && (status < 200 || status == 204 || tunnels) {
        return Err("framing where there is no content");
    }
    if response.is_interim() && asked.version == Version::Http10 {
        return Err("an interim response for HTTP/1.0");
    }
    let has_end = lengths + codings > 0 || is_empty(response, asked);
    if !has_end && !tunnels && !response.says_close() {
        return Err("content that ends with the connection, which is kept");
    }
    Ok(())
}

/// Whether what follows the head is a tunnel (RFC 9110 section 9.3.6).
fn is_tunnel(response: &Response, asked: &Asked) -> bool {
    asked.method == "CONNECT" && (200..300).contains(&response.status)
}

/// Whether the content is empty, whatever the fields say.
fn is_empty(response: &Response, asked: &Asked) -> bool {
    let never = response.status < 200 || [204, 304].contains(&response.status);
    asked.method == "HEAD" || (never && !is_tunnel(response, asked))
}

fn read_content<'b>(
    response: &mut Response,
    asked: &Asked,
    bytes: &'b [u8],
) -> Result<&'b [u8], &'static str> {
    let chunked = match &elements(&response.fields, "transfer-encoding")[..] {
        [] => false,
        [coding] if coding == b"chunked" => true,
        _ => return Err("an unknown coding"),
    };
    let length = match all(&response.fields, "content-length")[..] {
        [] => None,
        [length] => Some(number(length).ok_or("a malformed length")?),
        _ => return Err("two lengths"),
    };
    if is_empty(response, asked) {
        return Ok(bytes);
    }
    if chunked {
        return read_chunked(response, bytes);
    }
    let Some(length) = length else {
        response.content = bytes.to_vec();
        response.end = End::Close;
        return Ok(&[]);
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let (content, rest) = bytes.split_at(length.min(bytes.len()));
    response.content = content.to_vec();
    if content.len() < length {
        response.end = End::Cut;
    }
    Ok(rest)
}

fn read_chunked<'b>(response: &mut Response, bytes: &'b [u8]) -> Result<&'b [u8], &'static str> {
    let Chunks { content, end, .. } = read_chunks(bytes, 16);
    response.content = content;
    match end {
        Reading::Whole((trailers, rest)) => {
            response.trailers = trailers;
            Ok(rest)
        }
        Reading::Partial => {
            response.end = End::Cut;
            Ok(&[])
        }
        Reading::Bad => Err("malformed chunks"),
    }
}

/// A number of digits, without zeros before it.
fn number(digits: &[u8]) -> Option<u64> {
    let is_plain = matches!(digits, [b'0'] | [b'1'..=b'9', ..]);
    let is_number = is_plain && digits.iter().all(u8::is_ascii_digit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    digits.parse().ok()
}

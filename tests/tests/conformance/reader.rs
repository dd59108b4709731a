//! A reader of responses that shares no code with neap and forgives nothing.

use std::fmt;

/// A response as a client sees it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names in lower case, in the order they came.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) content: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = &self.content[..self.content.len().min(100)];
        write!(f, "{} ", self.status)?;
        for (name, value) in self.fields.iter().chain(&self.trailers) {
            write!(f, "[{name}: {}]", &value[..value.len().min(100)])?;
        }
        write!(f, " {}", content.escape_ascii())
    }
}

impl Response {
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.fields.iter().filter(move |field| field.0 == name);
        named.map(|field| field.1.as_str())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|field| field.0 == name);
        field.map(|field| field.1.as_str())
    }

    pub(crate) fn closes(&self) -> bool {
        self.has_option("close")
    }

    fn has_option(&self, option: &str) -> bool {
        let mut options = self.all("connection").flat_map(|value| value.split(','));
        options.any(|one| one.trim().eq_ignore_ascii_case(option))
    }
}

/// What a response answers: that decides whether it has content (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Head,
    Connect,
    Other,
}

impl To {
    pub(crate) fn method(method: &str) -> To {
        match method {
            "HEAD" => To::Head,
            "CONNECT" => To::Connect,
            _ => To::Other,
        }
    }
}

/// Why bytes are not responses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// They are, as far as they go.
    Cut,
    Wrong(String),
}

fn wrong<T>(what: &str, bytes: &[u8]) -> Result<T, Fault> {
    let bytes = &bytes[..bytes.len().min(200)];
    Err(Fault::Wrong(format!("{what}: {}", bytes.escape_ascii())))
}

/// All responses in `bytes`, the interim ones included; `to` says what the final ones answer.
pub(crate) fn read_all(bytes: &[u8], to: &[To]) -> Result<Vec<Response>, String> {
    match read_cut(bytes, to) {
        (responses, None) => Ok(responses),
        (_, Some(Fault::Cut)) => Err(format!("cut: {}", bytes.escape_ascii())),
        (_, Some(Fault::Wrong(what))) => Err(what),
    }
}

/// The whole responses in `bytes`, and what is wrong with what follows them.
pub(crate) fn read_cut(mut bytes: &[u8], to: &[To]) -> (Vec<Response>, Option<Fault>) {
    let mut responses: Vec<Response> = Vec::new();
    let mut to = to.iter();
    let mut next = to.next();
    while !bytes.is_empty() {
        if responses
            .last()
            .is_some_and(|last| last.closes() && last.status >= 200)
        {
            let fault = wrong::<()>("bytes behind the last response", bytes).err();
            return (responses, fault);
        }
        match read_one(bytes, next.copied().unwrap_or(To::Other)) {
            Ok((response, len)) => {
                if response.status >= 200 {
                    next = to.next();
                }
                bytes = &bytes[len..];
                responses.push(response);
            }
            Err(fault) => return (responses, Some(fault)),
        }
    }
    (responses, None)
}

fn read_one(bytes: &[u8], to: To) -> Result<(Response, usize), Fault> {
    let (line, mut at) = line(bytes, 0)?;
    let status = status(line)?;
    let fields = fields(bytes, &mut at)?;
    let mut response = Response {
        status,
        fields,
        content: Vec::new(),
        trailers: Vec::new(),
    };
    check_head(&response, to)?;
    let coding = response.get("transfer-encoding").is_some();
    let length = response.get("content-length").map(str::to_owned);
    if to == To::Connect && (200..300).contains(&status) {
        // A tunnel: it has no content, and what comes is not HTTP any more.
        at = bytes.len();
    } else if to == To::Head || status < 200 || status == 204 || status == 304 {
    } else if coding {
        (response.content, response.trailers) = chunks(bytes, &mut at)?;
    } else if let Some(length) = length {
        let length: usize = length.parse().or_else(|_| wrong("length", bytes))?;
        let end = at.checked_add(length).ok_or(Fault::Cut)?;
        response.content = bytes.get(at..end).ok_or(Fault::Cut)?.to_vec();
        at = end;
    } else if response.closes() {
        response.content = bytes[at..].to_vec();
        at = bytes.len();
    } else {
        return wrong("content without an end", bytes);
    }
    Ok((response, at))
}

/// What holds of every head that an origin server sends.
fn check_head(response: &Response, to: To) -> Result<(), Fault> {
    let fail = |what: &str| Err(Fault::Wrong(format!("{what}: {response:?}")));
    let status = response.status;
    for name in ["date", "content-length", "transfer-encoding", "connection"] {
        if response.all(name).count() > 1 {
            return fail("repeated field");
        }
    }
    let length = response.get("content-length");
    let coding = response.get("transfer-encoding");
    let tunnels = to == To::Connect && (200..300).contains(&status);
    if (length.is_some() || coding.is_some()) && (status < 200 || status == 204 || tunnels) {
        return fail("framing where none may be");
    }
    if length.is_some() && coding.is_some() {
        return fail("two framings");
    }
    if coding.is_some_and(|coding| coding != "chunked") {
        return fail("transfer coding");
    }
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if length.is_some_and(|length| !is_number(length)) {
        return fail("content length");
    }
    if status == 205 && length != Some("0") && !tunnels {
        return fail("content of a 205");
    }
    if response.get("upgrade").is_some() && !response.has_option("upgrade") {
        return fail("upgrade without its connection option");
    }
    match response.get("date") {
        Some(date) if !is_date(date) => fail("date"),
        None if status >= 200 => fail("no date"),
        _ => Ok(()),
    }
}

/// `IMF-fixdate` (RFC 9110 section 5.6.7).
fn is_date(date: &str) -> bool {
    let pattern = "Aaa, 00 Aaa 0000 00:00:00 GMT";
    date.len() == pattern.len()
        && date.bytes().zip(pattern.bytes()).all(|(byte, wanted)| {
            let class = match byte {
                _ if byte == wanted => wanted,
                b'0'..=b'9' => b'0',
                b'A'..=b'Z' => b'A',
                b'a'..=b'z' => b'a',
                other => other,
            };
            class == wanted
        })
}

fn status(line: &[u8]) -> Result<u16, Fault> {
    let Some(rest) = line.strip_prefix(b"HTTP/1.1 ") else {
        return wrong("version", line);
    };
    let [a @ b'1'..=b'5', b, c, b' ', reason @ ..] = rest else {
        return wrong("status", line);
    };
    let printable = |byte: &u8| matches!(byte, b' '..=b'~');
    if !b.is_ascii_digit() || !c.is_ascii_digit() || !reason.iter().all(printable) {
        return wrong("status", line);
    }
    let digit = |byte: &u8| u16::from(byte - b'0');
    Ok(100 * digit(a) + 10 * digit(b) + digit(c))
}

/// The line at `at`, without its CRLF, and where the next begins.
fn line(bytes: &[u8], at: usize) -> Result<(&[u8], usize), Fault> {
    let rest = &bytes[at..];
    let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return Err(Fault::Cut);
    };
    match &rest[end..] {
        [b'\r'] => Err(Fault::Cut),
        [b'\r', b'\n', ..] => Ok((&rest[..end], at + end + 2)),
        _ => wrong("line end", rest),
    }
}

/// Fields up to and including the empty line.
fn fields(bytes: &[u8], at: &mut usize) -> Result<Vec<(String, String)>, Fault> {
    let mut fields = Vec::new();
    loop {
        let (line, next) = line(bytes, *at)?;
        *at = next;
        if line.is_empty() {
            return Ok(fields);
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return wrong("field", line);
        };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let Some(value) = value.strip_prefix(b" ") else {
            return wrong("field", line);
        };
        let text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
        if name.is_empty() || !name.iter().all(is_token) || !value.iter().all(text) {
            return wrong("field", line);
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        fields.push((name, value.iter().map(|byte| char::from(*byte)).collect()));
    }
}

fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

/// Content and trailers.
type Chunked = (Vec<u8>, Vec<(String, String)>);

fn chunks(bytes: &[u8], at: &mut usize) -> Result<Chunked, Fault> {
    let mut content = Vec::new();
    loop {
        let (size, next) = line(bytes, *at)?;
        *at = next;
        let text = str::from_utf8(size).unwrap_or_default();
        let is_hex = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = match usize::from_str_radix(text, 16) {
            Ok(size) if is_hex => size,
            _ => return wrong("chunk size", size),
        };
        if size == 0 {
            break;
        }
        let end = at.checked_add(size).ok_or(Fault::Cut)?;
        content.extend_from_slice(bytes.get(*at..end).ok_or(Fault::Cut)?);
        match bytes[end..] {
            [b'\r', b'\n', ..] => *at = end + 2,
            [] | [b'\r'] => return Err(Fault::Cut),
            _ => return wrong("chunk end", &bytes[end..]),
        }
    }
    let trailers = fields(bytes, at)?;
    Ok((content, trailers))
}

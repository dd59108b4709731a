//! Responses read as a client reads them. It knows nothing of neap.

/// A response as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Whether it says that the connection ends behind it.
    pub close: bool,
    /// What delimits its content.
    pub framing: Framing,
    /// The content, as far as it came.
    pub content: Vec<u8>,
    /// Whether all of it came. Content that the end of the connection delimits never seems whole by
    /// itself.
    pub whole: bool,
    /// Where it begins and ends among all bytes, as far as it came.
    pub place: (usize, usize),
    /// Where its head ends.
    pub head: usize,
}

/// What delimits a response's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Its length.
    Length(usize),
    /// Its last chunk.
    Chunked,
    /// The end of the connection.
    Close,
}

impl Response {
    /// Whether it is no response but an announcement of one.
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.status < 200
    }
}

/// All responses among these bytes, the last of which may be cut.
///
/// # Errors
///
/// Says what is no response.
pub fn read(bytes: &[u8]) -> Result<Vec<Response>, String> {
    let mut responses = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        let Some(response) = read_one(bytes, start)? else {
            // The head is cut.
            break;
        };
        start = response.place.1;
        let whole = response.whole;
        responses.push(response);
        if !whole {
            break;
        }
    }
    Ok(responses)
}

fn read_one(bytes: &[u8], start: usize) -> Result<Option<Response>, String> {
    let rest = &bytes[start..];
    let Some(length) = find(rest, b"\r\n\r\n") else {
        let expected = b"HTTP/1.1 ";
        let compared = rest.len().min(expected.len());
        if rest[..compared] != expected[..compared] {
            return Err(format!("no response at {start}"));
        }
        return Ok(None);
    };
    let head = std::str::from_utf8(&rest[..length]).map_err(|_| "a head that is no text")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    let status = status
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or_else(|| format!("no status line at {start}: {status:?}"))?;
    let mut response = Response {
        status,
        close: false,
        framing: Framing::Close,
        content: Vec::new(),
        whole: false,
        place: (start, bytes.len()),
        head: start + length + 4,
    };
    for line in lines {
        let (name, value) = line
            .split_once(": ")
            .ok_or_else(|| format!("no field line: {line:?}"))?;
        match name.to_ascii_lowercase().as_str() {
            "connection" => response.close |= value.eq_ignore_ascii_case("close"),
            "content-length" => {
                let length = value.parse().map_err(|_| "no length".to_owned())?;
                response.framing = Framing::Length(length);
            }
            "transfer-encoding" => response.framing = Framing::Chunked,
            _ => {}
        }
    }
    if response.is_interim() {
        response.framing = Framing::Length(0);
    }
    fill(&mut response, bytes)?;
    Ok(Some(response))
}

/// Reads the content.
fn fill(response: &mut Response, bytes: &[u8]) -> Result<(), String> {
    let rest = &bytes[response.head..];
    match response.framing {
        Framing::Length(length) => {
            response.whole = rest.len() >= length;
            response.content = rest[..rest.len().min(length)].to_vec();
            response.place.1 = response.head + response.content.len();
        }
        Framing::Close => {
            response.content = rest.to_vec();
            response.place.1 = bytes.len();
        }
        Framing::Chunked => {
            let mut at = 0;
            while let Some(line) = find(&rest[at..], b"\r\n") {
                let size = std::str::from_utf8(&rest[at..at + line])
                    .ok()
                    .and_then(|size| usize::from_str_radix(size, 16).ok())
                    .ok_or_else(|| format!("no chunk size at {}", response.head + at))?;
                let data = at + line + 2;
                let there = rest.len().saturating_sub(data).min(size);
                response.content.extend(&rest[data..data + there]);
                let end = data + size + 2;
                if rest.len() < end {
                    return Ok(());
                }
                if &rest[end - 2..end] != b"\r\n" {
                    return Err(format!("no end of a chunk at {}", response.head + end));
                }
                if size == 0 {
                    response.whole = true;
                    response.place.1 = response.head + end;
                    return Ok(());
                }
                at = end;
            }
        }
    }
    Ok(())
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

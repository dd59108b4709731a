//! Responses, byte for byte: where one ends, and what it says about its connection.
//!
//! Ordinary clients try again and tell nobody. What is here sees each byte once, and says when a
//! response is whole (RFC 9112, 6.3).

/// The longest head that is taken for one.
const HEAD_MAX: usize = 64 * 1024;
/// The most fields of a response.
const FIELDS_MAX: usize = 128;

/// A response, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Whether its connection ends with it.
    pub(crate) says_close: bool,
    /// The `Server` field.
    pub(crate) server: Option<String>,
    /// Bytes of content, without their framing.
    pub(crate) content: u64,
}

/// What has come is no response to what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads one final response, interim ones before it included.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    part: Part,
    response: Option<Response>,
    /// A head or a line that is not whole yet.
    line: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Head,
    /// So much content is still to come.
    Content(u64),
    ChunkSize,
    Chunk(u64),
    /// CR and LF behind a chunk.
    ChunkEnd,
    Trailers,
    /// Content until the stream ends.
    UntilEnd,
    Whole,
}

impl Reader {
    /// Takes what has come; returns how much of it belongs to this response. Less than all of it
    /// means that the response is whole.
    ///
    /// # Errors
    ///
    /// If it is no response.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut taken = 0;
        while taken < bytes.len() && self.part != Part::Whole {
            let rest = &bytes[taken..];
            taken += match self.part {
                Part::Content(left) => {
                    let len = self.content(rest, left);
                    let left = left - len as u64;
                    self.part = if left == 0 {
                        Part::Whole
                    } else {
                        Part::Content(left)
                    };
                    len
                }
                Part::Chunk(left) => {
                    let len = self.content(rest, left);
                    let left = left - len as u64;
                    self.part = if left == 0 {
                        Part::ChunkEnd
                    } else {
                        Part::Chunk(left)
                    };
                    len
                }
                Part::UntilEnd => self.content(rest, u64::MAX),
                Part::Head => self.head(rest[0])?,
                Part::ChunkSize | Part::ChunkEnd | Part::Trailers => self.line(rest[0])?,
                Part::Whole => 0,
            };
        }
        Ok(taken)
    }

    /// Takes the end of the stream; true if it is where the response ends, too.
    pub(crate) fn end(&mut self) -> bool {
        if self.part == Part::UntilEnd {
            self.part = Part::Whole;
        }
        self.part == Part::Whole
    }

    /// Whether the last byte was there.
    pub(crate) fn is_whole(&self) -> bool {
        self.part == Part::Whole
    }

    /// Whether any content has come.
    pub(crate) fn has_content(&self) -> bool {
        self.response
            .as_ref()
            .is_some_and(|response| response.content > 0)
    }

    /// The response, as soon as its head is there.
    pub(crate) fn response(&self) -> Option<&Response> {
        self.response.as_ref()
    }

    fn content(&mut self, bytes: &[u8], left: u64) -> usize {
        let len = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if let Some(response) = &mut self.response {
            response.content += len as u64;
        }
        len
    }

    fn head(&mut self, byte: u8) -> Result<usize, Malformed> {
        self.line.push(byte);
        if !self.line.ends_with(b"\r\n\r\n") && !self.line.ends_with(b"\n\n") {
            return if self.line.len() > HEAD_MAX {
                Err(Malformed)
            } else {
                Ok(1)
            };
        }
        let head = std::mem::take(&mut self.line);
        let (response, part) = parse(&head)?;
        // An interim response is followed by another one.
        if !(100..200).contains(&response.status) || response.status == 101 {
            self.response = Some(response);
            self.part = part;
        }
        Ok(1)
    }

    fn line(&mut self, byte: u8) -> Result<usize, Malformed> {
        self.line.push(byte);
        if byte != b'\n' {
            return if self.line.len() > HEAD_MAX {
                Err(Malformed)
            } else {
                Ok(1)
            };
        }
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r\n").ok_or(Malformed)?;
        self.part = match self.part {
            Part::ChunkSize => match chunk_size(line)? {
                0 => Part::Trailers,
                size => Part::Chunk(size),
            },
            Part::ChunkEnd if line.is_empty() => Part::ChunkSize,
            Part::Trailers if line.is_empty() => Part::Whole,
            Part::Trailers => Part::Trailers,
            _ => return Err(Malformed),
        };
        Ok(1)
    }
}

fn chunk_size(line: &[u8]) -> Result<u64, Malformed> {
    let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let size = std::str::from_utf8(size).map_err(|_| Malformed)?.trim();
    let is_hex = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
    let size = u64::from_str_radix(size, 16).ok().filter(|_| is_hex);
    size.ok_or(Malformed)
}

/// The response that begins with this head, and what follows it.
fn parse(head: &[u8]) -> Result<(Response, Part), Malformed> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut fields);
    let is_whole = parsed.parse(head).map_err(|_| Malformed)?.is_complete();
    let status = parsed.code.filter(|_| is_whole).ok_or(Malformed)?;
    let values = |name: &'static str| {
        let named = parsed
            .headers
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| String::from_utf8_lossy(field.value).trim().to_owned())
    };
    let has = |name, token: &str| {
        let mut lists = values(name);
        lists.any(|list| {
            list.split(',')
                .any(|item| item.trim().eq_ignore_ascii_case(token))
        })
    };
    let part = if matches!(status, 100..=199 | 204 | 304) {
        Part::Whole
    } else if has("transfer-encoding", "chunked") {
        Part::ChunkSize
    } else if let Some(length) = values("content-length").next() {
        match length.parse().map_err(|_| Malformed)? {
            0 => Part::Whole,
            length => Part::Content(length),
        }
    } else {
        Part::UntilEnd
    };
    let stays = parsed.version == Some(1) || has("connection", "keep-alive");
    let response = Response {
        status,
        says_close: has("connection", "close") || !stays || part == Part::UntilEnd,
        server: values("server").next(),
        content: 0,
    };
    Ok((response, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `bytes` one at a time; how many belong to the response, and the response.
    fn read(bytes: &[u8]) -> Result<(usize, Option<Response>), Malformed> {
        let mut reader = Reader::default();
        for (at, byte) in bytes.iter().enumerate() {
            if reader.is_whole() {
                return Ok((at, reader.response));
            }
            reader.take(&[*byte])?;
        }
        Ok((
            bytes.len(),
            reader.response.filter(|_| reader.part == Part::Whole),
        ))
    }

    #[test]
    fn a_response_is_whole_with_its_last_byte_and_no_earlier() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello",
            "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nab\r\n0\r\nX: y\r\n\r\n",
        ] {
            let whole = text.as_bytes();
            for len in 0..whole.len() {
                assert_eq!(read(&whole[..len]).unwrap().1, None, "{len} of {text:?}");
            }
            let more = [whole, b"HTTP/1.1 200 OK"].concat();
            let (len, response) = read(&more).unwrap();
            assert_eq!(len, whole.len(), "{text:?}");
            assert!(response.is_some());
            let mut reader = Reader::default();
            assert_eq!(reader.take(&more), Ok(whole.len()), "all at once: {text:?}");
        }
    }

    #[test]
    fn without_a_length_the_end_of_the_stream_is_the_end() {
        let mut reader = Reader::default();
        assert!(!reader.end(), "nothing has come");
        reader
            .take(b"HTTP/1.0 200 OK\r\nServer: a\r\n\r\nHell")
            .unwrap();
        assert!(!reader.is_whole() && reader.has_content());
        assert!(reader.end());
        let response = reader.response().unwrap();
        assert_eq!((response.content, response.says_close), (4, true));
        assert_eq!(response.server.as_deref(), Some("a"));
    }

    #[test]
    fn a_head_says_whether_its_connection_goes_on() {
        for (line, says_close) in [
            ("HTTP/1.1 200 OK\r\n", false),
            ("HTTP/1.1 200 OK\r\nConnection: a, Close\r\n", true),
            ("HTTP/1.0 200 OK\r\n", true),
            ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", false),
        ] {
            let head = format!("{line}Content-Length: 0\r\n\r\n");
            let response = read(head.as_bytes()).unwrap().1.unwrap();
            assert_eq!(response.says_close, says_close, "{line}");
        }
    }

    #[test]
    fn what_is_no_response_is_told() {
        for text in [
            "HELLO\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        ] {
            assert_eq!(read(text.as_bytes()), Err(Malformed), "{text:?}");
        }
    }
}

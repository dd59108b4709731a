//! The access log: a line for each request, once its response has been handed over.
//!
//! An [`Entry`] begins with the request and ends, wherever that is, when it is dropped: with the
//! response's content, or with a handler whose client vanished before there was a response.

use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Instant, SystemTime};

use bytes::Buf;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body::{Body, Frame, SizeHint};
use neap_smol::{Address, ConnectionInfo};

use crate::date::{self, Civil};
use crate::json;
use crate::log::Log;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// The common log format of the first web servers: `%h - - %t "%r" %>s %b`.
    Common,
    /// The common format with referer and user agent.
    Combined,
    /// An object.
    Json,
}

/// Where entries go, and in which format.
#[derive(Clone)]
pub(crate) struct AccessLog {
    log: Log,
    format: Format,
}

impl AccessLog {
    pub(crate) fn new(log: Log, format: Format) -> AccessLog {
        AccessLog { log, format }
    }

    /// The entry of a request that has just arrived.
    pub(crate) fn begin(&self, request: &Request<neap_smol::Body>) -> Entry {
        let connection = ConnectionInfo::of(request);
        let field = |name| request.headers().get(name).cloned();
        Entry {
            log: self.clone(),
            arrived: SystemTime::now(),
            clock: Instant::now(),
            peer: connection.map_or(Address::Unnamed, |connection| connection.peer().clone()),
            method: request.method().clone(),
            target: request.uri().clone(),
            version: request.version(),
            referer: field(header::REFERER).map(without_secrets),
            user_agent: field(header::USER_AGENT),
            status: None,
            bytes: 0,
            complete: false,
        }
    }
}

/// What is known of a request so far; dropping it writes the line.
pub(crate) struct Entry {
    log: AccessLog,
    arrived: SystemTime,
    clock: Instant,
    peer: Address,
    method: Method,
    target: Uri,
    version: Version,
    referer: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    /// None when the handler was dropped before it answered.
    status: Option<StatusCode>,
    /// Bytes of content that were handed to the server; not all of them need to have arrived.
    bytes: u64,
    /// Whether that was all of the content.
    complete: bool,
}

impl Entry {
    /// Ties the entry to the response whose content it counts.
    pub(crate) fn watch<B: Body>(mut self, response: Response<B>) -> Response<Logged<B>> {
        self.status = Some(response.status());
        response.map(|content| {
            self.complete = self.method == Method::HEAD || content.is_end_stream();
            Logged {
                content,
                entry: self,
            }
        })
    }

    /// Content was handed over. A response to HEAD has none on the wire, whatever its body holds.
    fn count(&mut self, bytes: usize) {
        if self.method != Method::HEAD {
            self.bytes += bytes as u64;
        }
    }

    fn line(&self) -> String {
        match self.log.format {
            Format::Common => self.common(),
            Format::Combined => {
                let mut line = self.common();
                for field in [&self.referer, &self.user_agent] {
                    line.push_str(" \"");
                    escape(
                        field.as_ref().map_or(b"-", HeaderValue::as_bytes),
                        &mut line,
                    );
                    line.push('"');
                }
                line
            }
            Format::Json => self.json(),
        }
    }

    fn common(&self) -> String {
        let host = match &self.peer {
            Address::Tcp(address) => address.ip().to_string(),
            // As nginx writes it: such peers have no name, and are all on this machine.
            _ => "unix:".to_owned(),
        };
        let time = Civil::from_unix(date::unix_seconds(self.arrived)).common_log();
        let mut line = format!("{host} - - [{time}] \"{} ", self.method);
        escape(self.target.to_string().as_bytes(), &mut line);
        // Writing to a string cannot fail.
        let _ = write!(line, " {:?}\" ", self.version);
        let _ = match &self.status {
            Some(status) => {
                let colour = self.log.log.tone().status(*status);
                write!(line, "{colour}{}{colour:#} ", status.as_u16())
            }
            None => write!(line, "- "),
        };
        let _ = match self.bytes {
            0 => write!(line, "-"),
            bytes => write!(line, "{bytes}"),
        };
        line
    }

    fn json(&self) -> String {
        let field = |field: &Option<HeaderValue>| match field {
            Some(value) => json::string(&String::from_utf8_lossy(value.as_bytes())),
            None => "null".to_owned(),
        };
        let status = self
            .status
            .map_or("null".to_owned(), |status| status.as_str().to_owned());
        format!(
            concat!(
                r#"{{"time":"{}","peer":{},"method":"{}","target":{},"version":"{:?}","#,
                r#""status":{},"bytes":{},"complete":{},"seconds":{:.6},"#,
                r#""referer":{},"user_agent":{}}}"#
            ),
            Civil::from_unix(date::unix_seconds(self.arrived)).rfc3339(),
            json::string(&self.peer.to_string()),
            self.method,
            json::string(&self.target.to_string()),
            self.version,
            status,
            self.bytes,
            self.complete,
            self.clock.elapsed().as_secs_f64(),
            field(&self.referer),
            field(&self.user_agent),
        )
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.log.log.line(&self.line());
    }
}

/// A referer without user, password and fragment. No client sends them (RFC 9110, section 10.1.3);
/// one that does has not meant them for our log.
fn without_secrets(referer: HeaderValue) -> HeaderValue {
    let text = referer.as_bytes();
    let position = |byte: u8, text: &[u8]| text.iter().position(|it| *it == byte);
    let end = position(b'#', text).unwrap_or(text.len());
    let authority = text.windows(3).position(|it| it == b"://").map(|at| at + 3);
    let authority = authority.filter(|at| *at <= end).unwrap_or(end);
    let rest = &text[authority..end];
    let path = rest.iter().position(|it| b"/?".contains(it));
    let host = &rest[..path.unwrap_or(rest.len())];
    let user = host
        .iter()
        .rposition(|it| *it == b'@')
        .map_or(0, |at| at + 1);
    if user == 0 && end == text.len() {
        return referer;
    }
    let clean = [&text[..authority], &rest[user..]].concat();
    HeaderValue::from_bytes(&clean).unwrap_or(referer)
}

/// Adds what a client sent so that it can neither end the quotes around it nor the line, nor
/// reach a terminal as a command. Apache writes it the same way.
fn escape(text: &[u8], line: &mut String) {
    for &byte in text {
        match byte {
            b'"' | b'\\' => line.extend(['\\', char::from(byte)]),
            b' '..=b'~' => line.push(char::from(byte)),
            _ => {
                let _ = write!(line, "\\x{byte:02x}");
            }
        }
    }
}

/// A response's content that is counted on its way.
pub(crate) struct Logged<B> {
    content: B,
    entry: Entry,
}

impl<B: Body + Unpin> Body for Logged<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.content).poll_frame(context));
        self.entry.complete = match &frame {
            Some(Ok(frame)) => {
                self.entry.count(frame.data_ref().map_or(0, Buf::remaining));
                self.content.is_end_stream()
            }
            Some(Err(_)) => false,
            None => true,
        };
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use neap_smol::Full;

    use super::*;
    use crate::log::Style;
    use crate::tone::Tone;

    fn entry(format: Format, request: http::request::Builder) -> Entry {
        let log = Log::start(Style::Text(Tone::Plain), std::io::sink()).unwrap();
        let mut entry =
            AccessLog::new(log, format).begin(&request.body(neap_smol::Body::empty()).unwrap());
        entry.arrived = UNIX_EPOCH + Duration::from_secs(784_111_777);
        entry.peer = Address::Tcp(([192, 0, 2, 1], 4711).into());
        entry.status = Some(StatusCode::OK);
        entry.bytes = 13;
        entry
    }

    #[test]
    fn the_common_format_is_what_log_readers_know() {
        let mut entry = entry(Format::Common, Request::get("/a?b=c"));
        let line = r#"192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] "GET /a?b=c HTTP/1.1" 200 13"#;
        assert_eq!(entry.line(), line);
        entry.bytes = 0;
        entry.status = None;
        entry.peer = Address::Unnamed;
        let line = r#"unix: - - [06/Nov/1994:08:49:37 +0000] "GET /a?b=c HTTP/1.1" - -"#;
        assert_eq!(entry.line(), line);
    }

    #[test]
    fn the_combined_format_adds_referer_and_user_agent() {
        let line = entry(
            Format::Combined,
            Request::get("/").header("user-agent", "a b"),
        )
        .line();
        assert!(line.ends_with(r#" 200 13 "-" "a b""#), "{line}");
    }

    #[test]
    fn a_referers_password_and_fragment_are_not_logged() {
        for (sent, logged) in [
            ("http://u:p@h/a?b@c", "http://h/a?b@c"),
            ("http://u:p@q@h", "http://h"),
            ("http://h/a#token=1", "http://h/a"),
            ("http://h/a@b", "http://h/a@b"),
            ("http://h?a=u:p@b", "http://h?a=u:p@b"),
            ("#http://u@h", ""),
            ("about:blank", "about:blank"),
            ("", ""),
        ] {
            let logged_as = without_secrets(HeaderValue::from_static(sent));
            assert_eq!(logged_as.to_str().unwrap(), logged, "{sent}");
        }
    }

    #[test]
    fn the_json_format_is_one_object() {
        let request = Request::get("/a\"b").header("referer", "\u{9b}31m");
        let mut entry = entry(Format::Json, request);
        entry.complete = true;
        let line: serde_json::Value = serde_json::from_str(&entry.line()).unwrap();
        assert_eq!(line["time"], "1994-11-06T08:49:37Z");
        assert_eq!(line["peer"], "192.0.2.1:4711");
        assert_eq!(line["method"], "GET");
        assert_eq!(line["target"], "/a\"b");
        assert_eq!(line["version"], "HTTP/1.1");
        assert_eq!(line["status"], 200);
        assert_eq!(line["bytes"], 13);
        assert_eq!(line["complete"], true);
        assert!(line["seconds"].is_f64());
        assert_eq!(line["referer"], "\u{9b}31m");
        assert_eq!(line["user_agent"], serde_json::Value::Null);
    }

    #[test]
    fn nothing_a_client_sends_ends_the_quotes_or_reaches_the_terminal() {
        let hostile = b"\" 200 1\r\n\x1b[31m\\\x7f\xff";
        let mut line = String::new();
        escape(hostile, &mut line);
        assert_eq!(line, r#"\" 200 1\x0d\x0a\x1b[31m\\\x7f\xff"#);
        for byte in 0..=u8::MAX {
            let mut line = String::new();
            escape(&[byte], &mut line);
            assert!(
                line.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
                "{byte}"
            );
            assert!(!line.starts_with('"') && line != "\\", "{byte}");
        }
    }

    #[test]
    fn content_is_counted_as_it_is_taken() {
        let watched = |method: &str| {
            let request = Request::builder().method(method).uri("/");
            let mut entry = entry(Format::Common, request);
            entry.bytes = 0;
            entry
                .watch(Response::new(Full::from("Hello, World!")))
                .into_body()
        };
        let mut context = Context::from_waker(std::task::Waker::noop());
        for (method, bytes) in [("GET", 13), ("HEAD", 0)] {
            let mut content = watched(method);
            assert_eq!(content.entry.complete, method == "HEAD");
            while let Poll::Ready(Some(_)) = Pin::new(&mut content).poll_frame(&mut context) {}
            assert_eq!(content.entry.bytes, bytes);
            assert!(content.entry.complete);
        }
    }
}

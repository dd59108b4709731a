//! What every port answers: a part of what `neap echo` does.

use std::task::Poll;
use std::time::Duration;

use neap_core::{BodyLength, Exchange, Head, MisuseError, Responder, Status, Time};

/// Generated content.
const DOTS: [u8; 16 * 1024] = [b'.'; 16 * 1024];
const CHUNK: &[u8] = b"chunk\n";
const TEXT: (&[u8], &[u8]) = (b"content-type", b"text/plain; charset=utf-8");

/// What is to be answered.
#[derive(Clone, Copy)]
enum Plan {
    Text(u16, &'static str),
    /// Another method than these.
    Refuse(&'static str),
    Delay(Duration),
    /// So many pieces, with a pause between them.
    Stream(u64, Duration),
    /// So many bytes.
    Bytes(u64),
    /// The content, of this length if it is known.
    Echo(BodyLength),
}

/// The application, as one connection has it. It keeps how far the current reply has come.
pub(crate) struct Application {
    plan: Plan,
    has_begun: bool,
    /// How much of a stream's or of generated content is still to be sent.
    left: u64,
    /// When a pause is over, once it has begun.
    due: Option<Time>,
    /// Content on its way back.
    piece: Vec<u8>,
}

impl Application {
    pub(crate) fn new() -> Application {
        Application {
            plan: Plan::Text(404, "not found\n"),
            has_begun: false,
            left: 0,
            due: None,
            piece: Vec::new(),
        }
    }
}

impl Responder for Application {
    fn start(&mut self, head: Head<'_>) {
        self.plan = plan(head);
        self.left = match self.plan {
            Plan::Stream(left, _) | Plan::Bytes(left) => left,
            _ => 0,
        };
    }

    fn run(&mut self, exchange: &mut Exchange<'_>) -> Result<Time, MisuseError> {
        match self.plan {
            Plan::Text(status, what) => text(exchange, status, what, None)?,
            Plan::Refuse(allow) => {
                text(exchange, 405, "method not allowed\n", Some(allow))?;
            }
            Plan::Delay(pause) => {
                if let Some(due) = self.pause(exchange, pause) {
                    return Ok(due);
                }
                text(exchange, 200, "waited\n", None)?;
            }
            Plan::Stream(pieces, pause) => return self.stream(exchange, pieces, pause),
            Plan::Bytes(len) => self.bytes(exchange, len)?,
            Plan::Echo(length) => self.echo(exchange, length)?,
        }
        Ok(Time::NEVER)
    }

    fn stop(&mut self) {
        *self = Application::new();
    }
}

impl Application {
    /// When to go on; `None` once that has come.
    fn pause(&mut self, exchange: &Exchange<'_>, pause: Duration) -> Option<Time> {
        let now = exchange.now();
        let due = *self.due.get_or_insert(now.after(pause));
        if due > now {
            return Some(due);
        }
        self.due = None;
        None
    }

    /// Begins the reply, unless it has begun.
    fn begin(
        &mut self,
        exchange: &mut Exchange<'_>,
        length: BodyLength,
    ) -> Result<(), MisuseError> {
        if !self.has_begun {
            exchange.reply_head(Status::OK, length, [TEXT])?;
            self.has_begun = true;
        }
        Ok(())
    }

    fn stream(
        &mut self,
        exchange: &mut Exchange<'_>,
        pieces: u64,
        pause: Duration,
    ) -> Result<Time, MisuseError> {
        self.begin(exchange, BodyLength::Unknown)?;
        while self.left > 0 && exchange.reply_has_content() {
            let is_first = self.left == pieces;
            if let Some(due) = (!is_first).then(|| self.pause(exchange, pause)).flatten() {
                return Ok(due);
            }
            if !exchange.reply_content(CHUNK)? {
                return Ok(Time::NEVER);
            }
            self.left -= 1;
        }
        exchange.reply_end()?;
        Ok(Time::NEVER)
    }

    fn bytes(&mut self, exchange: &mut Exchange<'_>, len: u64) -> Result<(), MisuseError> {
        self.begin(exchange, BodyLength::Known(len))?;
        while self.left > 0 && exchange.reply_has_content() {
            let len = DOTS
                .len()
                .min(usize::try_from(self.left).unwrap_or(DOTS.len()));
            if !exchange.reply_content(&DOTS[..len])? {
                return Ok(());
            }
            self.left -= len as u64;
        }
        exchange.reply_end()
    }

    /// Returns the content while it is still coming in. The reply begins with the first of it, so
    /// that what is wrong before that can still be refused.
    fn echo(&mut self, exchange: &mut Exchange<'_>, length: BodyLength) -> Result<(), MisuseError> {
        loop {
            if !self.piece.is_empty() {
                if !exchange.reply_content(&self.piece)? {
                    return Ok(());
                }
                self.piece.clear();
            }
            match exchange.take_content() {
                Poll::Pending => return Ok(()),
                Poll::Ready(None) => break,
                Poll::Ready(Some(piece)) => self.piece.extend_from_slice(piece),
            }
            self.begin(exchange, length)?;
        }
        self.begin(exchange, length)?;
        exchange.reply_end()
    }
}

fn plan(head: Head<'_>) -> Plan {
    let number = |part: &str| part.parse::<u64>().unwrap_or(0);
    let pause = |part| Duration::from_millis(number(part));
    let path = head.target().split('?').next().unwrap_or_default();
    let mut parts = path.split('/').skip(1);
    let route = [(); 4].map(|()| parts.next());
    match (head.method(), route) {
        ("POST" | "PUT", [Some("echo"), None, ..]) => {
            let length = head.fields().get("content-length");
            let length = length.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
            Plan::Echo(length.map_or(BodyLength::Unknown, BodyLength::Known))
        }
        (_, [Some("echo"), None, ..]) => Plan::Refuse("POST, PUT"),
        ("GET" | "HEAD", [Some(""), None, ..]) => Plan::Text(200, "Hello, World!"),
        ("GET" | "HEAD", [Some("delay"), Some(ms), None, _]) => Plan::Delay(pause(ms)),
        ("GET" | "HEAD", [Some("bytes"), Some(len), None, _]) => Plan::Bytes(number(len)),
        ("GET" | "HEAD", [Some("stream"), Some(count), Some(ms), None]) => {
            Plan::Stream(number(count), pause(ms))
        }
        (_, [Some(""), None, ..]) => Plan::Refuse("GET, HEAD"),
        (_, [Some("delay" | "bytes"), Some(_), None, _]) => Plan::Refuse("GET, HEAD"),
        (_, [Some("stream"), Some(_), Some(_), None]) => Plan::Refuse("GET, HEAD"),
        _ => Plan::Text(404, "not found\n"),
    }
}

/// A whole reply, with the methods that would be allowed if those are the matter.
fn text(
    exchange: &mut Exchange<'_>,
    status: u16,
    text: &str,
    allow: Option<&str>,
) -> Result<(), MisuseError> {
    let status = Status::new(status).ok_or(MisuseError::Status)?;
    let allow = allow.map(|methods| (&b"allow"[..], methods.as_bytes()));
    exchange.reply(status, [TEXT].into_iter().chain(allow), text.as_bytes())
}

//! What the server of `blocking.rs` answers.

use std::time::{Duration, SystemTime};

use neap_core::{BodyLength, Head, HttpDate, MisuseError};

use crate::Peer;

/// How large a piece of generated content is.
const PIECE: usize = 16 * 1024;

/// What the handler keeps of a head, whose views end with the buffer they look into.
#[derive(Default)]
pub(crate) struct Request {
    method: String,
    path: String,
    length: Option<u64>,
}

impl Request {
    pub(crate) fn new(head: Head<'_>) -> Request {
        let length = head.fields().get("content-length");
        let path = head.target().split('?').next().unwrap_or_default();
        Request {
            method: head.method().to_owned(),
            path: path.to_owned(),
            length: length.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok()),
        }
    }
}

/// The application.
pub(crate) fn handle(request: &Request, peer: &mut Peer<'_>) -> Result<(), MisuseError> {
    let number = |part: &str| part.parse::<u64>().unwrap_or(0);
    let milliseconds = |part| Duration::from_millis(number(part));
    // A reply to HEAD ends with its head.
    let pieces = |count| if request.method == "HEAD" { 0 } else { count };
    let route: Vec<&str> = request.path.split('/').skip(1).collect();
    match (request.method.as_str(), route.as_slice()) {
        ("POST" | "PUT", ["echo"]) => echo(request, peer),
        ("GET" | "HEAD", [""]) => peer.text(200, "Hello, World!", ""),
        ("GET" | "HEAD", ["delay", ms]) => {
            peer.pause(milliseconds(ms))?;
            peer.text(200, "waited\n", "")
        }
        ("GET" | "HEAD", ["stream", count, ms]) => {
            peer.reply(200, BodyLength::Unknown, "")?;
            for piece in 0..pieces(number(count)) {
                if piece > 0 {
                    peer.pause(milliseconds(ms))?;
                }
                peer.send(b"chunk\n")?;
            }
            peer.end()
        }
        ("GET" | "HEAD", ["bytes", len]) => {
            peer.reply(200, BodyLength::Known(number(len)), "")?;
            // What exceeds the declared length is left out.
            for _ in 0..pieces(number(len).div_ceil(PIECE as u64)) {
                peer.send(&[b'.'; PIECE])?;
            }
            peer.end()
        }
        (_, ["echo"]) => peer.text(405, "method not allowed\n", "POST, PUT"),
        (_, [""] | ["delay" | "bytes", _] | ["stream", _, _]) => {
            peer.text(405, "method not allowed\n", "GET, HEAD")
        }
        _ => peer.text(404, "not found\n", ""),
    }
}

/// Returns the content while it is still coming in.
fn echo(request: &Request, peer: &mut Peer<'_>) -> Result<(), MisuseError> {
    let mut piece = peer.content()?;
    let length = request.length;
    let length = length.map_or(BodyLength::Unknown, BodyLength::Known);
    peer.reply(200, length, "")?;
    while !piece.is_empty() {
        peer.send(&piece)?;
        piece = peer.content()?;
    }
    peer.end()
}

/// Now, as `Date` has it.
pub(crate) fn date() -> HttpDate {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    HttpDate::from_unix_seconds(since.unwrap_or_default().as_secs())
}

//! What `neap echo` sends, of which only little is in memory at a time.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_io::Timer;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use neap_smol::Full;

/// Bytes in a piece of [`Pattern`].
const PIECE: usize = 64 * 1024;

/// A line of 64 bytes over and over, so that a byte tells where in its line it belongs.
static PATTERN: [u8; PIECE] = {
    let line = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-\n";
    let mut pattern = [0; PIECE];
    let mut at = 0;
    while at < PIECE {
        pattern[at] = line[at % line.len()];
        at += 1;
    }
    pattern
};

/// Whatever goes wrong with content; the server cuts the response then.
pub(crate) type ContentError = Box<dyn Error + Send + Sync>;

type Polled = Poll<Option<Result<Frame<Bytes>, ContentError>>>;

/// The content of a response.
pub(crate) enum Content {
    /// A few words.
    Full(Full),
    /// What the client is sending.
    Returned(Returned),
    /// Lines over time.
    Chunks(Chunks),
    /// As many bytes as were asked for.
    Pattern(Pattern),
}

impl From<Full> for Content {
    fn from(full: Full) -> Content {
        Content::Full(full)
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = ContentError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        match self.get_mut() {
            Content::Full(full) => Pin::new(full)
                .poll_frame(context)
                .map(|frame| frame.map(|f| Ok(f?))),
            Content::Returned(returned) => returned.poll(context),
            Content::Chunks(chunks) => chunks.poll(context),
            Content::Pattern(pattern) => Poll::Ready(pattern.next().map(|d| Ok(Frame::data(d)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Content::Full(full) => full.is_end_stream(),
            Content::Returned(returned) => {
                returned.first.is_none() && returned.content.is_end_stream()
            }
            Content::Chunks(chunks) => chunks.sent == chunks.count,
            Content::Pattern(pattern) => pattern.left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Content::Full(full) => full.size_hint(),
            Content::Returned(Returned {
                left: Some(left), ..
            }) => SizeHint::with_exact(*left),
            Content::Pattern(pattern) => SizeHint::with_exact(pattern.left),
            Content::Returned(_) | Content::Chunks(_) => SizeHint::default(),
        }
    }
}

/// A request's content on its way back.
pub(crate) struct Returned {
    first: Option<Bytes>,
    content: neap_smol::Body,
    /// Bytes still to be returned, if the client said how many there are.
    left: Option<u64>,
}

impl Returned {
    /// Returns `content`, of which nothing has been taken yet.
    pub(crate) fn new(content: neap_smol::Body) -> Returned {
        let left = content.size_hint().exact();
        Returned {
            first: None,
            content,
            left,
        }
    }

    /// Waits until the client has begun to send.
    pub(crate) async fn begun(&mut self) -> Result<(), ContentError> {
        if self.first.is_none() {
            self.first = std::future::poll_fn(|context| self.poll_content(context)).await?;
        }
        Ok(())
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Polled {
        let data = match self.first.take() {
            Some(data) => Some(data),
            None => ready!(self.poll_content(context))?,
        };
        if let (Some(left), Some(data)) = (&mut self.left, &data) {
            *left = left.saturating_sub(data.len() as u64);
        }
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    /// The next bytes of the client. Its trailers are not returned: who sends a trailer field
    /// must know what it means (RFC 9110 section 6.5.1), and nobody here does.
    fn poll_content(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, ContentError>> {
        let frame = ready!(Pin::new(&mut self.content).poll_frame(context)).transpose()?;
        Poll::Ready(Ok(frame.and_then(|frame| frame.into_data().ok())))
    }
}

/// Lines `chunk 1`, `chunk 2` and so on, the first one at once.
pub(crate) struct Chunks {
    count: u64,
    sent: u64,
    pause: Duration,
    timer: Option<Timer>,
}

impl Chunks {
    /// `count` lines, at least `pause` apart.
    pub(crate) fn new(count: u64, pause: Duration) -> Chunks {
        Chunks {
            count,
            sent: 0,
            pause,
            timer: None,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Polled {
        if self.sent == self.count {
            return Poll::Ready(None);
        }
        if let Some(timer) = &mut self.timer {
            ready!(Pin::new(timer).poll(context));
        }
        self.sent += 1;
        let more = self.sent < self.count && !self.pause.is_zero();
        self.timer = more.then(|| Timer::after(self.pause));
        Poll::Ready(Some(Ok(Frame::data(
            format!("chunk {}\n", self.sent).into(),
        ))))
    }
}

/// As many bytes as were asked for, all cut from one static piece.
pub(crate) struct Pattern {
    left: u64,
}

impl Pattern {
    /// `bytes` bytes.
    pub(crate) fn new(bytes: u64) -> Pattern {
        Pattern { left: bytes }
    }
}

impl Iterator for Pattern {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let length = usize::try_from(self.left).map_or(PIECE, |left| left.min(PIECE));
        self.left -= length as u64;
        (length > 0).then(|| Bytes::from_static(&PATTERN[..length]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_exactly_the_bytes_asked_for() {
        for bytes in [0, 1, 63, 64, 65, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
            let pattern: Vec<Bytes> = Pattern::new(bytes as u64).collect();
            let pattern = pattern.concat();
            assert_eq!(pattern.len(), bytes);
            let line = &PATTERN[..64];
            assert!(
                pattern.chunks(64).all(|part| line.starts_with(part)),
                "{bytes}"
            );
        }
        let content = Content::Pattern(Pattern::new(1 << 40));
        assert_eq!(content.size_hint().exact(), Some(1 << 40));
    }

    #[test]
    fn chunks_are_numbered_and_end() {
        let mut content = Content::Chunks(Chunks::new(3, Duration::ZERO));
        assert_eq!(content.size_hint().exact(), None);
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut text = Vec::new();
        while let Poll::Ready(Some(frame)) = Pin::new(&mut content).poll_frame(&mut context) {
            assert!(!text.ends_with(b"chunk 3\n"));
            text.extend(frame.unwrap().into_data().unwrap());
        }
        assert_eq!(text, b"chunk 1\nchunk 2\nchunk 3\n");
        assert!(content.is_end_stream());
    }
}

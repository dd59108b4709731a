//! Ways to read a request's content: as text, as a reader, as JSON.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_lite::{AsyncBufRead, AsyncRead};

use crate::{Body, BodyError};

impl Body {
    /// Reads all of the content as text, of which there may be `limit` bytes.
    ///
    /// Dropping the future half-way loses what was read.
    ///
    /// # Errors
    ///
    /// As [`collect`](Body::collect), and [`BodyError::NotText`] if it is not UTF-8.
    pub async fn text(self, limit: usize) -> Result<String, BodyError> {
        let content = Vec::from(self.collect(limit).await?);
        String::from_utf8(content).map_err(|_| BodyError::NotText)
    }
}

impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> io::Error {
        let kind = match error {
            BodyError::Incomplete => io::ErrorKind::UnexpectedEof,
            BodyError::TooLarge | BodyError::NotText => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}

impl AsyncBufRead for Body {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_mut().poll_rest(cx).map_err(io::Error::from)
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        self.get_mut().use_up(count);
    }
}

impl AsyncRead for Body {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let waiting = ready!(self.as_mut().poll_fill_buf(cx))?;
        let count = waiting.len().min(buffer.len());
        buffer[..count].copy_from_slice(&waiting[..count]);
        self.consume(count);
        Poll::Ready(Ok(count))
    }
}

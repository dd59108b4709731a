//! A request's content, as its handler sees it.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::ConnectionInfo;
use crate::feed::{Content, Feed};

/// The content of a request.
///
/// It is read from the connection only as it is asked for, so that a handler that takes its time
/// slows its client down instead of filling memory. It is always `Send`: it may be moved to
/// another task or thread, as long as the handler is still running. Dropping it tells the
/// connection that the rest is not wanted.
///
/// It can be read in three ways, each going on where the last one stopped: whole, up to a limit
/// ([`collect`](Body::collect), [`text`](Body::text), `json` with the feature of that name); as an
/// `AsyncRead` and `AsyncBufRead`, to copy it somewhere, which leaves a trailer section out; as an
/// [`http_body::Body`], frame by frame. The server's [limit](crate::Limits::content) bounds it in
/// any case.
///
/// ```
/// use http::Request;
/// use neap_smol::{Body, BodyError};
///
/// async fn shout(request: Request<Body>) -> Result<String, BodyError> {
///     let content = request.into_body().collect(64 * 1024).await?;
///     Ok(String::from_utf8_lossy(&content).to_uppercase())
/// }
/// ```
///
/// A test of a handler makes one of text or bytes:
///
/// ```
/// # use neap_smol::Body;
/// let body = Body::from("content");
/// let text = futures_lite::future::block_on(body.text(100));
/// assert_eq!(text.as_deref(), Ok("content"));
/// ```
#[derive(Debug, Default)]
pub struct Body {
    /// Most requests have none: a request is moved with its body, and is shorter without.
    content: Option<Box<Content>>,
    connection: Option<ConnectionInfo>,
}

impl Body {
    /// No content.
    #[must_use]
    pub fn empty() -> Body {
        Body::from(Bytes::new())
    }

    /// The connection that the request came by; `None` of a body that no server has made.
    #[must_use]
    pub fn connection(&self) -> Option<&ConnectionInfo> {
        self.connection.as_ref()
    }

    /// Content that is all there, of a request that came by `connection`.
    pub(crate) fn whole(content: Bytes, connection: &ConnectionInfo) -> Body {
        Body {
            connection: Some(connection.clone()),
            ..Body::from(content)
        }
    }

    /// Content that `connection` will deliver, `length` bytes if that is known; `waker` wakes it.
    pub(crate) fn channel(
        length: Option<u64>,
        connection: &ConnectionInfo,
        waker: Waker,
    ) -> (Body, Feed) {
        let (content, feed) = Content::channel(length, waker);
        let body = Body {
            content: Some(Box::new(content)),
            connection: Some(connection.clone()),
        };
        (body, feed)
    }

    /// Reads all of the content, of which there may be `limit` bytes.
    ///
    /// Dropping the future half-way loses what was read.
    ///
    /// # Errors
    ///
    /// [`BodyError::TooLarge`] if there is more, [`BodyError::Incomplete`] if the connection ends
    /// first.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, BodyError> {
        let exceeds = |len: u64| len > limit as u64;
        if exceeds(http_body::Body::size_hint(&self).lower()) {
            return Err(BodyError::TooLarge);
        }
        let mut content = BytesMut::new();
        while let Some(data) = poll_fn(|cx| self.poll_data(cx)).await {
            let data = data?;
            if exceeds((content.len() + data.len()) as u64) {
                return Err(BodyError::TooLarge);
            }
            content.extend_from_slice(&data);
        }
        Ok(content.freeze())
    }

    /// The next piece of the content; `None` at its end, before a trailer section.
    pub(crate) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        match &mut self.content {
            Some(content) => content.poll_data(cx),
            None => Poll::Ready(None),
        }
    }

    /// What is there of the content, for a reader; nothing at its end.
    pub(crate) fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Result<&[u8], BodyError>> {
        match &mut self.content {
            Some(content) => content.poll_rest(cx),
            None => Poll::Ready(Ok(&[])),
        }
    }

    /// The reader has used this much of what is there.
    pub(crate) fn use_up(&mut self, count: usize) {
        if let Some(content) = &mut self.content {
            content.use_up(count);
        }
    }

    fn take_trailers(&self) -> Option<HeaderMap> {
        self.content.as_ref()?.take_trailers()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        let is_empty = bytes.is_empty();
        Body {
            content: (!is_empty).then(|| Box::new(Content::whole(bytes))),
            connection: None,
        }
    }
}

impl From<&'static str> for Body {
    fn from(content: &'static str) -> Body {
        Body::from(Bytes::from(content))
    }
}

impl From<String> for Body {
    fn from(content: String) -> Body {
        Body::from(Bytes::from(content))
    }
}

impl From<Vec<u8>> for Body {
    fn from(content: Vec<u8>) -> Body {
        Body::from(Bytes::from(content))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = self.get_mut();
        let data = ready!(body.poll_data(cx));
        let data = data.map(|data| data.map(Frame::data));
        Poll::Ready(data.or_else(|| {
            body.take_trailers()
                .map(|fields| Ok(Frame::trailers(fields)))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.content
            .as_ref()
            .is_none_or(|content| content.is_over())
    }

    fn size_hint(&self) -> SizeHint {
        let content = self.content.as_ref();
        content.map_or(SizeHint::with_exact(0), |content| content.size())
    }
}

/// Why a request's content could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// The connection, or the handler's part in it, ended before the content did.
    Incomplete,
    /// There is more content than [`Body::collect`] was allowed to take.
    TooLarge,
    /// It is not UTF-8, which [`Body::text`] asks for.
    NotText,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BodyError::Incomplete => "the request's content ended early",
            BodyError::TooLarge => "the request's content is too large",
            BodyError::NotText => "the request's content is not UTF-8",
        })
    }
}

impl std::error::Error for BodyError {}

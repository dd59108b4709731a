//! A request's content, as its handler sees it.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::ConnectionInfo;

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
    /// What is there, before anything that the connection will deliver.
    rest: Bytes,
    channel: Option<Arc<Channel>>,
    size: SizeHint,
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
            size: SizeHint::with_exact(content.len() as u64),
            rest: content,
            channel: None,
            connection: Some(connection.clone()),
        }
    }

    /// Content that `connection` will deliver, `length` bytes if that is known; `waker` wakes it.
    pub(crate) fn channel(
        length: Option<u64>,
        connection: &ConnectionInfo,
        waker: Waker,
    ) -> (Body, Feed) {
        let channel = Arc::new(Channel {
            state: Mutex::new(State::default()),
            connection: waker,
        });
        let size = length.map(SizeHint::with_exact).unwrap_or_default();
        (
            Body {
                rest: Bytes::new(),
                channel: Some(Arc::clone(&channel)),
                size,
                connection: Some(connection.clone()),
            },
            Feed(channel),
        )
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
        if exceeds(self.size.lower()) {
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
        if !self.rest.is_empty() {
            let data = std::mem::take(&mut self.rest);
            self.size = shrink(&self.size, data.len() as u64);
            return Poll::Ready(Some(Ok(data)));
        }
        let Some(channel) = &self.channel else {
            return Poll::Ready(None);
        };
        let mut state = channel.lock();
        if let Some(data) = state.data.take() {
            self.size = shrink(&self.size, data.len() as u64);
            return Poll::Ready(Some(Ok(data)));
        }
        let ended = match state.end {
            _ if state.trailers.is_some() => return Poll::Ready(None),
            End::Open => {
                // The waker is kept where it would wake the same task again.
                match &mut state.handler {
                    Some(waker) => waker.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                let ask = !std::mem::replace(&mut state.wanted, true);
                drop(state);
                if ask {
                    channel.connection.wake_by_ref();
                }
                return Poll::Pending;
            }
            End::Whole => None,
            End::Incomplete => Some(Err(BodyError::Incomplete)),
        };
        drop(state);
        self.channel = None;
        self.size = SizeHint::with_exact(0);
        Poll::Ready(ended)
    }

    /// What is there of the content, for a reader; nothing at its end.
    pub(crate) fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Result<&[u8], BodyError>> {
        if self.rest.is_empty() {
            if let Some(data) = ready!(self.poll_data(cx)) {
                self.put_back(data?);
            }
        }
        Poll::Ready(Ok(&self.rest))
    }

    /// A piece that was not used yet.
    fn put_back(&mut self, data: Bytes) {
        if let Some(left) = self.size.exact() {
            self.size = SizeHint::with_exact(left + data.len() as u64);
        }
        self.rest = data;
    }

    /// The reader has used this much of what is there.
    pub(crate) fn use_up(&mut self, count: usize) {
        self.rest.advance(count);
        self.size = shrink(&self.size, count as u64);
    }

    fn take_trailers(&self) -> Option<HeaderMap> {
        self.channel.as_ref()?.lock().trailers.take()
    }
}

impl From<Bytes> for Body {
    fn from(content: Bytes) -> Body {
        Body {
            size: SizeHint::with_exact(content.len() as u64),
            rest: content,
            channel: None,
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

fn shrink(size: &SizeHint, taken: u64) -> SizeHint {
    size.exact()
        .map(|rest| SizeHint::with_exact(rest.saturating_sub(taken)))
        .unwrap_or_default()
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
        let channel = self.channel.as_ref();
        self.rest.is_empty() && channel.is_none_or(|channel| channel.lock().is_over())
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let Some(channel) = self.channel.take() else {
            return;
        };
        let mut state = channel.lock();
        state.dropped = true;
        let matters = state.end == End::Open;
        drop(state);
        if matters {
            channel.connection.wake_by_ref();
        }
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

/// What a [`Body`] and its connection share.
#[derive(Debug)]
struct Channel {
    state: Mutex<State>,
    connection: Waker,
}

impl Channel {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing can panic half-way through a change: a poisoned state is as good as any.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct State {
    /// One piece at a time: the next is read when the handler asks for it.
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
    end: End,
    wanted: bool,
    dropped: bool,
    handler: Option<Waker>,
}

impl State {
    fn is_over(&self) -> bool {
        self.end == End::Whole && self.data.is_none() && self.trailers.is_none()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    Whole,
    Incomplete,
}

/// The connection's side of a [`Body`]. Dropping it before the end makes the content incomplete.
#[derive(Debug)]
pub(crate) struct Feed(Arc<Channel>);

/// What the handler wants of its request's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Nothing now.
    None,
    /// The next piece.
    More,
    /// Nothing any more.
    Dropped,
}

impl Feed {
    pub(crate) fn demand(&self) -> Demand {
        let state = self.0.lock();
        if state.dropped {
            Demand::Dropped
        } else if state.wanted && state.data.is_none() {
            Demand::More
        } else {
            Demand::None
        }
    }

    pub(crate) fn push(&self, data: Bytes) {
        self.update(|state| {
            state.data = Some(data);
            state.wanted = false;
        });
    }

    pub(crate) fn push_trailers(&self, trailers: HeaderMap) {
        self.update(|state| state.trailers = Some(trailers));
    }

    pub(crate) fn end(&self) {
        self.update(|state| state.end = End::Whole);
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.lock();
        change(&mut state);
        let handler = state.handler.take();
        drop(state);
        if let Some(handler) = handler {
            handler.wake();
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.update(|state| {
            if state.end == End::Open {
                state.end = End::Incomplete;
            }
        });
    }
}

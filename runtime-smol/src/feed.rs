//! How a request's content gets from its connection to the handler that reads it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::SizeHint;

use crate::BodyError;

/// The handler's side of it, or what was there with the head. Dropping it tells the connection that
/// the rest is not wanted.
#[derive(Debug)]
pub(crate) struct Content {
    /// What is there, before anything that the connection will deliver.
    rest: Bytes,
    channel: Option<Arc<Channel>>,
    size: SizeHint,
}

impl Content {
    /// Content that is all there.
    pub(crate) fn whole(content: Bytes) -> Content {
        Content {
            size: SizeHint::with_exact(content.len() as u64),
            rest: content,
            channel: None,
        }
    }

    /// Content that a connection will deliver, `length` bytes if that is known; `waker` wakes it.
    pub(crate) fn channel(length: Option<u64>, waker: Waker) -> (Content, Feed) {
        let channel = Arc::new(Channel {
            state: Mutex::new(State::default()),
            connection: waker,
        });
        let content = Content {
            rest: Bytes::new(),
            channel: Some(Arc::clone(&channel)),
            size: length.map(SizeHint::with_exact).unwrap_or_default(),
        };
        (content, Feed(channel))
    }

    /// The next piece; `None` at the end, before a trailer section.
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

    /// What is there, for a reader; nothing at the end.
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

    pub(crate) fn take_trailers(&self) -> Option<HeaderMap> {
        self.channel.as_ref()?.lock().trailers.take()
    }

    pub(crate) fn size(&self) -> SizeHint {
        self.size
    }

    pub(crate) fn is_over(&self) -> bool {
        let channel = self.channel.as_ref();
        self.rest.is_empty() && channel.is_none_or(|channel| channel.lock().is_over())
    }
}

fn shrink(size: &SizeHint, taken: u64) -> SizeHint {
    size.exact()
        .map(|rest| SizeHint::with_exact(rest.saturating_sub(taken)))
        .unwrap_or_default()
}

impl Drop for Content {
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

/// What the two sides share.
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

/// The connection's side. Dropping it before the end makes the content incomplete.
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

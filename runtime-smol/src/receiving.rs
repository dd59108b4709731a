//! Content of requests, on its way from the socket to the handler.

use std::future::Future;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use neap_core::control::{Content, Stage};
use neap_core::{Item, Tick};

use crate::body::{Demand, Feed};
use crate::connection::{HEADS, Served};
use crate::environment::Environment;
use crate::system::Transport;
use crate::{Body, IntoResponse};

/// Content of which so much is still to come is read straight into pieces of its own, instead of
/// being copied out of the thread's buffer.
const DIRECT: u64 = 4 * 1024;

impl<F, T> Served<F, T>
where
    F: Future<Output: IntoResponse>,
    T: Transport,
{
    /// The body for the request that was just taken, which has content, and what feeds it if that
    /// is still to come.
    pub(crate) fn body<H>(
        &mut self,
        t: Tick<'_>,
        cx: &mut Context<'_>,
        env: &mut Environment<H, F>,
    ) -> (Body, Option<Feed>) {
        let length = self.core.content_length();
        if let Some(content) = length.and_then(|length| self.take_whole(length, t, env)) {
            return (Body::whole(content, &self.info), None);
        }
        let (body, feed) = Body::channel(length, &self.info, cx.waker().clone());
        (body, Some(feed))
    }

    /// The request's content, if all of its `length` bytes are there and its client does not wait
    /// to be asked for it.
    fn take_whole<H>(
        &mut self,
        length: u64,
        t: Tick<'_>,
        env: &mut Environment<H, F>,
    ) -> Option<Bytes> {
        let input = self.inbox.pending(&env.buffer);
        let is_there = input.len() as u64 >= length;
        if !is_there || self.core.control().stage != Stage::Running(Content::Held) {
            return None;
        }
        self.core.want_content(t);
        let received = self.core.handle_input(t, input, &mut env.spans);
        let content = match received.item {
            Item::Content(content) => Some(Bytes::copy_from_slice(content)),
            Item::Nothing | Item::Head(_) | Item::Trailers(_) | Item::Refused(_) => None,
        };
        self.inbox.consume(received.consumed);
        content
    }

    /// Tells the handler, once, that its request has been received whole.
    pub(crate) fn end_content(&mut self) {
        if !self.core.is_request_whole() {
            return;
        }
        if let Some(feed) = self
            .exchange
            .as_mut()
            .and_then(|exchange| exchange.feed.take())
        {
            feed.end();
        }
    }

    /// Passes on what the handler wants of its request's content. True if that is news.
    pub(crate) fn meet_demand(&mut self, t: Tick<'_>) -> bool {
        let Some(exchange) = &mut self.exchange else {
            return false;
        };
        let Some(feed) = &exchange.feed else {
            return false;
        };
        let before = self.core.control();
        match feed.demand() {
            Demand::More => self.core.want_content(t),
            Demand::Dropped => {
                exchange.feed = None;
                self.core.drop_content(t);
            }
            Demand::None => {}
        }
        self.core.control() != before
    }

    /// Whether what comes next may be read straight into a piece of content: it is wanted, there is
    /// enough of it, and of what is buffered before it more is to be had at once.
    pub(crate) fn goes_direct(&self) -> bool {
        let Some(left) = self.core.content_length() else {
            return false;
        };
        let held = self.inbox.len();
        let is_fed = self.exchange.as_ref().is_some_and(|it| it.feed.is_some());
        is_fed
            && left >= DIRECT.max(held as u64 + 1)
            && (held == 0 || self.inbox.is_fresh(HEADS))
            && self.core.is_content_deliverable()
    }

    /// Reads straight into a piece of content, behind what is buffered of it. True if something
    /// came of it.
    pub(crate) fn read_content<H: Fn(Request<Body>) -> F>(
        &mut self,
        t: Tick<'_>,
        cx: &mut Context<'_>,
        env: &mut Environment<H, F>,
    ) -> bool {
        let mut piece = env.pieces.take();
        piece.extend_from_slice(self.inbox.pending(&env.buffer));
        let held = piece.len();
        let read = self.transport.poll_read_to(cx, &mut piece);
        if let Poll::Ready(Ok(count @ 1..)) = read {
            self.info.ledger().add_received(count);
            self.inbox.consume(held);
            self.take_piece(piece, t, env);
            self.handler_due = true;
            return true;
        }
        env.pieces.give(piece);
        match read {
            Poll::Ready(Err(_)) => self.core.handle_io_error(t),
            Poll::Ready(Ok(_)) if held == 0 => self.core.handle_eof(t),
            // What is buffered is taken first, and the end found again.
            Poll::Ready(Ok(_)) | Poll::Pending => return false,
        }
        self.handler_due = true;
        true
    }

    /// A piece has come that begins with content.
    fn take_piece<H>(&mut self, mut piece: Vec<u8>, t: Tick<'_>, env: &mut Environment<H, F>) {
        let received = self.core.handle_input(t, &piece, &mut env.spans);
        let (consumed, is_wanted) = (received.consumed, matches!(received.item, Item::Content(_)));
        // The rest is of the requests behind it.
        self.inbox.put(&piece[consumed..]);
        piece.truncate(consumed);
        let exchange = self.exchange.as_ref().filter(|_| is_wanted);
        match exchange.and_then(|exchange| exchange.feed.as_ref()) {
            Some(feed) => feed.push(env.pieces.content(piece)),
            None => env.pieces.give(piece),
        }
        self.end_content();
    }
}

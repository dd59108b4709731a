//! Content of requests, on its way from the socket to the handler.

use std::future::Future;
use std::task::Context;

use bytes::Bytes;
use neap_core::control::{Content, Stage};
use neap_core::{Item, Tick};

use crate::connection::{HEADS, Served};
use crate::environment::Environment;
use crate::feed::{Demand, Feed};
use crate::system::Transport;
use crate::{Body, IntoResponse};

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
        let Item::Content(content) = received.item else {
            self.inbox.consume(received.consumed);
            return None;
        };
        let (count, len) = (received.consumed, content.len());
        let inbox = &mut self.inbox;
        Some(inbox.take_content(count, len, &mut env.buffer, &env.pieces))
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

    /// Whether the content that is buffered may well go on in the socket: the read that its head
    /// came with filled its room.
    pub(crate) fn reads_on(&self) -> bool {
        let held = self.inbox.len() as u64;
        let left = self.core.content_length();
        self.inbox.ends_at(HEADS) && left.is_some_and(|left| left > held)
    }
}

//! Requests on their way through their handlers, and responses on theirs to the output.

use std::future::Future;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::{Request, Response};
use neap_core::{Item, PeerError, Phase, Status, Tick};

use crate::account::Account;
use crate::body::{Demand, Feed};
use crate::connection::Served;
use crate::environment::Environment;
use crate::event::Event;
use crate::exchange::{BodyFailure, DataOf, Exchange, Stage, request, trailers};
use crate::system::Transport;
use crate::upgrade::Upgrade;
use crate::{Body, IntoResponse};

/// Unsent output above which the response's body is not asked for more.
const HIGH_WATER: u64 = 64 * 1024;

impl<F, T> Served<F, T>
where
    F: Future<Output: IntoResponse>,
    T: Transport,
{
    /// Gives buffered input to the core. False if it could make nothing of it.
    pub(crate) fn take_input<H: Fn(Request<Body>) -> F>(
        &mut self,
        t: Tick<'_>,
        cx: &mut Context<'_>,
        env: &mut Environment<H, F>,
    ) -> bool {
        let input = self.inbox.pending(&env.buffer);
        if input.is_empty() {
            return false;
        }
        let received = self.core.handle_input(t, input, &mut env.spans);
        let feed = self
            .exchange
            .as_mut()
            .and_then(|exchange| exchange.feed.as_ref());
        let mut progress = received.consumed > 0;
        match received.item {
            Item::Nothing => {}
            Item::Head(head) => {
                let length = self.core.content_length();
                let (body, feed) = match length {
                    Some(0) => (Body::empty(), None),
                    length => {
                        let (body, feed) = Body::channel(length, cx.waker().clone());
                        (body, Some(feed))
                    }
                };
                let request = request(&head, body, &mut env.texts);
                self.inbox.consume(received.consumed);
                let wish = self.core.asks_upgrade();
                let upgrade = wish.then(|| Upgrade::new(&self.info, cx.waker().clone()));
                self.start(request, feed, upgrade, t, env);
                return true;
            }
            Item::Content(content) => {
                if let Some(feed) = feed {
                    feed.push(Bytes::copy_from_slice(content));
                }
            }
            Item::Trailers(fields) => {
                if let (Some(feed), Some(fields)) = (feed, trailers(fields)) {
                    if !fields.is_empty() {
                        feed.push_trailers(fields);
                    }
                }
            }
            Item::Refused(_) => progress = true,
        }
        self.inbox.consume(received.consumed);
        self.end_content();
        self.handler_due |= progress;
        progress
    }

    /// Tells the handler, once, that its request has been received whole.
    fn end_content(&mut self) {
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

    fn start<H: Fn(Request<Body>) -> F>(
        &mut self,
        request: Option<Request<Body>>,
        feed: Option<Feed>,
        upgrade: Option<Upgrade>,
        t: Tick<'_>,
        env: &mut Environment<H, F>,
    ) {
        let Some(mut request) = request else {
            return self.core.reject(t, PeerError::Target);
        };
        if self.info.logs_targets() {
            self.target = Some(request.uri().clone());
        }
        let line = upgrade.as_ref().map(Upgrade::line);
        let extensions = request.extensions_mut();
        extensions.insert(self.info.shutdown());
        extensions.insert(self.info.clone());
        if let Some(upgrade) = upgrade {
            extensions.insert(upgrade);
        }
        self.note();
        let mut places = env.take_places();
        let account = Account::begin(&self.info, &request);
        let started = account.within(|| places.start(|| (env.handler)(request)));
        self.exchange = Some(Exchange {
            places,
            feed,
            line,
            stage: Stage::Handling,
            account,
        });
        self.handler_due = true;
        if self.core.handle_started(t).is_err() || started.is_err() {
            self.fail(t, env);
        }
    }

    /// Polls the handler or the body of its response. True if something came of it.
    pub(crate) fn run_handler<H>(
        &mut self,
        t: Tick<'_>,
        cx: &mut Context<'_>,
        env: &mut Environment<H, F>,
    ) -> bool {
        let Some(exchange) = &mut self.exchange else {
            self.fail(t, env);
            return true;
        };
        match exchange.stage {
            Stage::Handling => {}
            Stage::Replying => return self.send_body(t, cx, env) | self.meet_demand(t),
            Stage::Switched | Stage::Over => return self.run_switched(cx, env),
        }
        let Exchange {
            places, account, ..
        } = exchange;
        match account.within(|| places.poll_response(cx)) {
            Poll::Pending => {
                self.handler_due = false;
                self.meet_demand(t) | self.meet_grant(t, env)
            }
            Poll::Ready(Ok(response)) => {
                self.meet_demand(t);
                self.reply(&response, t, env);
                true
            }
            Poll::Ready(Err(_)) => {
                self.fail(t, env);
                true
            }
        }
    }

    /// The handler, or its response's body, panicked.
    fn fail<H>(&mut self, t: Tick<'_>, env: &Environment<H, F>) {
        env.observer.tell(&Event::HandlerPanicked {
            peer: self.info.peer(),
        });
        self.core.handle_failure(t);
    }

    /// Passes on what the handler wants of its request's content. True if that is news.
    fn meet_demand(&mut self, t: Tick<'_>) -> bool {
        let Some(exchange) = &mut self.exchange else {
            return false;
        };
        let before = self.core.control();
        match exchange.feed.as_ref().map(Feed::demand) {
            Some(Demand::More) => self.core.want_content(t),
            Some(Demand::Dropped) => {
                exchange.feed = None;
                self.core.drop_content(t);
            }
            Some(Demand::None) | None => {}
        }
        self.core.control() != before
    }

    fn reply<H>(&mut self, response: &Response<()>, t: Tick<'_>, env: &mut Environment<H, F>) {
        let Some(exchange) = &mut self.exchange else {
            return;
        };
        if t.phase == Phase::Draining {
            self.core
                .handle_buffered(t, self.inbox.pending(&env.buffer));
        }
        let length = exchange
            .places
            .length(response, self.core.is_head_request());
        let status = Status::new(response.status().as_u16()).unwrap_or(Status::OK);
        let fields = response.headers().iter();
        let fields = fields.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
        let out = self.output.buffer(env);
        match self
            .core
            .reply_head(t, status, length, &env.date, fields, out)
        {
            Ok(()) => {
                exchange.stage = Stage::Replying;
                exchange.account.replied(response.status());
                self.info.ledger().note(self.core.tally(), true);
                if !self.core.is_content_deliverable() {
                    // The client was not invited to send it, and the reply has said that it ends
                    // the connection: what comes now is thrown away.
                    exchange.feed = None;
                }
            }
            Err(error) => {
                let peer = self.info.peer();
                env.observer.tell(&Event::InvalidResponse { peer, error });
                self.core.handle_failure(t);
            }
        }
    }

    /// Moves the response's body to the output, as long as there is room. True if something came
    /// of it.
    fn send_body<H>(
        &mut self,
        t: Tick<'_>,
        cx: &mut Context<'_>,
        env: &mut Environment<H, F>,
    ) -> bool {
        let mut progress = false;
        while let Some(exchange) = &mut self.exchange {
            let over = !self.core.reply_has_content() || exchange.places.is_body_over();
            // An end that writes nothing needs no room: what has all been handed out is whole.
            let ends_in_place = over && self.core.reply_left() == Some(0);
            let has_room = self.output.is_open() && self.core.unsent() < HIGH_WATER;
            if !(has_room || ends_in_place) {
                // Flushing makes it due again.
                self.handler_due = false;
                return progress;
            }
            let frame = if over {
                Ok(None)
            } else {
                let Exchange {
                    places, account, ..
                } = exchange;
                match account.within(|| places.poll_body(cx)) {
                    Poll::Pending => {
                        self.handler_due = false;
                        return progress;
                    }
                    Poll::Ready(frame) => frame,
                }
            };
            progress = true;
            match frame {
                Ok(Some(frame)) => {
                    if self.send_frame(frame, t, env) {
                        break;
                    }
                }
                Ok(None) => {
                    self.end_reply(t, env);
                    break;
                }
                Err(BodyFailure::Panicked) => {
                    self.fail(t, env);
                    break;
                }
                Err(BodyFailure::Error(error)) => {
                    let peer = self.info.peer();
                    env.observer.tell(&Event::BodyFailed {
                        peer,
                        error: &*error,
                    });
                    self.core.handle_failure(t);
                    break;
                }
            }
        }
        progress
    }

    /// Puts one frame into the output. True if it was the last.
    fn send_frame<H>(
        &mut self,
        frame: http_body::Frame<DataOf<F>>,
        t: Tick<'_>,
        env: &mut Environment<H, F>,
    ) -> bool {
        match frame.into_data() {
            Ok(data) => {
                let given = data.remaining() as u64;
                let Ok(frame) = self.core.reply_body(t, given) else {
                    return true;
                };
                self.output.buffer(env);
                self.output.push(&frame, data);
                let excess = frame.take < given;
                if excess {
                    let peer = self.info.peer();
                    env.observer.tell(&Event::LengthMismatch { peer, excess });
                    self.end_reply(t, env);
                }
                excess
            }
            Err(frame) => {
                let Ok(fields) = frame.into_trailers() else {
                    return false;
                };
                let fields = fields.iter();
                let fields =
                    fields.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
                let _ = self.core.reply_trailers(t, fields, self.output.buffer(env));
                true
            }
        }
    }

    /// The body has ended.
    fn end_reply<H>(&mut self, t: Tick<'_>, env: &mut Environment<H, F>) {
        if self.core.reply_left().is_some_and(|left| left > 0) {
            let peer = self.info.peer();
            env.observer.tell(&Event::LengthMismatch {
                peer,
                excess: false,
            });
        }
        let out = self.output.buffer(env);
        // Out of order it would be for a reply that the core has cut meanwhile.
        let _ = self.core.reply_end(t, out);
    }

    pub(crate) fn drop_exchange<H>(&mut self, env: &mut Environment<H, F>) {
        let Some(mut exchange) = self.exchange.take() else {
            return;
        };
        self.target = None;
        drop(exchange.feed.take());
        if exchange.places.clear().is_err() {
            env.observer.tell(&Event::HandlerPanicked {
                peer: self.info.peer(),
            });
        }
        env.give_places(exchange.places);
    }
}

//! Requests on their way through their handlers.

use std::future::Future;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use neap_core::{Config, Item, PeerError, Tick};

use crate::account::Account;
use crate::connection::{HEADS, Served};
use crate::environment::Environment;
use crate::event::Event;
use crate::exchange::{Exchange, Stage, fill, trailers};
use crate::system::Transport;
use crate::upgrade::Upgrade;
use crate::{Body, IntoResponse};

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
        let config;
        let known = if self.transport.is_secure() {
            config = secured(*t.config);
            Tick {
                config: &config,
                ..t
            }
        } else {
            t
        };
        let received = self.core.handle_input(known, input, &mut env.spans);
        let feed = self
            .exchange
            .as_mut()
            .and_then(|exchange| exchange.feed.as_ref());
        let mut progress = received.consumed > 0;
        let mut used = received.consumed;
        match received.item {
            Item::Nothing => {}
            Item::Head(head) => {
                let body = Body::whole(Bytes::new(), &self.info);
                let mut request = Some(Request::new(body));
                let is_made = request.as_mut().is_some_and(|it| fill(it, &head).is_some());
                self.inbox.consume(received.consumed);
                if is_made {
                    self.start(&mut request, t, cx, env);
                } else {
                    self.core.reject(t, PeerError::Target);
                }
                return true;
            }
            Item::Content(content) => {
                if let Some(feed) = feed {
                    let (count, len) = (std::mem::take(&mut used), content.len());
                    let inbox = &mut self.inbox;
                    feed.push(inbox.take_content(count, len, &mut env.buffer, &env.pieces));
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
        self.inbox.consume(used);
        self.end_content();
        self.handler_due |= progress;
        progress
    }

    /// Begins the exchange of the request in `slot`.
    fn start<H: Fn(Request<Body>) -> F>(
        &mut self,
        slot: &mut Option<Request<Body>>,
        t: Tick<'_>,
        cx: &mut Context<'_>,
        env: &mut Environment<H, F>,
    ) {
        let (Ok(()), Some(request)) = (self.core.handle_started(t), slot.as_mut()) else {
            return self.fail(t, env);
        };
        if self.info.logs_targets() {
            self.info.ledger().set_target(Some(request.uri().clone()));
        }
        let mut feed = None;
        let length = self.core.content_length();
        self.reads_long = length.is_some_and(|length| length >= HEADS as u64);
        if length != Some(0) {
            (*request.body_mut(), feed) = self.body(t, cx, env);
        }
        let mut line = None;
        if self.core.asks_upgrade() {
            let upgrade = Upgrade::new(&self.info, cx.waker().clone());
            line = Some(upgrade.line());
            request.extensions_mut().insert(upgrade);
        }
        self.note();
        let mut places = env.take_places();
        let account = Account::begin(&self.info, request);
        let started = account.within(|| places.start(slot, &env.handler));
        self.exchange = Some(Exchange {
            places,
            feed,
            line,
            stage: Stage::Handling,
            account,
        });
        self.handler_due = true;
        if started.is_err() {
            return self.fail(t, env);
        }
        self.run_handler(t, cx, env);
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
        let mut response = None;
        let polled = account.within(|| places.poll_response(&mut response, cx));
        match (polled, &response) {
            (Poll::Pending, _) => {
                self.handler_due = false;
                self.meet_demand(t) | self.meet_grant(t, env)
            }
            (Poll::Ready(Ok(())), Some(response)) => {
                self.meet_demand(t);
                // It may have taken its time, in which another thread began the drain.
                let t = env.at_present(t);
                self.reply(response, t, cx, env);
                // A body that echoes has asked for content: what comes may share the head's write.
                self.meet_demand(t);
                true
            }
            (Poll::Ready(_), _) => {
                self.fail(t, env);
                true
            }
        }
    }

    /// The handler, or its response's body, panicked.
    pub(crate) fn fail<H>(&mut self, t: Tick<'_>, env: &Environment<H, F>) {
        env.observer.tell(&Event::HandlerPanicked {
            peer: self.info.peer(),
        });
        self.core.handle_failure(t);
    }

    pub(crate) fn drop_exchange<H>(&mut self, env: &mut Environment<H, F>) {
        let Some(mut exchange) = self.exchange.take() else {
            return;
        };
        if self.info.logs_targets() {
            self.info.ledger().set_target(None);
        }
        drop(exchange.feed.take());
        if exchange.places.clear().is_err() {
            env.observer.tell(&Event::HandlerPanicked {
                peer: self.info.peer(),
            });
        }
        env.give_places(exchange.places);
    }
}

/// The same settings for a connection that is secured.
fn secured(mut config: Config) -> Config {
    config.secure = true;
    config
}

//! Responses on their way to the output.

use std::future::Future;
use std::task::{Context, Poll};

use bytes::Buf;
use http::HeaderMap;
use http::response::Parts;
use neap_core::{BodyLength, Phase, Status, Tick};

use crate::IntoResponse;
use crate::connection::Served;
use crate::environment::Environment;
use crate::event::Event;
use crate::exchange::{BodyFailure, DataOf, Exchange, First, NextFrame, Stage};
use crate::output::LARGE;
use crate::system::Transport;

/// Unsent output above which the response's body is not asked for more.
const HIGH_WATER: u64 = 64 * 1024;

impl<F, T> Served<F, T>
where
    F: Future<Output: IntoResponse>,
    T: Transport,
{
    /// Whether more of a reply may be put into the output.
    pub(crate) fn has_room(&self) -> bool {
        self.output.is_open() && self.core.unsent() < HIGH_WATER
    }

    /// Begins the reply, and goes on with it as far as its body gives something. A small body that
    /// is there is sent with its head, at one go.
    pub(crate) fn reply<H>(
        &mut self,
        response: &Parts,
        t: Tick<'_>,
        cx: &mut Context<'_>,
        env: &mut Environment<H, F>,
    ) {
        let has_room = self.has_room();
        let Some(exchange) = &mut self.exchange else {
            return;
        };
        if t.phase == Phase::Draining {
            self.core
                .handle_buffered(t, self.inbox.pending(&env.buffer));
        }
        let is_head = self.core.is_head_request();
        let length = exchange.places.length(response, is_head);
        let first = match length {
            BodyLength::Known(len) if has_room && !is_head && len < LARGE as u64 => {
                let Exchange {
                    places, account, ..
                } = exchange;
                account.within(|| places.poll_whole(len, cx))
            }
            BodyLength::Known(_) | BodyLength::Unknown => First::Later,
        };
        if let First::Frame(Err(failure)) = first {
            return self.body_failed(failure, t, env);
        }
        let status = Status::new(response.status.as_u16()).unwrap_or(Status::OK);
        let fields = bytes_of(&response.headers);
        let (out, date) = (self.output.buffer(env), &env.date);
        let begun = match &first {
            First::Whole(data) => {
                let content = data.as_ref().map_or(&[][..], Buf::chunk);
                self.core.reply(t, status, content, date, fields, out)
            }
            _ => self.core.reply_head(t, status, length, date, fields, out),
        };
        if let Err(error) = begun {
            let peer = self.info.peer();
            env.observer.tell(&Event::InvalidResponse { peer, error });
            return self.core.handle_failure(t);
        }
        exchange.account.replied(response.status);
        if matches!(first, First::Whole(_)) {
            return self.drop_exchange(env);
        }
        exchange.stage = Stage::Replying;
        if !self.core.is_content_deliverable() {
            // The client was not invited to send it, and the reply has said that it ends the
            // connection: what comes now is thrown away.
            exchange.feed = None;
        }
        self.note();
        let is_over = match first {
            First::Frame(frame) => self.take_frame(frame, t, env),
            First::Whole(_) | First::Later => false,
        };
        if !is_over {
            self.send_body(t, cx, env);
        }
    }

    /// Moves the response's body to the output, as long as there is room. True if something came
    /// of it.
    pub(crate) fn send_body<H>(
        &mut self,
        t: Tick<'_>,
        cx: &mut Context<'_>,
        env: &mut Environment<H, F>,
    ) -> bool {
        let mut progress = false;
        let mut is_over = false;
        while !is_over {
            let has_room = self.has_room();
            let Some(exchange) = &mut self.exchange else {
                break;
            };
            let has_ended = !self.core.reply_has_content() || exchange.places.is_body_over();
            // An end that writes nothing needs no room: what has all been handed out is whole.
            let ends_in_place = has_ended && self.core.reply_left() == Some(0);
            if !(has_room || ends_in_place) {
                // Flushing makes it due again.
                self.handler_due = false;
                break;
            }
            let frame = if has_ended {
                Ok(None)
            } else {
                let Exchange {
                    places, account, ..
                } = exchange;
                match account.within(|| places.poll_body(cx)) {
                    Poll::Pending => {
                        self.handler_due = false;
                        break;
                    }
                    Poll::Ready(frame) => frame,
                }
            };
            progress = true;
            is_over = self.take_frame(frame, t, env);
        }
        progress
    }

    /// Puts what the body gave into the output. True if that was the end of the reply.
    fn take_frame<H>(
        &mut self,
        frame: NextFrame<DataOf<F>>,
        t: Tick<'_>,
        env: &mut Environment<H, F>,
    ) -> bool {
        match frame {
            Ok(Some(frame)) => self.send_frame(frame, t, env),
            Ok(None) => {
                self.end_reply(t, env);
                true
            }
            Err(failure) => {
                self.body_failed(failure, t, env);
                true
            }
        }
    }

    fn body_failed<H>(&mut self, failure: BodyFailure, t: Tick<'_>, env: &mut Environment<H, F>) {
        match failure {
            BodyFailure::Panicked => self.fail(t, env),
            BodyFailure::Error(error) => {
                let peer = self.info.peer();
                env.observer.tell(&Event::BodyFailed {
                    peer,
                    error: &*error,
                });
                self.core.handle_failure(t);
            }
        }
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
                let out = self.output.buffer(env);
                let _ = self.core.reply_trailers(t, bytes_of(&fields), out);
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
        self.drop_exchange(env);
    }
}

/// Fields as the core takes them.
pub(crate) fn bytes_of(fields: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    fields
        .iter()
        .map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
}

//! Connections that leave HTTP for another protocol: from the handler's grant to their end.

use std::future::Future;
use std::io::IoSlice;
use std::task::{Context, Poll};

use neap_core::{Status, Tick};

use crate::IntoResponse;
use crate::connection::Served;
use crate::environment::Environment;
use crate::event::Event;
use crate::exchange::{Exchange, Stage};
use crate::line::Line;
use crate::replying::bytes_of;
use crate::system::Transport;

impl<F, T> Served<F, T>
where
    F: Future<Output: IntoResponse>,
    T: Transport,
{
    /// Takes up the handler's grant. True if there is one.
    pub(crate) fn meet_grant<H>(&mut self, t: Tick<'_>, env: &mut Environment<H, F>) -> bool {
        let Some(exchange) = &mut self.exchange else {
            return false;
        };
        let Some((line, response)) = exchange
            .line
            .as_ref()
            .and_then(|line| Some((line, line.take_granted()?)))
        else {
            return false;
        };
        let status = Status::new(response.status().as_u16()).unwrap_or(Status::OK);
        let fields = bytes_of(response.headers());
        let out = self.output.buffer(env);
        match self.core.reply_upgrade(t, status, &env.date, fields, out) {
            Ok(()) => {
                exchange.stage = Stage::Switched;
                exchange.account.replied(response.status());
            }
            Err(error) => {
                line.refuse(error);
                self.handler_due = true;
            }
        }
        true
    }

    /// The reply that switches is in the kernel: the other protocol begins, with what was read
    /// ahead.
    pub(crate) fn switch<H>(&mut self, t: Tick<'_>, env: &mut Environment<H, F>) {
        let line = self
            .exchange
            .as_ref()
            .and_then(|exchange| exchange.line.as_ref());
        let (Some(line), Ok(())) = (line, self.core.handle_upgrade_taken(t)) else {
            // Only a line can have granted it.
            return self.core.handle_io_error(t);
        };
        line.begin(self.inbox.pending(&env.buffer));
        self.inbox.discard();
        self.handler_due = true;
        self.note();
    }

    /// Polls the handler that has switched. True if it has ended.
    pub(crate) fn run_switched<H>(
        &mut self,
        cx: &mut Context<'_>,
        env: &mut Environment<H, F>,
    ) -> bool {
        self.handler_due = false;
        let Some(exchange) = self
            .exchange
            .as_mut()
            .filter(|it| it.stage == Stage::Switched)
        else {
            return false;
        };
        let Exchange {
            places, account, ..
        } = exchange;
        let polled = account.within(|| places.poll_response(&mut None, cx));
        let Poll::Ready(ended) = polled else {
            return false;
        };
        exchange.stage = Stage::Over;
        if ended.is_err() {
            let peer = self.info.peer();
            env.observer.tell(&Event::HandlerPanicked { peer });
        }
        true
    }

    /// Carries bytes between the client and the handler. True if there were any, or if it is over.
    pub(crate) fn carry<H>(
        &mut self,
        t: Tick<'_>,
        cx: &mut Context<'_>,
        env: &mut Environment<H, F>,
    ) -> bool {
        let exchange = self.exchange.as_ref();
        let running = exchange.filter(|exchange| exchange.stage == Stage::Switched);
        let Some(line) = running.and_then(|exchange| exchange.line.as_ref()) else {
            self.end_switched(t, env);
            return true;
        };
        let ledger = self.info.ledger();
        let transport = &mut self.transport;
        let written = line.write(|output| transport.poll_write(cx, &[IoSlice::new(output)]));
        let mut is_broken = match &written {
            Poll::Ready(Ok(count)) => {
                ledger.add_sent(*count);
                *count == 0
            }
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        if line.is_ending() {
            if let Poll::Ready(ended) = transport.poll_end(cx) {
                line.ended();
                is_broken |= ended.is_err();
            }
        }
        let room = line.room().min(env.buffer.len());
        let mut progress = written.is_ready();
        if room > 0 && !is_broken {
            match transport.poll_read(cx, &mut env.buffer[..room]) {
                Poll::Ready(Ok(count)) => {
                    ledger.add_received(count);
                    line.push(&env.buffer[..count]);
                    progress = true;
                }
                Poll::Ready(Err(_)) => is_broken = true,
                Poll::Pending => {}
            }
        }
        self.handler_due |= progress;
        if is_broken {
            // Nobody is there to take what is left.
            let _ = line.take_output();
            self.end_switched(t, env);
        }
        progress || is_broken
    }

    /// The other protocol has ended: what it has left behind is the connection's last output.
    fn end_switched<H>(&mut self, t: Tick<'_>, env: &mut Environment<H, F>) {
        let line = self
            .exchange
            .as_ref()
            .and_then(|exchange| exchange.line.as_ref());
        let left = line.map(Line::take_output).unwrap_or_default();
        self.output.buffer(env).extend_from_slice(&left);
        if self.core.handle_upgrade_end(t, left.len() as u64).is_err() {
            self.core.handle_io_error(t);
        }
    }
}

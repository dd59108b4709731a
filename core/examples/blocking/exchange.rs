//! What a handler can do: each call makes the connection turn until it is done.

use std::mem;
use std::time::Duration;

use neap_core::{BodyLength, Handler, MisuseError, Status, Step, Time};

use crate::application::date;
use crate::{AHEAD, Peer};

/// An error means that nobody waits for the handler's answer any more.
impl Peer<'_> {
    /// A turn on the handler's behalf.
    fn wait(&mut self, until: Time) -> Result<(), MisuseError> {
        match self.connection.poll_step() {
            Step::Go(wants) if wants.handler == Handler::Run => {
                self.turn(wants, until);
                Ok(())
            }
            _ => Err(MisuseError::OutOfOrder),
        }
    }

    pub(crate) fn pause(&mut self, duration: Duration) -> Result<(), MisuseError> {
        let until = self.server.now().after(duration);
        while self.server.now() < until {
            self.wait(until)?;
        }
        Ok(())
    }

    /// The next piece of the request's content; empty at its end.
    pub(crate) fn content(&mut self) -> Result<Vec<u8>, MisuseError> {
        while self.content.is_empty() && !self.connection.is_request_whole() {
            self.connection.want_content(self.tick());
            self.wait(Time::NEVER)?;
        }
        Ok(mem::take(&mut self.content))
    }

    pub(crate) fn reply(
        &mut self,
        status: u16,
        length: BodyLength,
        allow: &str,
    ) -> Result<(), MisuseError> {
        let t = self.tick();
        if self.connection.is_request_whole() {
            self.connection.handle_buffered(t, &self.input);
        }
        let status = Status::new(status).ok_or(MisuseError::Status)?;
        let text: (&[u8], &[u8]) = (b"content-type", b"text/plain; charset=utf-8");
        let allow: (&[u8], &[u8]) = (b"allow", allow.as_bytes());
        let fields = [text, allow]
            .into_iter()
            .filter(|(_, value)| !value.is_empty());
        self.connection
            .reply_head(t, status, length, &date(), fields, &mut self.output)
    }

    /// Sends a piece of the reply's content, once not too much waits to be sent.
    pub(crate) fn send(&mut self, piece: &[u8]) -> Result<(), MisuseError> {
        while self.output.len() >= AHEAD {
            self.wait(Time::NEVER)?;
        }
        let t = self.tick();
        self.connection.reply_content(t, piece, &mut self.output)
    }

    pub(crate) fn text(&mut self, status: u16, text: &str, allow: &str) -> Result<(), MisuseError> {
        self.connection.drop_content(self.tick());
        self.reply(status, BodyLength::Known(text.len() as u64), allow)?;
        self.send(text.as_bytes())?;
        self.end()
    }

    pub(crate) fn end(&mut self) -> Result<(), MisuseError> {
        self.connection.reply_end(self.tick(), &mut self.output)
    }
}

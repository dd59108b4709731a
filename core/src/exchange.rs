//! A request and its reply, as the responder sees them.

use core::task::Poll;

use crate::buffered::Buffered;
use crate::{BodyLength, HttpDate, Item, MisuseError, Spans, Status, Tick, Time};

/// The least output that may wait, however small [`Limits::unsent`](crate::Limits::unsent) is:
/// otherwise nothing could ever be replied.
const LEAST_UNSENT: usize = 1024;

/// The exchange that a [`Responder`](crate::Responder) answers: the content of the request, as it
/// comes, and the reply. Nothing of it waits.
#[derive(Debug)]
pub struct Exchange<'e> {
    buffered: &'e mut Buffered,
    t: Tick<'e>,
    date: &'e HttpDate,
}

impl<'e> Exchange<'e> {
    pub(crate) fn new(buffered: &'e mut Buffered, t: Tick<'e>, date: &'e HttpDate) -> Exchange<'e> {
        Exchange { buffered, t, date }
    }

    /// The circumstances: the time, and whether the server is still running.
    #[must_use]
    pub fn tick(&self) -> Tick<'e> {
        self.t
    }

    /// The time of this turn.
    #[must_use]
    pub fn now(&self) -> Time {
        self.t.now
    }

    /// The next piece of the request's content, `None` behind the last one. Pending if it is still
    /// to come; asking is what invites it ([`want_content`](crate::Connection::want_content)).
    ///
    /// A piece is done with when it was given; input that is not asked for stays with the client.
    /// Trailers are left out.
    pub fn take_content(&mut self) -> Poll<Option<&[u8]>> {
        let Buffered {
            connection,
            input,
            ended,
            ..
        } = &mut *self.buffered;
        let mut spans = Spans::new();
        loop {
            if connection.is_request_whole() {
                return Poll::Ready(None);
            }
            connection.want_content(self.t);
            let received = connection.handle_input(self.t, input.rest(), &mut spans);
            let consumed = received.consumed;
            let len = match received.item {
                Item::Content(piece) => piece.len(),
                Item::Nothing | Item::Head(_) | Item::Trailers(_) | Item::Refused(_) => 0,
            };
            input.consume(consumed);
            if len > 0 {
                // Framing comes before content: the piece is the end of what was consumed.
                return Poll::Ready(Some(input.consumed(len)));
            }
            if consumed == 0 {
                if *ended {
                    connection.handle_eof(self.t);
                }
                return Poll::Pending;
            }
        }
    }

    /// The content that is still to come will not be asked for.
    pub fn drop_content(&mut self) {
        self.buffered.connection.drop_content(self.t);
    }

    /// Replies with content that is there as a whole. What is left of the request's content will
    /// not be asked for.
    ///
    /// # Errors
    ///
    /// Those of [`reply_head`](Exchange::reply_head).
    pub fn reply<'a>(
        &mut self,
        status: Status,
        fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
        content: &[u8],
    ) -> Result<(), MisuseError> {
        self.drop_content();
        let connection = &mut self.buffered.connection;
        connection.handle_buffered(self.t, self.buffered.input.rest());
        let output = self.buffered.output.end();
        connection.reply(self.t, status, content, self.date, fields, output)
    }

    /// Begins a reply whose content comes in pieces; see
    /// [`Connection::reply_head`](crate::Connection::reply_head). Whether it announces the close is
    /// decided now, with all that is known: the phase, and whether another request is buffered
    /// behind this one.
    ///
    /// # Errors
    ///
    /// A [`MisuseError`] if no reply is due, for a status that is not final and for fields that are
    /// not valid. Nothing is written then.
    pub fn reply_head<'a>(
        &mut self,
        status: Status,
        length: BodyLength,
        fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<(), MisuseError> {
        let connection = &mut self.buffered.connection;
        connection.handle_buffered(self.t, self.buffered.input.rest());
        let output = self.buffered.output.end();
        connection.reply_head(self.t, status, length, self.date, fields, output)
    }

    /// Whether the reply has content. It has none if it answers HEAD, or for statuses like 204
    /// and 304; content that is given nevertheless is left out.
    #[must_use]
    pub fn reply_has_content(&self) -> bool {
        self.buffered.connection.reply_has_content()
    }

    /// Gives the next piece of the reply's content. False, and nothing is taken, while too much
    /// waits to be written ([`Limits::unsent`](crate::Limits::unsent)): the responder is run again
    /// when the client has taken some.
    ///
    /// # Errors
    ///
    /// [`MisuseError::OutOfOrder`] where no content is due.
    pub fn reply_content(&mut self, piece: &[u8]) -> Result<bool, MisuseError> {
        let most = usize::try_from(self.t.config.limits.unsent).unwrap_or(usize::MAX);
        if self.buffered.output.len() >= most.max(LEAST_UNSENT) {
            return Ok(false);
        }
        let output = self.buffered.output.end();
        let connection = &mut self.buffered.connection;
        connection.reply_content(self.t, piece, output)?;
        Ok(true)
    }

    /// Ends the reply. One that is shorter than was declared is cut: the connection ends so that
    /// the client can tell.
    ///
    /// # Errors
    ///
    /// [`MisuseError::OutOfOrder`] where no reply was under way.
    pub fn reply_end(&mut self) -> Result<(), MisuseError> {
        let output = self.buffered.output.end();
        self.buffered.connection.reply_end(self.t, output)
    }
}

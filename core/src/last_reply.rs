//! Replies that end the exchange of requests: refusals, and those that switch protocols.

use crate::control::{Content, Event, Stage};
use crate::encode::{
    check_field, put_connection, put_field, put_framing, put_head, put_status_line,
};
use crate::head::Version;
use crate::reply::Encoder;
use crate::{BodyLength, Connection, HttpDate, MisuseError, Refusal, Sink, Status, Tick};

impl Connection {
    /// Writes the refusal that [`Write::Refuse`](crate::Write::Refuse) asked for to `out`: a whole
    /// response with a short text.
    ///
    /// # Errors
    ///
    /// [`MisuseError::OutOfOrder`] where it was not asked.
    pub fn reply_refusal<O: Sink>(
        &mut self,
        t: Tick<'_>,
        date: &HttpDate,
        out: &mut O,
    ) -> Result<(), MisuseError> {
        let text = self.refusal().map_or("", Refusal::text);
        self.reply_refusal_as(
            t,
            date,
            b"text/plain; charset=utf-8",
            &[text.as_bytes(), b"\n"],
            out,
        )
    }

    /// Writes the refusal like [`reply_refusal`](Connection::reply_refusal), with content of the
    /// driver's instead of the short text.
    ///
    /// # Errors
    ///
    /// [`MisuseError::OutOfOrder`] where it was not asked, [`MisuseError::Field`] for a content
    /// type that is no field value.
    pub fn reply_refusal_as<O: Sink>(
        &mut self,
        t: Tick<'_>,
        date: &HttpDate,
        content_type: &[u8],
        content: &[&[u8]],
        out: &mut O,
    ) -> Result<(), MisuseError> {
        self.observe(t);
        let (Stage::Refusing, Some(refusal)) = (self.stage(), self.refusal()) else {
            return Err(MisuseError::OutOfOrder);
        };
        check_field(b"content-type", content_type)?;
        let start = out.len();
        put_status_line(out, refusal.status());
        out.put(&date.line);
        put_field(out, b"content-type", content_type);
        let length = BodyLength::Known(content.iter().map(|piece| piece.len() as u64).sum());
        put_framing(
            out,
            refusal.status(),
            length,
            Encoder::Length(0),
            Version::Http11,
        );
        // Nothing was dispatched of a client that was turned away.
        let is_safe = self.inbound.is_safe || self.tally.dispatched == 0;
        if refusal == Refusal::Closing && is_safe {
            put_field(out, b"retry-after", b"1");
        }
        out.put(b"connection: close\r\n\r\n");
        if !self.inbound.is_head {
            content.iter().for_each(|piece| out.put(piece));
        }
        self.apply(Event::RefusalWritten);
        self.queue(t, (out.len() - start) as u64);
        if matches!(refusal, Refusal::Peer(_) | Refusal::ContentTimeout) {
            self.count_reply();
        }
        self.settle(t);
        Ok(())
    }

    /// Writes the head of a reply that switches protocols: 101 if the client asked for that, or a
    /// 2xx to CONNECT (RFC 9110 section 7.8). A 101 needs `Upgrade` among its fields; `Connection`
    /// is the connection's, and framing fields are left out. Once it is written,
    /// [`Step::Upgrade`](crate::Step::Upgrade) follows.
    ///
    /// # Errors
    ///
    /// A [`MisuseError`] if no reply is due or the request has content, for another status and for
    /// fields that are not valid; `out` is then as it was.
    pub fn reply_upgrade<'a, F, O>(
        &mut self,
        t: Tick<'_>,
        status: Status,
        date: &HttpDate,
        fields: F,
        out: &mut O,
    ) -> Result<(), MisuseError>
    where
        F: IntoIterator<Item = (&'a [u8], &'a [u8])>,
        O: Sink,
    {
        self.observe(t);
        if self.stage() != Stage::Running(Content::Whole) {
            return Err(MisuseError::OutOfOrder);
        }
        let tunnels = self.inbound.is_connect && (200..300).contains(&status.code());
        let switches = status.code() == 101 && self.inbound.upgrade;
        if !(switches || tunnels) {
            return Err(MisuseError::Status);
        }
        let start = out.len();
        let seen = put_head(out, status, date, fields)?;
        if !(seen.upgrade || tunnels) {
            out.truncate(start);
            return Err(MisuseError::Field);
        }
        put_connection(out, "", seen.upgrade);
        out.put(b"\r\n");
        self.apply(Event::Upgrade);
        self.queue(t, (out.len() - start) as u64);
        self.count_reply();
        self.settle(t);
        Ok(())
    }
}

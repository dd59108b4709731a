//! Sending: reply heads, content framing, refusals.

use crate::control::{Content, Event, Stage};
use crate::encode::{put_chunk_size, put_connection, put_framing, put_head, put_trailers};
use crate::head::Version;
use crate::{Connection, HttpDate, MisuseError, Phase, Sink, Status, Tick};

/// How long a reply's content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyLength {
    /// So many bytes: `Content-Length`.
    Known(u64),
    /// As many as come: chunked, or for an HTTP/1.0 client until the close.
    Unknown,
}

/// How a piece of content goes out: `prefix`, then the first `take` bytes of the piece, then
/// `suffix`; all of them count as output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    prefix: [u8; 18],
    prefix_len: u8,
    /// How many bytes of the piece are sent. Fewer than there are, where the reply has no content
    /// (HEAD, 204, 304) or where the handler gives more than it declared.
    pub take: u64,
    /// What goes behind them.
    pub suffix: &'static [u8],
}

impl Frame {
    /// What goes before the piece.
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        &self.prefix[..usize::from(self.prefix_len)]
    }
}

/// How the content of the current reply is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoder {
    /// No reply yet.
    None,
    /// The reply has no content, whatever the handler gives.
    Silent,
    Length(u64),
    Chunked,
    UntilClose,
}

/// The sending side's framing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outbound {
    encoder: Encoder,
}

impl Outbound {
    pub(crate) fn new() -> Outbound {
        Outbound {
            encoder: Encoder::None,
        }
    }

    pub(crate) fn reset(&mut self) {
        self.encoder = Encoder::None;
    }

    /// Whether a part of the current reply has been handed out.
    pub(crate) fn begun(self) -> bool {
        self.encoder != Encoder::None
    }
}

impl Connection {
    /// Writes the head of the reply to `out`.
    ///
    /// Framing, `Connection` and `Date` are the connection's: of `fields`, those that name them are
    /// left out, but for `Date`, and for `close` in `Connection`, which is heeded. From the drain's
    /// first moment the head carries `Connection: close`; that is decided here, not when the
    /// request was read.
    ///
    /// # Errors
    ///
    /// A [`MisuseError`] if no reply is due, for a status that is not final and for fields that are
    /// not valid; `out` is then as it was.
    pub fn reply_head<'a, F, O>(
        &mut self,
        t: Tick<'_>,
        status: Status,
        length: BodyLength,
        date: &HttpDate,
        fields: F,
        out: &mut O,
    ) -> Result<(), MisuseError>
    where
        F: IntoIterator<Item = (&'a [u8], &'a [u8])>,
        O: Sink,
    {
        let start = out.len();
        self.begin_reply(t, status, length, date, fields, out)?;
        self.queue(t, (out.len() - start) as u64);
        self.settle(t);
        Ok(())
    }

    /// Writes a whole reply to `out`: what [`reply_head`](Connection::reply_head), the content and
    /// [`reply_end`](Connection::reply_end) would write one behind the other, in one step.
    ///
    /// # Errors
    ///
    /// Those of [`reply_head`](Connection::reply_head).
    pub fn reply<'a, F, O>(
        &mut self,
        t: Tick<'_>,
        status: Status,
        content: &[u8],
        date: &HttpDate,
        fields: F,
        out: &mut O,
    ) -> Result<(), MisuseError>
    where
        F: IntoIterator<Item = (&'a [u8], &'a [u8])>,
        O: Sink,
    {
        let length = BodyLength::Known(content.len() as u64);
        let start = out.len();
        self.begin_reply(t, status, length, date, fields, out)?;
        if self.reply_has_content() {
            out.put(content);
        }
        self.queue(t, (out.len() - start) as u64);
        if let Encoder::Length(rest) = &mut self.outbound.encoder {
            *rest = 0;
        }
        self.apply(Event::ReplyEnd);
        self.count_reply();
        self.settle(t);
        Ok(())
    }

    /// Writes the head, which its caller queues.
    #[inline(always)]
    fn begin_reply<'a, F, O>(
        &mut self,
        t: Tick<'_>,
        status: Status,
        length: BodyLength,
        date: &HttpDate,
        fields: F,
        out: &mut O,
    ) -> Result<(), MisuseError>
    where
        F: IntoIterator<Item = (&'a [u8], &'a [u8])>,
        O: Sink,
    {
        self.observe(t);
        let Stage::Running(content) = self.stage() else {
            return Err(MisuseError::OutOfOrder);
        };
        if !(200..600).contains(&status.code()) {
            return Err(MisuseError::Status);
        }
        let seen = put_head(out, status, date, fields)?;
        let encoder = self.encoder(status, length);
        put_framing(out, status, length, encoder, self.inbound.version);
        let until_close = encoder == Encoder::UntilClose;
        if seen.close || until_close || self.must_close(t, content) {
            self.apply(Event::Raise);
        }
        let option = if self.control().own >= Phase::Draining {
            "close"
        } else if self.inbound.version == Version::Http10 {
            "keep-alive"
        } else {
            ""
        };
        put_connection(out, option, seen.upgrade);
        out.put(b"\r\n");
        self.outbound.encoder = encoder;
        self.apply(Event::ReplyHead { until_close });
        Ok(())
    }

    /// Whether the reply that is under way has content. It has none if it answers HEAD, or for
    /// statuses like 204 and 304: then what the handler would give need not be asked for.
    #[must_use]
    pub fn reply_has_content(&self) -> bool {
        self.outbound.encoder != Encoder::Silent
    }

    /// How much content the reply that is under way still lacks, if its length was declared.
    #[must_use]
    pub fn reply_left(&self) -> Option<u64> {
        match self.outbound.encoder {
            Encoder::Length(rest) => Some(rest),
            Encoder::None | Encoder::Silent | Encoder::Chunked | Encoder::UntilClose => None,
        }
    }

    /// Frames the next `len` bytes of the reply's content.
    ///
    /// # Errors
    ///
    /// [`MisuseError::OutOfOrder`] where no content is due.
    pub fn reply_body(&mut self, t: Tick<'_>, len: u64) -> Result<Frame, MisuseError> {
        self.observe(t);
        if !matches!(self.stage(), Stage::Replying(_)) {
            return Err(MisuseError::OutOfOrder);
        }
        let mut frame = Frame {
            prefix: [0; 18],
            prefix_len: 0,
            take: len,
            suffix: b"",
        };
        match &mut self.outbound.encoder {
            Encoder::None | Encoder::Silent => frame.take = 0,
            Encoder::Length(rest) => {
                frame.take = len.min(*rest);
                *rest -= frame.take;
            }
            // An empty chunk would be the last one.
            Encoder::Chunked if len > 0 => {
                frame.prefix_len = put_chunk_size(&mut frame.prefix, len);
                frame.suffix = b"\r\n";
            }
            Encoder::Chunked | Encoder::UntilClose => {}
        }
        let framing = u64::from(frame.prefix_len) + frame.suffix.len() as u64;
        self.queue(t, frame.take.saturating_add(framing));
        self.settle(t);
        Ok(frame)
    }

    /// Ends the reply. One that is shorter than was declared is cut: the connection ends so that
    /// the client can tell.
    ///
    /// # Errors
    ///
    /// [`MisuseError::OutOfOrder`] where no reply was under way.
    pub fn reply_end<O: Sink>(&mut self, t: Tick<'_>, out: &mut O) -> Result<(), MisuseError> {
        self.reply_trailers(t, core::iter::empty(), out)
    }

    /// Ends the reply with a trailer section. Only chunked content has one: in other replies the
    /// fields are left out, as are those that must not stand in one (RFC 9110 section 6.5.1).
    ///
    /// # Errors
    ///
    /// [`MisuseError::OutOfOrder`] where no reply was under way, [`MisuseError::Field`] for a
    /// field that is not valid.
    pub fn reply_trailers<'a, F, O>(
        &mut self,
        t: Tick<'_>,
        fields: F,
        out: &mut O,
    ) -> Result<(), MisuseError>
    where
        F: IntoIterator<Item = (&'a [u8], &'a [u8])>,
        O: Sink,
    {
        self.observe(t);
        if !matches!(self.stage(), Stage::Replying(_)) {
            return Err(MisuseError::OutOfOrder);
        }
        if self.outbound.encoder == Encoder::Chunked {
            let start = out.len();
            out.put(b"0\r\n");
            if let Err(error) = put_trailers(out, fields) {
                out.truncate(start);
                return Err(error);
            }
            out.put(b"\r\n");
            self.queue(t, (out.len() - start) as u64);
        }
        if matches!(self.outbound.encoder, Encoder::Length(rest) if rest > 0) {
            self.apply(Event::ReplyCut);
        } else {
            self.apply(Event::ReplyEnd);
            self.count_reply();
        }
        self.settle(t);
        Ok(())
    }

    /// Writes `100 Continue` to `out`, as [`Write::Continue`](crate::Write::Continue) asked.
    ///
    /// # Errors
    ///
    /// [`MisuseError::OutOfOrder`] where it was not asked.
    pub fn reply_continue<O: Sink>(&mut self, t: Tick<'_>, out: &mut O) -> Result<(), MisuseError> {
        const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
        self.observe(t);
        if !self.apply(Event::Continued) {
            return Err(MisuseError::OutOfOrder);
        }
        out.put(CONTINUE);
        self.queue(t, CONTINUE.len() as u64);
        self.settle(t);
        Ok(())
    }

    fn encoder(&self, status: Status, length: BodyLength) -> Encoder {
        // A 2xx to CONNECT has no framing: what follows would be the tunnel
        // (RFC 9110 section 9.3.6).
        if self.inbound.is_connect && (200..300).contains(&status.code()) {
            return Encoder::UntilClose;
        }
        if self.inbound.is_head || status.is_bodiless() || status == Status::RESET_CONTENT {
            return Encoder::Silent;
        }
        match length {
            BodyLength::Known(length) => Encoder::Length(length),
            BodyLength::Unknown if self.inbound.version == Version::Http10 => Encoder::UntilClose,
            BodyLength::Unknown => Encoder::Chunked,
        }
    }

    /// Whether this reply must be the last: the drain has begun and nothing more is buffered, or
    /// the request's content could not be got out of the way.
    fn must_close(&mut self, t: Tick<'_>, content: Content) -> bool {
        if t.phase >= Phase::Draining && !self.inbound.takes_next(t) {
            return true;
        }
        match content {
            Content::Expected | Content::Invited => true,
            Content::Dropped => self.inbound.is_too_long_to_skip(t.config.limits.discard),
            Content::Whole | Content::Held | Content::Wanted => false,
        }
    }
}

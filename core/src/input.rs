//! Receiving: heads, content and trailers out of the driver's buffer.

use crate::chunk::{ChunkDecoder, Piece};
use crate::control::{Content, Event, Stage};
use crate::fields::{Fields, Spans, parse_fields};
use crate::finder::Finder;
use crate::framing::{ContentFraming, Semantics, semantics};
use crate::head::{Head, Version, parse_head};
use crate::target::is_https;
use crate::whole::Whole;
use crate::{Connection, PeerError, Phase, Refusal, Tick};

/// Empty lines ignored before a request line: one, as some old clients send after content
/// (RFC 9112 section 2.2).
const BLANK_LINES: u8 = 1;

/// What [`Connection::handle_input`] made of the bytes it was given.
#[derive(Clone, Copy, Debug)]
pub struct Received<'b> {
    /// How many of the bytes are done with, those of `item` included. The driver keeps the rest
    /// and gives it again, with what comes behind it.
    pub consumed: usize,
    /// What they were.
    pub item: Item<'b>,
}

/// A piece of a request.
#[derive(Clone, Copy, Debug)]
pub enum Item<'b> {
    /// Nothing to hand on. With nothing consumed: more input is needed, or none is wanted.
    Nothing,
    /// A request's head. [`Handler::Start`](crate::Handler::Start) follows.
    Head(Head<'b>),
    /// Content of the request.
    Content(&'b [u8]),
    /// The trailer section, possibly empty, which ends chunked content.
    Trailers(Fields<'b>),
    /// The peer did something wrong; a refusal or the end follows.
    Refused(PeerError),
}

/// The receiving side's counters and framing.
#[derive(Clone, Debug)]
pub(crate) struct Inbound {
    finder: Finder,
    decoder: Decoder,
    blank_lines: u8,
    /// Content bytes of the current request so far.
    received: u64,
    /// Bytes of content or of lingering input that were thrown away.
    discarded: u64,
    next_buffered: bool,
    /// Requests answered without close since the drain began.
    pipelined: u32,
    pub(crate) version: Version,
    pub(crate) is_head: bool,
    pub(crate) is_safe: bool,
    pub(crate) is_connect: bool,
    pub(crate) upgrade: bool,
}

/// How the content of the current request is delimited (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug)]
enum Decoder {
    Length(u64),
    Chunked(ChunkDecoder),
    Trailers,
}

impl Inbound {
    pub(crate) fn new() -> Inbound {
        Inbound {
            finder: Finder::default(),
            decoder: Decoder::Length(0),
            blank_lines: 0,
            received: 0,
            discarded: 0,
            next_buffered: false,
            pipelined: 0,
            version: Version::Http11,
            is_head: false,
            is_safe: false,
            is_connect: false,
            upgrade: false,
        }
    }

    pub(crate) fn discard(&mut self, bytes: u64) -> u64 {
        self.discarded = self.discarded.saturating_add(bytes);
        self.discarded
    }

    /// The content that is still to come, if its framing says how much that is.
    pub(crate) fn content_left(&self) -> Option<u64> {
        match self.decoder {
            Decoder::Length(rest) => Some(rest),
            Decoder::Chunked(_) | Decoder::Trailers => None,
        }
    }

    /// Whether the content that is still to come surely exceeds what may be skipped.
    pub(crate) fn is_too_long_to_skip(&self, limit: u64) -> bool {
        matches!(self.decoder, Decoder::Length(rest) if rest > limit)
    }

    fn begin(&mut self, semantics: &Semantics) {
        self.finder = Finder::default();
        self.blank_lines = 0;
        self.received = 0;
        self.discarded = 0;
        self.next_buffered = false;
        self.version = semantics.version;
        self.is_head = semantics.is_head;
        self.is_safe = semantics.is_safe;
        self.is_connect = semantics.is_connect;
        self.upgrade = semantics.upgrade;
        self.decoder = match semantics.content {
            ContentFraming::None => Decoder::Length(0),
            ContentFraming::Length(length) => Decoder::Length(length),
            ContentFraming::Chunked => Decoder::Chunked(ChunkDecoder::new()),
        };
    }

    /// Whether a request that is already buffered may still be answered in the drain, so that the
    /// reply before it does not announce the close.
    pub(crate) fn takes_next(&mut self, t: Tick<'_>) -> bool {
        let takes = self.next_buffered && self.pipelined < t.config.limits.pipeline;
        self.pipelined += u32::from(takes);
        takes
    }
}

impl<'b> Received<'b> {
    const NOTHING: Received<'static> = Received {
        consumed: 0,
        item: Item::Nothing,
    };

    fn skipped(consumed: usize) -> Received<'b> {
        Received {
            consumed,
            item: Item::Nothing,
        }
    }
}

impl Connection {
    /// Takes what it can of `input`: at most one [`Item`]. Call it again, with what it left, until
    /// it consumes nothing and gives [`Item::Nothing`].
    ///
    /// `input` begins with the first byte that was not consumed before. A head or a trailer
    /// section is taken as a whole, so that its views can borrow from `input`; until it is whole
    /// the driver keeps it, which [`Limits::head`](crate::Limits::head) bounds.
    pub fn handle_input<'b>(
        &mut self,
        t: Tick<'_>,
        input: &'b [u8],
        spans: &'b mut Spans,
    ) -> Received<'b> {
        self.observe(t);
        let received = match self.stage() {
            Stage::Fresh | Stage::LookFresh | Stage::Head | Stage::Idle | Stage::LookIdle => {
                self.take_head(t, input, spans)
            }
            Stage::Running(content) | Stage::Replying(content) => match content {
                Content::Invited | Content::Wanted | Content::Dropped => {
                    self.take_content(t, input, spans)
                }
                Content::Whole | Content::Expected | Content::Held => Received::NOTHING,
            },
            Stage::Skipping => self.take_content(t, input, spans),
            Stage::Asked(_)
            | Stage::Refusing
            | Stage::Ending
            | Stage::Lingering
            | Stage::Querying
            | Stage::Upgrading
            | Stage::Upgraded
            | Stage::Gone => Received::NOTHING,
        };
        self.settle(t);
        received
    }

    /// Reports what is buffered behind the current request. Asked before a reply's head is
    /// written: in the drain, the close is announced on the last reply only, and this one is not
    /// the last if `rest` holds another whole head.
    pub fn handle_buffered(&mut self, t: Tick<'_>, rest: &[u8]) {
        self.observe(t);
        self.inbound.next_buffered = t.phase == Phase::Draining
            && self.is_request_whole()
            && matches!(
                Finder::default().find_head(rest, &t.config.limits),
                Ok(Some(_))
            );
    }

    fn take_head<'b>(
        &mut self,
        t: Tick<'_>,
        input: &'b [u8],
        spans: &'b mut Spans,
    ) -> Received<'b> {
        if input.is_empty() {
            return Received::NOTHING;
        }
        if self.stage() != Stage::Head {
            if self.inbound.blank_lines < BLANK_LINES && input[0] == b'\r' {
                if input.len() == 1 {
                    return Received::NOTHING;
                }
                if input[1] == b'\n' {
                    self.inbound.blank_lines += 1;
                    return Received::skipped(2);
                }
            }
            self.apply(Event::Bytes);
        }
        let limits = &t.config.limits;
        // An https target, which needs more to be right, is none of those that are taken here.
        let Some(whole) = Whole::take(&self.inbound.finder, input, spans, limits) else {
            return self.find_head(t, input, spans);
        };
        self.begin_request(&whole.semantics);
        Received {
            consumed: whole.len,
            item: Item::Head(whole.head(spans)),
        }
    }

    /// Takes a head that is in pieces or unusual, or refuses it. Set apart, it takes no registers.
    #[cold]
    fn find_head<'b>(
        &mut self,
        t: Tick<'_>,
        input: &'b [u8],
        spans: &'b mut Spans,
    ) -> Received<'b> {
        let limits = &t.config.limits;
        // A refusal of a HEAD has no content either, whatever else is wrong with it.
        self.inbound.is_head = input.starts_with(b"HEAD ");
        // The one that is ignored was taken above; the finder would take another.
        if self.inbound.blank_lines == BLANK_LINES && input.starts_with(b"\r\n") {
            return self.refused(PeerError::RequestLine);
        }
        let head = match self.inbound.finder.find_head(input, limits) {
            Ok(Some(len)) => &input[..len],
            Ok(None) => return Received::NOTHING,
            Err(error) => return self.refused(error),
        };
        let parsed =
            parse_head(head, self.inbound.finder.outline(), spans, limits).and_then(|parsed| {
                if !t.config.secure && is_https(parsed.target_bytes()) {
                    return Err(PeerError::Misdirected);
                }
                semantics(&parsed, limits).map(|semantics| (parsed, semantics))
            });
        match parsed {
            Ok((parsed, semantics)) => {
                self.begin_request(&semantics);
                Received {
                    consumed: head.len(),
                    item: Item::Head(parsed),
                }
            }
            Err(error) => self.refused(error),
        }
    }

    #[inline(always)]
    fn begin_request(&mut self, semantics: &Semantics) {
        self.inbound.begin(semantics);
        self.outbound.reset();
        self.count_request(semantics.ends_client());
        let content = match semantics.content {
            ContentFraming::None => Content::Whole,
            ContentFraming::Length(_) | ContentFraming::Chunked if semantics.expect => {
                Content::Expected
            }
            ContentFraming::Length(_) | ContentFraming::Chunked => Content::Held,
        };
        self.apply(Event::Request(content));
        if semantics.close {
            self.apply(Event::Raise);
        }
    }

    fn take_content<'b>(
        &mut self,
        t: Tick<'_>,
        input: &'b [u8],
        spans: &'b mut Spans,
    ) -> Received<'b> {
        if input.is_empty() {
            return Received::NOTHING;
        }
        match self.inbound.decoder {
            Decoder::Length(rest) => {
                let len = input.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
                let rest = rest - len as u64;
                self.inbound.decoder = Decoder::Length(rest);
                let received = self.content(t, 0, &input[..len]);
                if rest == 0 {
                    self.apply(Event::ContentEnd);
                }
                received
            }
            Decoder::Chunked(decoder) => self.take_chunk(t, decoder, input),
            Decoder::Trailers => self.take_trailers(t, input, spans),
        }
    }

    fn take_chunk<'b>(
        &mut self,
        t: Tick<'_>,
        mut decoder: ChunkDecoder,
        input: &'b [u8],
    ) -> Received<'b> {
        let limits = &t.config.limits;
        let (framing, piece) = match decoder.decode(input, limits) {
            Ok(decoded) => decoded,
            Err(error) => return self.refused(error),
        };
        self.inbound.decoder = Decoder::Chunked(decoder);
        match piece {
            Piece::More => Received::skipped(framing),
            Piece::Data(len) => {
                self.inbound.received = self.inbound.received.saturating_add(len as u64);
                if self.inbound.received > limits.content {
                    return self.refused(PeerError::ContentTooLarge);
                }
                self.content(t, framing, &input[framing..framing + len])
            }
            Piece::Last => {
                self.inbound.decoder = Decoder::Trailers;
                Received::skipped(framing)
            }
        }
    }

    fn take_trailers<'b>(
        &mut self,
        t: Tick<'_>,
        input: &'b [u8],
        spans: &'b mut Spans,
    ) -> Received<'b> {
        let limits = &t.config.limits;
        let section = match self.inbound.finder.find_trailers(input, limits) {
            Ok(Some(len)) => &input[..len],
            Ok(None) => return Received::NOTHING,
            Err(error) => return self.refused(error),
        };
        let count = self.inbound.finder.outline().fields as usize;
        match parse_fields(section, count, spans, limits) {
            Ok(fields) => {
                self.inbound.finder = Finder::default();
                self.apply(Event::ContentEnd);
                Received {
                    consumed: section.len(),
                    item: Item::Trailers(fields),
                }
            }
            Err(error) => self.refused(error),
        }
    }

    /// Hands content on, or throws it away if nobody will want it.
    fn content<'b>(&mut self, t: Tick<'_>, framing: usize, bytes: &'b [u8]) -> Received<'b> {
        let consumed = framing + bytes.len();
        // Who drips content that is only skipped gains no time by it.
        if self.stage() != Stage::Skipping {
            self.content_came(t, bytes.len() as u64);
        }
        let dropped = matches!(
            self.stage(),
            Stage::Running(Content::Dropped) | Stage::Replying(Content::Dropped) | Stage::Skipping
        );
        self.apply(Event::ContentBytes);
        if !dropped {
            return Received {
                consumed,
                item: Item::Content(bytes),
            };
        }
        let discarded = self.inbound.discard(bytes.len() as u64);
        if self.stage() == Stage::Skipping && discarded > t.config.limits.discard {
            self.apply(Event::Raise);
        }
        Received::skipped(consumed)
    }

    fn refused<'b>(&mut self, error: PeerError) -> Received<'b> {
        self.refuse(Refusal::Peer(error));
        Received {
            consumed: 0,
            item: Item::Refused(error),
        }
    }
}

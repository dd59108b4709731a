//! What peers and drivers do wrong: two types that never mix.

use core::fmt;

use crate::Status;

/// What a peer did wrong, each with the status that tells it so.
///
/// After one of these nothing more of the connection is taken for a request: where the next
/// message would begin is no longer known (RFC 9112 section 9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerError {
    /// The request line is not `method SP request-target SP HTTP-version` (RFC 9112 section 3).
    RequestLine,
    /// The method is no token (RFC 9110 section 9.1).
    Method,
    /// The method has more than 256 bytes (RFC 9112 section 3).
    MethodTooLong,
    /// The request target has no valid form for its method (RFC 9112 section 3.2).
    Target,
    /// The target exceeds [`Limits::target`](crate::Limits::target).
    TargetTooLong,
    /// The version is not well-formed (RFC 9112 section 2.3).
    Version,
    /// A major version other than 1, or HTTP/0.9.
    VersionUnsupported,
    /// A line does not end in CRLF, or a CR stands alone (RFC 9112 section 2.2).
    LineEnd,
    /// A field line is malformed: its name, white space before the colon, a folded line, a control
    /// character in its value (RFC 9112 section 5).
    Field,
    /// The head or trailer section exceeds [`Limits::head`](crate::Limits::head).
    FieldsTooLarge,
    /// More field lines than [`Limits::fields`](crate::Limits::fields).
    TooManyFields,
    /// `Host` is missing, repeated or malformed (RFC 9112 section 3.2).
    Host,
    /// An `https` target over a connection that is not secured (RFC 9110 section 7.4).
    Misdirected,
    /// `Content-Length` is malformed or contradicts itself (RFC 9110 section 8.6).
    ContentLength,
    /// `Transfer-Encoding` and `Content-Length` together, the first step of request smuggling
    /// (RFC 9112 section 6.1).
    LengthAndCoding,
    /// `Transfer-Encoding` in an HTTP/1.0 message, or with `chunked` not last or applied twice
    /// (RFC 9112 section 6.1).
    TransferEncoding,
    /// A transfer coding that is not implemented (RFC 9112 section 6.1).
    CodingUnknown,
    /// The content exceeds [`Limits::content`](crate::Limits::content).
    ContentTooLarge,
    /// A chunk size, its extensions or the CRLF after its data are malformed
    /// (RFC 9112 section 7.1).
    Chunk,
    /// A chunk line, or all of them together, exceed
    /// [`Limits::chunk_line`](crate::Limits::chunk_line).
    ChunkLineTooLong,
    /// An expectation other than `100-continue` (RFC 9110 section 10.1.1).
    Expectation,
}

impl PeerError {
    /// The status of the response that tells the peer.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            PeerError::TargetTooLong => Status::URI_TOO_LONG,
            PeerError::FieldsTooLarge | PeerError::TooManyFields => Status::FIELDS_TOO_LARGE,
            PeerError::VersionUnsupported => Status::VERSION_NOT_SUPPORTED,
            PeerError::ContentTooLarge => Status::CONTENT_TOO_LARGE,
            PeerError::MethodTooLong | PeerError::CodingUnknown => Status::NOT_IMPLEMENTED,
            PeerError::Expectation => Status::EXPECTATION_FAILED,
            PeerError::Misdirected => Status::MISDIRECTED_REQUEST,
            PeerError::RequestLine
            | PeerError::Method
            | PeerError::Target
            | PeerError::Version
            | PeerError::LineEnd
            | PeerError::Field
            | PeerError::Host
            | PeerError::ContentLength
            | PeerError::LengthAndCoding
            | PeerError::TransferEncoding
            | PeerError::Chunk
            | PeerError::ChunkLineTooLong => Status::BAD_REQUEST,
        }
    }

    /// What was wrong, in a few words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            PeerError::RequestLine => "malformed request line",
            PeerError::Method => "malformed method",
            PeerError::MethodTooLong => "method too long",
            PeerError::Target => "invalid request target",
            PeerError::TargetTooLong => "request target too long",
            PeerError::Version => "malformed HTTP version",
            PeerError::VersionUnsupported => "HTTP version not supported, use HTTP/1.1 or HTTP/1.0",
            PeerError::LineEnd => "line does not end in CRLF",
            PeerError::Field => "malformed field line",
            PeerError::FieldsTooLarge => "field section too large",
            PeerError::TooManyFields => "too many fields",
            PeerError::Host => "missing or invalid Host",
            PeerError::Misdirected => "https target over a connection that is not secured",
            PeerError::ContentLength => "invalid Content-Length",
            PeerError::LengthAndCoding => "both Transfer-Encoding and Content-Length",
            PeerError::TransferEncoding => "invalid Transfer-Encoding",
            PeerError::CodingUnknown => "transfer coding not implemented",
            PeerError::ContentTooLarge => "content too large",
            PeerError::Chunk => "malformed chunk",
            PeerError::ChunkLineTooLong => "chunk line too long",
            PeerError::Expectation => "expectation not supported",
        }
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for PeerError {}

/// A final response that the core writes itself, in place of the handler's. The connection closes
/// after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The peer broke the protocol or a limit.
    Peer(PeerError),
    /// The head was not completed in time: 408.
    HeadTimeout,
    /// The content stopped coming before the response began: 408.
    ContentTimeout,
    /// The handler failed before it answered: 500.
    HandlerFailed,
    /// The server closes and the request cannot be answered any more: 503.
    Closing,
}

impl Refusal {
    /// The status of the response.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Refusal::Peer(error) => error.status(),
            Refusal::HeadTimeout | Refusal::ContentTimeout => Status::REQUEST_TIMEOUT,
            Refusal::HandlerFailed => Status::INTERNAL_SERVER_ERROR,
            Refusal::Closing => Status::SERVICE_UNAVAILABLE,
        }
    }

    /// The reason, in a few words; the text of the response.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Refusal::Peer(error) => error.text(),
            Refusal::HeadTimeout => "request head not received in time",
            Refusal::ContentTimeout => "request content not received in time",
            Refusal::HandlerFailed => "the handler failed",
            Refusal::Closing => "the server is closing",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// What a driver did wrong: a call that the connection's state does not allow. Nothing was
/// written and nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MisuseError {
    /// The call does not fit the state, for example a second head for one response.
    OutOfOrder,
    /// More was reported than had been handed out.
    TooMuch,
    /// A status outside 200..=599 for a final response.
    Status,
    /// A field with an invalid name, or with a value that holds CR, LF, NUL or another control
    /// character.
    Field,
}

impl fmt::Display for MisuseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MisuseError::OutOfOrder => "the call does not fit the connection's state",
            MisuseError::TooMuch => "more was reported than had been handed out",
            MisuseError::Status => "not a final status",
            MisuseError::Field => "invalid response field",
        })
    }
}

impl core::error::Error for MisuseError {}

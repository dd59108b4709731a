//! What clients do, as data.

use super::Micros;

/// The kinds of clients, each of which every run has to meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "a word for each")]
pub enum Kind {
    Plain,
    KeepAlive,
    Burst,
    LateAck,
    Silent,
    HalfAHead,
    HalfAHeadKept,
    Pipelined,
    PipelinedFar,
    Upload,
    UploadExpecting,
    UploadIgnored,
    StillSending,
    SlowReader,
    Drip,
    VanishesByFin,
    VanishesByReset,
    HalfClosing,
    GoesIdle,
    CrossesTheLastCall,
    Old,
    Streamed,
    TooPatient,
    Script,
}

impl Kind {
    /// All that are drawn.
    pub const DRAWN: [Kind; 23] = [
        Kind::Plain,
        Kind::KeepAlive,
        Kind::Burst,
        Kind::LateAck,
        Kind::Silent,
        Kind::HalfAHead,
        Kind::HalfAHeadKept,
        Kind::Pipelined,
        Kind::PipelinedFar,
        Kind::Upload,
        Kind::UploadExpecting,
        Kind::UploadIgnored,
        Kind::StillSending,
        Kind::SlowReader,
        Kind::Drip,
        Kind::VanishesByFin,
        Kind::VanishesByReset,
        Kind::HalfClosing,
        Kind::GoesIdle,
        Kind::CrossesTheLastCall,
        Kind::Old,
        Kind::Streamed,
        Kind::TooPatient,
    ];
}

/// A client: one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientScript {
    /// Its number, which it keeps when others are taken out.
    pub id: u32,
    /// What kind of client it is.
    pub kind: Kind,
    /// When it sends its SYN.
    pub start: Micros,
    /// How long a packet takes at least, one way.
    pub delay: Micros,
    /// How much longer it may take.
    pub jitter: Micros,
    /// How much longer the ACK that completes the handshake takes.
    pub ack_delay: Micros,
    /// What it asks for.
    pub requests: Vec<RequestScript>,
    /// What it does once it is connected.
    pub steps: Vec<Step>,
    /// How it reads.
    pub reading: Reading,
    /// How much it holds unread.
    pub receive_buffer: usize,
    /// Whether it closes as soon as a response said so, before the server does.
    pub leaves: bool,
}

/// How a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Whatever comes, at once.
    AtOnce,
    /// So many bytes at a time, so often.
    Paced(usize, Micros),
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sends its requests' bytes up to this offset.
    Send(usize),
    /// Waits.
    Wait(Micros),
    /// Waits for so many final responses in all. If the last of them says close it is done.
    AwaitResponses(usize),
    /// Waits for 100 (Continue). If another response comes it is done.
    AwaitContinue,
    /// Waits for so many bytes of responses.
    AwaitBytes(usize),
    /// Ends its own side.
    HalfClose,
    /// Closes its socket.
    Close,
    /// Resets the connection.
    Reset,
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestScript {
    /// What the server does about it.
    pub handler: Handler,
    /// How much content it has, if any.
    pub content: Option<usize>,
    /// Whether that is in chunks.
    pub chunked: bool,
    /// Whether the client waits for 100 (Continue).
    pub expect: bool,
    /// Whether it says that it is the last.
    pub close: bool,
    /// Whether it is an HTTP/1.0 request.
    pub old: bool,
}

/// What the server does about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Handler {
    /// Answers at once with so many bytes.
    Instant(usize),
    /// Answers after this time.
    Delay(Micros),
    /// Answers with so many pieces of so many bytes, so long apart.
    Stream(usize, usize, Micros),
    /// Reads the content, then answers with it.
    Collect,
    /// Answers with the content as it comes.
    Echo,
    /// Answers at once with so many bytes and never looks at the content.
    Ignore(usize),
    /// Never answers.
    Never,
    /// Panics.
    Panic,
    /// Panics after so many pieces of a response.
    PanicLate(usize),
    /// Answers when it is told to stop.
    UntilStop,
    /// Answers with a piece so often, until it is told to stop.
    StreamUntilStop(Micros),
}

impl RequestScript {
    /// A request that is answered at once.
    #[must_use]
    pub const fn get(handler: Handler) -> RequestScript {
        RequestScript {
            handler,
            content: None,
            chunked: false,
            expect: false,
            close: false,
            old: false,
        }
    }

    /// A request with content.
    #[must_use]
    pub const fn post(handler: Handler, content: usize) -> RequestScript {
        RequestScript {
            content: Some(content),
            ..RequestScript::get(handler)
        }
    }
}

impl ClientScript {
    /// A client that does as told, on a connection with this delay.
    #[must_use]
    pub fn new(id: u32, kind: Kind, start: Micros, delay: Micros) -> ClientScript {
        ClientScript {
            id,
            kind,
            start,
            delay,
            jitter: 0,
            ack_delay: 0,
            requests: Vec::new(),
            steps: Vec::new(),
            reading: Reading::AtOnce,
            receive_buffer: 256 * 1024,
            leaves: false,
        }
    }

    /// All bytes of all its requests.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        (0..self.requests.len())
            .flat_map(|number| self.request_bytes(number))
            .collect()
    }

    /// Where each request's head ends and where the request ends, as offsets into all bytes.
    #[must_use]
    pub fn ends(&self) -> Vec<(usize, usize)> {
        let mut start = 0;
        let end = |number| {
            let head = start + self.head(number).len();
            start += self.request_bytes(number).len();
            (head, start)
        };
        (0..self.requests.len()).map(end).collect()
    }

    fn head(&self, number: usize) -> Vec<u8> {
        let request = &self.requests[number];
        let method = if request.content.is_some() {
            "POST"
        } else {
            "GET"
        };
        let version = if request.old { "1.0" } else { "1.1" };
        let mut head = format!(
            "{method} /{}/{number} HTTP/{version}\r\nHost: a\r\n",
            self.id
        );
        match request.content {
            Some(_) if request.chunked => head += "Transfer-Encoding: chunked\r\n",
            Some(length) => head += &format!("Content-Length: {length}\r\n"),
            None => {}
        }
        if request.expect {
            head += "Expect: 100-continue\r\n";
        }
        if request.close {
            head += "Connection: close\r\n";
        }
        head += "\r\n";
        head.into_bytes()
    }

    fn request_bytes(&self, number: usize) -> Vec<u8> {
        const PIECE: usize = 1_000;
        let request = &self.requests[number];
        let mut bytes = self.head(number);
        let content = self.content(number);
        if !request.chunked {
            bytes.extend_from_slice(&content);
            return bytes;
        }
        for piece in content.chunks(PIECE) {
            bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }

    /// The content of a request.
    #[must_use]
    pub fn content(&self, number: usize) -> Vec<u8> {
        let length = self.requests[number].content.unwrap_or(0);
        pattern(self.id, number, length)
    }
}

/// Content that belongs to one request of one client and to no other.
#[must_use]
pub fn pattern(id: u32, number: usize, length: usize) -> Vec<u8> {
    let tag = format!("<{id}.{number}>");
    tag.bytes().cycle().take(length).collect()
}

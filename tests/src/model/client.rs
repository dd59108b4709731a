//! What a client sends: requests of every kind that the core tells apart, cut where that matters.

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Without content, cut within its head.
    Get,
    /// Behind an empty line that is itself cut.
    Blank,
    /// One whose response has no content.
    Head,
    /// It asks for the close.
    Close,
    /// Of HTTP/1.0, with content.
    Old,
    /// With content of a declared length.
    Length,
    /// With content that waits for `100 Continue`.
    Expect,
    /// With chunked content.
    Chunked,
    /// With more content than is allowed.
    TooLong,
    /// It asks for another protocol.
    Upgrade,
    /// It is none.
    Malformed,
    /// Whole at once. It comes only behind another one, and but for one kind it is all that does:
    /// the kinds differ in what becomes of them, not in their place.
    Second,
}

impl Kind {
    /// Those that come first.
    pub const FIRST: &[Kind] = &[
        Kind::Get,
        Kind::Blank,
        Kind::Head,
        Kind::Close,
        Kind::Old,
        Kind::Length,
        Kind::Expect,
        Kind::Chunked,
        Kind::TooLong,
        Kind::Upgrade,
        Kind::Malformed,
    ];

    fn pieces(self) -> &'static [&'static str] {
        match self {
            Kind::Get => &["GET / HTTP/1.1\r\nHo", "st: a\r\n\r\n"],
            Kind::Blank => &["\r", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"],
            Kind::Head => &["HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"],
            Kind::Close => &["GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"],
            Kind::Old => &["POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\n", "a"],
            Kind::Length => &[
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
                "a",
            ],
            Kind::Expect => &[
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n",
                "a",
            ],
            Kind::Chunked => &[
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                "1\r\na\r\n",
                "0\r\n\r\n",
            ],
            Kind::TooLong => &[
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc",
                "\r\n",
            ],
            Kind::Upgrade => {
                &["GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: b\r\n\r\n"]
            }
            Kind::Malformed => &["GET / HTTP/1.1\r\n\0"],
            Kind::Second => &["GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
        }
    }

    /// Whether the client has said that there will be one response and no more.
    #[must_use]
    pub fn is_last(self) -> bool {
        matches!(self, Kind::Close | Kind::Old)
    }
}

/// Which requests are sent in all by one client, at most.
const REQUESTS: u8 = 2;

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// What it sends first.
    first: Kind,
    /// The request that it has sent last, and how many of its pieces.
    sent: Option<(Kind, usize)>,
    requests: u8,
}

impl Client {
    /// One that begins with a request of this kind.
    #[must_use]
    pub fn new(first: Kind) -> Client {
        Client {
            first,
            sent: None,
            requests: 0,
        }
    }

    /// What it may send next: a piece of one of these.
    #[must_use]
    pub fn next(&self) -> &'static [Kind] {
        match self.sent {
            None => self.first.only(),
            Some((kind, pieces)) if pieces < kind.pieces().len() => kind.only(),
            Some(_) if self.requests == REQUESTS => &[],
            Some((Kind::Head, _)) => &[Kind::Get],
            // What may follow content follows that of a declared length.
            Some((Kind::Chunked | Kind::TooLong, _)) => &[],
            Some(_) => &[Kind::Second],
        }
    }

    /// Sends the next piece of a request of this kind.
    pub fn send(&mut self, kind: Kind) -> &'static str {
        let pieces = kind.pieces();
        let begun = self
            .sent
            .filter(|(of, sent)| *of == kind && *sent < pieces.len());
        let sent = match begun {
            Some((_, sent)) => sent,
            None => {
                self.requests += 1;
                0
            }
        };
        self.sent = Some((kind, sent + 1));
        pieces[sent]
    }
}

impl Kind {
    /// A list of just this one.
    fn only(self) -> &'static [Kind] {
        let at = Kind::FIRST.iter().position(|kind| *kind == self);
        let at = at.expect("only first kinds are cut");
        &Kind::FIRST[at..=at]
    }
}

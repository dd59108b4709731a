//! Any response to any kind of request.

use neap_core::{BodyLength, Config, Connection, Item, MisuseError, Spans, State, Status, Version};

use super::responses::{Asked, End, Response, read_response};
use super::syntax::{Fields, is_token, trim};
use super::world::{DATE, World};

/// Fields that a handler's response may name, but that are the connection's.
const OURS: [&str; 5] = [
    "connection",
    "content-length",
    "transfer-encoding",
    "keep-alive",
    "proxy-connection",
];

/// Any response to any kind of request.
///
/// - What the core writes, a strict reader takes: the status, the handler's fields but for the
///   connection's own, and the content as far as it was declared.
/// - What cannot be written is refused as a whole: nothing is written then and nothing changes.
/// - A cut response looks cut, and the connection is kept only behind one that is whole and does
///   not announce the close.
/// - The response to HEAD is the one to GET without the content.
///
/// # Panics
///
/// Where that does not hold.
pub fn reply(input: &[u8]) {
    let mut source = Source(input);
    let asked = source.asked();
    let answer = source.answer();
    let Some(response) = answer.give(&asked) else {
        return;
    };
    if asked.method == "HEAD" {
        let get = Asked {
            method: "GET".into(),
            version: asked.version,
        };
        let to_get = answer.give(&get).expect("HEAD was answered");
        let fields = |response: &Response| {
            // Content until the close is what only the response to GET has.
            let mut fields = response.fields.clone();
            fields.retain(|(name, _)| name != "connection");
            fields
        };
        assert_eq!(fields(&response), fields(&to_get), "to HEAD and to GET");
    }
}

/// The input, from front to back; zeros behind it.
struct Source<'b>(&'b [u8]);

impl<'b> Source<'b> {
    fn byte(&mut self) -> u8 {
        let byte = self.0.first().copied().unwrap_or(0);
        self.0 = self.0.get(1..).unwrap_or_default();
        byte
    }

    /// As many bytes as the next one says.
    fn bytes(&mut self) -> &'b [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }

    fn asked(&mut self) -> Asked {
        let byte = self.byte();
        let method = ["GET", "HEAD", "POST", "CONNECT"][usize::from(byte % 4)];
        Asked {
            method: method.into(),
            version: [Version::Http11, Version::Http10][usize::from(byte / 4 % 2)],
        }
    }

    fn answer(&mut self) -> Answer<'b> {
        let status = u16::from_be_bytes([self.byte(), self.byte()]);
        let flags = self.byte();
        let declared = u64::from(self.byte());
        let count = self.byte() % 8;
        let fields = (0..count).map(|_| (self.bytes(), self.bytes())).collect();
        let count = self.byte() % 4;
        let trailers = (0..count).map(|_| (self.bytes(), self.bytes())).collect();
        let pieces: Vec<u64> = self.0.iter().map(|len| u64::from(*len)).collect();
        Answer {
            status: Status::new(status).unwrap_or(Status::OK),
            length: match flags % 4 {
                0 => BodyLength::Known(pieces.iter().sum()),
                1 => BodyLength::Known(declared),
                _ => BodyLength::Unknown,
            },
            keeps: flags & 4 == 0,
            fails: flags & 8 != 0,
            fields,
            trailers,
            pieces,
        }
    }
}

/// What a handler answers.
struct Answer<'b> {
    status: Status,
    length: BodyLength,
    /// Whether the client wants to keep the connection.
    keeps: bool,
    /// Whether the handler fails behind the last piece.
    fails: bool,
    fields: Vec<(&'b [u8], &'b [u8])>,
    trailers: Vec<(&'b [u8], &'b [u8])>,
    pieces: Vec<u64>,
}

/// A connection whose handler is to answer.
struct Running {
    world: World,
    connection: Connection,
    output: Vec<u8>,
}

impl Running {
    fn new(asked: &Asked, keeps: bool) -> Running {
        let target = if asked.method == "CONNECT" {
            "a:1"
        } else {
            "/"
        };
        let (version, option) = match (asked.version, keeps) {
            (Version::Http11, true) => ("1.1", ""),
            (Version::Http11, false) => ("1.1", "Connection: close\r\n"),
            (Version::Http10, true) => ("1.0", "Connection: keep-alive\r\n"),
            (Version::Http10, false) => ("1.0", ""),
        };
        let method = &asked.method;
        let head = format!("{method} {target} HTTP/{version}\r\nHost: a:1\r\n{option}\r\n");
        let world = World::new(Config::default());
        let mut connection = Connection::new(world.tick());
        let mut spans = Spans::new();
        let received = connection.handle_input(world.tick(), head.as_bytes(), &mut spans);
        assert!(matches!(received.item, Item::Head(_)));
        assert_eq!(connection.handle_started(world.tick()), Ok(()));
        Running {
            world,
            connection,
            output: Vec::new(),
        }
    }

    fn body(&mut self, piece: u64) {
        let framed = self.connection.reply_body(self.world.tick(), piece);
        let frame = framed.expect("content is due");
        assert!(frame.take <= piece, "more than there is");
        self.output.extend_from_slice(frame.prefix());
        for _ in 0..frame.take {
            self.output.push(b'=');
        }
        self.output.extend_from_slice(frame.suffix);
    }
}

impl Answer<'_> {
    /// Gives the answer; the response, if the core wrote one.
    fn give(&self, asked: &Asked) -> Option<Response> {
        let mut running = Running::new(asked, self.keeps);
        if !self.head(&mut running) {
            return None;
        }
        for piece in &self.pieces {
            running.body(*piece);
        }
        let t = running.world.tick();
        let (connection, output) = (&mut running.connection, &mut running.output);
        let before = (connection.control(), output.len());
        let ended = if self.fails {
            connection.handle_failure(t);
            Ok(())
        } else {
            connection.reply_trailers(t, self.trailers.iter().copied(), output)
        };
        if let Err(error) = ended {
            assert_eq!(error, MisuseError::Field);
            assert!(
                !self.trailers.iter().all(is_field),
                "the trailers are valid"
            );
            assert_eq!(before, (connection.control(), output.len()));
            assert_eq!(connection.reply_end(t, output), Ok(()));
        }
        assert_eq!(connection.unsent(), output.len() as u64);
        assert_eq!(connection.handle_written(t, output.len() as u64), Ok(()));
        let (response, rest) = read_response(output, asked).expect("a valid response");
        assert!(rest.is_empty(), "output behind the response");
        self.check(&response, asked, ended.is_err());
        let persists = response.end == End::Whole && !response.says_close();
        let is_kept = connection.state() == State::Idle;
        assert_eq!(is_kept, persists && !self.fails, "whether it is kept");
        let looks_cut = response.end == End::Cut || connection.control().reset;
        assert_eq!(
            looks_cut,
            self.is_cut(asked, &response),
            "whether it is cut"
        );
        Some(response)
    }

    /// Gives the head. False if that is refused, as it has to be.
    fn head(&self, running: &mut Running) -> bool {
        let (connection, t) = (&mut running.connection, running.world.tick());
        let (fields, output) = (self.fields.iter().copied(), &mut running.output);
        let before = connection.control();
        let valid = self.fields.iter().all(is_field);
        match connection.reply_head(t, self.status, self.length, &DATE, fields, output) {
            Ok(()) => {
                assert!(valid && self.is_final());
                return true;
            }
            Err(MisuseError::Status) => assert!(!self.is_final()),
            Err(error) => assert!(error == MisuseError::Field && !valid),
        }
        assert!(output.is_empty() && connection.unsent() == 0);
        assert_eq!(connection.control(), before);
        let done = connection.reply_head(t, Status::OK, self.length, &DATE, [], output);
        assert_eq!(done, Ok(()), "another answer is possible");
        false
    }

    fn is_final(&self) -> bool {
        (200..600).contains(&self.status.code())
    }

    fn is_empty(&self, asked: &Asked) -> bool {
        let status = self.status.code();
        let tunnels = asked.method == "CONNECT" && status < 300;
        asked.method == "HEAD" || ([204, 205, 304].contains(&status) && !tunnels)
    }

    /// Whether the client must be able to tell that something is missing.
    fn is_cut(&self, asked: &Asked, response: &Response) -> bool {
        let given: u64 = self.pieces.iter().sum();
        match self.length {
            _ if self.is_empty(asked) => false,
            BodyLength::Known(length) if response.end != End::Close => given < length,
            BodyLength::Known(_) | BodyLength::Unknown => self.fails,
        }
    }

    /// Some of the handler's, in order, among them all that are only its own.
    fn check_trailers(&self, trailers: &Fields) {
        let mut given = theirs(&self.trailers).into_iter();
        for trailer in trailers {
            assert!(given.any(|field| field == *trailer), "a trailer of our own");
        }
        let own = |(name, _): &&(String, Vec<u8>)| name.starts_with("x-");
        let given = theirs(&self.trailers);
        assert!(given.iter().filter(own).eq(trailers.iter().filter(own)));
    }

    fn check(&self, response: &Response, asked: &Asked, trailers_refused: bool) {
        assert_eq!(response.status, self.status.code());
        let given: u64 = self.pieces.iter().sum();
        let expected = match self.length {
            _ if self.is_empty(asked) => 0,
            BodyLength::Known(length) if response.end != End::Close => given.min(length),
            BodyLength::Known(_) | BodyLength::Unknown => given,
        };
        assert_eq!(response.content.len() as u64, expected, "content");
        let dated = self.fields.iter().any(|(name, _)| is_named(name, "date"));
        let ours = |name: &str| OURS.contains(&name) || (name == "date" && !dated);
        let mut fields = response.fields.clone();
        fields.retain(|(name, _)| !ours(&name.to_ascii_lowercase()));
        assert_eq!(fields, theirs(&self.fields), "the handler's fields");
        let is_chunked = response
            .fields
            .iter()
            .any(|(name, _)| name == "transfer-encoding");
        if response.end == End::Whole && is_chunked && !self.is_empty(asked) && !trailers_refused {
            self.check_trailers(&response.trailers);
        }
        let closes = self.fields.iter().any(|(name, value)| {
            let mut options = value.split(|byte| *byte == b',').map(trim);
            is_named(name, "connection") && options.any(|option| is_named(option, "close"))
        });
        assert!(
            response.says_close() || (self.keeps && !closes),
            "its close"
        );
    }
}

/// The handler's fields that are sent: not the connection's, and but one date.
fn theirs(fields: &[(&[u8], &[u8])]) -> Fields {
    let ours = |name: &[u8]| OURS.iter().any(|ours| is_named(name, ours));
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let mut dated = false;
    let sent = fields.iter().filter(|(name, _)| {
        let is_date = is_named(name, "date");
        let first = !(is_date && dated);
        dated |= is_date;
        first && !ours(name)
    });
    sent.map(|(name, value)| (text(name), trim(value).to_vec()))
        .collect()
}

fn is_named(name: &[u8], expected: &str) -> bool {
    name.eq_ignore_ascii_case(expected.as_bytes())
}

fn is_field((name, value): &(&[u8], &[u8])) -> bool {
    let is_text = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
    is_token(name) && value.iter().all(is_text)
}

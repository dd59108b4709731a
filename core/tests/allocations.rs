//! What an exchange costs the heap: nothing.

use allocation_counter::measure;
use neap_core::{
    BodyLength, Config, Connection, Exchange, Head, HttpDate, Item, Lifecycle, MisuseError,
    Responder, Server, Session, Sink, Spans, Status, Tick, Time,
};

const DATE: HttpDate = HttpDate::from_unix_seconds(784_111_777);
const POST: &[u8] = b"POST /tide?a=b HTTP/1.1\r\nHost: a\r\nUser-Agent: test\r\n\
                      Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nTrailer: t\r\n\r\n";
const FIELDS: [(&[u8], &[u8]); 2] = [(b"content-type", b"text/plain"), (b"server", b"neap")];

/// Memory that does not grow, as a driver without a heap has it.
struct Fixed {
    bytes: [u8; 4096],
    len: usize,
}

impl Sink for Fixed {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn len(&self) -> usize {
        self.len
    }

    fn truncate(&mut self, len: usize) {
        self.len = len;
    }
}

/// An exchange of a connection whose buffers are the driver's. How much content came.
fn exchange(t: Tick<'_>, connection: &mut Connection, spans: &mut Spans, out: &mut Fixed) -> usize {
    let mut input = POST;
    let mut content = 0;
    loop {
        let received = connection.handle_input(t, input, spans);
        input = &input[received.consumed..];
        match received.item {
            Item::Head(head) => {
                assert!(head.target() == "/tide?a=b" && head.fields().get("host").is_some());
                connection.handle_started(t).expect("a head is there");
            }
            Item::Content(piece) => content += piece.len(),
            Item::Trailers(fields) => assert!(fields.get("trailer").is_some()),
            Item::Nothing if connection.is_request_whole() => break,
            Item::Nothing => {}
            Item::Refused(error) => panic!("{error}"),
        }
        connection.want_content(t);
    }
    connection.handle_buffered(t, input);
    let replied = connection
        .reply_head(t, Status::OK, BodyLength::Unknown, &DATE, FIELDS, out)
        .and_then(|()| connection.reply_content(t, b"hello", out))
        .and_then(|()| connection.reply_end(t, out))
        .and_then(|()| connection.handle_written(t, out.len as u64));
    replied.expect("the calls are in order");
    out.len = 0;
    content
}

#[test]
fn a_connection_allocates_nothing_from_its_first_byte_on() {
    let config = Config::default();
    let mut content = 0;
    let info = measure(|| {
        let t = Lifecycle::new().tick(Time::ZERO, &config);
        let mut spans = Spans::new();
        let mut out = Fixed {
            bytes: [0; 4096],
            len: 0,
        };
        let mut connection = Connection::new(t);
        for _ in 0..100 {
            content += exchange(t, &mut connection, &mut spans, &mut out);
            connection.handle_timeout(t);
        }
    });
    assert_eq!((content, info.count_total), (500, 0));
}

/// Returns the length of the content, and as much content as it was asked for.
struct Length {
    received: usize,
    reply: Vec<u8>,
}

impl Responder for Length {
    fn start(&mut self, _: Head<'_>) {
        self.received = 0;
    }

    fn run(&mut self, exchange: &mut Exchange<'_>) -> Result<Time, MisuseError> {
        while let std::task::Poll::Ready(piece) = exchange.take_content() {
            let Some(piece) = piece else {
                exchange.reply(Status::OK, FIELDS, &self.reply)?;
                break;
            };
            self.received += piece.len();
        }
        Ok(Time::NEVER)
    }

    fn stop(&mut self) {
        assert_eq!(self.received, 5);
    }
}

fn session(reply: usize) -> (Config, Server, Session<Length>) {
    let (config, mut server) = (Config::default(), Server::new());
    let responder = Length {
        received: 0,
        reply: vec![b'x'; reply],
    };
    let session = server.accept(Time::ZERO, &config, responder);
    (config, server, session)
}

fn turn(config: &Config, server: &mut Server, session: &mut Session<Length>) {
    let t = server.tick(Time::ZERO, config);
    // In two parts, so that it has to wait in between.
    let (part, rest) = POST.split_at(POST.len() - 30);
    for received in [part, rest] {
        session.handle_read(t, Ok(received));
        session.advance(t, &DATE);
    }
    let written = session.handle_written(t, Ok(session.output().len()));
    written.expect("it was output");
    session.advance(t, &DATE);
    server.note(session);
    server.advance(Time::ZERO, config);
}

#[test]
fn a_warm_session_allocates_nothing_for_an_exchange() {
    let (config, mut server, mut session) = session(1000);
    turn(&config, &mut server, &mut session);
    let info = measure(|| {
        for _ in 0..100 {
            turn(&config, &mut server, &mut session);
        }
    });
    assert_eq!((session.tally().completed, info.count_total), (101, 0));
    server.leave(session);
}

/// What a session holds once it has taken `request` and replied with a megabyte.
fn kept_after(request: &str) -> i64 {
    let (config, mut server, mut session) = session(1_000_000);
    let t = server.tick(Time::ZERO, &config);
    let info = measure(|| {
        session.handle_read(t, Ok(request.as_bytes()));
        session.advance(t, &DATE);
        let written = session.handle_written(t, Ok(session.output().len()));
        written.expect("it was output");
        session.advance(t, &DATE);
    });
    assert_eq!(session.tally().completed, 1);
    assert!(info.bytes_max >= 1_000_000, "{info:?}");
    server.leave(session);
    info.bytes_current
}

#[test]
fn a_session_gives_back_what_a_large_exchange_needed() {
    let large = "a".repeat(50_000);
    let fields = format!("Host: a\r\nA: {large}\r\nContent-Length: 5\r\n");
    let request = format!("POST / HTTP/1.1\r\n{fields}\r\nhello");
    assert!(kept_after(&request) <= 2 * 4096, "idle");
    // What comes behind the last request is nobody's.
    let last = format!("POST / HTTP/1.1\r\n{fields}Connection: close\r\n\r\nhello{large}");
    assert!(kept_after(&last) <= 2 * 4096, "lingering");
}

#[test]
fn a_connection_that_comes_when_another_has_left_costs_the_registry_nothing() {
    let (config, mut server, first) = session(0);
    server.leave(first);
    let info = measure(|| {
        let responder = Length {
            received: 5,
            reply: Vec::new(),
        };
        let session = server.accept(Time::ZERO, &config, responder);
        server.leave(session);
    });
    assert_eq!(info.count_total, 0);
}

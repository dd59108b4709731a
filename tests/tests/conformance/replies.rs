//! The response side: whatever a handler does, no invalid message comes of it.

use neap_core::{
    BodyLength, Config, Connection, Handler, HttpDate, Item, MisuseError, Outcome, Phase, Read,
    Spans, State, Status, Step, Tick, Time, Write,
};

use crate::app::PATHS;
use crate::memory::Memory;
use crate::reader::{Fault, Response, To, read_all, read_cut};
use crate::socket::Served;

const DATE: HttpDate = HttpDate::from_unix_seconds(784_111_777);

fn served(request: &str) -> Memory {
    let mut memory = Memory::new(Config::default());
    memory.send(request.as_bytes());
    memory
}

fn request(method: &str, path: &str, version: &str) -> String {
    format!("{method} {path} HTTP/{version}\r\nHost: a\r\nConnection: close\r\n\r\n")
}

/// The fields that GET and HEAD have in common.
fn common(mut response: Response) -> Vec<(String, String)> {
    response
        .fields
        .retain(|field| field.0 != "x-method" && field.0 != "date");
    response.fields
}

/// RFC 9110 section 9.3.2.
#[test]
fn head_has_the_fields_of_get_on_every_path() {
    let runtime = Served::start(Config::default());
    for path in PATHS {
        for version in ["1.0", "1.1"] {
            let [get, head] = ["GET", "HEAD"].map(|method| {
                let request = request(method, path, version);
                let memory = served(&request).output;
                let socket = runtime.exchange(request.as_bytes(), false).unwrap();
                [memory, socket].map(|output| {
                    let mut responses = read_all(&output, &[To::method(method)]).unwrap();
                    assert_eq!(responses.len(), 1);
                    let response = responses.remove(0);
                    assert!(method == "GET" || response.content.is_empty());
                    (response.status, common(response))
                })
            });
            assert_eq!(get, head, "{path} in HTTP/{version}");
            assert_eq!(get[0], get[1], "{path} in HTTP/{version}");
        }
    }
    assert!(runtime.drain().is_clean());
}

/// RFC 9112 section 8: what is incomplete must be seen to be.
#[test]
fn a_response_that_is_shorter_than_declared_is_cut_and_ends_the_connection() {
    let get = "GET /short HTTP/1.1\r\nHost: a\r\n\r\n";
    let runtime = Served::start(Config::default());
    let memory = served(&get.repeat(2));
    let socket = runtime.exchange(get.repeat(2).as_bytes(), false).unwrap();
    for output in [&memory.output, &socket] {
        assert_eq!(read_cut(output, &[To::Other]), (vec![], Some(Fault::Cut)));
        assert!(output.ends_with(b"\r\n\r\nhello"));
    }
    assert_eq!((memory.seen.requests.len(), runtime.dispatched()), (1, 1));
    assert!(memory.seen.fin);
    assert_eq!(memory.core.control().outcome, Some(Outcome::Truncated));
}

/// RFC 9112 section 9.6: a reset would destroy the refusal before it is read.
#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let runtime = Served::start(Config::default());
    for (fields, status) in [
        ("Host: a\r\nContent-Length: 99999999999\r\n", 413),
        ("Content-Length: 900000\r\n", 400),
        ("Host: a\r\nContent-Length: 900000\r\n", 200),
    ] {
        let head = format!("POST / HTTP/1.1\r\n{fields}\r\n");
        let input = [head.as_bytes(), &vec![b'x'; 900_000]].concat();
        let output = runtime.exchange(&input, false).unwrap();
        let responses = read_all(&output, &[]).unwrap();
        assert_eq!(responses[0].status, status);
        assert!(responses[0].closes());
    }
    assert!(runtime.drain().is_clean());
}

/// A connection whose handler is to answer.
fn asked(t: Tick<'_>) -> Connection {
    let mut connection = Connection::new(t);
    let mut spans = Spans::new();
    let received = connection.handle_input(t, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut spans);
    assert!(matches!(received.item, Item::Head(_)));
    connection.handle_started(t).unwrap();
    connection
}

fn tick(config: &Config) -> Tick<'_> {
    Tick {
        now: Time::ZERO,
        phase: Phase::Running,
        sealing: Time::NEVER,
        config,
    }
}

type Field<'a> = (&'a [u8], &'a [u8]);

fn reply_with(fields: &[Field<'_>]) -> Result<Vec<u8>, MisuseError> {
    let config = Config::default();
    let t = tick(&config);
    let mut out = b"before".to_vec();
    let fields = fields.iter().copied();
    let done = asked(t).reply_head(t, Status::OK, BodyLength::Known(0), &DATE, fields, &mut out);
    if done.is_err() {
        assert_eq!(out, b"before", "a refused reply leaves nothing behind");
    }
    done.map(|()| out.split_off(6))
}

/// RFC 9112 section 11.1.
#[test]
fn no_field_of_a_handlers_can_split_a_response() {
    for byte in 0..=255 {
        let name = [b'a', byte, b'b'];
        let is_token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        assert_eq!(reply_with(&[(&name, b"c")]).is_ok(), is_token, "{byte}");
        let is_text = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        for value in [
            &[byte][..],
            &[b'a', byte],
            &[byte, b'a'],
            &[b'a', byte, b'a'],
        ] {
            let done = reply_with(&[(b"x-valid", b"y"), (b"a", value)]);
            assert_eq!(done.is_ok(), is_text, "{byte}");
        }
    }
    assert_eq!(reply_with(&[(b"", b"a")]), Err(MisuseError::Field));
    let split: Field<'_> = (b"a", b"b\r\n\r\nHTTP/1.1 200 OK");
    assert_eq!(reply_with(&[split]), Err(MisuseError::Field));
}

#[test]
fn framing_and_hop_by_hop_fields_are_the_connections() {
    for name in [
        "Content-Length",
        "TRANSFER-ENCODING",
        "keep-alive",
        "Proxy-Connection",
        "Connection",
    ] {
        let out = reply_with(&[(name.as_bytes(), b"5")]).unwrap();
        let response = &read_all(&out, &[]).unwrap()[0];
        assert_eq!(response.get("content-length"), Some("0"));
        assert_eq!(response.fields.len(), 2, "{response:?}");
    }
}

/// RFC 9110 section 15: statuses beyond 599 are none, and an interim one ends nothing.
#[test]
fn only_a_final_status_begins_a_reply() {
    let config = Config::default();
    let t = tick(&config);
    for code in 100..=999 {
        let mut out = Vec::new();
        let status = Status::new(code).unwrap();
        let none = std::iter::empty();
        let done = asked(t).reply_head(t, status, BodyLength::Known(0), &DATE, none, &mut out);
        if (200..600).contains(&code) {
            assert_eq!((done, read_all(&out, &[]).unwrap().len()), (Ok(()), 1));
        } else {
            assert_eq!((done, out.len()), (Err(MisuseError::Status), 0));
        }
    }
}

/// RFC 9110 section 7.8: a switch of protocols names the protocol, in two fields.
#[test]
fn a_switch_of_protocols_has_its_two_fields_and_no_framing() {
    let config = Config::default();
    let t = tick(&config);
    let get = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: a/1\r\n\r\n";
    let switch = Status::new(101).unwrap();
    let reply = |fields: &[Field<'_>]| {
        let mut connection = Connection::new(t);
        connection.handle_input(t, get, &mut Spans::new());
        connection.handle_started(t).unwrap();
        let mut out = Vec::new();
        let fields = fields.iter().copied();
        let done = connection.reply_upgrade(t, switch, &DATE, fields, &mut out);
        done.map(|()| out)
    };
    let upgrade: Field<'_> = (b"upgrade", b"a/1");
    let framing: Field<'_> = (b"content-length", b"5");
    let date: Field<'_> = (b"date", DATE.as_bytes());
    let out = reply(&[upgrade, framing, date, (b"connection", b"x")]).unwrap();
    let response = &read_all(&out, &[]).unwrap()[0];
    assert_eq!(response.get("connection"), Some("upgrade"));
    assert_eq!((response.status, response.fields.len()), (101, 3));
    assert_eq!(reply(&[date]), Err(MisuseError::Field));
}

/// The other protocol's connection used to be closed at once when it ended: input that nobody had
/// read made that a reset, which destroys a goodbye on its way.
#[test]
fn what_another_protocol_leaves_behind_is_written_before_the_fin_that_ends_it() {
    let config = Config::default();
    let t = tick(&config);
    let mut connection = Connection::new(t);
    let get = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: a/1\r\n\r\n";
    connection.handle_input(t, get, &mut Spans::new());
    assert!(connection.asks_upgrade());
    connection.handle_started(t).unwrap();
    let (switch, mut out) = (Status::new(101).unwrap(), Vec::new());
    let upgrade: Field<'_> = (b"upgrade", b"a/1");
    connection
        .reply_upgrade(t, switch, &DATE, [upgrade], &mut out)
        .unwrap();
    let wants = |connection: &Connection| match connection.poll_step() {
        Step::Go(wants) => (wants.write, wants.read, wants.handler),
        step => panic!("{step:?}"),
    };
    assert_eq!(
        wants(&connection),
        (Write::Flush, Read::No, Handler::Run),
        "it is kept"
    );
    connection.handle_written(t, out.len() as u64).unwrap();
    assert_eq!(connection.poll_step(), Step::Upgrade);
    connection.handle_upgrade_taken(t).unwrap();
    assert_eq!(
        (connection.state(), connection.poll_timeout()),
        (State::Upgraded, None)
    );
    connection.handle_upgrade_end(t, 3).unwrap();
    assert_eq!(
        wants(&connection),
        (Write::Flush, Read::Discard, Handler::No)
    );
    assert!(
        connection.poll_timeout().is_some(),
        "a client that takes nothing is not waited for"
    );
    connection.handle_written(t, 3).unwrap();
    assert_eq!(wants(&connection), (Write::Fin, Read::Discard, Handler::No));
    connection.handle_fin_sent(t).unwrap();
    connection.handle_eof(t);
    let (outcome, reset) = (Outcome::Upgraded, false);
    assert_eq!(connection.poll_step(), Step::Close { outcome, reset });
}

/// RFC 9110 section 6.5.1.
#[test]
fn a_trailer_that_means_something_else_behind_the_content_is_not_sent() {
    let memory = served("GET /trailers HTTP/1.1\r\nHost: a\r\n\r\n");
    let response = &read_all(&memory.output, &memory.seen.to).unwrap()[0];
    assert_eq!(response.trailers, [("x-check".to_owned(), "1".to_owned())]);
}

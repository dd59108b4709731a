//! What HTTP asks of a server, byte for byte, of the command and of each port of the core alike:
//! what all of them do is the core's.

use std::thread;

use neap_tests::client::{Client, End, Framing, Response};
use neap_tests::process::{Program, Server};

/// Runs a test against each server.
fn on_each(test: impl Fn(&Server)) {
    for program in Program::ALL {
        eprintln!("{program:?}:");
        test(&Server::start(program, &[]));
    }
}

/// A request without content.
fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// A request with content and its length.
fn post(target: &str, content: &str) -> String {
    let length = content.len();
    format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{content}")
}

/// A connection that takes another request.
fn is_kept(client: &mut Client) -> bool {
    client.ask(get("/")).content == b"Hello, World!"
}

fn is_date(date: &str) -> bool {
    // Sun, 06 Nov 1994 08:49:37 GMT
    let pattern = "Aaa, 00 Aaa 0000 00:00:00 GMT";
    let fits = |(byte, pattern): (u8, u8)| match pattern {
        b'A' => byte.is_ascii_uppercase(),
        b'a' => byte.is_ascii_lowercase(),
        b'0' => byte.is_ascii_digit(),
        _ => byte == pattern,
    };
    let prefix = pattern.len() - 3;
    date.len() == pattern.len()
        && date.ends_with(" GMT")
        && date.bytes().zip(pattern.bytes()).take(prefix).all(fits)
}

#[test]
fn hello_is_thirteen_bytes() {
    on_each(|server| {
        let hello = Client::connect(server.address).ask(get("/"));
        assert_eq!(hello.status, 200);
        assert_eq!(hello.content, b"Hello, World!");
        assert_eq!(hello.field("content-length"), Some("13"));
        let media_type = hello.field("content-type").unwrap_or_default();
        assert!(media_type.starts_with("text/plain"), "{media_type}");
        assert!(hello.field("date").is_some_and(is_date), "{hello:?}");
    });
}

#[test]
fn a_response_to_head_has_the_fields_of_get_and_no_content() {
    on_each(|server| {
        let mut client = Client::connect(server.address);
        for target in ["/", "/bytes/70000", "/stream/3/1"] {
            let undated = |response: &Response| {
                let fields = response.fields.iter();
                let undated = fields.filter(|(name, _)| name != "date");
                undated.cloned().collect::<Vec<_>>()
            };
            let get = client.ask(get(target));
            let head = client.ask(format!("HEAD {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
            assert_eq!(undated(&head), undated(&get), "{target}");
            assert!(is_kept(&mut client), "{target}");
        }
    });
}

#[test]
fn an_http_1_1_connection_is_kept_until_the_client_says_close() {
    on_each(|server| {
        let mut client = Client::connect(server.address);
        for _ in 0..3 {
            let kept = client.ask(get("/"));
            assert_eq!(kept.field("connection"), None);
        }
        let last = client.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(last.says_close(), "{last:?}");
        assert_eq!(client.end(), End::Eof);
    });
}

#[test]
fn an_http_1_0_connection_is_closed_unless_the_client_asks_to_keep_it() {
    on_each(|server| {
        let mut client = Client::connect(server.address);
        let kept = client.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(kept.field("connection"), Some("keep-alive"));
        let last = client.ask("GET / HTTP/1.0\r\n\r\n");
        assert!(last.says_close(), "{last:?}");
        assert_eq!(last.content, b"Hello, World!");
        assert_eq!(client.end(), End::Eof);
    });
}

#[test]
fn an_http_1_0_client_gets_a_stream_until_the_close() {
    on_each(|server| {
        let mut client = Client::connect(server.address);
        let request = "GET /stream/3/1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
        let stream = client.ask(request);
        assert_eq!(stream.framing, Framing::Close);
        assert!(stream.says_close(), "{stream:?}");
        assert_eq!(
            stream.content.iter().filter(|byte| **byte == b'\n').count(),
            3
        );
    });
}

#[test]
fn a_stream_comes_in_chunks() {
    on_each(|server| {
        let mut client = Client::connect(server.address);
        let stream = client.ask(get("/stream/3/10"));
        assert_eq!(stream.framing, Framing::Chunks(3));
        assert_eq!(stream.field("content-length"), None);
        let empty = client.ask(get("/stream/0/0"));
        assert_eq!(empty.framing, Framing::Chunks(0));
        assert!(is_kept(&mut client));
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    on_each(|server| {
        let requests: String = (0..50).map(|len| get(&format!("/bytes/{len}"))).collect();
        let mut client = Client::with(server.address, requests);
        for len in 0..50 {
            assert_eq!(client.response().content.len(), len);
        }
    });
}

#[test]
fn pipelined_requests_behind_content_are_answered_in_order() {
    on_each(|server| {
        let requests = [
            post("/echo", "one"),
            get("/"),
            post("/echo", "two"),
            get("/bytes/2"),
        ];
        let mut client = Client::with(server.address, requests.concat());
        let content = [(); 4].map(|()| client.response().content.len());
        assert_eq!(content, [3, 13, 3, 2]);
    });
}

#[test]
fn an_echo_keeps_the_length_that_is_known() {
    on_each(|server| {
        let mut client = Client::connect(server.address);
        let echo = client.ask(post("/echo", "content"));
        assert_eq!(
            (echo.framing, echo.content.as_slice()),
            (Framing::Length, &b"content"[..])
        );
        let empty = client.ask(post("/echo", ""));
        assert_eq!(empty.field("content-length"), Some("0"));
        assert!(is_kept(&mut client));
    });
}

#[test]
fn an_echo_of_chunks_has_their_content_without_extensions_and_trailers() {
    on_each(|server| {
        let mut client = Client::connect(server.address);
        let echo = client.ask(
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
             3;extension=\"1\"\r\none\r\n003\r\ntwo\r\n0\r\nTrailer: three\r\n\r\n",
        );
        assert_eq!(echo.content, b"onetwo");
        assert!(matches!(echo.framing, Framing::Chunks(_)));
        assert!(is_kept(&mut client));
    });
}

#[test]
fn a_client_that_expects_100_continue_gets_it_when_its_content_is_wanted() {
    on_each(|server| {
        let mut client = Client::connect(server.address);
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\
                    Expect: 100-continue\r\n\r\n";
        client.send(head);
        client.await_ending(b"HTTP/1.1 100 Continue\r\n\r\n");
        client.send("ok");
        let echo = client.response();
        assert_eq!(
            (echo.interim.as_slice(), echo.content.as_slice()),
            (&[100][..], &b"ok"[..])
        );
        assert!(is_kept(&mut client));
    });
}

#[test]
fn content_that_nobody_wants_is_not_invited_and_the_connection_ends() {
    on_each(|server| {
        let mut client = Client::connect(server.address);
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\
                    Expect: 100-continue\r\n\r\n";
        let refused = client.ask(head);
        assert_eq!((refused.status, refused.interim.as_slice()), (405, &[][..]));
        assert!(refused.says_close(), "{refused:?}");
        assert_eq!(client.end(), End::Eof);
    });
}

#[test]
fn content_that_nobody_reads_is_skipped_and_the_connection_kept() {
    on_each(|server| {
        let mut client = Client::connect(server.address);
        let refused = client.ask(post("/", "GET / HTTP/1.1\r\nHost: smuggled\r\n\r\n"));
        assert_eq!(refused.status, 405);
        assert!(is_kept(&mut client));
    });
}

#[test]
fn a_client_that_still_sends_gets_the_response_that_came_early() {
    on_each(|server| {
        let content = "x".repeat(512 * 1024);
        let mut client = Client::connect(server.address);
        client.try_send(post("/nothing-here", &content));
        assert_eq!(client.response().status, 404);
    });
}

#[test]
fn a_request_may_come_in_two_parts_cut_anywhere() {
    on_each(|server| {
        let chunked = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                       4\r\ncont\r\n3\r\nent\r\n0\r\nA: b\r\n\r\n";
        for request in [post("/echo", "content"), chunked.to_owned()] {
            let mut client = Client::connect(server.address);
            for cut in 1..request.len() {
                client.send(&request[..cut]);
                thread::yield_now();
                client.send(&request[cut..]);
                assert_eq!(client.response().content, b"content", "cut at {cut}");
            }
        }
    });
}

#[test]
fn a_request_may_come_byte_by_byte() {
    on_each(|server| {
        let mut client = Client::connect(server.address);
        for byte in post("/echo", "content").bytes() {
            client.send([byte]);
            thread::yield_now();
        }
        assert_eq!(client.response().content, b"content");
    });
}

/// Requests that are refused, each with its status.
const BAD: [(u16, &str); 14] = [
    (400, "GET / HTTP/1.1\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    (400, "GET / HTTP/1.1\nHost: a\n\n"),
    (400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nName : value\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n folded\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nA: \0\r\n\r\n"),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
    ),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\na",
    ),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\
         Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        413,
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n",
    ),
    (417, "GET / HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n"),
    (
        501,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    ),
    (505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
];

/// Requests that exceed a limit.
fn excessive() -> [(u16, String); 3] {
    let long = |len| "a".repeat(len);
    let fields = "A: b\r\n".repeat(101);
    [
        (414, get(&format!("/{}", long(9000)))),
        (
            431,
            format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", long(70_000)),
        ),
        (431, format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")),
    ]
}

#[test]
fn a_bad_request_is_refused_with_its_status_and_the_connection_ends() {
    on_each(|server| {
        let bad = BAD.map(|(status, request)| (status, request.to_owned()));
        for (status, request) in bad.into_iter().chain(excessive()) {
            let start = &request[..request.len().min(80)];
            let mut client = Client::connect(server.address);
            // Whatever comes behind it is no request any more.
            client.try_send(request.clone() + &get("/"));
            let refused = client.response();
            assert_eq!(refused.status, status, "{start:?}");
            assert!(refused.says_close(), "{start:?}");
            assert!(refused.field("date").is_some_and(is_date), "{start:?}");
            assert_eq!(client.end(), End::Eof, "{start:?}");
        }
    });
}

#[test]
fn malformed_content_is_refused_or_cuts_a_response_that_has_begun() {
    on_each(|server| {
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        for content in [
            "x\r\n",
            "1;\0\r\n",
            "1\r\na\n1\r\n",
            "fffffffffffffffff\r\n",
        ] {
            let mut client = Client::connect(server.address);
            client.try_send(format!("{head}{content}{}", get("/")));
            let response = client.try_response(false);
            let is_cut = response.is_err();
            assert!(is_cut || response.is_ok_and(|response| response.status == 400));
        }
    });
}

#[test]
fn a_method_that_a_resource_does_not_have_is_answered_with_those_that_it_has() {
    on_each(|server| {
        let mut client = Client::connect(server.address);
        let refused = client.ask(post("/", ""));
        assert_eq!(refused.status, 405);
        let allow = refused.field("allow").unwrap_or_default();
        assert!(allow.contains("GET") && allow.contains("HEAD"), "{allow}");
        assert_eq!(client.ask(get("/echo")).status, 405);
        assert_eq!(client.ask(get("/nothing-here")).status, 404);
        assert!(is_kept(&mut client));
    });
}

#[test]
fn a_client_that_has_ended_its_side_gets_its_answer() {
    on_each(|server| {
        let requests = [
            get("/"),
            get("/delay/100"),
            get("/stream/3/10"),
            post("/echo", "content"),
            post("/", "content"),
            get("/") + &get("/bytes/2"),
        ];
        for request in requests {
            let mut client = Client::with(server.address, &request);
            client.finish();
            assert!(client.response().status < 500, "{request:?}");
            if request.matches("HTTP/1.1").count() == 2 {
                assert_eq!(client.response().content.len(), 2);
            }
            assert_eq!(client.end(), End::Eof, "{request:?}");
        }
    });
}

#[test]
fn an_echo_of_megabytes_flows_in_both_directions_at_once() {
    const PIECES: usize = 128;
    on_each(|server| {
        let piece = "0123456789abcdef".repeat(4096);
        let total = PIECES * piece.len();
        let length = format!("Content-Length: {total}\r\n\r\n");
        let framings = [
            (length.as_str(), "", ""),
            ("Transfer-Encoding: chunked\r\n\r\n", "10000\r\n", "\r\n"),
        ];
        for (field, before, behind) in framings {
            let head = format!("POST /echo HTTP/1.1\r\nHost: a\r\n{field}");
            let mut client = Client::with(server.address, head);
            let mut sender = client.sender();
            let pieces = format!("{before}{piece}{behind}");
            let end = if before.is_empty() { "" } else { "0\r\n\r\n" };
            let sends = thread::spawn(move || {
                for _ in 0..PIECES {
                    sender.send(&pieces);
                }
                sender.send(end);
            });
            let content = client.response().content;
            sends.join().expect("everything is sent");
            let is_same = content
                .chunks(piece.len())
                .all(|part| part == piece.as_bytes());
            assert!(content.len() == total && is_same);
            assert!(is_kept(&mut client));
        }
    });
}

#[test]
fn the_content_of_an_echo_comes_back_before_all_of_it_is_sent() {
    on_each(|server| {
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut client = Client::with(server.address, head.to_owned() + "3\r\none\r\n");
        client.await_ending(b"one\r\n");
        client.send("3\r\ntwo\r\n0\r\n\r\n");
        assert_eq!(client.response().content, b"onetwo");
    });
}

#[test]
fn a_status_without_content_has_none_and_the_connection_is_kept() {
    let server = Server::start(Program::Echo, &[]);
    let mut client = Client::connect(server.address);
    for status in [204, 304] {
        let response = client.ask(get(&format!("/status/{status}")));
        assert_eq!(response.status, status);
        assert_eq!(response.field("transfer-encoding"), None);
        if status == 204 {
            assert_eq!(response.field("content-length"), None);
        }
        assert!(is_kept(&mut client));
    }
}

#[test]
fn a_method_that_nobody_knows_is_not_implemented() {
    let server = Server::start(Program::Echo, &[]);
    let mut client = Client::connect(server.address);
    let response = client.ask("FROBNICATE / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(response.status, 501);
    assert!(is_kept(&mut client));
}

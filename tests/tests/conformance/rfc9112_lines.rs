//! RFC 9112 sections 2 and 3: lines, versions and request lines.

use crate::case::{Case, answer, any, closed, get, hello, kept, line, refused, table, waits};

pub(crate) fn cases() -> Vec<Case> {
    [
        message_format(),
        message_parsing(),
        version(),
        request_line(),
        method(),
        status_line(),
    ]
    .concat()
}

table! { message_format, "RFC 9112 2.1";
    "a request is a request line, field lines, an empty line and content":
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        => kept([answer(200).with("content-length", "3").content("abc")]);
    "a response of the handler's is a status line, field lines, an empty line and content":
        get("A: b")
        => kept([hello().with("content-length", "5").with("content-type", "text/plain")]);
    "a head that has not ended is waited for": [
        "G", "GET", "GET ", "GET /", "GET / ", "GET / HTTP/1.1", "GET / HTTP/1.1\r",
        "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r",
    ] => waits();
}

table! { message_parsing, "RFC 9112 2.2";
    "an empty line before a request is ignored": [
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] => kept([hello()]);
    "an empty line between requests is ignored": [
        post_then("\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] => kept([answer(200).content("abc"), hello()]);
    "an empty line behind the last request is ignored": [
        post_then("\r\n", ""), format!("{}\r\n", get("A: b")),
    ] => kept([answer(200)]);
    "a second empty line before a request is refused": [
        "\r\n\r\n", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] => refused(400);
    "empty lines without end are refused": [
        "\r\n".repeat(1000), "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
    ] => refused(400);
    "an empty line is CRLF": [
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] => refused(400);
    "a bare LF does not end the request line": [
        "GET / HTTP/1.1\nHost: a\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\n", "GET /\nHost: a\n\n",
    ] => refused(400);
    "a bare LF does not end a field line": [
        "GET / HTTP/1.1\r\nHost: a\n\r\n", "GET / HTTP/1.1\r\nA: b\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nA: b\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nA:\n\r\n",
    ] => refused(400);
    "a bare LF does not end a head":
        ["GET / HTTP/1.1\r\nHost: a\r\n\n", "GET / HTTP/1.1\r\nHost: a\n\n"] => refused(400);
    "a bare CR in a request line is refused": [
        "GET / HTTP/1.1\rHost: a\r\n\r\n", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET\r / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
        "GET / HTTP\r/1.1\r\nHost: a\r\n\r\n",
    ] => refused(400);
    "a bare CR in a field line is refused": [
        get("A: b\rc"), get("A: \r"), get("A\r: b"), get("\rA: b"), get("A: b\r\r"),
        get("A: b\rContent-Length: 5"), get("Transfer-Encoding:\rchunked"),
    ] => refused(400);
    "white space before the first field line is refused": [
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n",
    ] => refused(400);
    "what is no HTTP is refused": [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), b"\x00\x00\x00\x00".to_vec(),
        b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), b"\xff\xfe\xfd \r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(), b"{\"a\": 1}\r\n".to_vec(),
    ] => refused(400);
    "octets above ASCII are no part of a method or a target": [
        line("G\u{c9}T / HTTP/1.1"), line("GET /\u{e9} HTTP/1.1"), line("GET / HTTP/1.\u{661}"),
        line("GET /\u{a0}HTTP/1.1"), line("\u{feff}GET / HTTP/1.1"),
    ] => refused(400);
}

fn post_then(between: &str, then: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc{between}{then}")
}

table! { version, "RFC 9112 2.3";
    "HTTP/1.1 is spoken": "GET / HTTP/1.1\r\nHost: a\r\n\r\n" => kept([hello()]);
    "a version is written in capitals and with two digits": [
        line("GET / http/1.1"), line("GET / Http/1.1"), line("GET / HTTP/1"), line("GET / HTTP/1."),
        line("GET / HTTP/.1"), line("GET / HTTP/11.1"), line("GET / HTTP/1.10"),
        line("GET / HTTP/1.1.1"), line("GET / HTTP/01.1"), line("GET / HTTP/1.01"),
        line("GET / HTTP/1,1"), line("GET / HTTP 1.1"), line("GET / HTTP/ 1.1"),
        line("GET / HTTP/1 .1"), line("GET / HTTP/+1.1"), line("GET / HTTP/-1.1"),
        line("GET / HTTP/1.1a"), line("GET / HTTP/a.1"), line("GET / HTTP/1.x"),
        line("GET / HTTP\\1.1"), line("GET / HTTPS/1.1"), line("GET / HTCPCP/1.0"),
        line("GET / FTP/1.1"), line("GET / HTTP//1.1"), line("GET / H"), line("GET / 1.1"),
    ] => refused(400);
}

table! { request_line, "RFC 9112 3";
    "one space separates the parts of a request line": [
        line("GET  / HTTP/1.1"), line("GET /  HTTP/1.1"), line("GET   /   HTTP/1.1"),
        line("GET\t/ HTTP/1.1"), line("GET /\tHTTP/1.1"), line("GET \t/ HTTP/1.1"),
        line("GET / \tHTTP/1.1"), line("GET\x0b/ HTTP/1.1"), line("GET\x0c/ HTTP/1.1"),
    ] => refused(400);
    "nothing stands before or behind the parts of a request line": [
        line(" GET / HTTP/1.1"), line("\tGET / HTTP/1.1"), line("GET / HTTP/1.1 "),
        line("GET / HTTP/1.1\t"), line("GET / HTTP/1.1 x"), line("GET / / HTTP/1.1"),
        line("GET /a b HTTP/1.1"), line("GET / HTTP/1.1 HTTP/1.1"),
    ] => refused(400);
    "a request line has three parts": [
        line("GET"), line("GET "), line("GET /"), line("GET / "), line("GET HTTP/1.1"),
        line("GET  HTTP/1.1"), line("/ HTTP/1.1"), line(" / HTTP/1.1"), line("HTTP/1.1"),
    ] => refused(400);
    "HTTP/0.9 is refused":
        ["GET /\r\n", "GET / \r\n", "GET\r\n", "GET /\r\n\r\n", "GET /index.html\r\n"]
        => refused(400);
    "control characters in a request line are refused": [
        line("GE\0T / HTTP/1.1"), line("GET /\0 HTTP/1.1"), line("GET / HTTP/1.1\0"),
        line("GET /\x7f HTTP/1.1"), line("GET /\x01 HTTP/1.1"), line("GET /\x1b HTTP/1.1"),
        line("G\x08T / HTTP/1.1"), line("GET / HT\0TP/1.1"),
    ] => refused(400);
    "a target of 8000 octets is served": [
        line(&format!("GET /?{} HTTP/1.1", "a".repeat(7998))),
        line(&format!("GET http://a/?{} HTTP/1.1", "a".repeat(7989))),
    ] => kept([hello()]);
    "a target that is longer than the limit is refused with 414": [
        line(&format!("GET /?{} HTTP/1.1", "a".repeat(7999))),
        line(&format!("GET /?{} HTTP/1.1", "a".repeat(70_000))),
        format!("GET /{}", "a".repeat(8000)),
        format!("GET /{}", "a".repeat(100_000)),
        format!("{}\r\nHost: a\r\n\r\n", "GET /".to_owned() + &"a".repeat(8001)),
    ] => refused(414);
}

table! { method, "RFC 9112 3.1";
    "a method is case-sensitive: get is another one than GET": [
        line("get / HTTP/1.1"), line("Get / HTTP/1.1"), line("gET / HTTP/1.1"),
        line("head / HTTP/1.1"), line("post / HTTP/1.1"),
    ] => kept([answer(501).content("unknown method")]);
    "a method is a token": [
        line("G@T / HTTP/1.1"), line("GET: / HTTP/1.1"), line("\"GET\" / HTTP/1.1"),
        line("G,T / HTTP/1.1"), line("G/T / HTTP/1.1"), line("{} / HTTP/1.1"),
        line("GE(T) / HTTP/1.1"), line("G;T / HTTP/1.1"), line("[GET] / HTTP/1.1"),
        line("G\\T / HTTP/1.1"), line("<GET> / HTTP/1.1"), line("G=T / HTTP/1.1"),
    ] => refused(400);
    "a method that is longer than any is refused with 501": [
        line(&format!("{} / HTTP/1.1", "M".repeat(1000))), "M".repeat(1000), "M".repeat(100_000),
        line(&format!("{} / HTTP/1.1", "M".repeat(70_000))),
    ] => refused(501);
}

table! { status_line, "RFC 9112 4";
    "a status line has a reason, which may be empty": [
        line("GET / HTTP/1.1"), line("GET /299 HTTP/1.1"), line("GET /404 HTTP/1.1"),
    ] => kept([any()]);
    "a status line says HTTP/1.1, whatever the request says":
        ["GET / HTTP/1.0\r\n\r\n".to_owned(), get("Connection: close").replace("1.1", "1.7")]
        => closed([hello()]);
}

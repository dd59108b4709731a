//! RFC 9110 sections 9, 10 and 15: methods, expectations and statuses.

use crate::case::{
    Case, Expected, PROBE, answer, any, chunked, closed, echo, get, hello, hiding, kept, line,
    post, refusal, refused, table, unannounced,
};

pub(crate) fn cases() -> Vec<Case> {
    [
        methods(),
        get_method(),
        head(),
        others(),
        connect(),
        options(),
        trace(),
        expect(),
        te(),
        allow(),
        statuses(),
        interim(),
        switching(),
        no_content(),
        reset_content(),
        not_modified(),
        client_errors(),
        too_large(),
        server_errors(),
    ]
    .concat()
}

table! { methods, "RFC 9110 9.1";
    "a method that the core does not know reaches the handler": [
        line("PROPFIND / HTTP/1.1"), line("M-SEARCH / HTTP/1.1"), line("X / HTTP/1.1"),
        line("VERSION-CONTROL / HTTP/1.1"), line("get / HTTP/1.1"), line("GETS / HTTP/1.1"),
        line(&format!("{} / HTTP/1.1", "X".repeat(100))),
    ] => kept([answer(501).content("unknown method")]);
}

table! { get_method, "RFC 9110 9.3.1";
    "content of a GET is delimited, and is no request": [
        hiding("GET / HTTP/1.1", ""),
    ] => kept([hello()]);
}

table! { head, "RFC 9110 9.3.2";
    "a response to HEAD has the fields of GET's, and no content": [
        line("HEAD / HTTP/1.1"), "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".into(),
    ] => kept([answer(200).with("content-length", "5").with("content-type", "text/plain")
            .for_head()]);
    "a response to HEAD tells that GET's would be in chunks": line("HEAD /stream HTTP/1.1")
        => kept([answer(200).with("transfer-encoding", "chunked").for_head()]);
    "a refusal of a HEAD has no content": [
        "HEAD / HTTP/1.1\r\n\r\n", "HEAD / HTTP/1.1\nHost: a\n\n", "HEAD /\r\n", "HEAD  /",
        "HEAD / HTTP/1.1\r\nHost: a\r\nA\r\n\r\n", "\r\nHEAD / HTTP/1.1\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "HEAD * HTTP/1.1\r\nHost: a\r\n\r\n",
    ] => closed([refusal(400).for_head()]).dispatches(0);
    "a refusal of a HEAD has no content, also behind another request": [
        format!("{}HEAD / HTTP/1.1\r\n\r\n", line("GET / HTTP/1.1")),
    ] => closed([hello(), refusal(400).for_head()]).dispatches(1);
    "a refusal of a GET behind a HEAD has content": [
        format!("{}GET / HTTP/1.1\r\n\r\n", line("HEAD / HTTP/1.1")),
    ] => closed([answer(200).for_head(), refusal(400).content("missing or invalid Host\n")])
        .dispatches(1);
    "content of a HEAD is delimited, and is no request": [
        hiding("HEAD / HTTP/1.1", ""),
    ] => kept([answer(200).for_head()]);
    "a HEAD whose handler fails is answered without content": line("HEAD /fails HTTP/1.1")
        => closed([refusal(500).for_head()]).dispatches(1);
}

table! { others, "RFC 9110 9.3.3";
    "POST, PUT, PATCH and DELETE bring content": [
        post("Content-Length: 3", "abc"), post("Content-Length: 3", "abc").replace("POST", "PUT"),
        post("Content-Length: 3", "abc").replace("POST", "PATCH"),
        post("Content-Length: 3", "abc").replace("POST", "DELETE"),
    ] => kept([echo("abc")]);
}

table! { connect, "RFC 9110 9.3.6";
    "CONNECT names a host and a port": [
        line("CONNECT a HTTP/1.1"), line("CONNECT a: HTTP/1.1"), line("CONNECT a:0 HTTP/1.1"),
        line("CONNECT a:65536 HTTP/1.1"), line("CONNECT a:b HTTP/1.1"),
        line("CONNECT :80 HTTP/1.1"),
        line("CONNECT a:-1 HTTP/1.1"), line("CONNECT [::1] HTTP/1.1"), line("CONNECT 80 HTTP/1.1"),
    ] => refused(400);
    "CONNECT that the handler does not allow is answered like any request": [
        line("CONNECT a:80 HTTP/1.1"), line("CONNECT [::1]:443 HTTP/1.1"),
    ] => kept([answer(405).with("content-length", "8").content("not here")]);
    "a 2xx to CONNECT has neither length nor coding, and what follows is no request": [
        line("CONNECT tunnel:1 HTTP/1.1"), format!("{}{PROBE}", line("CONNECT tunnel:1 HTTP/1.1")),
    ] => closed([answer(200).without("content-length").without("transfer-encoding").for_connect()]);
}

table! { options, "RFC 9110 9.3.7";
    "OPTIONS asks about a target or about the server": [
        line("OPTIONS / HTTP/1.1"), line("OPTIONS * HTTP/1.1"), line("OPTIONS http://a/ HTTP/1.1"),
    ] => kept([answer(204).has("allow")]);
}

table! { trace, "RFC 9110 9.3.8";
    "TRACE reflects nothing by itself": [
        line("TRACE / HTTP/1.1"), "TRACE / HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n".into(),
    ] => kept([answer(405).content("not here").has("allow")]);
}

const LENGTH: &str = "Content-Length: 3";

/// A POST with this expectation.
fn expecting(expectation: &str) -> String {
    post(&format!("Expect: {expectation}\r\n{LENGTH}"), "abc")
}

table! { expect, "RFC 9110 10.1.1";
    "100 Continue is sent once the handler asks for content": [
        expecting("100-continue"), expecting("100-Continue"), expecting("100-CONTINUE"),
        expecting(" \t100-continue\t "), expecting(",100-continue,"),
        expecting("100-continue, 100-continue"),
        post("Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 3", "abc"),
        post("Expect: 100-continue\r\nTransfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n"),
    ] => kept([answer(100).without("date").without("content-length")
            .without("connection"), echo("abc")]);
    "100 Continue is sent before the content comes":
        post("Expect: 100-continue\r\nContent-Length: 3", "") => kept_waiting();
    "no 100 Continue is sent unless it is expected": [
        post(LENGTH, "abc"), post(&format!("Expect:\r\n{LENGTH}"), "abc"), expecting(","),
        post(&format!("X-Expect: 100-continue\r\n{LENGTH}"), "abc"),
    ] => kept([echo("abc")]);
    "no 100 Continue is sent where no content follows": [
        post("Expect: 100-continue", ""), post("Expect: 100-continue\r\nContent-Length: 0", ""),
    ] => kept([echo("")]);
    "an expectation is ignored in HTTP/1.0": [
        "POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        "POST /echo HTTP/1.0\r\nExpect: other\r\nContent-Length: 3\r\n\r\nabc",
    ] => closed([echo("abc")]);
    "another expectation is refused with 417": [
        expecting("other"), expecting("100"), expecting("100-continued"),
        expecting("100-continue;a=b"),
        expecting("100-continue=a"), expecting("100-continue, other"),
        expecting("\"100-continue\""),
        expecting("200-ok"), expecting("100 continue"), get("Expect: other"),
        post("Expect: 100-continue\r\nExpect: other\r\nContent-Length: 3", "abc"),
    ] => refused(417);
    "a final answer instead of 100 Continue closes the connection": [
        format!("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{LENGTH}\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{LENGTH}\r\n\r\nabc"),
    ] => closed([hello().with("connection", "close")]);
    "a final answer instead of 100 Continue takes no content for a request": [
        hiding("POST /leave HTTP/1.1", "\r\nExpect: 100-continue"),
        hiding("POST /404 HTTP/1.1", "\r\nExpect: 100-continue"),
    ] => closed([any().with("connection", "close")]);
    "too much content is refused before it is invited": [
        post("Expect: 100-continue\r\nContent-Length: 100001", ""),
    ] => refused(413);
    "a framing error is refused before content is invited": [
        post("Expect: 100-continue\r\nContent-Length: 3, 3", ""),
        post("Expect: 100-continue\r\nContent-Length: 3\r\nTransfer-Encoding: chunked", ""),
    ] => refused(400);
}

/// 100 Continue, and then the server waits for the content.
fn kept_waiting() -> Expected {
    unannounced([answer(100)]).dispatches(1).half_closed()
}

table! { te, "RFC 9110 10.1.4";
    "TE is no content coding": [
        get("TE: trailers"), get("TE: gzip;q=1, trailers\r\nConnection: TE"), get("TE:"),
    ] => kept([hello().without("transfer-encoding")]);
}

table! { allow, "RFC 9110 10.2.1";
    "a 405 says what is allowed": [line("TRACE / HTTP/1.1"), line("CONNECT a:1 HTTP/1.1")]
        => kept([answer(405).with("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")]);
}

table! { statuses, "RFC 9110 15";
    "a status that has no name has no reason": line("GET /299 HTTP/1.1")
        => kept([answer(299).content("hello")]);
    "a status that is none is answered with 500": line("GET /600 HTTP/1.1")
        => closed([refusal(500)]).dispatches(1);
}

table! { interim, "RFC 9110 15.2";
    "no interim response is sent to a client that speaks HTTP/1.0": [
        "POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        "POST /echo HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue, 100-continue\r\n\r\nabc",
    ] => closed([echo("abc")]);
    "an interim response ends with its head": [
        expecting("100-continue"),
    ] => kept([answer(100).content("").without("transfer-encoding"), echo("abc")]);
}

table! { switching, "RFC 9110 15.2.2";
    "no protocol is switched to unless the handler does so": [
        get("Connection: upgrade\r\nUpgrade: websocket"),
    ] => kept([hello()]);
}

table! { no_content, "RFC 9110 15.3.5";
    "a 204 ends with its head": [line("GET /204 HTTP/1.1"), line("OPTIONS / HTTP/1.1")]
        => kept([answer(204).without("content-length").without("transfer-encoding").content("")]);
}

table! { reset_content, "RFC 9110 15.3.6";
    "a 205 has no content": line("GET /205 HTTP/1.1")
        => kept([answer(205).with("content-length", "0").content("")]);
}

table! { not_modified, "RFC 9110 15.4.5";
    "a 304 ends with its head, and has the handler's fields": line("GET /304 HTTP/1.1")
        => kept([answer(304).with("etag", "\"a\"").without("transfer-encoding").content("")]);
}

table! { client_errors, "RFC 9110 15.5";
    "an error says what is wrong":
        "GET / HTTP/1.1\r\n\r\n"
        => closed([refusal(400).content("missing or invalid Host\n")]).dispatches(0);
    "413: content that is announced as too large is refused, and closes": [
        post("Content-Length: 100001", "abc"), post("Content-Length: 99999999999", ""),
    ] => refused(413);
    "413: content that turns out too large is refused, and closes": [
        chunked(&format!("186a1\r\n{}\r\n0\r\n\r\n", "a".repeat(100_001))),
        chunked(&format!("186a0\r\n{}\r\n1\r\na\r\n", "a".repeat(100_000))),
    ] => closed([refusal(413)]).dispatches(1);
    "414: a target that is too long is refused, and closes": [
        line(&format!("GET /{} HTTP/1.1", "a".repeat(8000))), format!("GET /{}", "a".repeat(8000)),
    ] => refused(414);
    "417: an expectation that cannot be met is refused": get("Expect: x") => refused(417);
    "426: an upgrade that is demanded is named": line("GET /426 HTTP/1.1")
        => kept([answer(426).with("upgrade", "a/1").content("upgrade")]);
}

table! { too_large, "RFC 6585 5";
    "431: fields that are too large are refused, and close":
        [get(&format!("A: {}", "b".repeat(70_000))), get(&"A: b\r\n".repeat(200))] => refused(431);
}

table! { server_errors, "RFC 9110 15.6";
    "500: a handler that fails is answered for": line("GET /fails HTTP/1.1")
        => closed([refusal(500)]).dispatches(1);
    "501: a transfer coding that is not implemented is refused":
        post("Transfer-Encoding: gzip, chunked", "") => refused(501);
    "501: a method that is longer than any is refused":
        line(&format!("{} / HTTP/1.1", "X".repeat(500))) => refused(501);
    "505: another major version is refused, and told which are spoken": [
        line("GET / HTTP/2.0"), line("GET / HTTP/3.0"), line("GET / HTTP/0.9"),
        line("GET / HTTP/9.9"),
        line("GET / HTTP/2.1"), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(),
        "GET / HTTP/2.0\r\n\r\n".into(),
    ] => closed([refusal(505).content("HTTP version not supported, use HTTP/1.1 or HTTP/1.0\n")])
        .dispatches(0);
}

//! RFC 9112 sections 9 and 11: connections.

use crate::case::{
    Case, PROBE, answer, chunked, closed, echo, get, hello, hiding, kept, post, refusal, refused,
    table, unannounced, waits,
};

pub(crate) fn cases() -> Vec<Case> {
    [
        associating(),
        persistence(),
        reading(),
        retrying(),
        pipelining(),
        failures(),
        tear_down(),
        tls(),
        splitting(),
        smuggling(),
    ]
    .concat()
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn get_1_0(fields: &str) -> String {
    format!("GET / HTTP/1.0\r\n{fields}\r\n")
}

table! { associating, "RFC 9112 9.2";
    "responses come in the order of their requests": [
        format!("{GET}GET /404 HTTP/1.1\r\nHost: a\r\n\r\n{GET}{}", post("Content-Length: 1", "x")),
    ] => kept([hello(), answer(404), hello(), echo("x")]);
    "an interim response precedes the final response to the same request": [
        format!("{GET}{}{GET}", post("Expect: 100-continue\r\nContent-Length: 1", "x")),
    ] => kept([hello(), answer(100), echo("x"), hello()]);
}

table! { persistence, "RFC 9112 9.3";
    "a connection is kept in HTTP/1.1":
        [GET.to_owned(), get("Connection: keep-alive"), get("Connection: x, y"), get("Connection:")]
        => kept([hello().without("connection")]);
    "close is an option in any case and place": [
        get("Connection: close"), get("connection: CLOSE"), get("Connection: x, Close"),
        get("Connection: close, x"), get("Connection:close"), get("Connection:\tclose\t"),
        get("Connection: x ,\tclose\t, y"), get("Connection: ,close"), get("Connection: close,"),
        get("Connection: x\r\nConnection: close"), get("Connection: keep-alive, close"),
        get("Connection: close, keep-alive"), get("Connection: close\r\nConnection: keep-alive"),
    ] => closed([hello().with("connection", "close")]);
    "what only looks like close is no close": [
        get("Connection: closed"), get("Connection: xclose"), get("Connection: \"close\""),
        get("Connection: close;a"), get("Connection: clos"), get("Connection: x close"),
        get("Proxy-Connection: close"), get("X-Connection: close"), get("Keep-Alive: close"),
    ] => kept([hello().without("connection")]);
    "a connection is closed in HTTP/1.0": [
        get_1_0(""), get_1_0("Host: a\r\n"), get_1_0("Connection: x\r\n"),
        get_1_0("Connection: close\r\n"), get_1_0("Proxy-Connection: keep-alive\r\n"),
        get_1_0("Connection: keep-alive, close\r\n"), get_1_0("Keep-Alive: timeout=5\r\n"),
        get_1_0("Connection: \"keep-alive\"\r\n"),
    ] => closed([hello().with("connection", "close").with("content-length", "5")]);
    "keep-alive keeps a connection in HTTP/1.0": [
        get_1_0("Connection: keep-alive\r\n"), get_1_0("Connection: Keep-Alive\r\n"),
        get_1_0("connection: x,\tKEEP-ALIVE\r\n"), get_1_0("Connection:keep-alive\r\n"),
    ] => kept([hello().with("connection", "keep-alive")]);
    "a handler's close is heeded": "GET /close HTTP/1.1\r\nHost: a\r\n\r\n"
        => closed([echo("bye").with("connection", "close")]);
    "the connection's own fields are not the handler's":
        "GET /hop-by-hop HTTP/1.1\r\nHost: a\r\n\r\n"
        => kept([hello().with("content-length", "5").with("x-own", "kept").without("connection")
            .without("keep-alive").without("proxy-connection").without("transfer-encoding")]);
}

table! { reading, "RFC 9112 9.3";
    "content that the handler does not read is not taken for a request": [
        hiding("POST / HTTP/1.1", ""), hiding("GET / HTTP/1.1", ""),
        hiding("DELETE / HTTP/1.1", ""),
    ] => kept([hello()]);
    "content that the handler leaves is not taken for a request": [
        hiding("POST /leave HTTP/1.1", ""), hiding("GET /leave HTTP/1.1", ""),
    ] => kept([answer(403)]);
    "a connection is closed if too much content would have to be skipped": [
        post("Content-Length: 70000", &"x".repeat(70_000)).replace("/echo", "/"),
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n{PROBE}"),
    ] => closed([hello().with("connection", "close")]);
    "an error in content that is skipped ends the connection after the response": [
        "POST /leave HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "POST /leave HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n",
    ] => unannounced([answer(403)]);
}

table! { retrying, "RFC 9112 9.3.1";
    "a connection that ends before a response has given none of it": [
        post("Content-Length: 3", "ab"),
    ] => waits().dispatches(1);
}

table! { pipelining, "RFC 9112 9.3.2";
    "pipelined requests are all answered, in order": [
        GET.repeat(3),
    ] => kept([hello(), hello(), hello()]);
    "pipelined requests with content are told apart": [
        format!("{}{}{GET}", post("Content-Length: 3", "abc"), chunked("3\r\ndef\r\n0\r\n\r\n")),
    ] => kept([echo("abc"), echo("def"), hello()]);
    "pipelined requests behind a close are not served": [
        format!("{}{GET}{GET}", get("Connection: close")),
        format!("{}\r\n{GET}", get("Connection: close")),
    ] => closed([hello()]);
    "pipelined requests of a half-closed client are all answered": [
        GET.repeat(2),
    ] => closed([hello(), hello()]).half_closed();
    "a bad request behind good ones is refused after their answers": [
        format!("{GET}GET / HTTP/1.1\r\n\r\n{GET}"), format!("{GET}GET /\r\n{GET}"),
    ] => closed([hello(), refusal(400)]).dispatches(1);
}

table! { failures, "RFC 9112 9.5";
    "a half-closed client gets its answer": [
        GET.to_owned(), get_1_0(""), post("Content-Length: 3", "abc").replace("/echo", "/"),
        get("Connection: close"), get("Connection: keep-alive"),
    ] => closed([hello()]).half_closed();
    "a half-closed client gets the answer to its content": [
        post("Content-Length: 3", "abc"), chunked("3\r\nabc\r\n0\r\n\r\n"),
    ] => closed([echo("abc")]).half_closed();
    "a half-closed client gets an answer whose length is not known": [
        "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", "GET /stream HTTP/1.0\r\n\r\n",
    ] => closed([echo("hello, world")]).half_closed();
    "a half-closed client gets its refusal": [
        "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.x\r\n\r\n",
    ] => refused(400).half_closed();
}

table! { tear_down, "RFC 9112 9.6";
    "octets behind a close are ignored": [
        format!("{}{GET}", get("Connection: close")),
        format!("{}garbage\0", get("Connection: close")),
        format!("{}{}", get("Connection: close"), "x".repeat(100_000)),
        format!("{}\r\n\r\n\r\n", get("Connection: close")),
    ] => closed([hello().with("connection", "close")]);
    "octets behind a request in HTTP/1.0 are ignored": [
        format!("{}{GET}", get_1_0("")), format!("{}garbage\0", get_1_0("")),
    ] => closed([hello().with("connection", "close")]);
    "octets behind an error are ignored": [
        format!("GET / HTTP/1.1\r\n\r\n{GET}"), format!("GET / HTTP/1.1\nHost: a\r\n\r\n{GET}"),
        format!("GET / HTTP/1.1\r\n\r\n{}", "x".repeat(300_000)),
    ] => refused(400);
    "close is announced with the last response": [
        format!("{GET}{}", get("Connection: close")),
    ] => closed([hello().without("connection"), hello().with("connection", "close")]);
}

table! { tls, "RFC 9112 9.7";
    "a TLS handshake on a port without TLS is refused": [
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03".to_vec(), b"\x16\x03\x03".to_vec(),
    ] => refused(400);
}

table! { splitting, "RFC 9112 11.1";
    "what a client sends cannot split a response": [
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 25\r\n\r\nHTTP/1.1 200 OK\r\n\r\n<html>",
    ] => kept([echo("HTTP/1.1 200 OK\r\n\r\n<html>").with("content-length", "25")]);
}

table! { smuggling, "RFC 9112 11.2";
    "a request behind an ambiguous one is never served": [
        post("Content-Length: 3\r\nTransfer-Encoding: chunked", &format!("0\r\n\r\n{GET}")),
        post("Content-Length: 0\r\nContent-Length: 27", GET), post("Content-Length: 0, 27", GET),
        post("Content-Length: 27\r\n Content-Length: 0", GET),
        post("Transfer-Encoding: xchunked", &format!("0\r\n\r\n{GET}")),
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", &format!("0\r\n\r\n{GET}")),
        post("Transfer-Encoding : chunked", &format!("0\r\n\r\n{GET}")),
        post("Transfer-Encoding:\r\n chunked", &format!("0\r\n\r\n{GET}")),
        post("A: b\nTransfer-Encoding: chunked", &format!("0\r\n\r\n{GET}")),
        post("A: b\rTransfer-Encoding: chunked", &format!("0\r\n\r\n{GET}")),
        post("Content-Length: 0\r\nTransfer_Encoding : chunked", GET),
        post("Content-Length: 0\r\n\0: x", GET), post("Content-Length: 0\r\n: x", GET),
    ] => refused(400);
    "a request behind a broken chunk is never served": [
        chunked(&format!("0\n\r\n{GET}")), chunked(&format!("3\r\nabc\n0\r\n\r\n{GET}")),
        chunked(&format!("3;a\n{GET}")), chunked(&format!("0\r\nA: b\n\r\n{GET}")),
        chunked(&format!("2;\n\r\nxx\r\n{GET}")), chunked(&format!("0\r\n{GET}")),
        chunked(&format!("-1\r\n{GET}")), chunked(&format!("10000000000000000\r\n{GET}")),
    ] => closed([refusal(400)]).dispatches(1);
}

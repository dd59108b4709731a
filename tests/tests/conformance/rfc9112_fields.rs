//! RFC 9112 section 5: field lines.

use crate::case::{Case, echo, get, hello, kept, post, refused, table};

pub(crate) fn cases() -> Vec<Case> {
    [field_lines(), parsing(), folding()].concat()
}

table! { field_lines, "RFC 9112 5";
    "a field line is a name, a colon and a value": [
        get("A"), get("A b"), get(":"), get(": b"), get(":b"), get("A b: c"), get("=: a"),
        get("A\u{e9}: b"), get("A(b): c"), get("\"A\": b"), get("A/b: c"), get("A@b: c"),
        get("A\0: b"), get("A\x7f: b"), get("{A}: b"), get("A[]: b"), get("A;b: c"), get("A,B: c"),
    ] => refused(400);
    "an empty field name is refused": [get(": a"), get(":"), get(" : a")] => refused(400);
    "any token is a field name": [
        get("A: b"), get("a-b_c: d"), get("!#$%&'*+-.^_`|~09: a"), get("X: y"), get("1: 2"),
    ] => kept([hello()]);
    "a value may be empty": [get("A:"), get("A: "), get("A:\t \t")] => kept([hello()]);
    "a value may hold colons, and octets above ASCII": [
        get("A: b:c:d").into_bytes(), get("A::").into_bytes(), get("A: \u{e9}").into_bytes(),
        b"GET / HTTP/1.1\r\nHost: a\r\nA: \xff\x80\xa0\r\n\r\n".to_vec(),
    ] => kept([hello()]);
}

table! { parsing, "RFC 9112 5.1";
    "white space between a name and its colon is refused": [
        get("A : b"), get("A\t: b"), get("A  : b"), get("Content-Length : 3"),
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n".into(), "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n".into(),
        post("Transfer-Encoding : chunked", "0\r\n\r\n"), post("Content-Length\t: 3", "abc"),
    ] => refused(400);
    "white space around a value is no part of it": [
        "GET / HTTP/1.1\r\nHost:a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\ta\r\n\r\n", "GET / HTTP/1.1\r\nHost: \t  a \t \r\n\r\n",
    ] => kept([hello().with("x-authority", "a")]);
    "white space around a length is no part of it": [
        post("Content-Length:3", "abc"), post("Content-Length:  3  ", "abc"),
        post("Content-Length:\t3\t", "abc"), post("Content-Length: \t3 \t", "abc"),
    ] => kept([echo("abc")]);
    "white space around a coding is no part of it": [
        post("Transfer-Encoding:chunked", "3\r\nabc\r\n0\r\n\r\n"),
        post("Transfer-Encoding: \tchunked\t ", "3\r\nabc\r\n0\r\n\r\n"),
    ] => kept([echo("abc")]);
    "other white space is none": [
        post("Content-Length: \x0b3", "abc"), post("Content-Length: 3\x0c", "abc"),
        post("Transfer-Encoding: \x0bchunked", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked\x0c", "0\r\n\r\n"),
        post("Content-Length: \u{a0}3", "abc"), post("Transfer-Encoding: \u{a0}chunked", ""),
    ] => refused(400);
}

table! { folding, "RFC 9112 5.2";
    "a folded line is refused": [
        get("A: b\r\n c"), get("A: b\r\n\tc"), get("A:\r\n b"), get("A: b\r\n "),
        get("A: b\r\n  \r\n c"),
        get("A: b\r\n C: d"), get("A: b\r\n Content-Length: 5"),
        post("Transfer-Encoding:\r\n chunked", "0\r\n\r\n"), post("Content-Length: 3\r\n 0", "abc"),
        "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n".into(),
        "GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n".into(),
    ] => refused(400);
}

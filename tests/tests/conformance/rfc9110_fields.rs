//! RFC 9110 sections 2 to 8: versions, fields, content and routing.

use crate::case::{
    Case, Expected, answer, any, chunked, closed, echo, get, hello, kept, line, post, refusal,
    refused, table,
};

pub(crate) fn cases() -> Vec<Case> {
    [
        version(),
        uri(),
        userinfo(),
        names(),
        order(),
        limits(),
        values(),
        lists(),
        tokens(),
        white_space(),
        quoted(),
        dates(),
        content(),
        trailers(),
        date(),
        host(),
        misdirected(),
        connection(),
        upgrade(),
        content_length(),
    ]
    .concat()
}

table! { version, "RFC 9110 2.5";
    "a later minor version is read as HTTP/1.1, and answered in it": [
        line("GET / HTTP/1.2"), line("GET / HTTP/1.9"),
    ] => kept([hello().without("connection")]);
    "a later minor version may use chunks": [
        chunked("3\r\nabc\r\n0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.2"),
    ] => kept([echo("abc")]);
    "an earlier minor version is answered in HTTP/1.1":
        "GET / HTTP/1.0\r\n\r\n" => closed([hello()]);
}

table! { uri, "RFC 9110 4.2.1";
    "an http URI has a host": [
        line("GET http:///a HTTP/1.1"), line("GET https://?a HTTP/1.1"),
        line("GET http://:1 HTTP/1.1"),
    ] => refused(400);
}

table! { userinfo, "RFC 9110 4.2.4";
    "a user name in an http URI is refused": [
        line("GET http://u@a/ HTTP/1.1"), line("GET http://u:p@a/ HTTP/1.1"),
        line("GET https://u@a/ HTTP/1.1"), line("GET http://@a/ HTTP/1.1"),
        line("GET http://a.example:80@b/ HTTP/1.1"),
    ] => refused(400);
}

table! { names, "RFC 9110 5.1";
    "a name is the same in any case": [
        "POST /echo HTTP/1.1\r\nHOST: a\r\nCONTENT-LENGTH: 3\r\n\r\nabc",
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
        "POST /echo HTTP/1.1\r\nhOsT: a\r\ntRANSFER-eNCODING: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ] => kept([echo("abc").with("x-authority", "a")]);
    "fields that nobody knows are ignored":
        get("X-Nobody-Knows: this\r\nNor: that\r\nNor: that") => kept([hello()]);
}

table! { order, "RFC 9110 5.3";
    "a list may be spread over several lines": [
        get("Connection: a\r\nConnection: close\r\nConnection: b"),
        get("Connection: a\r\nX: y\r\nconnection: b, close"),
    ] => closed([hello()]);
    "Host need not come first": "GET / HTTP/1.1\r\nA: b\r\nC: d\r\nHost: e\r\n\r\n"
        => kept([hello().with("x-authority", "e")]);
}

table! { limits, "RFC 9110 5.4";
    "as many fields as the limit allows are served":
        get("A: b\r\n".repeat(99).trim_end()) => kept([hello()]);
    "more fields than the limit allows are refused with 431": [
        get("A: b\r\n".repeat(100).trim_end()), get(&"A: b\r\n".repeat(5000)),
    ] => refused(431);
    "a head as large as the limit allows is served": [
        get(&format!("A: {}", "b".repeat(65_536 - 32))), get(&format!("{}: b", "A".repeat(60_000))),
    ] => kept([hello()]);
    "a head that is larger than the limit is refused with 431": [
        get(&format!("A: {}", "b".repeat(65_537 - 32))), get(&format!("{}: b", "A".repeat(70_000))),
        get(&format!("A: {}", "b".repeat(70_000))), get(&"A: bcdefghijklmno\r\n".repeat(20_000)),
        format!("GET / HTTP/1.1\r\nHost: {}", "a".repeat(70_000)),
        format!("GET / HTTP/1.1\r\n{}", "a".repeat(70_000)),
    ] => refused(431);
}

table! { values, "RFC 9110 5.5";
    "CR, LF and NUL in a value are refused": [
        get("A: b\0c"), get("A: \0"), get("A: b\0"), get("A: b\rc"), get("A: b\r"), get("A: b\nc"),
        get("A: \n"), get("A: b\nC: d"),
    ] => refused(400);
    "other control characters in a value are refused": [
        get("A: \x01"), get("A: b\x07c"), get("A: b\x08"), get("A: \x0b"), get("A: b\x0cc"),
        get("A: \x1b[0m"), get("A: \x1f"), get("A: b\x7f"),
    ] => refused(400);
    "tabs and spaces within a value are part of it":
        [get("A: b \t c"), get("A: b\tc")] => kept([hello()]);
    "white space before and behind a value does not count":
        [post("Content-Length: \t 3\t ", "abc")] => kept([echo("abc")]);
}

table! { lists, "RFC 9110 5.6.1";
    "empty list elements are ignored": [
        get("Connection: ,,close,,"), get("Connection: , , close"), get("Connection: close,\t,"),
        get("Connection: \t,\tclose"), get("Connection:\r\nConnection: ,\r\nConnection: close"),
    ] => closed([hello()]);
    "a list of nothing is no option": [
        get("Connection: ,"), get("Connection: , ,\t,"), get("Connection:"), get("Expect: ,"),
    ] => kept([hello()]);
    "empty elements of a coding list are ignored": [
        post("Transfer-Encoding: , ,chunked,", "3\r\nabc\r\n0\r\n\r\n"),
    ] => kept([echo("abc")]);
}

table! { tokens, "RFC 9110 5.6.2";
    "all characters of a token make a method and a name": [
        "!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~09azAZ: b\r\n\r\n",
    ] => kept([answer(501).with("x-method", "!#$%&'*+-.^_`|~09azAZ")]);
    "a delimiter is part of no name": [
        get("(: a"), get("): a"), get("<: a"), get(">: a"), get("@: a"), get(",: a"), get(";: a"),
        get("\\: a"), get("\": a"), get("/: a"), get("[: a"), get("]: a"), get("?: a"), get("=: a"),
        get("{: a"), get("}: a"), get("\x7f: a"), get("\u{80}: a"),
    ] => refused(400);
}

table! { white_space, "RFC 9110 5.6.3";
    "optional white space is spaces and tabs, any number of them": [
        get("Connection: \t \t close \t \t"), get(&format!("Connection:{}close", " ".repeat(1000))),
        get("Connection:close"), get("Connection: x \t , \t close"),
    ] => closed([hello()]);
    "bad white space around the parts of a chunk extension is ignored":
        chunked("3 \t ;\t a\t =  b\r\nabc\r\n0\r\n\r\n") => kept([echo("abc")]);
}

table! { quoted, "RFC 9110 5.6.4";
    "a quoted string may hold delimiters and quoted pairs": [
        chunked("3;a=\";,=\\\"\\\\\\a \t\u{e9}\"\r\nabc\r\n0\r\n\r\n"),
    ] => kept([echo("abc")]);
    "a comma in a quoted string makes no option of what stands behind it": [
        get("Connection: \"a, closed\""), get("X: \"a, close\""),
    ] => kept([hello()]);
}

table! { dates, "RFC 9110 5.6.7";
    "a date that a client sends, however malformed, is not our concern": [
        get("Date: yesterday"), get("If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT"),
        get("Date:"),
    ] => kept([hello()]);
}

table! { content, "RFC 9110 6.4.1";
    "a response to HEAD has no content, however it is delimited": [
        "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n",
        "HEAD /404 HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /426 HTTP/1.1\r\nHost: a\r\n\r\n",
    ] => kept([any().for_head()]);
    "a 204, a 205 and a 304 have no content, whatever the handler gives": [
        "GET /204 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /205 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /304 HTTP/1.1\r\nHost: a\r\n\r\n",
    ] => kept([any().content("")]);
    "more content than the handler declared is cut": "GET /long HTTP/1.1\r\nHost: a\r\n\r\n"
        => kept([hello().with("content-length", "5")]);
}

table! { trailers, "RFC 9110 6.5";
    "trailers reach the handler, apart from the fields": [
        chunked("3\r\nabc\r\n0\r\nX-Check: 1\r\n\r\n"),
    ] => kept([echo("abc").with("x-trailers", "x-check=1")]);
    "fields of framing, routing and persistence in a trailer section have no effect": [
        chunked("3\r\nabc\r\n0\r\nHost: evil\r\nContent-Length: 9\r\nConnection: close\r\n\r\n"),
        chunked("3\r\nabc\r\n0\r\nTransfer-Encoding: gzip\r\nExpect: x\r\nUpgrade: x\r\n\r\n"),
    ] => kept([echo("abc").with("x-authority", "a")]);
}

table! { date, "RFC 9110 6.6.1";
    "every final response has a Date": [
        line("GET / HTTP/1.1"), line("GET /204 HTTP/1.1"), line("GET /304 HTTP/1.1"),
        line("GET /404 HTTP/1.1"), line("OPTIONS * HTTP/1.1"), line("MOO / HTTP/1.1"),
    ] => kept([any().has("date")]);
    "the server's own refusals have a Date": [
        "GET / HTTP/1.1\r\n\r\n", "GET /\r\n", "GET / HTTP/1.1\n",
    ] => refused_with_date(400);
    "a handler's own Date is sent, once": line("GET /date HTTP/1.1")
        => kept([echo("then").with("date", "Sun, 06 Nov 1994 08:49:37 GMT")]);
}

fn refused_with_date(status: u16) -> Expected {
    closed([refusal(status).has("date")]).dispatches(0)
}

table! { host, "RFC 9110 7.2";
    "a Host tells the handler for whom a request is":
        ["GET / HTTP/1.1\r\nHost: a.example:81\r\n\r\n"]
        => kept([hello().with("x-authority", "a.example:81")]);
    "HTTP/1.0 needs no Host, but a valid one if it has any": [
        "GET / HTTP/1.0\r\nHost: a b\r\n\r\n", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: u@a\r\n\r\n",
    ] => refused(400);
}

table! { misdirected, "RFC 9110 7.4";
    "which authorities are served is for the handler to say": [
        "GET / HTTP/1.1\r\nHost: unknown.example\r\n\r\n",
    ] => kept([hello().with("x-authority", "unknown.example")]);
    "an https target is refused over a connection that is not secured": [
        "GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET HTTPS://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    ] => refused(421);
}

table! { connection, "RFC 9110 7.6.1";
    "options that nobody knows are ignored":
        [get("Connection: a, b-c, keep-alive"), get("Connection: host")] => kept([hello()]);
    "fields that the connection names are fields like others":
        get("Connection: X-A\r\nX-A: b") => kept([hello()]);
    "the fields that a handler may not decide are not sent": line("GET /hop-by-hop HTTP/1.1")
        => kept([hello().without("keep-alive").without("proxy-connection")]);
}

table! { upgrade, "RFC 9110 7.8";
    "an upgrade that the handler does not make is ignored": [
        get("Connection: upgrade\r\nUpgrade: websocket"),
        get("Connection: Upgrade\r\nUpgrade: TLS/1.0"),
        get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk"),
        get("Upgrade: websocket"), get("Connection: upgrade"),
        get("Connection: upgrade\r\nUpgrade:"),
        get("Connection: upgrade\r\nUpgrade: a, b/1, c"),
    ] => kept([hello().without("upgrade").without("connection")]);
    "an upgrade is ignored in HTTP/1.0": [
        "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] => closed([hello().without("upgrade")]);
    "an upgrade does not change the framing of content": [
        post("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3", "abc"),
    ] => kept([echo("abc")]);
    "an upgrade waits for nothing that was promised": [
        post("Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 3\r\nExpect: 100-continue",
            "abc"),
    ] => kept([answer(100), echo("abc")]);
    "a response that offers an upgrade names it in Connection, too": line("GET /426 HTTP/1.1")
        => kept([answer(426).with("upgrade", "a/1").with("connection", "upgrade")]);
    "an offer to upgrade goes with a close": [
        "GET /426 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET /426 HTTP/1.0\r\n\r\n",
    ] => closed([answer(426).with("upgrade", "a/1").with("connection", "close, upgrade")]);
}

table! { content_length, "RFC 9110 8.6";
    "a length is one decimal number": [
        post("Content-Length: 3,3", "abc"), post("Content-Length: 3 , 3", "abc"),
        post("Content-Length: +3", "abc"), post("Content-Length: 0x03", "abc"),
        post("Content-Length: three", "abc"), post("Content-Length:", "abc"),
        get("Content-Length: x"), get("Content-Length: -1"),
    ] => refused(400);
    "a response that is there as a whole has its length": line("GET / HTTP/1.1")
        => kept([hello().with("content-length", "5").without("transfer-encoding")]);
    "an empty response has a length of zero": [
        post("Content-Length: 0", ""),
    ] => kept([echo("").with("content-length", "0")]);
    "a 204 and a 304 have no length": [line("GET /204 HTTP/1.1"), line("GET /304 HTTP/1.1")]
        => kept([any().without("content-length").content("")]);
    "HEAD tells the length that GET would have": line("HEAD / HTTP/1.1")
        => kept([answer(200).with("content-length", "5").for_head()]);
}

//! RFC 9112 sections 6 to 8: how content is delimited.

use crate::case::{
    Case, Expected, PROBE, answer, any, chunked, closed, echo, hello, hiding, kept, post, refusal,
    refused, table, waits,
};

pub(crate) fn cases() -> Vec<Case> {
    [
        body(),
        transfer_encoding(),
        content_length(),
        body_length(),
        chunks(),
        extensions(),
        trailers(),
        decoding(),
        compression(),
        te(),
        incomplete(),
    ]
    .concat()
}

table! { body, "RFC 9112 6";
    "content is there if the framing says so, whatever the method": [
        "GET /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "DELETE /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ] => kept([echo("abc")]);
    "content of a method that is not implemented is no request": [
        hiding("MOO / HTTP/1.1", ""), hiding("OPTIONS / HTTP/1.1", ""),
        hiding("TRACE / HTTP/1.1", ""), hiding("CONNECT a:1 HTTP/1.1", ""),
    ] => kept([any()]);
}

table! { transfer_encoding, "RFC 9112 6.1";
    "chunked is the coding that is known, in any case and list form": [
        chunked("3\r\nabc\r\n0\r\n\r\n"),
        post("transfer-encoding: CHUNKED", "3\r\nabc\r\n0\r\n\r\n"),
        post("Transfer-Encoding: ,chunked", "3\r\nabc\r\n0\r\n\r\n"),
        post("Transfer-Encoding: chunked, ,", "3\r\nabc\r\n0\r\n\r\n"),
        post("Transfer-Encoding:\r\nTransfer-Encoding: Chunked", "3\r\nabc\r\n0\r\n\r\n"),
    ] => kept([echo("abc")]);
    "Transfer-Encoding with Content-Length is answered and the connection closed": [
        post("Transfer-Encoding: chunked\r\nContent-Length: 3", "3\r\nabc\r\n0\r\n\r\n"),
        post("Content-Length: 3\r\nTransfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n"),
        post("Content-Length: 0\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        post("Transfer-Encoding: gzip, chunked\r\nContent-Length: 3", "abc"),
        post("Transfer-Encoding: identity\r\nContent-Length: 3", "abc"),
        post("Transfer-Encoding:\r\nContent-Length: 3", "abc"),
        post("Content-Length: 3\r\ntransfer-encoding: chunked", "0\r\n\r\n"),
    ] => refused(400);
    "Transfer-Encoding in HTTP/1.0 is a framing error": [
        "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
        "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST /echo HTTP/1.0\r\nTransfer-Encoding:\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
    ] => refused(400);
    "chunked that is not last is refused": [
        post("Transfer-Encoding: chunked, gzip", ""), post("Transfer-Encoding: gzip", ""),
        post("Transfer-Encoding: identity", ""), post("Transfer-Encoding: chunked, identity", ""),
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip", ""),
        post("Transfer-Encoding: deflate, gzip", ""),
    ] => refused(400);
    "chunked that is applied twice is refused": [
        post("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        post("Transfer-Encoding: gzip, chunked, chunked", "0\r\n\r\n"),
    ] => refused(400);
    "a coding that is none is refused": [
        post("Transfer-Encoding:", ""), post("Transfer-Encoding: ,", ""),
        post("Transfer-Encoding: xchunked", ""), post("Transfer-Encoding: chunkedx", ""),
        post("Transfer-Encoding: chunk", ""), post("Transfer-Encoding: chunked chunked", ""),
        post("Transfer-Encoding: \"chunked\"", ""), post("Transfer-Encoding: 'chunked'", ""),
        post("Transfer-Encoding: chunked;", ""), post("Transfer-Encoding: chun\tked", ""),
        post("Transfer-Encoding: chunked\u{e9}", ""),
        post("Transfer-Encoding: \u{212a}, chunked", ""),
        post("Transfer-Encoding: gzip;\", chunked", ""),
        post("Transfer-Encoding: ;a=b, chunked", ""),
    ] => refused(400);
    "a control character in a coding is refused": [
        post("Transfer-Encoding: chunked\0", ""), post("Transfer-Encoding: \x01chunked", ""),
        post("Transfer-Encoding: chun\x0bked", ""), post("Transfer-Encoding: chunked\x7f", ""),
    ] => refused(400);
    "a coding that is not implemented is refused with 501": [
        post("Transfer-Encoding: gzip, chunked", ""), post("Transfer-Encoding: x, y, chunked", ""),
        post("Transfer-Encoding: identity, chunked", ""),
        post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", ""),
        post("Transfer-Encoding: x;a=b, chunked", ""),
        post("Transfer-Encoding: x ; a=\"b\";c=d , chunked", ""),
    ] => refused(501);
    "no coding is sent to a client that speaks HTTP/1.0": [
        "GET /stream HTTP/1.0\r\n\r\n", "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET /trailers HTTP/1.0\r\nTE: trailers, chunked\r\nConnection: keep-alive\r\n\r\n",
    ] => closed([answer(200).without("transfer-encoding").without("content-length").trailers(0)]);
    "a response whose length is not known is sent in chunks": [
        "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n",
    ] => kept([echo("hello, world").with("transfer-encoding", "chunked")
            .without("content-length")]);
    "no coding is sent in a 204, a 205, a 304 or a tunnel": [
        "GET /204 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /205 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /304 HTTP/1.1\r\nHost: a\r\n\r\n",
    ] => kept([any().without("transfer-encoding").content("")]);
}

table! { content_length, "RFC 9112 6.2";
    "a length of zero is no content": [
        post("Content-Length: 0", ""), post("Content-Length: 000", ""),
    ] => kept([echo("")]);
    "a length is as many octets": [
        post("Content-Length: 3", "abc"), post("content-length: 3", "abc"),
        post("Content-Length: 0003", "abc"),
    ] => kept([echo("abc")]);
    "octets behind the content are the next request": [
        post("Content-Length: 3", "abcGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] => kept([echo("abc"), hello()]);
    "what is no request behind the content is refused": [
        post("Content-Length: 3", "abcdef\r\n"), post("Content-Length: 3", "abc\0"),
        chunked("3\r\nabc\r\n0\r\n\r\nabc\r\n"),
    ] => closed([echo("abc"), refusal(400)]).dispatches(1);
    "content that looks like a request is content": [
        post(&format!("Content-Length: {}", PROBE.len()), PROBE),
    ] => kept([echo(PROBE)]);
}

table! { body_length, "RFC 9112 6.3";
    "a request without framing fields has no content": [
        "POST /echo HTTP/1.1\r\nHost: a\r\n\r\n", "PUT /echo HTTP/1.1\r\nHost: a\r\n\r\n",
    ] => kept([echo("")]);
    "a length that is no number is refused": [
        post("Content-Length: +3", "abc"), post("Content-Length: -3", "abc"),
        post("Content-Length: 3.0", "abc"), post("Content-Length: 0x3", "abc"),
        post("Content-Length: 3a", "abc"), post("Content-Length: a", "abc"),
        post("Content-Length: 3 3", "abc"), post("Content-Length: 3;a", "abc"),
        post("Content-Length: \"3\"", "abc"), post("Content-Length: 3_0", "abc"),
        post("Content-Length: 3e0", "abc"), post("Content-Length: \u{663}", "abc"),
        post("Content-Length: \u{b3}", "abc"), post("Content-Length: 3\0", "abc"),
        post("Content-Length: 3\x0b", "abc"), post("Content-Length: - 3", "abc"),
    ] => refused(400);
    "an empty length is refused": [
        post("Content-Length:", ""), post("Content-Length: ", ""),
        post("Content-Length: \t", "abc"),
    ] => refused(400);
    "a list of lengths is refused": [
        post("Content-Length: 3, 3", "abc"), post("Content-Length: 3,3", "abc"),
        post("Content-Length: 3, 4", "abc"), post("Content-Length: 3,", "abc"),
        post("Content-Length: ,3", "abc"), post("Content-Length: ,", "abc"),
        post("Content-Length: 0, 3", "abc"),
    ] => refused(400);
    "a repeated length is refused": [
        post("Content-Length: 3\r\nContent-Length: 3", "abc"),
        post("Content-Length: 3\r\nContent-Length: 4", "abcd"),
        post("Content-Length: 0\r\ncontent-length: 3", "abc"),
        post("Content-Length: 3\r\nA: b\r\nCONTENT-LENGTH: 3", "abc"),
        post("Content-Length:\r\nContent-Length: 3", "abc"),
        post("Content-Length: 0\r\nContent-Length: 0", ""),
    ] => refused(400);
    "a length that cannot be counted is too large": [
        post("Content-Length: 100001", "abc"), post("Content-Length: 18446744073709551615", "abc"),
        post("Content-Length: 18446744073709551616", "abc"),
        post("Content-Length: 18446744073709551619", "abc"),
        post("Content-Length: 99999999999999999999999999999999999999", "abc"),
    ] => refused(413);
    "an error of the framing is refused in HTTP/1.0, too": [
        "POST /echo HTTP/1.0\r\nContent-Length: 3, 3\r\n\r\nabc",
        "POST /echo HTTP/1.0\r\nContent-Length:\r\n\r\n",
        "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: +3\r\n\r\nabc",
    ] => refused(400);
    "a response to HEAD, a 204 and a 304 end with their head": [
        "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n",
        "HEAD /204 HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /304 HTTP/1.1\r\nHost: a\r\n\r\n",
        "HEAD /trailers HTTP/1.1\r\nHost: a\r\n\r\n",
    ] => kept([any().for_head()]);
}

table! { chunks, "RFC 9112 7.1";
    "chunks are joined, up to the last": [
        chunked("3\r\nabc\r\n0\r\n\r\n"), chunked("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"),
        chunked("03\r\nabc\r\n00\r\n\r\n"), chunked("0000000000000000003\r\nabc\r\n000\r\n\r\n"),
    ] => kept([echo("abc")]);
    "a size is hexadecimal, in either case": [
        chunked("a\r\n0123456789\r\n0\r\n\r\n"), chunked("A\r\n0123456789\r\n0\r\n\r\n"),
        chunked("00A\r\n0123456789\r\n0\r\n\r\n"),
    ] => kept([echo("0123456789")]);
    "the last chunk alone is empty content": chunked("0\r\n\r\n") => kept([echo("")]);
    "line ends within a chunk are content": [
        chunked("7\r\na\r\n0\r\n\r\r\n0\r\n\r\n"),
    ] => kept([echo("a\r\n0\r\n\r")]);
    "what follows the last chunk is the next request": [
        chunked("3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] => kept([echo("abc"), hello()]);
    "a size that is none is refused": [
        chunked("g\r\n"), chunked("0x3\r\nabc\r\n0\r\n\r\n"), chunked("+3\r\nabc\r\n0\r\n\r\n"),
        chunked("-3\r\nabc\r\n0\r\n\r\n"), chunked("3h\r\nabc\r\n0\r\n\r\n"), chunked("\r\n"),
        chunked("3.0\r\nabc\r\n"), chunked("3,3\r\nabc\r\n"), chunked("3_0\r\n"),
        chunked("\"3\"\r\n"),
        chunked("\u{663}\r\nabc\r\n"), chunked("3\0\r\nabc\r\n"), chunked("\x003\r\nabc\r\n"),
        chunked("hello\r\n"),
    ] => refused_content(400);
    "white space in a chunk line is refused": [
        chunked(" 3\r\nabc\r\n0\r\n\r\n"), chunked("\t3\r\nabc\r\n0\r\n\r\n"),
        chunked("3 \r\nabc\r\n0\r\n\r\n"), chunked("3\t\r\nabc\r\n0\r\n\r\n"),
        chunked("3\r\nabc\r\n0 \r\n\r\n"), chunked("3 3\r\nabc\r\n"), chunked("3\x0b\r\nabc\r\n"),
        chunked("3\r\nabc\r\n 0\r\n\r\n"), chunked("3\x0c\r\nabc\r\n"),
    ] => refused_content(400);
    "a chunk line ends in CRLF": [
        chunked("3\nabc\r\n0\r\n\r\n"), chunked("3\rabc\r\n0\r\n\r\n"),
        chunked("3\r\r\nabc\r\n0\r\n\r\n"),
        chunked("3\r\nabc\r\n0\n\r\n"), chunked("3\r\nabc\r\n0\n\n"), chunked("3\n\r\nabc\r\n"),
    ] => refused_content(400);
    "a chunk's data end in CRLF": [
        chunked("3\r\nabc\n0\r\n\r\n"), chunked("3\r\nabc\r0\r\n\r\n"),
        chunked("3\r\nabc0\r\n\r\n"),
        chunked("3\r\nabc\r\r\n0\r\n\r\n"), chunked("3\r\nabcd\r\n0\r\n\r\n"),
        chunked("3\r\nab\r\n0\r\n\r\n"), chunked("3\r\nabc\r\n\r\n0\r\n\r\n"),
        chunked("3\r\nabc \r\n0\r\n\r\n"), chunked("3\r\nabcXX0\r\n\r\n"), chunked("3\r\nabc\n\n"),
    ] => refused_content(400);
    "a size that cannot be counted is refused": [
        chunked("10000000000000000\r\nabc"), chunked("ffffffffffffffff0\r\nabc"),
        chunked("100000000000000003\r\nabc\r\n0\r\n\r\n"),
        chunked("fffffffffffffffffffffffffff\r\n"),
    ] => refused_content(400);
    "content of too many chunks is refused with 413": [
        chunked(&format!("{}0\r\n\r\n", format!("3e8\r\n{}\r\n", "a".repeat(1000)).repeat(101))),
        chunked(&format!("186a1\r\n{}\r\n0\r\n\r\n", "a".repeat(100_001))),
    ] => refused_content(413);
    "content of as many chunks as the limit allows is served": [
        chunked(&format!("{}0\r\n\r\n", format!("3e8\r\n{}\r\n", "a".repeat(1000)).repeat(100))),
    ] => kept([echo(&"a".repeat(100_000))]);
}

/// The head was good and its handler started; then the content was refused.
fn refused_content(status: u16) -> Expected {
    closed([refusal(status)]).dispatches(1)
}

table! { extensions, "RFC 9112 7.1.1";
    "extensions are ignored": [
        chunked("3;a\r\nabc\r\n0\r\n\r\n"), chunked("3;a=b\r\nabc\r\n0;c\r\n\r\n"),
        chunked("3;a=\"b c\"\r\nabc\r\n0\r\n\r\n"),
        chunked("3;a=b;c;d=\"\\\"e\"\r\nabc\r\n0\r\n\r\n"),
        chunked("3;a=\"\"\r\nabc\r\n0\r\n\r\n"), chunked("3;a=\";\"\r\nabc\r\n0;a=\"=\"\r\n\r\n"),
        chunked("3;chunk-signature=0123abcd\r\nabc\r\n0;chunk-signature=4567\r\n\r\n"),
    ] => kept([echo("abc")]);
    "white space around the parts of an extension is ignored": [
        chunked("3 ;a\r\nabc\r\n0\r\n\r\n"), chunked("3; a\r\nabc\r\n0\r\n\r\n"),
        chunked("3\t;\ta = b\r\nabc\r\n0\r\n\r\n"), chunked("3;a =\t\"b\" ;c\r\nabc\r\n0\r\n\r\n"),
    ] => kept([echo("abc")]);
    "a malformed extension is refused": [
        chunked("3;\r\nabc\r\n0\r\n\r\n"), chunked("3;;a\r\nabc\r\n0\r\n\r\n"),
        chunked("3;=a\r\nabc\r\n0\r\n\r\n"), chunked("3;a=\r\nabc\r\n0\r\n\r\n"),
        chunked("3;a=\"b\r\nabc\r\n0\r\n\r\n"), chunked("3;a=\"b\"c\r\nabc\r\n"),
        chunked("3;a b\r\nabc\r\n"), chunked("3;a=b c\r\nabc\r\n"), chunked("3;(\r\nabc\r\n"),
        chunked("3 a\r\nabc\r\n"), chunked("3=a\r\nabc\r\n"), chunked("3;a=b=c\r\nabc\r\n"),
        chunked("3;\u{e9}\r\nabc\r\n"), chunked("0;\r\n\r\n"),
    ] => refused_content(400);
    "a line end or a control character in an extension is refused": [
        chunked("3;a\nabc\r\n0\r\n\r\n"), chunked("3;a\rabc\r\n0\r\n\r\n"), chunked("3;\nabc\r\n"),
        chunked("3;a=\"\n\"\r\nabc\r\n"), chunked("3;a=\"\r\n\"\r\nabc\r\n"),
        chunked("3;a\0\r\nabc\r\n"),
        chunked("3;a=\"\0\"\r\nabc\r\n"), chunked("3;a=\"\\\n\"\r\nabc\r\n"),
        chunked("3;\x7f\r\nabc\r\n"),
        chunked("3;a=\"\x7f\"\r\nabc\r\n"),
    ] => refused_content(400);
    "an extension of reasonable length is ignored": [
        chunked(&format!("3;a={}\r\nabc\r\n0\r\n\r\n", "b".repeat(1000))),
    ] => kept([echo("abc")]);
    "an extension without end is refused": [
        chunked(&format!("3;a={}\r\nabc\r\n0\r\n\r\n", "b".repeat(1100))),
        chunked(&format!("3;a={}", "b".repeat(100_000))),
        chunked(&format!("3;a=\"{}", "b ".repeat(100_000))), chunked(&"3;a".repeat(1000)),
        chunked(&format!("3{}", " ".repeat(2000))), chunked(&"0".repeat(2000)),
        chunked(&format!("{}3\r\nabc\r\n0\r\n\r\n", "0".repeat(2000))),
    ] => refused_content(400);
    "extensions that together outweigh the content are refused": [
        chunked(&format!("1;a={}\r\nx\r\n", "b".repeat(1000)).repeat(20)),
        chunked(&format!("1;{}\r\nx\r\n", "b".repeat(100)).repeat(1000)),
    ] => refused_content(400);
    "extensions of moderate length are ignored, however many": [
        chunked(&(signed_chunk().repeat(1000) + "0\r\n\r\n")),
    ] => kept([echo(&"c".repeat(32_000))]);
}

/// A chunk of 32 bytes with an extension of twice that.
fn signed_chunk() -> String {
    format!("20;a={}\r\n{}\r\n", "b".repeat(64), "c".repeat(32))
}

table! { trailers, "RFC 9112 7.1.2";
    "a trailer section is handed on apart from the head": [
        chunked("3\r\nabc\r\n0\r\nA: b\r\nC:\td \r\n\r\n"),
    ] => kept([echo("abc").with("x-trailers", "a=b,c=d")]);
    "trailers change neither framing nor routing": [
        chunked("3\r\nabc\r\n0\r\nContent-Length: 5\r\nHost: b\r\nTransfer-Encoding: x\r\n\r\n"),
        chunked("3\r\nabc\r\n0\r\nConnection: close\r\nExpect: x\r\n\r\n"),
    ] => kept([echo("abc").with("x-authority", "a")]);
    "a malformed trailer section is refused": [
        chunked("0\r\nA\r\n\r\n"), chunked("0\r\nA : b\r\n\r\n"), chunked("0\r\n: b\r\n\r\n"),
        chunked("0\r\n A: b\r\n\r\n"), chunked("0\r\nA: b\r\n c\r\n\r\n"),
        chunked("0\r\nA: b\n\r\n"),
        chunked("0\r\nA: b\rc\r\n\r\n"), chunked("0\r\nA: \0\r\n\r\n"), chunked("0\r\n\n"),
        chunked("0\r\n\r\r\n"), chunked("0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] => refused_content(400);
    "a trailer section that is too large is refused with 431": [
        chunked(&format!("0\r\nA: {}\r\n\r\n", "b".repeat(70_000))),
        chunked(&format!("0\r\n{}\r\n", "A: b\r\n".repeat(101))),
        chunked(&format!("0\r\nA: {}", "b".repeat(70_000))),
    ] => refused_content(431);
    "only trailers that may stand in a trailer section are sent": [
        "GET /trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
    ] => kept([echo("hello").trailers(1)]);
}

table! { decoding, "RFC 9112 7.1.3";
    "the decoded content has the length of its chunks": [
        chunked("1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n"),
    ] => kept([echo("abc").with("content-length", "3").without("transfer-encoding")]);
    "content that is not wanted is decoded, too": [
        chunked("3\r\nabc\r\n0\r\n\r\n").replace("/echo", "/"),
        chunked("1;a\r\nx\r\n0\r\nA: b\r\n\r\n").replace("/echo", "/"),
    ] => kept([hello()]);
}

table! { compression, "RFC 9112 7.2";
    "compression is not implemented as a transfer coding": [
        post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"),
        post("Transfer-Encoding: x-gzip, chunked", "0\r\n\r\n"),
        post("Transfer-Encoding: deflate, chunked", "0\r\n\r\n"),
        post("Transfer-Encoding: compress, chunked", "0\r\n\r\n"),
    ] => refused(501);
}

table! { te, "RFC 9112 7.4";
    "TE does not make the server compress": [
        "GET /stream HTTP/1.1\r\nHost: a\r\nTE: gzip, trailers;q=0.5\r\nConnection: TE\r\n\r\n",
        "GET /stream HTTP/1.1\r\nHost: a\r\nTE:\r\nConnection: TE\r\n\r\n",
    ] => kept([echo("hello, world").with("transfer-encoding", "chunked")]);
}

table! { incomplete, "RFC 9112 8";
    "an incomplete request is not served": [
        post("Content-Length: 3", "ab"), post("Content-Length: 3", ""), chunked("3\r\nab"),
        chunked("3\r\nabc\r\n"), chunked("3\r\nabc\r\n0\r\n"), chunked("3\r\nabc\r\n0\r\nA: b\r\n"),
        chunked(""), chunked("3"),
    ] => waits().dispatches(1);
    "an incomplete head is not served": [
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n", "GET / HTTP/1.1\r\nHost: a\r\n",
    ] => waits();
    "a whole request before an incomplete one is served": [
        format!("GET / HTTP/1.1\r\nHost: a\r\n\r\n{}", post("Content-Length: 3", "ab")),
        format!("GET / HTTP/1.1\r\nHost: a\r\n\r\n{}", chunked("3\r\nabc\r\n")),
    ] => closed([hello()]).dispatches(2).half_closed();
}

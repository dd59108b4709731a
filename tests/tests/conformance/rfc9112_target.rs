//! RFC 9112 section 3.2: request targets and `Host`.

use crate::case::{Case, answer, hello, kept, line, refused, table};

pub(crate) fn cases() -> Vec<Case> {
    [
        host(),
        target(),
        origin_form(),
        absolute_form(),
        authority_form(),
        asterisk_form(),
        reconstructing(),
    ]
    .concat()
}

/// A GET with these field lines and no others.
fn only(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\n{fields}\r\n")
}

fn host_is(host: &str) -> String {
    only(&format!("Host: {host}\r\n"))
}

table! { host, "RFC 9112 3.2";
    "a request without Host is refused": [
        only(""), only("A: b\r\n"), only("Hos: a\r\n"), only("Hosts: a\r\n"), only("X-Host: a\r\n"),
        "GET http://a/ HTTP/1.1\r\n\r\n".into(), "OPTIONS * HTTP/1.1\r\n\r\n".into(),
        "CONNECT a:1 HTTP/1.1\r\n\r\n".into(), "GET / HTTP/1.2\r\n\r\n".into(),
    ] => refused(400);
    "a request with more than one Host is refused": [
        only("Host: a\r\nHost: b\r\n"), only("Host: a\r\nHost: a\r\n"),
        only("Host: a\r\nHost:\r\n"),
        only("Host:\r\nHost: a\r\n"), only("Host: a\r\nA: b\r\nhOST: a\r\n"),
        "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".into(),
        "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n".into(),
    ] => refused(400);
    "a Host that is no host is refused": [
        host_is("a b"), host_is("a/b"), host_is("a/"), host_is("http://a"), host_is("//a"),
        host_is("u@a"), host_is("u:p@a"), host_is("@a"), host_is("a?b"), host_is("a#b"),
        host_is("a, b"), host_is("a\tb"), host_is("a\\b"), host_is("\"a\""), host_is("<a>"),
        host_is("a|b"), host_is("a^b"), host_is("{a}"), host_is("`a`"), host_is("\u{e9}"),
        host_is("%"), host_is("%4"), host_is("%zz"), host_is("a%00%"),
        host_is("[::1"), host_is("::1"), host_is("[]"), host_is("[::1]a"), host_is("[a]"),
        host_is("[::1%25eth0]"), host_is("[1.2.3.4]"), host_is("[[::1]]"), host_is("a[::1]"),
    ] => refused(400);
    "a Host with a port that is none is refused": [
        host_is("a:b"), host_is("a:-1"), host_is("a:+1"), host_is("a:80:80"), host_is("a:80a"),
        host_is("a: 80"), host_is("a:65536"), host_is("a:99999999999999999999"), host_is(":80"),
        host_is("a:0x50"), host_is("[::1]:a"),
    ] => refused(400);
    "a Host is a name or an address, and perhaps a port": [
        host_is("a"), host_is("a.example"), host_is("A.EXAMPLE"), host_is("a.example."),
        host_is("xn--bcher-kva.example"), host_is("a_b"), host_is("a-b"), host_is("1.2.3.4"),
        host_is("[::1]"), host_is("[2001:db8::1]:8080"), host_is("[::ffff:1.2.3.4]"),
        host_is("[v1.a]"), host_is("a:80"), host_is("a:"), host_is("a:0"), host_is("a:65535"),
        host_is("a%20b"), host_is("a!$&'()*+;=b"), host_is(" a"), host_is("a "), host_is("\ta\t"),
        only("host:a\r\n"), only("HOST: a\r\n"), only("A: b\r\nHost: a\r\n"),
    ] => kept([hello()]);
    "a Host may be empty, for a target without an authority":
        [host_is(""), only("Host:\r\n"), only("Host: \t\r\n")]
        => kept([hello().with("x-authority", "")]);
}

table! { target, "RFC 9112 3.2";
    "an invalid target is refused, not repaired": [
        line("GET a HTTP/1.1"), line("GET index.html HTTP/1.1"), line("GET ./a HTTP/1.1"),
        line("GET ../a HTTP/1.1"), line("GET ?a HTTP/1.1"), line("GET #a HTTP/1.1"),
        line("GET /a#b HTTP/1.1"), line("GET /# HTTP/1.1"), line("GET \\ HTTP/1.1"),
        line("GET /a\\b HTTP/1.1"), line("GET /\"a\" HTTP/1.1"), line("GET /<a> HTTP/1.1"),
        line("GET /?<a> HTTP/1.1"), line("GET /?a#b HTTP/1.1"), line("GET :80 HTTP/1.1"),
        line("GET a:80 HTTP/1.1"), line("GET a.example:443 HTTP/1.1"), line("GET %2F HTTP/1.1"),
    ] => refused(400);
}

table! { origin_form, "RFC 9112 3.2.1";
    "an origin-form is a path and perhaps a query": [
        line("GET /? HTTP/1.1"), line("GET /?a=b&c HTTP/1.1"), line("GET /?/? HTTP/1.1"),
        line("GET /?a=%20%2F HTTP/1.1"), line("GET /?http://b/ HTTP/1.1"),
    ] => kept([hello()]);
    "a path reaches the handler as it was sent": [
        line("GET /a/../b/./%2e%2E/%2Fc;d=e:f@g,h HTTP/1.1"),
    ] => kept([answer(404).with("x-target", "/a/../b/./%2e%2E/%2Fc;d=e:f@g,h")]);
    "a path that begins with two slashes is still a path": [
        line("GET //b/c HTTP/1.1"),
    ] => kept([answer(404).with("x-target", "//b/c").with("x-authority", "a")]);
    "what browsers do not encode is let through": [
        line("GET /?a[]=b|c^d HTTP/1.1"), line("GET /?a={b} HTTP/1.1"), line("GET /?100% HTTP/1.1"),
    ] => kept([hello()]);
}

table! { absolute_form, "RFC 9112 3.2.2";
    "an absolute-form is served": [
        line("GET http://a/ HTTP/1.1"), line("GET http://a/?b HTTP/1.1"),
        line("GET http://a:80/ HTTP/1.1"), line("GET HTTP://a/ HTTP/1.1"),
        line("GET http://a HTTP/1.1"), line("GET http://a?b HTTP/1.1"),
        "GET http://a/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".into(),
    ] => kept([hello()]);
    "the authority of an absolute-form counts, not Host": [
        "GET http://b.example:81/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://b.example:81/ HTTP/1.1\r\nHost:\r\n\r\n",
    ] => kept([hello().with("x-authority", "b.example:81")]);
    "an invalid Host is refused beside an absolute-form, too": [
        "GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: u@a\r\n\r\n",
    ] => refused(400);
    "an absolute-form without a valid host is refused": [
        line("GET http:// HTTP/1.1"), line("GET http:/// HTTP/1.1"), line("GET http:/a HTTP/1.1"),
        line("GET http:a HTTP/1.1"), line("GET http://:80/ HTTP/1.1"),
        line("GET http://a:b/ HTTP/1.1"), line("GET http://a:65536/ HTTP/1.1"),
        line("GET http://[::1/ HTTP/1.1"), line("GET http://a b/ HTTP/1.1"),
        line("GET http://a#b HTTP/1.1"), line("GET http://a\\b HTTP/1.1"),
        line("GET http://%zz/ HTTP/1.1"), line("GET ://a/ HTTP/1.1"), line("GET 1://a/ HTTP/1.1"),
        line("GET h_p://a/ HTTP/1.1"), line("GET mailto:a HTTP/1.1"), line("GET urn:a:b HTTP/1.1"),
    ] => refused(400);
}

table! { authority_form, "RFC 9112 3.2.3";
    "an authority-form belongs to CONNECT alone": [
        line("GET a:80 HTTP/1.1"), line("POST [::1]:80 HTTP/1.1"), line("OPTIONS a:80 HTTP/1.1"),
    ] => refused(400);
    "CONNECT has an authority-form": [
        line("CONNECT / HTTP/1.1"), line("CONNECT /a HTTP/1.1"), line("CONNECT * HTTP/1.1"),
        line("CONNECT http://a/ HTTP/1.1"), line("CONNECT http://a:80/ HTTP/1.1"),
        line("CONNECT a:80/ HTTP/1.1"), line("CONNECT u@a:80 HTTP/1.1"),
        line("CONNECT a:80?b HTTP/1.1"),
    ] => refused(400);
    "an authority-form reaches the handler": [
        line("CONNECT a.example:443 HTTP/1.1"),
    ] => kept([answer(405).with("x-target", "a.example:443").with("x-method", "CONNECT")]);
}

table! { asterisk_form, "RFC 9112 3.2.4";
    "an asterisk-form asks about the server": [
        line("OPTIONS * HTTP/1.1"),
    ] => kept([answer(204).with("x-target", "*")]);
    "an asterisk-form belongs to OPTIONS alone": [
        line("GET * HTTP/1.1"), line("PUT * HTTP/1.1"),
        line("POST * HTTP/1.1"), line("DELETE * HTTP/1.1"), line("options * HTTP/1.1"),
        line("TRACE * HTTP/1.1"), line("OPTIONS ** HTTP/1.1"), line("OPTIONS *? HTTP/1.1"),
        line("OPTIONS */ HTTP/1.1"),
    ] => refused(400);
}

table! { reconstructing, "RFC 9112 3.3";
    "the target URI's authority is that of Host": [
        "GET /?a HTTP/1.1\r\nHost: a.example:8080\r\n\r\n",
    ] => kept([hello().with("x-authority", "a.example:8080")]);
    "a request in HTTP/1.0 may come without an authority": [
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    ] => kept([hello().with("x-authority", "")]);
}

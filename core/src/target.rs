//! The forms of a request target and the host in it (RFC 9112 section 3.2, RFC 3986).

use core::net::Ipv6Addr;

use crate::syntax::Class;

/// Whether `target` has one of the four forms, and one that goes with `method`.
///
/// All bytes of `target` must be in [`Class::QUERY`] already.
pub(crate) fn is_target(method: &[u8], target: &[u8]) -> bool {
    match target {
        b"*" => method == b"OPTIONS",
        _ if method == b"CONNECT" => is_authority_form(target),
        [b'/', ..] => is_path_and_query(target),
        _ => is_absolute_form(target),
    }
}

/// Whether a target in absolute-form is of the scheme that needs a secured connection.
pub(crate) fn is_https(target: &[u8]) -> bool {
    const SCHEME: &[u8] = b"https://";
    let scheme = target.get(..SCHEME.len());
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
}

/// `uri-host [ ":" port ]`, as `Host` and http URIs have it (RFC 9110 section 7.2). The host may
/// not be empty, the port may.
pub(crate) fn is_host(value: &[u8]) -> bool {
    // As nearly all are.
    if Class::NAME.has_all(value) {
        return !value.is_empty();
    }
    split_host(value).is_some_and(|(host, port)| !host.is_empty() && port.is_none_or(is_port))
}

/// `uri-host ":" port`, with a port that one can connect to (RFC 9110 section 9.3.6).
fn is_authority_form(target: &[u8]) -> bool {
    split_host(target).is_some_and(|(host, port)| {
        let reachable = |port: &[u8]| is_port(port) && port.iter().any(|digit| *digit != b'0');
        !host.is_empty() && port.is_some_and(reachable)
    })
}

/// `scheme "://" authority path-abempty [ "?" query ]`.
///
/// Absolute URIs without an authority are refused, although the grammar has them: no server is
/// asked for `mailto:`, and a client that sends `GET example.com:80` means an authority-form,
/// which only `CONNECT` may have, not the scheme `example.com`.
fn is_absolute_form(target: &[u8]) -> bool {
    let Some(colon) = target.iter().position(|byte| *byte == b':') else {
        return false;
    };
    let (scheme, rest) = target.split_at(colon);
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic);
    let Some(rest) = rest.strip_prefix(b"://") else {
        return false;
    };
    if !is_scheme || !Class::SCHEME.has_all(scheme) {
        return false;
    }
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let is_http = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    // A user name in an http URI is deprecated and a favourite of phishing; RFC 9110 section
    // 4.2.4 has recipients treat it as an error. Its host may not be empty (section 4.2.1).
    let is_authority = if is_http {
        is_host(authority)
    } else {
        is_any_authority(authority)
    };
    is_authority && is_path_and_query(path)
}

/// `[ userinfo "@" ] host [ ":" port ]` (RFC 3986 section 3.2), for schemes other than http.
fn is_any_authority(authority: &[u8]) -> bool {
    let at = authority.iter().position(|byte| *byte == b'@');
    let (user, host) = match at {
        Some(at) => (&authority[..at], &authority[at + 1..]),
        None => (&[] as &[u8], authority),
    };
    let is_user = user.split(|byte| *byte == b':').all(is_name);
    is_user && split_host(host).is_some_and(|(_, port)| port.is_none_or(is_port))
}

/// A path and, after the first `?`, a query; all bytes are known to be good for a query.
fn is_path_and_query(target: &[u8]) -> bool {
    let end = target.iter().find(|byte| !Class::PATH.has(**byte));
    end.is_none_or(|byte| *byte == b'?')
}

/// The valid host, which may be empty, and what follows its colon.
fn split_host(authority: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let end = if authority.first() == Some(&b'[') {
        authority.iter().position(|byte| *byte == b']')? + 1
    } else {
        authority
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(authority.len())
    };
    let (host, rest) = authority.split_at(end);
    let port = match rest {
        [] => None,
        [b':', port @ ..] => Some(port),
        [..] => return None,
    };
    let is_valid = match host {
        [b'[', literal @ .., b']'] => is_ip_literal(literal),
        _ => is_name(host),
    };
    is_valid.then_some((host, port))
}

/// `*DIGIT`, and no larger than a port can be.
fn is_port(digits: &[u8]) -> bool {
    let number = digits.iter().try_fold(0_u16, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    });
    number.is_some()
}

/// `reg-name` (RFC 3986 section 3.2.2), of which an IPv4 address is a special case.
fn is_name(name: &[u8]) -> bool {
    if Class::NAME.has_all(name) {
        return true;
    }
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        rest = match after {
            _ if Class::NAME.has(*first) => after,
            [high, low, after @ ..]
                if *first == b'%' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                after
            }
            _ => return false,
        };
    }
    true
}

/// `IPv6address / IPvFuture` (RFC 3986 section 3.2.2), without the brackets. A zone makes sense
/// on the client's machine only.
fn is_ip_literal(literal: &[u8]) -> bool {
    if let [b'v' | b'V', future @ ..] = literal {
        let Some(dot) = future.iter().position(|byte| *byte == b'.') else {
            return false;
        };
        let (version, address) = (&future[..dot], &future[dot + 1..]);
        let is_version = !version.is_empty() && version.iter().all(u8::is_ascii_hexdigit);
        let is_address = |byte: &u8| *byte == b':' || Class::NAME.has(*byte);
        return is_version && !address.is_empty() && address.iter().all(is_address);
    }
    core::str::from_utf8(literal).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn accepts(method: &str, targets: &[&str]) {
        for target in targets {
            assert!(Class::QUERY.has_all(target.as_bytes()), "{target}");
            assert!(
                is_target(method.as_bytes(), target.as_bytes()),
                "{method} {target}"
            );
        }
    }

    #[track_caller]
    fn refuses(method: &str, targets: &[&str]) {
        for target in targets {
            assert!(
                !is_target(method.as_bytes(), target.as_bytes()),
                "{method} {target}"
            );
        }
    }

    #[test]
    fn origin_form_is_an_absolute_path_and_a_query() {
        accepts(
            "GET",
            &[
                "/",
                "//",
                "/a/b;c=d/../%41?x=/?y",
                "/?",
                "/a:b@c,d!$&'()*+=~._-",
            ],
        );
        refuses("GET", &["a", "a/b", "?a", "%2F"]);
        refuses("CONNECT", &["/", "/a:80"]);
    }

    #[test]
    fn characters_that_browsers_leave_unencoded_are_accepted_where_they_leave_them() {
        accepts(
            "GET",
            &["/a|b[c]^d", "/?a|b[c]^d`e{f}'", "/100%", "/%zz?%", "/?%4"],
        );
        refuses("GET", &["/a`b", "/{a}", "/a}?b"]);
    }

    #[test]
    fn absolute_form_has_a_scheme_and_an_authority() {
        accepts(
            "GET",
            &[
                "http://a",
                "HTTPS://a:8080/b?c",
                "http://a?b",
                "http://[::1]:80/",
            ],
        );
        accepts(
            "GET",
            &[
                "http://a:/",
                "http://%41.b/",
                "ftp://user:pw@a/b",
                "file:///a",
                "x+y.z-1://a",
            ],
        );
        refuses(
            "GET",
            &[
                "http:",
                "http:/a",
                "http://",
                "http:///a",
                "http://:80/",
                "://a",
                "1x://a",
            ],
        );
        refuses(
            "GET",
            &[
                "http://user@a/",
                "http://a:b/",
                "http://a:70000/",
                "http://a%4/",
                "h_t://a",
            ],
        );
        refuses(
            "GET",
            &[
                "http://[::1/",
                "http://[::1]a/",
                "http://[zz]/",
                "http://a{b/",
                "http://a[/",
            ],
        );
        refuses(
            "GET",
            &["mailto:a", "urn:a:b", "x://a@b@c/", "x://a%@b/", "x://a:b/"],
        );
    }

    #[test]
    fn authority_form_belongs_to_connect_alone() {
        accepts(
            "CONNECT",
            &["example.com:443", "[::1]:1", "127.0.0.1:65535"],
        );
        refuses(
            "CONNECT",
            &[
                "example.com",
                "example.com:",
                "a:0",
                "a:00",
                "a:65536",
                ":1",
                "a:b",
            ],
        );
        refuses(
            "CONNECT",
            &["*", "http://a/", "u@a:1", "a:1/", "[::1]", "[::1]1"],
        );
        refuses("GET", &["example.com:443", "a:80", "[::1]:80"]);
    }

    #[test]
    fn asterisk_form_belongs_to_options_alone() {
        accepts("OPTIONS", &["*", "/", "http://a"]);
        refuses("OPTIONS", &["**", "*/"]);
        refuses("GET", &["*"]);
        refuses("options", &["*"]);
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for host in [
            "a",
            "a.b-c_d",
            "a:1",
            "a:",
            "1.2.3.4:80",
            "[::]",
            "[::ffff:1.2.3.4]:8",
            "%c3%a9",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in ["[v1.a:b]", "[VF0.x]", "a,b"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "", ":80", "a:b", "a:80:80", "a b", "u@a", "a/b", "a?b", "a#b", "%4", "%zz", "a\\b",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "[",
            "[]",
            "[::1",
            "::1",
            "[::1]x",
            "[::1%25eth0]",
            "[v1]",
            "[v.a]",
            "[v1.]",
            "\u{e9}",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}

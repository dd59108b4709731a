//! Which other origins' scripts may read what is served (the Fetch standard's CORS protocol).
//!
//! Files are public to whoever can ask for them, so that no origin is ever let in with credentials.

use std::net::Ipv6Addr;
use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request};

/// What scripts may see beside what they always may.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("accept-ranges, content-encoding, content-range, etag");
/// For how long a browser need not ask again, in seconds: two hours, the most that Chromium grants.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// An origin of `--cors`, or all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin(HeaderValue);

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Origin, OriginError> {
        let origin = match text {
            "*" => Some(text.to_owned()),
            text => as_browsers_write_it(text),
        };
        let value = origin.and_then(|origin| HeaderValue::try_from(origin).ok());
        value.map(Origin).ok_or(OriginError(text.to_owned()))
    }
}

/// Scheme, host and port, and nothing else: in small letters, and without the port that the scheme
/// has by default (RFC 6454 section 6.2). Origins are compared byte by byte, so that no other
/// spelling would ever match.
fn as_browsers_write_it(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://")?;
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !is_scheme || !is_host(host) {
        return None;
    }
    let is_number = |port: &&str| port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match port {
        Some(port) => Some(Some(port).filter(is_number)?.parse::<u16>().ok()?),
        None => None,
    };
    let default = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    let port = port.filter(|port| Some(*port) != default);
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{scheme}://{host}{port}"))
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest
            .strip_suffix(']')
            .is_some_and(|it| it.parse::<Ipv6Addr>().is_ok()),
        None => {
            let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            !host.is_empty() && host.bytes().all(is_of_name)
        }
    }
}

/// A text is no origin. Its `Display` says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OriginError(String);

impl std::fmt::Display for OriginError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = &self.0;
        write!(
            f,
            "{text:?} is no origin: write scheme, host and port, such as https://example.org or \
             http://localhost:3000, or * for all"
        )
    }
}

impl std::error::Error for OriginError {}

/// The origins whose scripts may read responses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cors {
    origins: Vec<Origin>,
}

impl Cors {
    pub(crate) fn new(origins: Vec<Origin>) -> Cors {
        Cors { origins }
    }

    /// Whether there are any.
    pub(crate) fn is_on(&self) -> bool {
        !self.origins.is_empty()
    }

    /// Adds to a response what lets its reader in.
    pub(crate) fn add(&self, head: &request::Parts, fields: &mut HeaderMap) {
        if !self.is_on() {
            return;
        }
        let any = self.origins.iter().find(|origin| origin.0 == "*");
        let asking = head.headers.get(header::ORIGIN);
        if any.is_none() {
            fields.append(header::VARY, HeaderValue::from_static("origin"));
        }
        let same = |origin: &&Origin| asking == Some(&origin.0);
        let Some(Origin(allowed)) = any.or_else(|| self.origins.iter().find(same)) else {
            return;
        };
        fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed.clone());
        match is_preflight(head) {
            false => fields.extend([(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED)]),
            true => fields.extend(PREFLIGHT),
        }
    }
}

/// The answers to what a browser asks before it asks.
const PREFLIGHT: [(HeaderName, HeaderValue); 3] = [
    (
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, HEAD"),
    ),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("*"),
    ),
    (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
];

fn is_preflight(head: &request::Parts) -> bool {
    head.method == Method::OPTIONS
        && head
            .headers
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn fields(origins: &[&str], method: &str, asked: &[(&str, &str)]) -> HeaderMap {
        let mut request = Request::builder().method(method);
        for (name, value) in asked {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let origins = origins.iter().map(|origin| origin.parse().unwrap());
        let mut fields = HeaderMap::new();
        Cors::new(origins.collect()).add(&head, &mut fields);
        fields
    }

    #[test]
    fn nobody_is_let_in_unless_somebody_says_so() {
        assert!(fields(&[], "GET", &[("origin", "https://a.example")]).is_empty());
    }

    #[test]
    fn all_are_let_in_alike() {
        let fields = fields(&["*"], "GET", &[]);
        assert_eq!(fields["access-control-allow-origin"], "*");
        assert!(
            fields["access-control-expose-headers"]
                .to_str()
                .unwrap()
                .contains("etag")
        );
        assert!(!fields.contains_key("vary"));
    }

    #[test]
    fn one_of_several_is_let_in_by_its_name_and_caches_know() {
        let origins = ["https://a.example", "http://b.example:8080"];
        let fields_for = |origin| fields(&origins, "GET", &[("origin", origin)]);
        let known = fields_for("http://b.example:8080");
        assert_eq!(
            known["access-control-allow-origin"],
            "http://b.example:8080"
        );
        for origin in [
            "https://c.example",
            "null",
            "http://a.example",
            "https://a.example:444",
        ] {
            let unknown = fields_for(origin);
            assert!(
                !unknown.contains_key("access-control-allow-origin"),
                "{origin}"
            );
            assert_eq!(unknown["vary"], "origin");
        }
    }

    #[test]
    fn an_origin_is_kept_as_browsers_write_it() {
        for (text, sent) in [
            ("https://A.Example", "https://a.example"),
            ("HTTPS://a.example", "https://a.example"),
            ("https://c.example:443", "https://c.example"),
            ("http://c.example:80", "http://c.example"),
            ("http://c.example:443", "http://c.example:443"),
            ("https://c.example:08443", "https://c.example:8443"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[FE80::1]", "http://[fe80::1]"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("tauri://localhost", "tauri://localhost"),
        ] {
            let fields = fields(&[text], "GET", &[("origin", sent)]);
            let allowed = fields.get("access-control-allow-origin");
            assert_eq!(allowed, Some(&HeaderValue::from_static(sent)), "{text}");
        }
    }

    #[test]
    fn a_browser_that_asks_beforehand_is_told() {
        let asked = [
            ("origin", "https://a.example"),
            ("access-control-request-method", "GET"),
        ];
        let preflight = fields(&["*"], "OPTIONS", &asked);
        assert_eq!(preflight["access-control-allow-methods"], "GET, HEAD");
        assert_eq!(preflight["access-control-allow-headers"], "*");
        assert_eq!(preflight["access-control-max-age"], "7200");
        let plain = fields(&["*"], "OPTIONS", &asked[..1]);
        assert!(!plain.contains_key("access-control-allow-methods"));
    }

    #[test]
    fn what_is_no_origin_is_told_with_its_remedy() {
        for text in [
            "example.org",
            "https://example.org/",
            "https://",
            "",
            "a b",
            "https://é\n",
            // What no browser ever sends.
            "https://é.example",
            "https://a.example/app",
            "https://a.example?x",
            "https://a.example#",
            "https://user@a.example",
            "https://user:1@a.example",
            "https://*.example",
            "https://a.example:",
            "https://a.example:https",
            "https://a.example:+443",
            "https://a.example:65536",
            "https://:443",
            "https://[::1",
            "https://::1",
            "1s://a.example",
            "://a.example",
            "null",
        ] {
            let error = text.parse::<Origin>().unwrap_err().to_string();
            assert!(error.contains("https://example.org"), "{error}");
        }
    }
}

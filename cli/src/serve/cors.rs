//! Which other origins' scripts may read what is served (the Fetch standard's CORS protocol).
//!
//! Files are public to whoever can ask for them, so that no origin is ever let in with credentials.

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
        // As browsers write it: no path, and so no slash behind the host.
        let (_, host) = text.split_once("://").unwrap_or_default();
        let is_origin = !host.is_empty() && !host.contains(['/', ' ']);
        match HeaderValue::from_str(text) {
            Ok(value) if is_origin || text == "*" => Ok(Origin(value)),
            _ => Err(OriginError(text.to_owned())),
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
            "{text:?} is no origin: write one such as https://example.org, or * for all"
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
        ] {
            let error = text.parse::<Origin>().unwrap_err().to_string();
            assert!(error.contains("https://example.org"), "{error}");
        }
    }
}

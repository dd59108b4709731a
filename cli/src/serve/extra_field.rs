//! Fields that whoever starts the server adds to every response.

use std::fmt;
use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Says how long content is and where it ends, whom it is for and what it is, and what conditions
/// and ranges are held against: the server's to say.
const OURS: [HeaderName; 15] = [
    header::ACCEPT_RANGES,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::DATE,
    header::ETAG,
    KEEP_ALIVE,
    header::LAST_MODIFIED,
    PROXY_CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// A `NAME:VALUE` of `--header`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExtraField {
    name: HeaderName,
    value: HeaderValue,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExtraFields {
    fields: Vec<ExtraField>,
}

impl ExtraFields {
    pub(crate) fn new(fields: Vec<ExtraField>) -> ExtraFields {
        ExtraFields { fields }
    }

    /// Adds them to a response, in the place of what it says itself; one that is given twice is
    /// there twice. `Vary` is a list of what a response depends on: it gets longer.
    pub(crate) fn add(&self, fields: &mut HeaderMap) {
        for extra in &self.fields {
            if extra.name != header::VARY {
                fields.remove(&extra.name);
            }
        }
        for extra in &self.fields {
            fields.append(extra.name.clone(), extra.value.clone());
        }
    }
}

impl FromStr for ExtraField {
    type Err = ExtraFieldError;

    fn from_str(text: &str) -> Result<ExtraField, ExtraFieldError> {
        let error = |reason: &str| ExtraFieldError(format!("{text:?} {reason}"));
        let (name, value) = text
            .split_once(':')
            .ok_or_else(|| error("has no colon: write NAME:VALUE"))?;
        let name = HeaderName::from_str(name.trim())
            .map_err(|_| error("has no name that a field can have: write NAME:VALUE"))?;
        let value = HeaderValue::from_str(value.trim())
            .map_err(|_| error("has a value with control characters; leave them out"))?;
        if OURS.contains(&name) {
            return Err(error("is for the server to say; leave it out"));
        }
        Ok(ExtraField { name, value })
    }
}

/// Why a text is no field. Its `Display` says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExtraFieldError(String);

impl fmt::Display for ExtraFieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ExtraFieldError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_take_the_place_of_what_the_response_says() {
        let extra = ["X-Frame-Options: DENY", "Link:</a>", "link: </b>"];
        let extra = ExtraFields::new(extra.iter().map(|text| text.parse().unwrap()).collect());
        let mut fields = HeaderMap::new();
        fields.insert("x-frame-options", HeaderValue::from_static("SAMEORIGIN"));
        fields.insert("etag", HeaderValue::from_static("\"1\""));
        extra.add(&mut fields);
        assert_eq!(fields["x-frame-options"], "DENY");
        assert_eq!(fields["etag"], "\"1\"");
        let links: Vec<_> = fields.get_all("link").iter().collect();
        assert_eq!(links, ["</a>", "</b>"]);
    }

    /// A cache that is not told what the server chose by would send it to everybody.
    #[test]
    fn a_vary_of_ones_own_is_added_to_the_servers() {
        let extra = ExtraFields::new(vec!["vary: X-Country".parse().unwrap()]);
        let mut fields = HeaderMap::new();
        fields.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        extra.add(&mut fields);
        let vary: Vec<_> = fields.get_all(header::VARY).iter().collect();
        assert_eq!(vary, ["accept-encoding", "X-Country"]);
    }

    #[test]
    fn what_cannot_be_added_is_told_with_its_remedy() {
        for (text, remedy) in [
            ("X-Frame-Options", "NAME:VALUE"),
            (": a", "NAME:VALUE"),
            ("a b: c", "NAME:VALUE"),
            ("a: b\r\nc: d", "leave them out"),
            ("Content-Length: 1", "leave it out"),
            ("transfer-encoding: chunked", "leave it out"),
            // They would be sent, and no condition or range would ever be held against them.
            ("ETag: \"1\"", "leave it out"),
            (
                "last-modified: Sun, 06 Nov 1994 08:49:37 GMT",
                "leave it out",
            ),
            ("Accept-Ranges: none", "leave it out"),
            // The connection is the server's, which would drop them.
            ("Keep-Alive: timeout=5", "leave it out"),
            ("Proxy-Connection: close", "leave it out"),
        ] {
            let error = text.parse::<ExtraField>().unwrap_err().to_string();
            assert!(error.contains(remedy), "{error}");
        }
    }
}

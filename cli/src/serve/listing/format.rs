//! Whether a client wants a listing as a page or as JSON (RFC 9110 section 12.5.1).

use http::{HeaderMap, HeaderValue};

use super::query;
use crate::serve::preference::{HTML, quality};

/// How a listing is written.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) enum Format {
    Html,
    Json,
}

impl Format {
    /// What `format=html|json` of the query says, or else what the client prefers; a page where it
    /// has no preference, and where it takes neither: that is of more use than a 406.
    pub(crate) fn of(query: Option<&str>, fields: &HeaderMap) -> Format {
        match query::value(query, "format") {
            Some("html") => return Format::Html,
            Some("json") => return Format::Json,
            _ => {}
        }
        let html = quality(fields, HTML);
        let json = quality(fields, &["application/json", "application/*", "*/*"]);
        if json > html {
            Format::Json
        } else {
            Format::Html
        }
    }

    pub(crate) fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Format::Html => "text/html; charset=utf-8",
            Format::Json => "application/json",
        })
    }
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    fn format(query: &str, accept: &[&'static str]) -> Format {
        let fields = accept
            .iter()
            .map(|value| (header::ACCEPT, HeaderValue::from_static(value)))
            .fold(HeaderMap::new(), |mut fields, (name, value)| {
                fields.append(name, value);
                fields
            });
        Format::of(Some(query), &fields)
    }

    #[test]
    fn who_prefers_json_gets_it_and_everybody_else_a_page() {
        for (accept, expected) in [
            (&[][..], Format::Html),
            (&[""], Format::Html),
            (&["*/*"], Format::Html),
            (&["image/png"], Format::Html),
            (&["application/json"], Format::Json),
            (&["Application/JSON"], Format::Json),
            (&["application/json, */*"], Format::Html),
            (&["application/json, */*;q=0.9"], Format::Json),
            (
                &["application/json;charset=utf-8, text/html;q=0.9"],
                Format::Json,
            ),
            (&["application/json;q=0.5, text/html;q=0.9"], Format::Html),
            (&["application/json", "text/html ; q=0.1"], Format::Json),
            (&["application/json, text/html"], Format::Html),
            (&["application/*, text/*;q=0.9"], Format::Json),
            (&["*/*, text/html;q=0"], Format::Json),
            (&["*/*, application/json;q=0.999"], Format::Html),
            (&["application/json;q=0"], Format::Html),
            (&["application/json;q=2, text/html;q=0.1"], Format::Html),
            (&["application/json;q=x"], Format::Html),
            (
                &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
                Format::Html,
            ),
        ] {
            assert_eq!(format("", accept), expected, "{accept:?}");
        }
    }

    #[test]
    fn the_query_outranks_what_the_client_prefers() {
        assert_eq!(format("a&format=json&b", &["text/html"]), Format::Json);
        assert_eq!(format("format=html", &["application/json"]), Format::Html);
        assert_eq!(format("format=xml", &["application/json"]), Format::Json);
        assert_eq!(format("xformat=json", &[]), Format::Html);
    }
}

//! What both commands answer alike: a sentence, nothing, and which methods there are.

use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use neap_smol::Full;

/// Sentences for people.
pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Tells browsers to believe `Content-Type`, so that no text is ever run as a page.
pub(crate) const NO_SNIFFING: (HeaderName, HeaderValue) = (
    header::X_CONTENT_TYPE_OPTIONS,
    HeaderValue::from_static("nosniff"),
);

/// A response that says one thing.
pub(crate) fn text<C: From<Full>>(status: StatusCode, text: impl Into<String>) -> Response<C> {
    let mut text = text.into();
    text.push('\n');
    let mut response = with(status, Full::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, TEXT);
    response
}

/// A response without content.
pub(crate) fn empty<C: From<Full>>(status: StatusCode) -> Response<C> {
    with(status, Full::empty())
}

/// A response whose `Content-Type` is still to be said, if it has one.
pub(crate) fn with<C: From<Full>>(status: StatusCode, content: Full) -> Response<C> {
    let mut response = Response::new(C::from(content));
    *response.status_mut() = status;
    let (name, value) = NO_SNIFFING;
    response.headers_mut().insert(name, value);
    response
}

/// The answer to OPTIONS: `allow` lists the methods (RFC 9110 section 9.3.7).
pub(crate) fn options<C: From<Full>>(allow: &'static str) -> Response<C> {
    let mut response = empty(StatusCode::NO_CONTENT);
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// The answer to a method that is not in `allow`: 405 if it is a method that might be, and 501
/// if nothing here has ever heard of it (RFC 9110 section 9.1).
pub(crate) fn not_allowed<C: From<Full>>(method: &Method, allow: &'static str) -> Response<C> {
    if !is_known(method) {
        return text(
            StatusCode::NOT_IMPLEMENTED,
            format!("The method {method} is unknown here."),
        );
    }
    let sentence = format!("What is possible here: {allow}.");
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, sentence);
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// Whether RFC 9110 or RFC 5789 defines the method.
pub(crate) fn is_known(method: &Method) -> bool {
    matches!(
        method.as_str(),
        "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "CONNECT" | "OPTIONS" | "TRACE" | "PATCH"
    )
}

/// Text of our own making as a field value.
pub(crate) fn value(text: String) -> HeaderValue {
    // Callers pass digits, punctuation and percent-encoded names only.
    HeaderValue::try_from(text).expect("visible ASCII is a field value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_might_be_is_told_apart_from_one_that_nobody_knows() {
        let refusal = |name: &str| -> Response<Full> {
            not_allowed(&Method::from_bytes(name.as_bytes()).unwrap(), "GET, HEAD")
        };
        let known = refusal("POST");
        assert_eq!(known.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(known.headers()[header::ALLOW], "GET, HEAD");
        for name in ["BREW", "get", "PROPFIND"] {
            let unknown = refusal(name);
            assert_eq!(unknown.status(), StatusCode::NOT_IMPLEMENTED, "{name}");
            assert!(!unknown.headers().contains_key(header::ALLOW), "{name}");
        }
    }
}

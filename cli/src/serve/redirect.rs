//! The way from a directory's name to its address, which ends in a slash.

use http::{Response, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::content::Content;
use super::path::{Names, encode};
use crate::reply;

/// What no query has in it (RFC 3986 section 3.4), although clients send some of it as it is.
const NOT_IN_QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Sends the client to the directory's own address, from where the links of its page lead on.
///
/// The address is relative, as those links are: whatever a proxy has put before the path stays
/// there, and so does the host.
pub(crate) fn add_slash(names: &Names, query: Option<&str>) -> Response<Content> {
    let mut location = format!("./{}/", encode(names.last()));
    if let Some(query) = query {
        location.push('?');
        location.push_str(&as_query(query));
    }
    let sentence = "A directory's address ends in a slash.";
    let mut response = reply::text(StatusCode::MOVED_PERMANENTLY, sentence);
    response
        .headers_mut()
        .insert(header::LOCATION, reply::value(location));
    response
}

/// A query as a URI has it: what is encoded stays as it is, and what should be is.
fn as_query(text: &str) -> String {
    let encoded = utf8_percent_encode(text, NOT_IN_QUERY).to_string();
    let mut parts = encoded.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |query, part| {
        let digits = part.bytes().take(2).filter(u8::is_ascii_hexdigit);
        // A percent sign that encodes nothing is one itself.
        let sign = if digits.count() == 2 { "%" } else { "%25" };
        query + sign + part
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(path: &str, query: Option<&str>) -> String {
        let response = add_slash(&Names::parse(path).unwrap(), query);
        assert_eq!(response.status(), StatusCode::MOVED_PERMANENTLY);
        let location = &response.headers()[header::LOCATION];
        location.to_str().unwrap().to_owned()
    }

    /// What a client asks for next that asked for `target` (RFC 3986 section 5.2).
    fn resolved(target: &str, location: &str) -> String {
        let base = &target[..=target.rfind('/').unwrap()];
        base.to_owned() + location.strip_prefix("./").unwrap()
    }

    /// Absolute, it led out of what a proxy has put it below.
    #[test]
    fn a_redirect_is_relative_like_the_links() {
        for (prefix, path) in [
            ("", "/sub"),
            ("", "/a/sub"),
            ("/files", "/sub"),
            ("/files", "/a/b/c"),
        ] {
            let asked = format!("{prefix}{path}");
            let next = resolved(&asked, &location(path, None));
            assert_eq!(next, format!("{asked}/"));
        }
        assert_eq!(location("/a/sub", Some("x=1")), "./sub/?x=1");
        // No name makes another host, a scheme, a query or another directory of it.
        for byte in 1..=u8::MAX {
            if byte == b'/' {
                continue;
            }
            let path = format!("/%{byte:02x}%{byte:02x}%{byte:02x}");
            let location = location(&path, None);
            let name = location.strip_prefix("./").unwrap();
            let (name, slash) = name.split_at(name.len() - 1);
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
            assert!(name.bytes().all(is_plain) && slash == "/", "{location}");
            let names = Names::parse(&resolved(&path, &location)).unwrap();
            assert_eq!(names.last(), [byte; 3], "{location}");
            assert!(names.has_slash());
        }
    }

    /// Clients send some characters as they are, and stop at a `Location` that has them.
    #[test]
    fn a_redirect_is_a_uri_whatever_the_query() {
        let all = (0..0x180).filter_map(char::from_u32);
        for character in all {
            for query in [format!("a={character}"), format!("%{character}1")] {
                let location = location("/sub", Some(&query));
                let sent = location.strip_prefix("./sub/?").unwrap();
                let in_query = b"-._~!$&'()*+,;=:@/?%";
                let is_one = |byte: u8| byte.is_ascii_alphanumeric() || in_query.contains(&byte);
                assert!(sent.bytes().all(is_one), "{location}");
                let mut encoded = sent.split('%').skip(1);
                let is_hex = |part: &str| u8::from_str_radix(part.get(..2).unwrap(), 16).is_ok();
                assert!(encoded.all(is_hex), "{location}");
            }
        }
        for (query, sent) in [
            ("", ""),
            ("a=b&c=/?:@", "a=b&c=/?:@"),
            ("{a}`|^", "%7Ba%7D%60%7C%5E"),
            ("a[]=%2F%c3%A9", "a%5B%5D=%2F%c3%A9"),
            ("100%", "100%25"),
            ("%4{%%41", "%254%7B%25%41"),
        ] {
            assert_eq!(location("/sub", Some(query)), format!("./sub/?{sent}"));
        }
    }
}

//! What a file is, judged by its name.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use http::HeaderValue;

/// The media type of a file with this name, with a charset where it is text: browsers fall back to
/// that of their language else, and nearly every text there is has been UTF-8 for years.
pub(crate) fn of(name: &[u8]) -> HeaderValue {
    let guess = mime_guess::from_path(Path::new(OsStr::from_bytes(name))).first_raw();
    let Some(media_type) = guess else {
        return HeaderValue::from_static("application/octet-stream");
    };
    // RFC 9239 made one of several names; the table still has an older one for modules.
    let media_type = match media_type {
        "application/javascript" => "text/javascript",
        other => other,
    };
    if is_text(media_type) {
        crate::reply::value(format!("{media_type}; charset=utf-8"))
    } else {
        HeaderValue::from_static(media_type)
    }
}

fn is_text(media_type: &str) -> bool {
    let also = ["application/json", "application/xml"];
    media_type.starts_with("text/")
        || media_type.ends_with("+xml")
        || media_type.ends_with("+json")
        || also.contains(&media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_media_type() {
        for (name, media_type) in [
            ("index.html", "text/html; charset=utf-8"),
            ("INDEX.HTML", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.json", "application/json; charset=utf-8"),
            ("a.svg", "image/svg+xml; charset=utf-8"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.wasm", "application/wasm"),
            ("a.png", "image/png"),
            ("a.tar.gz", "application/gzip"),
            ("a.pdf", "application/pdf"),
            ("README", "application/octet-stream"),
            ("a.unheard-of", "application/octet-stream"),
            ("", "application/octet-stream"),
        ] {
            assert_eq!(of(name.as_bytes()), media_type, "{name}");
        }
        assert_eq!(of(b"\xff.png"), "image/png");
        assert_eq!(of(b"a.\xff"), "application/octet-stream");
    }
}

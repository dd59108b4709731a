//! What a file is, judged by its name.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use http::HeaderValue;

/// The media type of a file.
pub(crate) struct MediaType {
    /// As `Content-Type` has it.
    pub(crate) value: HeaderValue,
    /// Whether such files are usually much shorter once they are compressed.
    pub(crate) shrinks: bool,
}

impl MediaType {
    /// That of a file with this name, with a charset where it is text: browsers fall back to that
    /// of their language else, and nearly every text there is has been UTF-8 for years.
    pub(crate) fn of(name: &[u8]) -> MediaType {
        let path = Path::new(OsStr::from_bytes(name));
        let media_type = match mime_guess::from_path(path).first_raw() {
            // What is in the file is gzip, and no XML until it is unpacked.
            _ if path
                .extension()
                .is_some_and(|it| it.eq_ignore_ascii_case("svgz")) =>
            {
                "application/gzip"
            }
            // RFC 9239 made one of several names; the table still has an older one for modules.
            Some("application/javascript") => "text/javascript",
            Some(other) => other,
            None => "application/octet-stream",
        };
        let is_text = is_text(media_type);
        let value = match is_text {
            true => crate::reply::value(format!("{media_type}; charset=utf-8")),
            false => HeaderValue::from_static(media_type),
        };
        MediaType {
            value,
            shrinks: is_text || SHRINKS.contains(&media_type),
        }
    }
}

/// What is not text and shrinks all the same.
const SHRINKS: [&str; 7] = [
    "application/wasm",
    "application/rtf",
    "application/vnd.ms-fontobject",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/x-icon",
];

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
            ("a.xhtml", "application/xhtml+xml; charset=utf-8"),
            ("a.md", "text/markdown; charset=utf-8"),
            ("a.csv", "text/csv; charset=utf-8"),
            ("a.webmanifest", "application/manifest+json; charset=utf-8"),
            ("a.wasm", "application/wasm"),
            ("a.woff2", "font/woff2"),
            ("a.avif", "image/avif"),
            ("a.webp", "image/webp"),
            ("a.ico", "image/x-icon"),
            ("a.mp4", "video/mp4"),
            ("a.png", "image/png"),
            ("a.tar.gz", "application/gzip"),
            ("a.pdf", "application/pdf"),
            ("README", "application/octet-stream"),
            ("a.unheard-of", "application/octet-stream"),
            ("", "application/octet-stream"),
        ] {
            assert_eq!(MediaType::of(name.as_bytes()).value, media_type, "{name}");
        }
        assert_eq!(MediaType::of(b"\xff.png").value, "image/png");
        assert_eq!(MediaType::of(b"a.\xff").value, "application/octet-stream");
    }

    /// It was sent as XML, which no browser can read, and `--compress` packed it once more.
    #[test]
    fn a_compressed_drawing_is_not_compressed_again() {
        for name in ["a.svgz", "A.SVGZ"] {
            let media_type = MediaType::of(name.as_bytes());
            assert_eq!(media_type.value, "application/gzip", "{name}");
            assert!(!media_type.shrinks, "{name}");
        }
        assert_eq!(MediaType::of(b"svgz").value, "application/octet-stream");
    }

    #[test]
    fn text_shrinks_and_so_does_some_of_the_rest() {
        for (name, shrinks) in [
            ("a.txt", true),
            ("a.svg", true),
            ("a.wasm", true),
            ("a.ttf", true),
            ("a.woff2", false),
            ("a.png", false),
            ("a.zip", false),
            ("README", false),
        ] {
            assert_eq!(MediaType::of(name.as_bytes()).shrinks, shrinks, "{name}");
        }
    }
}

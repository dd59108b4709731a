//! What a file is, as far as its mark in a listing goes, judged by its name.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Endings of the names of programs' sources, and of what is written like them.
const CODE: [&str; 40] = [
    "asm", "bash", "c", "cc", "cpp", "cs", "css", "go", "h", "hpp", "htm", "html", "ini", "java",
    "jl", "js", "json", "jsx", "kt", "lua", "mjs", "nix", "php", "pl", "ps1", "py", "r", "rb",
    "rs", "scss", "sh", "sql", "swift", "toml", "ts", "tsx", "xml", "yaml", "yml", "zig",
];
const ARCHIVES: [&str; 16] = [
    "7z", "bz2", "deb", "gz", "iso", "jar", "lz4", "rar", "rpm", "tar", "tgz", "txz", "whl", "xz",
    "zip", "zst",
];
const DOCUMENTS: [&str; 10] = [
    "doc", "docx", "epub", "odp", "ods", "odt", "pdf", "ppt", "pptx", "xlsx",
];

/// The class of a file's row in the style sheet; empty if it is of no special kind.
pub(crate) fn of(name: &[u8]) -> &'static str {
    let path = Path::new(OsStr::from_bytes(name));
    let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    let is = |ours: &&str| ending.eq_ignore_ascii_case(ours);
    if CODE.iter().any(is) {
        return "c";
    } else if ARCHIVES.iter().any(is) {
        return "z";
    } else if DOCUMENTS.iter().any(is) {
        return "p";
    }
    let media_type = mime_guess::from_path(path).first_raw().unwrap_or_default();
    match media_type.split_once('/').unwrap_or_default().0 {
        "text" => "t",
        "image" => "i",
        "audio" => "a",
        "video" => "v",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_tells_the_kind() {
        for (name, class) in [
            ("main.rs", "c"),
            ("INDEX.HTML", "c"),
            ("app.ts", "c"),
            ("a.tar.gz", "z"),
            ("a.pdf", "p"),
            ("a.txt", "t"),
            ("a.md", "t"),
            ("a.svg", "i"),
            ("a.JPG", "i"),
            ("a.flac", "a"),
            ("a.webm", "v"),
            ("README", ""),
            (".png", ""),
            ("", ""),
        ] {
            assert_eq!(super::of(name.as_bytes()), class, "{name}");
        }
        assert_eq!(super::of(b"\xff.png"), "i");
        assert_eq!(super::of(b"a.\xff"), "");
    }
}

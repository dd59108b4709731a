//! A directory as a page.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::Dir;

use super::open::Root;
use super::path::{self, Names};
use crate::date::Civil;

/// The most names on one page, about 20 MB of it: more help nobody, and memory has an end.
const MAX_ENTRIES: usize = 100_000;

/// Nothing is loaded or run: names are data, and stay it even if escaping them ever failed.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

const STYLE: &str = "\
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { margin: 1rem auto; max-width: 60rem; padding: 0 1rem }
h1 { font-size: 1.25rem; overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100% }
th { font-weight: 600; text-align: start }
th, td { border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent); \
padding: .375rem .5rem .375rem 0; vertical-align: baseline }
td:first-child { overflow-wrap: anywhere }
.size { text-align: end; white-space: nowrap }
.date { font-variant-numeric: tabular-nums; padding-inline-start: 1rem; white-space: nowrap }
a { text-decoration: none }
a:hover, a:focus { text-decoration: underline }
@media (max-width: 35rem) { .date { display: none } }
";

/// A line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    name: Vec<u8>,
    is_directory: bool,
    size: u64,
    modified: i64,
}

/// What a directory shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    entries: Vec<Entry>,
    /// Whether there was more than fits.
    is_cut: bool,
}

impl Listing {
    /// Reads the directory that `names` led to. An entry is listed if a request for it could
    /// succeed, but for permissions: files and directories, links to them below the root, and
    /// what begins with a dot only if `hidden` is set.
    pub(crate) fn read(
        root: &Root,
        names: &Names,
        directory: File,
        hidden: bool,
    ) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for entry in Dir::new(directory)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            let is_itself_or_parent = name == b"." || name == b"..";
            if is_itself_or_parent || (!hidden && path::is_hidden(name)) {
                continue;
            }
            if listing.entries.len() == MAX_ENTRIES {
                listing.is_cut = true;
                break;
            }
            // It may be gone by now, which is no reason not to list the others.
            let Ok(metadata) = root.look(&names.join(name)) else {
                continue;
            };
            if metadata.is_file() || metadata.is_dir() {
                listing.entries.push(Entry {
                    name: name.to_vec(),
                    is_directory: metadata.is_dir(),
                    size: metadata.len(),
                    modified: metadata.mtime(),
                });
            }
        }
        listing.sort();
        Ok(listing)
    }

    /// Directories first, then by name as a dictionary sorts, not as ASCII does.
    fn sort(&mut self) {
        self.entries.sort_by_cached_key(|entry| {
            let folded = String::from_utf8_lossy(&entry.name).to_lowercase();
            (Reverse(entry.is_directory), folded, entry.name.clone())
        });
    }

    /// The page. Every link is relative to the directory's own address, which ends in a slash.
    pub(crate) fn to_html(&self, names: &Names) -> String {
        let title = escape(&names.to_title());
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>Index of {title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
             <h1>Index of <bdi>{title}</bdi></h1>\n<table>\n<thead><tr><th scope=\"col\">Name</th>\
             <th scope=\"col\" class=\"size\">Size</th>\
             <th scope=\"col\" class=\"date\">Modified (UTC)</th></tr></thead>\n<tbody>\n",
        );
        if !names.is_root() {
            page.push_str("<tr><td colspan=\"3\"><a href=\"../\">Parent directory</a></td></tr>\n");
        }
        for entry in &self.entries {
            entry.add_row(&mut page);
        }
        page.push_str("</tbody>\n</table>\n");
        if self.is_cut {
            // Writing to a string cannot fail, here and below.
            let _ = writeln!(
                page,
                "<p>Only {MAX_ENTRIES} names are shown; there are more.</p>"
            );
        } else if self.entries.is_empty() {
            page.push_str("<p>Nothing to see here.</p>\n");
        }
        page.push_str("</body>\n</html>\n");
        page
    }
}

impl Entry {
    fn add_row(&self, page: &mut String) {
        let slash = if self.is_directory { "/" } else { "" };
        let link = path::encode(&self.name);
        // A name may turn the direction of writing; bdi keeps that to itself.
        let shown = escape(&String::from_utf8_lossy(&self.name));
        let size = if self.is_directory {
            String::new()
        } else {
            human_size(self.size)
        };
        let date = Civil::from_unix(self.modified);
        let _ = writeln!(
            page,
            "<tr><td><a href=\"./{link}{slash}\"><bdi>{shown}</bdi>{slash}</a></td>\
             <td class=\"size\">{size}</td>\
             <td class=\"date\"><time datetime=\"{}\">{}</time></td></tr>",
            date.rfc3339(),
            date.to_the_minute(),
        );
    }
}

/// Three digits are enough to see what is large.
fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // The largest unit of which there is at least one.
    let power = bytes.ilog2() / 10;
    let tenths = u128::from(bytes) * 10 / (1 << (10 * power));
    let unit = UNITS[power as usize - 1];
    match tenths {
        ..100 => format!("{}.{} {unit}", tenths / 10, tenths % 10),
        _ => format!("{} {unit}", tenths / 10),
    }
}

/// Text inside an element or a quoted attribute.
fn escape(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut escaped, char| {
            match char {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                // HTML has no way to write these, escaped or not.
                _ if char.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
                _ => escaped.push(char),
            }
            escaped
        })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    use super::super::open::Found;
    use super::*;

    fn entry(name: &str, is_directory: bool) -> Entry {
        Entry {
            name: name.into(),
            is_directory,
            size: 1536,
            modified: 784_111_777,
        }
    }

    #[test]
    fn no_name_leaves_its_place_on_the_page() {
        let name = "<script>alert(1)</script>\"'&\n\u{9b}";
        let names = Names::parse("/").unwrap().join(name.as_bytes());
        let listing = Listing {
            entries: vec![entry(name, false)],
            is_cut: false,
        };
        let page = listing.to_html(&names);
        assert!(!page.contains("<script") && !page.contains('\u{9b}'));
        let shown = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\u{fffd}\u{fffd}";
        assert_eq!(page.matches(shown).count(), 3);
    }

    #[test]
    fn a_link_leads_to_its_file_whatever_the_name() {
        for (name, link) in [
            ("a b", "./a%20b"),
            ("javascript:alert(1)", "./javascript%3Aalert%281%29"),
            ("//evil.example", "./%2F%2Fevil.example"),
            ("a?b#c%d", "./a%3Fb%23c%25d"),
            ("é", "./%C3%A9"),
        ] {
            let mut page = String::new();
            entry(name, false).add_row(&mut page);
            assert!(page.contains(&format!("href=\"{link}\"")), "{page}");
        }
    }

    #[test]
    fn a_row_shows_name_size_and_date() {
        let mut page = String::new();
        entry("file", false).add_row(&mut page);
        entry("directory", true).add_row(&mut page);
        let date = "<time datetime=\"1994-11-06T08:49:37Z\">1994-11-06 08:49</time>";
        let rows: Vec<&str> = page.lines().collect();
        assert!(rows[0].contains("1.5 KiB") && rows[0].contains(date));
        assert!(rows[1].contains("href=\"./directory/\"") && !rows[1].contains("KiB"));
    }

    #[test]
    fn directories_come_first_and_case_does_not_matter() {
        let mut listing = Listing::default();
        for (name, is_directory) in [
            ("b", false),
            ("Z", true),
            ("C", false),
            ("a", false),
            ("A", false),
            ("y", true),
        ] {
            listing.entries.push(entry(name, is_directory));
        }
        listing.sort();
        let sorted: Vec<&[u8]> = listing
            .entries
            .iter()
            .map(|entry| &entry.name[..])
            .collect();
        assert_eq!(sorted, [b"y", b"Z", b"A", b"a", b"b", b"C"]);
    }

    #[test]
    fn a_directory_lists_what_a_request_could_get() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path();
        fs::create_dir(path.join("directory")).unwrap();
        fs::write(path.join("file"), "12345").unwrap();
        fs::write(path.join(".hidden"), "").unwrap();
        fs::write(path.join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", path.join("outside")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path.join("fifo"), rustix::fs::Mode::RUSR).unwrap();
        let root = Root::open(path, None).unwrap();
        let names = Names::parse("/").unwrap();
        let listed = |hidden| {
            let Ok(Found::Directory(directory)) = root.find(&names) else {
                panic!("no root")
            };
            let listing = Listing::read(&root, &names, directory, hidden).unwrap();
            listing
                .entries
                .into_iter()
                .map(|entry| entry.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(listed(false), [&b"directory"[..], b"file", b"\xff"]);
        assert_eq!(
            listed(true),
            [&b"directory"[..], b".hidden", b"file", b"\xff"]
        );
    }

    #[test]
    fn a_size_is_told_in_the_largest_unit_that_fits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10_239, "9.9 KiB"),
            (10_240, "10 KiB"),
            (1_048_575, "1023 KiB"),
            (1_048_576, "1.0 MiB"),
            (u64::MAX, "15 EiB"),
        ] {
            assert_eq!(human_size(bytes), text);
        }
    }
}

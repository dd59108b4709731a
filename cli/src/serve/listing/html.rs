//! A listing as a page: without scripts, and without anything that would have to be loaded.

use std::fmt::Write as _;

use super::kind;
use super::order::{Key, Order};
use super::table::{Entry, Table};
use crate::date::Civil;
use crate::serve::path::{self, Names};

const STYLE: &str = include_str!("style.css");

/// Nothing is loaded or run but this style sheet, which is known by its hash: names are data, and
/// stay it even if escaping them ever failed.
pub(crate) const POLICY: &str = "default-src 'none'; \
    style-src 'sha256-J4U+3TzEw4zMCjW6gqDM0bqJfAYMJL8PkMRw6fC5OWA='; \
    base-uri 'none'; form-action 'none'";

/// What stands before the first entry. Every link is relative to the directory's own address, which
/// ends in a slash, so that a proxy may put it anywhere.
pub(crate) fn head(names: &Names, table: &Table, order: Order) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>Index of {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n",
        escape(&names.to_title())
    );
    add_crumbs(&mut page, names);
    add_summary(&mut page, table);
    page.push_str("</header>\n<main>\n");
    if !names.is_root() || table.len() > 0 {
        page.push_str("<table>\n<thead><tr>");
        for key in Key::ALL {
            add_heading(&mut page, key, order);
        }
        page.push_str("</tr></thead>\n<tbody>\n");
    }
    if !names.is_root() {
        let parent = "<tr><td class=\"u\"><a href=\"../\">Parent directory</a></td>\
                      <td></td><td></td></tr>\n";
        page.push_str(parent);
    }
    page
}

/// Where one is, with a link to each directory on the way.
fn add_crumbs(page: &mut String, names: &Names) {
    let depth = names.iter().count();
    let shown = |name: &[u8]| escape(&String::from_utf8_lossy(name));
    if depth == 0 {
        page.push_str("<h1>Index</h1>\n");
        return;
    }
    page.push_str("<nav aria-label=\"Parent directories\"><ol>");
    let parents = std::iter::once("Index".to_owned()).chain(names.iter().map(shown));
    // Writing to a string cannot fail, here and below.
    for (level, name) in parents.take(depth).enumerate() {
        let link = "../".repeat(depth - level);
        let _ = write!(page, "<li><a href=\"{link}\"><bdi>{name}</bdi></a></li>");
    }
    page.push_str("</ol></nav>\n");
    let _ = writeln!(page, "<h1><bdi>{}</bdi></h1>", shown(names.last()));
}

fn add_summary(page: &mut String, table: &Table) {
    let count = |number: usize, one: &str, many: &str| {
        let noun = if number == 1 { one } else { many };
        (number > 0).then(|| format!("{} {noun}", grouped(number as u64)))
    };
    let size = (table.files() > 0).then(|| {
        let (exact, human) = (grouped(table.size()), human_size(table.size()));
        format!("<span title=\"{exact} bytes\">{human}</span>")
    });
    let parts = [
        count(table.directories(), "directory", "directories"),
        count(table.files(), "file", "files"),
        size,
    ];
    let parts = parts.into_iter().flatten().collect::<Vec<_>>();
    if !parts.is_empty() {
        let _ = writeln!(page, "<p>{}</p>", parts.join(", "));
    }
    if table.is_cut() {
        let _ = writeln!(
            page,
            "<p class=\"note\">The directory holds more. These are the first {} that the system \
             named, in no order of its own.</p>",
            grouped(table.len() as u64),
        );
    }
}

fn add_heading(page: &mut String, key: Key, order: Order) {
    let title = match key {
        Key::Name => "Name",
        Key::Size => "Size",
        Key::Date => "Modified (UTC)",
    };
    let sorted = match order {
        Order { key: now, .. } if now != key => "",
        Order { descending, .. } if descending => " aria-sort=\"descending\"",
        _ => " aria-sort=\"ascending\"",
    };
    let link = escape(&order.after_click(key).link());
    let _ = write!(
        page,
        "<th scope=\"col\"{sorted}><a href=\"{link}\">{title}</a></th>"
    );
}

pub(crate) fn entry(page: &mut String, entry: &Entry<'_>) {
    let (class, slash) = if entry.is_directory {
        ("d", "/")
    } else {
        (kind::of(entry.name), "")
    };
    let link = path::encode(entry.name);
    // A name may turn the direction of writing; bdi keeps that to itself.
    let shown = escape(&String::from_utf8_lossy(entry.name));
    let _ = write!(
        page,
        "<tr><td class=\"{class}\"><a href=\"./{link}{slash}\"><bdi>{shown}</bdi>{slash}</a></td>"
    );
    if entry.is_directory {
        page.push_str("<td></td>");
    } else {
        let (exact, human) = (grouped(entry.size), human_size(entry.size));
        let _ = write!(page, "<td title=\"{exact} bytes\">{human}</td>");
    }
    let date = Civil::from_unix(entry.modified);
    let _ = writeln!(
        page,
        "<td><time datetime=\"{}\">{}</time></td></tr>",
        date.rfc3339(),
        date.to_the_minute(),
    );
}

/// What stands behind the last entry.
pub(crate) fn tail(names: &Names, table: &Table) -> String {
    let mut page = String::new();
    if !names.is_root() || table.len() > 0 {
        page.push_str("</tbody>\n</table>\n");
    }
    if table.len() == 0 {
        page.push_str("<p class=\"empty\">This directory is empty.</p>\n");
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
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
                // HTML has no way to write the former, escaped or not. The latter would turn what
                // follows around, so that `exe` looks like another ending: they are shown instead.
                _ if char.is_control() || turns(char) => escaped.push(char::REPLACEMENT_CHARACTER),
                _ => escaped.push(char),
            }
            escaped
        })
}

/// Whether a character embeds, overrides or isolates a direction of writing (UAX #9).
fn turns(char: char) -> bool {
    matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use base64::Engine;

    use super::*;
    use crate::serve::budget::Budget;

    fn row(name: &str, is_directory: bool) -> String {
        let mut page = String::new();
        let of_the_file = Entry {
            name: name.as_bytes(),
            is_directory,
            size: 1536,
            modified: 784_111_777,
        };
        entry(&mut page, &of_the_file);
        page
    }

    /// The policy would forbid the page its own style else.
    #[test]
    fn the_policy_names_the_style_sheet_by_its_hash() {
        let hash = ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes());
        let hash = base64::engine::general_purpose::STANDARD.encode(hash);
        let source = format!("style-src 'sha256-{hash}';");
        assert!(POLICY.contains(&source), "it is {source}");
    }

    #[test]
    fn the_style_sheet_loads_nothing() {
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains("</"));
    }

    #[test]
    fn no_name_leaves_its_place_on_the_page() {
        let name = "<script>alert(1)</script>\"'&\n\u{9b}\u{202e}";
        let names = Names::parse("/").unwrap().join(name.as_bytes());
        let table = Table::new(&Budget::new(0));
        let page = head(&names, &table, Order::default()) + &row(name, false);
        assert!(!page.contains("<script") && !page.contains(['\u{9b}', '\u{202e}']));
        let shown = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\u{fffd}\u{fffd}\u{fffd}";
        // The title, the heading and the row.
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
            let row = row(name, false);
            assert!(row.contains(&format!("href=\"{link}\"")), "{row}");
        }
    }

    #[test]
    fn a_row_shows_kind_name_size_and_date() {
        let file = row("a.png", false);
        assert!(file.contains("<td class=\"i\"><a href=\"./a.png\"><bdi>a.png</bdi></a></td>"));
        assert!(file.contains("<td title=\"1,536 bytes\">1.5 KiB</td>"));
        let date = "<time datetime=\"1994-11-06T08:49:37Z\">1994-11-06 08:49</time>";
        assert!(file.contains(date));
        let directory = row("a.png", true);
        assert!(directory.contains("<td class=\"d\"><a href=\"./a.png/\"><bdi>a.png</bdi>/</a>"));
        assert!(directory.contains(date) && !directory.contains("KiB"));
    }

    #[test]
    fn each_directory_on_the_way_is_a_link() {
        let table = Table::new(&Budget::new(0));
        let page = |path| {
            let names = Names::parse(path).unwrap();
            head(&names, &table, Order::default()) + &tail(&names, &table)
        };
        let links = |page: &str| {
            let links = page
                .split("<a href=\"")
                .skip(1)
                .filter(|link| link.starts_with('.'));
            links
                .map(|link| link.split("</").next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let deep = page("/a/%3Cb/c/");
        assert_eq!(
            links(&deep),
            [
                "../../../\"><bdi>Index",
                "../../\"><bdi>a",
                "../\"><bdi>&lt;b",
                "../\">Parent directory"
            ]
        );
        assert!(deep.contains("<h1><bdi>c</bdi></h1>") && deep.contains("is empty."));
        let root = page("/");
        assert_eq!(links(&root), [""; 0]);
        assert!(root.contains("<h1>Index</h1>") && root.contains("is empty."));
        for page in [deep, root] {
            for element in ["table", "tbody", "main", "header"] {
                let count = |tag: &str| page.matches(&format!("{tag}{element}>")).count();
                assert_eq!(count("<"), count("</"), "{element} {page}");
            }
        }
    }

    #[test]
    fn the_heading_that_is_sorted_by_says_so() {
        let table = Table::new(&Budget::new(0));
        let names = Names::parse("/a/").unwrap();
        let headings = |query| {
            let page = head(&names, &table, Order::of(Some(query)));
            let sorted = page.split("<th scope=\"col\"").skip(1);
            let sorted = sorted.map(|heading| heading.split_once('>').unwrap().0.to_owned());
            sorted.collect::<Vec<_>>()
        };
        assert_eq!(headings(""), [" aria-sort=\"ascending\"", "", ""]);
        let by_date = headings("sort=date&order=desc");
        assert_eq!(by_date, ["", "", " aria-sort=\"descending\""]);
        let page = head(&names, &table, Order::default());
        assert!(page.contains("<a href=\"?sort=size&amp;order=desc\">Size</a>"));
    }

    #[test]
    fn a_size_is_told_in_the_largest_unit_that_fits() {
        for (bytes, text, exact) in [
            (0, "0 B", "0"),
            (1023, "1023 B", "1,023"),
            (1024, "1.0 KiB", "1,024"),
            (10_239, "9.9 KiB", "10,239"),
            (10_240, "10 KiB", "10,240"),
            (1_048_575, "1023 KiB", "1,048,575"),
            (1_048_576, "1.0 MiB", "1,048,576"),
            (u64::MAX, "15 EiB", "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(human_size(bytes), text);
            assert_eq!(grouped(bytes), exact);
        }
    }
}

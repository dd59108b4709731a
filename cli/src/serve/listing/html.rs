//! A listing as a page: without scripts, and without anything that would have to be loaded.

use std::fmt::Write as _;

use super::kind;
use super::order::{Key, Order};
use super::table::{Entry, MAX_ENTRIES, Table};
use crate::date::Civil;
use crate::serve::path::{self, Names};

const STYLE: &str = include_str!("style.css");

/// Nothing is loaded or run but this style sheet, which is known by its hash: names are data, and
/// stay it even if escaping them ever failed.
pub(crate) const POLICY: &str = "default-src 'none'; \
    style-src 'sha256-J4U+3TzEw4zMCjW6gqDM0bqJfAYMJL8PkMRw6fC5OWA='; base-uri 'none'; form-action 'none'";

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
    if !names.is_root() || table.get(0).is_some() {
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
            grouped(MAX_ENTRIES as u64),
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
pub(crate) fn tail(names: &Names, table: &Table) -> &'static str {
    match (names.is_root(), table.get(0).is_some()) {
        (_, true) => "</tbody>\n</table>\n</main>\n</body>\n</html>\n",
        (true, false) => {
            "<p class=\"empty\">This directory is empty.</p>\n</main>\n</body>\n</html>\n"
        }
        (false, false) => {
            "</tbody>\n</table>\n<p class=\"empty\">This directory is empty.</p>\n</main>\n</body>\n\
             </html>\n"
        }
    }
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

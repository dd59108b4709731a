//! A listing as JSON.

use std::fmt::Write as _;

use super::table::{Entry, Table};
use crate::date::Civil;
use crate::json;
use crate::serve::path::{self, Names};

pub(crate) fn head(names: &Names, table: &Table) -> String {
    format!(
        "{{\"path\":{},\"href\":{},\"truncated\":{},\"entries\":[",
        json::string(&names.to_title()),
        json::string(&names.to_directory_path()),
        table.is_cut(),
    )
}

/// `href` is the exact name, which `name` need not be: JSON has no bytes. A date that RFC 3339
/// cannot write is `null`.
pub(crate) fn entry(page: &mut String, entry: &Entry<'_>, is_first: bool) {
    page.push_str(if is_first { "\n" } else { ",\n" });
    page.push_str("{\"name\":");
    page.push_str(&json::string(&String::from_utf8_lossy(entry.name)));
    page.push_str(",\"href\":\"./");
    page.push_str(&path::encode(entry.name));
    if entry.is_directory {
        page.push_str("/\",\"type\":\"directory\"");
    } else {
        page.push_str("\",\"type\":\"file\",\"size\":");
        page.push_str(&entry.size.to_string());
    }
    let date = Civil::from_unix(entry.modified);
    let _ = match date.is_in_rfc3339() {
        true => write!(page, ",\"modified\":\"{}\"}}", date.rfc3339()),
        false => write!(page, ",\"modified\":null}}"),
    };
}

pub(crate) const END: &str = "\n]}\n";

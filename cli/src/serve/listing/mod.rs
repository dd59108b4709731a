//! A directory as a page, or as JSON.
//!
//! A directory is read into a [`table`], sorted there ([`order`]), and the response is made of that
//! piece by piece as the client takes it ([`html`], [`json`]): however many names there are, the
//! page is never in memory as a whole. What all tables take together has a
//! [`budget`](super::budget).

mod format;
mod html;
mod json;
mod kind;
mod order;
mod query;
mod table;

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use clap::ValueEnum;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request};
use neap_smol::Full;

use self::format::Format;
use self::order::Order;
use self::table::{Extent, MAX_ENTRIES, ReadError, Table};
use super::Answer;
use super::budget::Budget;
use super::conditional::{self, Validators, Verdict};
use super::content::Content;
use super::open::Root;
use super::path::Names;
use super::refusal::Refusal;
use crate::reply;

/// Bytes that the tables of all listings of a site may take together.
pub(crate) const MEMORY: usize = 64 * 1024 * 1024;

/// Bytes of a page that are made at a time, give or take an entry.
const PIECE: usize = 32 * 1024;

/// Whether a directory without an index is listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listings {
    #[default]
    On,
    /// It is not found.
    Off,
}

/// Answers with a listing of the `directory` that `names` led to. Blocks while it is read.
///
/// The entity tag is of all that the listing shows, and nothing else: a file that grows changes it,
/// although it does not touch the directory's own date, which is why there is no `Last-Modified`.
/// The directory is read for a 304, too; what that spares is the sending.
pub(crate) fn answer(
    root: &Root,
    names: Names,
    directory: File,
    hidden: bool,
    budget: &Arc<Budget>,
    head: &request::Parts,
) -> Answer {
    let order = Order::of(head.uri.query());
    let format = Format::of(head.uri.query(), &head.headers);
    let extent = Extent {
        hidden,
        most: MAX_ENTRIES,
    };
    let mut table = Table::read(root, &names, directory, extent, budget)?;
    table.sort(order);
    let listing = Listing {
        names,
        table,
        order,
        format,
        next: Part::Head,
    };
    let etag = listing.etag();
    let validators = Validators {
        etag: Some(etag.clone()),
        ..Validators::default()
    };
    let mut response = match conditional::evaluate(&head.headers, &validators) {
        Verdict::Proceed => listing.into_response(),
        Verdict::NotModified => reply::empty(StatusCode::NOT_MODIFIED),
        Verdict::Failed => return Err(Refusal::PRECONDITION_FAILED),
    };
    add_fields(response.headers_mut(), etag);
    Ok(response)
}

/// What a response has with content and without.
fn add_fields(fields: &mut HeaderMap, etag: String) {
    fields.insert(header::ETAG, reply::value(etag));
    fields.insert(header::VARY, HeaderValue::from_static("Accept"));
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Refusal {
        match error {
            ReadError::Open(error) => error.into(),
            ReadError::Exhausted => Refusal::TOO_MANY_LISTINGS,
        }
    }
}

/// What is to be made next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Head,
    /// The entry of this number and those behind it.
    Entries(usize),
    /// Nothing.
    End,
}

/// A listing, made as the client takes it.
#[derive(Debug)]
pub(crate) struct Listing {
    names: Names,
    table: Table,
    order: Order,
    format: Format,
    next: Part,
}

impl Listing {
    /// The next piece; `None` behind the last one.
    pub(crate) fn next_piece(&mut self) -> Option<Bytes> {
        if self.is_over() {
            return None;
        }
        let mut page = String::with_capacity(PIECE + PIECE / 8);
        while page.len() < PIECE && !self.is_over() {
            self.next = self.add_part(&mut page);
        }
        Some(page.into())
    }

    /// Whether there is no further piece.
    pub(crate) fn is_over(&self) -> bool {
        self.next == Part::End
    }

    fn add_part(&self, page: &mut String) -> Part {
        let Listing { names, table, .. } = self;
        match (self.next, self.format) {
            (Part::Head, Format::Html) => {
                page.push_str(&html::head(names, table, self.order));
                Part::Entries(0)
            }
            (Part::Head, Format::Json) => {
                page.push_str(&json::head(names, table));
                Part::Entries(0)
            }
            (Part::Entries(index), format) => {
                match (table.get(index), format) {
                    (Some(entry), Format::Html) => html::entry(page, &entry),
                    (Some(entry), Format::Json) => json::entry(page, &entry, index == 0),
                    (None, Format::Html) => page.push_str(&html::tail(names, table)),
                    (None, Format::Json) => page.push_str(json::END),
                }
                table
                    .get(index)
                    .map_or(Part::End, |_| Part::Entries(index + 1))
            }
            (Part::End, _) => Part::End,
        }
    }

    /// The same listing has the same tag, and any other most likely another.
    fn etag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        // Another version may write the same entries in other words.
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        html::POLICY.hash(&mut hasher);
        (self.format, self.order).hash(&mut hasher);
        self.names.to_directory_path().hash(&mut hasher);
        self.table.hash(&mut hasher);
        format!("\"{:016x}\"", hasher.finish())
    }

    /// As long as it is short it is made at once, has its length told, and its table is gone.
    fn into_response(mut self) -> Response<Content> {
        let format = self.format;
        let first = self.next_piece().unwrap_or_default();
        let mut response = if self.is_over() {
            reply::with(StatusCode::OK, Full::from(first))
        } else {
            self.next = Part::Head;
            let mut response = reply::empty(StatusCode::OK);
            *response.body_mut() = Content::Listing(self);
            response
        };
        let fields = response.headers_mut();
        fields.insert(header::CONTENT_TYPE, format.media_type());
        if format == Format::Html {
            let policy = HeaderValue::from_static(html::POLICY);
            fields.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::table::Entry;
    use super::table::FREE;
    use super::*;
    use crate::date::Civil;

    fn listing(entries: &[Entry<'_>], order: Order, format: Format) -> Listing {
        let mut table = Table::of(entries, &Budget::new(MEMORY)).unwrap();
        table.sort(order);
        Listing {
            names: Names::parse("/directory/").unwrap(),
            table,
            order,
            format,
            next: Part::Head,
        }
    }

    /// All of its pieces, none of which is much longer than it should be.
    fn written(mut listing: Listing) -> String {
        let mut page = String::new();
        while let Some(piece) = listing.next_piece() {
            assert!(!piece.is_empty() && piece.len() < PIECE + PIECE / 4);
            page.push_str(std::str::from_utf8(&piece).unwrap());
        }
        page
    }

    /// What a client that resolves a link asks for, and whether it takes it for a directory.
    fn followed(link: &str) -> (Vec<u8>, bool) {
        let link = link.strip_prefix("./").unwrap();
        assert!(
            link.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"%-._~/".contains(&byte))
        );
        let names = Names::parse(&format!("/directory/{link}")).unwrap();
        assert_eq!(names.iter().count(), 2);
        (names.last().to_vec(), names.has_slash())
    }

    fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
        text.split_once(start).unwrap().1.split_once(end).unwrap().0
    }

    fn unescape(text: &str) -> String {
        let text = text.replace("&lt;", "<").replace("&gt;", ">");
        let text = text.replace("&quot;", "\"").replace("&#39;", "'");
        text.replace("&amp;", "&")
    }

    /// A name that a file can have: any bytes, and often such as mean something elsewhere.
    fn name() -> impl Strategy<Value = Vec<u8>> {
        let hostile = "[<>\"'&;/#?%:.\\\\ a\u{0}-\u{1f}\u{7f}-\u{9f}\u{202e}\u{2066}é]{1,12}";
        let name = prop_oneof![
            prop::collection::vec(any::<u8>(), 1..20),
            hostile.prop_map(String::into_bytes),
            ".{1,255}".prop_map(String::into_bytes),
        ];
        name.prop_map(|mut name| {
            name.retain(|byte| !b"/\0".contains(byte));
            name.truncate(255);
            if name.is_empty() || name == b"." || name == b".." {
                name.insert(0, b'x');
            }
            name
        })
    }

    type Owned = (Vec<u8>, bool, u64, i64);

    fn directory() -> impl Strategy<Value = Vec<Owned>> {
        let entry = (
            any::<bool>(),
            any::<u64>(),
            -99_999_999_999..300_000_000_000_i64,
        );
        let entries = prop::collection::btree_map(name(), entry, 0..150);
        entries.prop_map(|entries| {
            let entries = entries.into_iter();
            let entries = entries.map(|(name, (is_directory, size, modified))| {
                (
                    name,
                    is_directory,
                    if is_directory { 0 } else { size },
                    modified,
                )
            });
            entries.collect()
        })
    }

    fn entries(owned: &[Owned]) -> Vec<Entry<'_>> {
        let entries = owned
            .iter()
            .map(|(name, is_directory, size, modified)| Entry {
                name,
                is_directory: *is_directory,
                size: *size,
                modified: *modified,
            });
        entries.collect()
    }

    fn order() -> impl Strategy<Value = Order> {
        let query = "sort=(name|size|date)&order=(asc|desc)";
        query.prop_map(|query| Order::of(Some(&query)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_links_of_a_page_lead_back_to_exactly_its_names(
            owned in directory(), order in order(),
        ) {
            let mut entries = entries(&owned);
            let page = written(listing(&entries, order, Format::Html));
            entries.sort_by(|one, other| order.compare(one, other));
            // A row is a line: no name can begin another.
            let body = between(&page, "<tbody>\n", "</tbody>");
            let rows = body.lines().skip(1).collect::<Vec<_>>();
            prop_assert_eq!(rows.len(), entries.len());
            for (row, entry) in rows.iter().zip(entries) {
                prop_assert_eq!(row.matches('<').count(), 14, "{}", row);
                prop_assert_eq!(row.matches('>').count(), 14, "{}", row);
                let link = between(row, "<a href=\"", "\"");
                prop_assert_eq!(followed(link), (entry.name.to_vec(), entry.is_directory));
                let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
                let hidden = |c: char| c.is_control() || turns(c);
                prop_assert!(!row.contains(hidden), "{}", row);
                let shown = String::from_utf8_lossy(entry.name).replace(hidden, "\u{fffd}");
                prop_assert_eq!(unescape(between(row, "<bdi>", "</bdi>")), shown);
            }
        }

        #[test]
        fn json_tells_exactly_the_entries(owned in directory(), order in order()) {
            let mut entries = entries(&owned);
            let json = written(listing(&entries, order, Format::Json));
            prop_assert!(!json.contains(|c: char| c.is_control() && c != '\n'));
            entries.sort_by(|one, other| order.compare(one, other));
            let json: Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&json["truncated"], false);
            prop_assert_eq!(&json["path"], "/directory/");
            let listed = json["entries"].as_array().unwrap();
            prop_assert_eq!(listed.len(), entries.len());
            for (json, entry) in listed.iter().zip(entries) {
                let link = json["href"].as_str().unwrap();
                prop_assert_eq!(followed(link), (entry.name.to_vec(), entry.is_directory));
                prop_assert_eq!(&json["name"], &*String::from_utf8_lossy(entry.name));
                let kind = if entry.is_directory { "directory" } else { "file" };
                prop_assert_eq!(&json["type"], kind);
                let size = (!entry.is_directory).then_some(entry.size);
                prop_assert_eq!(json.get("size").and_then(Value::as_u64), size);
                let date = Civil::from_unix(entry.modified);
                let date = date.is_in_rfc3339().then(|| date.rfc3339());
                prop_assert_eq!(&json["modified"], &Value::from(date));
            }
        }
    }

    fn tag(entries: &[Entry<'_>], query: &str, format: Format) -> String {
        listing(entries, Order::of(Some(query)), format).etag()
    }

    #[test]
    fn whatever_changes_the_page_changes_its_tag() {
        let entry = |name, is_directory, size, modified| Entry {
            name,
            is_directory,
            size,
            modified,
        };
        let file = entry(&b"a"[..], false, 1, 1);
        let tag_of = |entries: &[Entry<'_>]| tag(entries, "", Format::Html);
        let mut tags = vec![
            tag_of(&[]),
            tag_of(&[file]),
            tag_of(&[entry(b"b", false, 1, 1)]),
            tag_of(&[entry(b"a", true, 0, 1)]),
            tag_of(&[entry(b"a", false, 2, 1)]),
            tag_of(&[entry(b"a", false, 1, 2)]),
            tag_of(&[file, entry(b"b", false, 1, 1)]),
            tag_of(&[entry(b"ab", false, 1, 1), entry(b"c", false, 1, 1)]),
            tag_of(&[file, entry(b"bc", false, 1, 1)]),
            tag(&[file], "sort=size", Format::Html),
            tag(&[file], "order=desc", Format::Html),
            tag(&[file], "", Format::Json),
        ];
        let mut elsewhere = listing(&[file], Order::default(), Format::Html);
        elsewhere.names = Names::parse("/elsewhere/").unwrap();
        tags.push(elsewhere.etag());
        let count = tags.len();
        assert_eq!(tag_of(&[file]), tags[1]);
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), count, "{tags:?}");
    }

    #[test]
    fn a_long_listing_that_there_is_no_memory_for_is_refused_for_a_while() {
        let scratch = tempfile::tempdir().unwrap();
        for number in 0..2_000 {
            std::fs::write(scratch.path().join(format!("{number:040}")), "").unwrap();
        }
        let root = Root::open(scratch.path(), None).unwrap();
        let budget = Budget::new(FREE);
        let ask = || {
            let directory = File::open(scratch.path()).unwrap();
            let (head, ()) = http::Request::new(()).into_parts();
            let names = Names::parse("/").unwrap();
            let answer = answer(&root, names, directory, false, &budget, &head);
            answer.unwrap_or_else(Refusal::into_response)
        };
        let first = ask();
        assert_eq!(first.status(), StatusCode::OK);
        let second = ask();
        assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(second.headers().contains_key(header::RETRY_AFTER));
        drop(first);
        assert_eq!(ask().status(), StatusCode::OK);
    }

    #[test]
    fn a_directory_that_holds_more_says_so() {
        let entry = Entry {
            name: b"a",
            is_directory: false,
            size: 1,
            modified: 1,
        };
        for format in [Format::Html, Format::Json] {
            let mut cut = listing(&[entry], Order::default(), format);
            let whole = written(listing(&[entry], Order::default(), format));
            cut.table.cut();
            let cut = written(cut);
            for note in ["The directory holds more.", "\"truncated\":true"] {
                let is_its_note = note.starts_with('"') == (format == Format::Json);
                assert_eq!(cut.contains(note), is_its_note, "{cut}");
                assert!(!whole.contains(note), "{whole}");
            }
        }
    }
}

//! A directory as a page, or as JSON.
//!
//! A directory is read into a [`table`], sorted there ([`order`]), and the response is made of that
//! piece by piece as the client takes it ([`html`], [`json`]): however many names there are, the
//! page is never in memory as a whole. What all tables take together has a [`budget`].

mod budget;
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

pub(crate) use self::budget::Budget;
use self::format::Format;
use self::order::Order;
use self::table::{ReadError, Table};
use super::Answer;
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
    let mut table = Table::read(root, &names, directory, hidden, budget)?;
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
    // It may be stored, and is asked about each time: it changes with any file.
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
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
                    (None, Format::Html) => page.push_str(html::tail(names, table)),
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

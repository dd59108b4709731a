//! The response that sends a file, a part of it, or the word that the client has it.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request};

use super::conditional::{self, Validators, Verdict};
use super::content::Content;
use super::file_content::FileContent;
use super::open::OpenError;
use super::range::{self, Selection};
use super::refusal::Refusal;
use super::{Answer, media_type};
use crate::{date, reply};

/// Weighs the request's conditions and range, and answers with what they leave of the file.
pub(crate) fn send(
    file: File,
    metadata: &Metadata,
    name: &[u8],
    head: &request::Parts,
    now: SystemTime,
) -> Answer {
    let now = date::unix_seconds(now);
    let (length, validators) = (metadata.len(), validators(metadata, now));
    match conditional::evaluate(&head.headers, &validators) {
        Verdict::Proceed => {}
        Verdict::NotModified => {
            let mut response = reply::empty(StatusCode::NOT_MODIFIED);
            add_validators(response.headers_mut(), &validators);
            return Ok(response);
        }
        Verdict::Failed => return Err(Refusal::PRECONDITION_FAILED),
    }
    let (status, first, selected) = match selection(head, length, &validators, now) {
        Selection::Whole => (StatusCode::OK, 0, length),
        Selection::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Selection::Unsatisfiable => return Ok(unsatisfiable(length)),
    };
    let mut content = FileContent::new(file, first, selected);
    if head.method == Method::GET {
        content.read_first().map_err(OpenError::from)?;
    }
    let mut response = Response::new(Content::File(content));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, media_type::of(name));
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    fields.extend([reply::NO_SNIFFING]);
    add_validators(fields, &validators);
    if status == StatusCode::PARTIAL_CONTENT {
        let last = first + selected - 1;
        let range = reply::value(format!("bytes {first}-{last}/{length}"));
        fields.insert(header::CONTENT_RANGE, range);
    }
    Ok(response)
}

/// Of all methods, only GET has ranges (RFC 9110 section 14.2).
fn selection(head: &request::Parts, length: u64, validators: &Validators, now: i64) -> Selection {
    let mut ranges = head.headers.get_all(header::RANGE).iter();
    match (ranges.next(), ranges.next()) {
        (Some(range), None)
            if head.method == Method::GET
                && conditional::range_holds(&head.headers, validators, now) =>
        {
            range::select(range.as_bytes(), length)
        }
        _ => Selection::Whole,
    }
}

/// The file's inode, length and time of change in nanoseconds: whatever writes to a file or puts
/// another in its place changes one of them.
fn validators(metadata: &Metadata, now: i64) -> Validators {
    let (seconds, nanos) = (metadata.mtime(), metadata.mtime_nsec());
    let etag = format!(
        "\"{:x}-{:x}-{seconds:x}-{nanos:x}\"",
        metadata.ino(),
        metadata.len()
    );
    // A date in the future must not be sent (RFC 9110 section 8.8.2.1).
    let modified = Some(seconds.min(now)).filter(|&seconds| date::http_date(seconds).is_some());
    Validators {
        etag: Some(etag),
        modified,
    }
}

fn add_validators(fields: &mut HeaderMap, validators: &Validators) {
    if let Some(etag) = &validators.etag {
        fields.insert(header::ETAG, reply::value(etag.clone()));
    }
    if let Some(date) = validators.modified.and_then(date::http_date) {
        fields.insert(header::LAST_MODIFIED, reply::value(date));
    }
}

fn unsatisfiable(length: u64) -> Response<Content> {
    let sentence = format!("The file has {length} bytes, none of them in this range.");
    let mut response = reply::text(StatusCode::RANGE_NOT_SATISFIABLE, sentence);
    let range = reply::value(format!("bytes */{length}"));
    response.headers_mut().insert(header::CONTENT_RANGE, range);
    response
}

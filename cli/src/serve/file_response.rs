//! What is sent of a representation: all of it, parts, or that the client has it already.

use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request};

use super::compress::{Compressed, Encoder, Encoders};
use super::conditional::{self, Validators, Verdict};
use super::content::Content;
use super::encoding::Coding;
use super::file_content::{FileContent, Version};
use super::multipart::Multipart;
use super::open::{OpenError, Wait};
use super::range::{self, Selection, Span};
use super::refusal::Refusal;
use super::representation::{Form, Representation};
use super::site::{Asked, Outcome};
use crate::{date, reply};

/// How far the clock that files are dated by may be behind: systems wind it on a hundred times a
/// second, or more often. Twice that, so that no file gets the date of a second that we hold to be
/// over.
const TICK: Duration = Duration::from_millis(20);

/// Weighs the request's conditions and range, and answers with what they leave of it.
pub(crate) fn send(mut chosen: Representation, asked: Asked<'_>, encoders: &Encoders) -> Outcome {
    let (head, now) = (asked.head, date::unix_seconds(asked.now - TICK));
    let mut validators = validators_of(&chosen.metadata, chosen.form);
    let varies = chosen.varies;
    let mut response = match conditional::evaluate(&head.headers, &validators) {
        Verdict::Failed => return Err(Refusal::PRECONDITION_FAILED.into()),
        Verdict::NotModified => reply::empty(StatusCode::NOT_MODIFIED),
        Verdict::Proceed => match selection(&chosen, head, &validators, now) {
            Selection::Whole => {
                let form = chosen.form;
                let encoder = admit(&mut chosen, head, encoders);
                if chosen.form != form {
                    validators = validators_of(&chosen.metadata, chosen.form);
                }
                whole(chosen, asked, encoder)?
            }
            Selection::Part(span) => part(chosen, span, asked.wait)?,
            Selection::Parts(spans) => parts(chosen, &spans),
            Selection::Unsatisfiable => return Ok(unsatisfiable(chosen.metadata.len())),
        },
    };
    add_validators(response.headers_mut(), &validators, now);
    add_vary(response.headers_mut(), varies);
    Ok(response)
}

/// Sends all of it whatever the request's conditions are, as this status, for which they do not
/// count (RFC 9110 section 13.2.1).
pub(crate) fn send_as(
    status: StatusCode,
    mut chosen: Representation,
    asked: Asked<'_>,
    encoders: &Encoders,
) -> Outcome {
    let varies = chosen.varies;
    let encoder = admit(&mut chosen, asked.head, encoders);
    let mut response = whole(chosen, asked, encoder)?;
    response.headers_mut().remove(header::ACCEPT_RANGES);
    add_vary(response.headers_mut(), varies);
    *response.status_mut() = status;
    Ok(response)
}

/// Of all methods, only GET has ranges (RFC 9110 section 14.2); of all forms, those whose bytes are
/// there.
fn selection(
    chosen: &Representation,
    head: &request::Parts,
    validators: &Validators,
    now: i64,
) -> Selection {
    let mut ranges = head.headers.get_all(header::RANGE).iter();
    match (ranges.next(), ranges.next(), chosen.form) {
        (Some(range), None, Form::Plain | Form::Encoded(_))
            if head.method == Method::GET
                && conditional::range_holds(&head.headers, validators, now) =>
        {
            match range::select(range.as_bytes(), chosen.metadata.len()) {
                // Clients take `Content-Encoding` for the whole of what they get, heads of parts
                // included.
                Selection::Parts(_) if chosen.form != Form::Plain => Selection::Whole,
                selection => selection,
            }
        }
        _ => Selection::Whole,
    }
}

/// An encoder, if one is needed. When the encoders have their share of memory, this response is
/// sent as it is; so is the head of what nobody asks to be made.
fn admit(
    chosen: &mut Representation,
    head: &request::Parts,
    encoders: &Encoders,
) -> Option<Encoder> {
    let Form::ToEncode(coding) = chosen.form else {
        return None;
    };
    if head.method != Method::GET {
        return None;
    }
    let encoder = encoders.admit(coding, chosen.metadata.len());
    if encoder.is_none() {
        chosen.form = Form::Plain;
    }
    encoder
}

fn whole(chosen: Representation, asked: Asked<'_>, encoder: Option<Encoder>) -> Outcome {
    let (coding, form) = (chosen.coding(), chosen.form);
    let version = Version::of(&chosen.metadata);
    let mut content = FileContent::new(chosen.file, version, 0, chosen.metadata.len());
    if asked.head.method == Method::GET {
        read_first(&mut content, asked.wait)?;
    }
    let mut response = Response::new(match form {
        Form::Plain | Form::Encoded(_) => Content::File(content),
        Form::ToEncode(_) => Content::Compressed(Compressed::new(content, encoder)),
    });
    add_type(response.headers_mut(), chosen.media_type, coding);
    if !matches!(form, Form::ToEncode(_)) {
        let bytes = HeaderValue::from_static("bytes");
        response.headers_mut().insert(header::ACCEPT_RANGES, bytes);
    }
    Ok(response)
}

/// Reads the first piece, or, where the storage may not be waited for, tries to.
fn read_first(content: &mut FileContent, wait: Wait) -> Result<(), OpenError> {
    match wait {
        Wait::Allowed => Ok(content.read_first()?),
        Wait::Never => {
            content.read_first_if_cached();
            Ok(())
        }
    }
}

fn part(chosen: Representation, span: Span, wait: Wait) -> Outcome {
    let coding = chosen.coding();
    let version = Version::of(&chosen.metadata);
    let mut content = FileContent::new(chosen.file, version, span.first, span.length());
    read_first(&mut content, wait)?;
    let mut response = partial(Content::File(content));
    let fields = response.headers_mut();
    add_type(fields, chosen.media_type, coding);
    let range = reply::value(span.content_range(chosen.metadata.len()));
    fields.insert(header::CONTENT_RANGE, range);
    Ok(response)
}

fn parts(chosen: Representation, spans: &[Span]) -> Response<Content> {
    let coding = chosen.coding();
    let Representation {
        file,
        metadata,
        media_type,
        ..
    } = chosen;
    let (content_type, content) = Multipart::new(file, &metadata, spans, &media_type);
    let mut response = partial(Content::Multipart(content));
    add_type(response.headers_mut(), content_type, coding);
    response
}

fn partial(content: Content) -> Response<Content> {
    let mut response = Response::new(content);
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let bytes = HeaderValue::from_static("bytes");
    response.headers_mut().insert(header::ACCEPT_RANGES, bytes);
    response
}

fn add_type(fields: &mut HeaderMap, media_type: HeaderValue, coding: Option<Coding>) {
    fields.insert(header::CONTENT_TYPE, media_type);
    fields.extend([reply::NO_SNIFFING]);
    if let Some(coding) = coding {
        fields.insert(header::CONTENT_ENCODING, coding.value());
    }
}

fn add_vary(fields: &mut HeaderMap, varies: bool) {
    if varies {
        let accept_encoding = HeaderValue::from_static("accept-encoding");
        fields.insert(header::VARY, accept_encoding);
    }
}

/// A tag is a hash of where the file is (its device and inode), its length, and its times of
/// modification and of change in nanoseconds. Whatever writes to a file or puts another in its
/// place changes one of them: inodes are used again and builds set the same date for all they
/// make, but nobody can set the time of change, which `chmod` and a new name move, too. None of
/// them is anybody's business. What is made on the fly may come out otherwise with another version
/// of the encoder, so that its tag is weak (RFC 9110 section 8.8.1).
fn validators_of(metadata: &Metadata, form: Form) -> Validators {
    let mut hasher = DefaultHasher::new();
    let place = (metadata.dev(), metadata.ino(), metadata.len());
    let modified = (metadata.mtime(), metadata.mtime_nsec());
    let changed = (metadata.ctime(), metadata.ctime_nsec());
    (place, modified, changed).hash(&mut hasher);
    let hash = hasher.finish();
    let etag = match form {
        Form::Plain | Form::Encoded(_) => format!("\"{hash:016x}\""),
        Form::ToEncode(coding) => format!("W/\"{hash:016x}-{}\"", coding.token()),
    };
    Validators {
        etag: Some(etag),
        modified: Some(modified.0).filter(|&seconds| date::http_date(seconds).is_some()),
    }
}

fn add_validators(fields: &mut HeaderMap, validators: &Validators, now: i64) {
    if let Some(etag) = &validators.etag {
        fields.insert(header::ETAG, reply::value(etag.clone()));
    }
    if let Some(date) = validators.last_modified(now).and_then(date::http_date) {
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::pin::Pin;
    use std::time::{SystemTime, UNIX_EPOCH};

    use futures_lite::future::{block_on, poll_fn};
    use http::Request;
    use http_body::Body;
    use tempfile::{TempDir, tempdir};

    use super::super::open::Root;
    use super::super::path::Names;
    use super::super::representation::Forms;

    use super::*;

    #[test]
    fn another_file_in_its_place_has_another_tag_even_with_its_date_and_inode() {
        let scratch = tempdir().unwrap();
        let path = scratch.path().join("file");
        // Written into the same inode, and dated back as `cp -p` does it.
        let write = |bytes| {
            fs::write(&path, bytes).unwrap();
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(784_111_777))
                .unwrap();
            file.metadata().unwrap()
        };
        let before = write("one");
        let after = loop {
            let after = write("two");
            // The system's clock stands still for some milliseconds.
            if (after.ctime(), after.ctime_nsec()) != (before.ctime(), before.ctime_nsec()) {
                break after;
            }
        };
        let same = |metadata: &Metadata| (metadata.ino(), metadata.len(), metadata.mtime());
        assert_eq!(same(&before), same(&after));
        let tag = |metadata| validators_of(metadata, Form::Plain).etag;
        assert_eq!(tag(&before), tag(&before));
        assert_ne!(tag(&before), tag(&after));
    }

    /// The answer to a request for `target` of this directory.
    fn answer(directory: &Path, request: Request<()>, encoders: &Encoders) -> Response<Content> {
        answer_at(SystemTime::now(), directory, request, encoders)
    }

    fn answer_at(
        now: SystemTime,
        directory: &Path,
        request: Request<()>,
        encoders: &Encoders,
    ) -> Response<Content> {
        let (head, ()) = request.into_parts();
        let (head, wait) = (&head, Wait::Allowed);
        let asked = Asked { head, now, wait };
        let root = Root::open(directory, None).unwrap();
        let names = Names::parse(head.uri.path()).unwrap_or_else(|_| panic!("{}", head.uri));
        let found = root.find_file(&names, wait).ok().flatten().unwrap();
        let forms = Forms {
            precompressed: false,
            compress: true,
        };
        let chosen = Representation::choose(found, &names, asked, &root, forms);
        let sent = chosen.and_then(|chosen| send(chosen, asked, encoders));
        sent.unwrap_or_else(|_| panic!("{} was refused", head.uri))
    }

    /// A directory with a file in it that is worth compressing.
    fn text() -> TempDir {
        let scratch = tempdir().unwrap();
        let path = scratch.path().join("text.txt");
        fs::write(&path, "text ".repeat(100_000)).unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(UNIX_EPOCH).unwrap();
        scratch
    }

    fn for_text(method: Method) -> Request<()> {
        let request = Request::builder().method(method).uri("/text.txt");
        let request = request.header("accept-encoding", "zstd");
        request.body(()).unwrap()
    }

    #[test]
    fn when_encoders_have_their_share_of_memory_the_next_response_is_sent_as_it_is() {
        let (scratch, encoders) = (text(), Encoders::new(1024 * 1024, 1));
        let get = || answer(scratch.path(), for_text(Method::GET), &encoders);
        let first = get();
        assert_eq!(first.headers()["content-encoding"], "zstd");
        let second = get();
        let fields = second.headers();
        assert!(!fields.contains_key("content-encoding"));
        assert_eq!(second.body().size_hint().exact(), Some(500_000));
        assert_eq!(fields["accept-ranges"], "bytes");
        assert_eq!(fields["vary"], "accept-encoding");
        // It has the tag of what it is.
        assert!(fields["etag"].to_str().unwrap().starts_with('"'));
        drop(first);
        assert_eq!(get().headers()["content-encoding"], "zstd");
    }

    #[test]
    fn head_makes_no_encoder() {
        let (scratch, encoders) = (text(), Encoders::new(1024 * 1024, 1));
        let get = answer(scratch.path(), for_text(Method::GET), &encoders);
        let left = encoders.left();
        let head = answer(scratch.path(), for_text(Method::HEAD), &encoders);
        assert_eq!(head.headers(), get.headers());
        assert_eq!(encoders.left(), left);
        drop(get);
        assert!(encoders.left() > left);
        let mut content = block_on(head.into_body().settle()).unwrap();
        let frame = poll_fn(|context| Pin::new(&mut content).poll_frame(context));
        assert!(block_on(frame).is_none());
    }

    #[test]
    fn a_file_has_no_date_while_it_may_change_again_under_it() {
        let scratch = tempdir().unwrap();
        fs::write(scratch.path().join("file"), "new").unwrap();
        let modified = fs::metadata(scratch.path().join("file")).unwrap().mtime();
        let second_ends = UNIX_EPOCH + Duration::from_secs(modified.unsigned_abs() + 1);
        for (now, has_date) in [
            (second_ends - Duration::from_millis(1), false),
            (second_ends + TICK / 2, false),
            (second_ends + TICK, true),
        ] {
            let request = Request::get("/file").body(()).unwrap();
            let encoders = Encoders::default();
            let response = answer_at(now, scratch.path(), request, &encoders);
            let fields = response.headers();
            assert_eq!(fields.contains_key("last-modified"), has_date, "{now:?}");
            assert!(fields.contains_key("etag"));
        }
    }
}

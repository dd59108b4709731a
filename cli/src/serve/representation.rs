//! Which form of a file a request gets: the file itself, a file beside it that holds the same in
//! fewer bytes, or the file compressed on the way (RFC 9110 section 12.5.3).

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;

use http::{HeaderValue, Method, header};

use super::compress;
use super::encoding::{Accepted, Coding};
use super::media_type::MediaType;
use super::open::{Root, Wait};
use super::path::Names;
use super::refusal::Setback;
use super::site::Asked;

/// Which forms of its files a site has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Forms {
    /// Whether `name.br`, `name.zst` and `name.gz` are forms of `name`. They are files of their
    /// own unless somebody says so: a request for the one must not get the other by accident.
    pub(crate) precompressed: bool,
    /// Whether text is compressed while it is sent.
    pub(crate) compress: bool,
}

/// A form of a file, open.
pub(crate) struct Representation {
    pub(crate) file: File,
    pub(crate) metadata: Metadata,
    pub(crate) media_type: HeaderValue,
    pub(crate) form: Form,
    /// Whether another request for the same file may get another form of it.
    pub(crate) varies: bool,
}

/// How a file's bytes are the representation's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are.
    Plain,
    /// As they are, which is in this coding.
    Encoded(Coding),
    /// Once they are in this coding.
    ToEncode(Coding),
}

/// Where a form in some coding comes from.
#[derive(Clone, Copy)]
enum Source {
    /// A file beside the file.
    Beside,
    Encoder,
}

/// What there may be, what we prefer first: what was compressed beforehand costs nothing, and what
/// is shorter comes before what is longer. Brotli pays only where it is done once.
const SOURCES: [(Coding, Source); 5] = [
    (Coding::Brotli, Source::Beside),
    (Coding::Zstd, Source::Beside),
    (Coding::Gzip, Source::Beside),
    (Coding::Zstd, Source::Encoder),
    (Coding::Gzip, Source::Encoder),
];

impl Representation {
    /// Chooses a form of the file that the names led to.
    pub(crate) fn choose(
        (file, metadata): (File, Metadata),
        names: &Names,
        asked: Asked<'_>,
        root: &Root,
        forms: Forms,
    ) -> Result<Representation, Setback> {
        let media_type = MediaType::of(names.last());
        let can_encode = forms.compress && media_type.shrinks && metadata.len() >= compress::LEAST;
        let mut chosen = Representation {
            file,
            metadata,
            media_type: media_type.value,
            form: Form::Plain,
            varies: forms.precompressed || can_encode,
        };
        if !chosen.varies {
            return Ok(chosen);
        }
        // What is made on the fly has no ranges, and who asks for some rather has those.
        let head = asked.head;
        let asks_for_range = head.method == Method::GET && head.headers.contains_key(header::RANGE);
        let accepted = Accepted::of(&head.headers);
        for (coding, source) in accepted.best(SOURCES, |(coding, _)| coding) {
            match source {
                Source::Beside if forms.precompressed => {
                    let sibling = sibling(root, names, coding, &chosen.metadata, asked.wait)?;
                    if let Some((file, metadata)) = sibling {
                        chosen.form = Form::Encoded(coding);
                        (chosen.file, chosen.metadata) = (file, metadata);
                        return Ok(chosen);
                    }
                }
                Source::Encoder if can_encode && !asks_for_range => {
                    chosen.form = Form::ToEncode(coding);
                    return Ok(chosen);
                }
                Source::Beside | Source::Encoder => {}
            }
        }
        Ok(chosen)
    }

    /// What `Content-Encoding` says.
    pub(crate) fn coding(&self) -> Option<Coding> {
        match self.form {
            Form::Plain => None,
            Form::Encoded(coding) | Form::ToEncode(coding) => Some(coding),
        }
    }
}

/// The file beside the one that the names lead to, unless it is older: it would hold what was there
/// before.
fn sibling(
    root: &Root,
    names: &Names,
    coding: Coding,
    original: &Metadata,
    wait: Wait,
) -> Result<Option<(File, Metadata)>, Setback> {
    let date = |metadata: &Metadata| (metadata.mtime(), metadata.mtime_nsec());
    let sibling = root.find_file(&names.with_suffix(coding.suffix()), wait)?;
    Ok(sibling.filter(|(_, metadata)| date(metadata) >= date(original)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use http::Request;
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn a_file_beside_does_not_outrank_what_the_client_prefers() {
        let scratch = tempdir().unwrap();
        for name in ["text.txt", "text.txt.gz"] {
            fs::write(scratch.path().join(name), [b' '; 2000]).unwrap();
        }
        let root = Root::open(scratch.path(), None).unwrap();
        let form = |accept_encoding: &str| {
            let request = Request::get("/text.txt").header("accept-encoding", accept_encoding);
            let (head, ()) = request.body(()).unwrap().into_parts();
            let (now, wait) = (SystemTime::now(), Wait::Allowed);
            let asked = Asked {
                head: &head,
                now,
                wait,
            };
            let names = Names::parse("/text.txt").ok().unwrap();
            let found = root.find_file(&names, wait).ok().flatten().unwrap();
            let forms = Forms {
                precompressed: true,
                compress: true,
            };
            let chosen = Representation::choose(found, &names, asked, &root, forms);
            chosen.ok().unwrap().form
        };
        let (beside, zstd) = (Form::Encoded(Coding::Gzip), Form::ToEncode(Coding::Zstd));
        for (accept_encoding, expected) in [
            ("zstd, gzip;q=0.5", zstd),
            ("zstd;q=0.5, gzip", beside),
            // Who does not care gets what is there.
            ("zstd, gzip", beside),
            ("br, gzip;q=0.5", beside),
            ("zstd", zstd),
            ("identity, zstd;q=0.5", Form::Plain),
        ] {
            assert_eq!(form(accept_encoding), expected, "{accept_encoding}");
        }
    }
}

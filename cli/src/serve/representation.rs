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
        let accepted = Accepted::of(&asked.head.headers);
        let ours: &[Coding] = if forms.precompressed {
            &Coding::ALL
        } else {
            &[]
        };
        for coding in accepted.best(ours) {
            if let Some((file, metadata)) =
                sibling(root, names, coding, &chosen.metadata, asked.wait)?
            {
                chosen.form = Form::Encoded(coding);
                (chosen.file, chosen.metadata) = (file, metadata);
                return Ok(chosen);
            }
        }
        // What is made on the fly has no ranges, and who asks for some rather has those.
        let head = asked.head;
        let asks_for_range = head.method == Method::GET && head.headers.contains_key(header::RANGE);
        if can_encode
            && !asks_for_range
            && let Some(coding) = accepted.best(&compress::CODINGS).next()
        {
            chosen.form = Form::ToEncode(coding);
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

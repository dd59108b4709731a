//! Several parts of a file in one response (`multipart/byteranges`, RFC 9110 section 14.6).

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderValue;

use super::file_content::{FileContent, Version};
use super::range::Span;
use crate::reply;

/// Parts of a file, each behind a head of its own, read as the client takes them.
pub(crate) struct Multipart {
    file: Arc<File>,
    version: Version,
    /// Those that are still to come.
    parts: VecDeque<(Bytes, Span)>,
    current: FileContent,
    /// What stands behind the last part.
    end: Bytes,
    left: u64,
}

impl Multipart {
    /// These parts of a file, and the `Content-Type` of the response that they are in;
    /// `media_type` is the file's own.
    pub(crate) fn new(
        file: File,
        metadata: &Metadata,
        spans: &[Span],
        media_type: &HeaderValue,
    ) -> (HeaderValue, Multipart) {
        let boundary = boundary();
        let media_type = media_type.to_str().unwrap_or_default();
        let part = |&span: &Span| {
            let range = span.content_range(metadata.len());
            let head = format!(
                "\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {range}\r\n\r\n"
            );
            (Bytes::from(head), span)
        };
        let parts: VecDeque<(Bytes, Span)> = spans.iter().map(part).collect();
        let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        let lengths = parts
            .iter()
            .map(|(head, span)| head.len() as u64 + span.length());
        let content_type = format!("multipart/byteranges; boundary={boundary}");
        let version = Version::of(metadata);
        let file = Arc::new(file);
        let multipart = Multipart {
            left: lengths.sum::<u64>() + end.len() as u64,
            current: FileContent::new(Arc::clone(&file), version, 0, 0),
            file,
            version,
            parts,
            end,
        };
        (reply::value(content_type), multipart)
    }

    /// How many bytes are still to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The next bytes.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let piece = match ready!(self.current.poll(context)) {
            Some(piece) => piece?,
            None => match self.parts.pop_front() {
                Some((head, span)) => {
                    let file = Arc::clone(&self.file);
                    let (first, length) = (span.first, span.length());
                    self.current = FileContent::new(file, self.version, first, length);
                    head
                }
                None => std::mem::take(&mut self.end),
            },
        };
        self.left -= piece.len() as u64;
        Poll::Ready(Some(Ok(piece)).filter(|piece| !matches!(piece, Ok(piece) if piece.is_empty())))
    }
}

/// 128 bits that nobody can know: no file has them in it by accident, and none on purpose.
fn boundary() -> String {
    let random = || RandomState::new().hash_one("boundary");
    format!("{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use futures_lite::future::{block_on, poll_fn};
    use proptest::prelude::*;

    use super::super::range::{self, Selection};
    use super::*;

    fn multipart(bytes: &[u8], spans: &[Span]) -> (String, Vec<u8>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let metadata = file.metadata().unwrap();
        let text = HeaderValue::from_static("text/plain");
        let (content_type, mut content) = Multipart::new(file, &metadata, spans, &text);
        let mut sent = Vec::new();
        let promised = content.left();
        while let Some(piece) = block_on(poll_fn(|context| content.poll(context))) {
            sent.extend(piece.unwrap());
        }
        assert_eq!(sent.len() as u64, promised);
        assert_eq!(content.left(), 0);
        let boundary = content_type.to_str().unwrap().split_once('=').unwrap().1;
        (boundary.to_owned(), sent)
    }

    #[test]
    fn each_part_has_its_type_and_its_range() {
        let spans = [(5, 6), (0, 0)].map(|(first, last)| Span { first, last });
        let (boundary, sent) = multipart(b"0123456789", &spans);
        let expected = format!(
            "\r\n--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 5-6/10\r\n\r\n56\
             \r\n--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-0/10\r\n\r\n0\
             \r\n--{boundary}--\r\n"
        );
        assert_eq!(String::from_utf8(sent).unwrap(), expected);
    }

    #[test]
    fn a_file_that_is_written_to_between_two_parts_does_not_come_to_its_end() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[b'a'; 1000]).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        let spans = [(0, 9), (500, 509)].map(|(first, last)| Span { first, last });
        let (metadata, text) = (file.metadata().unwrap(), HeaderValue::from_static("a/b"));
        let (_, mut content) = Multipart::new(file.try_clone().unwrap(), &metadata, &spans, &text);
        let mut next = || block_on(poll_fn(|context| content.poll(context))).unwrap();
        for _ in ["the first head", "the first part"] {
            next().unwrap();
        }
        file.write_all(b"b").unwrap();
        file.set_len(1000).unwrap();
        next().unwrap();
        assert!(next().is_err());
    }

    #[test]
    fn no_boundary_comes_twice() {
        assert_ne!(boundary(), boundary());
        assert_eq!(boundary().len(), 32);
    }

    proptest! {
        /// Read as any reader of multiparts would: from boundary to boundary.
        #[test]
        fn a_reader_finds_the_bytes_of_every_part(
            bytes in prop::collection::vec(any::<u8>(), 400..2000),
            asked in prop::collection::vec((0usize..2000, 0usize..50), 2..12),
        ) {
            let asked = asked.iter().map(|(first, more)| format!("{first}-{},", first + more));
            let asked = format!("bytes={}", asked.collect::<String>());
            let Selection::Parts(spans) = range::select(asked.as_bytes(), bytes.len() as u64) else {
                return Ok(());
            };
            let (boundary, sent) = multipart(&bytes, &spans);
            let mut rest = &sent[..];
            for span in spans {
                let range = span.content_range(bytes.len() as u64);
                let head = format!(
                    "\r\n--{boundary}\r\nContent-Type: text/plain\r\n\
                     Content-Range: {range}\r\n\r\n"
                );
                rest = rest.strip_prefix(head.as_bytes()).ok_or(TestCaseError::fail("no head"))?;
                let (part, behind) = rest.split_at(usize::try_from(span.length()).unwrap());
                let first = usize::try_from(span.first).unwrap();
                prop_assert_eq!(part, &bytes[first..first + part.len()]);
                rest = behind;
            }
            let end = format!("\r\n--{boundary}--\r\n");
            prop_assert_eq!(rest, end.as_bytes());
        }
    }
}

//! Content that is compressed while it is sent.
//!
//! A file's pieces go through an encoder on a thread that may block, one at a time and as the
//! client takes them: memory is bounded by a piece and what the encoder keeps (some hundred KiB),
//! and other connections wait for none of it.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use blocking::Task;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::encoding::Coding;
use super::file_content::FileContent;

/// What can be made on the fly, what we prefer first. Brotli pays where it is done once, in a file
/// beside the file.
pub(crate) const CODINGS: [Coding; 2] = [Coding::Zstd, Coding::Gzip];

/// A file below this is not worth the work: it fits in a packet as it is.
pub(crate) const LEAST: u64 = 1024;

/// The levels that the encoders' own authors take for a good balance.
const GZIP_LEVEL: Compression = Compression::new(6);
const ZSTD_LEVEL: i32 = zstd::DEFAULT_COMPRESSION_LEVEL;

/// An encoder and what has come out of it.
enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    fn new(coding: Coding) -> io::Result<Encoder> {
        match coding {
            Coding::Gzip => Ok(Encoder::Gzip(GzEncoder::new(Vec::new(), GZIP_LEVEL))),
            Coding::Zstd => {
                let encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                Ok(Encoder::Zstd(encoder))
            }
            Coding::Brotli => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Takes a piece in; gives what comes out of it, which may be nothing yet.
    fn take(&mut self, piece: &[u8]) -> io::Result<Bytes> {
        let encoded = match self {
            Encoder::Gzip(encoder) => {
                encoder.write_all(piece)?;
                encoder.get_mut()
            }
            Encoder::Zstd(encoder) => {
                encoder.write_all(piece)?;
                encoder.get_mut()
            }
        };
        Ok(std::mem::take(encoded).into())
    }

    /// The rest.
    fn finish(self) -> io::Result<Bytes> {
        match self {
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Zstd(encoder) => encoder.finish(),
        }
        .map(Bytes::from)
    }
}

/// All of it at once.
///
/// # Errors
///
/// When the encoder has no memory, or does not know the coding.
pub(crate) fn all(coding: Coding, bytes: &[u8]) -> io::Result<Bytes> {
    let mut encoder = Encoder::new(coding)?;
    let begin = encoder.take(bytes)?;
    let end = encoder.finish()?;
    Ok([begin, end].concat().into())
}

/// What a piece has come to: the encoder, unless that was the end, and what came out of it.
type Step = (Option<Encoder>, Bytes);

/// A file's content, compressed.
pub(crate) struct Compressed {
    file: FileContent,
    /// Gone while it is at work, and once it has finished.
    encoder: Option<Encoder>,
    working: Option<Task<io::Result<Step>>>,
}

impl Compressed {
    /// Compresses what `file` is to bring.
    ///
    /// # Errors
    ///
    /// When the encoder has no memory, or does not know the coding.
    pub(crate) fn new(file: FileContent, coding: Coding) -> io::Result<Compressed> {
        Ok(Compressed {
            file,
            encoder: Some(Encoder::new(coding)?),
            working: None,
        })
    }

    /// The next bytes.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            if let Some(working) = &mut self.working {
                let (encoder, encoded) = ready!(Pin::new(working).poll(context))?;
                self.working = None;
                self.encoder = encoder;
                if !encoded.is_empty() {
                    return Poll::Ready(Some(Ok(encoded)));
                }
            }
            if self.encoder.is_none() {
                return Poll::Ready(None);
            }
            let piece = ready!(self.file.poll(context)).transpose()?;
            let Some(mut encoder) = self.encoder.take() else {
                return Poll::Ready(None);
            };
            self.working = Some(blocking::unblock(move || match piece {
                Some(piece) => {
                    let encoded = encoder.take(&piece)?;
                    Ok((Some(encoder), encoded))
                }
                None => Ok((None, encoder.finish()?)),
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use futures_lite::future::{block_on, poll_fn};
    use tempfile::tempfile;

    use super::super::file_content::Version;
    use super::*;

    fn decode(coding: Coding, encoded: &[u8]) -> Vec<u8> {
        let mut decoded = Vec::new();
        match coding {
            Coding::Gzip => flate2::read::GzDecoder::new(encoded).read_to_end(&mut decoded),
            _ => zstd::Decoder::new(encoded)
                .unwrap()
                .read_to_end(&mut decoded),
        }
        .unwrap();
        decoded
    }

    fn text(lines: usize) -> Vec<u8> {
        let lines = (0..lines).map(|line| format!("{line}: {}\n", line * line % 1009));
        lines.collect::<String>().into_bytes()
    }

    fn send(file: File, length: u64, coding: Coding) -> io::Result<Vec<u8>> {
        let mut content = {
            let version = Version::of(&file.metadata().unwrap());
            Compressed::new(FileContent::new(file, version, 0, length), coding)?
        };
        let mut sent = Vec::new();
        while let Some(piece) = block_on(poll_fn(|context| content.poll(context))) {
            let piece = piece?;
            assert!(!piece.is_empty());
            sent.extend(piece);
        }
        Ok(sent)
    }

    #[test]
    fn what_is_sent_is_the_file_and_shorter() {
        for (coding, lines) in CODINGS.into_iter().zip([100_000, 70_000]) {
            let mut file = tempfile().unwrap();
            file.write_all(&text(lines)).unwrap();
            let sent = send(file, text(lines).len() as u64, coding).unwrap();
            assert!(sent.len() * 2 < text(lines).len());
            assert_eq!(decode(coding, &sent), text(lines), "{coding:?}");
        }
    }

    #[test]
    fn a_short_file_is_compressed_at_once() {
        for coding in CODINGS {
            assert_eq!(decode(coding, &all(coding, &text(100)).unwrap()), text(100));
        }
    }

    #[test]
    fn a_file_that_shrinks_does_not_end_as_if_it_were_whole() {
        let mut file = tempfile().unwrap();
        file.write_all(&text(100_000)).unwrap();
        let longer = text(100_000).len() as u64 + 1;
        assert!(send(file, longer, Coding::Gzip).is_err());
    }
}

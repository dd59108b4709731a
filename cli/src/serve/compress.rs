//! Content that is compressed while it is sent.
//!
//! A file's pieces go through an encoder on a thread that may block, one at a time and as the
//! client takes them. What the encoders of a site take together is bounded: its processors, by
//! letting no more of them work at once than there are; its memory, by sending a file as it is once
//! they have their share of it. So however many clients there are, and however slow, the thread
//! that reads requests competes with few others.

use std::io::{self, Write};
use std::num::NonZero;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread::available_parallelism;

use async_lock::Semaphore;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_lite::future::poll_fn;
use zstd::zstd_safe::CParameter;

use super::budget::{Budget, Charge};
use super::encoding::Coding;
use super::file_content::{FileContent, PIECE};

/// What can be made on the fly, what we prefer first. Brotli pays where it is done once, in a file
/// beside the file.
pub(crate) const CODINGS: [Coding; 2] = [Coding::Zstd, Coding::Gzip];

/// A file below this is not worth the work: it fits in a packet as it is.
pub(crate) const LEAST: u64 = 1024;

/// Bytes that the encoders of a site may take together, as many as its listings: more than eighty
/// with zstd, or two hundred with gzip. Who comes when so many are under way waits longer for a
/// processor than for the bytes that encoding would spare.
const MEMORY: usize = 64 * 1024 * 1024;

/// The levels that the encoders' own authors take for a good balance.
const GZIP_LEVEL: Compression = Compression::new(6);
const ZSTD_LEVEL: i32 = zstd::DEFAULT_COMPRESSION_LEVEL;

/// What zstd keeps, as powers of two: a window of a piece instead of the 2 MiB of its level, and
/// the tables that the level has for content of that length.
const ZSTD_MEMORY: [CParameter; 3] = [
    CParameter::WindowLog(17),
    CParameter::HashLog(16),
    CParameter::ChainLog(15),
];

/// Bytes that an encoder takes, as measured. The pieces that go in and come out are those of any
/// download.
const fn memory(coding: Coding) -> usize {
    match coding {
        Coding::Gzip => 304 * 1024,
        Coding::Brotli | Coding::Zstd => 768 * 1024,
    }
}

/// What the encoders of a site share.
pub(crate) struct Encoders {
    memory: Arc<Budget>,
    /// A permit for each that may be at work.
    steps: Arc<Semaphore>,
}

impl Default for Encoders {
    fn default() -> Encoders {
        Encoders::new(MEMORY, available_parallelism().map_or(1, NonZero::get))
    }
}

impl Encoders {
    /// Encoders that take so many bytes together, as many of which work at once.
    pub(crate) fn new(memory: usize, steps: usize) -> Encoders {
        Encoders {
            memory: Budget::new(memory),
            steps: Arc::new(Semaphore::new(steps)),
        }
    }

    /// One for so many bytes of content, if there is memory for it.
    pub(crate) fn admit(&self, coding: Coding, length: u64) -> Option<Encoder> {
        let mut charge = Charge::new(&self.memory, 0);
        charge.add(memory(coding)).ok()?;
        Some(Encoder {
            coding,
            length,
            stream: None,
            steps: Arc::clone(&self.steps),
            _charge: charge,
        })
    }

    /// Bytes that are left for more of them.
    #[cfg(test)]
    pub(crate) fn left(&self) -> usize {
        self.memory.left()
    }
}

/// An encoder, whose memory is taken with the first piece.
pub(crate) struct Encoder {
    coding: Coding,
    /// Of what goes in.
    length: u64,
    stream: Option<Stream>,
    steps: Arc<Semaphore>,
    _charge: Charge,
}

/// An encoder proper, and what has come out of it.
enum Stream {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Stream {
    fn new(coding: Coding, length: u64) -> io::Result<Stream> {
        match coding {
            Coding::Gzip => Ok(Stream::Gzip(GzEncoder::new(Vec::new(), GZIP_LEVEL))),
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                for parameter in ZSTD_MEMORY {
                    encoder.set_parameter(parameter)?;
                }
                encoder.set_pledged_src_size(Some(length))?;
                Ok(Stream::Zstd(encoder))
            }
            Coding::Brotli => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Takes a piece in; gives what comes out of it, which may be nothing yet.
    fn take(&mut self, piece: &[u8]) -> io::Result<Vec<u8>> {
        let encoded = match self {
            Stream::Gzip(encoder) => {
                encoder.write_all(piece)?;
                encoder.get_mut()
            }
            Stream::Zstd(encoder) => {
                encoder.write_all(piece)?;
                encoder.get_mut()
            }
        };
        Ok(std::mem::take(encoded))
    }

    /// The rest.
    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Stream::Gzip(encoder) => encoder.finish(),
            Stream::Zstd(encoder) => encoder.finish(),
        }
    }
}

/// What a piece has come to: the encoder, unless that was the end, and what came out of it.
type Step = (Option<Encoder>, Bytes);

impl Encoder {
    /// Takes a piece in, when it is its turn.
    async fn step(self, piece: Bytes, is_last: bool) -> io::Result<Step> {
        let turn = self.steps.acquire_arc().await;
        blocking::unblock(move || {
            let step = self.encode(&piece, is_last);
            drop(turn);
            step
        })
        .await
    }

    fn encode(mut self, piece: &[u8], is_last: bool) -> io::Result<Step> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => Stream::new(self.coding, self.length)?,
        };
        let mut encoded = stream.take(piece)?;
        if is_last {
            let end = stream.finish()?;
            encoded.extend(end);
            return Ok((None, encoded.into()));
        }
        self.stream = Some(stream);
        Ok((Some(self), encoded.into()))
    }
}

/// A file's content, compressed.
pub(crate) struct Compressed {
    file: FileContent,
    /// Gone while it is at work, and once it has finished.
    encoder: Option<Encoder>,
    working: Option<Pin<Box<dyn Future<Output = io::Result<Step>> + Send>>>,
}

impl Compressed {
    /// What `encoder` makes of the file; without one it is for who asks for nothing but the head.
    pub(crate) fn new(file: FileContent, encoder: Option<Encoder>) -> Compressed {
        Compressed {
            file,
            encoder,
            working: None,
        }
    }

    /// Whether it is a piece: then it is encoded before its head is sent, which tells its length.
    pub(crate) fn is_short(&self) -> bool {
        self.encoder.is_some() && self.file.left() <= PIECE as u64
    }

    /// All of it at once.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or has changed, or the encoder has no memory.
    pub(crate) async fn all(mut self) -> io::Result<Bytes> {
        let mut all = Vec::new();
        while let Some(piece) = poll_fn(|context| self.poll(context)).await {
            all.extend(piece?);
        }
        Ok(all.into())
    }

    /// The next bytes.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            if let Some(working) = &mut self.working {
                let (encoder, encoded) = ready!(working.as_mut().poll(context))?;
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
            let Some(encoder) = self.encoder.take() else {
                return Poll::Ready(None);
            };
            let is_last = self.file.left() == 0;
            let step = encoder.step(piece.unwrap_or_default(), is_last);
            self.working = Some(Box::pin(step));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use futures_lite::future::{block_on, poll_once};
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

    fn content(file: File, length: u64, coding: Coding, encoders: &Encoders) -> Compressed {
        let version = Version::of(&file.metadata().unwrap());
        let encoder = encoders.admit(coding, length);
        assert!(encoder.is_some());
        Compressed::new(FileContent::new(file, version, 0, length), encoder)
    }

    fn send(file: File, length: u64, coding: Coding) -> io::Result<Vec<u8>> {
        let mut content = content(file, length, coding, &Encoders::default());
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
            let (mut file, text) = (tempfile().unwrap(), text(100));
            file.write_all(&text).unwrap();
            let short = content(file, text.len() as u64, coding, &Encoders::default());
            assert!(short.is_short());
            assert_eq!(decode(coding, &block_on(short.all()).unwrap()), text);
        }
    }

    #[test]
    fn a_file_that_shrinks_does_not_end_as_if_it_were_whole() {
        let mut file = tempfile().unwrap();
        file.write_all(&text(100_000)).unwrap();
        let longer = text(100_000).len() as u64 + 1;
        assert!(send(file, longer, Coding::Gzip).is_err());
    }

    #[test]
    fn encoders_have_turns_as_many_at_once_as_there_are_processors() {
        let processors = available_parallelism().unwrap().get();
        assert_eq!(Encoders::default().steps.available_permits(), processors);
        let encoders = Encoders::new(MEMORY, 2);
        let mut turns = [(); 2].map(|()| encoders.steps.try_acquire_arc());
        let encoder = encoders.admit(Coding::Zstd, 4).unwrap();
        let mut step = Box::pin(encoder.step(Bytes::from_static(b"text"), true));
        // Other threads have time for many such steps, and none of them takes this one.
        for _ in 0..100 {
            assert!(block_on(poll_once(&mut step)).is_none());
            block_on(blocking::unblock(|| ()));
        }
        turns[0] = None;
        let (encoder, encoded) = block_on(step).unwrap();
        assert!(encoder.is_none());
        assert_eq!(decode(Coding::Zstd, &encoded), b"text");
        // Its turn is over, and so is its memory.
        assert_eq!(encoders.steps.available_permits(), 1);
        assert_eq!(encoders.left(), MEMORY);
    }
}

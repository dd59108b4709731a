//! A file, or a part of one, as the content of a response.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use blocking::Task;
use bytes::{Bytes, BytesMut};

/// Bytes read at a time. A response needs this much memory whatever the length of the file; fewer
/// would be more trips to another thread, more would not be noticeably fewer.
const PIECE: usize = 128 * 1024;

/// Bytes of a file that were promised to a client, read as the client takes them.
///
/// No more are sent than were promised, however much the file grows. Should it shrink, the content
/// ends with an error, which cuts the connection: the client learns that the rest is missing. So
/// it does when the file was written to and is no longer: the client would otherwise hold a
/// mixture of two files under the name of one (RFC 9110 section 8.8.1). A file that is longer by
/// then was appended to, as a log is, and what was promised of it is true. One that was removed or
/// that another took the place of does not change, and is sent to its end.
pub(crate) struct FileContent {
    /// Gone once the last byte was read: a slow client does not keep a file open.
    file: Option<Arc<File>>,
    offset: u64,
    left: u64,
    /// Already read, while the file was being opened.
    first: Option<Bytes>,
    /// The last piece, whose memory the next one gets, if the client has taken it by then.
    last: Bytes,
    reading: Option<Task<io::Result<Bytes>>>,
    /// What the file was like before the first of several pieces. A file of one piece is read
    /// right after it was looked at, with nothing in between to wait for.
    version: Option<Version>,
}

/// What tells whether a file was written to. Not the time of its last change of any kind, which a
/// file also has when it is renamed or another takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    length: u64,
    modified: (i64, i64),
}

impl Version {
    fn of(file: &File) -> io::Result<Version> {
        let metadata = file.metadata()?;
        Ok(Version {
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }

    /// Whether what was read of the file meanwhile may be of two versions. Two writes of the same
    /// length within the resolution of the filesystem's clock cannot be told apart.
    fn is_mixed_with(self, later: Version) -> bool {
        later.length < self.length || (later.length == self.length && later != self)
    }
}

impl FileContent {
    /// Promises `length` bytes from `offset` on. Asks what the file is like, as long as the storage
    /// takes to tell.
    pub(crate) fn new(file: File, offset: u64, length: u64) -> FileContent {
        // Without an answer now there will be none later, and no content either.
        let is_one_piece = length <= PIECE as u64;
        let version = (!is_one_piece).then(|| Version::of(&file).ok()).flatten();
        let file = (length > 0).then(|| Arc::new(file));
        FileContent {
            file,
            offset,
            left: length,
            first: None,
            last: Bytes::new(),
            reading: None,
            version,
        }
    }

    /// Reads the first piece, which is all of a small file. Blocks: the caller is on a thread where
    /// that is allowed, and spares the content a second trip there.
    pub(crate) fn read_first(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            let piece = read_piece(file, BytesMut::new(), self.offset, self.left)?;
            if piece.len() as u64 == self.left {
                self.file = None;
            }
            self.first = Some(piece);
        }
        Ok(())
    }

    /// How many bytes are still to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The next bytes.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let piece = match self.first.take() {
            Some(piece) => Ok(piece),
            None => ready!(self.poll_piece(context)),
        };
        Poll::Ready(Some(piece.and_then(|piece| self.advance(piece))))
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let Some(file) = &self.file else {
            return Poll::Ready(Ok(Bytes::new()));
        };
        if self.reading.is_none() {
            let mut room = std::mem::take(&mut self.last)
                .try_into_mut()
                .unwrap_or_default();
            let version = self.version.filter(|_| self.left <= PIECE as u64);
            // What the system has in memory needs no other thread. To ask what the file is like
            // does, once: it may be far away.
            if version.is_none()
                && let Some(piece) = read_cached(file, &mut room, self.offset, self.left)
            {
                return Poll::Ready(Ok(piece));
            }
            let (file, offset, left) = (Arc::clone(file), self.offset, self.left);
            let read = move || {
                let piece = read_piece(&file, room, offset, left)?;
                match version {
                    Some(version) if version.is_mixed_with(Version::of(&file)?) => Err(changed()),
                    _ => Ok(piece),
                }
            };
            self.reading = Some(blocking::unblock(read));
        }
        let Some(reading) = &mut self.reading else {
            return Poll::Pending;
        };
        let piece = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        Poll::Ready(piece)
    }

    fn advance(&mut self, piece: Bytes) -> io::Result<Bytes> {
        if piece.is_empty() {
            let missing = "the file became shorter while it was sent";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, missing));
        }
        self.offset += piece.len() as u64;
        self.left -= piece.len() as u64;
        if self.left == 0 {
            self.file = None;
        } else {
            self.last = piece.clone();
        }
        Ok(piece)
    }
}

fn changed() -> io::Error {
    io::Error::other("the file was written to while it was sent")
}

/// Reads at most `left` bytes, at least one unless the file ends at `offset`, into `room`.
fn read_piece(file: &File, mut room: BytesMut, offset: u64, left: u64) -> io::Result<Bytes> {
    make_room(&mut room, left);
    let count = rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut room[..], offset))?;
    room.truncate(count);
    Ok(room.freeze())
}

/// The same for what can be read without waiting; `None` where that is nothing, or not known.
#[cfg(target_os = "linux")]
fn read_cached(file: &File, room: &mut BytesMut, offset: u64, left: u64) -> Option<Bytes> {
    make_room(room, left);
    let read = || {
        let slice = &mut [io::IoSliceMut::new(room)];
        let flags = rustix::io::ReadWriteFlags::NOWAIT;
        rustix::io::preadv2(file, slice, offset, flags)
    };
    let count = rustix::io::retry_on_intr(read)
        .ok()
        .filter(|count| *count > 0)?;
    room.truncate(count);
    Some(std::mem::take(room).freeze())
}

/// Other systems do not say what they have in memory.
#[cfg(not(target_os = "linux"))]
fn read_cached(_: &File, _: &mut BytesMut, _: u64, _: u64) -> Option<Bytes> {
    None
}

/// Only memory that is new is cleared for it.
fn make_room(room: &mut BytesMut, left: u64) {
    let length = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
    room.resize(length, 0);
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    use futures_lite::future::{block_on, poll_fn};

    use tempfile::{TempDir, tempdir};

    use super::*;

    fn file(bytes: &[u8]) -> (TempDir, File) {
        let scratch = tempdir().unwrap();
        std::fs::write(scratch.path().join("file"), bytes).unwrap();
        let mut options = File::options();
        let file = options
            .read(true)
            .write(true)
            .open(scratch.path().join("file"))
            .unwrap();
        (scratch, file)
    }

    fn read(content: &mut FileContent) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(piece) = block_on(poll_fn(|context| content.poll(context))) {
            bytes.extend(piece?);
        }
        Ok(bytes)
    }

    #[test]
    fn exactly_the_promised_bytes_are_sent() {
        let bytes: Vec<u8> = (0..=250).cycle().take(2 * PIECE + 77).collect();
        for (offset, length) in [
            (0, 0),
            (0, 1),
            (5, 10),
            (0, PIECE),
            (1, PIECE),
            (0, PIECE + 1),
            (3, 2 * PIECE + 74),
        ] {
            for read_first in [false, true] {
                let (_scratch, file) = file(&bytes);
                let mut content = FileContent::new(file, offset as u64, length as u64);
                if read_first {
                    content.read_first().unwrap();
                }
                assert_eq!(read(&mut content).unwrap(), bytes[offset..offset + length]);
                assert!(content.file.is_none());
            }
        }
    }

    #[test]
    fn a_file_that_grows_is_sent_as_it_was_promised() {
        let (_scratch, mut file) = file(b"0123456789");
        let mut content = FileContent::new(file.try_clone().unwrap(), 0, 10);
        file.write_all(&[b'x'; 100]).unwrap();
        assert_eq!(read(&mut content).unwrap().len(), 10);
    }

    /// What becomes of a content of several pieces whose file is changed behind its first one.
    fn read_after(change: impl FnOnce(&File, &std::path::Path)) -> io::Result<Vec<u8>> {
        let (scratch, file) = file(&vec![1; 3 * PIECE]);
        // A clock that stands still for some milliseconds would show no change.
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        let length = 3 * PIECE as u64;
        let mut content = FileContent::new(file.try_clone().unwrap(), 0, length);
        content.read_first().unwrap();
        change(&file, &scratch.path().join("file"));
        let read = read(&mut content);
        assert_eq!(read.is_ok(), content.left() == 0);
        read
    }

    #[test]
    fn a_file_that_is_written_to_in_place_does_not_come_to_its_end() {
        for offset in [0, PIECE + 5, 3 * PIECE - 1] {
            let written = read_after(|file, _| file.write_all_at(b"2", offset as u64).unwrap());
            assert_eq!(written.unwrap_err().to_string(), changed().to_string());
        }
        // Nothing that was promised is missing here, but it is not known to be of one version.
        let cut = read_after(|file, _| {
            file.set_len(0).unwrap();
            file.write_all_at(&[2; PIECE], 2 * PIECE as u64 - 1)
                .unwrap();
        });
        assert!(cut.is_err());
    }

    #[test]
    fn a_file_that_is_appended_to_replaced_or_removed_comes_to_its_end() {
        let promised = vec![1; 3 * PIECE];
        let appended = read_after(|file, _| file.write_all_at(b"2", 3 * PIECE as u64).unwrap());
        assert_eq!(appended.unwrap(), promised);
        let replaced = read_after(|_, path| {
            let new = path.with_extension("new");
            std::fs::write(&new, vec![2; 3 * PIECE]).unwrap();
            std::fs::rename(new, path).unwrap();
        });
        assert_eq!(replaced.unwrap(), promised);
        let removed = read_after(|_, path| std::fs::remove_file(path).unwrap());
        assert_eq!(removed.unwrap(), promised);
    }

    #[test]
    fn a_file_that_shrinks_ends_with_an_error_instead_of_padding() {
        let (_scratch, file) = file(&vec![1; 3 * PIECE]);
        let mut content = FileContent::new(file.try_clone().unwrap(), 0, 3 * PIECE as u64);
        content.read_first().unwrap();
        file.set_len(PIECE as u64 + 1).unwrap();
        assert_eq!(
            read(&mut content).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
        assert_eq!(content.left(), 2 * PIECE as u64 - 1);
    }
}

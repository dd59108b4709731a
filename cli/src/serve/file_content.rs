//! A file, or a part of one, as the content of a response.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use blocking::Task;
use bytes::{Bytes, BytesMut};

/// Bytes read at a time. A response needs this much memory whatever the length of the file; fewer
/// would be more trips to another thread, more would not be noticeably fewer.
pub(crate) const PIECE: usize = 128 * 1024;

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
    /// What the file was like when its tag was made. What one read brought while the file was being
    /// opened was read right after that, with nothing in between to wait for; all else is compared.
    version: Version,
}

/// What tells whether a file was written to. Not the time of its last change of any kind, which a
/// file also has when it is renamed or another takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    length: u64,
    modified: (i64, i64),
}

impl Version {
    /// What the file was like when the system was asked for this.
    pub(crate) fn of(metadata: &Metadata) -> Version {
        Version {
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    /// What it is like now. Does not wait for storage that is far away: what is known here of a
    /// file is as old as what is known of its bytes, and is renewed with them. Nothing where
    /// nothing is known.
    #[cfg(target_os = "linux")]
    fn now(file: &File) -> Option<Version> {
        use rustix::fs::{AtFlags, StatxFlags, statx};
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let wanted = StatxFlags::SIZE | StatxFlags::MTIME;
        let stat = statx(file, c"", flags, wanted).ok()?;
        let known = StatxFlags::from_bits_retain(stat.stx_mask);
        known.contains(wanted).then_some(Version {
            length: stat.stx_size,
            modified: (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec.into()),
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn now(file: &File) -> Option<Version> {
        Some(Version::of(&file.metadata().ok()?))
    }

    /// Whether what was read between the two may be of several versions. Two writes of the same
    /// length within the resolution of the filesystem's clock cannot be told apart, nor can a file
    /// that was written anew and longer from one that was appended to.
    fn is_mixed_with(self, later: Version) -> bool {
        later.length < self.length || (later.length == self.length && later != self)
    }
}

impl FileContent {
    /// Promises `length` bytes from `offset` on, of a file that is of this version.
    pub(crate) fn new(
        file: impl Into<Arc<File>>,
        version: Version,
        offset: u64,
        length: u64,
    ) -> FileContent {
        let file = file.into();
        FileContent {
            file: (length > 0).then_some(file),
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
            self.begin_with(piece);
        }
        Ok(())
    }

    /// The same if the system has it in memory; if not, it is read when it is polled for.
    pub(crate) fn read_first_if_cached(&mut self) {
        if let Some(file) = &self.file
            && let Some(piece) = read_cached(file, &mut BytesMut::new(), self.offset, self.left)
        {
            self.begin_with(piece);
        }
    }

    fn begin_with(&mut self, piece: Bytes) {
        if piece.len() as u64 == self.left {
            self.file = None;
        }
        self.first = Some(piece);
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
            // What the system has in memory needs no other thread.
            if let Some(piece) = read_cached(file, &mut room, self.offset, self.left) {
                return Poll::Ready(Ok(piece));
            }
            let (file, offset, left) = (Arc::clone(file), self.offset, self.left);
            let read = move || read_piece(&file, room, offset, left);
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
        let is_last = piece.len() as u64 == self.left;
        if is_last && self.is_mixed() {
            let mixed = "the file was written to while it was sent";
            return Err(io::Error::other(mixed));
        }
        self.offset += piece.len() as u64;
        self.left -= piece.len() as u64;
        if is_last {
            self.file = None;
        } else {
            self.last = piece.clone();
        }
        Ok(piece)
    }

    /// Whether the pieces so far may be of several versions of the file, as far as that is known.
    fn is_mixed(&self) -> bool {
        let later = self.file.as_deref().and_then(Version::now);
        later.is_some_and(|later| self.version.is_mixed_with(later))
    }
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

    fn content(file: &File, offset: u64, length: u64) -> FileContent {
        let version = Version::of(&file.metadata().unwrap());
        FileContent::new(file.try_clone().unwrap(), version, offset, length)
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
                let mut content = content(&file, offset as u64, length as u64);
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
        let mut content = content(&file, 0, 10);
        file.write_all(&[b'x'; 100]).unwrap();
        assert_eq!(read(&mut content).unwrap().len(), 10);
    }

    /// What becomes of a content of several pieces whose file is changed behind its first one.
    fn read_after(change: impl FnOnce(&File, &std::path::Path)) -> io::Result<Vec<u8>> {
        let (scratch, file) = file(&vec![1; 3 * PIECE]);
        // A clock that stands still for some milliseconds would show no change.
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        let length = 3 * PIECE as u64;
        let mut content = content(&file, 0, length);
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
            assert_eq!(written.unwrap_err().kind(), io::ErrorKind::Other);
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
    fn a_short_file_that_is_read_in_two_goes_is_of_one_version() {
        for offset in [0, 7] {
            let (_scratch, file) = file(b"0123456789");
            file.set_modified(std::time::UNIX_EPOCH).unwrap();
            let mut content = content(&file, offset, 10 - offset);
            // As the system gives it that has only this much of the file in memory.
            content.begin_with(Bytes::from(vec![b'0'; 2]));
            file.write_all_at(b"abcdefghij", 0).unwrap();
            assert!(read(&mut content).is_err());
        }
        // Nor is what is read long after the file was opened certainly what was promised.
        let (_scratch, file) = file(b"0123456789");
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        let mut content = content(&file, 0, 10);
        file.write_all_at(b"abcdefghij", 0).unwrap();
        assert!(read(&mut content).is_err());
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
        let mut content = content(&file, 0, 3 * PIECE as u64);
        content.read_first().unwrap();
        file.set_len(PIECE as u64 + 1).unwrap();
        assert_eq!(
            read(&mut content).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
        assert_eq!(content.left(), 2 * PIECE as u64 - 1);
    }
}

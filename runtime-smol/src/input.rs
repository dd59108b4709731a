//! A connection's input: what was read and not used yet.

use std::ops::Range;

use bytes::Bytes;

use crate::piece::{Pieces, Room};

/// Input that waits, in the thread's buffer while it is being worked off, in a buffer of the
/// connection's own if some is left over: an idle connection owns none.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    kept: Vec<u8>,
    /// How many of `kept` are used up.
    used: usize,
    /// What is unused in the thread's buffer. Empty whenever `kept` is not.
    fresh: Range<usize>,
}

impl Inbox {
    pub(crate) fn len(&self) -> usize {
        self.kept.len() - self.used + self.fresh.len()
    }

    /// Whether it is in the thread's buffer, and ends there with the first `count` bytes.
    pub(crate) fn ends_at(&self, count: usize) -> bool {
        self.fresh.end == count
    }

    /// The unused input.
    pub(crate) fn pending<'a>(&'a self, buffer: &'a [u8]) -> &'a [u8] {
        if self.kept.is_empty() {
            &buffer[self.fresh.clone()]
        } else {
            &self.kept[self.used..]
        }
    }

    /// The first `count` bytes of the unused input have been used.
    pub(crate) fn consume(&mut self, count: usize) {
        if self.kept.is_empty() {
            self.fresh.start += count;
            return;
        }
        self.used += count;
        if self.used == self.kept.len() {
            self.kept = Vec::new();
            self.used = 0;
        }
    }

    /// Makes the thread's buffer free to be read into.
    pub(crate) fn keep(&mut self, buffer: &[u8]) {
        if !self.fresh.is_empty() {
            self.kept.extend_from_slice(&buffer[self.fresh.clone()]);
        }
        self.fresh = 0..0;
    }

    /// Where in the thread's buffer, of which the first `most` bytes may be used, to read into:
    /// behind what is there, if there is room.
    pub(crate) fn room(&mut self, buffer: &[u8], most: usize) -> Range<usize> {
        if self.fresh.is_empty() || self.fresh.end >= most {
            self.keep(buffer);
        }
        self.fresh.end..most
    }

    /// `count` bytes have been read into that room.
    pub(crate) fn received(&mut self, buffer: &[u8], count: usize) {
        self.fresh.end += count;
        if !self.kept.is_empty() {
            self.kept.drain(..self.used);
            self.used = 0;
            self.keep(buffer);
        }
    }

    /// Uses the first `count` bytes, of which the last `len` are content. Long content is not
    /// copied: it goes with the thread's buffer, and what is behind it moves into another.
    pub(crate) fn take_content(
        &mut self,
        count: usize,
        len: usize,
        buffer: &mut Room,
        pieces: &Pieces,
    ) -> Bytes {
        if !self.kept.is_empty() || !Pieces::fits(len) {
            let content = Bytes::copy_from_slice(&self.pending(buffer)[count - len..count]);
            self.consume(count);
            return content;
        }
        let end = self.fresh.start + count;
        let rest = &buffer[end..self.fresh.end];
        let mut next = pieces.take();
        next[..rest.len()].copy_from_slice(rest);
        self.fresh = 0..rest.len();
        pieces.content(std::mem::replace(buffer, next), end - len..end)
    }

    /// Throws all of it away; returns how much that was.
    pub(crate) fn discard(&mut self) -> usize {
        let count = self.len();
        *self = Inbox::default();
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::ROOM;

    #[test]
    fn input_is_the_same_whether_it_is_kept_or_fresh() {
        let mut buffer = *b"abcdef";
        let mut inbox = Inbox::default();
        inbox.received(&buffer, 6);
        inbox.consume(2);
        assert_eq!(inbox.pending(&buffer), b"cdef");
        inbox.keep(&buffer);
        buffer = *b"ghi   ";
        assert_eq!(inbox.pending(&buffer), b"cdef");
        inbox.received(&buffer, 3);
        assert_eq!((inbox.pending(&buffer), inbox.len()), (&b"cdefghi"[..], 7));
        inbox.consume(7);
        assert_eq!(inbox.len(), 0);
    }

    #[test]
    fn more_is_read_behind_what_is_there_as_long_as_there_is_room() {
        let buffer = *b"abcdef";
        let mut inbox = Inbox::default();
        assert_eq!(inbox.room(&buffer, 4), 0..4);
        inbox.received(&buffer, 4);
        assert_eq!(inbox.room(&buffer, 6), 4..6);
        assert_eq!(inbox.room(&buffer, 4), 0..4, "there is none");
        assert_eq!(inbox.pending(b"......"), b"abcd");
    }

    /// So much of `x` behind a chunk's first line, and the next request's beginning.
    fn chunk(len: usize) -> (Inbox, Pieces, Room) {
        let pieces = Pieces::default();
        let mut buffer = pieces.take();
        buffer[..4].copy_from_slice(b"99\r\n");
        buffer[4..4 + len].fill(b'x');
        buffer[4 + len..8 + len].copy_from_slice(b"next");
        let mut inbox = Inbox::default();
        inbox.received(&buffer, 8 + len);
        (inbox, pieces, buffer)
    }

    #[test]
    fn long_content_goes_with_the_buffer_and_what_is_behind_it_moves() {
        let len = ROOM / 2;
        let (mut inbox, pieces, mut buffer) = chunk(len);
        let place = buffer[4..].as_ptr();
        let content = inbox.take_content(4 + len, len, &mut buffer, &pieces);
        assert_eq!((content.as_ptr(), content.len()), (place, len));
        assert!(content.iter().all(|byte| *byte == b'x'));
        assert_eq!((inbox.pending(&buffer), buffer.len()), (&b"next"[..], ROOM));
    }

    /// Who keeps it would keep the whole buffer.
    #[test]
    fn short_content_leaves_the_buffer_where_it_is() {
        let len = ROOM / 2 - 1;
        let (mut inbox, pieces, mut buffer) = chunk(len);
        let place = buffer.as_ptr();
        let content = inbox.take_content(4 + len, len, &mut buffer, &pieces);
        assert!(content.len() == len && content.iter().all(|byte| *byte == b'x'));
        assert_eq!(
            (inbox.pending(&buffer), buffer.as_ptr()),
            (&b"next"[..], place)
        );
    }

    #[test]
    fn content_that_was_kept_is_not_looked_for_in_the_buffer() {
        let len = ROOM / 2;
        let (mut inbox, pieces, mut buffer) = chunk(len);
        inbox.keep(&buffer);
        buffer.fill(b'.');
        let content = inbox.take_content(4 + len, len, &mut buffer, &pieces);
        assert!(content.len() == len && content.iter().all(|byte| *byte == b'x'));
        assert_eq!(inbox.pending(&buffer), b"next");
    }

    #[test]
    fn an_empty_inbox_owns_no_memory() {
        let mut inbox = Inbox::default();
        inbox.received(b"abc", 3);
        inbox.keep(b"abc");
        inbox.consume(3);
        assert_eq!(inbox.kept.capacity(), 0);
    }
}

//! A connection's input: what was read and not used yet.

use std::ops::Range;

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

    /// Whether it ends with what was just read into the thread's buffer, `count` bytes of it.
    pub(crate) fn is_fresh(&self, count: usize) -> bool {
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

    /// The first `count` bytes of the thread's buffer have just been read.
    pub(crate) fn received(&mut self, buffer: &[u8], count: usize) {
        self.fresh = 0..count;
        if !self.kept.is_empty() {
            self.kept.drain(..self.used);
            self.used = 0;
            self.keep(buffer);
        }
    }

    /// `bytes` have come behind all of it.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        debug_assert!(self.fresh.is_empty(), "the thread's buffer is free");
        self.fresh = 0..0;
        self.kept.extend_from_slice(bytes);
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
    fn an_empty_inbox_owns_no_memory() {
        let mut inbox = Inbox::default();
        inbox.received(b"abc", 3);
        inbox.keep(b"abc");
        inbox.consume(3);
        assert_eq!(inbox.kept.capacity(), 0);
    }
}

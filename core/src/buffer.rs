//! Bytes on their way through a connection.

use alloc::vec::Vec;

/// What a buffer may keep allocated while nothing is in it, so that idle connections cost little.
const KEPT: usize = 4 * 1024;

/// Bytes that come in at its end and are done with at its beginning. They move only when half of
/// the buffer is done with: each byte once, so to speak.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    done: usize,
}

impl Buffer {
    /// What is not done with.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.done..]
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.done
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first `len` bytes are done with.
    pub(crate) fn consume(&mut self, len: usize) {
        self.done += len;
        debug_assert!(self.done <= self.bytes.len(), "what is done with was there");
    }

    /// The last `len` bytes that are done with. They are there until bytes come in.
    pub(crate) fn consumed(&self, len: usize) -> &[u8] {
        &self.bytes[self.done - len..self.done]
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.done = 0;
    }

    /// Where bytes come in.
    pub(crate) fn end(&mut self) -> &mut Vec<u8> {
        if 2 * self.done >= self.bytes.len() {
            self.bytes.drain(..self.done);
            self.done = 0;
        }
        &mut self.bytes
    }

    /// Gives back memory that an idle connection should not hold.
    pub(crate) fn give_back(&mut self) {
        if self.is_empty() && self.bytes.capacity() > KEPT {
            self.clear();
            self.bytes.shrink_to(KEPT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_with_makes_room_for_what_comes() {
        let mut buffer = Buffer::default();
        for round in 0..1000_u16 {
            buffer.end().extend_from_slice(&[0; 100]);
            buffer.consume(if round == 0 { 50 } else { 100 });
            assert_eq!(buffer.len(), 50);
        }
        assert!(buffer.bytes.capacity() < 1000);
    }

    #[test]
    fn what_was_consumed_last_can_still_be_looked_at() {
        let mut buffer = Buffer::default();
        buffer.end().extend_from_slice(b"one two");
        buffer.consume(3);
        assert_eq!(
            (buffer.consumed(2), buffer.rest()),
            (&b"ne"[..], &b" two"[..])
        );
        buffer.consume(4);
        assert_eq!((buffer.consumed(3), buffer.is_empty()), (&b"two"[..], true));
    }

    #[test]
    fn memory_is_given_back_only_where_nothing_is_buffered() {
        let mut buffer = Buffer::default();
        buffer.end().extend_from_slice(&[0; 10 * KEPT]);
        buffer.consume(10 * KEPT - 1);
        buffer.give_back();
        assert_eq!(buffer.len(), 1);
        buffer.consume(1);
        buffer.give_back();
        assert!(buffer.bytes.capacity() <= KEPT);
    }
}

//! Room for long content, used again.
//!
//! Long content is read straight into the memory that the handler gets. Allocated for each piece,
//! that memory would go back to the system whenever it lies at the heap's end, and come back page
//! by page with the next piece, which costs more than reading it does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// How long a piece of content is at most.
pub(crate) const PIECE: usize = 64 * 1024;

/// One byte more than a piece: a read that does not fill its room has emptied the socket, and need
/// not be followed by another that finds nothing.
const ROOM: usize = PIECE + 1;

/// What is kept for later content: a mebibyte for each thread.
const KEPT: usize = 16;

/// The room that a thread has for content. It comes back from wherever the last holder of a piece
/// drops it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pieces(Arc<Mutex<Vec<Vec<u8>>>>);

impl Pieces {
    /// Room for a piece, with nothing in it.
    pub(crate) fn take(&self) -> Vec<u8> {
        let room = self.kept().pop();
        room.unwrap_or_else(|| Vec::with_capacity(ROOM))
    }

    /// Takes room back.
    pub(crate) fn give(&self, mut room: Vec<u8>) {
        room.clear();
        let mut kept = self.kept();
        if kept.len() < KEPT {
            kept.push(room);
        }
    }

    /// What is in `room`, as content. Who keeps it should not keep much more than it.
    pub(crate) fn content(&self, room: Vec<u8>) -> Bytes {
        if room.len() < room.capacity() / 2 {
            let content = Bytes::copy_from_slice(&room);
            self.give(room);
            return content;
        }
        Bytes::from_owner(Piece {
            room,
            home: self.clone(),
        })
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A piece of content that somebody holds.
struct Piece {
    room: Vec<u8>,
    home: Pieces,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.room
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.home.give(std::mem::take(&mut self.room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(pieces: &Pieces, len: usize) -> Bytes {
        let mut room = pieces.take();
        room.resize(len, b'.');
        pieces.content(room)
    }

    #[test]
    fn a_piece_that_is_dropped_makes_room_for_the_next() {
        let pieces = Pieces::default();
        let first = piece(&pieces, PIECE);
        let (place, part) = (first.as_ptr(), first.slice(1..));
        drop(first);
        assert_ne!(piece(&pieces, PIECE).as_ptr(), place, "it is still held");
        let holder = std::thread::spawn(move || drop(part));
        holder.join().unwrap();
        assert_eq!(piece(&pieces, PIECE).as_ptr(), place);
    }

    #[test]
    fn little_content_does_not_keep_a_whole_piece() {
        let pieces = Pieces::default();
        let content = piece(&pieces, 5_000);
        assert_eq!(content.len(), 5_000);
        assert_eq!(pieces.kept().len(), 1, "its room is free again");
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let pieces = Pieces::default();
        let all: Vec<_> = (0..2 * KEPT).map(|_| piece(&pieces, PIECE)).collect();
        drop(all);
        assert_eq!(pieces.kept().len(), KEPT);
    }
}

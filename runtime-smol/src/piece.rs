//! Room to read into, used again.
//!
//! Long content stays where it was read, and the handler gets that memory. Allocated for each
//! piece, it would go back to the system whenever it lies at the heap's end, and come back page by
//! page with the next piece, which costs more than reading it does.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// As much as is read at once: content of 64 KiB with its head, and a little more. A read that does
/// not fill its room has emptied the socket, and need not be followed by another that finds
/// nothing.
pub(crate) const ROOM: usize = 72 * 1024;

/// What is kept for later: a little more than a mebibyte for each thread.
const KEPT: usize = 16;

/// Room for one read, or for a few one behind the other. It is cleared once, when it is made.
pub(crate) type Room = Box<[u8]>;

/// The room that a thread has for input. It comes back from wherever the last holder of a piece of
/// content drops it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pieces(Arc<Mutex<Vec<Room>>>);

impl Pieces {
    /// Room to read into, in which anything may be left.
    pub(crate) fn take(&self) -> Room {
        let room = self.kept().pop();
        room.unwrap_or_else(|| vec![0; ROOM].into_boxed_slice())
    }

    /// Whether `len` bytes of content may be left where they were read. Who keeps them should not
    /// keep much more than them.
    pub(crate) fn fits(len: usize) -> bool {
        len >= ROOM / 2
    }

    /// A part of what is in `room`, as content.
    pub(crate) fn content(&self, room: Room, part: Range<usize>) -> Bytes {
        Bytes::from_owner(Piece {
            room,
            part,
            home: self.clone(),
        })
    }

    fn give(&self, room: Room) {
        let mut kept = self.kept();
        if kept.len() < KEPT {
            kept.push(room);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Room>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A piece of content that somebody holds.
struct Piece {
    room: Room,
    part: Range<usize>,
    home: Pieces,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.room[self.part.clone()]
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

    fn piece(pieces: &Pieces) -> Bytes {
        pieces.content(pieces.take(), 0..ROOM)
    }

    #[test]
    fn a_piece_that_is_dropped_makes_room_for_the_next() {
        let pieces = Pieces::default();
        let first = piece(&pieces);
        let (place, part) = (first.as_ptr(), first.slice(1..));
        drop(first);
        assert_ne!(piece(&pieces).as_ptr(), place, "it is still held");
        let holder = std::thread::spawn(move || drop(part));
        holder.join().unwrap();
        assert_eq!(piece(&pieces).as_ptr(), place);
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let pieces = Pieces::default();
        let all: Vec<_> = (0..2 * KEPT).map(|_| piece(&pieces)).collect();
        drop(all);
        assert_eq!(pieces.kept().len(), KEPT);
    }
}

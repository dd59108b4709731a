//! Where heads are written to.

use crate::{Connection, MisuseError, Tick};

/// A buffer of the driver's to which the core appends heads and framing.
///
/// Implemented for `Vec<u8>`. A driver with fixed memory implements it for its own buffer; whether
/// there is room for [`Connection`](crate::Connection)'s next head is its own affair.
pub trait Sink {
    /// Appends `bytes`.
    fn put(&mut self, bytes: &[u8]);

    /// How many bytes it holds.
    fn len(&self) -> usize;

    /// Whether it holds none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all but the first `len` bytes; used when a field turns out to be invalid.
    fn truncate(&mut self, len: usize);
}

#[cfg(feature = "alloc")]
impl Sink for alloc::vec::Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn len(&self) -> usize {
        alloc::vec::Vec::len(self)
    }

    fn truncate(&mut self, len: usize) {
        alloc::vec::Vec::truncate(self, len);
    }
}

impl Connection {
    /// Appends `piece`, the next of the reply's content, and its framing to `out`. It is
    /// [`reply_body`](Connection::reply_body) for a driver that copies content to its output; one
    /// that writes from where the content is asks for the frame instead.
    ///
    /// # Errors
    ///
    /// [`MisuseError::OutOfOrder`] where no content is due; `out` is then as it was.
    pub fn reply_content<O: Sink>(
        &mut self,
        t: Tick<'_>,
        piece: &[u8],
        out: &mut O,
    ) -> Result<(), MisuseError> {
        let frame = self.reply_body(t, piece.len() as u64)?;
        // It takes no more than there is.
        let take = usize::try_from(frame.take).unwrap_or(piece.len());
        out.put(frame.prefix());
        out.put(&piece[..take]);
        out.put(frame.suffix);
        Ok(())
    }
}

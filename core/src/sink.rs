//! Where heads are written to.

extern crate alloc;

use alloc::vec::Vec;

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

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn truncate(&mut self, len: usize) {
        Vec::truncate(self, len);
    }
}

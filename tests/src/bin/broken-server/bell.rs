//! What happens once, and is heard by all threads: at once by those who wait, later by those who
//! look.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A pipe whose writing end is closed to ring: its reading end is readable from then on.
pub(crate) struct Bell {
    reader: PipeReader,
    writer: Mutex<Option<PipeWriter>>,
}

impl Bell {
    pub(crate) fn new() -> io::Result<Bell> {
        let (reader, writer) = io::pipe()?;
        let writer = Mutex::new(Some(writer));
        Ok(Bell { reader, writer })
    }

    pub(crate) fn ring(&self) {
        *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn has_rung(&self) -> bool {
        // That a look could fail is no reason to hear what nobody rang.
        wait([self.heard()], Some(Duration::ZERO)).is_ok_and(|[rung]| rung)
    }

    /// Something to wait for: that it has rung.
    pub(crate) fn heard(&self) -> PollFd<'_> {
        readable(self.reader.as_fd())
    }
}

/// Something to wait for: input, or the peer's end.
pub(crate) fn readable(source: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::from_borrowed_fd(source, PollFlags::IN)
}

/// Something to wait for: room for output.
pub(crate) fn writable(source: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::from_borrowed_fd(source, PollFlags::OUT)
}

/// Something to wait for: that the peer has vanished.
pub(crate) fn broken(source: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::from_borrowed_fd(source, PollFlags::empty())
}

/// Waits for any of them, so long at most; says which have come.
pub(crate) fn wait<const N: usize>(
    mut sources: [PollFd<'_>; N],
    patience: Option<Duration>,
) -> io::Result<[bool; N]> {
    let patience = patience.and_then(|patience| Timespec::try_from(patience).ok());
    loop {
        match poll(&mut sources, patience.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(sources.map(|source| !source.revents().is_empty())),
        }
    }
}

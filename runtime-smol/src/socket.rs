//! A connection's socket, on top of a readiness source.
//!
//! This is the seam between the server and its reactor: whoever can say when a descriptor is
//! readable or writable ([`Readiness`]) can carry the server. The system calls are made here, on
//! the descriptor itself, first optimistically and again when the reactor says so.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_io::Async;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};

/// Says when a descriptor can be read or written. Of each kind one waker is kept, the last.
pub(crate) trait Readiness: AsFd {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Readiness for Async<OwnedFd> {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Async::poll_readable(self, cx)
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Async::poll_writable(self, cx)
    }
}

/// A connected stream socket.
#[derive(Debug)]
pub(crate) struct Socket<S> {
    source: S,
    /// The last read filled its buffer, or none was made yet: another may succeed at once. After a
    /// short read the reactor is asked first, which saves a system call that would find nothing.
    more: bool,
}

impl Socket<Async<OwnedFd>> {
    /// Takes over a descriptor that is already non-blocking.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(Socket {
            source: Async::new_nonblocking(fd)?,
            more: true,
        })
    }
}

impl<S: Readiness> Socket<S> {
    /// Reads what there is, at most `buf`; zero bytes are the peer's end.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if !self.more {
            ready!(self.source.poll_readable(cx))?;
            self.more = true;
        }
        loop {
            match self.try_read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.source.poll_readable(cx))?;
                }
                done => return Poll::Ready(done),
            }
        }
    }

    /// Makes the next read try at once, without asking the reactor.
    pub(crate) fn expect_input(&mut self) {
        self.more = true;
    }

    /// Reads without waiting.
    pub(crate) fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let capacity = buf.len();
        let read = retry(|| rustix::net::recv(&self.source, &mut *buf, RecvFlags::empty()))?.0;
        // The end of the stream is found again by reading, the reactor may not report it twice.
        self.more = read == capacity || read == 0;
        Ok(read)
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.try_write(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.source.poll_writable(cx))?;
                }
                done => return Poll::Ready(done),
            }
        }
    }

    /// Writes without waiting.
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let flags = SendFlags::NOSIGNAL;
        match slices {
            [one] => retry(|| rustix::net::send(&self.source, one, flags)),
            many => retry(|| {
                let mut ancillary = SendAncillaryBuffer::default();
                rustix::net::sendmsg(&self.source, many, &mut ancillary, flags)
            }),
        }
    }

    /// Sends FIN.
    pub(crate) fn end(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.source, Shutdown::Write)?)
    }

    /// Lets the close that follows be a reset.
    pub(crate) fn reset_on_close(&self) {
        // Where the option is refused there is only the ordinary close.
        let _ = rustix::net::sockopt::set_socket_linger(&self.source, Some(Duration::ZERO));
    }
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}

//! A connection's socket, on top of a readiness source.
//!
//! Whoever can say when a descriptor is readable or writable ([`Readiness`]) can carry it. The
//! system calls are made here, on the descriptor itself, first optimistically and again when the
//! reactor says so.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_io::Async;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};

use crate::Address;
use crate::probe::Probe;
use crate::system::Transport;

/// Says when a descriptor can be read or written. Of each kind one waker is kept, the last.
pub trait Readiness: AsFd {
    /// Arranges for `cx` to be woken when reading may succeed.
    ///
    /// # Errors
    ///
    /// If the reactor cannot tell.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Arranges for `cx` to be woken when writing may succeed.
    ///
    /// # Errors
    ///
    /// If the reactor cannot tell.
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// The descriptor, without keeping it open.
    fn descriptor(&self) -> Weak<OwnedFd>;
}

impl Readiness for Async<Arc<OwnedFd>> {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Async::poll_readable(self, cx)
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Async::poll_writable(self, cx)
    }

    fn descriptor(&self) -> Weak<OwnedFd> {
        Arc::downgrade(self.get_ref())
    }
}

/// A connected stream socket of the kernel.
#[derive(Debug)]
pub struct Socket<S> {
    source: S,
    /// The last read filled its buffer, or none was made yet: another may succeed at once. After a
    /// short read the reactor is asked first, which saves a system call that would find nothing.
    more: bool,
    probe: Arc<Probe>,
}

impl Socket<Async<Arc<OwnedFd>>> {
    /// Takes over a descriptor that is already non-blocking.
    pub(crate) fn new(fd: OwnedFd, probe: Arc<Probe>) -> io::Result<Self> {
        Ok(Socket {
            source: Async::new_nonblocking(Arc::new(fd))?,
            more: true,
            probe,
        })
    }
}

impl<S: Readiness> Socket<S> {
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
}

impl<S: Readiness> Transport for Socket<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if !self.more {
            ready!(self.source.poll_readable(cx))?;
            self.more = true;
        }
        loop {
            match self.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.source.poll_readable(cx))?;
                }
                done => return Poll::Ready(done),
            }
        }
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let capacity = buffer.len();
        let read = retry(|| rustix::net::recv(&self.source, &mut *buffer, RecvFlags::empty()))?.0;
        // The end of the stream is found again by reading, the reactor may not report it twice.
        self.more = read == capacity || read == 0;
        Ok(read)
    }

    fn expect_input(&mut self) {
        self.more = true;
    }

    fn poll_write(
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

    fn poll_end(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = rustix::net::shutdown(&self.source, Shutdown::Write);
        Poll::Ready(ended.map_err(io::Error::from))
    }

    fn reset_on_close(&mut self) {
        // Where the option is refused there is only the ordinary close.
        let _ = rustix::net::sockopt::set_socket_linger(&self.source, Some(Duration::ZERO));
    }

    fn unacknowledged(&self, local: &Address, peer: &Address) -> u64 {
        let (Address::Tcp(local), Address::Tcp(peer)) = (local, peer) else {
            return 0;
        };
        let answer = self.probe.ask(|diag| diag.send_queue(*local, *peer));
        answer.unwrap_or(0)
    }

    fn descriptor(&self) -> Weak<OwnedFd> {
        self.source.descriptor()
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

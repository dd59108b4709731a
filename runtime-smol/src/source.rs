//! Where a descriptor's readiness is known from: async-io's reactor, or the server's own.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use async_io::Async;

/// Which reactor tells when sockets are ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reactor {
    /// The server's own, edge-triggered epoll: fewer system calls for each request. Where there is
    /// no epoll, that of async-io.
    #[default]
    Own,
    /// The one that every program on smol or async-std has. It runs on all their systems.
    AsyncIo,
}

/// What makes sources.
#[derive(Clone, Debug)]
pub(crate) enum Sources {
    #[cfg(target_os = "linux")]
    Own(Arc<crate::epoll::Epoll>),
    AsyncIo,
    /// That of another thread, which is yet to be found.
    Later,
}

impl Sources {
    /// Of `reactor`, if it is to be had.
    #[cfg(target_os = "linux")]
    pub(crate) fn of(reactor: Reactor) -> Sources {
        match (reactor, crate::epoll::Epoll::new()) {
            (Reactor::Own, Ok(epoll)) => Sources::Own(Arc::new(epoll)),
            _ => Sources::AsyncIo,
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn of(_reactor: Reactor) -> Sources {
        Sources::AsyncIo
    }

    /// Which reactor it is.
    pub(crate) fn reactor(&self) -> Reactor {
        match self {
            Sources::AsyncIo => Reactor::AsyncIo,
            _ => Reactor::Own,
        }
    }

    /// Registers a descriptor that does not block.
    pub(crate) fn register(&self, fd: Arc<OwnedFd>) -> io::Result<Source> {
        match self {
            #[cfg(target_os = "linux")]
            Sources::Own(epoll) => Ok(Source::Own(crate::epoll::Registered::new(fd, epoll)?)),
            Sources::AsyncIo => Ok(Source::AsyncIo(Async::new_nonblocking(fd)?)),
            Sources::Later => Ok(Source::Unknown(fd)),
        }
    }
}

/// A descriptor with its readiness.
#[derive(Debug)]
pub(crate) enum Source {
    #[cfg(target_os = "linux")]
    Own(crate::epoll::Registered),
    AsyncIo(Async<Arc<OwnedFd>>),
    /// Nobody knows: it is not registered, and cannot be waited for.
    Unknown(Arc<OwnedFd>),
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            #[cfg(target_os = "linux")]
            Source::Own(own) => own.as_fd(),
            Source::AsyncIo(source) => source.as_fd(),
            Source::Unknown(fd) => fd.as_fd(),
        }
    }
}

impl Source {
    /// Registers it with `sources`, if it is not registered yet.
    pub(crate) fn settle(&mut self, sources: &Sources) -> io::Result<()> {
        if let Source::Unknown(fd) = self {
            *self = sources.register(Arc::clone(fd))?;
        }
        Ok(())
    }

    /// Arranges for `cx` to be woken when reading, or accepting, is worth a try.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            #[cfg(target_os = "linux")]
            Source::Own(own) => own.poll_readable(cx).map(Ok),
            Source::AsyncIo(source) => source.poll_readable(cx),
            Source::Unknown(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// Arranges for `cx` to be woken when writing is worth a try.
    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            #[cfg(target_os = "linux")]
            Source::Own(own) => own.poll_writable(cx).map(Ok),
            Source::AsyncIo(source) => source.poll_writable(cx),
            Source::Unknown(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// Arranges for `cx` to be woken when the peer is gone, without reading what it has left.
    /// async-io cannot tell that apart from what is left.
    pub(crate) fn poll_hangup(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            #[cfg(target_os = "linux")]
            Source::Own(own) => own.poll_hangup(cx),
            Source::AsyncIo(_) | Source::Unknown(_) => Poll::Pending,
        }
    }

    /// All that was there has been read, or accepted: what is known is used up.
    pub(crate) fn read_all(&self) {
        match self {
            #[cfg(target_os = "linux")]
            Source::Own(own) => own.read_all(),
            Source::AsyncIo(_) | Source::Unknown(_) => {}
        }
    }

    /// There is no more room to write: what is known is used up.
    pub(crate) fn wrote_all(&self) {
        match self {
            #[cfg(target_os = "linux")]
            Source::Own(own) => own.wrote_all(),
            Source::AsyncIo(_) | Source::Unknown(_) => {}
        }
    }

    /// The descriptor, without keeping it open.
    pub(crate) fn descriptor(&self) -> Weak<OwnedFd> {
        match self {
            #[cfg(target_os = "linux")]
            Source::Own(own) => own.descriptor(),
            Source::AsyncIo(source) => Arc::downgrade(source.get_ref()),
            Source::Unknown(fd) => Arc::downgrade(fd),
        }
    }
}

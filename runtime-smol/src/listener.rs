//! Listening sockets: bound, accepted from, ended.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use async_io::Async;
use rustix::io::Errno;
use rustix::net::SocketFlags;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::Address;
use crate::seal::{Rung, seal};

/// How listeners are bound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) backlog: u32,
    pub(crate) reuse_port: bool,
}

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    source: Async<OwnedFd>,
    /// The address that it is really bound to.
    address: Address,
    /// The socket file that it made, to be removed with it.
    file: Option<SocketFile>,
    ownership: Ownership,
}

/// Who else accepts from a listener's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Ownership {
    /// Nobody: when it is closed, its queue is gone.
    Sole,
    /// Other sockets, by `SO_REUSEPORT`; each has a queue of its own.
    Grouped,
    /// Other processes, by the same socket: who is not accepted here is accepted there.
    Shared,
}

impl Ownership {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Ownership::Sole => "sole",
            Ownership::Grouped => "grouped",
            Ownership::Shared => "shared",
        }
    }
}

/// What became of an attempt to accept.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// A connection, and its peer.
    Connection(OwnedFd, Address),
    /// Nobody waits.
    Empty,
    /// One client's failure: try again.
    Retry,
    /// No descriptors or memory: try again when a connection has ended.
    Exhausted(io::Error),
    /// The listener is of no more use.
    Failed(io::Error),
}

impl Listener {
    pub(crate) fn bind(address: &Address, options: Options) -> io::Result<Listener> {
        let (domain, target) = match address {
            Address::Tcp(tcp) => (Domain::for_address(*tcp), SockAddr::from(*tcp)),
            Address::Unix(path) => (Domain::UNIX, SockAddr::unix(path)?),
            Address::Abstract(name) => (Domain::UNIX, abstract_address(name)?),
            Address::Unnamed => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let socket = Socket::new(domain, Type::STREAM, None)?;
        if let Address::Tcp(tcp) = address {
            socket.set_reuse_address(true)?;
            if options.reuse_port {
                socket.set_reuse_port(true)?;
            }
            if tcp.is_ipv6() {
                // `[::]:80` and `0.0.0.0:80` can then be asked for side by side.
                socket.set_only_v6(true)?;
            }
        }
        if let Address::Unix(path) = address {
            remove_stale(path)?;
        }
        socket.bind(&target)?;
        let file = match address {
            Address::Unix(path) => Some(SocketFile::of(path)?),
            _ => None,
        };
        socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
        let mut listener = Listener::adopt(socket.into())?;
        listener.file = file;
        Ok(listener)
    }

    /// Takes over a socket that already listens.
    pub(crate) fn adopt(fd: OwnedFd) -> io::Result<Listener> {
        let mut listener = Listener::share(fd)?;
        listener.ownership = Ownership::Sole;
        if matches!(listener.address, Address::Tcp(_)) {
            // Linux hands the option down to accepted connections.
            rustix::net::sockopt::set_tcp_nodelay(&listener.source, true)?;
            if rustix::net::sockopt::socket_reuseport(&listener.source)? {
                listener.ownership = Ownership::Grouped;
            }
        }
        Ok(listener)
    }

    /// Accepts from a socket that others accept from, too. Nothing about it is changed but that
    /// reading it does not block, which whoever polls it needs as well.
    pub(crate) fn share(fd: OwnedFd) -> io::Result<Listener> {
        // Apple's systems cannot be asked.
        #[cfg(not(target_vendor = "apple"))]
        if !rustix::net::sockopt::socket_acceptconn(&fd)? {
            let message = "the socket does not listen";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        rustix::io::ioctl_fionbio(&fd, true)?;
        let address = Address::from_raw(Some(rustix::net::getsockname(&fd)?));
        Ok(Listener {
            source: Async::new_nonblocking(fd)?,
            address,
            file: None,
            ownership: Ownership::Shared,
        })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn ownership(&self) -> Ownership {
        self.ownership
    }

    /// The number of its socket.
    pub(crate) fn inode(&self) -> io::Result<u64> {
        let socket = fs::File::from(self.source.as_fd().try_clone_to_owned()?);
        Ok(socket.metadata()?.ino())
    }

    /// Keeps new handshakes from beginning; says how. That cannot be undone.
    pub(crate) fn seal(&self, first: Rung) -> Rung {
        seal(&self.source, first)
    }

    pub(crate) fn accept(&self) -> Accepted {
        match accept(self.source.as_fd()) {
            Ok((fd, peer)) => Accepted::Connection(fd, peer),
            Err(Errno::AGAIN) => Accepted::Empty,
            Err(
                Errno::CONNABORTED
                | Errno::INTR
                | Errno::PROTO
                | Errno::PERM
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::NOPROTOOPT
                | Errno::TIMEDOUT,
            ) => Accepted::Retry,
            Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
                Accepted::Exhausted(error.into())
            }
            Err(error) => Accepted::Failed(error.into()),
        }
    }

    /// Arranges for `cx` to be woken when somebody waits to be accepted.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source.poll_readable(cx)
    }

    /// Removes the socket's file, so that nobody new finds it. Those who have are still accepted.
    pub(crate) fn hide(&mut self) {
        if let Some(file) = self.file.take() {
            file.remove();
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.hide();
    }
}

#[cfg(not(target_vendor = "apple"))]
fn accept(fd: std::os::fd::BorrowedFd<'_>) -> rustix::io::Result<(OwnedFd, Address)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (fd, peer) = rustix::net::acceptfrom_with(fd, flags)?;
    Ok((fd, Address::from_raw(peer)))
}

#[cfg(target_vendor = "apple")]
fn accept(fd: std::os::fd::BorrowedFd<'_>) -> rustix::io::Result<(OwnedFd, Address)> {
    let (fd, peer) = rustix::net::acceptfrom(fd)?;
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&fd, true)?;
    Ok((fd, Address::from_raw(peer)))
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SockAddr> {
    use std::os::unix::ffi::OsStrExt;
    let path = [b"\0", name].concat();
    SockAddr::unix(std::ffi::OsStr::from_bytes(&path))
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_name: &[u8]) -> io::Result<SockAddr> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "abstract socket names are Linux's",
    ))
}

/// Removes a socket file that nobody listens on any more, which a killed server left behind.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Ok(()),
    }
}

/// A socket file, known by more than its name: a successor's file in the same place is not ours.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<SocketFile> {
        let data = fs::symlink_metadata(path)?;
        Ok(SocketFile {
            path: path.into(),
            device: data.dev(),
            inode: data.ino(),
        })
    }

    fn remove(&self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|data| data.dev() == self.device && data.ino() == self.inode);
        if ours {
            // Whoever else removed it meanwhile did what was to be done.
            let _ = fs::remove_file(&self.path);
        }
    }
}

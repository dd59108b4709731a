//! Listening sockets: accepted from, sealed, ended.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use rustix::io::Errno;
use rustix::net::Shutdown;

use crate::Address;
use crate::half_open::HalfOpen;
use crate::probe::{Probe, has_sibling, queued};
use crate::seal::{Rung, seal};
use crate::system::{Accepted, ListeningSocket};

/// A listening socket, and what the server knows of it.
#[derive(Debug)]
pub(crate) struct Listener<L> {
    socket: L,
    /// The address that it is really bound to.
    address: Address,
    /// The socket file that it made, to be removed with it.
    file: Option<Arc<SocketFile>>,
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

    /// Whether those who are on their way to such a listener are lost with it. They go to another
    /// socket where there is one to take them, for a group its heir.
    pub(crate) fn loses(self, has_heir: impl FnOnce() -> bool) -> bool {
        match self {
            Ownership::Sole => true,
            Ownership::Grouped => !has_heir(),
            Ownership::Shared => false,
        }
    }
}

/// What became of an attempt to accept.
#[derive(Debug)]
pub(crate) enum Attempt<T> {
    /// A connection.
    Connection(Accepted<T>),
    /// Nobody waits.
    Empty,
    /// One client's failure: try again.
    Retry,
    /// No descriptors or memory: try again when a connection has ended.
    Exhausted(io::Error),
    /// The listener is of no more use.
    Failed(io::Error),
}

impl<L: ListeningSocket> Listener<L> {
    pub(crate) fn new(socket: L, address: Address, ownership: Ownership) -> Listener<L> {
        Listener {
            socket,
            address,
            file: None,
            ownership,
        }
    }

    /// Takes note of the socket file that was made for it.
    pub(crate) fn with_file(mut self, path: &Path) -> io::Result<Listener<L>> {
        self.file = Some(Arc::new(SocketFile::of(path)?));
        Ok(self)
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn ownership(&self) -> Ownership {
        self.ownership
    }

    pub(crate) fn socket(&self) -> &L {
        &self.socket
    }

    pub(crate) fn socket_mut(&mut self) -> &mut L {
        &mut self.socket
    }

    /// Keeps new handshakes from beginning; says how. That cannot be undone.
    pub(crate) fn seal(&self, first: Rung) -> Rung {
        seal(&self.socket, first)
    }

    /// Looks whether anybody whom `half_open` waits for is still in the middle of a handshake.
    pub(crate) fn poll_half_open(
        &mut self,
        half_open: &mut HalfOpen,
        cx: &mut Context<'_>,
    ) -> Poll<Option<bool>> {
        half_open.poll(&mut self.socket, cx)
    }

    pub(crate) fn accept(&self) -> Attempt<L::Transport> {
        let error = match self.socket.accept() {
            Ok(accepted) => return Attempt::Connection(accepted),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Attempt::Empty,
            Err(error) => error,
        };
        match Errno::from_io_error(&error) {
            Some(
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
            ) => Attempt::Retry,
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::NOSPC) => {
                Attempt::Exhausted(error)
            }
            _ => Attempt::Failed(error),
        }
    }

    /// What a watchdog needs.
    pub(crate) fn watched(&self) -> Watched {
        Watched {
            address: self.address.clone(),
            ownership: self.ownership,
            descriptor: self.socket.descriptor(),
            file: self.file.clone(),
        }
    }

    /// Arranges for `cx` to be woken when somebody waits to be accepted.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_readable(cx)
    }

    /// Removes the socket's file, so that nobody new finds it. Those who have are still accepted.
    pub(crate) fn hide(&mut self) {
        if let Some(file) = self.file.take() {
            file.remove();
        }
    }
}

impl<L> Drop for Listener<L> {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            file.remove();
        }
    }
}

/// What a watchdog needs to end a listener whose thread is blocked.
#[derive(Debug)]
pub(crate) struct Watched {
    address: Address,
    ownership: Ownership,
    descriptor: Weak<OwnedFd>,
    file: Option<Arc<SocketFile>>,
}

impl Watched {
    /// Ends it, if it has not ended; says how many that loses of those in its queue, as far as the
    /// system tells, which `migrates` them to the others of a group, or does not. One that others
    /// accept from is left alone.
    pub(crate) fn end(&self, probe: &Probe, migrates: bool) -> u64 {
        let Some(socket) = self.descriptor.upgrade() else {
            return 0;
        };
        if self.ownership == Ownership::Shared {
            return 0;
        }
        if let Some(file) = &self.file {
            file.remove();
        }
        let mut lost = 0;
        if let Address::Tcp(address) = self.address {
            let has_heir = || migrates && has_sibling(&socket, address, probe).unwrap_or(false);
            if self.ownership.loses(has_heir) {
                lost = queued(&socket, address, probe).unwrap_or(0);
            }
        }
        // What cannot be shut down does not listen.
        let _ = rustix::net::shutdown(&socket, Shutdown::Both);
        lost
    }
}

/// A socket file, known by more than its name: a successor's file in the same place is not ours.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    /// It was removed, and what is there now is somebody else's, even if the system has given it
    /// the same inode.
    is_removed: AtomicBool,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<SocketFile> {
        let data = fs::symlink_metadata(path)?;
        Ok(SocketFile {
            path: path.into(),
            device: data.dev(),
            inode: data.ino(),
            is_removed: AtomicBool::new(false),
        })
    }

    fn remove(&self) {
        if self.is_removed.swap(true, Ordering::AcqRel) {
            return;
        }
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|data| data.dev() == self.device && data.ino() == self.inode);
        if ours {
            // Whoever else removed it meanwhile did what was to be done.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ownership_has_its_name() {
        let all = [Ownership::Sole, Ownership::Grouped, Ownership::Shared];
        assert_eq!(all.map(Ownership::name), ["sole", "grouped", "shared"]);
    }

    #[test]
    fn the_same_inode_on_another_device_is_another_file() {
        let path = std::env::temp_dir().join(format!("neap-device-{}", std::process::id()));
        fs::write(&path, "").unwrap();
        let mut file = SocketFile::of(&path).unwrap();
        file.device += 1;
        file.remove();
        assert!(path.exists());
        let mut file = SocketFile::of(&path).unwrap();
        file.inode += 1;
        file.remove();
        assert!(path.exists());
        SocketFile::of(&path).unwrap().remove();
        assert!(!path.exists());
    }

    /// Systems give the numbers of removed files to new ones at once.
    #[test]
    fn a_file_is_removed_once_even_if_its_successor_gets_the_same_inode() {
        let directory = std::env::temp_dir().join(format!("neap-inode-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let [path, kept] = ["server.sock", "kept"].map(|name| directory.join(name));
        fs::write(&path, "").unwrap();
        fs::hard_link(&path, &kept).unwrap();
        let file = SocketFile::of(&path).unwrap();
        file.remove();
        assert!(!path.exists());
        fs::hard_link(&kept, &path).unwrap();
        file.remove();
        assert!(path.exists());
        fs::remove_dir_all(directory).unwrap();
    }
}

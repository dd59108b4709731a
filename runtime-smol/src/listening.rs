//! Listening sockets of the kernel: bound, adopted, asked about.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::SocketFlags;
use socket2::{Domain, SockAddr, SockRef, Type};

use crate::Address;
use crate::handshakes::Handshakes;
use crate::listener::{Listener, Ownership};
use crate::probe::{Probe, has_sibling, queued};
use crate::seal::Rung;
use crate::socket::Socket;
use crate::source::{Reactor, Source, Sources};
use crate::system::{Accepted, ListeningSocket};

/// The interface that the first rung binds listeners to. Interfaces are numbered from one up; the
/// last number is nobody's.
pub(crate) const NOWHERE: u32 = i32::MAX.unsigned_abs();

/// How listeners are bound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) backlog: u32,
    pub(crate) reuse_port: bool,
}

/// What all sockets of a server have in common.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    pub(crate) sources: Sources,
    pub(crate) probe: Arc<Probe>,
    /// For the listeners that are added from now on.
    #[cfg(feature = "rustls")]
    pub(crate) tls: Option<crate::Tls>,
}

impl Kernel {
    pub(crate) fn new(reactor: Reactor) -> Kernel {
        Kernel {
            sources: Sources::of(reactor),
            probe: Arc::new(Probe::new()),
            #[cfg(feature = "rustls")]
            tls: None,
        }
    }

    /// The same for another thread: with a reactor of its own, which may be another one.
    pub(crate) fn beside(&self) -> Kernel {
        let sources = Sources::of(self.sources.reactor());
        Kernel {
            sources,
            ..self.clone()
        }
    }

    /// The same for listeners that speak TLS, or do not.
    #[cfg(feature = "rustls")]
    pub(crate) fn with_tls(self, tls: Option<crate::Tls>) -> Kernel {
        Kernel { tls, ..self }
    }

    /// The same for listeners that do not speak TLS.
    pub(crate) fn plain(&self) -> Kernel {
        let kernel = self.clone();
        #[cfg(feature = "rustls")]
        let kernel = kernel.with_tls(None);
        kernel
    }

    /// What carries the connection of an accepted socket.
    fn carrier(&self, socket: Socket) -> io::Result<Carrier> {
        #[cfg(feature = "rustls")]
        // It fails for want of random numbers, if ever: that is one client's misfortune.
        return crate::tls::MaybeTls::new(socket, self.tls.as_ref())
            .map_err(|_| Errno::CONNABORTED.into());
        #[cfg(not(feature = "rustls"))]
        Ok(socket)
    }
}

/// What carries connections: their sockets, with TLS where the listener has it.
#[cfg(feature = "rustls")]
pub(crate) type Carrier = crate::tls::MaybeTls<Socket>;

/// What carries connections: their sockets.
#[cfg(not(feature = "rustls"))]
pub(crate) type Carrier = Socket;

/// Registers the socket that `carrier` has with `sources`, if it is not registered yet.
pub(crate) fn settle(carrier: &mut Carrier, sources: &Sources) -> io::Result<()> {
    #[cfg(feature = "rustls")]
    let carrier = carrier.inner();
    carrier.settle(sources)
}

/// A socket of the kernel that listens.
#[derive(Debug)]
pub struct NativeListener {
    source: Source,
    address: Address,
    kernel: Kernel,
    handshakes: Handshakes,
    /// Since when nobody new can come.
    sealed: OnceLock<Instant>,
}

impl Listener<NativeListener> {
    pub(crate) fn bind(
        address: &Address,
        options: Options,
        kernel: &Kernel,
    ) -> io::Result<Listener<NativeListener>> {
        let (domain, target) = match address {
            Address::Tcp(tcp) => (Domain::for_address(*tcp), SockAddr::from(*tcp)),
            Address::Unix(path) => (Domain::UNIX, SockAddr::unix(path)?),
            Address::Abstract(name) => (Domain::UNIX, abstract_address(name)?),
            Address::Unnamed => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let socket = socket2::Socket::new(domain, Type::STREAM, None)?;
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
        socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
        let listener = Listener::adopt(socket.into(), kernel)?;
        match address {
            Address::Unix(path) => listener.with_file(path),
            _ => Ok(listener),
        }
    }

    /// Takes over a socket that already listens.
    pub(crate) fn adopt(fd: OwnedFd, kernel: &Kernel) -> io::Result<Listener<NativeListener>> {
        let (socket, address) = NativeListener::new(fd, kernel)?;
        let mut ownership = Ownership::Sole;
        if matches!(address, Address::Tcp(_)) {
            // Linux hands the option down to accepted connections.
            rustix::net::sockopt::set_tcp_nodelay(&socket.source, true)?;
            if rustix::net::sockopt::socket_reuseport(&socket.source)? {
                ownership = Ownership::Grouped;
            }
        }
        Ok(Listener::new(socket, address, ownership))
    }

    /// Accepts from a socket that others accept from, too. Nothing about it is changed but that
    /// reading it does not block, which whoever polls it needs as well.
    pub(crate) fn share(fd: OwnedFd, kernel: &Kernel) -> io::Result<Listener<NativeListener>> {
        let (socket, address) = NativeListener::new(fd, kernel)?;
        Ok(Listener::new(socket, address, Ownership::Shared))
    }
}

impl NativeListener {
    /// With the address that it is really bound to.
    fn new(fd: OwnedFd, kernel: &Kernel) -> io::Result<(NativeListener, Address)> {
        // Apple's systems cannot be asked.
        #[cfg(not(target_vendor = "apple"))]
        if !rustix::net::sockopt::socket_acceptconn(&fd)? {
            let message = "the socket does not listen";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        rustix::io::ioctl_fionbio(&fd, true)?;
        let address = Address::from_raw(Some(rustix::net::getsockname(&fd)?));
        let socket = NativeListener {
            source: kernel.sources.register(Arc::new(fd))?,
            address: address.clone(),
            kernel: kernel.clone(),
            handshakes: Handshakes::default(),
            sealed: OnceLock::new(),
        };
        Ok((socket, address))
    }

    /// Leaves it to other threads to register the connections, each with a reactor of its own.
    pub(crate) fn accept_for_others(&mut self) {
        self.kernel.sources = Sources::Later;
    }

    fn tcp(&self) -> io::Result<SocketAddr> {
        match self.address {
            Address::Tcp(address) => Ok(address),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Whether it has a [sibling](has_sibling).
    fn has_sibling(&self) -> io::Result<bool> {
        has_sibling(&self.source, self.tcp()?, &self.kernel.probe)
    }
}

impl ListeningSocket for NativeListener {
    type Transport = Carrier;

    fn accept(&self) -> io::Result<Accepted<Self::Transport>> {
        let mut accepted = accept(self.source.as_fd());
        // The system looks for a descriptor first, and for somebody who waits after that.
        if matches!(accepted, Err(Errno::MFILE | Errno::NFILE)) && matches!(self.queued(), Ok(0)) {
            accepted = Err(Errno::AGAIN);
        }
        if matches!(accepted, Err(Errno::AGAIN)) {
            self.source.read_all();
        }
        let (fd, peer) = accepted?;
        let local = match &self.address {
            Address::Tcp(address) if address.ip().is_unspecified() => {
                let local = rustix::net::getsockname(&fd);
                local.ok().map(|local| Address::from_raw(Some(local)))
            }
            _ => None,
        };
        let source = self.kernel.sources.register(Arc::new(fd))?;
        let socket = Socket::new(source, Arc::clone(&self.kernel.probe));
        Ok(Accepted {
            transport: self.kernel.carrier(socket)?,
            peer,
            local,
        })
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source.poll_readable(cx)
    }

    fn seal(&self, rung: Rung) -> io::Result<()> {
        let socket = SockRef::from(&self.source);
        match rung {
            Rung::Interface => bind_to_nowhere(&socket)?,
            Rung::Filter => drop_syns(&socket)?,
            Rung::Plain => return Ok(()),
        }
        self.sealed.get_or_init(Instant::now);
        Ok(())
    }

    fn listed_half_open(&mut self, pause: Duration) -> Option<HashSet<SocketAddr>> {
        let since = self.sealed.get()?.checked_add(pause)?;
        self.kernel.probe.take_half_open(self.tcp().ok()?, since)
    }

    fn poll_half_open(&mut self, cx: &mut Context<'_>) -> Poll<Option<HashSet<SocketAddr>>> {
        match self.tcp() {
            Ok(address) => self.handshakes.poll(&self.kernel.probe, address, cx),
            Err(_) => Poll::Ready(None),
        }
    }

    fn uses_cookies(&self) -> bool {
        setting("tcp_syncookies") == Some(2)
    }

    fn has_heir(&self) -> bool {
        migrates() && self.has_sibling().unwrap_or(false)
    }

    fn queued(&self) -> io::Result<u64> {
        queued(&self.source, self.tcp()?, &self.kernel.probe)
    }

    fn descriptor(&self) -> Weak<OwnedFd> {
        self.source.descriptor()
    }
}

/// Whether the system hands those who wait at a listener that ends to another of its group.
pub(crate) fn migrates() -> bool {
    setting("tcp_migrate_req") == Some(1)
}

/// One of the system's numbers for TCP.
fn setting(name: &str) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/sys/net/ipv4/{name}"));
    text.ok()?.trim().parse().ok()
}

#[cfg(target_os = "linux")]
fn bind_to_nowhere(socket: &SockRef<'_>) -> io::Result<()> {
    socket.bind_device_by_index_v4(std::num::NonZeroU32::new(NOWHERE))
}

#[cfg(target_os = "linux")]
fn drop_syns(socket: &SockRef<'_>) -> io::Result<()> {
    use socket2::SockFilter;
    // Classic BPF over the TCP header: a segment with SYN and without ACK is dropped.
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    socket.attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

#[cfg(not(target_os = "linux"))]
fn bind_to_nowhere(_socket: &SockRef<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn drop_syns(_socket: &SockRef<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const OPTIONS: Options = Options {
        backlog: 16,
        reuse_port: true,
    };

    #[test]
    fn whom_a_sibling_inherits_is_not_lost_with_a_listener_that_a_watchdog_ends() {
        let kernel = Kernel::new(Reactor::Own);
        for (migrates, lost) in [(true, false), (false, true)] {
            let bind = |address: &Address| Listener::bind(address, OPTIONS, &kernel).unwrap();
            let first = bind(&"127.0.0.1:0".parse().unwrap());
            let address = first.socket().tcp().unwrap();
            let _waiting = std::net::TcpStream::connect(address).unwrap();
            let watched = first.watched();
            let end = |migrates| watched.end(&kernel.probe, migrates);
            let second = bind(first.address());
            assert_eq!(end(migrates), u64::from(lost));
            let _waiting = std::net::TcpStream::connect(address).unwrap();
            let alone = second.watched().end(&kernel.probe, migrates);
            assert_eq!(alone, 1, "the first has ended");
        }
    }

    /// Lets handshakes with `socket` begin and not complete: what is no SYN is dropped.
    fn drop_acks(socket: &NativeListener) -> io::Result<()> {
        use socket2::SockFilter;
        let filter = [
            SockFilter::new(0x30, 0, 0, 13),
            SockFilter::new(0x54, 0, 0, 2),
            SockFilter::new(0x15, 0, 1, 2),
            SockFilter::new(0x06, 0, 0, u32::MAX),
            SockFilter::new(0x06, 0, 0, 0),
        ];
        SockRef::from(&socket.source).attach_filter(&filter)
    }

    #[test]
    fn a_list_shows_who_is_in_the_middle_of_a_handshake_once_and_behind_the_seal_only() {
        let kernel = Kernel::new(Reactor::Own);
        let bind = |ip: &str, port| {
            let address = Address::Tcp(SocketAddr::new(ip.parse().unwrap(), port));
            Listener::bind(&address, OPTIONS, &kernel).unwrap()
        };
        let connect = |to: &Listener<NativeListener>| {
            std::net::TcpStream::connect(to.socket().tcp().unwrap()).unwrap()
        };
        let mut listener = bind("127.0.0.1", 0);
        let address = listener.socket().tcp().unwrap();
        let client = connect(&listener);
        let (_served, peer) = accept(listener.socket().source.as_fd()).unwrap();
        let Address::Tcp(peer) = peer else {
            panic!("{peer:?}");
        };
        let neighbour = bind("127.0.0.2", address.port());
        drop_acks(listener.socket()).unwrap();
        drop_acks(neighbour.socket()).unwrap();
        let early = connect(&listener);
        let _elsewhere = connect(&neighbour);
        let mut listed = |pause| listener.socket_mut().listed_half_open(pause);
        let list = || {
            let _batch = kernel.probe.batch(1_000_000);
            let before = kernel.probe.lists();
            while kernel.probe.lists() == before {
                kernel.probe.is_acknowledged(address, peer, u64::MAX);
            }
        };
        list();
        assert_eq!(listed(Duration::ZERO), None, "it is not sealed");
        listener.socket().sealed.get_or_init(Instant::now);
        let mut listed = |pause| listener.socket_mut().listed_half_open(pause);
        assert_eq!(listed(Duration::ZERO), None, "the list is older");
        list();
        assert_eq!(listed(Duration::from_secs(600)), None, "it is too early");
        let ours = HashSet::from([early.local_addr().unwrap()]);
        assert_eq!(listed(Duration::ZERO), Some(ours));
        assert_eq!(listed(Duration::ZERO), None, "it was told");
        drop((client, early));
    }

    #[test]
    fn only_a_seal_that_holds_makes_a_list_a_look() {
        let kernel = Kernel::new(Reactor::Own);
        let address = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind(&address, OPTIONS, &kernel).unwrap();
        listener.socket().seal(Rung::Plain).unwrap();
        assert_eq!(listener.socket().sealed.get(), None);
        listener.socket().seal(Rung::Interface).unwrap();
        assert!(listener.socket().sealed.get().is_some());
    }

    #[test]
    fn a_sibling_that_is_about_to_end_is_none() {
        let kernel = Kernel::new(Reactor::Own);
        let bind = |address: &Address| Listener::bind(address, OPTIONS, &kernel).unwrap();
        let first = bind(&"127.0.0.1:0".parse().unwrap());
        assert!(!first.socket().has_sibling().unwrap(), "it is not its own");
        let second = bind(first.address());
        assert!(first.socket().has_sibling().unwrap());
        second.socket().seal(Rung::Interface).unwrap();
        assert!(!first.socket().has_sibling().unwrap());
        assert!(second.socket().has_sibling().unwrap());
    }
}

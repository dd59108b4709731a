//! A connection's socket, on top of a source of readiness.
//!
//! The system calls are made here, on the descriptor itself, first optimistically and again when
//! the reactor says so.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};

use crate::Address;
use crate::probe::Probe;
use crate::sock_diag::Pair;
use crate::source::{Source, Sources};
use crate::system::Transport;

/// A connected stream socket of the kernel.
#[derive(Debug)]
pub struct Socket {
    source: Source,
    /// The last read filled its buffer, or none was made yet: another may succeed at once. After a
    /// short read the reactor is asked first, which saves a system call that would find nothing.
    more: bool,
    probe: Arc<Probe>,
    /// How many lists the probe had begun when this was made, and when it last wrote.
    lists: u64,
}

impl Socket {
    pub(crate) fn new(source: Source, probe: Arc<Probe>) -> Socket {
        Socket {
            source,
            more: true,
            lists: probe.lists(),
            probe,
        }
    }

    /// Registers it with `sources`, if it is not registered yet.
    pub(crate) fn settle(&mut self, sources: &Sources) -> io::Result<()> {
        self.source.settle(sources)
    }

    /// Reads what there is, without waiting.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len();
        let read = retry(|| rustix::net::recv(&self.source, &mut *buffer, RecvFlags::empty()));
        let read = read.map(|(count, _)| count);
        // The end of the stream is found again by reading, the reactor may not report it twice.
        self.more = matches!(read, Ok(read) if read == most || read == 0);
        let used_up = match &read {
            Ok(_) => !self.more,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        if used_up {
            self.source.read_all();
        }
        read
    }

    /// Writes without waiting.
    fn try_write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let flags = SendFlags::NOSIGNAL;
        let written = match slices {
            [one] => retry(|| rustix::net::send(&self.source, one, flags)),
            many => retry(|| {
                let mut ancillary = SendAncillaryBuffer::default();
                rustix::net::sendmsg(&self.source, many, &mut ancillary, flags)
            }),
        };
        // Not before it was written: a list that is begun meanwhile need not know of it.
        self.lists = self.probe.lists();
        written
    }
}

impl Transport for Socket {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if !self.more {
            ready!(self.source.poll_readable(cx))?;
            self.more = true;
        }
        loop {
            match self.receive(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.source.poll_readable(cx))?;
                }
                done => return Poll::Ready(done),
            }
        }
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.receive(buffer)
    }

    fn poll_hangup(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.source.poll_hangup(cx)
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
                    self.source.wrote_all();
                    ready!(self.source.poll_writable(cx))?;
                }
                done => return Poll::Ready(done),
            }
        }
    }

    fn poll_end(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = rustix::net::shutdown(&self.source, Shutdown::Write);
        self.lists = self.probe.lists();
        Poll::Ready(ended.map_err(io::Error::from))
    }

    fn reset_on_close(&mut self) {
        // Where the option is refused there is only the ordinary close.
        let _ = rustix::net::sockopt::set_socket_linger(&self.source, Some(Duration::ZERO));
    }

    fn unacknowledged(&self, local: &Address, peer: &Address) -> u64 {
        let Some((local, peer)) = of_tcp(local, peer) else {
            return 0;
        };
        let pair = Pair::of(local, peer);
        let asked = self.probe.ask(|diag| diag.send_queue(&pair));
        asked.ok().flatten().unwrap_or(0)
    }

    fn can_close(&self, local: &Address, peer: &Address) -> bool {
        of_tcp(local, peer)
            .is_some_and(|(local, peer)| self.probe.is_acknowledged(local, peer, self.lists))
    }

    fn descriptor(&self) -> Weak<OwnedFd> {
        self.source.descriptor()
    }
}

/// The addresses of a connection that the system knows by them.
fn of_tcp(local: &Address, peer: &Address) -> Option<(SocketAddr, SocketAddr)> {
    match (local, peer) {
        (Address::Tcp(local), Address::Tcp(peer)) => Some((*local, *peer)),
        _ => None,
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown as End, TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;
    use std::task::Waker;

    use super::*;
    use crate::source::{Reactor, Sources};

    /// A socket whose reactor nobody turns, and its peer.
    fn unheard() -> io::Result<(Socket, UnixStream)> {
        let (near, far) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        let source = Sources::of(Reactor::Own).register(Arc::new(near.into()))?;
        Ok((Socket::new(source, Arc::new(Probe::new())), far))
    }

    fn read(socket: &mut Socket) -> Option<usize> {
        let mut buffer = [0; 16];
        match socket.poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer) {
            Poll::Ready(read) => read.ok(),
            Poll::Pending => None,
        }
    }

    fn write(socket: &mut Socket) -> Poll<io::Result<usize>> {
        let mut cx = Context::from_waker(Waker::noop());
        socket.poll_write(&mut cx, &[IoSlice::new(&[0; 64 * 1024])])
    }

    /// Writes until no more goes.
    fn fill(socket: &mut Socket) {
        while let Poll::Ready(written) = write(socket) {
            assert!(written.is_ok_and(|count| count > 0));
        }
    }

    #[test]
    fn who_expects_input_asks_the_system_itself() {
        let (mut socket, mut far) = unheard().unwrap();
        far.write_all(b"a").unwrap();
        assert_eq!(read(&mut socket), Some(1));
        far.write_all(b"b").unwrap();
        assert_eq!(read(&mut socket), None, "the reactor knows of nothing");
        socket.expect_input();
        assert_eq!(read(&mut socket), Some(1));
    }

    #[test]
    fn a_read_that_fills_its_buffer_is_followed_by_another() {
        let (mut socket, mut far) = unheard().unwrap();
        far.write_all(&[0; 20]).unwrap();
        assert_eq!((read(&mut socket), read(&mut socket)), (Some(16), Some(4)));
    }

    #[test]
    fn a_last_look_asks_the_system_itself_and_says_if_there_is_nothing() {
        let (mut socket, mut far) = unheard().unwrap();
        far.write_all(b"a").unwrap();
        assert_eq!(read(&mut socket), Some(1));
        let nothing = socket.try_read(&mut [0; 16]).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        far.write_all(b"bc").unwrap();
        assert_eq!(socket.try_read(&mut [0; 16]).unwrap(), 2);
    }

    #[test]
    fn a_write_waits_where_there_is_no_room_and_fails_where_nobody_reads() {
        let (mut socket, far) = unheard().unwrap();
        fill(&mut socket);
        drop(far);
        assert!(matches!(write(&mut socket), Poll::Ready(Err(_))));
    }

    #[test]
    fn an_end_is_the_peers_to_read_while_the_socket_is_still_open() {
        let (mut socket, mut far) = unheard().unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(socket.poll_end(&mut cx), Poll::Ready(Ok(()))));
        far.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert_eq!(far.read(&mut [0; 16]).unwrap(), 0);
    }

    /// A TCP connection whose client reads nothing.
    struct Silent {
        near: TcpStream,
        _far: TcpStream,
        local: Address,
        peer: Address,
        probe: Arc<Probe>,
    }

    impl Silent {
        fn connect() -> io::Result<Silent> {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let far = TcpStream::connect(listener.local_addr()?)?;
            let (near, peer) = listener.accept()?;
            near.set_nonblocking(true)?;
            Ok(Silent {
                local: Address::Tcp(near.local_addr()?),
                peer: Address::Tcp(peer),
                near,
                _far: far,
                probe: Arc::new(Probe::new()),
            })
        }

        fn socket(&self) -> io::Result<Socket> {
            let near = Arc::new(OwnedFd::from(self.near.try_clone()?));
            let source = Sources::of(Reactor::Own).register(near)?;
            Ok(Socket::new(source, Arc::clone(&self.probe)))
        }

        fn can_close(&self, socket: &Socket) -> bool {
            socket.can_close(&self.local, &self.peer)
        }

        /// Asks until there is a list that says that all is acknowledged.
        fn list(&self, socket: &Socket) {
            while self.probe.lists() == 0 {
                assert!(self.can_close(socket));
            }
        }
    }

    #[test]
    fn what_a_peer_does_not_read_is_not_acknowledged_for_ever() {
        let silent = Silent::connect().unwrap();
        let mut socket = silent.socket().unwrap();
        assert_eq!(socket.unacknowledged(&silent.local, &silent.peer), 0);
        assert!(silent.can_close(&socket));
        fill(&mut socket);
        assert!(socket.unacknowledged(&silent.local, &silent.peer) > 1);
        assert!(!silent.can_close(&socket));
    }

    #[test]
    fn what_was_written_after_a_list_is_not_acknowledged_by_it() {
        let silent = Silent::connect().unwrap();
        let _batch = silent.probe.batch(1_000_000);
        let mut socket = silent.socket().unwrap();
        silent.list(&socket);
        assert!(silent.can_close(&socket));
        fill(&mut socket);
        assert!(!silent.can_close(&socket));
    }

    /// Somebody else may have had its addresses when the list was made.
    #[test]
    fn who_comes_after_a_list_is_not_known_by_it() {
        let silent = Silent::connect().unwrap();
        let _batch = silent.probe.batch(1_000_000);
        silent.list(&silent.socket().unwrap());
        while (&silent.near).write(&[0; 65_536]).is_ok() {}
        assert!(!silent.can_close(&silent.socket().unwrap()));
    }

    #[test]
    fn an_end_is_not_acknowledged_by_a_list_either() {
        let silent = Silent::connect().unwrap();
        let _batch = silent.probe.batch(1_000_000);
        let mut socket = silent.socket().unwrap();
        silent.list(&socket);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(socket.poll_end(&mut cx), Poll::Ready(Ok(()))));
        assert_eq!(socket.lists, silent.probe.lists());
    }

    #[test]
    fn an_end_that_was_read_is_read_again() {
        let (mut socket, far) = unheard().unwrap();
        far.shutdown(End::Write).unwrap();
        assert_eq!((read(&mut socket), read(&mut socket)), (Some(0), Some(0)));
    }
}

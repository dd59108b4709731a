//! The border: the virtual kernel as neap's system. The faults are planted here.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use neap_core::Time;
use neap_smol::system::{Accepted, ListeningSocket, StopSignal, System, Transport};
use neap_smol::{Address, Rung};

use super::faults::Fault;
use super::kernel::{Fin, Happening, Kernel};
use super::script::{AcceptError, Listing, Micros, Owner, SECOND, Seal};

/// A kernel that servers, handlers and the world share.
pub(super) type SharedKernel = Rc<RefCell<Kernel>>;

/// What the world tells a server's system, and is told by it.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    /// Signals that have come and have not been looked at.
    pub signals: Vec<StopSignal>,
    /// Who is woken by the next.
    pub waker: Option<std::task::Waker>,
    /// The process was to end by a signal's default action.
    pub killed: bool,
    /// How often the timer was set.
    pub timer: u64,
    /// How many signals were lost.
    pub lost: u32,
}

/// A server's system.
#[derive(Debug)]
pub(super) struct VirtualSystem {
    pub(super) kernel: SharedKernel,
    pub(super) server: usize,
    pub(super) mailbox: Rc<RefCell<Mailbox>>,
}

/// A moment as neap counts it.
fn time(at: Micros) -> Time {
    Time::from_nanos(at * 1_000)
}

impl System for VirtualSystem {
    type Listener = VirtualListener;

    fn now(&self) -> Time {
        time(self.kernel.borrow().now)
    }

    fn since_1970(&self) -> Duration {
        Duration::from_secs(784_111_777) + Duration::from_micros(self.kernel.borrow().now)
    }

    fn set_timer(&mut self, at: Time, cx: &mut Context<'_>) {
        let mut mailbox = self.mailbox.borrow_mut();
        mailbox.timer += 1;
        let mut kernel = self.kernel.borrow_mut();
        let late = match kernel.fault {
            Fault::TimerNeverComes => return,
            Fault::TimerIsLate => SECOND,
            _ => 0,
        };
        if at != Time::NEVER {
            let at = at.as_nanos().div_ceil(1_000) + late;
            let timer = Happening::Timer(self.server, mailbox.timer);
            kernel.at(at, timer);
            kernel.timers[self.server] = Some(cx.waker().clone());
        }
    }

    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<StopSignal> {
        let fault = self.kernel.borrow().fault;
        let mut mailbox = self.mailbox.borrow_mut();
        if fault == Fault::SignalIsLost && mailbox.lost == 0 && !mailbox.signals.is_empty() {
            mailbox.lost += 1;
            mailbox.signals.remove(0);
        }
        if mailbox.signals.is_empty() {
            mailbox.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(mailbox.signals.remove(0))
    }

    fn end_process(&mut self, _signal: StopSignal) {
        self.mailbox.borrow_mut().killed = true;
    }
}

/// A listener, as one server has it.
#[derive(Debug)]
pub(super) struct VirtualListener {
    pub(super) kernel: SharedKernel,
    pub(super) listener: usize,
    pub(super) server: usize,
    /// Until when a slow answer takes.
    pub(super) answer: Option<Micros>,
    pub(super) woken: std::cell::Cell<u32>,
}

/// Where a client comes from.
#[must_use]
pub(super) fn peer(client: usize) -> SocketAddr {
    let port = u16::try_from(client + 1).unwrap_or(u16::MAX);
    SocketAddr::from(([10, 0, 0, 1], port))
}

impl ListeningSocket for VirtualListener {
    type Transport = VirtualSocket;

    fn accept(&self) -> io::Result<Accepted<VirtualSocket>> {
        let mut kernel = self.kernel.borrow_mut();
        loop {
            match kernel.accept(self.listener, self.server) {
                Ok(client) if kernel.fault == Fault::AcceptLosesOne && kernel.loses_one() => {
                    kernel.close(client);
                }
                Ok(client) => {
                    let peer = match kernel.net.owner {
                        Owner::Unix => Address::Unnamed,
                        _ => Address::Tcp(peer(client)),
                    };
                    let transport = VirtualSocket {
                        kernel: Rc::clone(&self.kernel),
                        client,
                        ended: false,
                        slept: 0,
                    };
                    return Ok(Accepted {
                        transport,
                        peer,
                        local: None,
                    });
                }
                Err(None) => return Err(io::Error::from_raw_os_error(libc(None))),
                Err(error) => return Err(io::Error::from_raw_os_error(libc(error))),
            }
        }
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut kernel = self.kernel.borrow_mut();
        self.woken.set(self.woken.get() + 1);
        let deaf = kernel.fault == Fault::ListenerDoesNotWake && self.woken.get() > 1;
        if kernel.poll_readable(self.listener, self.server, cx.waker()) {
            return Poll::Ready(Ok(()));
        }
        if deaf {
            kernel.forget_waker(self.listener, self.server);
        }
        Poll::Pending
    }

    fn seal(&self, rung: Rung) -> io::Result<()> {
        let mut kernel = self.kernel.borrow_mut();
        let seal = seal_of(rung);
        if kernel.fault == Fault::SealDoesNothing {
            let granted = kernel.seal(self.listener, seal);
            kernel.listeners[self.listener].seal = None;
            return if granted { Ok(()) } else { Err(refused(seal)) };
        }
        if kernel.seal(self.listener, seal) {
            Ok(())
        } else {
            Err(refused(seal))
        }
    }

    fn poll_half_open(&mut self, cx: &mut Context<'_>) -> Poll<Option<HashSet<SocketAddr>>> {
        let mut kernel = self.kernel.borrow_mut();
        match kernel.fault {
            Fault::NobodyIsHalfOpen => return Poll::Ready(Some(HashSet::new())),
            Fault::SomebodyIsHalfOpen => {
                return Poll::Ready(Some(HashSet::from([peer(usize::from(u16::MAX))])));
            }
            _ => {}
        }
        match kernel.net.listing {
            Listing::Known => {}
            Listing::Unknown => return Poll::Ready(None),
            Listing::Slow(takes) => {
                let at = *self.answer.get_or_insert(kernel.now + takes);
                if kernel.now < at {
                    kernel.at(at, Happening::Wake(cx.waker().clone()));
                    return Poll::Pending;
                }
                self.answer = None;
            }
        }
        let peers = kernel.half_open().into_iter().map(peer);
        Poll::Ready(Some(peers.collect()))
    }

    fn uses_cookies(&self) -> bool {
        self.kernel.borrow().net.cookies
    }

    fn has_heir(&self) -> bool {
        let kernel = self.kernel.borrow();
        kernel.fault == Fault::HeirIsImagined || kernel.has_heir(self.listener)
    }

    fn queued(&self) -> io::Result<u64> {
        let kernel = self.kernel.borrow();
        Ok(kernel.listeners[self.listener].queue.len() as u64)
    }
}

impl Drop for VirtualListener {
    fn drop(&mut self) {
        let mut kernel = self.kernel.borrow_mut();
        if kernel.fault != Fault::ListenerStaysOpen {
            kernel.release(self.listener, self.server);
        }
    }
}

/// What the system says where it does not grant a rung.
fn refused(seal: Seal) -> io::Error {
    const EPERM: i32 = 1;
    const ENOPROTOOPT: i32 = 92;
    io::Error::from_raw_os_error(match seal {
        Seal::Interface => ENOPROTOOPT,
        Seal::Filter | Seal::Plain => EPERM,
    })
}

fn seal_of(rung: Rung) -> Seal {
    match rung {
        Rung::Interface => Seal::Interface,
        Rung::Filter => Seal::Filter,
        _ => Seal::Plain,
    }
}

/// The numbers that Linux has for what accepting gives.
fn libc(error: Option<AcceptError>) -> i32 {
    let errno = match error {
        None => rustix::io::Errno::AGAIN,
        Some(AcceptError::Interrupted) => rustix::io::Errno::INTR,
        Some(AcceptError::Aborted) => rustix::io::Errno::CONNABORTED,
        Some(AcceptError::Protocol) => rustix::io::Errno::PROTO,
        Some(AcceptError::NetworkDown) => rustix::io::Errno::NETDOWN,
        Some(AcceptError::ProcessFiles) => rustix::io::Errno::MFILE,
        Some(AcceptError::SystemFiles) => rustix::io::Errno::NFILE,
        Some(AcceptError::Buffers) => rustix::io::Errno::NOBUFS,
        Some(AcceptError::Memory) => rustix::io::Errno::NOMEM,
        Some(AcceptError::Invalid) => rustix::io::Errno::INVAL,
    };
    errno.raw_os_error()
}

/// A server's socket.
#[derive(Debug)]
pub(super) struct VirtualSocket {
    kernel: SharedKernel,
    client: usize,
    ended: bool,
    slept: u32,
}

impl Transport for VirtualSocket {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut kernel = self.kernel.borrow_mut();
        let fault = kernel.fault;
        if fault == Fault::LingerIsCut && self.ended {
            return Poll::Ready(Ok(0));
        }
        let deaf = fault == Fault::ReaderIsNotWoken && self.slept > 0;
        let waker = (!deaf).then(|| cx.waker());
        match kernel.read(self.client, buffer.len(), waker) {
            Ok(bytes) => {
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Poll::Ready(Ok(bytes.len()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.slept += 1;
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut kernel = self.kernel.borrow_mut();
        if kernel.fault == Fault::LastLookIsBlind {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let bytes = kernel.read(self.client, buffer.len(), None)?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut kernel = self.kernel.borrow_mut();
        let offered = slices.iter().map(|slice| slice.len()).sum();
        let room = kernel.streams[self.client].down.room() + 1;
        let mut bytes = Vec::new();
        for slice in slices {
            bytes.extend_from_slice(&slice[..slice.len().min(room - bytes.len().min(room))]);
        }
        match kernel.fault {
            Fault::ByteIsRepeated if bytes.len() > 200 => bytes.insert(100, bytes[100]),
            Fault::CloseIsNotSaid => hide_close(&mut bytes),
            _ => {}
        }
        match kernel.write(self.client, &bytes, cx.waker()) {
            Ok(_) if kernel.fault == Fault::ShortWriteIsHidden => Poll::Ready(Ok(offered)),
            Ok(count) => Poll::Ready(Ok(count.min(offered))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if kernel.fault == Fault::WriterIsNotWoken {
                    kernel.forget_writer(self.client);
                }
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_end(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut kernel = self.kernel.borrow_mut();
        if kernel.fault == Fault::FinOvertakes {
            kernel.streams[self.client].down.overtaken = true;
        }
        self.ended = true;
        Poll::Ready(kernel.end(self.client))
    }

    fn reset_on_close(&mut self) {
        let mut kernel = self.kernel.borrow_mut();
        if kernel.fault != Fault::NoCloseResets {
            kernel.reset_on_close(self.client);
        }
    }

    fn unacknowledged(&self, _local: &Address, _peer: &Address) -> u64 {
        let kernel = self.kernel.borrow();
        let stream = &kernel.streams[self.client];
        if kernel.fault == Fault::AllIsAcknowledged || kernel.net.owner == Owner::Unix {
            return 0;
        }
        debug_assert!(stream.down.fin > Fin::No, "asked for before the FIN");
        stream.down.outstanding() as u64
    }

    fn can_close(&self, _local: &Address, _peer: &Address) -> bool {
        let kernel = self.kernel.borrow();
        kernel.net.owner != Owner::Unix && kernel.streams[self.client].down.outstanding() == 0
    }
}

impl Drop for VirtualSocket {
    fn drop(&mut self) {
        let mut kernel = self.kernel.borrow_mut();
        match kernel.fault {
            Fault::ConnectionStaysOpen => return,
            Fault::EveryCloseResets => kernel.reset_on_close(self.client),
            _ => {}
        }
        kernel.close(self.client);
    }
}

/// Makes `Connection: close` something else of the same length.
fn hide_close(bytes: &mut [u8]) {
    const CLOSE: &[u8] = b"connection: close";
    let found = bytes
        .windows(CLOSE.len())
        .position(|window| window.eq_ignore_ascii_case(CLOSE));
    if let Some(at) = found {
        bytes[at] = b'x';
    }
}

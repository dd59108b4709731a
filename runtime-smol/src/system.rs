//! The seam between the server and the system that it runs on.
//!
//! Everything that the server asks of the world goes through three traits: a [`System`] has the
//! clock, the timer and the stop signals; a [`ListeningSocket`] is accepted from and ended; a
//! [`Transport`] carries one connection. What is on this side of them is the whole of the server:
//! accepting in batches, the rungs of the seal, the ending of listeners, the last look, lingering,
//! deadlines, signals. What is on the other side makes system calls and decides nothing.
//!
//! [`Native`] is the other side in production, with sockets of the kernel. A
//! simulation puts a kernel of its own there, with a time that it winds on as it likes, and runs
//! the very code that is shipped.
//!
//! The traits follow the needs of the server. They are public so that they can be implemented
//! elsewhere, and may change in any release.

use std::collections::HashSet;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Weak;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use neap_core::Time;

use crate::Address;
use crate::seal::Rung;

pub use crate::incoming::{Connector, Host, Incoming, Stream, incoming};
pub use crate::listening::NativeListener;
pub use crate::native::Native;
pub use crate::signals::StopSignal;
pub use crate::socket::Socket;
#[cfg(feature = "rustls")]
pub use crate::tls::{MaybeTls, TlsTransport};

/// What a server asks of the system beside its sockets.
pub trait System {
    /// What it listens with.
    type Listener: ListeningSocket;

    /// Monotonic time, from an origin of the system's choice. Asked once for each wake-up.
    fn now(&self) -> Time;

    /// The instant that is [`Time::ZERO`], if its time is the real one: then a watchdog on another
    /// thread keeps the deadline of a server whose own is blocked.
    fn origin(&self) -> Option<Instant> {
        None
    }

    /// How long 1970-01-01 00:00:00 UTC is past, for `Date`. Asked about once a second.
    fn since_1970(&self) -> Duration;

    /// Arranges for `cx` to be woken at `at`, instead of at the moment that was given last;
    /// [`Time::NEVER`] for not at all.
    fn set_timer(&mut self, at: Time, cx: &mut Context<'_>);

    /// Takes in what the system has to tell of its sockets, waking who waits for it, and arranges
    /// for `cx` to be woken when there is more. Nothing to do where somebody else sees to that.
    fn poll_events(&mut self, _cx: &mut Context<'_>) {}

    /// Lets the server `act`, which may bring up to `count` connections to their end: of each it is
    /// then asked whether it [can be closed](Transport::can_close). A system that can find that out
    /// for many at once does so meanwhile, and forgets it afterwards.
    fn expecting_ends<R>(&self, _count: usize, act: impl FnOnce() -> R) -> R {
        act()
    }

    /// The next stop signal that has come, if signals were asked for.
    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<StopSignal>;

    /// Does what `signal` would have done without a handler: ends the process.
    fn end_process(&mut self, signal: StopSignal);
}

/// A socket that listens.
///
/// Errors are the system's, told apart by [`io::Error::raw_os_error`]; what follows from each is
/// the server's affair.
pub trait ListeningSocket {
    /// What carries its connections.
    type Transport: Transport;

    /// Takes the next connection from the queue, without waiting.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nobody waits, otherwise what the system says.
    fn accept(&self) -> io::Result<Accepted<Self::Transport>>;

    /// Arranges for `cx` to be woken when somebody waits to be accepted.
    ///
    /// # Errors
    ///
    /// If the system cannot tell.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Keeps new handshakes from beginning, by this rung of the ladder. That cannot be undone.
    ///
    /// # Errors
    ///
    /// If the system does not have, or not grant, this rung.
    fn seal(&self, rung: Rung) -> io::Result<()>;

    /// Who is in the middle of a handshake with it, or with another socket at its address; `None`
    /// if that cannot be known.
    fn poll_half_open(&mut self, cx: &mut Context<'_>) -> Poll<Option<HashSet<SocketAddr>>>;

    /// Who it was, if that is known without asking: from a list that was begun a `pause` after the
    /// seal, or later.
    fn listed_half_open(&mut self, _pause: Duration) -> Option<HashSet<SocketAddr>> {
        None
    }

    /// Whether the system answers every SYN with a cookie, so that no list of handshakes is kept.
    fn uses_cookies(&self) -> bool;

    /// Whether the system hands its queue, and those who are still to come, to another socket at
    /// its address that is not about to end.
    fn has_heir(&self) -> bool;

    /// How many clients wait in its queue.
    ///
    /// # Errors
    ///
    /// If the system cannot tell.
    fn queued(&self) -> io::Result<u64>;

    /// The descriptor, for a watchdog that has to end it while its thread is blocked.
    fn descriptor(&self) -> Weak<OwnedFd> {
        Weak::new()
    }
}

/// A connection that was just accepted.
#[derive(Debug)]
pub struct Accepted<T> {
    /// What carries it.
    pub transport: T,
    /// Who the client is.
    pub peer: Address,
    /// The address that it connected to, where the listener's own does not say that.
    pub local: Option<Address>,
}

/// A connected stream: carries one connection.
pub trait Transport {
    /// Reads what there is, at most `buffer`; zero bytes are the peer's end.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Reads without waiting, asking the system itself and nobody's memory.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is nothing, another if the connection is
    /// broken.
    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Whether nobody on the way can read or change what is sent: a request for an `https` target
    /// is served then (RFC 9110 section 7.4).
    fn is_secure(&self) -> bool {
        false
    }

    /// Whether the peer is in the middle of something that comes before its first byte, a handshake
    /// for instance: the drain waits for that like for half a head.
    fn has_begun(&self) -> bool {
        false
    }

    /// Arranges for `cx` to be woken when the peer is gone, without reading what it has left: asked
    /// while no more can be read. Where nobody can tell, that is noticed later.
    fn poll_hangup(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    /// Makes the next [`poll_read`](Transport::poll_read) ask the system itself, too.
    fn expect_input(&mut self) {}

    /// Writes what goes, at most all of `slices`.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Ends our side: sends FIN, behind everything that was written.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Lets the close that follows be a reset. Where there is none, a cut response cannot be told
    /// from a whole one that only the end of the connection delimits.
    fn reset_on_close(&mut self) {}

    /// How many bytes, a FIN counting for one, its peer has not acknowledged; zero where nobody
    /// can tell.
    fn unacknowledged(&self, _local: &Address, _peer: &Address) -> u64 {
        0
    }

    /// Whether its peer is known to have acknowledged all bytes, and a close says to it all that
    /// [`poll_end`](Transport::poll_end) would.
    fn can_close(&self, _local: &Address, _peer: &Address) -> bool {
        false
    }

    /// The descriptor, for a watchdog that has to end it while its thread is blocked.
    fn descriptor(&self) -> Weak<OwnedFd> {
        Weak::new()
    }
}

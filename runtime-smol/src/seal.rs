//! Sealing a listener: no new handshake may begin, those that have begun are completed.
//!
//! Accepting until nobody waits and then closing loses every client whose handshake is in flight:
//! its SYN has been answered, so it believes to be connected, and its ACK finds nobody. So the
//! listener first stops answering SYNs, by the first rung of this ladder that holds.

use std::io;
use std::num::NonZeroU32;
use std::os::fd::AsFd;

use socket2::SockRef;

/// How a listener was, or is to be, kept from beginning new handshakes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rung {
    /// The listener is bound to a network interface that does not exist (`SO_BINDTOIFINDEX`):
    /// new clients are refused at once, those whose handshake has begun get in. Linux.
    #[default]
    Interface,
    /// A socket filter drops SYNs: new clients try again after a second, those whose handshake has
    /// begun get in. Linux, with `CAP_NET_ADMIN` where the kernel asks for it.
    Filter,
    /// Nothing holds new clients off; those whose handshake is in flight at the close are reset.
    Plain,
}

impl Rung {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Rung::Interface => "interface",
            Rung::Filter => "filter",
            Rung::Plain => "plain",
        }
    }
}

/// The interface that the first rung binds listeners to. Interfaces are numbered from one up; the
/// last number is nobody's.
pub(crate) const NOWHERE: u32 = i32::MAX.unsigned_abs();

/// Seals `listener`, trying `first` and the rungs below it; says which one held. No rung is
/// assumed to hold: the system says so.
pub(crate) fn seal(listener: impl AsFd, first: Rung) -> Rung {
    let socket = SockRef::from(&listener);
    if first <= Rung::Interface && bind_to_nowhere(&socket).is_ok() {
        Rung::Interface
    } else if first <= Rung::Filter && drop_syns(&socket).is_ok() {
        Rung::Filter
    } else {
        Rung::Plain
    }
}

#[cfg(target_os = "linux")]
fn bind_to_nowhere(socket: &SockRef<'_>) -> io::Result<()> {
    socket.bind_device_by_index_v4(NonZeroU32::new(NOWHERE))
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

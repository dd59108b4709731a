//! Who is still in the middle of a handshake with a listener.
//!
//! Between the SYN that a listener has answered and the ACK that completes the handshake a client
//! is in no queue that can be accepted from. Closing the listener then resets it. The system can
//! be asked who they are: by `sock_diag`, or by reading its table of connections.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::sock_diag::{SYN_RECV, SockDiag};

/// The clients whose handshakes with a listener had begun when it was sealed.
#[derive(Debug)]
pub(crate) struct HalfOpen {
    address: SocketAddr,
    means: Means,
    awaited: Awaited,
}

/// Clients, by what the system calls them.
type Peers = HashSet<Vec<u8>>;

#[derive(Debug)]
enum Means {
    /// Ask the system, by this netlink socket.
    Diag(SockDiag),
    /// Read `/proc/net/tcp`, which may be long, on a thread of its own.
    Table(Arc<Mutex<Reading>>),
    /// Nobody can tell.
    None,
}

#[derive(Debug)]
enum Reading {
    Idle,
    Running,
    Read(Option<Peers>),
}

impl HalfOpen {
    pub(crate) fn new(address: SocketAddr) -> HalfOpen {
        let means = match SockDiag::open() {
            Ok(diag) => Means::Diag(diag),
            Err(_) => Means::table(),
        };
        HalfOpen {
            address,
            means,
            awaited: Awaited::default(),
        }
    }

    /// One of which nothing is known.
    pub(crate) fn unknown(address: SocketAddr) -> HalfOpen {
        HalfOpen {
            address,
            means: Means::None,
            awaited: Awaited::default(),
        }
    }

    /// Looks whether any of them is still in the middle of its handshake; `None` if that cannot be
    /// known. The first look never says no.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<bool>> {
        if let Means::Diag(diag) = &self.means {
            let mut peers = Peers::new();
            let looked = diag.visit(self.address, SYN_RECV, |entry| {
                peers.insert(entry.peer());
            });
            match looked {
                Ok(()) => return Poll::Ready(Some(self.awaited.are_left_in(peers))),
                Err(_) => self.fall_back(),
            }
        }
        let Means::Table(reading) = &self.means else {
            return Poll::Ready(None);
        };
        let mut state = reading.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, Reading::Running) {
            Reading::Running => return Poll::Pending,
            Reading::Read(Some(peers)) => {
                *state = Reading::Idle;
                return Poll::Ready(Some(self.awaited.are_left_in(peers)));
            }
            Reading::Read(None) => {}
            Reading::Idle => {
                let started = read_table(self.address, Arc::clone(reading), cx.waker().clone());
                if started.is_ok() {
                    return Poll::Pending;
                }
            }
        }
        drop(state);
        self.means = Means::None;
        Poll::Ready(None)
    }

    /// To the table, which calls clients by other names.
    fn fall_back(&mut self) {
        self.means = Means::table();
        self.awaited = Awaited::default();
    }
}

impl Means {
    fn table() -> Means {
        Means::Table(Arc::new(Mutex::new(Reading::Idle)))
    }
}

/// Who is waited for. A server that shares our address goes on shaking hands with others, whom the
/// system does not tell apart from ours: those who were not there when the seal was new do not
/// count.
#[derive(Debug, Default)]
struct Awaited {
    peers: Peers,
    /// There has been a look, and another one.
    looks: (bool, bool),
}

impl Awaited {
    /// Takes account of those who are in the middle of a handshake now; says whether any of those
    /// who are waited for is among them.
    ///
    /// The first look is not enough. A SYN that another processor was working on while we sealed
    /// the listener is listed a moment after that.
    fn are_left_in(&mut self, now: Peers) -> bool {
        match self.looks {
            (_, true) => self.peers.retain(|peer| now.contains(peer)),
            (first, false) => {
                self.looks = (true, first);
                self.peers = now;
            }
        }
        !(self.looks.1 && self.peers.is_empty())
    }
}

/// Reads the table on a thread of its own, which ends with it.
fn read_table(address: SocketAddr, reading: Arc<Mutex<Reading>>, waker: Waker) -> io::Result<()> {
    let thread = thread::Builder::new().name("neap-half-open".into());
    thread.spawn(move || {
        let path = if address.is_ipv4() {
            "/proc/net/tcp"
        } else {
            "/proc/net/tcp6"
        };
        let peers = fs::read_to_string(path)
            .ok()
            .map(|table| peers_in_table(&table, address.port()));
        *reading.lock().unwrap_or_else(PoisonError::into_inner) = Reading::Read(peers);
        waker.wake();
    })?;
    Ok(())
}

/// The peers of the table's lines for `port` in state `SYN_RECV`:
/// `0: 0100007F:1F90 0100007F:C350 03 …`, in hexadecimal digits.
fn peers_in_table(table: &str, port: u16) -> Peers {
    let local = format!(":{port:04X}");
    let state = format!("{SYN_RECV:02X}");
    let peer = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(1);
        words.next().filter(|word| word.ends_with(&local))?;
        let peer = words.next()?;
        words.next().filter(|word| *word == state)?;
        Some(peer.into())
    };
    table.lines().skip(1).filter_map(peer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue\n\
        \x20  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n\
        \x20  1: 0100007F:1F90 0100007F:C350 03 00000000:00000000\n\
        \x20  2: 0100007F:1F91 0100007F:1F90 01 00000000:00000000\n";

    #[test]
    fn the_table_is_searched_for_the_listeners_handshakes_only() {
        assert_eq!(peers_in_table(TABLE, 0x1f90), peers(&["0100007F:C350"]));
        assert_eq!(peers_in_table(TABLE, 0x1f91), peers(&[]), "established");
        assert_eq!(peers_in_table(TABLE, 0xc350), peers(&[]), "a peer's port");
    }

    fn peers(names: &[&str]) -> Peers {
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }

    #[test]
    fn one_look_is_not_enough_to_know_that_nobody_is_left() {
        let mut awaited = Awaited::default();
        assert!(awaited.are_left_in(peers(&[])));
        assert!(awaited.are_left_in(peers(&["late"])));
        assert!(!awaited.are_left_in(peers(&[])));
    }

    #[test]
    fn those_who_come_to_a_sibling_meanwhile_are_not_waited_for() {
        let mut awaited = Awaited::default();
        assert!(awaited.are_left_in(peers(&["ours", "quick"])));
        assert!(awaited.are_left_in(peers(&["ours", "theirs"])));
        assert!(awaited.are_left_in(peers(&["ours", "theirs", "new"])));
        assert!(awaited.are_left_in(peers(&["theirs", "new"])));
        assert!(!awaited.are_left_in(peers(&["new"])));
    }
}

//! Who is still in the middle of a handshake with a listener.
//!
//! Between the SYN that a listener has answered and the ACK that completes the handshake a client
//! is in no queue that can be accepted from. Closing the listener then resets it. The system can
//! be asked who they are: by `sock_diag`, or by reading its table of connections.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::sock_diag::{SYN_RECV, SockDiag};

/// How one listener's handshakes are asked for.
#[derive(Debug)]
pub(crate) struct HalfOpen {
    address: SocketAddr,
    means: Means,
}

#[derive(Debug)]
enum Means {
    /// Ask the system, by this netlink socket.
    Diag(SockDiag),
    /// Read `/proc/net/tcp`, which may be long, on a thread of its own.
    Table(Arc<Mutex<Reading>>),
    /// Nobody can tell.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Idle,
    Running,
    Read(Option<bool>),
}

impl HalfOpen {
    pub(crate) fn new(address: SocketAddr) -> HalfOpen {
        let means = match SockDiag::open() {
            Ok(diag) => Means::Diag(diag),
            Err(_) => Means::Table(Arc::new(Mutex::new(Reading::Idle))),
        };
        HalfOpen { address, means }
    }

    /// Whether anybody is in the middle of a handshake; `None` if that cannot be known.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<bool>> {
        if let Means::Diag(diag) = &self.means {
            match diag.find(self.address, SYN_RECV) {
                Ok(found) => return Poll::Ready(Some(found.sockets > 0)),
                Err(_) => self.means = Means::Table(Arc::new(Mutex::new(Reading::Idle))),
            }
        }
        let Means::Table(reading) = &self.means else {
            return Poll::Ready(None);
        };
        let mut state = reading.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            Reading::Running => return Poll::Pending,
            Reading::Read(Some(any)) => {
                *state = Reading::Idle;
                return Poll::Ready(Some(any));
            }
            Reading::Read(None) => {}
            Reading::Idle => {
                let started = read_table(self.address, Arc::clone(reading), cx.waker().clone());
                if started.is_ok() {
                    *state = Reading::Running;
                    return Poll::Pending;
                }
            }
        }
        drop(state);
        self.means = Means::None;
        Poll::Ready(None)
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
        let any = fs::read_to_string(path)
            .ok()
            .map(|table| is_in_table(&table, address.port()));
        *reading.lock().unwrap_or_else(PoisonError::into_inner) = Reading::Read(any);
        waker.wake();
    })?;
    Ok(())
}

/// Whether the table has a line for `port` in state `SYN_RECV`:
/// `0: 0100007F:1F90 0100007F:C350 03 …`, in hexadecimal digits.
fn is_in_table(table: &str, port: u16) -> bool {
    let local = format!(":{port:04X}");
    let state = format!("{SYN_RECV:02X}");
    table.lines().skip(1).any(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        words.next().is_some_and(|word| word.ends_with(&local)) && words.nth(1) == Some(&state)
    })
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
        assert!(is_in_table(TABLE, 0x1f90));
        assert!(!is_in_table(TABLE, 0x1f91), "that one is established");
        assert!(!is_in_table(TABLE, 0xc350), "that is a peer's port");
    }
}

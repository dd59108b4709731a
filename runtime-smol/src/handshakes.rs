//! Asking Linux who is in the middle of a handshake: by `sock_diag`, or by reading its table of
//! connections.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::probe::Probe;
use crate::sock_diag::SYN_RECV;

/// How they are found out.
#[derive(Debug, Default)]
pub(crate) enum Handshakes {
    /// Ask the system.
    #[default]
    Diag,
    /// Read `/proc/net/tcp`, which may be long, on a thread of its own.
    Table(Arc<Mutex<Reading>>),
    /// Nobody can tell.
    Unknown,
}

#[derive(Debug)]
pub(crate) enum Reading {
    Idle,
    Running,
    Read(Option<HashSet<SocketAddr>>),
}

impl Handshakes {
    /// Who is in the middle of a handshake with `address`; `None` if that cannot be known.
    pub(crate) fn poll(
        &mut self,
        probe: &Probe,
        address: SocketAddr,
        cx: &mut Context<'_>,
    ) -> Poll<Option<HashSet<SocketAddr>>> {
        if let Handshakes::Diag = self {
            let mut peers = HashSet::new();
            let listed = probe.ask(|diag| {
                diag.visit(address, &[SYN_RECV], |entry| {
                    peers.extend(entry.peer());
                })
            });
            match listed {
                Ok(()) => return Poll::Ready(Some(peers)),
                Err(_) => *self = Handshakes::Table(Arc::new(Mutex::new(Reading::Idle))),
            }
        }
        let Handshakes::Table(reading) = self else {
            return Poll::Ready(None);
        };
        let mut state = reading.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, Reading::Running) {
            Reading::Running => return Poll::Pending,
            Reading::Read(Some(peers)) => {
                *state = Reading::Idle;
                return Poll::Ready(Some(peers));
            }
            Reading::Read(None) => {}
            Reading::Idle => {
                let started = read_table(address, Arc::clone(reading), cx.waker().clone());
                if started.is_ok() {
                    return Poll::Pending;
                }
            }
        }
        drop(state);
        *self = Handshakes::Unknown;
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
fn peers_in_table(table: &str, port: u16) -> HashSet<SocketAddr> {
    let local = format!(":{port:04X}");
    let state = format!("{SYN_RECV:02X}");
    let peer = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(1);
        words.next().filter(|word| word.ends_with(&local))?;
        let peer = words.next()?;
        words.next().filter(|word| *word == state)?;
        read_address(peer)
    };
    table.lines().skip(1).filter_map(peer).collect()
}

/// `0100007F:C350`: the address is one word, or four, in the machine's own order of bytes.
fn read_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut octets = [0; 16];
    let words = octets.chunks_exact_mut(4);
    for (octets, start) in words.zip((0..ip.len()).step_by(8)) {
        let word = u32::from_str_radix(ip.get(start..start + 8)?, 16).ok()?;
        octets.copy_from_slice(&word.to_ne_bytes());
    }
    match ip.len() {
        8 => Some(
            (
                Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]),
                port,
            )
                .into(),
        ),
        32 => Some((Ipv6Addr::from(octets), port).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue\n\
        \x20  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n\
        \x20  1: 0100007F:1F90 0100007F:C350 03 00000000:00000000\n\
        \x20  2: 0100007F:1F91 0100007F:1F90 01 00000000:00000000\n";

    #[cfg(target_endian = "little")]
    #[test]
    fn the_table_is_searched_for_the_listeners_handshakes_only() {
        let peers = |port| peers_in_table(TABLE, port);
        let client = "127.0.0.1:50000".parse().unwrap();
        assert_eq!(peers(0x1f90), HashSet::from([client]));
        assert_eq!(peers(0x1f91), HashSet::new(), "established");
        assert_eq!(peers(0xc350), HashSet::new(), "a peer's port");
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn addresses_of_both_families_are_read() {
        let v6 = read_address("B80D0120000000000000000001000000:0050");
        assert_eq!(v6, "[2001:db8::1]:80".parse().ok());
        assert_eq!(read_address("0100007F"), None);
        assert_eq!(read_address("01:0050"), None);
    }
}

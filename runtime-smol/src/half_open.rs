//! Who is still in the middle of a handshake with a listener.
//!
//! Between the SYN that a listener has answered and the ACK that completes the handshake a client
//! is in no queue that can be accepted from. Closing the listener then resets it. The system can
//! be asked who they are: [`ListeningSocket::poll_half_open`].

use std::collections::HashSet;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::system::ListeningSocket;

/// The clients whose handshakes with a listener had begun when it was sealed. A server that shares
/// our address goes on shaking hands with others, whom the system does not tell apart from ours:
/// those who were not there at the first look do not count.
#[derive(Debug, Default)]
pub(crate) struct HalfOpen(Option<HashSet<SocketAddr>>);

impl HalfOpen {
    /// Looks whether any of them is still in the middle of its handshake; `None` if that cannot be
    /// known. When the seal was made they are not all listed yet: the first look comes after that.
    pub(crate) fn poll(
        &mut self,
        socket: &mut impl ListeningSocket,
        cx: &mut Context<'_>,
    ) -> Poll<Option<bool>> {
        socket
            .poll_half_open(cx)
            .map(|peers| peers.map(|peers| self.are_left_in(peers)))
    }

    /// The same without a look of our own: a list of the connections may have shown them. `None` if
    /// there is none that was begun a `pause` after the seal, or later.
    pub(crate) fn take_listed(
        &mut self,
        socket: &mut impl ListeningSocket,
        pause: Duration,
    ) -> Option<bool> {
        let peers = socket.listed_half_open(pause)?;
        Some(self.are_left_in(peers))
    }

    /// Whether no look has told of them yet.
    pub(crate) fn is_new(&self) -> bool {
        self.0.is_none()
    }

    /// How many of them there were at the last look.
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, HashSet::len)
    }

    /// Takes account of those who are in the middle of a handshake now; says whether any of those
    /// who are waited for is among them.
    fn are_left_in(&mut self, now: HashSet<SocketAddr>) -> bool {
        let peers = match &mut self.0 {
            None => self.0.insert(now),
            Some(peers) => {
                peers.retain(|peer| now.contains(peer));
                peers
            }
        };
        !peers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(ports: &[u16]) -> HashSet<SocketAddr> {
        let peer = |port: &u16| SocketAddr::from(([127, 0, 0, 1], *port));
        ports.iter().map(peer).collect()
    }

    #[test]
    fn those_who_come_to_a_sibling_meanwhile_are_not_waited_for() {
        const OURS: u16 = 1;
        const QUICK: u16 = 2;
        const THEIRS: u16 = 3;
        const NEW: u16 = 4;
        let mut awaited = HalfOpen::default();
        assert!(awaited.are_left_in(peers(&[OURS, QUICK])));
        assert!(awaited.are_left_in(peers(&[OURS, THEIRS])));
        assert_eq!(awaited.len(), 1);
        assert!(!awaited.are_left_in(peers(&[THEIRS, NEW])));
    }
}

//! Who is still in the middle of a handshake with a listener.
//!
//! Between the SYN that a listener has answered and the ACK that completes the handshake a client
//! is in no queue that can be accepted from. Closing the listener then resets it. The system can
//! be asked who they are: [`ListeningSocket::poll_half_open`].

use std::collections::HashSet;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use crate::system::ListeningSocket;

/// The clients whose handshakes with a listener had begun when it was sealed. A server that shares
/// our address goes on shaking hands with others, whom the system does not tell apart from ours:
/// those who were not there when the seal was new do not count.
#[derive(Debug, Default)]
pub(crate) struct HalfOpen {
    peers: HashSet<SocketAddr>,
    /// There has been a look, and another one.
    looks: (bool, bool),
}

impl HalfOpen {
    /// Looks whether any of them is still in the middle of its handshake; `None` if that cannot be
    /// known. The first look never says no.
    pub(crate) fn poll(
        &mut self,
        socket: &mut impl ListeningSocket,
        cx: &mut Context<'_>,
    ) -> Poll<Option<bool>> {
        socket
            .poll_half_open(cx)
            .map(|peers| peers.map(|peers| self.are_left_in(peers)))
    }

    /// How many of them there were at the last look.
    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    /// Takes account of those who are in the middle of a handshake now; says whether any of those
    /// who are waited for is among them.
    ///
    /// The first look is not enough. A SYN that another processor was working on while we sealed
    /// the listener is listed a moment after that.
    fn are_left_in(&mut self, now: HashSet<SocketAddr>) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(ports: &[u16]) -> HashSet<SocketAddr> {
        let peer = |port: &u16| SocketAddr::from(([127, 0, 0, 1], *port));
        ports.iter().map(peer).collect()
    }

    #[test]
    fn one_look_is_not_enough_to_know_that_nobody_is_left() {
        const LATE: u16 = 1;
        let mut awaited = HalfOpen::default();
        assert!(awaited.are_left_in(peers(&[])));
        assert!(awaited.are_left_in(peers(&[LATE])));
        assert!(!awaited.are_left_in(peers(&[])));
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
        assert!(awaited.are_left_in(peers(&[OURS, THEIRS, NEW])));
        assert!(awaited.are_left_in(peers(&[THEIRS, NEW])));
        assert!(!awaited.are_left_in(peers(&[NEW])));
    }
}

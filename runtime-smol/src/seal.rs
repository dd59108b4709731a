//! Sealing a listener: no new handshake may begin, those that have begun are completed.
//!
//! Accepting until nobody waits and then closing loses every client whose handshake is in flight:
//! its SYN has been answered, so it believes to be connected, and its ACK finds nobody. So the
//! listener first stops answering SYNs, by the first rung of this ladder that holds.

use crate::system::ListeningSocket;

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

/// The ladder, from its top.
const LADDER: [Rung; 2] = [Rung::Interface, Rung::Filter];

/// Seals a listener, trying `first` and the rungs below it; says which one held. No rung is
/// assumed to hold: the system says so.
pub(crate) fn seal(listener: &impl ListeningSocket, first: Rung) -> Rung {
    let mut rungs = LADDER.into_iter().filter(|rung| *rung >= first);
    rungs
        .find(|rung| listener.seal(*rung).is_ok())
        .unwrap_or(Rung::Plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rung_has_its_name() {
        let all = [Rung::Interface, Rung::Filter, Rung::Plain];
        assert_eq!(all.map(Rung::name), ["interface", "filter", "plain"]);
    }
}

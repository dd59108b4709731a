//! What must be so before the signal is sent, by the word of the system.
//!
//! A drill that only believes that clients wait in the queue passes a server whose queue was empty.

use std::io;
use std::time::{Duration, Instant};

use async_io::Timer;

use super::kernel::{self, Side, Snapshot};
use super::script::Scene;
use super::server::{PAUSE, Server};

/// What takes longer than this is no handshake.
const HANDSHAKE: Duration = Duration::from_millis(100);

/// What keeps clients from a server until they have sent something.
pub(crate) const DEFERRED: &str = "TCP_DEFER_ACCEPT";

/// How long it may take to become so.
const PATIENCE: Duration = Duration::from_secs(3);

/// A fact about the server's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// Every client waits to be accepted, and has sent its request.
    Queued,
    /// Every client's bytes are in the server's sockets, unread.
    Delivered,
    /// The server has read all that the clients have sent, and answered nothing yet.
    Read,
    /// The server has accepted every client.
    Accepted,
    /// Every connection is open on the server's side.
    Established,
    /// The server has more to send than its clients take.
    Blocked,
    /// The server knows that every client that vanished has.
    Gone,
    /// Several sockets listen on the port.
    Shared,
}

/// One client, as the system sees it.
struct Seen {
    server: Option<Side>,
    client: Option<Side>,
    sent: usize,
    has_vanished: bool,
}

/// Waits until it is so.
///
/// # Errors
///
/// How far it came.
pub(crate) async fn confirm(fact: Fact, server: &Server, scene: &Scene) -> Result<String, String> {
    let begun = Instant::now();
    let mut deferred = None;
    loop {
        let looked = look(server, scene);
        let (snapshot, clients) =
            looked.map_err(|error| format!("the system did not tell: {error}"))?;
        let (so, of, what) = count(fact, &snapshot, &clients);
        let elapsed = begun.elapsed();
        deferred = note(fact, &clients, elapsed).or(deferred);
        let text = match &deferred {
            None => format!("{so} of {of} {what}"),
            Some(note) => format!("{so} of {of} {what}; {note}"),
        };
        if is_enough(fact, so, of) {
            return Ok(text);
        }
        if elapsed > PATIENCE {
            // It is not to be told of clients that say nothing: so be it.
            return if deferred.is_some() {
                Ok(text)
            } else {
                Err(text)
            };
        }
        Timer::after(PAUSE).await;
    }
}

fn look(server: &Server, scene: &Scene) -> io::Result<(Snapshot, Vec<Seen>)> {
    let snapshot = kernel::snapshot(server.address.port())?;
    let lives = scene.lives.borrow();
    let clients = lives.iter().map(|life| {
        let life = life.borrow();
        let side = |sides: &std::collections::HashMap<u16, Side>| {
            life.port.and_then(|port| sides.get(&port).copied())
        };
        Seen {
            server: side(&snapshot.server),
            client: side(&snapshot.client),
            sent: life.open_bytes,
            has_vanished: life.ended.is_some(),
        }
    });
    let clients = clients.collect();
    Ok((snapshot, clients))
}

fn is_enough(fact: Fact, so: usize, of: usize) -> bool {
    match fact {
        Fact::Shared => so > 1,
        _ => so == of && of > 0,
    }
}

/// For how many of how many clients it is so, in words.
fn count(fact: Fact, snapshot: &Snapshot, clients: &[Seen]) -> (usize, usize, &'static str) {
    let all = clients.len();
    let so = clients.iter().filter(|seen| is_so(fact, seen)).count();
    match fact {
        Fact::Queued => {
            // With nobody else.
            let queued = so.min(snapshot.queued() as usize);
            (queued, all, "clients wait to be accepted")
        }
        Fact::Delivered => (so, all, "requests are in the server's sockets, unread"),
        Fact::Read => (so, all, "clients have been heard, and not answered"),
        Fact::Accepted => (so, all, "clients have been accepted"),
        Fact::Established => (so, all, "connections are open"),
        Fact::Blocked => (so, all, "clients take less than there is for them"),
        Fact::Gone => {
            let vanished = clients.iter().filter(|seen| seen.has_vanished).count();
            (so, vanished, "clients have vanished")
        }
        Fact::Shared => (snapshot.listeners.len(), 2, "sockets listen on the port"),
    }
}

/// Whether it is so for one client.
fn is_so(fact: Fact, seen: &Seen) -> bool {
    let server = |is_it: &dyn Fn(Side) -> bool| seen.server.is_some_and(is_it);
    match fact {
        Fact::Queued => {
            let is_there = |side: Side| !side.is_owned && side.unread as usize >= seen.sent;
            seen.sent > 0 && server(&is_there)
        }
        Fact::Delivered => server(&|side| side.unread as usize >= seen.sent),
        Fact::Read => {
            let is_silent = seen.client.is_some_and(|side| side.unread == 0);
            is_silent && server(&|side| side.is_owned && side.unread == 0)
        }
        Fact::Accepted => server(&|side| side.is_owned),
        Fact::Established => server(&|side| side.is_established),
        Fact::Blocked => {
            let is_full = seen.client.is_some_and(|side| side.unread > 0);
            is_full && server(&|side| side.unacknowledged > 0)
        }
        Fact::Gone => seen.has_vanished && !server(&|side| side.is_established),
        Fact::Shared => false,
    }
}

/// What explains it: after this while the system still keeps clients from a server that wants to
/// see data first.
fn note(fact: Fact, clients: &[Seen], elapsed: Duration) -> Option<String> {
    let is_deferred = |seen: &&Seen| {
        let is_open = seen.client.is_some_and(|side| side.is_established);
        is_open && seen.server.is_none_or(|side| side.is_half_open)
    };
    let deferred = clients.iter().filter(is_deferred).count();
    let is_known = fact == Fact::Accepted && deferred > 0 && elapsed > HANDSHAKE;
    let millis = elapsed.as_millis();
    is_known.then(|| {
        format!("{DEFERRED} kept {deferred} silent clients from the server for {millis} ms")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(unread: u32, is_owned: bool) -> Option<Side> {
        Some(Side {
            is_established: true,
            is_half_open: false,
            is_owned,
            unread,
            unacknowledged: 0,
        })
    }

    fn seen(server: Option<Side>) -> Seen {
        Seen {
            server,
            client: side(0, true),
            sent: 10,
            has_vanished: false,
        }
    }

    fn holds(fact: Fact, clients: &[Seen]) -> bool {
        let (so, of, _) = count(fact, &Snapshot::default(), clients);
        is_enough(fact, so, of)
    }

    #[test]
    fn a_request_is_delivered_when_all_of_it_is_unread() {
        assert!(holds(
            Fact::Delivered,
            &[seen(side(10, true)), seen(side(10, false))]
        ));
        assert!(!holds(
            Fact::Delivered,
            &[seen(side(10, true)), seen(side(9, true))]
        ));
        assert!(!holds(Fact::Delivered, &[seen(None)]));
    }

    #[test]
    fn a_request_is_read_when_nothing_of_it_is_left_in_a_socket_that_somebody_owns() {
        assert!(holds(Fact::Read, &[seen(side(0, true))]));
        assert!(
            !holds(Fact::Read, &[seen(side(0, false))]),
            "it waits in the queue"
        );
        assert!(!holds(Fact::Read, &[seen(side(1, true))]));
        let one_waits = [seen(side(0, true)), seen(side(10, false))];
        assert!(!holds(Fact::Read, &one_waits));
    }

    #[test]
    fn nothing_is_confirmed_where_there_is_no_client() {
        for fact in [
            Fact::Queued,
            Fact::Delivered,
            Fact::Read,
            Fact::Accepted,
            Fact::Gone,
        ] {
            assert!(!holds(fact, &[]), "{fact:?}");
        }
    }

    #[test]
    fn a_client_that_the_server_is_not_told_about_is_noticed() {
        let deferred = Side {
            is_established: false,
            is_half_open: true,
            is_owned: false,
            ..side(0, false).unwrap()
        };
        let long = HANDSHAKE * 2;
        let text = note(Fact::Accepted, &[seen(Some(deferred))], long).unwrap();
        assert!(text.contains("TCP_DEFER_ACCEPT kept 1 silent"), "{text}");
        let in_handshake = note(Fact::Accepted, &[seen(Some(deferred))], HANDSHAKE);
        assert_eq!(in_handshake, None);
        assert_eq!(note(Fact::Accepted, &[seen(side(0, true))], long), None);
    }
}

//! The one socket by which a server asks Linux about its sockets.
//!
//! What the peers of many connections have acknowledged is asked in one go: while a
//! [batch](Probe::batch) is open, and many are asked about, the system lists all connections to a
//! port. The list is older than the questions that it answers. That a peer has acknowledged
//! everything stays true until we send something more; so each connection knows how many lists had
//! been [begun](Probe::lists) when it last wrote, and believes later ones only.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::listening::NOWHERE;
use crate::sock_diag::{ESTABLISHED, LISTEN, Pair, SYN_RECV, SockDiag};

/// From how many connections on a list is asked for. The system walks its whole table of sockets
/// for it, also those that wait out their time after a close. Where there are none of these a list
/// is as cheap as 80 questions, with 50,000 of them as 1,300, with 100,000 as 4,300.
const MANY: usize = 1_024;

/// So many connections to a port are asked about one by one before all are: those that are expected
/// to end may be others, or change their minds. That takes longer than the pause behind the seal,
/// and so the list can be the first look for handshakes, too.
const FEW: usize = 192;

/// Opened with the server, so that it is there when descriptors run out, and shared by all its
/// listeners and connections.
#[derive(Debug)]
pub(crate) struct Probe {
    inner: Mutex<Inner>,
    /// How many lists have been begun.
    lists: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    diag: Option<SockDiag>,
    batches: Batches,
    half_open: Option<HalfOpenList>,
}

/// Who was in the middle of a handshake when the last list was made.
#[derive(Debug)]
struct HalfOpenList {
    begun: Instant,
    /// The port and family that were listed.
    side: (u16, bool),
    /// Our addresses, and the peers'.
    who: Vec<(IpAddr, SocketAddr)>,
}

/// The batches that are open, and what is known for them.
#[derive(Debug, Default)]
struct Batches {
    open: usize,
    /// How many connections may be asked about in all.
    expected: usize,
    /// How many were asked about one by one, by port and family.
    asked: HashMap<(u16, bool), usize>,
    /// By connection the number of the list that says that all is acknowledged; 0 where it says
    /// that it is not.
    listed: HashMap<Pair, u64>,
}

impl Probe {
    pub(crate) fn new() -> Probe {
        Probe {
            inner: Mutex::new(Inner {
                diag: SockDiag::open().ok(),
                batches: Batches::default(),
                half_open: None,
            }),
            lists: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks by it. After an error it is opened anew the next time: answers to a question that was
    /// given up would be taken for those to the next.
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&SockDiag) -> io::Result<T>) -> io::Result<T> {
        self.lock().ask(ask)
    }

    /// How many lists have been begun. Who has written, and asks then, can believe later ones.
    pub(crate) fn lists(&self) -> u64 {
        self.lists.load(Ordering::SeqCst)
    }

    /// From now on, until the batch is dropped, so many connections may be asked about.
    pub(crate) fn batch(&self, expected: usize) -> Batch<'_> {
        let batches = &mut self.lock().batches;
        batches.open += 1;
        batches.expected += expected;
        Batch(self)
    }

    /// Whether the peer of a connection is known to have acknowledged everything. When the
    /// connection last wrote, so many `lists` had been begun.
    pub(crate) fn is_acknowledged(&self, local: SocketAddr, peer: SocketAddr, lists: u64) -> bool {
        let pair = Pair::of(local, peer);
        let mut inner = self.lock();
        if inner.batches.tells(&pair, lists) {
            return true;
        }
        if inner.batches.wants_list(local) {
            let number = self.lists.fetch_add(1, Ordering::SeqCst) + 1;
            inner.list(local, number);
            if inner.batches.tells(&pair, lists) {
                return true;
            }
        }
        matches!(inner.ask(|diag| diag.send_queue(&pair)), Ok(Some(0)))
    }

    /// Who was in the middle of a handshake with `address` when the last list was made, if it was
    /// begun `since` then, and has not been asked for that before.
    pub(crate) fn take_half_open(
        &self,
        address: SocketAddr,
        since: Instant,
    ) -> Option<HashSet<SocketAddr>> {
        let mut inner = self.lock();
        let is_of = |list: &mut HalfOpenList| list.begun >= since && list.side == side(address);
        let list = inner.half_open.take_if(is_of)?;
        let any = address.ip().is_unspecified();
        let ours = list.who.into_iter();
        let ours = ours.filter(|(local, _)| any || *local == address.ip());
        Some(ours.map(|(_, peer)| peer).collect())
    }
}

/// By what connections are listed.
fn side(local: SocketAddr) -> (u16, bool) {
    (local.port(), local.is_ipv4())
}

impl Inner {
    fn ask<T>(&mut self, ask: impl FnOnce(&SockDiag) -> io::Result<T>) -> io::Result<T> {
        let open = match self.diag.take() {
            Some(open) => open,
            None => SockDiag::open()?,
        };
        let answer = ask(&open)?;
        self.diag = Some(open);
        Ok(answer)
    }

    /// Lists the connections to the port of `local`, and who is on the way to be one. Where that
    /// fails, one is asked about after the other.
    fn list(&mut self, local: SocketAddr, number: u64) {
        let any = match local.ip() {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        let address = SocketAddr::new(any, local.port());
        let begun = Instant::now();
        let mut who = Vec::new();
        let mut batches = std::mem::take(&mut self.batches);
        let is_whole = batches.take_list(number, |note| {
            self.ask(|diag| {
                diag.visit(address, &[ESTABLISHED, SYN_RECV], |entry| {
                    if entry.state() == SYN_RECV {
                        who.extend(entry.ends());
                    } else {
                        note(entry.pair(), entry.unacknowledged());
                    }
                })
            })
        });
        self.batches = batches;
        self.half_open = is_whole.then_some(HalfOpenList {
            begun,
            side: side(local),
            who,
        });
    }
}

impl Batches {
    /// Whether a list later than so many says that all is acknowledged.
    fn tells(&self, pair: &Pair, lists: u64) -> bool {
        self.listed.get(pair).is_some_and(|number| *number > lists)
    }

    /// Counts a question about a connection from `local`. True if all are to be asked about.
    fn wants_list(&mut self, local: SocketAddr) -> bool {
        if self.expected < MANY {
            return false;
        }
        let asked = self.asked.entry(side(local)).or_default();
        *asked += 1;
        *asked == FEW
    }

    /// Lets `list` note how much is not acknowledged of each connection, as long as there is room.
    /// If it fails, which is false, it may have missed some, and nothing is believed any more.
    fn take_list(
        &mut self,
        number: u64,
        list: impl FnOnce(&mut dyn FnMut(Pair, u32)) -> io::Result<()>,
    ) -> bool {
        let Batches {
            expected, listed, ..
        } = self;
        listed.reserve(*expected - listed.len());
        let done = list(&mut |pair, unacknowledged| {
            let says = if unacknowledged == 0 { number } else { 0 };
            let noted = if listed.len() < *expected {
                Some(listed.entry(pair).or_insert(says))
            } else {
                listed.get_mut(&pair)
            };
            // Where addresses alone do not tell one from another, it holds for both.
            if let Some(noted) = noted {
                *noted = says.min(*noted);
            }
        });
        if done.is_err() {
            listed.clear();
        }
        done.is_ok()
    }
}

/// Whether somebody else than `socket` listens on `address`, and is not about to end.
pub(crate) fn has_sibling(
    socket: impl AsFd,
    address: SocketAddr,
    probe: &Probe,
) -> io::Result<bool> {
    let inode = inode(socket)?;
    let mut found = false;
    probe.ask(|diag| {
        diag.visit(address, &[LISTEN], |entry| {
            found |= entry.is_bound_to(address)
                && entry.interface() != NOWHERE
                && u64::from(entry.inode()) != inode;
        })
    })?;
    Ok(found)
}

/// How many clients wait in the queue of `socket`, which listens at `address`.
pub(crate) fn queued(socket: impl AsFd, address: SocketAddr, probe: &Probe) -> io::Result<u64> {
    let inode = inode(socket)?;
    let mut queued = None;
    probe.ask(|diag| {
        diag.visit(address, &[LISTEN], |entry| {
            if u64::from(entry.inode()) == inode {
                queued = Some(u64::from(entry.queued()));
            }
        })
    })?;
    // One of another network namespace is on no list of ours.
    queued.ok_or(io::ErrorKind::NotFound.into())
}

/// The number of a socket.
fn inode(socket: impl AsFd) -> io::Result<u64> {
    Ok(rustix::fs::fstat(socket)?.st_ino)
}

/// A batch of questions that goes on. With the last one what is known is forgotten.
#[derive(Debug)]
pub(crate) struct Batch<'a>(&'a Probe);

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let batches = &mut self.0.lock().batches;
        batches.open -= 1;
        if batches.open == 0 {
            *batches = Batches::default();
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// A connection's server side, and its client.
    fn connect(listener: &TcpListener) -> io::Result<(TcpStream, TcpStream)> {
        let client = TcpStream::connect(listener.local_addr()?)?;
        let (server, _) = listener.accept()?;
        server.set_nonblocking(true)?;
        Ok((server, client))
    }

    /// Writes until the client, who reads nothing, takes no more.
    fn fill(mut server: &TcpStream) {
        while server.write(&[0; 65_536]).is_ok() {}
    }

    fn ask(probe: &Probe, server: &TcpStream, lists: u64) -> bool {
        let addresses = (server.local_addr(), server.peer_addr());
        let (Ok(local), Ok(peer)) = addresses else {
            panic!("{addresses:?}");
        };
        probe.is_acknowledged(local, peer, lists)
    }

    /// Asks as often as it takes for a list.
    fn ask_for_list(probe: &Probe, server: &TcpStream) {
        let before = probe.lists();
        for _ in 0..FEW {
            assert_eq!(probe.lists(), before, "there is not much to ask about yet");
            ask(probe, server, before);
        }
        assert_eq!(probe.lists(), before + 1);
    }

    fn pair(port: u16) -> Pair {
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Pair::of(address(80), address(port))
    }

    /// Whether lists are taken for it that say these things.
    fn told(expected: usize, lists: &[&[(u16, u32)]], of: u16) -> bool {
        let mut batches = Batches {
            expected,
            ..Batches::default()
        };
        for (number, list) in (1..).zip(lists) {
            batches.take_list(number, |note| {
                list.iter()
                    .for_each(|(port, queue)| note(pair(*port), *queue));
                Ok(())
            });
        }
        assert!(batches.listed.len() <= expected);
        batches.tells(&pair(of), 0)
    }

    #[test]
    fn a_question_that_failed_does_not_spoil_the_next() {
        let probe = Probe::new();
        let failed: io::Result<()> = probe.ask(|_| Err(io::ErrorKind::InvalidData.into()));
        assert!(failed.is_err());
        assert!(probe.ask(|_| Ok(())).is_ok());
    }

    #[test]
    fn a_list_is_believed_of_who_has_written_nothing_since_and_of_nobody_else() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (server, _client) = connect(&listener).unwrap();
        let probe = Probe::new();
        let batch = probe.batch(MANY);
        ask_for_list(&probe, &server);
        fill(&server);
        assert!(ask(&probe, &server, 0), "it is the list that is asked");
        assert!(!ask(&probe, &server, probe.lists()));
        drop(batch);
        assert!(!ask(&probe, &server, 0), "it is forgotten");
    }

    #[test]
    fn a_list_says_the_same_as_a_question_about_each() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                continue;
            };
            let probe = Probe::new();
            let all: Vec<_> = (0..6).map(|_| connect(&listener).unwrap()).collect();
            all.iter().step_by(2).for_each(|(server, _)| fill(server));
            let ask_all = || all.iter().map(|(server, _)| ask(&probe, server, 0));
            let one_by_one: Vec<bool> = ask_all().collect();
            let _batch = probe.batch(MANY);
            ask_for_list(&probe, &all[0].0);
            assert_eq!(ask_all().collect::<Vec<_>>(), one_by_one);
            assert_eq!(one_by_one, [false, true].repeat(3));
            let listed = &probe.lock().batches.listed;
            let mut said: Vec<u64> = listed.values().copied().collect();
            said.sort_unstable();
            assert_eq!(said, [0, 0, 0, 1, 1, 1], "each was in the list");
        }
    }

    #[test]
    fn few_are_asked_about_one_by_one() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (server, _client) = connect(&listener).unwrap();
        let probe = Probe::new();
        let _batch = probe.batch(MANY - 1);
        for _ in 0..2 * FEW {
            assert!(ask(&probe, &server, 0));
        }
        assert_eq!(probe.lists(), 0);
        let _another = probe.batch(1);
        ask_for_list(&probe, &server);
    }

    #[test]
    fn what_is_known_lasts_as_long_as_the_last_batch() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (server, _client) = connect(&listener).unwrap();
        let probe = Probe::new();
        let first = probe.batch(MANY);
        let second = probe.batch(MANY);
        ask_for_list(&probe, &server);
        drop(first);
        assert_eq!(probe.lock().batches.listed.len(), 1);
        drop(second);
        let inner = probe.lock();
        assert_eq!((inner.batches.listed.len(), inner.batches.expected), (0, 0));
    }

    #[test]
    fn nothing_is_believed_of_a_list_that_was_interrupted() {
        let mut batches = Batches {
            expected: MANY,
            ..Batches::default()
        };
        let is_whole = batches.take_list(1, |note| {
            note(pair(1), 0);
            Err(io::ErrorKind::Interrupted.into())
        });
        assert!(!is_whole, "nor of the handshakes that it shows");
        assert!(!batches.tells(&pair(1), 0));
    }

    #[test]
    fn who_is_not_in_the_list_or_has_not_acknowledged_all_is_asked_about() {
        assert!(told(9, &[&[(1, 0)]], 1));
        assert!(!told(9, &[&[(1, 1)]], 1));
        assert!(!told(9, &[&[(1, 0)]], 2));
        assert!(told(9, &[&[(2, 0)], &[(1, 0)]], 2), "of another port");
    }

    #[test]
    fn of_two_with_the_same_addresses_both_must_have_acknowledged_all() {
        assert!(!told(9, &[&[(1, 0), (1, 5)]], 1));
        assert!(!told(9, &[&[(1, 5), (1, 0)]], 1));
        assert!(
            !told(1, &[&[(1, 0), (1, 5)]], 1),
            "also when there is no room"
        );
    }

    #[test]
    fn a_list_takes_no_more_room_than_was_asked_for() {
        assert!(!told(2, &[&[(1, 0), (2, 0), (3, 0)]], 3));
    }
}

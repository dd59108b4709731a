//! The one socket by which a server asks Linux about its sockets.
//!
//! What the peers of many connections have acknowledged is asked in one go: while a
//! [batch](Probe::batch) is open, and many are asked about, the system lists all connections to a
//! port. The list is older than the questions that it answers. That a peer has acknowledged
//! everything stays true until we send something more; so each connection knows how many lists had
//! been [begun](Probe::lists) when it last wrote, and believes later ones only.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sock_diag::{ESTABLISHED, Pair, SockDiag};

/// For how many connections a list is cheaper than as many questions: the system walks its whole
/// table of sockets for it.
const MANY: usize = 2_048;

/// So many connections to a port are asked about one by one before all are: those that are expected
/// to end may be others, or change their minds.
const FEW: usize = 64;

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

    /// Whether the peer of a connection is known to have acknowledged everything. The connection has
    /// written nothing since so many `lists` had been begun.
    pub(crate) fn is_acknowledged(&self, local: SocketAddr, peer: SocketAddr, lists: u64) -> bool {
        let pair = Pair::of(local, peer);
        let mut inner = self.lock();
        if inner.batches.tells(&pair, lists) {
            return true;
        }
        if inner.batches.wants_list(local) {
            let number = self.lists.fetch_add(1, Ordering::SeqCst) + 1;
            // Without it, one is asked about after the other.
            let _ = inner.list(local, number);
            if inner.batches.tells(&pair, lists) {
                return true;
            }
        }
        matches!(inner.ask(|diag| diag.send_queue(&pair)), Ok(0))
    }
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

    /// Lists the connections to the port of `local`. Nothing is known from a list that fails.
    fn list(&mut self, local: SocketAddr, number: u64) -> io::Result<()> {
        let any = match local.ip() {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        let room = self.batches.expected - self.batches.listed.len();
        let mut listed = HashMap::new();
        self.ask(|diag| {
            diag.visit(SocketAddr::new(any, local.port()), ESTABLISHED, |entry| {
                note(
                    &mut listed,
                    room,
                    entry.pair(),
                    entry.unacknowledged(),
                    number,
                );
            })
        })?;
        if self.batches.listed.is_empty() {
            self.batches.listed = listed;
        } else {
            self.batches.listed.extend(listed);
        }
        Ok(())
    }
}

/// Notes what a list says of a connection, if there is room. Where addresses alone do not tell one
/// from another, all of them must have acknowledged everything.
fn note(
    listed: &mut HashMap<Pair, u64>,
    room: usize,
    pair: Pair,
    unacknowledged: u32,
    number: u64,
) {
    let says = if unacknowledged == 0 { number } else { 0 };
    if listed.len() < room {
        let noted = listed.entry(pair).or_insert(says);
        *noted = says.min(*noted);
    } else if let Some(noted) = listed.get_mut(&pair) {
        *noted = says.min(*noted);
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
        let side = (local.port(), local.is_ipv4());
        let asked = self.asked.entry(side).or_default();
        *asked += 1;
        *asked == FEW
    }
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

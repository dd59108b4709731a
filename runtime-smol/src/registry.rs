//! The registry: the state of every connection, in one place.
//!
//! Who is active, idle or lingering is read from here, by the server and by its handles on other
//! threads. Nothing is counted beside it, so that a client that vanishes can be neither forgotten
//! nor counted twice.

use std::sync::{Arc, PoisonError, Weak};

use neap_core::{Census, State};

use crate::ConnectionInfo;
use crate::connection_info::Info;
use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{Mutex, MutexGuard};

const CHUNK: usize = if cfg!(neap_loom) { 2 } else { 256 };

/// States by connection number; it grows and never moves.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    chunks: Vec<Arc<Chunk>>,
    /// Whose each place is.
    who: Vec<Weak<Info>>,
}

#[derive(Debug)]
struct Chunk([AtomicU8; CHUNK]);

impl Chunk {
    fn new() -> Chunk {
        Chunk(std::array::from_fn(|_| AtomicU8::new(State::Gone as u8)))
    }
}

/// Somebody who is connected.
pub(crate) struct Connected {
    /// The number of the connection.
    pub(crate) index: usize,
    pub(crate) state: State,
    pub(crate) info: ConnectionInfo,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for connection `index`, which is `state`. Meanwhile `count` counts it.
    pub(crate) fn enter(
        self: &Arc<Registry>,
        index: usize,
        state: State,
        info: &ConnectionInfo,
        count: impl FnOnce(),
    ) -> Entry {
        let mut book = self.lock();
        while book.chunks.len() <= index / CHUNK {
            book.chunks.push(Arc::new(Chunk::new()));
        }
        if book.who.len() <= index {
            book.who.resize(index + 1, Weak::new());
        }
        book.who[index] = info.downgrade();
        count();
        let entry = Entry {
            registry: Arc::clone(self),
            chunk: Arc::clone(&book.chunks[index / CHUNK]),
            index,
        };
        entry.set(state);
        entry
    }

    /// How many connections are in which state now.
    pub(crate) fn census(&self) -> Census {
        let book = self.lock();
        let mut counts = [0usize; STATES.len()];
        for state in book.chunks.iter().flat_map(|chunk| &chunk.0) {
            counts[usize::from(state.load(Ordering::Relaxed))] += 1;
        }
        let count = |state: State| counts[state as usize];
        Census {
            fresh: count(State::Fresh),
            head: count(State::Head),
            busy: count(State::Busy),
            idle: count(State::Idle),
            upgraded: count(State::Upgraded),
            linger: count(State::Linger),
        }
    }

    /// Holds it: meanwhile nobody comes or goes.
    pub(crate) fn hold(&self) -> Held<'_> {
        Held(self.lock())
    }
}

/// A registry that is held.
pub(crate) struct Held<'a>(MutexGuard<'a, Book>);

impl Held<'_> {
    /// Everybody who is connected.
    pub(crate) fn everybody(&self) -> Vec<Connected> {
        let book = &self.0;
        let connected = |(index, who): (usize, &Weak<Info>)| {
            let stored = book.chunks[index / CHUNK].0[index % CHUNK].load(Ordering::Acquire);
            let state = STATES[usize::from(stored)];
            let info = ConnectionInfo::upgrade(who).filter(|_| state != State::Gone)?;
            Some(Connected { index, state, info })
        };
        book.who.iter().enumerate().filter_map(connected).collect()
    }
}

/// Every state, so that the table of counts has a place for each.
const STATES: [State; 7] = [
    State::Fresh,
    State::Head,
    State::Busy,
    State::Idle,
    State::Upgraded,
    State::Linger,
    State::Gone,
];

/// A connection's place in the registry, which it leaves when it is dropped, with its socket.
#[derive(Debug)]
pub(crate) struct Entry {
    registry: Arc<Registry>,
    chunk: Arc<Chunk>,
    index: usize,
}

impl Entry {
    pub(crate) fn set(&self, state: State) {
        self.place().store(state as u8, Ordering::Release);
    }

    fn place(&self) -> &AtomicU8 {
        &self.chunk.0[self.index % CHUNK]
    }

    /// Leaves the registry, and in the same moment lets `count` count the connection among those
    /// that have ended: whoever [holds](Registry::hold) the registry sees it in one of both places.
    pub(crate) fn leave(self, count: impl FnOnce()) {
        let mut book = self.registry.lock();
        self.clear(&mut book);
        count();
        drop(book);
    }

    fn clear(&self, book: &mut Book) {
        self.set(State::Gone);
        book.who[self.index] = Weak::new();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.place().load(Ordering::Relaxed) != State::Gone as u8 {
            self.clear(&mut self.registry.lock());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(registry: &Arc<Registry>, index: usize, state: State) -> (Entry, ConnectionInfo) {
        let info = ConnectionInfo::of_nobody();
        (registry.enter(index, state, &info, || {}), info)
    }

    #[test]
    fn the_census_is_what_the_entries_say() {
        let registry = Arc::default();
        let (far, _info) = enter(&registry, 1_000, State::Fresh);
        let (near, _info) = enter(&registry, 0, State::Fresh);
        far.set(State::Busy);
        near.set(State::Idle);
        let census = registry.census();
        assert_eq!((census.busy, census.idle, census.open()), (1, 1, 2));
        drop(far);
        assert_eq!((registry.census().busy, registry.census().open()), (0, 1));
    }

    #[test]
    fn who_is_connected_is_known_until_the_entry_is_left() {
        let registry = Arc::default();
        let (near, info) = enter(&registry, 3, State::Busy);
        let (far, _other) = enter(&registry, 700, State::Idle);
        let everybody = || {
            let everybody = registry.hold().everybody();
            let each = everybody.iter();
            each.map(|one| (one.index, one.state)).collect::<Vec<_>>()
        };
        assert_eq!(everybody(), [(3, State::Busy), (700, State::Idle)]);
        far.leave(|| {});
        assert_eq!(everybody(), [(3, State::Busy)]);
        drop(near);
        assert_eq!(everybody(), []);
        assert_eq!(info.holders(), 1, "the registry keeps nobody");
    }

    #[test]
    fn there_are_as_many_places_as_numbers_call_for() {
        for (index, chunks) in [(0, 1), (CHUNK - 1, 1), (CHUNK, 2), (2 * CHUNK + 1, 3)] {
            let registry = Arc::default();
            let (_entry, _info) = enter(&registry, index, State::Idle);
            assert_eq!(registry.lock().chunks.len(), chunks);
            assert_eq!(registry.census().idle, 1);
        }
    }

    /// Whoever holds the registry sees it in one of both places, and so in one only.
    #[test]
    fn who_leaves_is_not_there_any_more_when_it_is_counted() {
        let registry = Arc::default();
        let (entry, _info) = enter(&registry, 1, State::Busy);
        let chunk = Arc::clone(&entry.chunk);
        let mut counted = false;
        entry.leave(|| {
            counted = true;
            assert_eq!(chunk.0[1].load(Ordering::Relaxed), State::Gone as u8);
        });
        assert!(counted);
    }

    #[test]
    fn every_state_has_its_place() {
        for (index, state) in STATES.into_iter().enumerate() {
            assert_eq!(state as usize, index);
        }
    }
}

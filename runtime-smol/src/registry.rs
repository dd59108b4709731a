//! The registry: the state of every connection, in one place.
//!
//! Who is active, idle or lingering is read from here, by the server and by its handles on other
//! threads. Nothing is counted beside it, so that a client that vanishes can be neither forgotten
//! nor counted twice.

use std::sync::{Arc, PoisonError};

use neap_core::{Census, State};

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU8, Ordering};

const CHUNK: usize = if cfg!(neap_loom) { 2 } else { 256 };

/// States by connection number; it grows and never moves.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    chunks: Mutex<Vec<Arc<Chunk>>>,
}

#[derive(Debug)]
struct Chunk([AtomicU8; CHUNK]);

impl Registry {
    /// Room for connection `index`.
    pub(crate) fn entry(&self, index: usize) -> Entry {
        let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        while chunks.len() <= index / CHUNK {
            let gone = || AtomicU8::new(State::Gone as u8);
            chunks.push(Arc::new(Chunk(std::array::from_fn(|_| gone()))));
        }
        Entry {
            chunk: Arc::clone(&chunks[index / CHUNK]),
            place: index % CHUNK,
        }
    }

    /// How many connections are in which state now.
    pub(crate) fn census(&self) -> Census {
        let chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts = [0usize; STATES.len()];
        for state in chunks.iter().flat_map(|chunk| &chunk.0) {
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
    chunk: Arc<Chunk>,
    place: usize,
}

impl Entry {
    pub(crate) fn set(&self, state: State) {
        self.chunk.0[self.place].store(state as u8, Ordering::Release);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.set(State::Gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_census_is_what_the_entries_say() {
        let registry = Registry::default();
        let far = registry.entry(1_000);
        let near = registry.entry(0);
        far.set(State::Busy);
        near.set(State::Idle);
        let census = registry.census();
        assert_eq!((census.busy, census.idle, census.open()), (1, 1, 2));
        drop(far);
        assert_eq!(registry.census().held(), 0);
    }

    #[test]
    fn every_state_has_its_place() {
        for (index, state) in STATES.into_iter().enumerate() {
            assert_eq!(state as usize, index);
        }
    }
}

//! How much memory what a site does at once may take together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that are left for all that shares them.
#[derive(Debug)]
pub(crate) struct Budget {
    left: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Arc<Budget> {
        Arc::new(Budget {
            left: AtomicUsize::new(bytes),
        })
    }

    /// What is left.
    #[cfg(test)]
    pub(crate) fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }
}

/// What one of them has taken. Dropping it gives that back.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<Budget>,
    free: usize,
    taken: usize,
}

/// There is not enough left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl Charge {
    /// Nothing yet. The first `free` bytes are not counted.
    pub(crate) fn new(budget: &Arc<Budget>, free: usize) -> Charge {
        Charge {
            budget: Arc::clone(budget),
            free,
            taken: 0,
        }
    }

    /// Takes so many bytes more.
    pub(crate) fn add(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let free = self.free.min(bytes);
        let charged = bytes - free;
        // A number by itself: nothing else is read or written in the order of it.
        self.budget
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(charged)
            })
            .map_err(|_| Exhausted)?;
        self.free -= free;
        self.taken += charged;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.taken, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: usize = 100;

    #[test]
    fn what_is_taken_beyond_the_free_part_comes_back_when_it_is_dropped() {
        let budget = Budget::new(100);
        let (mut first, mut second) = (Charge::new(&budget, FREE), Charge::new(&budget, FREE));
        assert_eq!(first.add(FREE - 1), Ok(()));
        assert_eq!(budget.left(), 100);
        assert_eq!(first.add(61), Ok(()));
        assert_eq!(budget.left(), 40);
        assert_eq!(first.add(41), Err(Exhausted));
        // Who was refused has taken nothing, and the others have their free part all the same.
        assert_eq!(second.add(FREE), Ok(()));
        assert_eq!(second.add(40), Ok(()));
        assert_eq!(budget.left(), 0);
        drop(first);
        assert_eq!(budget.left(), 60);
        drop(second);
        assert_eq!(budget.left(), 100);
    }
}

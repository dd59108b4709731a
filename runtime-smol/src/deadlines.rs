//! The deadlines of all connections, and the one timer that waits for the earliest.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use neap_core::Time;

/// A heap of deadlines with lazy entries.
///
/// A connection's deadline mostly moves later, with each request. Its entry is then left where it
/// is; when it comes up too early, it is put back at its real time. So the heap is touched about
/// once per deadline and connection, not once per request.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<(Time, usize)>>,
    /// For each connection, the earliest entry it has in the heap, and its real deadline.
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    entry: Time,
    deadline: Time,
}

impl Deadlines {
    /// Sets the deadline of connection `index`; [`Time::NEVER`] for none.
    pub(crate) fn set(&mut self, index: usize, deadline: Time) {
        if index >= self.slots.len() {
            let unset = Slot {
                entry: Time::NEVER,
                deadline: Time::NEVER,
            };
            self.slots.resize(index + 1, unset);
        }
        let slot = &mut self.slots[index];
        slot.deadline = deadline;
        if deadline < slot.entry {
            slot.entry = deadline;
            self.heap.push(Reverse((deadline, index)));
        }
    }

    /// When [`pop`](Deadlines::pop) should be asked next; [`Time::NEVER`] for never.
    pub(crate) fn next(&self) -> Time {
        self.heap
            .peek()
            .map_or(Time::NEVER, |Reverse((time, _))| *time)
    }

    /// How many connections have a deadline that has come by `now`.
    pub(crate) fn due(&self, now: Time) -> usize {
        let is_due = |slot: &&Slot| slot.deadline <= now && slot.deadline != Time::NEVER;
        self.slots.iter().filter(is_due).count()
    }

    /// A connection whose deadline has come by `now`.
    pub(crate) fn pop(&mut self, now: Time) -> Option<usize> {
        while let Some(&Reverse((time, index))) = self.heap.peek() {
            if time > now {
                return None;
            }
            self.heap.pop();
            let slot = &mut self.slots[index];
            if slot.entry != time {
                // An earlier entry has taken this one's place meanwhile.
                continue;
            }
            slot.entry = Time::NEVER;
            if slot.deadline <= now && slot.deadline != Time::NEVER {
                slot.deadline = Time::NEVER;
                return Some(index);
            }
            let deadline = slot.deadline;
            self.set(index, deadline);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    #[test]
    fn a_deadline_that_moved_later_does_not_come_early() {
        let mut deadlines = Deadlines::default();
        deadlines.set(0, at(10));
        deadlines.set(0, at(30));
        assert_eq!(deadlines.pop(at(20)), None);
        assert_eq!(deadlines.next(), at(30));
        assert_eq!(deadlines.pop(at(30)), Some(0));
        assert_eq!(deadlines.pop(at(100)), None);
    }

    #[test]
    fn a_deadline_that_moved_earlier_comes_once() {
        let mut deadlines = Deadlines::default();
        deadlines.set(7, at(50));
        deadlines.set(7, at(10));
        assert_eq!(deadlines.pop(at(60)), Some(7));
        assert_eq!(deadlines.pop(at(60)), None);
    }

    #[test]
    fn a_deadline_that_moved_earlier_comes_when_it_is_due() {
        let mut deadlines = Deadlines::default();
        deadlines.set(7, at(50));
        deadlines.set(7, at(10));
        assert_eq!(deadlines.next(), at(10));
        assert_eq!(deadlines.pop(at(9)), None);
        assert_eq!(deadlines.pop(at(10)), Some(7));
        assert_eq!(
            deadlines.next(),
            at(50),
            "a later entry is left where it is"
        );
        assert_eq!(deadlines.pop(at(50)), None);
        assert_eq!(deadlines.next(), Time::NEVER);
    }

    #[test]
    fn a_deadline_that_is_set_again_and_again_has_one_entry() {
        let mut deadlines = Deadlines::default();
        for nanos in [10, 10, 30, 20, 10] {
            deadlines.set(0, at(nanos));
        }
        assert_eq!(deadlines.heap.len(), 1);
    }

    #[test]
    fn each_connection_has_a_deadline_of_its_own() {
        let mut deadlines = Deadlines::default();
        deadlines.set(2, at(30));
        deadlines.set(0, at(20));
        deadlines.set(1, at(10));
        assert_eq!(deadlines.next(), at(10));
        let popped = [(); 4].map(|()| deadlines.pop(at(30)));
        assert_eq!(popped, [Some(1), Some(0), Some(2), None]);
    }

    #[test]
    fn a_deadline_that_was_taken_back_does_not_come() {
        let mut deadlines = Deadlines::default();
        deadlines.set(1, at(10));
        deadlines.set(1, Time::NEVER);
        assert_eq!(deadlines.pop(at(20)), None);
        assert_eq!(deadlines.next(), Time::NEVER);
    }
}

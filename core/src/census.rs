//! Who is connected.

use crate::{Drain, State};

/// How many connections are in which state. The driver derives it from its registry of
/// connections; nothing is counted beside that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Census {
    /// [`State::Fresh`].
    pub fresh: usize,
    /// [`State::Head`].
    pub head: usize,
    /// [`State::Busy`].
    pub busy: usize,
    /// [`State::Idle`].
    pub idle: usize,
    /// [`State::Upgraded`].
    pub upgraded: usize,
    /// [`State::Linger`].
    pub linger: usize,
}

impl Census {
    /// Counts `states`.
    ///
    /// ```
    /// use neap_core::{Census, Drain, State};
    ///
    /// let census = Census::of([State::Idle, State::Busy, State::Gone]);
    /// assert_eq!((census.idle, census.open()), (1, 2));
    /// assert_eq!(census.held(&Drain::default()), 1);
    /// ```
    pub fn of(states: impl IntoIterator<Item = State>) -> Census {
        let mut census = Census::default();
        for state in states {
            match state {
                State::Fresh => census.fresh += 1,
                State::Head => census.head += 1,
                State::Busy => census.busy += 1,
                State::Idle => census.idle += 1,
                State::Upgraded => census.upgraded += 1,
                State::Linger => census.linger += 1,
                State::Gone => {}
            }
        }
        census
    }

    /// Connections that hold the drain until they end or the deadline comes: those in a state that
    /// [is held](State::is_held).
    #[must_use]
    pub fn held(&self, drain: &Drain) -> usize {
        let counts = [
            (State::Fresh, self.fresh),
            (State::Head, self.head),
            (State::Busy, self.busy),
            (State::Idle, self.idle),
            (State::Upgraded, self.upgraded),
            (State::Linger, self.linger),
        ];
        let held = counts.iter().filter(|(state, _)| state.is_held(drain));
        held.map(|(_, count)| count).sum()
    }

    /// Connections whose socket is open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.fresh + self.head + self.busy + self.idle + self.upgraded + self.linger
    }

    pub(crate) fn is_quiet(&self, drain: &Drain) -> bool {
        self.held(drain) == 0 && self.fresh == 0 && self.idle == 0
    }
}

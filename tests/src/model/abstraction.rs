//! A connection as the server sees it: its state, where it may go from there in which phase, and
//! how long the driver lets it.
//!
//! `tests/tests/model/abstraction.rs` compares all of this with what whole connections do.

use neap_core::{Phase, State};

/// The windows of a drain, in ticks.
pub const QUIET: u32 = 1;
/// For a first byte.
pub const FIRST_BYTE: u32 = 1;
/// For a head.
pub const HEAD: u32 = 1;
/// For lingering.
pub const LINGER: u32 = 2;

/// All states.
pub const STATES: [State; 7] = [
    State::Fresh,
    State::Head,
    State::Busy,
    State::Idle,
    State::Upgraded,
    State::Linger,
    State::Gone,
];

/// Where a connection may go in one step, in a server of this phase. That of a step in which the
/// connection hears of a new phase is the new one.
#[must_use]
pub fn moves(phase: Phase, from: State) -> &'static [State] {
    use State::{Busy, Fresh, Gone, Head, Idle, Linger, Upgraded};
    match (phase, from) {
        (_, Gone) => &[],
        // Every connection hears of Closing before.
        (Phase::Done, Fresh | Head | Idle | Upgraded) => &[],
        (Phase::Done, Busy | Linger) => &[Gone],
        (Phase::Closing, Fresh | Idle) => &[Linger, Gone],
        (Phase::Closing, Head) => &[Busy, Gone],
        (Phase::Closing, Busy) => &[Linger, Gone],
        (_, Fresh) => &[Head, Busy, Linger, Gone],
        (_, Head) => &[Busy, Gone],
        (_, Busy) => &[Head, Idle, Upgraded, Linger, Gone],
        (_, Idle) => &[Head, Busy, Linger, Gone],
        (_, Upgraded | Linger) => &[Gone],
    }
}

/// From sealing on: in how many ticks at most the driver alone brings a connection out of this
/// state, and where to. The others last as long as their exchanges.
#[must_use]
pub fn window(state: State) -> Option<(u32, State)> {
    match state {
        State::Fresh => Some((FIRST_BYTE, State::Linger)),
        State::Head => Some((HEAD, State::Busy)),
        State::Idle => Some((QUIET, State::Linger)),
        State::Linger => Some((LINGER, State::Gone)),
        State::Busy | State::Upgraded | State::Gone => None,
    }
}

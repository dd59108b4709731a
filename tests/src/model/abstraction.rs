//! A connection as the server sees it: its state, where it may go from there in which phase, and
//! how long the driver lets it.
//!
//! `tests/tests/model/abstraction.rs` compares all of this with what whole connections do.

use std::time::Duration;

use neap_core::{Config, Phase, State};

/// The clock's unit. Within two of them a peer is not asked twice how much it has acknowledged.
pub const TICK: Duration = Duration::from_millis(10);

/// The longest window, in ticks, and the longest of those that begin with sealing.
pub(super) const LONGEST: u32 = 2;
pub(super) const LONGEST_GRACE: u32 = 1;

/// The windows of a drain, in ticks.
pub const QUIET: u32 = 1;
/// For a first byte.
pub const FIRST_BYTE: u32 = 1;
/// For a head.
pub const HEAD: u32 = 1;
/// For another protocol's goodbye.
pub const GOODBYE: u32 = 1;
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
        (Phase::Closing, Upgraded) => &[Gone],
        (Phase::Running, Upgraded) => &[Linger],
        (Phase::Draining, Upgraded) => &[Linger, Gone],
        (_, Linger) => &[Gone],
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
        State::Upgraded => Some((GOODBYE, State::Gone)),
        State::Busy | State::Gone => None,
    }
}

/// Short windows, and little room. Few different ones: their number is that of the states.
pub(super) fn config() -> Config {
    let mut config = Config::default();
    config.limits.content = 2;
    config.limits.unsent = 60;
    config.limits.pipeline = 1;
    config.limits.progress = 1;
    config.timeouts.head = TICK * 2;
    config.timeouts.content = TICK;
    config.timeouts.write = TICK;
    config.timeouts.idle = TICK * 2;
    config.drain.quiet = TICK * QUIET;
    config.drain.first_byte_grace = TICK * FIRST_BYTE;
    config.drain.head_grace = TICK * HEAD;
    config.drain.upgraded_grace = TICK * GOODBYE;
    config.drain.linger_max = TICK * LINGER;
    config.drain.half_close_grace = TICK;
    config.drain.linger_short = TICK;
    config
}

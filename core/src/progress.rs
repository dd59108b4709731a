//! The server's table.

use crate::Phase;

/// The server's phase in finer steps: Draining has three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Progress {
    /// [`Phase::Running`].
    #[default]
    Running,
    /// Draining, still accepting: balancers get the time to notice, or the last clients to come.
    LameDuck,
    /// Draining, the listeners end: what reached them is accepted and served.
    Sealing,
    /// Draining, the listeners have ended: exchanges end, idle connections get their last call.
    Waiting,
    /// [`Phase::Closing`].
    Closing,
    /// [`Phase::Done`].
    Done,
}

impl Progress {
    /// The phase that the step belongs to.
    #[must_use]
    pub const fn phase(self) -> Phase {
        match self {
            Progress::Running => Phase::Running,
            Progress::LameDuck | Progress::Sealing | Progress::Waiting => Phase::Draining,
            Progress::Closing => Phase::Closing,
            Progress::Done => Phase::Done,
        }
    }
}

/// What happens to a server, without times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerEvent {
    /// The drain is asked for, with a lame duck or without.
    Drain {
        /// Whether the server goes on accepting for a while.
        lame_duck: bool,
    },
    /// A stop signal, later than the debounce time after the step began.
    Again,
    /// The drain is called off.
    Cancel,
    /// The end is asked for at once.
    CloseNow,
    /// The lame duck's time is up.
    LameDuckElapsed,
    /// The lame duck's time is up, nobody waits to be accepted and nothing is held: what a server
    /// that keeps accepting waits for.
    Deserted,
    /// Every listener has ended.
    ListenersEnded,
    /// Nothing is held, no connection is Fresh or Idle.
    Quiet,
    /// The drain's time is up.
    Deadline,
    /// No connection is open and every listener has ended.
    Empty,
    /// The abort phase's time is up.
    GraceElapsed,
}

/// The server's table: the step after `event`, or `None` where the event changes nothing.
#[must_use]
pub const fn next(progress: Progress, event: ServerEvent) -> Option<Progress> {
    use Progress::{Closing, Done, LameDuck, Running, Sealing, Waiting};
    use ServerEvent as E;
    Some(match (progress, event) {
        (Running, E::Drain { lame_duck: true }) => LameDuck,
        (Running, E::Drain { lame_duck: false }) => Sealing,
        (LameDuck, E::Again | E::LameDuckElapsed | E::Deserted) => Sealing,
        (LameDuck, E::Cancel) => Running,
        (Sealing, E::ListenersEnded) => Waiting,
        (Sealing | Waiting, E::Again) => Closing,
        (Waiting, E::Quiet) => Closing,
        (LameDuck | Sealing | Waiting, E::Deadline) => Closing,
        (Running | LameDuck | Sealing | Waiting, E::CloseNow) => Closing,
        (Closing, E::Empty | E::GraceElapsed) => Done,
        _ => return None,
    })
}

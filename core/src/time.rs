//! Monotonic time as the driver counts it.

use core::time::Duration;

use crate::{Config, Phase};

/// A moment on the driver's monotonic clock: nanoseconds since an origin of its choice.
///
/// Arithmetic saturates, and [`Time::NEVER`], the maximum, means just that.
///
/// ```
/// use core::time::Duration;
/// use neap_core::Time;
///
/// let start = Time::from_nanos(5);
/// assert_eq!(start.after(Duration::from_nanos(7)), Time::from_nanos(12));
/// assert_eq!(start.after(Duration::MAX), Time::NEVER);
/// assert_eq!(Time::ZERO.since(start), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The clock's origin.
    pub const ZERO: Time = Time(0);

    /// Later than every moment: a deadline that does not come.
    pub const NEVER: Time = Time(u64::MAX);

    /// The moment `nanos` nanoseconds after the origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Time {
        Time(nanos)
    }

    /// Nanoseconds since the origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The moment `window` later, or [`Time::NEVER`] where that cannot be counted.
    #[must_use]
    pub fn after(self, window: Duration) -> Time {
        Time(self.0.saturating_add(nanos(window)))
    }

    /// The moment `window` earlier, or the origin where the clock did not run yet.
    pub(crate) fn before(self, window: Duration) -> Time {
        Time(self.0.saturating_sub(nanos(window)))
    }

    /// How long ago `earlier` was; zero if it is yet to come.
    #[must_use]
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A duration in nanoseconds, the longest ones all the same.
fn nanos(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(duration.subsec_nanos().into())
}

/// The circumstances of an input: when it happens, what the server is doing, which settings hold.
///
/// Every input of a [`Connection`](crate::Connection) takes one, so that none of the three can be
/// stale. There is no separate "now you are draining" call that a reply could slip past.
#[derive(Clone, Copy, Debug)]
pub struct Tick<'c> {
    /// The time of the input. An earlier one than the last is read as the last.
    pub now: Time,
    /// The server's phase, from [`Lifecycle::phase`](crate::Lifecycle::phase).
    pub phase: Phase,
    /// When sealing began, from which connections without a request are hurried;
    /// [`Time::NEVER`] before that.
    pub sealing: Time,
    /// The limits and windows in force.
    pub config: &'c Config,
}

//! The date that goes with the time.

use neap_core::{HttpDate, Time};

use crate::system::System;

/// Written anew once a second.
#[derive(Debug)]
pub(crate) struct Dates {
    /// The monotonic second for which `date` was written.
    second: Option<u64>,
    date: HttpDate,
}

impl Dates {
    pub(crate) fn new() -> Dates {
        Dates {
            second: None,
            date: HttpDate([b' '; 29]),
        }
    }

    /// The date at `now`.
    pub(crate) fn at(&mut self, now: Time, system: &impl System) -> HttpDate {
        let second = now.as_nanos() / 1_000_000_000;
        if self.second != Some(second) {
            self.second = Some(second);
            self.date = HttpDate::from_unix_seconds(system.unix_seconds());
        }
        self.date
    }
}

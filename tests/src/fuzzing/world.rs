//! The circumstances of a connection: settings, time and the server's phase.

use neap_core::{Config, HttpDate, Phase, Tick, Time};

pub(super) const DATE: HttpDate = HttpDate::from_unix_seconds(784_111_777);

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) config: Config,
    pub(super) now: Time,
    pub(super) phase: Phase,
    pub(super) sealing: Time,
}

impl World {
    pub(super) fn new(config: Config) -> World {
        World {
            config,
            now: Time::ZERO,
            phase: Phase::Running,
            sealing: Time::NEVER,
        }
    }

    pub(super) fn tick(&self) -> Tick<'_> {
        Tick {
            now: self.now,
            phase: self.phase,
            sealing: self.sealing,
            config: &self.config,
        }
    }

    /// The phase that follows, and whether there is one.
    pub(super) fn raise(&mut self) {
        self.phase = match self.phase {
            Phase::Running => Phase::Draining,
            Phase::Draining => Phase::Closing,
            Phase::Closing | Phase::Done => Phase::Done,
        };
        self.sealing = self.sealing.min(self.now);
    }
}

/// Limits so small that a fuzzer reaches each of them.
pub(super) fn small() -> Config {
    let mut config = Config::default();
    config.limits.target = 48;
    config.limits.head = 256;
    config.limits.fields = 6;
    config.limits.content = 300;
    config.limits.chunk_line = 32;
    config.limits.discard = 64;
    config.limits.linger = 100;
    config.limits.unsent = 256;
    config.limits.pipeline = 2;
    config
}

//! What the figures were measured on.

use std::fs;
use std::thread;

use serde::Serialize;

/// A machine, as far as it matters to a reader of figures.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Its kernel and the version of it.
    pub kernel: String,
    /// How many cores this process may use.
    pub cores: usize,
    /// What they call themselves.
    pub processor: String,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn this() -> Machine {
        let system = rustix::system::uname();
        let part = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = processors
            .lines()
            .find(|line| line.starts_with("model name"));
        let model = model.and_then(|line| line.split_once(": "));
        Machine {
            kernel: format!("{} {}", part(system.sysname()), part(system.release())),
            cores: thread::available_parallelism().map_or(1, usize::from),
            processor: model.map_or("unknown", |(_, model)| model).into(),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Machine {
            kernel,
            cores,
            processor,
        } = self;
        write!(f, "{kernel}, {cores} cores ({processor})")
    }
}

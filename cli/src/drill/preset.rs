//! What is known about servers: which signal each takes for a graceful stop.

/// A server that the drill knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Preset {
    /// Its name on the command line: `nginx`.
    pub(crate) name: &'static str,
    /// The signal that it takes for a graceful stop, without `SIG`: `QUIT`.
    pub(crate) signal: &'static str,
    /// What makes two of it share a port by `SO_REUSEPORT`: appended to the command.
    pub(crate) pair_args: &'static [&'static str],
    /// What it has routes for, if it is always the same program; empty for a server of applications.
    pub(crate) routes: PresetRoutes,
    /// A command that starts it, for the help.
    pub(crate) example: &'static str,
    /// What is peculiar to it, in a line; empty for nothing.
    pub(crate) note: &'static str,
}

/// Routes that a preset fills in where the command line names none. See
/// [`Routes`](super::record::Routes); `MS` in `slow` stands for a number of milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PresetRoutes {
    pub(crate) slow: Option<&'static str>,
    pub(crate) stream: Option<&'static str>,
    pub(crate) upload: Option<&'static str>,
    pub(crate) download: Option<&'static str>,
}

/// All of them, by name.
pub(crate) const PRESETS: &[Preset] = &[Preset {
    name: "neap",
    signal: "TERM",
    pair_args: &["--reuse-port"],
    routes: PresetRoutes {
        slow: Some("/delay/MS"),
        stream: Some("/stream/10/100"),
        upload: Some("/echo"),
        download: Some("/bytes/16000000"),
    },
    example: "neap drill --preset neap -- neap echo -p {port} --deadline {deadline}s",
    note: "",
}];

impl Preset {
    /// The one with this name.
    pub(crate) fn find(name: &str) -> Option<&'static Preset> {
        PRESETS.iter().find(|preset| preset.name == name)
    }
}

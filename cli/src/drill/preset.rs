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
    /// A command that starts it, for the help.
    pub(crate) example: &'static str,
    /// What is peculiar to it, in a line; empty for nothing.
    pub(crate) note: &'static str,
}

/// All of them, by name.
pub(crate) const PRESETS: &[Preset] = &[Preset {
    name: "neap",
    signal: "TERM",
    pair_args: &["--reuse-port"],
    example: "neap drill --preset neap -- neap echo -p {port} --deadline {deadline}s",
    note: "",
}];

impl Preset {
    /// The one with this name.
    pub(crate) fn find(name: &str) -> Option<&'static Preset> {
        PRESETS.iter().find(|preset| preset.name == name)
    }
}

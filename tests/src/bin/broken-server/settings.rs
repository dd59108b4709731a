//! The command line: the part of `neap echo`'s that tests use, and the fault.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::fault::Fault;

/// The deadline that nobody has to ask for.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long an idle connection is kept for its last call.
const QUIET: Duration = Duration::from_millis(250);

/// What it was told.
pub(crate) struct Settings {
    pub(crate) address: SocketAddr,
    pub(crate) socket_file: Option<PathBuf>,
    pub(crate) fault: Option<Fault>,
    pub(crate) quiet: Duration,
    pub(crate) reuse_port: bool,
    deadline: Option<Duration>,
}

impl Settings {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Settings, String> {
        let mut settings = Settings {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            socket_file: None,
            fault: None,
            quiet: QUIET,
            reuse_port: false,
            deadline: None,
        };
        // The first one is the command's name.
        words.next();
        while let Some(flag) = words.next() {
            if flag == "--reuse-port" {
                settings.reuse_port = true;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{flag} what?"))?;
            let unclear = || format!("what is {flag} {value}?");
            match &*flag {
                "--listen" => match value.strip_prefix("unix:") {
                    Some(path) => settings.socket_file = Some(path.into()),
                    None => settings.address = value.parse().map_err(|_| unclear())?,
                },
                "--deadline" => {
                    settings.deadline = Some(duration(&value).ok_or_else(unclear)?);
                }
                "--quiet" => settings.quiet = duration(&value).ok_or_else(unclear)?,
                "--fault" => {
                    settings.fault = Some(Fault::named(&value).ok_or_else(unclear)?);
                }
                // It always prints the same, and it looks out for `drop`.
                "--log" | "--report" | "--drop-on" => {}
                _ => return Err(unclear()),
            }
        }
        Ok(settings)
    }

    /// How long the drain may take; `None` without a limit.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let default = (self.fault != Some(Fault::NoDefaultLimit)).then_some(DEADLINE);
        self.deadline.or(default)
    }
}

/// `250ms`, `30s`.
fn duration(text: &str) -> Option<Duration> {
    if let Some(millis) = text.strip_suffix("ms") {
        return millis.parse().ok().map(Duration::from_millis);
    }
    let seconds = text.strip_suffix('s')?;
    seconds.parse().ok().map(Duration::from_secs)
}

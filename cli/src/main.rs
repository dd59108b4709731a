//! The `neap` command.
//!
//! `neap serve` sends a directory's files, `neap echo` is an endpoint for tests; both drain when a
//! signal says so, and both are thin: connections, limits and the shutdown are `neap_smol`'s. What
//! is here turns a command line ([`args`]) into a bound server ([`start`]), answers requests
//! ([`serve`], [`echo`]) and tells about them ([`log`], [`access_log`]).
//!
//! `neap drill` ([`drill`]) starts any server, tells it to stop, and sees what its clients lose. It
//! stands apart, and has nothing of `neap_smol`.

mod access_log;
mod address;
mod args;
mod certificate;
mod completions;
mod config_file;
mod date;
mod drain_args;
#[cfg(target_os = "linux")]
mod drill;
mod duration;
mod echo;
mod health;
mod help;
mod inherit;
mod json;
mod log;
mod man;
mod reach;
mod reply;
mod report;
mod serve;
mod service_manager;
mod start;
mod start_error;
mod tone;

use std::ffi::OsStr;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use neap_smol::{Report, Server};

use crate::args::Command;
use crate::serve::Site;
use crate::serve::args::Serve;
use crate::start_error::StartError;

/// A dispatched request was cut off or lost.
const NOT_CLEAN: u8 = 1;
/// There was no server.
const NOT_STARTED: u8 = 2;

/// Open files for a connection of `neap serve`: its socket, and the file that it is being sent.
const SERVE_FILES: usize = 2;
/// Open files for a connection of `neap echo`.
const ECHO_FILES: usize = 1;

/// Commands without a server of their own.
const OTHERS: [&str; 3] = ["drill", "completions", "man"];

fn main() -> ExitCode {
    // The other commands serve nobody: a signal ends them, and what a drill has started.
    let word = std::env::args_os().nth(1);
    let serves = !OTHERS
        .iter()
        .any(|other| word.as_deref() == Some(OsStr::new(other)));
    let status = if serves {
        start::with_signals().and_then(|server| run(Some(server)))
    } else {
        run(None)
    };
    status.unwrap_or_else(|error| {
        // `eprintln!` would panic where nobody listens, and hide the status.
        let _ = writeln!(io::stderr(), "neap: {error}");
        ExitCode::from(NOT_STARTED)
    })
}

/// Runs the command with the server that has its signals' handlers already; a drill needs none.
fn run(server: Option<Server>) -> Result<ExitCode, StartError> {
    let clean = |report: Report| match report.is_clean() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(NOT_CLEAN),
    };
    match (args::parse().command, server) {
        (Command::Serve(serve), Some(server)) => run_serve(server, &serve).map(clean),
        (Command::Echo(echo), Some(server)) => run_echo(server, &echo).map(clean),
        #[cfg(target_os = "linux")]
        (Command::Drill(drill), _) => Ok(run_drill(&drill)),
        (Command::Completions(completions), _) => completions.print().map(|()| ExitCode::SUCCESS),
        (Command::Man(man), _) => man.write().map(|()| ExitCode::SUCCESS),
        // The first word said that it was none of these.
        (Command::Serve(_) | Command::Echo(_), None) => Ok(ExitCode::from(NOT_STARTED)),
    }
}

#[cfg(target_os = "linux")]
fn run_drill(drill: &drill::args::Drill) -> ExitCode {
    // Thousands of clients are files, here and in the server, which inherits the limit.
    start::raise_open_files_limit();
    match drill::run(drill) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(NOT_CLEAN),
        Err(error) => {
            let _ = writeln!(io::stderr(), "neap drill: {error}");
            ExitCode::from(error.status())
        }
    }
}

fn run_serve(server: Server, serve: &Serve) -> Result<Report, StartError> {
    start::raise_open_files_limit();
    let settings = serve.settings().map_err(StartError::Cache)?;
    let site = Site::open(&serve.directory, settings).map_err(|source| StartError::Directory {
        directory: serve.directory.clone(),
        source,
    })?;
    if let Some((page, remedy)) = site.missing_page() {
        let directory = serve.directory.clone();
        return Err(StartError::Page {
            page,
            directory,
            remedy,
        });
    }
    let bound = start::bind(server, &serve.common, SERVE_FILES)?.opening(serve.open);
    let log = start::log(serve.common.log)?;
    if let Some(warning) = site.warning()
        && serve.common.log != args::LogFormat::Off
    {
        log.event(warning);
    }
    let site = Arc::new(site);
    let handler = move |request| serve::handle(Arc::clone(&site), request);
    start::run(bound, &serve.common, &log, handler)
}

fn run_echo(server: Server, echo: &args::Echo) -> Result<Report, StartError> {
    start::raise_open_files_limit();
    let bound = start::bind(server, &echo.common, ECHO_FILES)?;
    let log = start::log(echo.common.log)?;
    start::run(bound, &echo.common, &log, echo::handle)
}

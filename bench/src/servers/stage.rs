//! Where the page's commands run: a directory to serve, a folder for each attempt, an environment.

use std::env;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use neap_tests::page::{Probe, Server};
use rustix::process::Signal;
use tempfile::{Builder, TempDir};

use crate::drill::figures;
use crate::process::Process;
use crate::server::free_address;

/// How many seconds a probe may take.
const PATIENCE: &str = "140";

/// What goes before a probe: what it has started ends with it.
const PRELUDE: &str = "trap 'kill -KILL $(jobs -p) 2>/dev/null' EXIT\n";

/// What all attempts share.
#[derive(Debug)]
pub struct Stage {
    folder: TempDir,
    path: String,
}

/// A folder for one attempt, and a port for its server.
#[derive(Debug)]
pub struct Place<'a> {
    stage: &'a Stage,
    folder: TempDir,
    address: SocketAddr,
    /// What starts the server; empty where it cannot be started for this.
    line: String,
    server: Option<Process>,
}

impl Stage {
    /// Fills the directory, by the page's own commands. `neap` is found before what is installed.
    ///
    /// # Errors
    ///
    /// If they fail.
    pub fn open(preparation: &str, neap: &Path) -> io::Result<Stage> {
        let folder = neap.parent().ok_or(io::ErrorKind::NotFound)?;
        let rest = env::var("PATH").unwrap_or_default();
        let stage = Stage {
            folder: folder_for("site")?,
            path: format!("{}:{rest}", folder.canonicalize()?.display()),
        };
        fs::create_dir(stage.directory())?;
        let mut fill = stage.shell(&format!("set -e\n{preparation}"));
        let filled = fill.current_dir(stage.directory()).output()?;
        if filled.status.success() {
            return Ok(stage);
        }
        let told = String::from_utf8_lossy(&filled.stderr).into_owned();
        Err(io::Error::other(format!("the directory: {told}")))
    }

    /// What a server says about its version, less all but the figures; an error if it is not there.
    ///
    /// # Errors
    ///
    /// What the shell says then.
    pub fn version(&self, server: &Server) -> io::Result<String> {
        let line = server.command("version").unwrap_or("false");
        let told = self.shell(line).output()?;
        if !told.status.success() {
            let told = String::from_utf8_lossy(&told.stderr);
            let line = told.lines().next().unwrap_or("it fails");
            return Err(io::Error::other(line));
        }
        Ok(figures(&String::from_utf8_lossy(&told.stdout)))
    }

    /// A place to try `probe` in, with `server` started for it or, where it has no such line, as it
    /// is.
    ///
    /// # Errors
    ///
    /// If there is no folder or no port, or the server does not listen.
    pub fn place(&self, server: &Server, probe: &Probe) -> io::Result<Place<'_>> {
        let plain = server.command("plain").filter(|_| !probe.needs_own);
        let line = server.command(&probe.setup).or(plain);
        let line = line.unwrap_or_default();
        let mut place = Place {
            stage: self,
            folder: folder_for("attempt")?,
            address: free_address()?,
            line: line.into(),
            server: None,
        };
        if !probe.starts_it && !line.is_empty() {
            let starts = format!("exec >log 2>&1\n{}", starts(line));
            let command = place.command(&starts);
            let process = Process::start(&command, place.address, Signal::TERM, true, None)?;
            place.server = Some(process);
        }
        Ok(place)
    }

    /// What all of them serve.
    fn directory(&self) -> PathBuf {
        self.folder.path().join("site")
    }

    fn shell(&self, script: &str) -> Command {
        // Who is started in the background may ignore SIGINT, and what it starts would, too.
        let mut command = Command::new("env");
        command.args(["--default-signal", "bash", "-c", script]);
        command.env("PATH", &self.path).stdin(Stdio::null());
        command.env("DIR", self.directory());
        for (name, file) in [("CERT", "cert.pem"), ("KEY", "key.pem")] {
            command.env(name, self.folder.path().join(file));
        }
        command
    }
}

impl Place<'_> {
    /// Whether there is anything to start.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Runs a probe to its end, or to the end of patience.
    ///
    /// # Errors
    ///
    /// If there is no shell.
    pub fn run(&self, probe: &str) -> io::Result<Output> {
        let mut command = Command::new("timeout");
        let shell = self.command(&format!("{PRELUDE}{probe}"));
        command.args(["--kill-after=1", PATIENCE]);
        command.arg(shell.get_program()).args(shell.get_args());
        for (name, value) in shell.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.output()
    }

    fn command(&self, script: &str) -> Command {
        let here = self.folder.path();
        let mut command = self
            .stage
            .shell(&format!("cd {} || exit\n{script}", here.display()));
        let (port, address) = (self.address.port(), self.address);
        command.env("PORT", port.to_string());
        command.env("URL", format!("http://{address}"));
        command.env("START", starts(&self.line));
        command.env("LOG", here.join("log"));
        command.env("HOME", here);
        if let Some(server) = &self.server {
            command.env("PID", server.pid().to_string());
        }
        command
    }
}

/// A folder whose name has no dot: some servers take all below one for hidden.
fn folder_for(what: &str) -> io::Result<TempDir> {
    Builder::new().prefix(&format!("neap-{what}-")).tempdir()
}

/// A line that becomes the server, so that its process is the shell's; one that writes a file first
/// says `exec` by itself.
fn starts(line: &str) -> String {
    let writes_first = line.contains("\nexec ");
    format!("{}{line}", if writes_first { "" } else { "exec " })
}

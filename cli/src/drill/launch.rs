//! How a server is started, and why it may not be.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::kernel;
use super::server::{START_MAX, Server, describe};

/// When a server is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// It listens.
    Tcp,
    /// It answers a GET of this path, and not with a status of 5xx.
    Answers(String),
}

/// How to start a server.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// The command, with `{port}`, `{socket}` and `{deadline}` in it.
    pub(crate) command: Vec<String>,
    /// Variables of its environment, with the same in them.
    pub(crate) env: Vec<(String, String)>,
    /// The port that it listens on whatever it is told.
    pub(crate) port: Option<u16>,
    /// What it is told about its time to drain.
    pub(crate) deadline: Duration,
    pub(crate) ready: Ready,
}

/// Why there is no server.
#[derive(Debug)]
pub(crate) enum StartError {
    Spawn(String, io::Error),
    Exited(ExitStatus, String),
    Silent(u16, String),
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |f: &mut fmt::Formatter<'_>, output: &str| match output {
            "" => write!(f, "; it wrote nothing"),
            output => write!(f, "; it wrote:\n{output}"),
        };
        match self {
            StartError::Spawn(program, error) => write!(f, "{program:?} cannot be run: {error}"),
            StartError::Exited(status, output) => {
                write!(
                    f,
                    "the server ended before it was ready ({})",
                    describe(*status)
                )?;
                if status.success() {
                    write!(
                        f,
                        "; if it went to the background, keep it in the foreground"
                    )?;
                }
                said(f, output)
            }
            StartError::Silent(port, output) => {
                let waited = START_MAX.as_secs();
                write!(
                    f,
                    "the server was not ready on port {port} within {waited} s"
                )?;
                said(f, output)
            }
            StartError::System(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> StartError {
        StartError::System(error)
    }
}

impl Launch {
    /// Whether this stands anywhere in what the server is told.
    pub(crate) fn has(&self, placeholder: &str) -> bool {
        let mut words = self
            .command
            .iter()
            .chain(self.env.iter().map(|(_, value)| value));
        words.any(|word| word.contains(placeholder))
    }

    /// A command's word with what it was to be told in it.
    fn fill(&self, word: &str, port: u16, socket: &str) -> String {
        word.replace("{port}", &port.to_string())
            .replace("{socket}", socket)
            .replace("{deadline}", &self.deadline.as_secs().max(1).to_string())
    }

    /// Starts it on a port, a free one if none is asked for, and `more` behind its arguments; does
    /// not wait until it is ready.
    pub(crate) fn spawn(&self, port: Option<u16>, more: &[String]) -> Result<Server, StartError> {
        let port = match port.or(self.port) {
            Some(port) => port,
            None => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
                .local_addr()?
                .port(),
        };
        let folder = tempfile::Builder::new().prefix("neap-drill-").tempdir()?;
        let socket = folder.path().join("socket");
        let name = socket.to_string_lossy();
        let words = self.command.iter().chain(more);
        let words: Vec<String> = words.map(|word| self.fill(word, port, &name)).collect();
        let (program, arguments) = words
            .split_first()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "there is no command"))?;
        let output = tempfile::tempfile()?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        command.envs(
            self.env
                .iter()
                .map(|(key, value)| (key, self.fill(value, port, &name))),
        );
        command
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?);
        // A group of its own: Ctrl-C on the terminal is for the drill, which ends it.
        command.process_group(0);
        let child = command.spawn();
        let child = child.map_err(|error| StartError::Spawn(program.clone(), error))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Server::of_child(child, address, socket, output, folder)?)
    }

    /// Starts it, and waits until it is ready.
    pub(crate) async fn start(
        &self,
        port: Option<u16>,
        more: &[String],
    ) -> Result<Server, StartError> {
        // Who shares the port, or is about to leave it, is not the one that is waited for.
        let before = match port.or(self.port) {
            Some(port) => kernel::listeners(port)?,
            None => Vec::new(),
        };
        let begun = Instant::now();
        let mut server = self.spawn(port, more)?;
        server.await_ready(&self.ready, &before).await?;
        server.took = begun.elapsed();
        Ok(server)
    }
}

//! A server that fails on purpose, in one way at a time: the twin that a test has to catch.
//!
//! Without `--fault NAME` it drains as it should, in the plainest way there is: a thread for each
//! connection, and a few bells that all of them hear. Each [`Fault`] is one mistake that a server
//! in use has made. `tests/failures` runs its scenarios against neap, against this server without
//! a fault, and against this server with the fault that the scenario is about: only then is the
//! scenario known to look at what it claims to look at.
//!
//! `broken-server echo --listen ADDRESS [--listen unix:PATH] [--deadline DURATION]
//! [--quiet DURATION] [--fault NAME]`. A unix socket is there for the sake of its file, and nobody
//! is accepted from it. A line `drop` on stdin ends serving at once, as dropping a future does, and
//! leaves the process.

mod bell;
mod connection;
mod fault;
mod request;
mod server;
mod settings;

use std::error::Error;
use std::io::{self, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, thread};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::fault::Fault;
use crate::server::Server;
use crate::settings::Settings;

/// How long connections have to hear that the end is forced.
const CLOSE_GRACE: Duration = Duration::from_millis(500);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    // First of all: who can connect can also be told to stop.
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let settings = Settings::parse(env::args().skip(1))?;
    let listener = std::net::TcpListener::bind(settings.address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let socket_file = settings.socket_file.as_deref();
    let socket_file = socket_file.map(SocketFile::bind).transpose()?;
    let server = Arc::new(Server::new(settings.fault, settings.quiet)?);
    let acceptor = {
        let server = Arc::clone(&server);
        thread::spawn(move || server.accept_from(listener))
    };
    obey_stdin(&server);
    println!("listening on http://{address}");
    signals.forever().next();

    server.draining.ring();
    server.sweep();
    if let Some(file) = socket_file {
        file.remove(settings.fault)?;
    }
    // What it gives back is a listener that it did not close.
    let kept = acceptor.join();
    let deadline = settings.deadline();
    if server.has(Fault::FullTimeoutSlept) {
        thread::sleep(deadline.unwrap_or(Duration::MAX));
    }
    let in_time = server.wait_until_empty(deadline);
    if !in_time {
        server.closing.ring();
        let blocks = server.has(Fault::ForcedStopDelayed);
        server.wait_until_empty((!blocks).then_some(CLOSE_GRACE));
    }
    drop(kept);
    let untold = server.has(Fault::LimitUntold);
    let clean = untold || (in_time && server.lost() == 0);
    let forced = if in_time || untold {
        "null"
    } else {
        r#""deadline""#
    };
    writeln!(
        io::stderr(),
        r#"{{"cause":"signal","clean":{clean},"forced":{forced}}}"#
    )?;
    Ok(ExitCode::from(u8::from(!clean)))
}

/// Listens to stdin in the background.
fn obey_stdin(server: &Arc<Server>) {
    let server = Arc::clone(server);
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if line == "drop" {
                server.drop_all();
            }
        }
    });
}

/// The file of a unix socket, and the socket.
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    _listener: UnixListener,
}

impl SocketFile {
    fn bind(path: &Path) -> io::Result<SocketFile> {
        let listener = UnixListener::bind(path)?;
        Ok(SocketFile {
            path: path.into(),
            identity: identity(path)?,
            _listener: listener,
        })
    }

    fn remove(&self, fault: Option<Fault>) -> io::Result<()> {
        let is_ours = identity(&self.path).is_ok_and(|now| now == self.identity);
        match fault {
            Some(Fault::SocketFileLeft) => Ok(()),
            Some(Fault::SuccessorsSocketDeleted) => fs::remove_file(&self.path),
            _ if is_ours => fs::remove_file(&self.path),
            _ => Ok(()),
        }
    }
}

/// What tells a file from another one of its name.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let data = fs::symlink_metadata(path)?;
    Ok((data.dev(), data.ino()))
}

//! A server that fails on purpose, in one way at a time: the twin that a test has to catch.
//!
//! Without `--fault NAME` it drains as it should, in the plainest way there is: a thread for each
//! connection, and a few bells that all of them hear. Each [`Fault`] is one mistake that a server
//! in use has made, or could. `tests/failures` runs its scenarios against neap, against this server
//! without a fault, and against this server with the fault that the scenario is about: only then is
//! the scenario known to look at what it claims to look at. `tests/drill_catches` does the same
//! with the situations of `neap drill`.
//!
//! `broken-server echo --listen ADDRESS [--listen unix:PATH] [--deadline DURATION]
//! [--quiet DURATION] [--reuse-port] [--fault NAME]`. A line `drop` on stdin ends serving at once,
//! as dropping a future does, and leaves the process.

mod bell;
mod connection;
mod fault;
mod request;
mod server;
mod settings;

use std::error::Error;
use std::io::{self, Write};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use socket2::{Domain, Socket, Type};

use crate::fault::Fault;
use crate::server::Server;
use crate::settings::Settings;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;
/// How long a child that is left behind lives, if nobody ends it.
const CHILD_SECONDS: &str = "60";
/// How long connections have to hear that the end is forced.
const CLOSE_GRACE: Duration = Duration::from_millis(500);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    // First of all: who can connect can also be told to stop.
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let settings = Settings::parse(env::args().skip(1))?;
    let started = Instant::now();
    if settings.fault == Some(Fault::ChildLeft) {
        // Before it listens: who is ready is looked at.
        leave(sleeper().process_group(0))?;
    }
    let listener = listen(&settings)?;
    let address = listener.local_addr()?.as_socket();
    let address = address.ok_or("no address")?;
    let socket_file = settings.socket_file.as_deref();
    let socket_file = socket_file.map(SocketFile::bind).transpose()?;
    let server = Arc::new(Server::new(settings.fault, settings.quiet)?);
    let local = socket_file.as_ref().map(|file| file.listener.try_clone());
    let listeners = [Some(listener), local.transpose()?];
    let acceptors = listeners.map(|listener| {
        let (server, listener) = (Arc::clone(&server), listener?);
        Some(thread::spawn(move || server.accept_from(listener)))
    });
    obey_stdin(&server);
    println!("listening on http://{address}");
    let mut stop = signals.forever();
    stop.find(|signal| !server.forgets(*signal, started.elapsed()));
    if server.has(Fault::ChildLeftLate) {
        leave(&mut sleeper())?;
    }
    if server.has(Fault::BusyCut) {
        return Ok(ExitCode::SUCCESS);
    }
    server.draining.ring();
    server.sweep();
    if let Some(file) = socket_file {
        file.remove(settings.fault)?;
    }
    // The next one ends the drain.
    let closer = Arc::clone(&server);
    thread::spawn(move || {
        for _ in signals.forever() {
            if !closer.has(Fault::SecondSignalIgnored) {
                closer.closing.ring();
            }
        }
    });
    // What it gives back is a listener that it did not close.
    let kept = acceptors.map(|acceptor| acceptor?.join().ok());
    let clean = drain(&server, settings.deadline())?;
    drop(kept);
    let is_well = clean && !server.has(Fault::StatusWrong);
    Ok(ExitCode::from(u8::from(!is_well)))
}

/// Waits until nobody is connected or the time is over, and says which. True if nothing was lost,
/// as far as it admits.
fn drain(server: &Server, deadline: Option<Duration>) -> io::Result<bool> {
    if server.has(Fault::FullTimeoutSlept) {
        thread::sleep(deadline.unwrap_or(Duration::MAX));
    }
    let deadline = deadline.filter(|_| !server.has(Fault::DeadlineIgnored));
    let in_time = server.wait_until_empty(deadline);
    if !in_time {
        server.closing.ring();
        let blocks = server.has(Fault::ForcedStopDelayed) || server.has(Fault::HeadHeld);
        server.wait_until_empty((!blocks).then_some(CLOSE_GRACE));
    }
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
    Ok(clean)
}

/// A socket that listens, as the standard library has it, and who else may do so as well.
fn listen(settings: &Settings) -> io::Result<Socket> {
    let address = settings.address;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(settings.fault != Some(Fault::AddressKept))?;
    socket.set_reuse_port(settings.reuse_port)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

fn sleeper() -> Command {
    let mut child = Command::new("sleep");
    child.arg(CHILD_SECONDS);
    child.stdin(Stdio::null());
    child.stdout(Stdio::null()).stderr(Stdio::null());
    child
}

/// Starts a process that this one forgets.
fn leave(child: &mut Command) -> io::Result<()> {
    child.spawn().map(drop)
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
    listener: Socket,
}

impl SocketFile {
    fn bind(path: &Path) -> io::Result<SocketFile> {
        let listener = Socket::from(UnixListener::bind(path)?);
        listener.set_nonblocking(true)?;
        Ok(SocketFile {
            path: path.into(),
            identity: identity(path)?,
            listener,
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

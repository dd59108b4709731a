//! Servers as processes: started, frozen, stopped, watched to their end.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tempfile::TempDir;

/// How long a server may take to listen, to freeze, or to exit once it is drained.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks at what nobody tells.
const PAUSE: Duration = Duration::from_millis(2);

/// A server that runs. Dropping it kills it; so does the end of the thread that started it.
#[derive(Debug)]
pub struct Process {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    /// What asks it to drain.
    stop: Signal,
    watch: Option<JoinHandle<io::Result<Option<Duration>>>>,
    /// Its configuration, if that is a file.
    _folder: Option<TempDir>,
}

impl Process {
    /// Starts `command`, which is to listen on `address`, and waits until it does and would notice
    /// the signal `stop`, if it has a mind to: one that `is_deaf` need not.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or does not listen in time.
    pub fn start(
        command: &Command,
        address: SocketAddr,
        stop: Signal,
        is_deaf: bool,
        folder: Option<TempDir>,
    ) -> io::Result<Process> {
        // It must not outlive this process, even if that is killed.
        let mut guarded = Command::new("setpriv");
        guarded.args(["--pdeathsig", "KILL", "--"]);
        guarded.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            guarded.env(name, value.unwrap_or_default());
        }
        guarded.stdin(Stdio::null()).stdout(Stdio::null());
        let child = guarded.stderr(Stdio::null()).spawn()?;
        let process = Process {
            address,
            child,
            stop,
            watch: None,
            _folder: folder,
        };
        let is_ready = || process.listens() && (is_deaf || process.heeds(stop));
        if wait_until(is_ready) {
            // What it does when it listens and the signal is its own is done by now.
            thread::sleep(Duration::from_millis(50));
            return Ok(process);
        }
        let name = command.get_program().display();
        Err(io::Error::other(format!(
            "{name} does not listen on {address}"
        )))
    }

    /// Its own number.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Its number, and those of the processes that it started.
    #[must_use]
    pub fn members(&self) -> Vec<Pid> {
        let mut members = vec![self.pid()];
        let all: Vec<(Pid, Stat)> = numbers("/proc")
            .filter_map(|pid| Some((pid, Stat::of(pid)?)))
            .collect();
        let mut next = 0;
        while let Some(parent) = members.get(next).copied() {
            let children = all.iter().filter(|(_, stat)| stat.parent == Some(parent));
            members.extend(children.map(|(pid, _)| *pid));
            next += 1;
        }
        members
    }

    /// Stops it in its tracks, and waits until it stands.
    ///
    /// # Errors
    ///
    /// If it is gone.
    pub fn freeze(&self) -> io::Result<()> {
        let members = self.members();
        for member in &members {
            kill_process(*member, Signal::STOP)?;
        }
        let stands = |pid: &Pid| Stat::of(*pid).is_none_or(|stat| stat.state == "T");
        if wait_until(|| members.iter().all(stands)) {
            return Ok(());
        }
        Err(io::Error::other("it does not stand still"))
    }

    /// Lets it go on.
    ///
    /// # Errors
    ///
    /// If it is gone.
    pub fn thaw(&self) -> io::Result<()> {
        for member in self.members() {
            kill_process(member, Signal::CONT)?;
        }
        Ok(())
    }

    /// Asks it to drain, and watches for its end from now on.
    ///
    /// # Errors
    ///
    /// If it is gone.
    pub fn stop(&mut self) -> io::Result<()> {
        let descriptor = pidfd_open(self.pid(), PidfdFlags::empty())?;
        let begun = Instant::now();
        kill_process(self.pid(), self.stop)?;
        self.watch = Some(thread::spawn(move || {
            let mut sources = [PollFd::from_borrowed_fd(descriptor.as_fd(), PollFlags::IN)];
            let patience = Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
            let ended = poll(&mut sources, Some(&patience))?;
            Ok((ended > 0).then(|| begun.elapsed()))
        }));
        Ok(())
    }

    /// Waits for its end; says how long that took from the signal, if it came in time.
    ///
    /// # Errors
    ///
    /// If it was not told to stop, or cannot be watched.
    pub fn exit(mut self) -> io::Result<Option<Duration>> {
        let watch = self.watch.take();
        let watch = watch.ok_or_else(|| io::Error::other("it was not told to stop"))?;
        watch
            .join()
            .map_err(|_| io::Error::other("the watch ended"))?
    }

    /// Whether one of its sockets listens on its address.
    fn listens(&self) -> bool {
        let sockets: Vec<String> = self
            .members()
            .iter()
            .filter_map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).ok())
            .flat_map(Iterator::flatten)
            .filter_map(|file| fs::read_link(file.path()).ok())
            .map(|target| target.to_string_lossy().into_owned())
            .collect();
        let table = fs::read_to_string(format!("/proc/{}/net/tcp", self.pid()));
        let port = format!(":{:04X}", self.address.port());
        table.unwrap_or_default().lines().any(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            matches!(fields[..], [_, local, _, "0A", _, _, _, _, _, inode, ..]
                if local.ends_with(&port) && sockets.contains(&format!("socket:[{inode}]")))
        })
    }

    /// Whether it has a handler for `signal`.
    fn heeds(&self, signal: Signal) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        caught.is_some_and(|caught| caught & (1 << (signal.as_raw() - 1)) != 0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            for member in self.members() {
                // Who has gone by himself is gone.
                let _ = kill_process(member, Signal::KILL);
            }
            let _ = self.child.wait();
        }
    }
}

/// What the system says about a process.
struct Stat {
    state: String,
    parent: Option<Pid>,
}

impl Stat {
    fn of(pid: Pid) -> Option<Stat> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may contain anything.
        let (_, rest) = text.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        Some(Stat {
            state: fields.next()?.into(),
            parent: Pid::from_raw(fields.next()?.parse().ok()?),
        })
    }
}

/// The names in a folder that are numbers of processes or threads.
pub fn numbers(folder: &str) -> impl Iterator<Item = Pid> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
}

/// Waits until it is so; says whether that came in time.
fn wait_until(is_so: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while !is_so() {
        if begun.elapsed() > PATIENCE {
            return false;
        }
        thread::sleep(PAUSE);
    }
    true
}

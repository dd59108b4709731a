//! The server as a process: started, found by the socket that it listens on, stopped in its
//! tracks, told to stop, watched to its end, and never left behind.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use async_io::{Async, Timer};
use futures_lite::future::or;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, waitpid};
use tempfile::TempDir;

use super::kernel::{self, Listener};
use super::launch::{Ready, StartError};
use super::proc::{self, Member};
use super::{client, signal};

/// How long a server may take to be ready.
pub(crate) const START_MAX: Duration = Duration::from_secs(30);
/// How long it may take to stand still.
const FREEZE_MAX: Duration = Duration::from_secs(5);
/// How long processes may outlive the one that was sent the signal.
const SURVIVOR_GRACE: Duration = Duration::from_millis(500);
/// How long the system may take to end what has been killed.
const REAP_MAX: Duration = Duration::from_secs(1);
/// Between two looks at what nobody tells.
pub(crate) const PAUSE: Duration = Duration::from_millis(3);
/// How much of what the server wrote is shown if it does not start.
const OUTPUT_MAX: usize = 1_000;

/// How a process ended, for people.
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => code.to_string(),
        (None, Some(number)) => format!("killed by {}", signal::name(number)),
        (None, None) => "unknown".into(),
    }
}

/// What there is of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    pub(crate) members: Vec<Member>,
    pub(crate) owners: Vec<Member>,
    pub(crate) memory_kib: Option<u64>,
}

/// A server that runs. Dropping it kills whatever is left of it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Where it also listens, if it was told to.
    pub(crate) socket: PathBuf,
    /// The sockets that it listens on.
    pub(crate) listeners: Vec<Listener>,
    pub(crate) pid: Pid,
    /// None for a server that was started elsewhere.
    child: RefCell<Option<Child>>,
    exit: Async<OwnedFd>,
    /// How long it took until it was ready.
    pub(crate) took: Duration,
    /// Its processes when they were last looked for: they may outlive what leads to them.
    known: RefCell<Vec<Member>>,
    output: Option<File>,
    _folder: Option<TempDir>,
}

/// A descriptor that is readable once the process has exited.
fn watch(pid: Pid) -> io::Result<Async<OwnedFd>> {
    Async::new(pidfd_open(pid, PidfdFlags::empty())?)
}

impl Server {
    /// A server that has been started, and has written to `output`.
    pub(super) fn of_child(
        mut child: Child,
        address: SocketAddr,
        socket: PathBuf,
        output: File,
        folder: TempDir,
    ) -> io::Result<Server> {
        let pid = Pid::from_child(&child);
        let exit = watch(pid).inspect_err(|_| {
            // Nobody would ever end it.
            let _ = child.kill();
        })?;
        Ok(Server {
            address,
            socket,
            listeners: Vec::new(),
            pid,
            child: RefCell::new(Some(child)),
            exit,
            took: Duration::ZERO,
            known: RefCell::default(),
            output: Some(output),
            _folder: Some(folder),
        })
    }

    /// A server that was started elsewhere.
    pub(crate) fn elsewhere(address: SocketAddr, pid: Pid) -> io::Result<Server> {
        Ok(Server {
            address,
            socket: PathBuf::new(),
            listeners: kernel::listeners(address.port())?,
            pid,
            child: RefCell::new(None),
            exit: watch(pid)?,
            took: Duration::ZERO,
            known: RefCell::default(),
            output: None,
            _folder: None,
        })
    }

    /// Waits until it listens, with other sockets than those that were there before, and answers.
    pub(crate) async fn await_ready(
        &mut self,
        ready: &Ready,
        before: &[Listener],
    ) -> Result<(), StartError> {
        let begun = Instant::now();
        while begun.elapsed() < START_MAX {
            if let Some(status) = self.try_exit()? {
                return Err(StartError::Exited(status, self.written()));
            }
            if self.is_ready(ready, before).await? {
                return Ok(());
            }
            Timer::after(PAUSE).await;
        }
        Err(StartError::Silent(self.address.port(), self.written()))
    }

    async fn is_ready(&mut self, ready: &Ready, before: &[Listener]) -> io::Result<bool> {
        let is_new = |one: &Listener| before.iter().all(|other| other.inode != one.inode);
        let mut listeners = kernel::listeners(self.address.port())?;
        listeners.retain(is_new);
        if listeners.is_empty() {
            return Ok(false);
        }
        let is_ipv6_only = listeners.iter().all(|one| one.is_ipv6 && one.is_loopback);
        if is_ipv6_only {
            self.address.set_ip(Ipv6Addr::LOCALHOST.into());
        }
        self.listeners = listeners;
        let Ready::Answers(path) = ready else {
            return Ok(true);
        };
        let request = client::get(self.address, path);
        let answer = client::ask(self.address, &request);
        let late = async {
            Timer::after(START_MAX).await;
            None
        };
        let response = or(async { answer.await.ok() }, late).await;
        Ok(response.is_some_and(|response| response.status < 500))
    }

    /// What it wrote, the end of it.
    pub(crate) fn written(&mut self) -> String {
        let mut bytes = Vec::new();
        if let Some(output) = &mut self.output {
            // What cannot be read is not shown.
            let _ = output
                .seek(SeekFrom::Start(0))
                .and_then(|_| output.read_to_end(&mut bytes));
        }
        let end = &bytes[bytes.len().saturating_sub(OUTPUT_MAX)..];
        String::from_utf8_lossy(end).trim().to_owned()
    }

    /// All its processes: those that its command leads to, and those that it once led to.
    pub(crate) fn members(&self) -> Vec<Member> {
        let mut members = proc::tree(self.pid, false);
        for known in self.known.take().iter().filter_map(Member::again) {
            if !members.iter().any(|member| member.is(&known)) {
                members.push(known);
            }
        }
        self.known.replace(members.clone());
        members
    }

    /// Finds those that listen for it and have gone their own ways, as daemons do.
    fn look_for_owners(&self) {
        let inodes: Vec<u32> = self
            .listeners
            .iter()
            .map(|listener| listener.inode)
            .collect();
        let owners = proc::owners(&proc::tree(self.pid, self.is_ours()), &inodes);
        self.known.borrow_mut().extend(owners);
    }

    /// Whether the drill has started it.
    fn is_ours(&self) -> bool {
        self.child.borrow().is_some()
    }

    /// All its processes, those of them and of their children that own a socket that it listens on,
    /// and how much memory they had at most, in KiB. Found out beside the clients: it takes longer
    /// than they may be late.
    pub(crate) async fn survey(&self) -> Survey {
        let inodes = self.listeners.iter().map(|listener| listener.inode);
        let (inodes, pid): (Vec<u32>, Pid) = (inodes.collect(), self.pid);
        let is_ours = self.is_ours();
        let survey = blocking::unblock(move || {
            let members = proc::tree(pid, false);
            let memory = members.iter().filter_map(Member::memory_kib).sum();
            let owners = proc::owners(&proc::tree(pid, is_ours), &inodes);
            Survey {
                members,
                owners,
                memory_kib: Some(memory).filter(|memory| *memory > 0),
            }
        });
        let survey = survey.await;
        let known = survey.members.iter().chain(&survey.owners);
        self.known.borrow_mut().extend(known.cloned());
        survey
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(self.pid, signal)?)
    }

    /// Stops all its processes in their tracks, and waits until they stand.
    pub(crate) async fn freeze(&self) -> io::Result<()> {
        let begun = Instant::now();
        self.look_for_owners();
        while begun.elapsed() < FREEZE_MAX {
            let members = self.members();
            if !members.is_empty() && members.iter().all(|member| member.is_stopped) {
                return Ok(());
            }
            for member in members.iter().filter(|member| !member.is_stopped) {
                // Who is gone stands still.
                let _ = kill_process(member.pid, Signal::STOP);
            }
            Timer::after(Duration::from_millis(1)).await;
        }
        Err(io::Error::other("its processes do not stand still"))
    }

    /// Lets them go on.
    pub(crate) fn thaw(&self) {
        for member in self.members() {
            let _ = kill_process(member.pid, Signal::CONT);
        }
    }

    /// How it ended, if it has.
    pub(crate) fn try_exit(&self) -> io::Result<Option<ExitStatus>> {
        self.child
            .borrow_mut()
            .as_mut()
            .map_or(Ok(None), Child::try_wait)
    }

    /// Waits until it has exited.
    pub(crate) async fn exited(&self) -> io::Result<()> {
        self.exit.readable().await
    }

    /// Whether none of the sockets that it listened on is left.
    pub(crate) fn has_closed(&self) -> io::Result<bool> {
        let now = kernel::listeners(self.address.port())?;
        let is_left = |one: &Listener| now.iter().any(|other| other.inode == one.inode);
        Ok(!self.listeners.iter().any(is_left))
    }

    /// Those of its processes of `before` that are left a while after it has exited, and those of
    /// its process group, which may have been started since.
    pub(crate) async fn survivors(&self, mut before: Vec<Member>) -> Vec<Member> {
        let (begun, pid) = (Instant::now(), self.pid);
        before.extend(blocking::unblock(move || proc::tree(pid, false)).await);
        before.retain(|member| member.pid != pid);
        before.sort_by_key(|member| member.pid.as_raw_nonzero());
        before.dedup_by(|one, other| one.is(other));
        loop {
            let left: Vec<Member> = before.iter().filter_map(Member::again).collect();
            if left.is_empty() || begun.elapsed() > SURVIVOR_GRACE {
                return left;
            }
            Timer::after(PAUSE).await;
        }
    }

    /// Ends whatever there is of it.
    pub(crate) fn kill(&self) {
        if !self.is_ours() {
            // One that was started elsewhere is not ours to kill, but ours to let go on.
            return self.thaw();
        }
        self.look_for_owners();
        let members = self.members();
        for member in &members {
            let _ = kill_process(member.pid, Signal::KILL);
        }
        if let Some(child) = self.child.borrow_mut().as_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        reap(&members);
    }
}

/// Waits for processes that were killed and have become our children.
fn reap(members: &[Member]) {
    let begun = Instant::now();
    while begun.elapsed() < REAP_MAX && members.iter().any(Member::is_listed) {
        for member in members {
            // Whose child it still is has been killed, too, and we inherit it.
            let _ = waitpid(Some(member.pid), WaitOptions::NOHANG);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

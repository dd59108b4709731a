//! A server process inside a namespace.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use neap_tests::link::Namespace;
use neap_tests::process::PATIENCE;
use rustix::process::{Pid, Signal, kill_process};

/// Nobody's user and group, as everywhere.
const NOBODY: u32 = 65_534;

/// Whose process a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    Root,
    /// One without any capability.
    Ordinary,
}

/// A server that runs. It is killed when this is dropped before it has ended.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
}

/// What came of a server.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    /// What it said from the signal on.
    pub(crate) lines: Vec<String>,
}

impl Process {
    /// Starts `program` in `namespace`, and waits until it listens.
    pub(crate) fn start(
        namespace: &Namespace,
        program: &Path,
        arguments: &[String],
        user: User,
    ) -> io::Result<Process> {
        let copy = Copy::of(program)?;
        let mut command = Command::new(&copy.path);
        command.args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        if user == User::Ordinary {
            command.gid(NOBODY).uid(NOBODY);
        }
        let mut child = namespace.enter(|| command.spawn())?;
        let lines = child.stdout.take().map(lines_of);
        let lines = lines.ok_or(io::ErrorKind::BrokenPipe)?;
        let process = Process { child, lines };
        process.wait_for("listening on");
        Ok(process)
    }

    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it still runs");
    }

    /// Waits until it says a line with `words` in it.
    pub(crate) fn wait_for(&self, words: &str) {
        let patience = Instant::now() + PATIENCE;
        loop {
            let line = self.lines.recv_timeout(patience - Instant::now());
            if line
                .unwrap_or_else(|_| panic!("no {words:?} came"))
                .contains(words)
            {
                return;
            }
        }
    }

    /// Waits until it has ended by itself.
    pub(crate) fn end(mut self) -> Ended {
        let patience = Instant::now() + PATIENCE;
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(patience - Instant::now()) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {lines:?}"),
            }
        }
        let status = self.child.wait().expect("it is a child").code();
        Ended { status, lines }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A copy of a program where everybody may run it: the original may be below somebody's home.
struct Copy {
    path: PathBuf,
}

impl Copy {
    fn of(program: &Path) -> io::Result<Copy> {
        static COPIES: AtomicUsize = AtomicUsize::new(0);
        let number = COPIES.fetch_add(1, Ordering::Relaxed);
        let name = format!("neap-round-trip-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let copy = Copy { path };
        fs::copy(program, &copy.path)?;
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn lines_of(stdout: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

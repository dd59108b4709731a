//! Servers as processes of their own.

#![expect(
    clippy::missing_panics_doc,
    reason = "what helps tests panics where a test fails"
)]

use std::cell::OnceCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use std::{env, thread};

use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions, kill_process, prlimit, waitpid};

/// How long anything may take that should take no time. Long: machines are slow at times, and it
/// passes only where a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `neap echo`.
    Echo,
    /// `neap echo` on async-io's reactor instead of its own.
    EchoOnAsyncIo,
    /// `neap echo` on four threads.
    EchoOnThreads,
    /// `neap serve`; the directory comes first among its options.
    Serve,
    /// The example of `neap-core`, on plain threads.
    Blocking,
    /// The example of these tests, on tokio.
    Tokio,
    /// The example of these tests, on mio: readiness by hand.
    Mio,
    /// The example of these tests, on compio: completions, `io_uring` on Linux.
    Compio,
    /// The example of these tests, on polling: readiness by hand, one interest at a time.
    Polling,
    /// `neap-smol` in a program that does what `neap echo` does not offer.
    Embedded,
    /// The example of `neap-smol`: server-sent events.
    Events,
    /// The example of `neap-smol`: a long poll.
    LongPoll,
    /// A server that fails on purpose, in the way that it is told to: `broken-server`.
    Twin,
}

impl Program {
    /// The ports of `neap-core`. They drain when their standard input ends.
    pub const PORTS: [Program; 5] = [
        Program::Blocking,
        Program::Tokio,
        Program::Mio,
        Program::Compio,
        Program::Polling,
    ];

    /// All that are judged by the same tests.
    pub const ALL: [Program; 8] = [
        Program::Blocking,
        Program::Tokio,
        Program::Mio,
        Program::Compio,
        Program::Polling,
        Program::Echo,
        Program::EchoOnAsyncIo,
        Program::EchoOnThreads,
    ];

    /// Builds it, once, with the profile of the tests, and says where it is.
    #[must_use]
    pub fn path(self) -> &'static Path {
        const PROGRAMS: usize = Program::Twin as usize + 1;
        static BUILT: [OnceLock<PathBuf>; PROGRAMS] = [const { OnceLock::new() }; PROGRAMS];
        let (package, kind, target) = match self {
            Program::Echo | Program::EchoOnAsyncIo | Program::EchoOnThreads | Program::Serve => {
                ("neap-cli", "--bin", "neap")
            }
            Program::Blocking => ("neap-core", "--example", "blocking"),
            Program::Tokio => ("neap-tests", "--example", "port_tokio"),
            Program::Mio => ("neap-tests", "--example", "port_mio"),
            Program::Compio => ("neap-tests", "--example", "port_compio"),
            Program::Polling => ("neap-tests", "--example", "port_polling"),
            Program::Embedded => ("neap-tests", "--example", "embedded_server"),
            Program::Twin => ("neap-tests", "--bin", "broken-server"),
            Program::Events => ("neap-smol", "--example", "sse"),
            Program::LongPoll => ("neap-smol", "--example", "long_poll"),
        };
        BUILT[self as usize].get_or_init(|| {
            let folder = if kind == "--example" { "examples/" } else { "" };
            build(&["-p", package, kind, target], &format!("{folder}{target}"))
        })
    }
}

/// Runs Cargo, which does nothing if all is built, and finds what it has built beside this test.
fn build(what: &[&str], name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test knows where it is");
    // target/PROFILE/deps/TEST
    let profile = test.ancestors().nth(2).expect("tests are built in target");
    let target = profile.parent().expect("tests are built in target");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()));
    cargo.arg("build").arg("--quiet").args(what);
    cargo.arg("--target-dir").arg(target);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    cargo.arg("--manifest-path").arg(manifest);
    // Cargo tells the test about its package. The build script of ring asks for that, so that ring,
    // rustls and neap would be built anew here, and once more in the next call from a shell.
    for (name, _) in env::vars_os() {
        let is_of_package = ["CARGO_MANIFEST_", "CARGO_PKG_"];
        let name = name.to_string_lossy();
        if is_of_package.iter().any(|prefix| name.starts_with(prefix)) {
            cargo.env_remove(&*name);
        }
    }
    let status = cargo.status().expect("Cargo runs");
    assert!(status.success(), "cargo build {what:?}: {status}");
    profile.join(name)
}

/// A server that runs. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    /// Which one it is.
    pub program: Program,
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    /// What came from `stdout`, whose end is the process's.
    ended: OnceCell<String>,
    stderr: Receiver<String>,
}

/// How a server ended.
#[derive(Debug)]
pub struct Exit {
    /// As the system tells it.
    pub status: ExitStatus,
    /// How long it was waited for.
    pub took: Duration,
    /// What it said after it had begun to listen.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Server {
    /// Starts `program` on a free port, `options` behind what it needs, and waits until it
    /// listens.
    #[must_use]
    pub fn start(program: Program, options: &[&str]) -> Server {
        Server::start_with(program, options, |_| {})
    }

    /// The same for a command that `configure` has had a hand in.
    pub fn start_with(
        program: Program,
        options: &[&str],
        configure: impl FnOnce(&mut Command),
    ) -> Server {
        let mut command = Command::new(program.path());
        match program {
            // Inherited sockets need no address.
            Program::Echo if options.contains(&"--inherit") => command.arg("echo"),
            Program::Echo | Program::Embedded | Program::Twin => {
                command.args(["echo", "--listen", "127.0.0.1:0"])
            }
            Program::EchoOnAsyncIo => {
                command.args(["echo", "--listen", "127.0.0.1:0", "--reactor", "async-io"])
            }
            Program::EchoOnThreads => {
                command.args(["echo", "--listen", "127.0.0.1:0", "--threads", "4"])
            }
            Program::Serve => command.args(["serve", "--listen", "127.0.0.1:0"]),
            _ => command.arg("127.0.0.1:0"),
        };
        command.args(options);
        configure(&mut command);
        Server::launch(program, command)
    }

    /// Runs `command`, which starts `program`, and waits until it listens. Unless somebody says how
    /// many threads the command is to serve on, by a flag or `NEAP_THREADS`, that is one.
    #[must_use]
    pub fn launch(program: Program, mut command: Command) -> Server {
        if env::var_os("NEAP_THREADS").is_none() {
            command.env("NEAP_THREADS", "1");
        }
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let stderr = collect(child.stderr.take().expect("stderr is piped"));
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        let read = stdout.read_line(&mut line);
        let url = line.trim_end().strip_prefix("listening on ");
        let address = url.and_then(|url| Some(url.split_once("://")?.1.parse()));
        let Some(Ok(address)) = address else {
            let _ = child.kill();
            panic!(
                "{read:?} {line:?} instead of its address; {:?}",
                stderr.recv()
            );
        };
        Server {
            program,
            address,
            stdin: child.stdin.take(),
            child,
            stdout: collect(stdout),
            ended: OnceCell::new(),
            stderr,
        }
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Says something to its standard input.
    pub fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("its standard input is open");
        let said = writeln!(stdin, "{line}").and_then(|()| stdin.flush());
        said.expect("it listens to its standard input");
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("a server that runs takes signals");
    }

    /// Leaves it no more than `files` descriptors, those that it has included.
    pub fn limit_files(&self, files: u64) {
        let limit = Rlimit {
            current: Some(files),
            maximum: Some(files),
        };
        prlimit(Some(self.pid()), Resource::Nofile, limit).expect("a child can be limited");
    }

    /// Stops it in its tracks, and waits until it stands.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        let stopped = waitpid(Some(self.pid()), WaitOptions::UNTRACED);
        let (_, status) = stopped
            .expect("it is our child")
            .expect("nothing else ends the wait");
        assert!(status.stopped(), "{status:?}");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Begins the drain in the way that the program knows.
    pub fn drain(&mut self) {
        match self.program {
            Program::Blocking
            | Program::Tokio
            | Program::Mio
            | Program::Compio
            | Program::Polling => {
                drop(self.stdin.take());
            }
            Program::Echo
            | Program::EchoOnAsyncIo
            | Program::EchoOnThreads
            | Program::Serve
            | Program::Embedded
            | Program::Events
            | Program::LongPoll
            | Program::Twin => self.signal(Signal::TERM),
        }
    }

    /// Waits for its end, so long at most.
    pub fn has_exited_within(&self, patience: Duration) -> bool {
        if self.ended.get().is_some() {
            return true;
        }
        // Its output ends when it does.
        let stdout = self.stdout.recv_timeout(patience);
        stdout.is_ok_and(|stdout| self.ended.set(stdout).is_ok())
    }

    /// Waits until it has ended by itself.
    pub fn exit(mut self) -> Exit {
        let start = Instant::now();
        assert!(self.has_exited_within(PATIENCE), "it does not exit");
        let took = start.elapsed();
        Exit {
            status: self.child.wait().expect("it is our child"),
            took,
            stdout: self.ended.take().unwrap_or_default(),
            stderr: self.stderr.recv().unwrap_or_default(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads to the end in the background.
fn collect(mut source: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = source.read_to_end(&mut bytes);
        // Nobody may be interested any more.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

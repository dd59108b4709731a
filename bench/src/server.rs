//! Which servers there are, and how each is started.

use std::env;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::peer::{HELLO, MEBIBYTE};
use crate::process::Process;

/// A server that can be started.
#[derive(Clone, Debug)]
pub struct Server {
    /// What it is called in tables.
    pub name: &'static str,
    /// Which version of it that is.
    pub version: String,
    program: Program,
}

#[derive(Clone, Debug)]
enum Program {
    /// The `neap` command.
    Command(PathBuf),
    /// One of the binaries in `peers`.
    Peer(PathBuf),
    Go(PathBuf),
    Nginx,
}

/// A server that cannot be started here.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// What it is called in tables.
    pub name: &'static str,
    /// Why.
    pub reason: String,
}

/// How a server is to be started.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Where it is to listen.
    pub address: SocketAddr,
    /// Whether others listen there as well.
    pub reuse_port: bool,
    /// Whether one thread has to do; otherwise it has as many as its authors like.
    pub one_thread: bool,
}

/// Builds and finds servers, some of them in a folder that goes with this.
#[derive(Debug)]
pub struct Workshop {
    /// Where Cargo has put what it built.
    built: PathBuf,
    folder: TempDir,
}

impl Workshop {
    /// Builds all that Cargo builds.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub fn open() -> io::Result<Workshop> {
        build(&here().join("Cargo.toml"), "neap-bench")?;
        build(&here().join("../Cargo.toml"), "neap-cli")?;
        let built = built_folder()?;
        if !built.ends_with("release") {
            return Err(io::Error::other(
                "only what is built with --release can be compared",
            ));
        }
        Ok(Workshop {
            built,
            folder: TempDir::new()?,
        })
    }

    /// Where a binary is that Cargo has built.
    #[must_use]
    pub fn binary(&self, name: &str) -> PathBuf {
        self.built.join(name)
    }

    /// Where Go's peer is, once it is built.
    #[must_use]
    pub fn go_binary(&self) -> PathBuf {
        self.folder.path().join("peer-go")
    }

    /// The `neap` command.
    #[must_use]
    pub fn neap(&self) -> Server {
        Server {
            name: "neap",
            version: locked("neap-smol"),
            program: Program::Command(self.binary("neap")),
        }
    }

    /// A binary of this crate; its version is that of `package`.
    #[must_use]
    pub fn peer(&self, name: &'static str, binary: &str, package: &str) -> Server {
        Server {
            name,
            version: locked(package),
            program: Program::Peer(self.binary(binary)),
        }
    }

    /// nginx, where it is installed.
    ///
    /// # Errors
    ///
    /// Where it is not.
    pub fn nginx(&self) -> Result<Server, Skipped> {
        let version = Command::new("nginx").arg("-v").output();
        let version = version.map_err(|error| Skipped {
            name: "nginx",
            reason: format!("nginx: {error}"),
        })?;
        Ok(Server {
            name: "nginx",
            version: last_part(&version.stderr),
            program: Program::Nginx,
        })
    }

    /// Go's `net/http`, where Go is installed.
    ///
    /// # Errors
    ///
    /// Where it is not, or the peer cannot be built.
    pub fn go(&self) -> Result<Server, Skipped> {
        let name = "Go";
        let skipped = |error: io::Error| Skipped {
            name,
            reason: format!("go: {error}"),
        };
        let version = Command::new("go").args(["env", "GOVERSION"]).output();
        let version = version.map_err(skipped)?;
        let binary = self.go_binary();
        let source = here().join("peers/go/main.go");
        let mut go = Command::new("go");
        check(go.arg("build").arg("-o").arg(&binary).arg(source)).map_err(skipped)?;
        Ok(Server {
            name,
            version: String::from_utf8_lossy(&version.stdout).trim().into(),
            program: Program::Go(binary),
        })
    }
}

impl Server {
    /// Starts it, and waits until it listens.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub fn start(&self, start: Start) -> io::Result<Process> {
        let address = start.address;
        let mut folder = None;
        let mut stop = Signal::TERM;
        let mut command = match &self.program {
            Program::Command(path) => {
                let mut command = Command::new(path);
                command.args(["echo", "--log", "off", "--listen"]);
                command
            }
            Program::Peer(path) | Program::Go(path) => Command::new(path),
            Program::Nginx => {
                let configured = TempDir::new()?;
                // To nginx, SIGTERM means at once.
                stop = Signal::QUIT;
                let mut command = Command::new("nginx");
                command
                    .arg("-c")
                    .arg(configure_nginx(configured.path(), start)?);
                command.arg("-e").arg(configured.path().join("log"));
                folder = Some(configured);
                command
            }
        };
        if !matches!(self.program, Program::Nginx) {
            command.arg(address.to_string());
            if start.reuse_port {
                command.arg("--reuse-port");
            }
        }
        if start.one_thread {
            if matches!(self.program, Program::Peer(_)) {
                command.arg("--one-thread");
            }
            // What Go and trillium-smol go by.
            command.env("GOMAXPROCS", "1");
            command.env("ASYNC_GLOBAL_EXECUTOR_THREADS", "1");
        }
        Process::start(&command, address, stop, !self.drains(), folder)
    }

    /// Whether it knows what it is to drain.
    #[must_use]
    pub fn drains(&self) -> bool {
        !matches!(self.name, "may_minihttp" | "limit")
    }
}

/// Builds the `neap` command; says where it is.
///
/// # Errors
///
/// If it fails.
pub fn build_neap() -> io::Result<PathBuf> {
    build(&here().join("../Cargo.toml"), "neap-cli")?;
    Ok(built_folder()?.with_file_name("release").join("neap"))
}

/// Lets Cargo build the binaries of a package to where those of this one are.
fn build(manifest: &Path, package: &str) -> io::Result<()> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--release", "--locked", "--bins"]);
    cargo
        .args(["-p", package])
        .arg("--manifest-path")
        .arg(manifest);
    let built = built_folder()?;
    let target = built.parent().ok_or(io::ErrorKind::NotFound)?;
    check(cargo.arg("--target-dir").arg(target))
}

/// Where Cargo has put this: `target/release`.
fn built_folder() -> io::Result<PathBuf> {
    let this = env::current_exe()?;
    Ok(this.parent().ok_or(io::ErrorKind::NotFound)?.to_path_buf())
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A configuration for nginx as Debian's, less what is not asked for here.
fn configure_nginx(folder: &Path, start: Start) -> io::Result<PathBuf> {
    let configuration = folder.join("nginx.conf");
    let content = folder.join("mebibyte");
    fs::write(&content, MEBIBYTE)?;
    let Start { address, .. } = start;
    let workers = if start.one_thread { "1" } else { "auto" };
    let reuse_port = if start.reuse_port { "reuseport" } else { "" };
    let text = format!(
        "daemon off;
user root;
worker_processes {workers};
worker_rlimit_nofile 20000;
pid {folder}/pid;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    server {{
        listen {address} backlog=4096 {reuse_port};
        location = / {{ return 200 \"{HELLO}\"; }}
        location = /mebibyte {{ root {folder}; }}
    }}
}}
",
        folder = folder.display(),
    );
    fs::write(&configuration, text)?;
    Ok(configuration)
}

/// An address of this machine that nobody listens on.
///
/// # Errors
///
/// If there is none.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// The version of a package that this crate was built with.
#[must_use]
pub fn locked(package: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let entry = format!("name = \"{package}\"\nversion = \"");
    let rest = lock.split_once(&entry).map_or("", |(_, rest)| rest);
    rest.split('"').next().unwrap_or_default().into()
}

/// What comes behind the last slash: `nginx version: nginx/1.22.1`.
fn last_part(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    line.trim().rsplit('/').next().unwrap_or_default().into()
}

/// Runs a command, which has to succeed.
pub(crate) fn check(command: &mut Command) -> io::Result<()> {
    let status = command.status()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{command:?}: {status}")))
}

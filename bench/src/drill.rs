//! The servers that `neap drill` judges, each started as its own documentation has it.

use std::env;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::server::{Skipped, Workshop, check, free_address, locked};

/// How long the application behind the proxies may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server to drill.
#[derive(Clone, Debug)]
pub struct Peer {
    /// What it is called in tables.
    pub name: &'static str,
    /// Which version of it that is.
    pub version: String,
    /// What `neap drill` knows it by.
    pub preset: &'static str,
    /// What starts it; `{port}` stands for its port.
    pub command: Vec<String>,
    /// What to append so that two of it share a port, if they can.
    pub pair: Option<&'static str>,
}

/// What tells those that are told on the command line to share their port.
const REUSE_PORT: Option<&str> = Some("--reuse-port");

/// What the peers need while they are drilled: the application that proxies stand before, and a
/// folder.
#[derive(Debug)]
pub struct Yard {
    folder: TempDir,
    application: Child,
    upstream: SocketAddr,
}

impl Yard {
    /// Starts the application, `neap echo`, which nobody stops in a drill.
    ///
    /// # Errors
    ///
    /// If it does not listen.
    pub fn open(workshop: &Workshop) -> io::Result<Yard> {
        let upstream = free_address()?;
        let mut command = Command::new(workshop.binary("neap"));
        command.args(["echo", "--log", "off", "--listen", &upstream.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let application = command.stderr(Stdio::null()).spawn()?;
        let yard = Yard {
            folder: TempDir::new()?,
            application,
            upstream,
        };
        let begun = Instant::now();
        while TcpStream::connect(upstream).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::other("the application does not listen"));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(yard)
    }

    /// All of them, as far as they are installed.
    #[must_use]
    pub fn peers(&self, workshop: &Workshop) -> Vec<Result<Peer, Skipped>> {
        let crates = [
            ("hyper", "peer-hyper", "hyper"),
            ("axum", "peer-axum", "axum"),
            ("actix", "peer-actix", "actix-web"),
            ("trillium", "peer-trillium", "trillium-smol"),
        ];
        let mut peers = vec![Ok(neap(workshop))];
        peers.push(self.configured("nginx", "nginx", &["-v"]));
        peers.push(self.configured("Apache", "apache2", &["-v"]));
        peers.push(self.configured("lighttpd", "lighttpd", &["-v"]));
        peers.push(self.configured("HAProxy", "haproxy", &["-v"]));
        peers.push(python("gunicorn"));
        peers.push(python("uvicorn"));
        peers.push(node());
        peers.push(workshop.go().map(|go| Peer {
            name: "Go net/http",
            version: go.version.trim_start_matches("go").into(),
            preset: "go",
            command: addressed(&workshop.go_binary()),
            pair: REUSE_PORT,
        }));
        peers.extend(crates.map(|(preset, binary, package)| {
            Ok(Peer {
                name: package_name(package),
                version: locked(package),
                preset,
                command: addressed(&workshop.binary(binary)),
                pair: REUSE_PORT,
            })
        }));
        peers
    }

    /// One that is told its port by a file.
    fn configured(
        &self,
        name: &'static str,
        program: &str,
        version: &[&str],
    ) -> Result<Peer, Skipped> {
        let version = version_of(name, program, version)?;
        let preset = match name {
            "Apache" => "apache",
            "HAProxy" => "haproxy",
            same => same,
        };
        // The others cannot share a port, and have no reason to listen elsewhere.
        let can_share = ["nginx", "haproxy"].contains(&preset);
        let command = [
            text(&here("configured")),
            preset.into(),
            text(self.folder.path()),
            self.upstream.to_string(),
            "{deadline}".into(),
            if can_share { "{socket}" } else { "" }.into(),
            "{port}".into(),
        ];
        Ok(Peer {
            name,
            version,
            preset,
            command: command.into(),
            pair: REUSE_PORT.filter(|_| can_share),
        })
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        // Who has gone by himself is gone.
        let _ = self.application.kill();
        let _ = self.application.wait();
    }
}

fn neap(workshop: &Workshop) -> Peer {
    let neap = workshop.neap();
    let options = [
        "echo",
        "--log=off",
        "--port={port}",
        "--listen=unix:{socket}",
        "--deadline={deadline}s",
    ];
    let mut command = vec![text(&workshop.binary("neap"))];
    command.extend(options.map(String::from));
    Peer {
        name: neap.name,
        version: neap.version,
        preset: "neap",
        command,
        pair: REUSE_PORT,
    }
}

/// What starts a peer of this crate, or Go's.
fn addressed(binary: &Path) -> Vec<String> {
    let binary = text(binary);
    let words = [&*binary, "127.0.0.1:{port}", "--deadline={deadline}"];
    words.map(String::from).into()
}

/// What a package is called in tables.
fn package_name(package: &'static str) -> &'static str {
    if package == "hyper" {
        "hyper, hyper-util"
    } else {
        package
    }
}

/// One of the servers for Python, in an environment of their own.
fn python(name: &'static str) -> Result<Peer, Skipped> {
    let skipped = |error: io::Error| Skipped {
        name,
        reason: error.to_string(),
    };
    let binaries = environment().map_err(skipped)?;
    let program = text(&binaries.join(name));
    let version = version_of(name, &program, &["--version"])?;
    let (options, application): (&[&str], _) = match name {
        // Keep-alive takes a worker with threads; the default one closes after each response.
        "gunicorn" => (
            &[
                "--worker-class=gthread",
                "--threads=1100",
                "--worker-connections=6000",
                "--keep-alive=60",
                "--no-control-socket",
                "--graceful-timeout={deadline}",
                "--bind=127.0.0.1:{port}",
                "--pythonpath",
            ],
            "wsgi:application",
        ),
        _ => (
            &[
                "--no-access-log",
                "--timeout-graceful-shutdown={deadline}",
                "--port={port}",
                "--app-dir",
            ],
            "asgi:application",
        ),
    };
    let mut command = vec![program];
    command.extend(options.iter().copied().map(String::from));
    command.extend([text(&here("")), application.into()]);
    Ok(Peer {
        name,
        version,
        preset: name,
        command,
        pair: REUSE_PORT.filter(|_| name == "gunicorn"),
    })
}

/// Where the programs of the Python packages are; installs them if they are not there.
fn environment() -> io::Result<PathBuf> {
    let this = env::current_exe()?;
    let target = this.parent().ok_or(io::ErrorKind::NotFound)?;
    let folder = target.join("drill-python");
    let binaries = folder.join("bin");
    let (list, done) = (here("requirements.txt"), folder.join("requirements.txt"));
    let wanted = fs::read_to_string(&list)?;
    if fs::read_to_string(&done).is_ok_and(|done| done == wanted) {
        return Ok(binaries);
    }
    check(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let mut pip = Command::new(binaries.join("pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"]);
    check(pip.arg(&list))?;
    fs::write(done, wanted)?;
    Ok(binaries)
}

fn node() -> Result<Peer, Skipped> {
    let version = version_of("Node", "node", &["--version"])?;
    let command = [
        "node".into(),
        text(&here("node.js")),
        "127.0.0.1:{port}".into(),
        "{deadline}".into(),
    ];
    Ok(Peer {
        name: "Node",
        version,
        preset: "node",
        command: command.into(),
        // From Node 23 on there is an option.
        pair: None,
    })
}

/// What a program says about its version, less all but the figures.
fn version_of(name: &'static str, program: &str, flags: &[&str]) -> Result<String, Skipped> {
    let told = Command::new(program).args(flags).output();
    let told = told.map_err(|error| Skipped {
        name,
        reason: format!("{program}: {error}"),
    })?;
    let told = [told.stdout, told.stderr].concat();
    Ok(figures(&String::from_utf8_lossy(&told)))
}

/// The first word that is a version, less what a distribution adds to it.
pub(crate) fn figures(told: &str) -> String {
    let words = told.split(|char: char| char.is_whitespace() || matches!(char, '/' | ')' | ','));
    let mut figures = words
        .map(|word| word.trim_start_matches('v'))
        .filter(|word| word.contains('.') && word.starts_with(|char: char| char.is_ascii_digit()));
    let version = figures.next().unwrap_or("unknown");
    version.split('-').next().unwrap_or(version).into()
}

fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("drill")
        .join(file)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_programs_say_about_themselves() {
        for (told, version) in [
            ("nginx version: nginx/1.22.1", "1.22.1"),
            (
                "Server version: Apache/2.4.71 (Debian)\nServer built: 2026",
                "2.4.71",
            ),
            (
                "lighttpd/1.4.69 (ssl) - a light and fast webserver",
                "1.4.69",
            ),
            (
                "HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/",
                "2.6.12",
            ),
            ("gunicorn (version 27.0.1)", "27.0.1"),
            (
                "Running uvicorn 0.54.0 with CPython 3.11.7 on Linux",
                "0.54.0",
            ),
            ("v20.20.2", "20.20.2"),
            ("", "unknown"),
        ] {
            assert_eq!(figures(told), version);
        }
    }
}

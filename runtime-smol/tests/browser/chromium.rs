//! Chromium without a window, and somebody whom its pages can tell what they have seen.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use http::{HeaderValue, Request, header};
use neap_smol::{Body, IntoResponse};
use tempfile::TempDir;

use crate::common::Running;

const PROGRAM: &str = "/usr/bin/chromium";

/// A browser takes its time to start on a machine that has much to do.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Browser {
    child: Child,
    _profile: TempDir,
}

impl Browser {
    pub(crate) fn open(url: &str) -> Browser {
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new(PROGRAM);
        command
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
            ])
            .args(["--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync"])
            // Certificates here are their owners' word.
            .arg("--ignore-certificate-errors")
            // Without it a page is loaded, and the program ends.
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        Browser {
            child: command.spawn().unwrap(),
            _profile: profile,
        }
    }
}

/// With all the processes that it has started, which are a group of their own.
impl Drop for Browser {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Takes in what pages post to it.
pub(crate) struct Collector {
    running: Running,
    told: Receiver<String>,
}

impl Collector {
    /// `None`, and a word about it, where there is no browser.
    pub(crate) fn start() -> Option<Collector> {
        if !Path::new(PROGRAM).exists() {
            eprintln!("skipped: there is no {PROGRAM}");
            return None;
        }
        let (send, told) = channel();
        let handler = move |request: Request<Body>| {
            let send = send.clone();
            async move {
                let text = request.into_body().text(1000).await?;
                let _ = send.send(text);
                let mut response = "".into_response();
                let anybody = HeaderValue::from_static("*");
                let origin = header::ACCESS_CONTROL_ALLOW_ORIGIN;
                response.headers_mut().insert(origin, anybody);
                Ok::<_, neap_smol::BodyError>(response)
            }
        };
        let running = Running::start(move |server| server.run(handler).unwrap());
        Some(Collector { running, told })
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.running.address
    }

    pub(crate) fn next(&self) -> String {
        self.told.recv_timeout(PATIENCE).unwrap()
    }
}

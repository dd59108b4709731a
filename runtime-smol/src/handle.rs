//! A server's handle: stops it and looks at it, from anywhere.

use std::sync::Arc;

use http::{Response, StatusCode};
use neap_core::{Census, Phase, Progress};

use crate::course::Command;
use crate::report::Report;
use crate::shared::Shared;
use crate::sync::atomic::Ordering;
use crate::{Full, IntoResponse, watchdog};

/// A handle to a server, to stop it and to look at it. Clones are handles to the same server;
/// dropping them does nothing.
///
/// ```no_run
/// use neap_smol::Server;
///
/// # fn main() -> std::io::Result<()> {
/// let server = Server::bind("127.0.0.1:8080")?;
/// let handle = server.handle();
/// std::thread::spawn(move || {
///     std::io::stdin().read_line(&mut String::new()).ok();
///     handle.drain();
/// });
/// server.run(|_request| async { "Press Enter to stop me" })?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn new(shared: &Arc<Shared>) -> Handle {
        Handle {
            shared: Arc::clone(shared),
        }
    }

    /// Begins the drain, as SIGTERM does. Later calls do nothing.
    pub fn drain(&self) {
        self.shared.ask(Command::Drain);
        watchdog::begin(&self.shared);
    }

    /// Ends everything at once: requests under way are aborted. Later calls do nothing.
    pub fn close_now(&self) {
        self.shared.ask(Command::Close);
        watchdog::begin(&self.shared);
    }

    /// Calls the drain off, if nobody has been hurried by it yet: in lame duck. Connections that
    /// have announced their close stay told; the others go on as before. Otherwise it does nothing.
    pub fn cancel_drain(&self) {
        self.shared.ask(Command::Cancel);
    }

    /// The server's phase. A server that was dropped is [`Phase::Done`].
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.progress().phase()
    }

    /// The server's phase, in finer steps.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.shared.progress()
    }

    /// Whether new connections should be sent here: true while the server runs. False in lame duck
    /// already, which is what that is for.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.phase() == Phase::Running
    }

    /// The answer to a health check, for `path` being `/livez` or `/readyz`; `None` for others.
    ///
    /// Alive is the server until it is done: an orchestrator should not kill it for draining.
    /// Ready it is while it runs; from the drain's first moment the answer is
    /// [`Server::draining_status`](crate::Server::draining_status).
    ///
    /// ```
    /// # let server = neap_smol::Server::new();
    /// let handle = server.handle();
    /// assert_eq!(handle.health("/readyz").map(|response| response.status().as_u16()), Some(200));
    /// assert!(handle.health("/").is_none());
    /// ```
    ///
    /// [`Server::admin`](crate::Server::admin) answers it on an address of its own. On the main
    /// one, put it before everything else:
    ///
    /// ```
    /// use http::{Request, Response};
    /// use neap_smol::{Body, Full, Handle, IntoResponse};
    ///
    /// async fn app(handle: Handle, request: Request<Body>) -> Response<Full> {
    ///     match handle.health(request.uri().path()) {
    ///         Some(response) => response,
    ///         None => "Hello, World!".into_response(),
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn health(&self, path: &str) -> Option<Response<Full>> {
        match path {
            "/livez" => Some("alive\n".into_response()),
            "/readyz" if self.is_ready() => Some("ready\n".into_response()),
            "/readyz" => {
                let mut response = "draining\n".into_response();
                let status = self.shared.draining_status.load(Ordering::Relaxed);
                *response.status_mut() =
                    StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
                Some(response)
            }
            _ => None,
        }
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn requests(&self) -> &crate::metrics::Requests {
        &self.shared.requests
    }

    /// How many connections are in which state now.
    #[must_use]
    pub fn census(&self) -> Census {
        self.shared.census()
    }

    /// What became of all connections and requests that have ended so far.
    #[must_use]
    pub fn report(&self) -> Report {
        let delivered = self.shared.course().report.clone();
        delivered.unwrap_or_else(|| Report {
            phase: self.phase(),
            ..self.shared.sums()
        })
    }

    /// Waits until the server has come as far as `progress`. Cancel safe: nothing is lost by
    /// dropping it.
    pub async fn reached(&self, progress: Progress) {
        self.shared.reached(progress).await;
    }

    /// Waits for a sign of life: for the server's thread, and each if there are several, to take
    /// another turn. It does not come while a handler blocks one of them, or before the server is
    /// run or served; from a server that is done it comes at once. A watchdog, systemd's for
    /// instance, should hear from the program only as long as this does. Cancel safe.
    pub async fn heartbeat(&self) {
        self.shared.heartbeat().await;
    }

    /// Waits until the server is done, by itself, because it was dropped, or because its thread was
    /// blocked and it was cut off at its deadline, and reports. Cancel safe.
    pub async fn done(&self) -> Report {
        self.reached(Progress::Done).await;
        self.report()
    }
}

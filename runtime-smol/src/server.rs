//! Building and running a server.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use http::{Request, StatusCode};
use neap_core::{Config, Refusal};

use crate::admin::Admin;
use crate::clock::Clock;
use crate::event::{Event, Observer};
use crate::handle::{Owner, Shared};
use crate::listener::{Listener, Options};
use crate::listeners::Listeners;
use crate::refusal::{RefusalPage, Refusals};
use crate::seal::Rung;
use crate::serve::{Parts, Serve};
use crate::signals::{Interrupt, StopSignals};
use crate::{Address, Body, Handle, IntoResponse, Report};

/// Connections that wait to be accepted, by default: as many as most systems allow.
const BACKLOG: u32 = 4096;

/// Descriptors that are left to the program when `max_connections` is derived from the limit.
const SPARE_DESCRIPTORS: usize = 64;

/// A server that listens, and does not serve yet.
///
/// Clients that connect from now on wait in its sockets' queues until it is
/// [run](Server::run) or [served](Server::serve).
///
/// ```no_run
/// use neap_smol::Server;
///
/// # fn main() -> std::io::Result<()> {
/// let report = Server::bind("127.0.0.1:8080")?.run(|_request| async { "Hello, World!" })?;
/// println!("{report}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    config: Config,
    options: Options,
    max_connections: usize,
    seal: Rung,
    listeners: Vec<Listener>,
    admin: Vec<Listener>,
    signals: Option<StopSignals>,
    interrupt: Interrupt,
    observer: Observer,
    refusals: Refusals,
    owner: Owner,
}

impl Default for Server {
    fn default() -> Server {
        Server::new()
    }
}

impl Server {
    /// A server without a listener yet, with the default settings.
    #[must_use]
    pub fn new() -> Server {
        Server {
            config: Config::default(),
            options: Options {
                backlog: BACKLOG,
                reuse_port: false,
            },
            max_connections: default_max_connections(),
            seal: Rung::default(),
            listeners: Vec::new(),
            admin: Vec::new(),
            signals: None,
            interrupt: Interrupt::default(),
            observer: Observer::default(),
            refusals: Refusals::default(),
            owner: Owner(Arc::new(Shared::new())),
        }
    }

    /// A server that listens on the first of the TCP addresses that can be bound.
    ///
    /// # Errors
    ///
    /// If none can, the error of the last.
    pub fn bind(addresses: impl ToSocketAddrs) -> io::Result<Server> {
        let mut failure = io::Error::new(io::ErrorKind::InvalidInput, "no address to listen on");
        for address in addresses.to_socket_addrs()? {
            let server = Server::new();
            match Listener::bind(&Address::Tcp(address), server.options) {
                Ok(listener) => return Ok(server.with(listener)),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Lets several processes listen on one address (`SO_REUSEPORT`): the system shares new
    /// connections out among them. Holds for listeners that are added after it. Default: off.
    #[must_use]
    pub fn reuse_port(mut self, on: bool) -> Server {
        self.options.reuse_port = on;
        self
    }

    /// How many connections may wait to be accepted; the system has a limit of its own. Holds for
    /// listeners that are added after it. Default: 4096.
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> Server {
        self.options.backlog = connections;
        self
    }

    /// Listens on `address`, too. `SO_REUSEADDR` is always set; an IPv6 address does not stand for
    /// IPv4 as well. A socket file that a killed server left behind is replaced.
    ///
    /// # Errors
    ///
    /// If it cannot be bound.
    pub fn listen(self, address: &Address) -> io::Result<Server> {
        let listener = Listener::bind(address, self.options)?;
        Ok(self.with(listener))
    }

    /// Takes over a listening socket: a `std::net::TcpListener`, or a
    /// `std::os::unix::net::UnixListener`, whose file is then left alone. It is taken to be this
    /// server's only; for one that others accept from, see
    /// [`shared_listener`](Server::shared_listener).
    ///
    /// # Errors
    ///
    /// If the descriptor is no socket that listens.
    pub fn listener(self, listener: impl Into<OwnedFd>) -> io::Result<Server> {
        let listener = Listener::adopt(listener.into())?;
        Ok(self.with(listener))
    }

    /// Accepts from a listening socket that others accept from as well: one that was inherited, by
    /// socket activation for instance, or that a successor will go on with. At the drain this
    /// server stops accepting and drops its descriptor; nobody is lost, because who waits is the
    /// others' to accept. No option of it is set, no file removed.
    ///
    /// # Errors
    ///
    /// If the descriptor is no socket that listens.
    pub fn shared_listener(self, listener: impl Into<OwnedFd>) -> io::Result<Server> {
        let listener = Listener::share(listener.into())?;
        Ok(self.with(listener))
    }

    fn with(mut self, listener: Listener) -> Server {
        self.listeners.push(listener);
        self
    }

    /// Answers health checks on an address of their own: `/livez` and `/readyz`, see
    /// [`Handle::health`]. It serves through the drain and closes last; its connections hold
    /// nothing and stand in no report.
    ///
    /// # Errors
    ///
    /// If it cannot be bound.
    pub fn admin(mut self, address: &Address) -> io::Result<Server> {
        self.admin.push(Listener::bind(address, self.options)?);
        Ok(self)
    }

    /// What `/readyz` answers from the drain's first moment on. Default: 503. HAProxy with
    /// `http-check disable-on-404` takes 404 for a server that drains, 503 for one that is down.
    #[must_use]
    pub fn draining_status(self, status: StatusCode) -> Server {
        self.owner
            .0
            .draining_status
            .store(status.as_u16(), Ordering::Relaxed);
        self
    }

    /// Sets limits, timeouts and the windows of the shutdown.
    ///
    /// # Panics
    ///
    /// If the settings contradict each other, see [`Config::check`].
    #[must_use]
    pub fn config(mut self, config: Config) -> Server {
        if let Err(error) = config.check() {
            panic!("{error}");
        }
        self.config = config;
        self
    }

    /// How many connections may be open at once. Above it accepting pauses: clients wait in the
    /// queue, none is reset. Default: the limit of open files, less some for the program.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Server {
        self.max_connections = connections;
        self
    }

    /// The first rung of the ladder that is tried when a listener is sealed. Default: the first
    /// there is, which is right unless it is the rungs below that you want to see at work.
    #[must_use]
    pub fn seal(mut self, first: Rung) -> Server {
        self.seal = first;
        self
    }

    /// Lets SIGTERM and SIGINT begin the drain; each further one goes on to the next step, and once
    /// the server is closing, ends the process. The signals' handlers are installed now, for the
    /// whole process. Without this, neap touches no signal.
    ///
    /// # Errors
    ///
    /// If they cannot be installed.
    #[cfg(feature = "signal")]
    pub fn signals(mut self) -> io::Result<Server> {
        self.signals = Some(StopSignals::install()?);
        Ok(self)
    }

    /// What SIGINT does, if signals were asked for. Default: the same as SIGTERM.
    #[must_use]
    pub fn interrupt(mut self, interrupt: Interrupt) -> Server {
        self.interrupt = interrupt;
        self
    }

    /// Calls `observe` with everything that an operator may want to know. It is called on the
    /// server's thread and should return soon.
    #[must_use]
    pub fn on_event(mut self, observe: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Server {
        self.observer = Observer(Some(Arc::new(observe)));
        self
    }

    /// Lets the log name the targets of requests that hold the drain ([`crate::Holder`]), which may
    /// hold what is not for everybody's eyes. Default: no.
    #[must_use]
    pub fn log_targets(self, on: bool) -> Server {
        self.owner.0.log_targets.store(on, Ordering::Relaxed);
        self
    }

    /// Gives the server's own responses, to requests that break the protocol for instance, another
    /// look than a short text. It is called on the server's thread and should return soon.
    ///
    /// ```
    /// use http::HeaderValue;
    /// use neap_smol::{RefusalPage, Server};
    ///
    /// let server = Server::new().refusals(|refusal| RefusalPage {
    ///     content_type: HeaderValue::from_static("application/json"),
    ///     content: format!("{{\"error\":\"{refusal}\"}}").into(),
    /// });
    /// ```
    #[must_use]
    pub fn refusals(
        mut self,
        make: impl Fn(Refusal) -> RefusalPage + Send + Sync + 'static,
    ) -> Server {
        self.refusals = Refusals(Some(Arc::new(make)));
        self
    }

    /// Where it listens, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.listeners
            .iter()
            .map(|listener| listener.address().clone())
            .collect()
    }

    /// Where the admin listeners are.
    #[must_use]
    pub fn admin_addresses(&self) -> Vec<Address> {
        self.admin
            .iter()
            .map(|listener| listener.address().clone())
            .collect()
    }

    /// The first TCP address it listens on.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.listeners
            .iter()
            .find_map(|listener| match listener.address() {
                Address::Tcp(address) => Some(*address),
                _ => None,
            })
    }

    /// A handle, to stop it and to look at it from elsewhere.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(&self.owner.0)
    }

    /// Serves until the shutdown is done. **Dropping the future is a hard stop**: all connections
    /// are closed and all handlers dropped at once.
    ///
    /// The future needs no executor of its own: await it wherever the program's futures are run.
    /// It is `Send` if the handler and its futures are.
    ///
    /// A handler that panics costs its own request only (with `panic = "abort"` the process). One
    /// that blocks its thread blocks all connections of the server: leave that to
    /// `blocking::unblock`.
    ///
    /// ```
    /// use futures_lite::future::{block_on, zip};
    /// use neap_smol::Server;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let server = Server::bind("127.0.0.1:0")?;
    /// let handle = server.handle();
    /// let serving = server.serve(|_request| async { "Hello, World!" });
    /// let (report, ()) = block_on(zip(serving, async { handle.drain() }));
    /// assert!(report.is_clean());
    /// # Ok(())
    /// # }
    /// ```
    pub fn serve<H, F>(self, handler: H) -> Serve<H, F>
    where
        H: Fn(Request<Body>) -> F,
        F: Future<Output: IntoResponse>,
    {
        let observer = self.observer.clone();
        let admin =
            (!self.admin.is_empty()).then(|| Admin::new(self.admin, &self.owner.0, observer));
        let parts = Parts {
            config: self.config,
            clock: Clock::new(),
            listeners: Listeners::new(self.listeners, self.max_connections, self.seal),
            admin,
            signals: self.signals,
            interrupt: self.interrupt,
            observer: self.observer,
            refusals: self.refusals,
            owner: self.owner,
        };
        Serve::new(parts, handler)
    }

    /// Serves on a thread of its own until the shutdown is done, and reports. The handler's
    /// futures need not be `Send`: they never leave that thread.
    ///
    /// # Errors
    ///
    /// If there is no listener, or no thread to be had.
    ///
    /// # Panics
    ///
    /// If an observer of [`on_event`](Server::on_event) panicked. Panics of handlers stay there.
    pub fn run<H, F>(self, handler: H) -> io::Result<Report>
    where
        H: Fn(Request<Body>) -> F + Clone + Send + 'static,
        F: Future<Output: IntoResponse>,
    {
        if self.listeners.is_empty() {
            let message = "no address to listen on: call Server::bind or Server::listen";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let worker = thread::Builder::new().name("neap".into());
        let worker = worker.spawn(move || async_io::block_on(self.serve(handler)))?;
        worker.join().map_err(|panic| resume_unwind(panic))
    }
}

/// What the limit of open files leaves for connections.
fn default_max_connections() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let files = limit
        .current
        .and_then(|files| usize::try_from(files).ok())
        .unwrap_or(usize::MAX);
    files
        .saturating_sub(SPARE_DESCRIPTORS)
        .max(files / 2)
        .max(1)
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<_> = self.addresses().iter().map(Address::to_string).collect();
        f.write_str(&addresses.join(", "))
    }
}

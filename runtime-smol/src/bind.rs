//! Servers on sockets of the kernel: bound, adopted, shared; with signals; on their own thread.

use std::future::Future;
use std::io;
use std::net::ToSocketAddrs;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::Waker;

use http::Request;

use crate::admin;
use crate::listener::Listener;
use crate::listening::{Kernel, NativeListener, Options};
use crate::system::Native;
use crate::threads::Threads;
use crate::{Address, Body, IntoResponse, Reactor, Report, Server, watchdog};

/// Connections that wait to be accepted, by default: as many as most systems allow.
const BACKLOG: u32 = 4096;

/// Descriptors that are left to the program when `max_connections` is derived from the limit.
const SPARE_DESCRIPTORS: usize = 64;

impl Default for Server {
    fn default() -> Server {
        Server::new()
    }
}

impl Server {
    /// A server without a listener yet, with the default settings.
    #[must_use]
    pub fn new() -> Server {
        let options = Options {
            backlog: BACKLOG,
            reuse_port: false,
        };
        Server::on(Native::new(options)).max_connections(default_max_connections())
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
            match server.bound(&Address::Tcp(address)) {
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
        self.system.options.reuse_port = on;
        self
    }

    /// Which reactor tells when sockets are ready, to be said before any listener is added.
    /// Default: the server's own, where there is epoll.
    ///
    /// # Panics
    ///
    /// If there is a listener already.
    #[must_use]
    pub fn reactor(mut self, reactor: Reactor) -> Server {
        let none = self.listeners.is_empty() && self.admin.is_empty();
        assert!(none, "the reactor is chosen before the first listener");
        let kernel = Kernel::new(reactor);
        #[cfg(feature = "rustls")]
        let kernel = kernel.with_tls(self.system.kernel.tls);
        self.system.kernel = kernel;
        self
    }

    /// Lets the listeners that are added after it speak HTTPS; those of [`admin`](Server::admin)
    /// do not.
    #[cfg(feature = "rustls")]
    #[must_use]
    pub fn tls(mut self, tls: &crate::Tls) -> Server {
        self.system.kernel = self.system.kernel.with_tls(Some(tls.clone()));
        self
    }

    /// How many connections may wait to be accepted; the system has a limit of its own. Holds for
    /// listeners that are added after it. Default: 4096.
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> Server {
        self.system.options.backlog = connections;
        self
    }

    /// Listens on `address`, too. `SO_REUSEADDR` is always set; an IPv6 address does not stand for
    /// IPv4 as well. A socket file that a killed server left behind is replaced.
    ///
    /// # Errors
    ///
    /// If it cannot be bound.
    pub fn listen(self, address: &Address) -> io::Result<Server> {
        let listener = self.bound(address)?;
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
        let listener = Listener::adopt(listener.into(), &self.system.kernel)?;
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
        let listener = Listener::share(listener.into(), &self.system.kernel)?;
        Ok(self.with(listener))
    }

    fn bound(&self, address: &Address) -> io::Result<Listener<NativeListener>> {
        Listener::bind(address, self.system.options, &self.system.kernel)
    }

    /// Answers health checks on an address of their own: `/livez` and `/readyz`, see
    /// [`Handle::health`](crate::Handle::health); with the feature `metrics`, `/metrics` as well.
    /// It serves through the drain and closes last; its connections hold nothing and stand in no
    /// report.
    ///
    /// ```
    /// use neap_smol::Server;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let server = Server::bind("127.0.0.1:0")?.admin(&"127.0.0.1:0".parse().unwrap())?;
    /// println!("health checks on http://{}", server.admin_addresses()[0]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If it cannot be bound.
    pub fn admin(mut self, address: &Address) -> io::Result<Server> {
        let plain = self.system.kernel.plain();
        self.admin
            .push(Listener::bind(address, self.system.options, &plain)?);
        self.open_admin = Some(admin::open);
        #[cfg(feature = "metrics")]
        return Ok(self.metrics(true));
        #[cfg(not(feature = "metrics"))]
        Ok(self)
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
        self.system.signals = Some(crate::signals::StopSignals::install()?);
        Ok(self)
    }

    /// Serves on a thread of its own, or on [as many as it is told](Server::threads), until the
    /// shutdown is done, and reports. The handler's futures need not be `Send`: they never leave
    /// their thread. The caller's thread listens for signals and keeps the deadline.
    ///
    /// A handler that blocks its thread cannot put that off: when the time is up, all connections
    /// and listeners are ended and the report is returned, with the handler counted as
    /// [`stuck`](Report::stuck). Its thread is left behind, with its handlers and its end of the
    /// closed sockets, and ends if the handler ever returns.
    ///
    /// # Errors
    ///
    /// If there is no listener, or a thread is not to be had.
    ///
    /// # Panics
    ///
    /// If an observer of [`on_event`](Server::on_event) panicked. Panics of handlers stay there.
    pub fn run<H, F>(mut self, handler: H) -> io::Result<Report>
    where
        H: Fn(Request<Body>) -> F + Clone + Send + 'static,
        F: Future<Output: IntoResponse>,
    {
        if self.listeners.is_empty() {
            let message = "no address to listen on: call Server::bind or Server::listen";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let shared = Arc::clone(&self.owner.0);
        watchdog::take_over(&shared);
        let mut signals = self.system.signals.take();
        // What has come before counts from the first turn on.
        watchdog::hear(&shared, &mut signals, Waker::noop());
        let threads = Threads::start(self, handler)?;
        match watchdog::watch(&shared, &mut signals) {
            Some(report) => {
                threads.join_unblocked();
                Ok(report)
            }
            None => threads.join(),
        }
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

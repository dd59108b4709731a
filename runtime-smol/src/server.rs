//! Building and running a server.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{Request, StatusCode};
use neap_core::{Config, Refusal};

use crate::admin;
use crate::conductor::{Conducting, Conductor, Parts};
use crate::connections::Connections;
use crate::course::Rules;
use crate::environment::Environment;
use crate::event::{Event, Observer};
use crate::listener::{Listener, Ownership};
use crate::listeners::Listeners;
use crate::refusal::{RefusalPage, Refusals};
use crate::run_queue::Part;
use crate::seal::Rung;
use crate::serve::Serve;
use crate::serving::Here;
use crate::shared::{Owner, Shared};
use crate::system::{Native, System};
use crate::threads::{StartSeveral, Threads};
use crate::{Address, Body, Handle, Interrupt, IntoResponse};

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
pub struct Server<S: System = Native> {
    pub(crate) system: S,
    pub(crate) config: Config,
    max_connections: usize,
    /// How many threads [`run`](Server::run) serves on.
    pub(crate) threads: usize,
    /// How those are started, where there are several.
    pub(crate) several: Option<StartSeveral>,
    seal: Rung,
    pub(crate) listeners: Vec<Listener<S::Listener>>,
    pub(crate) admin: Vec<Listener<S::Listener>>,
    /// How those are served, once there are any.
    pub(crate) open_admin: Option<admin::Open<S::Listener>>,
    interrupt: Interrupt,
    pub(crate) observer: Observer,
    pub(crate) refusals: Refusals,
    pub(crate) owner: Owner,
}

impl<S: System> Server<S> {
    /// A server on a system of your own, without a listener yet, with the default settings.
    #[must_use]
    pub fn on(system: S) -> Server<S> {
        Server {
            owner: Owner(Arc::new(Shared::new(system.origin()))),
            system,
            config: Config::default(),
            max_connections: usize::MAX,
            threads: 1,
            several: None,
            seal: Rung::default(),
            listeners: Vec::new(),
            admin: Vec::new(),
            open_admin: None,
            interrupt: Interrupt::default(),
            observer: Observer::default(),
            refusals: Refusals::default(),
        }
    }

    /// Listens by `socket`, too, a socket of that system's at `address`.
    #[must_use]
    pub fn socket(self, socket: S::Listener, address: Address, ownership: Ownership) -> Server<S> {
        self.with(Listener::new(socket, address, ownership))
    }

    pub(crate) fn with(mut self, listener: Listener<S::Listener>) -> Server<S> {
        self.listeners.push(listener);
        self
    }

    /// What `/readyz` answers from the drain's first moment on. Default: 503. HAProxy with
    /// `http-check disable-on-404` takes 404 for a server that drains, 503 for one that is down.
    #[must_use]
    pub fn draining_status(self, status: StatusCode) -> Server<S> {
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
    pub fn config(mut self, config: Config) -> Server<S> {
        if let Err(error) = config.check() {
            panic!("{error}");
        }
        self.config = config;
        self
    }

    /// How many connections may be open at once. Above it accepting pauses: clients wait in the
    /// queue, none is reset. Default: the limit of open files, less some for the program.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Server<S> {
        self.max_connections = connections;
        self
    }

    /// How many threads [`run`](Server::run) serves on; zero counts as one. Each has a clone of the
    /// handler, a reactor and connections of its own, whose handlers never leave it. What is said
    /// for the whole server, [`max_connections`](Server::max_connections) for one, holds for all of
    /// them together. Default: 1, because a program that embeds a server may have other uses for
    /// its cores.
    ///
    /// One more thread accepts, and conducts the shutdown. Whom it accepts is taken in by a thread
    /// that has time, that with the fewest connections first; so a handler that blocks its thread
    /// blocks the connections that are on it already, and nobody else.
    ///
    /// ```no_run
    /// use neap_smol::Server;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let cores = std::thread::available_parallelism()?;
    /// let server = Server::bind("127.0.0.1:8080")?.threads(cores.get());
    /// let report = server.run(|_request| async { "Hello, World!" })?;
    /// println!("{report}");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Server<S> {
        self.threads = threads;
        self.several = (threads > 1).then_some(Threads::start_several);
        self
    }

    /// The first rung of the ladder that is tried when a listener is sealed. Default: the first
    /// there is, which is right unless it is the rungs below that you want to see at work.
    #[must_use]
    pub fn seal(mut self, first: Rung) -> Server<S> {
        self.seal = first;
        self
    }

    /// What SIGINT does, if signals were asked for. Default: the same as SIGTERM.
    #[must_use]
    pub fn interrupt(mut self, interrupt: Interrupt) -> Server<S> {
        self.interrupt = interrupt;
        self
    }

    /// Calls `observe` with everything that an operator may want to know. It is called on the
    /// thread that has something to tell, of several perhaps at the same time, and should return
    /// soon.
    #[must_use]
    pub fn on_event(mut self, observe: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Server<S> {
        self.observer = Observer(Some(Arc::new(observe)));
        self
    }

    /// Lets the log name the targets of requests that hold the drain ([`crate::Holder`]), which may
    /// hold what is not for everybody's eyes. Default: no.
    #[must_use]
    pub fn log_targets(self, on: bool) -> Server<S> {
        self.owner.0.log_targets.store(on, Ordering::Relaxed);
        self
    }

    /// Whether requests are timed, for [`Handle::metrics`]. Default: as soon as there is an admin
    /// listener to tell them. An endpoint of your own asks for it:
    ///
    /// ```no_run
    /// use neap_smol::Server;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let server = Server::bind("127.0.0.1:8080")?.metrics(true);
    /// let handle = server.handle();
    /// server.run(move |_request| {
    ///     let metrics = handle.metrics();
    ///     async { metrics }
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn metrics(self, on: bool) -> Server<S> {
        self.owner.0.is_measured.store(on, Ordering::Relaxed);
        self
    }

    /// Gives the server's own responses, to requests that break the protocol for instance, another
    /// look than a short text. It is called on the thread that serves, of several perhaps at the
    /// same time, and should return soon.
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
    ) -> Server<S> {
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
    /// `blocking::unblock`. If one is blocked when the shutdown's time is up, a watchdog ends all
    /// connections and listeners, and [`Handle::done`] gives the report; this future gives the same
    /// when its thread comes back to it. It is a thread that begins with the drain and ends with
    /// the server. Signals are read by this future: one that comes while its thread is blocked
    /// counts from the moment it is not any more. [`run`](Server::run) has no such limits. One
    /// future runs on one thread at a time, whatever [`threads`](Server::threads) says.
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
    pub fn serve<H, F>(self, handler: H) -> Serve<H, F, S>
    where
        H: Fn(Request<Body>) -> F,
        F: Future<Output: IntoResponse>,
    {
        let shared = Arc::clone(&self.owner.0);
        let env = Environment::new(handler, self.observer.clone(), self.refusals.clone());
        let connections = Connections::new(&shared, &shared.seat, Part::Connection);
        Serve(self.conducting(Here::new(&shared, connections, env)))
    }

    /// The server on its way, with `serving` to serve whom it accepts.
    pub(crate) fn conducting<C>(self, serving: C) -> Conducting<C, S> {
        let conductor = self.conductor();
        Conducting { serving, conductor }
    }

    fn conductor(self) -> Conductor<S> {
        let observer = self.observer.clone();
        let admin = self
            .open_admin
            .map(|open| open(self.admin, &self.owner.0, observer));
        let listeners = Listeners::new(self.listeners, self.max_connections, self.seal);
        let mut course = self.owner.0.course();
        course.rules = Rules {
            config: self.config,
            interrupt: self.interrupt,
        };
        course.observer = self.observer.clone();
        course.listeners = listeners.watched().collect();
        if let Some(admin) = &admin {
            course.listeners.extend(admin.watched());
            course.admin = Some(admin.registry());
        }
        drop(course);
        let parts = Parts {
            config: self.config,
            system: self.system,
            listeners,
            admin,
            observer: self.observer,
            owner: self.owner,
        };
        Conductor::new(parts)
    }
}

impl<S: System> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.addresses())
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl<S: System> fmt::Display for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for listener in &self.listeners {
            write!(f, "{separator}{}", listener.address())?;
            separator = ", ";
        }
        Ok(())
    }
}

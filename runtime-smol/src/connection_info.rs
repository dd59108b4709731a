//! What a handler can know of the connection that its request came by.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Instant;

use http::Request;
use neap_core::{Phase, Progress, State, Time};

use crate::event::Holder;
use crate::ledger::Ledger;
use crate::report::Aborted;
use crate::shared::Shared;
use crate::{Address, Body};

/// The connection that a request came by. Each request's [`Body`] knows it.
///
/// ```
/// use http::Request;
/// use neap_smol::{Body, ConnectionInfo};
///
/// async fn who_am_i(request: Request<Body>) -> String {
///     match ConnectionInfo::of(&request) {
///         Some(connection) => connection.peer().to_string(),
///         None => "somebody without a socket".into(),
///     }
/// }
/// ```
#[derive(Clone)]
pub struct ConnectionInfo(Arc<Info>);

pub(crate) struct Info {
    peer: Address,
    local: Address,
    is_secure: bool,
    server: Arc<Shared>,
    ledger: Ledger,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl ConnectionInfo {
    /// The connection that `request` came by; `None` of a request that no server has made.
    #[must_use]
    pub fn of(request: &Request<Body>) -> Option<&ConnectionInfo> {
        request.body().connection()
    }

    pub(crate) fn new(
        peer: Address,
        local: Address,
        is_secure: bool,
        server: &Arc<Shared>,
        ledger: Ledger,
    ) -> ConnectionInfo {
        ConnectionInfo(Arc::new(Info {
            #[cfg(feature = "tracing")]
            span: crate::trace::connection(&peer, &local),
            peer,
            local,
            is_secure,
            server: Arc::clone(server),
            ledger,
        }))
    }

    pub(crate) fn downgrade(&self) -> Weak<Info> {
        Arc::downgrade(&self.0)
    }

    pub(crate) fn upgrade(info: &Weak<Info>) -> Option<ConnectionInfo> {
        info.upgrade().map(ConnectionInfo)
    }

    #[cfg(feature = "tracing")]
    pub(crate) fn span(&self) -> &tracing::Span {
        &self.0.span
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn server(&self) -> &Shared {
        &self.0.server
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// What the report says of it, if it was cut off while it was `state`.
    pub(crate) fn aborted(&self, state: State, now: Time) -> Aborted {
        let ledger = self.ledger();
        Aborted {
            peer: self.peer().clone(),
            state,
            age: now.since(ledger.accepted),
            bytes_in: ledger.received(),
            bytes_out: ledger.sent(),
        }
    }

    /// What the log says of it, if it holds the drain by being `state`.
    pub(crate) fn holder(&self, state: State, now: Time) -> Holder {
        let ledger = self.ledger();
        Holder {
            peer: self.peer().clone(),
            state,
            age: now.since(ledger.accepted),
            target: ledger.target(),
        }
    }

    /// The client's address.
    #[must_use]
    pub fn peer(&self) -> &Address {
        &self.0.peer
    }

    /// The address that the client connected to. Where a TCP listener is on all interfaces, this
    /// names the one.
    #[must_use]
    pub fn local(&self) -> &Address {
        &self.0.local
    }

    /// Whether TLS carries it, up to here.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.0.is_secure
    }

    /// Tells of the server's shutdown, like the request's own [`Shutdown`].
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        Shutdown {
            server: Arc::clone(&self.0.server),
            upgraded: false,
        }
    }

    /// The same for who owns the connection, which speaks another protocol now.
    pub(crate) fn goodbye(&self) -> Shutdown {
        Shutdown {
            upgraded: true,
            ..self.shutdown()
        }
    }

    /// Tells the server's observer.
    #[cfg(feature = "tower")]
    pub(crate) fn tell(&self, event: &crate::Event<'_>) {
        let observer = self.0.server.course().observer.clone();
        observer.tell(event);
    }

    /// Whether the target of a request is to be remembered, for the log.
    pub(crate) fn logs_targets(&self) -> bool {
        self.0.server.log_targets.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for ConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionInfo")
            .field("peer", &self.peer)
            .field("local", &self.local)
            .finish()
    }
}

#[cfg(test)]
impl ConnectionInfo {
    pub(crate) fn of_nobody() -> ConnectionInfo {
        let nobody = Address::Unnamed;
        let ledger = Ledger::new(Time::ZERO, Weak::new());
        let server = Arc::new(Shared::new(None));
        ConnectionInfo::new(nobody.clone(), nobody, false, &server, ledger)
    }

    /// How many know it, beside those that only may.
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

/// Tells a handler of the server's shutdown. What to make of it is the handler's choice:
///
/// - **Finish**: a handler that will be done soon does nothing, and the drain waits for it. It may
///   look at [`is_draining`](Shutdown::is_draining), to leave out what is not urgent.
/// - **Stop at the drain**: one whose response goes on until somebody ends it (server-sent events,
///   a long poll) ends it when [`stop_asked`](Shutdown::stop_asked) is ready, so that its client
///   reconnects elsewhere. `examples/sse.rs` and `examples/long_poll.rs` do.
/// - **Ignore it until the deadline**: one that wants all the time it can get goes on, and is
///   dropped when that is over: its response is cut, and its request counted as lost. It can be in
///   time by [`deadline`](Shutdown::deadline).
///
/// ```
/// use http::Request;
/// use neap_smol::{Body, Shutdown};
///
/// /// Waits for news, and sends the client elsewhere if the server stops first.
/// async fn long_poll(request: Request<Body>) -> &'static str {
///     let Some(shutdown) = Shutdown::of(&request) else {
///         return "";
///     };
///     let news = async { "news" };
///     let stop = async {
///         shutdown.stop_asked().await;
///         "no news; ask again"
///     };
///     futures_lite::future::or(news, stop).await
/// }
/// ```
#[derive(Clone)]
pub struct Shutdown {
    server: Arc<Shared>,
    /// Whether it is for the owner of an upgraded connection, who may have less time.
    upgraded: bool,
}

impl Shutdown {
    /// What tells the handler of `request`; `None` of a request that no server has made.
    #[must_use]
    pub fn of(request: &Request<Body>) -> Option<Shutdown> {
        ConnectionInfo::of(request).map(ConnectionInfo::shutdown)
    }

    /// Whether the drain has begun, a lame duck's time included. True until it is called off.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.server.progress().phase() >= Phase::Draining
    }

    /// Ready once nobody new is accepted any more: time to end what would not end by itself. In
    /// lame duck it is not ready yet. Cancel safe.
    pub async fn stop_asked(&self) {
        self.server.reached(Progress::Sealing).await;
    }

    /// When whoever is still there is dropped, and its response cut. It is known from the drain's
    /// first moment on; `None` before, and where [`Drain::deadline`](crate::Drain::deadline) is
    /// without end. A drain that is ended by force ends before it. An upgraded connection may end
    /// before it, too: that of its [`Upgraded`](crate::Upgraded) counts
    /// [`Drain::upgraded_grace`](crate::Drain::upgraded_grace) in.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use neap_smol::Shutdown;
    ///
    /// /// How long a handler may go on, with a second left to say goodbye.
    /// fn time_left(shutdown: &Shutdown) -> Option<Duration> {
    ///     let left = shutdown.deadline()?.saturating_duration_since(Instant::now());
    ///     Some(left.saturating_sub(Duration::from_secs(1)))
    /// }
    /// ```
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.server.deadline(self.upgraded)
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shutdown")
            .field(&self.server.progress())
            .finish()
    }
}

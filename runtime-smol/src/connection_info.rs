//! What a handler can know of the connection that its request came by.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use neap_core::{Phase, Progress, State, Time};

use crate::Address;
use crate::handle::Shared;
use crate::ledger::Ledger;
use crate::report::Aborted;

/// The connection that a request came by; among the extensions of each request.
///
/// ```
/// use http::Request;
/// use neap_smol::{Body, ConnectionInfo};
///
/// async fn who_am_i(request: Request<Body>) -> String {
///     match request.extensions().get::<ConnectionInfo>() {
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
    server: Arc<Shared>,
    ledger: Ledger,
}

impl ConnectionInfo {
    pub(crate) fn new(
        peer: Address,
        local: Address,
        server: &Arc<Shared>,
        ledger: Ledger,
    ) -> ConnectionInfo {
        ConnectionInfo(Arc::new(Info {
            peer,
            local,
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

    /// Tells of the server's shutdown.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        Shutdown(Arc::clone(&self.0.server))
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
        ConnectionInfo::new(nobody.clone(), nobody, &Arc::new(Shared::new(None)), ledger)
    }

    /// How many know it, beside those that only may.
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

/// Tells a handler of the server's shutdown, in the way it chooses:
///
/// - One that will be finished soon does nothing: the drain waits for it. It may look at
///   [`is_draining`](Shutdown::is_draining).
/// - One whose response goes on until somebody ends it (server-sent events, a long poll) ends it
///   when [`stop_asked`](Shutdown::stop_asked) is ready, so that its client reconnects elsewhere.
/// - One that wants the time it can get goes on, and is dropped at the deadline.
///
/// ```
/// use http::Request;
/// use neap_smol::{Body, ConnectionInfo};
///
/// /// Waits for news, and sends the client elsewhere if the server stops first.
/// async fn long_poll(request: Request<Body>) -> &'static str {
///     let Some(connection) = request.extensions().get::<ConnectionInfo>() else {
///         return "";
///     };
///     let news = async { "news" };
///     let stop = async {
///         connection.shutdown().stop_asked().await;
///         "no news; ask again"
///     };
///     futures_lite::future::or(news, stop).await
/// }
/// ```
#[derive(Clone)]
pub struct Shutdown(Arc<Shared>);

impl Shutdown {
    /// Whether the drain has begun, a lame duck's time included. True until it is called off.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.progress().phase() >= Phase::Draining
    }

    /// How long it is until what has not ended by itself is cut off. `None` while the server does
    /// not drain, and if its deadline never comes.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        self.0.time_left()
    }

    /// Ready once nobody new is accepted any more: time to end what would not end by itself. In
    /// lame duck it is not ready yet. Cancel safe.
    pub async fn stop_asked(&self) {
        self.0.reached(Progress::Sealing).await;
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shutdown").field(&self.0.progress()).finish()
    }
}

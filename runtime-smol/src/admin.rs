//! The admin listener: health, on an address of its own, to the very end.
//!
//! Its connections are nobody's business but its own: they are in no census, hold no drain and
//! stand in no report. It is what a balancer asks while everything else goes down.
//!
//! The server knows it by a trait, and by a function that [`Server::admin`](crate::Server::admin)
//! leaves with it: a program that never calls that is linked without all this.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Waker};

use http::{Method, Request, Response, StatusCode};
use neap_core::{Config, HttpDate, Listening, Phase, Tick, Time};

use crate::connections::Connections;
use crate::environment::Environment;
use crate::event::Observer;
use crate::listener::{Listener, Watched};
use crate::listeners::{Duty, Listeners};
use crate::listening::{Carrier, NativeListener};
use crate::refusal::Refusals;
use crate::registry::Registry;
use crate::run_queue::{Part, PartWaker};
use crate::seal::Rung;
use crate::serving::{Here, Serving};
use crate::shared::Shared;
use crate::{Body, Full, Handle, IntoResponse};

/// Connections to the admin listener at once: probes are few.
const CONNECTIONS: usize = 64;

type Answer = Ready<Response<Full>>;
type Answering = Box<dyn Fn(Request<Body>) -> Answer + Send>;

/// What a server does for its admin listeners.
pub(crate) trait Administer: Send {
    /// What a watchdog needs.
    fn watched(&self) -> Vec<Watched>;

    /// Who is connected.
    fn registry(&self) -> Arc<Registry>;

    fn next_deadline(&self) -> Time;

    /// Accepts who is waiting.
    fn poll_listeners(&mut self, now: Time, config: &Config, date: HttpDate);

    fn poll_connection(&mut self, index: usize, now: Time, config: &Config, date: HttpDate);

    fn handle_timeout(&mut self, now: Time, config: &Config, date: HttpDate);

    /// The server is done: so is this.
    fn end(&mut self, now: Time, config: &Config);
}

/// Begins to serve admin listeners, which are some.
pub(crate) type Open<L> =
    fn(Vec<Listener<L>>, &Arc<Shared>, observer: Observer) -> Box<dyn Administer>;

/// The admin listeners and their connections.
struct Admin {
    listeners: Listeners<NativeListener>,
    serving: Here<Answering, Answer, Carrier>,
    waking: (Arc<PartWaker>, Waker),
}

/// [Begins](Open) to serve those of a server on the operating system.
pub(crate) fn open(
    listeners: Vec<Listener<NativeListener>>,
    server: &Arc<Shared>,
    observer: Observer,
) -> Box<dyn Administer> {
    Box::new(Admin::new(listeners, server, observer))
}

impl Admin {
    fn new(
        listeners: Vec<Listener<NativeListener>>,
        server: &Arc<Shared>,
        observer: Observer,
    ) -> Admin {
        // Its own totals and registry, on the server's run queue.
        let own = Arc::new(Shared::beside(server));
        let handle = Handle::new(server);
        let answer: Answering = Box::new(move |request| ready(answer(&handle, &request)));
        let waking = PartWaker::new(&server.seat.queue, Part::AdminListeners);
        let waker = Waker::from(Arc::clone(&waking));
        waker.wake_by_ref();
        let connections = Connections::new(&own, &own.seat, Part::AdminConnection);
        let env = Environment::new(answer, observer, Refusals::default());
        Admin {
            listeners: Listeners::new(listeners, CONNECTIONS, Rung::Plain),
            serving: Here::new(&own, connections, env),
            waking: (waking, waker),
        }
    }

    fn accept(&mut self, now: Time, config: &Config, date: HttpDate) {
        self.serving.set_date(date);
        let Admin {
            listeners,
            serving,
            waking,
        } = self;
        let observer = serving.env.observer.clone();
        let listening = Listening::Accept;
        let duty = Duty {
            listening,
            now,
            drain: &config.drain,
            observer: &observer,
        };
        let t = tick(now, Phase::Running, config);
        let mut cx = Context::from_waker(&waking.1);
        let open = serving.open();
        listeners.poll(&duty, open, &mut cx, &mut |arrival| {
            serving.admit(t, arrival);
            serving.open()
        });
    }
}

impl Administer for Admin {
    fn watched(&self) -> Vec<Watched> {
        self.listeners.watched().collect()
    }

    fn registry(&self) -> Arc<Registry> {
        self.serving.connections.registry()
    }

    fn next_deadline(&self) -> Time {
        self.serving
            .next_deadline()
            .min(self.listeners.next_deadline())
    }

    fn poll_listeners(&mut self, now: Time, config: &Config, date: HttpDate) {
        self.waking.0.clear();
        self.listeners.wake();
        self.accept(now, config, date);
    }

    fn poll_connection(&mut self, index: usize, now: Time, config: &Config, date: HttpDate) {
        self.serving.set_date(date);
        let t = tick(now, Phase::Running, config);
        if self.serving.poll(index, t) {
            self.listeners.room_was_made();
            self.accept(now, config, date);
        }
    }

    fn handle_timeout(&mut self, now: Time, config: &Config, date: HttpDate) {
        self.serving.set_date(date);
        self.listeners.handle_timeout(now);
        let t = tick(now, Phase::Running, config);
        while self.serving.expire(t) {
            self.listeners.room_was_made();
        }
        self.accept(now, config, date);
    }

    fn end(&mut self, now: Time, config: &Config) {
        self.serving.poll_all(tick(now, Phase::Done, config));
    }
}

/// To its own clients the admin listener is always running.
fn tick(now: Time, phase: Phase, config: &Config) -> Tick<'_> {
    Tick {
        now,
        phase,
        sealing: Time::NEVER,
        config,
    }
}

fn answer(handle: &Handle, request: &Request<Body>) -> Response<Full> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = StatusCode::METHOD_NOT_ALLOWED.into_response();
        let allow = http::HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(http::header::ALLOW, allow);
        return response;
    }
    #[cfg(feature = "metrics")]
    if request.uri().path() == "/metrics" {
        let mut response = handle.metrics().into_response();
        let text = http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        let fields = response.headers_mut();
        fields.insert(http::header::CONTENT_TYPE, text);
        return response;
    }
    handle
        .health(request.uri().path())
        .unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
}

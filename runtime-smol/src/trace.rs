//! What a server tells `tracing`: a span for each connection and for each request, and its events.
//!
//! Of what clients send, only a request's method is told; the target, which may hold what is not
//! for everybody's eyes, where [`Server::log_targets`](crate::Server::log_targets) asks for it.

use http::Request;
use tracing::field::Empty;
use tracing::{Level, Span, event, info_span};

use crate::{Address, Body, ConnectionInfo, Event, Progress, Report};

/// The span of a connection; it ends with the last that knows of the connection.
pub(crate) fn connection(peer: &Address, local: &Address) -> Span {
    info_span!(target: "neap", parent: None, "connection", %peer, %local)
}

/// The span of a request, within that of its connection.
pub(crate) fn request(info: &ConnectionInfo, request: &Request<Body>) -> Span {
    let method = request.method().as_str();
    let span = info_span!(
        target: "neap", parent: info.span(), "request", method, target = Empty, status = Empty
    );
    if info.logs_targets() && !span.is_disabled() {
        span.record("target", request.uri().to_string());
    }
    span
}

/// Passes on what the observer is told.
pub(crate) fn tell(told: &Event<'_>) {
    macro_rules! at {
        ($level:expr) => {
            event!(target: "neap", $level, event = name(told), "{told}")
        };
    }
    match told {
        Event::Phase { phase, census, .. } => event!(
            target: "neap",
            Level::INFO,
            event = name(told),
            phase = phase.name(),
            open = census.open(),
            "{told}"
        ),
        Event::Signal { .. } | Event::Waiting { .. } | Event::ListenerClosed { .. } => {
            at!(Level::INFO);
        }
        Event::Refused { .. } | Event::HandshakeFailed { .. } => at!(Level::DEBUG),
        Event::AcceptPaused { .. } | Event::LengthMismatch { .. } | Event::BodyFailed { .. } => {
            at!(Level::WARN);
        }
        Event::Blocked { .. }
        | Event::ListenerFailed { .. }
        | Event::HandlerPanicked { .. }
        | Event::ServiceFailed { .. }
        | Event::InvalidResponse { .. } => at!(Level::ERROR),
    }
}

/// The shutdown has taken a step. Steps that take no time may be left out.
pub(crate) fn progress(progress: Progress) {
    let step = match progress {
        Progress::Running => "running",
        Progress::LameDuck => "lame_duck",
        Progress::Sealing => "sealing",
        Progress::Waiting => "waiting",
        Progress::Closing => "closing",
        // The report says so, at once.
        Progress::Done => return,
    };
    event!(target: "neap", Level::DEBUG, event = "progress", step);
}

/// The server is done.
pub(crate) fn done(report: &Report) {
    event!(
        target: "neap",
        Level::INFO,
        event = "done",
        clean = report.is_clean(),
        lost = report.lost,
        "{report}"
    );
}

/// What kind of event it is.
fn name(event: &Event<'_>) -> &'static str {
    match event {
        Event::Signal { .. } => "signal",
        Event::Phase { .. } => "phase",
        Event::Waiting { .. } => "waiting",
        Event::Blocked { .. } => "blocked",
        Event::ListenerClosed { .. } => "listener_closed",
        Event::AcceptPaused { .. } => "accept_paused",
        Event::ListenerFailed { .. } => "listener_failed",
        Event::HandshakeFailed { .. } => "handshake_failed",
        Event::Refused { .. } => "refused",
        Event::HandlerPanicked { .. } => "handler_panicked",
        Event::ServiceFailed { .. } => "service_failed",
        Event::BodyFailed { .. } => "body_failed",
        Event::LengthMismatch { .. } => "length_mismatch",
        Event::InvalidResponse { .. } => "invalid_response",
    }
}

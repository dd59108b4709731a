//! What is kept of each request for whoever watches the server: a span, and how long it took.
//! Without the features `tracing` and `metrics` it is nothing, and costs nothing.

use http::{Request, StatusCode};

use crate::{Body, ConnectionInfo};

/// A request, as those who watch see it. It ends when this is dropped.
pub(crate) struct Account {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
    #[cfg(feature = "metrics")]
    measure: Option<crate::metrics::Measure>,
}

#[cfg_attr(
    not(any(feature = "tracing", feature = "metrics")),
    allow(unused_variables, clippy::unused_self, reason = "nobody watches")
)]
impl Account {
    /// A request begins.
    pub(crate) fn begin(info: &ConnectionInfo, request: &Request<Body>) -> Account {
        Account {
            #[cfg(feature = "tracing")]
            span: crate::trace::request(info, request),
            #[cfg(feature = "metrics")]
            measure: crate::metrics::Measure::begin(info, request.method()),
        }
    }

    /// Calls the handler, or the body of its response.
    pub(crate) fn within<T>(&self, call: impl FnOnce() -> T) -> T {
        #[cfg(feature = "tracing")]
        let _entered = self.span.enter();
        call()
    }

    /// Its response begins.
    pub(crate) fn replied(&mut self, status: StatusCode) {
        #[cfg(feature = "tracing")]
        self.span.record("status", status.as_u16());
        #[cfg(feature = "metrics")]
        if let Some(measure) = &mut self.measure {
            measure.replied(status);
        }
    }
}

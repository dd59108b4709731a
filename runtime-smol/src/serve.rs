//! The server's future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Request;

use crate::conductor::{Conducting, TransportOf};
use crate::report::Report;
use crate::serving::{Here, Serving};
use crate::system::{Native, System};
use crate::{Body, IntoResponse};

/// A running server: a future that is ready, with the report, when the server is done.
///
/// All connections live inside it. **Dropping it drops them at once**, with their handlers; to stop
/// gracefully, call [`Handle::drain`](crate::Handle::drain) and go on polling until it is ready.
///
/// It is `Send` if the handler and its futures are, and needs no executor: it can be awaited
/// anywhere.
#[must_use = "futures do nothing unless polled"]
pub struct Serve<H, F: Future<Output: IntoResponse>, S: System = Native>(
    pub(crate) Conducting<Here<H, F, TransportOf<S>>, S>,
);

impl<H, F, S> Future for Serve<H, F, S>
where
    H: Fn(Request<Body>) -> F,
    F: Future<Output: IntoResponse>,
    S: System,
{
    type Output = Report;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Report> {
        Pin::new(&mut self.get_mut().0).poll(cx)
    }
}

// Nothing in it is pinned in place: handlers and bodies are boxed.
impl<H, F: Future<Output: IntoResponse>, S: System> Unpin for Serve<H, F, S> {}

impl<H, F, S> fmt::Debug for Serve<H, F, S>
where
    H: Fn(Request<Body>) -> F,
    F: Future<Output: IntoResponse>,
    S: System,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("lifecycle", &self.0.conductor.lifecycle)
            .field("connections", &self.0.serving.open())
            .finish_non_exhaustive()
    }
}

//! Services of tower as handlers, and what of its layers needs a runtime to be told the time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_io::Timer;
use http::{Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::event::Event;
use crate::{Body, BoxError, ConnectionInfo};

/// Makes a handler of a [`tower_service::Service`], an axum `Router` for instance.
///
/// Each request gets a clone of the service, which is called once it
/// [is ready](tower_service::Service::poll_ready). An error of the service is answered by 500, and
/// told as [`Event::ServiceFailed`].
///
/// What layers and extractors of axum take from tokio, the server has itself. As an `Extension` of
/// the request there are who the client is ([`ConnectionInfo`]), the drain
/// ([`Shutdown`](crate::Shutdown)), and another protocol, where one is wished for
/// ([`Upgrade`](crate::Upgrade)). The time is kept by [`TimeoutLayer`] and
/// [`Heartbeat`](crate::Heartbeat).
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use neap_smol::{Server, service};
///
/// # fn main() -> std::io::Result<()> {
/// let app = Router::new().route("/", get(async || "Hello, World!"));
/// let report = Server::bind("127.0.0.1:8080")?.run(service(app))?;
/// println!("{report}");
/// # Ok(())
/// # }
/// ```
pub fn service<S, B>(service: S) -> impl Fn(Request<Body>) -> Calling<S> + Clone
where
    S: Service<Request<Body>, Response = Response<B>> + Clone,
{
    move |mut request: Request<Body>| {
        let peer = ConnectionInfo::of(&request).cloned();
        if let Some(info) = &peer {
            // Layers may change the body, which knows it.
            request.extensions_mut().insert(info.shutdown());
            request.extensions_mut().insert(info.clone());
        }
        Calling {
            peer,
            request: Some(request),
            service: service.clone(),
            called: None,
        }
    }
}

pin_project! {
    /// A request on its way through a [`service`].
    pub struct Calling<S: Service<Request<Body>>> {
        service: S,
        request: Option<Request<Body>>,
        peer: Option<ConnectionInfo>,
        #[pin]
        called: Option<S::Future>,
    }
}

impl<S: Service<Request<Body>>> fmt::Debug for Calling<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Calling").field(&self.peer).finish()
    }
}

impl<S, B> Future for Calling<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
{
    type Output = Response<ServiceBody<B>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(request) = this.request.take() {
            match this.service.poll_ready(cx) {
                Poll::Pending => {
                    *this.request = Some(request);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(())) => this.called.set(Some(this.service.call(request))),
                Poll::Ready(Err(error)) => return Poll::Ready(failed(this.peer.as_ref(), error)),
            }
        }
        let Some(called) = this.called.as_pin_mut() else {
            return Poll::Pending;
        };
        Poll::Ready(match ready!(called.poll(cx)) {
            Ok(response) => response.map(|body| ServiceBody { body: Some(body) }),
            Err(error) => failed(this.peer.as_ref(), error),
        })
    }
}

fn failed<B>(
    info: Option<&ConnectionInfo>,
    error: impl Into<BoxError>,
) -> Response<ServiceBody<B>> {
    if let Some(info) = info {
        info.tell(&Event::ServiceFailed {
            peer: info.peer(),
            error: &*error.into(),
        });
    }
    let mut response = Response::new(ServiceBody { body: None });
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

pin_project! {
    /// The body of a service's response: none where the service failed.
    #[derive(Debug)]
    pub struct ServiceBody<B> {
        #[pin]
        body: Option<B>,
    }
}

impl<B: http_body::Body> http_body::Body for ServiceBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().body.as_pin_mut() {
            Some(body) => body.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

/// Gives handlers so long for their response to begin, and answers in their stead when they are
/// late: by 503, or by [another status](TimeoutLayer::with_status). The handler is dropped then.
///
/// A layer of tower, for services that run where tokio does not.
///
/// ```
/// use std::time::Duration;
/// use axum::{Router, routing::get};
/// use neap_smol::TimeoutLayer;
///
/// let app: Router = Router::new()
///     .route("/", get(async || "Hello, World!"))
///     .layer(TimeoutLayer::new(Duration::from_secs(10)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TimeoutLayer {
    after: Duration,
    status: StatusCode,
}

impl TimeoutLayer {
    /// Gives them `after`.
    #[must_use]
    pub const fn new(after: Duration) -> TimeoutLayer {
        TimeoutLayer {
            after,
            status: StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Answers by `status`.
    #[must_use]
    pub const fn with_status(self, status: StatusCode) -> TimeoutLayer {
        TimeoutLayer { status, ..self }
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Timeout<S> {
        Timeout {
            inner,
            layer: *self,
        }
    }
}

/// A service whose responses begin in time; see [`TimeoutLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Timeout<S> {
    inner: S,
    layer: TimeoutLayer,
}

impl<S, R, B> Service<R> for Timeout<S>
where
    S: Service<R, Response = Response<B>>,
    B: Default,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Timed<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Timed<S::Future> {
        Timed {
            inner: self.inner.call(request),
            timer: Timer::after(self.layer.after),
            status: self.layer.status,
        }
    }
}

pin_project! {
    /// A response that begins in time; see [`TimeoutLayer`].
    #[derive(Debug)]
    pub struct Timed<F> {
        #[pin]
        inner: F,
        timer: Timer,
        status: StatusCode,
    }
}

impl<F, B, E> Future for Timed<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if let Poll::Ready(response) = this.inner.poll(cx) {
            return Poll::Ready(response);
        }
        ready!(Pin::new(this.timer).poll(cx));
        let mut response = Response::new(B::default());
        *response.status_mut() = *this.status;
        Poll::Ready(Ok(response))
    }
}

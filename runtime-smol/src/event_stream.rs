//! Server-sent events, with a heartbeat, that end when the server drains.

use std::fmt::{self, Write};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::Timer;
use bytes::Bytes;
use futures_lite::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Request, Response};
use http_body::Frame;

use crate::{Body, BoxError, IntoResponse, Shutdown};

/// How long nothing is sent before a comment is, by default: proxies end what is silent for a
/// minute.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// One event of a stream of server-sent events.
///
/// ```
/// use neap_smol::ServerSentEvent;
///
/// let event = ServerSentEvent::new("two\nlines").name("news").id("7");
/// assert_eq!(event.to_string(), "id: 7\nevent: news\ndata: two\ndata: lines\n\n");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSentEvent(String);

impl ServerSentEvent {
    /// An event with this data, of any number of lines.
    #[must_use]
    pub fn new(data: impl AsRef<str>) -> ServerSentEvent {
        let mut event = ServerSentEvent::default();
        event.lines("data: ", data.as_ref());
        event
    }

    /// A comment, which clients skip.
    #[must_use]
    pub fn comment(text: impl AsRef<str>) -> ServerSentEvent {
        let mut event = ServerSentEvent::default();
        event.lines(": ", text.as_ref());
        event
    }

    /// Names the type of the event; `message` is what clients take one without a name for.
    ///
    /// # Panics
    ///
    /// If it is more than one line.
    #[must_use]
    pub fn name(self, name: impl AsRef<str>) -> ServerSentEvent {
        self.field("event", name.as_ref())
    }

    /// Gives it an identifier: the client sends that of the last event it has had when it connects
    /// anew (`Last-Event-ID`).
    ///
    /// # Panics
    ///
    /// If it is more than one line, or holds NUL.
    #[must_use]
    pub fn id(self, id: impl AsRef<str>) -> ServerSentEvent {
        let id = id.as_ref();
        assert!(!id.contains('\0'), "clients ignore an identifier with NUL");
        self.field("id", id)
    }

    /// Tells the client how long to wait, from now on, before it connects anew.
    #[must_use]
    pub fn retry(self, after: Duration) -> ServerSentEvent {
        self.field("retry", &after.as_millis().to_string())
    }

    fn field(mut self, name: &str, value: &str) -> ServerSentEvent {
        assert!(!value.contains(['\n', '\r']), "a field is one line");
        self.0.insert_str(0, &format!("{name}: {value}\n"));
        self
    }

    /// A line for each of `text`; however they end, the client's idea of a line is the same.
    fn lines(&mut self, prefix: &str, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        for line in text.split('\n') {
            self.0.push_str(prefix);
            self.0.push_str(line);
            self.0.push('\n');
        }
    }
}

/// As it is sent.
impl fmt::Display for ServerSentEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)?;
        f.write_char('\n')
    }
}

/// A response that is a stream of server-sent events.
///
/// It ends, whole, when the server asks for that in its drain ([`Shutdown::stop_asked`]): an
/// `EventSource` connects anew, and elsewhere. When nothing has happened for 15 s a comment is
/// sent, so that nobody on the way takes the connection for dead, and a client that has gone away
/// is noticed.
///
/// ```
/// use futures_lite::stream;
/// use http::Request;
/// use neap_smol::{Body, EventStream, IntoResponse, ServerSentEvent, Shutdown};
///
/// async fn events(request: Request<Body>) -> impl IntoResponse {
///     let events = stream::iter([ServerSentEvent::new("hello")]);
///     EventStream::of(&request, events)
/// }
/// ```
///
/// In axum, `EventStream::new(shutdown, events).into_response().map(axum::body::Body::new)`.
#[derive(Debug)]
pub struct EventStream<S>(Heartbeat<S, fn() -> ServerSentEvent>);

impl<S: Stream<Item = ServerSentEvent>> EventStream<S> {
    /// The response to `request`, of which it takes the [`Shutdown`].
    pub fn of(request: &Request<Body>, events: S) -> EventStream<S> {
        EventStream::with(Shutdown::of(request), events)
    }

    /// One that ends when `shutdown` asks.
    pub fn new(shutdown: Shutdown, events: S) -> EventStream<S> {
        EventStream::with(Some(shutdown), events)
    }

    fn with(shutdown: Option<Shutdown>, events: S) -> EventStream<S> {
        let beat = || ServerSentEvent::comment("");
        EventStream(Heartbeat::new(events, HEARTBEAT, beat as fn() -> _).until(shutdown))
    }

    /// After how long without an event a comment is sent. Default: 15 s.
    #[must_use]
    pub fn heartbeat(mut self, period: Duration) -> EventStream<S> {
        self.0.set_period(period);
        self
    }
}

impl<S: Stream<Item = ServerSentEvent>> http_body::Body for EventStream<S> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let event = Pin::new(&mut self.get_mut().0).poll_next(cx);
        event.map(|event| Some(Ok(Frame::data(event?.to_string().into()))))
    }
}

impl<S: Stream<Item = ServerSentEvent>> IntoResponse for EventStream<S> {
    type Body = EventStream<S>;

    fn into_response(self) -> Response<EventStream<S>> {
        let mut response = Response::new(self);
        let fields = [
            (CONTENT_TYPE, "text/event-stream"),
            (CACHE_CONTROL, "no-store"),
        ];
        for (name, value) in fields {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// A stream with something put in whenever nothing has come for a while: for axum's `Sse`, whose
/// own `KeepAlive` takes tokio. [`EventStream`] has one.
///
/// ```
/// use std::convert::Infallible;
/// use std::time::Duration;
/// use axum::response::sse::{Event, Sse};
/// use futures_lite::{Stream, stream};
/// use neap_smol::{Heartbeat, Shutdown};
///
/// async fn events(
///     axum::Extension(shutdown): axum::Extension<Shutdown>,
/// ) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
///     let events = stream::iter([Ok(Event::default().data("hello"))]);
///     let beat = || Ok(Event::default().comment(""));
///     Sse::new(Heartbeat::new(events, Duration::from_secs(15), beat).until(Some(shutdown)))
/// }
/// ```
pub struct Heartbeat<S, F> {
    events: Pin<Box<S>>,
    beat: F,
    period: Duration,
    timer: Timer,
    stop: Option<Stop>,
}

type Stop = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

impl<S, F> Heartbeat<S, F> {
    /// Puts in what `beat` gives after each `period` without an event.
    pub fn new(events: S, period: Duration, beat: F) -> Heartbeat<S, F> {
        Heartbeat {
            events: Box::pin(events),
            beat,
            period,
            timer: Timer::interval(period),
            stop: None,
        }
    }

    /// Ends it when `shutdown`, if there is one, [asks](Shutdown::stop_asked).
    #[must_use]
    pub fn until(mut self, shutdown: Option<Shutdown>) -> Heartbeat<S, F> {
        self.stop = shutdown
            .map(|shutdown| -> Stop { Box::pin(async move { shutdown.stop_asked().await }) });
        self
    }

    fn set_period(&mut self, period: Duration) {
        self.period = period;
        self.timer.set_interval(period);
    }
}

impl<S: Stream, F: Fn() -> S::Item + Unpin> Stream for Heartbeat<S, F> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.get_mut();
        // Looked at first, so that events that never pause cannot hold the drain.
        if let Some(stop) = &mut this.stop {
            if stop.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
        }
        if let Poll::Ready(event) = this.events.as_mut().poll_next(cx) {
            this.timer.set_interval(this.period);
            return Poll::Ready(event);
        }
        let due = Pin::new(&mut this.timer).poll_next(cx);
        due.map(|_| Some((this.beat)()))
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Heartbeat<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat")
            .field("events", &self.events)
            .field("period", &self.period)
            .finish_non_exhaustive()
    }
}

//! The whole runtime, on a real socket: the same application, the same cases.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use neap_core::Config;
use neap_smol::{Body, Handle, Report, Server};

use crate::app::{self, Reading, Reply, Request};

/// How long a test waits before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server of the application, in this process.
pub(crate) struct Served {
    address: SocketAddr,
    handle: Handle,
    thread: Option<JoinHandle<Report>>,
    dispatched: Arc<AtomicUsize>,
}

impl Served {
    pub(crate) fn start(config: Config) -> Served {
        let server = Server::bind("127.0.0.1:0").unwrap().config(config);
        let (address, handle) = (server.local_addr().unwrap(), server.handle());
        let dispatched = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&dispatched);
        let serve = move |request| {
            count.fetch_add(1, Ordering::SeqCst);
            serve(request)
        };
        let thread = thread::spawn(move || server.run(serve).unwrap());
        Served {
            address,
            handle,
            thread: Some(thread),
            dispatched,
        }
    }

    /// Sends `input`, and reads until the server ends the connection.
    pub(crate) fn exchange(&self, input: &[u8], half_closes: bool) -> Result<Vec<u8>, String> {
        let mut stream = TcpStream::connect(self.address).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut output = Vec::new();
        let done = stream
            .write_all(input)
            .and_then(|()| {
                if half_closes {
                    stream.shutdown(Shutdown::Write)
                } else {
                    Ok(())
                }
            })
            .and_then(|()| stream.read_to_end(&mut output));
        done.map_err(|error| format!("{error} after {}", output.escape_ascii()))?;
        Ok(output)
    }

    /// How many requests have reached the handler.
    pub(crate) fn dispatched(&self) -> usize {
        self.dispatched.load(Ordering::SeqCst)
    }

    pub(crate) fn drain(mut self) -> Report {
        self.handle.drain();
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.handle.close_now();
    }
}

async fn serve(request: http::Request<Body>) -> Response<Content> {
    let (parts, mut body) = request.into_parts();
    let mut request = Request {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        fields: texts(&parts.headers),
        ..Request::default()
    };
    let mut left = None;
    match app::reading(&request.target) {
        Reading::Drops => drop(body),
        Reading::Leaves => left = Some(body),
        Reading::Collects => collect(&mut body, &mut request).await,
    }
    let reply = app::reply(&request);
    if reply.fails {
        // Like a panic, but without its message.
        std::panic::resume_unwind(Box::new("failed"));
    }
    respond(reply, left)
}

async fn collect(body: &mut Body, request: &mut Request) {
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
        match frame.into_data() {
            Ok(data) => request.content.extend_from_slice(&data),
            Err(frame) => request.trailers = texts(frame.trailers_ref().unwrap()),
        }
    }
}

fn texts(fields: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| {
        value
            .as_bytes()
            .iter()
            .map(|byte| char::from(*byte))
            .collect()
    };
    fields
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}

fn respond(reply: Reply, left: Option<Body>) -> Response<Content> {
    let mut response = Response::new(Content {
        length: reply.length,
        pieces: reply.pieces.into_iter().map(Bytes::from).collect(),
        trailers: reply.trailers,
        _left: left,
    });
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap();
    for (name, value) in reply.fields {
        let value = HeaderValue::from_str(&value).unwrap();
        response
            .headers_mut()
            .append(HeaderName::from_static(name), value);
    }
    response
}

/// A response's content, in the pieces and with the length that the application says.
struct Content {
    length: Option<u64>,
    pieces: VecDeque<Bytes>,
    trailers: Vec<(&'static str, &'static str)>,
    /// The request's content, which is neither read nor dropped before the response ends.
    _left: Option<Body>,
}

impl http_body::Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let trailers = std::mem::take(&mut self.trailers).into_iter();
        let trailers: HeaderMap = trailers
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        Poll::Ready((!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers))))
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }
}

//! An axum application, with layers of tower-http, on the server and without tokio.

#![cfg(feature = "tower")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests need more of it")]
mod common;

use std::convert::Infallible;
use std::future::{Pending, Ready, pending, ready};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use axum::routing::{any, get, post};
use axum::{Extension, Json, Router};
use futures_lite::{AsyncReadExt, AsyncWriteExt, Stream, stream};
use neap_smol::{
    Body, BoxError, ConnectionInfo, EventStream, Full, Heartbeat, Outcome, Report, Server,
    ServerSentEvent, Shutdown, TimeoutLayer, Upgrade, service,
};
use tower_http::cors::CorsLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use common::{Running, read_all, read_until};

#[derive(serde::Deserialize)]
struct Times {
    times: usize,
}

async fn hello(
    State(greeting): State<&'static str>,
    Path(name): Path<String>,
    Query(query): Query<Times>,
) -> String {
    format!("{greeting}, {name}! ").repeat(query.times)
}

async fn peer(Extension(connection): Extension<ConnectionInfo>) -> String {
    connection.peer().to_string()
}

/// An event, then nothing but heartbeats until the drain.
async fn events(
    Extension(shutdown): Extension<Shutdown>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = stream::once(Ok(Event::default().data("first")));
    let events = stream::StreamExt::chain(events, stream::pending());
    let beat = || Ok(Event::default().comment("beat"));
    Sse::new(Heartbeat::new(events, Duration::from_millis(5), beat).until(Some(shutdown)))
}

/// The same by the server's own response.
async fn own_events(Extension(shutdown): Extension<Shutdown>) -> impl IntoResponse {
    let events = stream::once(ServerSentEvent::new("first"));
    let events = stream::StreamExt::chain(events, stream::pending());
    let events = EventStream::new(shutdown, events).heartbeat(Duration::from_millis(5));
    neap_smol::IntoResponse::into_response(events).map(axum::body::Body::new)
}

/// Returns each byte in capitals.
async fn shout(Extension(upgrade): Extension<Upgrade>) -> StatusCode {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let protocol = HeaderValue::from_static("shout");
    response.headers_mut().insert("upgrade", protocol);
    let mut stream = upgrade.accept(response).await.unwrap();
    let mut buffer = [0; 100];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        buffer[..count].make_ascii_uppercase();
        stream.write_all(&buffer[..count]).await.unwrap();
    }
    StatusCode::SWITCHING_PROTOCOLS
}

fn app() -> Router {
    Router::new()
        .route("/hello/{name}", get(hello))
        .route(
            "/sum",
            post(async |Json(all): Json<Vec<i64>>| Json(all.iter().sum::<i64>())),
        )
        .route("/echo", post(async |body: axum::body::Body| body))
        .route("/peer", get(peer))
        .route("/events", get(events))
        .route("/own", get(own_events))
        .route("/shout", any(shout))
        .with_state("Hello")
}

fn serving(app: Router) -> Running {
    Running::start(move |server| server.run(service(app)).unwrap())
}

fn request(method: &str, target: &str, more: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{more}\r\n")
}

#[test]
fn routes_extractors_and_json_work() {
    let running = serving(app());
    let response = running.exchange(&request("GET", "/hello/you?times=2", ""));
    assert!(response.ends_with("Hello, you! Hello, you! "), "{response}");
    let json = "Content-Type: application/json\r\nContent-Length: 7\r\n";
    let response = running.exchange(&(request("POST", "/sum", json) + "[1,2,3]"));
    assert!(response.ends_with("\r\n\r\n6"), "{response}");
    let response = running.exchange(&(request("POST", "/sum", json) + "[1,2,x]"));
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
    let response = running.exchange(&request("GET", "/nowhere", ""));
    assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
    assert!(
        running
            .exchange(&request("GET", "/peer", ""))
            .contains("127.0.0.1:")
    );
    assert!(running.drain().is_clean());
}

#[test]
fn content_streams_both_ways_through_axum() {
    let running = serving(app());
    let mut client = running.connect();
    let chunked = "Transfer-Encoding: chunked\r\n";
    client
        .write_all(request("POST", "/echo", chunked).as_bytes())
        .unwrap();
    for piece in ["one", "two"] {
        client
            .write_all(format!("3\r\n{piece}\r\n").as_bytes())
            .unwrap();
        read_until(&mut client, &format!("3\r\n{piece}\r\n"));
    }
    client.write_all(b"0\r\n\r\n").unwrap();
    read_until(&mut client, "0\r\n\r\n");
}

#[test]
fn layers_of_tower_http_run() {
    let header = HeaderName::from_static("x-layer");
    let layered = app()
        .layer(SetResponseHeaderLayer::overriding(
            header,
            HeaderValue::from_static("set"),
        ))
        .layer(CorsLayer::permissive())
        .layer(RequestBodyLimitLayer::new(10));
    let running = serving(layered);
    let response = running.exchange(&request("GET", "/peer", "Origin: http://a\r\n"));
    assert!(response.contains("x-layer: set\r\n"), "{response}");
    assert!(
        response.contains("access-control-allow-origin: *\r\n"),
        "{response}"
    );
    let much = request("POST", "/echo", "Content-Length: 11\r\n") + "12345678901";
    assert!(running.exchange(&much).starts_with("HTTP/1.1 413 "));
}

#[test]
fn events_have_a_heartbeat_and_end_whole_at_the_drain() {
    for target in ["/events", "/own"] {
        let running = serving(app());
        let mut client = running.connect();
        client
            .write_all(request("GET", target, "").as_bytes())
            .unwrap();
        let head = read_until(&mut client, "data: first\n\n");
        assert!(
            head.contains("content-type: text/event-stream\r\n"),
            "{head}"
        );
        // A comment, whatever it says.
        read_until(&mut client, "\n: ");
        let report: Report = running.drain();
        assert!(read_all(&mut client).ends_with("\r\n0\r\n\r\n"));
        assert!(
            report.is_clean() && report.requests.completed == 1,
            "{report}"
        );
    }
}

#[test]
fn a_handler_of_axum_can_switch_protocols() {
    let running = serving(app());
    let mut client = running.connect();
    let wish = request("GET", "/shout", "Connection: upgrade\r\nUpgrade: shout\r\n");
    client.write_all((wish + "early").as_bytes()).unwrap();
    read_until(&mut client, "\r\n\r\nEARLY");
    client.write_all(b"late").unwrap();
    read_until(&mut client, "LATE");
    drop(client);
    assert_eq!(running.drain().outcomes.get(Outcome::Upgraded), 1);
}

#[test]
fn a_handler_that_is_late_is_answered_for_and_dropped() {
    let (send, dropped) = channel();
    let witness = Arc::new(common::Witness(send));
    let late = move || {
        let held = Arc::clone(&witness);
        async move {
            let _held = held;
            pending::<()>().await;
        }
    };
    let timeout = TimeoutLayer::new(Duration::from_millis(5));
    let late = Router::new().route("/", get(late));
    let running = serving(late.clone().layer(timeout));
    let response = running.exchange(&request("GET", "/", ""));
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert!(running.drain().is_clean());
    let timeout = timeout.with_status(StatusCode::GATEWAY_TIMEOUT);
    let running = serving(late.layer(timeout));
    let response = running.exchange(&request("GET", "/", ""));
    assert!(response.starts_with("HTTP/1.1 504 "), "{response}");
    drop(running);
    assert!(dropped.recv().is_ok(), "nothing holds it any more");
}

/// Ready at the second time of asking; `/fail` fails.
#[derive(Default)]
struct Reluctant {
    asked: usize,
    clones: Arc<AtomicUsize>,
}

impl Clone for Reluctant {
    fn clone(&self) -> Reluctant {
        self.clones.fetch_add(1, Ordering::Relaxed);
        Reluctant {
            asked: 0,
            clones: Arc::clone(&self.clones),
        }
    }
}

impl tower_service::Service<Request<Body>> for Reluctant {
    type Response = Response<Full>;
    type Error = BoxError;
    type Future = Ready<Result<Response<Full>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.asked += 1;
        if self.asked == 1 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert_eq!(self.asked, 2, "it is called when it is ready, and once");
        let response = match request.uri().path() {
            "/fail" => Err("out of luck".into()),
            _ => Ok(neap_smol::IntoResponse::into_response("fine")),
        };
        ready(response)
    }
}

#[test]
fn each_request_has_a_clone_that_is_called_once_it_is_ready() {
    let reluctant = Reluctant::default();
    let clones = Arc::clone(&reluctant.clones);
    let running = Running::start(move |server| server.run(service(reluctant)).unwrap());
    let ask = || assert!(running.exchange(&request("GET", "/", "")).ends_with("fine"));
    ask();
    // Each thread that serves has one of its own.
    let before = clones.load(Ordering::Relaxed);
    ask();
    ask();
    assert_eq!(clones.load(Ordering::Relaxed) - before, 2);
    assert_eq!(running.drain().requests.panicked, 0);
}

#[test]
fn a_service_that_fails_is_answered_for_and_told() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let observing = move |server: Server| {
        server.on_event(move |event| tell.lock().unwrap().push(event.to_string()))
    };
    let running = Running::start_with(observing, |server| {
        server.run(service(Reluctant::default())).unwrap()
    });
    let response = running.exchange(&request("GET", "/fail", ""));
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
    assert!(response.contains("content-length: 0\r\n"), "{response}");
    assert!(running.drain().is_clean());
    let told = told.lock().unwrap();
    let line = told.iter().find(|line| line.ends_with("out of luck"));
    assert!(
        line.is_some_and(|line| line.contains("127.0.0.1:")),
        "{told:?}"
    );
}

/// Nothing of it need be `Send` where the server stays on one thread.
#[test]
fn a_service_need_not_be_send() {
    #[derive(Clone)]
    struct Local(std::rc::Rc<()>);
    impl tower_service::Service<Request<Body>> for Local {
        type Response = Response<Full>;
        type Error = Infallible;
        type Future = Pending<Result<Response<Full>, Infallible>>;

        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _request: Request<Body>) -> Self::Future {
            assert_eq!(std::rc::Rc::strong_count(&self.0), 2);
            pending()
        }
    }
    let server = common::listening();
    let handle = server.handle();
    let serving = server.serve(service(Local(std::rc::Rc::new(()))));
    let stop = async { handle.drain() };
    futures_lite::future::block_on(futures_lite::future::zip(serving, stop));
}

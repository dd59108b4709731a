//! What a browser makes of the drain: headless Chromium, with pages that tell a collector what they
//! have seen. Without it these tests say `skipped`.

#![cfg(feature = "signal")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chromium;
#[allow(dead_code, reason = "other tests need more of it")]
#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "its `main` is not called")]
#[path = "../../examples/websocket.rs"]
mod websocket;

use futures_lite::StreamExt;
use futures_lite::stream;
use http::{HeaderValue, Request, Response, header};
use neap_smol::{
    Body, EventStream, Full, IntoResponse, Outcome, Report, Server, ServerSentEvent, Upgrade,
};
use std::time::Duration;

use chromium::{Browser, Collector};
use common::{Running, listening, unbound};

fn page(script: &str, collector: &Collector) -> Response<Full> {
    let address = collector.address();
    let tell = format!("text => fetch('http://{address}/', {{method: 'POST', body: text}})");
    let page = format!("<!doctype html><script>const tell = {tell}; {script}</script>");
    let mut response = page.into_response();
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}

/// A page with a WebSocket, from a server that is drained while it is open.
fn websocket_is_told_of_the_drain(scheme: &str, server: Server) {
    const SCRIPT: &str = "
        const url = `${location.protocol.replace('http', 'ws')}//${location.host}/socket`;
        const socket = new WebSocket(url);
        socket.onopen = () => socket.send('hello');
        socket.onmessage = event => tell(`message ${event.data}`);
        socket.onclose = event => tell(`close ${event.code} ${event.wasClean} ${event.reason}`);";
    let Some(collector) = Collector::start() else {
        return;
    };
    let page = page(SCRIPT, &collector);
    let running = Running::of(server, move |server| {
        let handler = move |request: Request<Body>| {
            let page = page.clone();
            async move {
                match Upgrade::of(&request) {
                    Some(_) => Err(websocket::app(request).await),
                    None => Ok(page),
                }
            }
        };
        server.run(handler).unwrap()
    });
    let _browser = Browser::open(&format!("{scheme}://{}/", running.address));
    assert_eq!(collector.next(), "message hello");
    assert_eq!(running.handle.census().upgraded, 1);
    let report = running.drain();
    assert_eq!(collector.next(), "close 1001 true the server is stopping");
    assert_eq!(report.outcomes.get(Outcome::Upgraded), 1);
    assert!(report.is_clean() && report.forced.is_none(), "{report}");
}

#[test]
fn a_websocket_of_a_browser_is_closed_by_1001_at_the_drain() {
    websocket_is_told_of_the_drain("http", listening());
}

#[cfg(feature = "rustls")]
#[test]
fn a_websocket_over_tls_is_closed_by_1001_at_the_drain() {
    let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
    let tls = neap_smol::Tls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let server = unbound().tls(&tls);
    let server = server.listen(&"127.0.0.1:0".parse().unwrap()).unwrap();
    websocket_is_told_of_the_drain("https", server);
}

/// One of two servers that follow each other on an address.
fn events(server: Server, name: &'static str, page: Response<Full>) -> Report {
    let handler = move |request: Request<Body>| {
        let page = page.clone();
        async move {
            if request.uri().path() != "/events" {
                return Err(page);
            }
            let last = request.headers().get("last-event-id");
            let last = last.map_or("nothing", |id| id.to_str().unwrap());
            let event = ServerSentEvent::new(format!("{name} after {last}"));
            let event = event.id(name).retry(Duration::from_millis(10));
            let events = stream::once(event).chain(stream::pending());
            Ok(EventStream::of(&request, events))
        }
    };
    server.run(handler).unwrap()
}

#[test]
fn an_event_source_goes_on_at_the_successor() {
    const SCRIPT: &str = "
        const events = new EventSource('/events');
        events.onmessage = event => tell(event.data);";
    let Some(collector) = Collector::start() else {
        return;
    };
    let page = page(SCRIPT, &collector);
    let bind = |address: &str| unbound().reuse_port(true).listen(&address.parse().unwrap());
    let server = bind("127.0.0.1:0").unwrap();
    let address = server.to_string();
    let run = |server: Server, name| {
        let (handle, page) = (server.handle(), page.clone());
        (
            handle,
            std::thread::spawn(move || events(server, name, page)),
        )
    };
    let (handle, first) = run(server, "first");
    let _browser = Browser::open(&format!("http://{address}/"));
    assert_eq!(collector.next(), "first after nothing");
    let (successor, second) = run(bind(&address).unwrap(), "second");
    handle.drain();
    let report = first.join().unwrap();
    assert!(report.is_clean() && report.forced.is_none(), "{report}");
    assert_eq!(collector.next(), "second after first");
    successor.close_now();
    second.join().unwrap();
}

//! What a subscriber of `tracing` hears of a server.

#![cfg(feature = "tracing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests need more of it")]
mod common;

use std::fmt::{self, Write as _};
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;

use futures_lite::future::block_on;
use http::{Request, StatusCode};
use neap_smol::{Body, Server};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use common::{listening, read_all};

/// Writes down everything, a line each, with the names of the spans that it is in.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Notes {
    fn note(&self, line: Line) {
        self.0.lock().unwrap().push(line.0);
    }

    fn has(&self, line: &str) -> bool {
        self.0.lock().unwrap().iter().any(|noted| noted == line)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Notes {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: Context<'_, S>) {
        let span = cx.span(id).unwrap();
        let parent = span.parent().map_or("nothing", |parent| parent.name());
        let mut line = Line(format!("{} in {parent}:", span.name()));
        attributes.record(&mut line);
        self.note(line);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, cx: Context<'_, S>) {
        let mut line = Line(format!("{}:", cx.span(id).unwrap().name()));
        values.record(&mut line);
        self.note(line);
    }

    fn on_event(&self, event: &Event<'_>, cx: Context<'_, S>) {
        let mut line = Line(format!("{}", event.metadata().level()));
        for span in cx.event_scope(event).into_iter().flatten() {
            write!(line.0, " in {}", span.name()).unwrap();
        }
        line.0.push(':');
        event.record(&mut line);
        self.note(line);
    }

    fn on_close(&self, id: Id, cx: Context<'_, S>) {
        self.note(Line(format!("end of {}", cx.span(&id).unwrap().name())));
    }
}

async fn app(request: Request<Body>) -> StatusCode {
    tracing::info!("handled");
    assert!(request.uri().path() != "/panic");
    StatusCode::NO_CONTENT
}

/// What is noted of a server that gets these requests, and of its drain.
fn notes(configure: impl FnOnce(Server) -> Server, requests: &'static [&str]) -> Notes {
    let server = configure(listening());
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let client = thread::spawn(move || {
        for request in requests {
            let mut client = TcpStream::connect(address).unwrap();
            client.write_all(request.as_bytes()).unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            read_all(&mut client);
        }
        handle.drain();
    });
    let notes = Notes::default();
    let subscriber = tracing_subscriber::registry().with(notes.clone());
    tracing::subscriber::with_default(subscriber, || block_on(server.serve(app)));
    client.join().unwrap();
    notes
}

const SECRET: &str = "POST /reset/token-1?key=key-1 HTTP/1.1\r\nHost: test\r\n\
    Authorization: Bearer bearer-1\r\nContent-Length: 6\r\n\r\nbody-1";

#[test]
fn a_request_is_a_span_within_its_connection_and_its_handler_is_in_it() {
    let notes = notes(|server| server, &[SECRET]);
    let all = notes.0.lock().unwrap().clone();
    let connection = all
        .iter()
        .find(|line| line.starts_with("connection in nothing: "));
    let connection = connection.unwrap();
    assert!(connection.contains(" peer=127.0.0.1:"), "{all:?}");
    assert!(connection.contains(" local=127.0.0.1:"), "{all:?}");
    assert!(
        notes.has("request in connection: method=\"POST\""),
        "{all:?}"
    );
    assert!(
        notes.has("INFO in request in connection: message=handled"),
        "{all:?}"
    );
    assert!(notes.has("request: status=204"), "{all:?}");
    let ends: Vec<_> = all
        .iter()
        .filter(|line| line.starts_with("end of "))
        .collect();
    assert_eq!(ends, ["end of request", "end of connection"]);
}

#[test]
fn each_phase_of_the_shutdown_is_an_event() {
    let notes = notes(|server| server, &[]);
    let all = notes.0.lock().unwrap();
    let count = |start: &str, field: &str| {
        let told = |line: &&String| line.starts_with(start) && line.contains(field);
        all.iter().filter(told).count()
    };
    for (start, field) in [
        (
            "INFO: message=draining",
            " event=\"phase\" phase=\"draining\"",
        ),
        ("DEBUG:", " event=\"progress\" step=\"sealing\""),
        (
            "INFO: message=stopped listening",
            " event=\"listener_closed\"",
        ),
        (
            "INFO: message=stopped by request",
            " event=\"done\" clean=true lost=0",
        ),
    ] {
        assert_eq!(count(start, field), 1, "{field} in {all:?}");
    }
}

#[test]
fn nothing_of_what_clients_send_is_told_but_the_method() {
    const REFUSED: &str = "GET /secret-2 HTTP/1.1\r\nHost: a\r\nHost: secret-3\r\n\r\n";
    const PANICS: &str = "GET /panic HTTP/1.1\r\nHost: secret-4\r\n\r\n";
    let all = notes(|server| server, &[SECRET, REFUSED, PANICS]);
    let all = all.0.lock().unwrap().join("\n");
    for secret in [
        "token-1", "key-1", "bearer-1", "body-1", "secret-", "/panic",
    ] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
    assert!(all.contains("DEBUG: message=refused"), "{all}");
    assert!(all.contains("ERROR: message=the handler"), "{all}");
}

#[test]
fn targets_are_told_where_that_is_asked_for() {
    let notes = notes(|server| server.log_targets(true), &[SECRET]);
    assert!(notes.has("request: target=\"/reset/token-1?key=key-1\""));
}

//! Server-sent events, as a client reads them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests need more of it")]
mod common;

use std::io::Write;
use std::time::Duration;

use futures_lite::stream::{self, Stream};
use neap_smol::{Body, EventStream, ServerSentEvent};

use common::{GET, Running, read_all, read_until};

fn sending<S: Stream<Item = ServerSentEvent>>(
    events: impl Fn() -> S + Clone + Send + 'static,
) -> Running {
    Running::start(move |server| {
        let handler = move |request: http::Request<Body>| {
            let events = EventStream::of(&request, events());
            async { events.heartbeat(Duration::from_millis(5)) }
        };
        server.run(handler).unwrap()
    })
}

#[test]
fn events_that_never_pause_end_at_the_drain() {
    let running = sending(|| stream::repeat(ServerSentEvent::new("again")));
    let mut client = running.connect();
    client.write_all(GET.as_bytes()).unwrap();
    read_until(&mut client, "data: again\n\n");
    let reading = std::thread::spawn(move || read_all(&mut client));
    let report = running.drain();
    assert!(report.is_clean() && report.forced.is_none(), "{report}");
    assert!(reading.join().unwrap().ends_with("\r\n0\r\n\r\n"));
}

#[test]
fn silence_is_broken_by_comments_and_by_nothing_else() {
    let running = sending(stream::pending);
    let mut client = running.connect();
    client.write_all(GET.as_bytes()).unwrap();
    read_until(&mut client, "\r\n\r\n");
    for _ in 0..3 {
        assert_eq!(read_until(&mut client, "\n\n\r\n"), "4\r\n: \n\n\r\n");
    }
    assert!(running.drain().is_clean());
}

#[test]
fn a_stream_that_ends_ends_its_response() {
    let running = sending(|| stream::iter(["one", "two"].map(ServerSentEvent::new)));
    let response = running.exchange(GET);
    assert!(
        response.contains("cache-control: no-store\r\n"),
        "{response}"
    );
    let (_, events) = response.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        events,
        "b\r\ndata: one\n\n\r\nb\r\ndata: two\n\n\r\n0\r\n\r\n"
    );
}

#[test]
fn each_line_of_the_data_is_a_line_however_it_ends() {
    let event = ServerSentEvent::new("a\nb\r\nc\rd\n");
    let lines = "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n";
    assert_eq!(event.to_string(), lines);
    let comment = ServerSentEvent::comment("data: no\nevent: no");
    assert_eq!(comment.to_string(), ": data: no\n: event: no\n\n");
}

#[test]
#[should_panic(expected = "a field is one line")]
fn a_name_cannot_smuggle_in_another_event() {
    let _ = ServerSentEvent::new("").name("a\n\ndata: b");
}

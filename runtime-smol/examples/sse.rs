//! Server-sent events that end when the server drains, so that browsers reconnect elsewhere:
//! `cargo run -p neap-smol --example sse`, then open `http://127.0.0.1:8080` in a browser, or
//! `curl -N http://127.0.0.1:8080/events`, and Ctrl-C.

use std::time::Duration;

use futures_lite::StreamExt;
use futures_lite::stream::Stream;
use http::{Request, Response, header};
use neap_smol::{Body, EventStream, Full, IntoResponse, Server, ServerSentEvent};
use smol::Timer;

const PAGE: &str = r#"<!doctype html><title>Events</title><ol id="events"></ol><script>
new EventSource("/events").onmessage = event => {
    const item = document.createElement("li");
    item.textContent = event.data;
    document.getElementById("events").append(item);
};
</script>"#;

/// An event a second. The first tells the client to connect anew soon.
fn seconds() -> impl Stream<Item = ServerSentEvent> {
    let seconds = Timer::interval(Duration::from_secs(1));
    seconds
        .enumerate()
        .map(|(count, _)| ServerSentEvent::new(count.to_string()).retry(Duration::from_millis(500)))
}

/// The stream ends once the server asks for that: its last chunk tells the client that it is whole,
/// and an `EventSource` connects anew.
async fn app(request: Request<Body>) -> Result<impl IntoResponse, Response<Full>> {
    if request.uri().path() == "/events" {
        return Ok(EventStream::of(&request, seconds()));
    }
    let mut page = PAGE.into_response();
    let html = header::HeaderValue::from_static("text/html; charset=utf-8");
    page.headers_mut().insert(header::CONTENT_TYPE, html);
    Err(page)
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080");
    let server = Server::bind(address)?.signals()?;
    println!("listening on http://{server}");
    let report = server.run(app)?;
    println!("{report}");
    Ok(())
}

//! Server-sent events that end when the server drains, so that browsers reconnect elsewhere:
//! `cargo run -p neap-smol --example sse`, `curl -N http://127.0.0.1:8080`, then Ctrl-C.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_lite::future::or;
use futures_lite::stream::{Stream, unfold};
use http::{Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::StreamBody;
use neap_smol::{Body, IntoResponse, Server, Shutdown};
use smol::Timer;

/// An event a second. The stream ends once the server asks for that: its last chunk tells the
/// client that it is whole, and an `EventSource` connects anew.
fn seconds(shutdown: Shutdown) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> {
    unfold((0, shutdown), |(count, shutdown)| async move {
        let next = async {
            Timer::after(Duration::from_secs(1)).await;
            Some(format!("data: {count}\n\n"))
        };
        let stop = async {
            shutdown.stop_asked().await;
            None
        };
        let event = or(stop, next).await?;
        Some((Ok(Frame::data(event.into())), (count + 1, shutdown)))
    })
}

async fn events(request: Request<Body>) -> Result<impl IntoResponse, StatusCode> {
    let shutdown = Shutdown::of(&request).ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
    let mut response = Response::new(StreamBody::new(seconds(shutdown)));
    let event_stream = header::HeaderValue::from_static("text/event-stream");
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, event_stream);
    Ok(response)
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080");
    let server = Server::bind(address)?.signals()?;
    println!("listening on http://{server}");
    let report = server.run(events)?;
    println!("{report}");
    Ok(())
}

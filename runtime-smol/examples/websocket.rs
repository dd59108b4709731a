//! A WebSocket that returns every message, and says goodbye (1001) when the server drains:
//! `cargo run -p neap-smol --example websocket`, a WebSocket to `ws://127.0.0.1:8080`, then Ctrl-C.

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::handshake::derive_accept_key;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use async_tungstenite::tungstenite::{self, Message};
use futures_lite::StreamExt;
use futures_lite::future::or;
use http::{HeaderValue, Request, Response, StatusCode, header};
use neap_smol::{Body, Server, Upgrade, Upgraded};

/// Grants the upgrade, if it is to a WebSocket (RFC 6455 section 4.2).
async fn accept(request: &Request<Body>) -> Option<Upgraded> {
    let field = |name| request.headers().get(name);
    let is_websocket = field(header::UPGRADE)?
        .to_str()
        .is_ok_and(|protocol| protocol.eq_ignore_ascii_case("websocket"));
    if !is_websocket || field(header::SEC_WEBSOCKET_VERSION)? != "13" {
        return None;
    }
    let accepted = derive_accept_key(field(header::SEC_WEBSOCKET_KEY)?.as_bytes());
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let fields = response.headers_mut();
    fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    fields.insert(header::SEC_WEBSOCKET_ACCEPT, accepted.parse().ok()?);
    Upgrade::of(request)?.accept(response).await.ok()
}

/// Returns each message until the client ends it, or the server drains.
async fn echo(stream: Upgraded) -> tungstenite::Result<()> {
    let shutdown = stream.shutdown();
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    loop {
        let next = async { Some(socket.next().await) };
        let stop = async {
            shutdown.stop_asked().await;
            None
        };
        let Some(next) = or(stop, next).await else {
            break;
        };
        let Some(message) = next.transpose()? else {
            return Ok(());
        };
        // Pings and the client's goodbye are answered by the socket itself.
        if matches!(message, Message::Text(_) | Message::Binary(_)) {
            socket.send(message).await?;
        }
    }
    let goodbye = CloseFrame {
        code: CloseCode::Away,
        reason: "the server is stopping".into(),
    };
    socket.close(Some(goodbye)).await?;
    // It is over when the client has answered; the drain's deadline bounds the wait for that.
    while socket.next().await.transpose()?.is_some() {}
    Ok(())
}

pub(crate) async fn app(request: Request<Body>) -> StatusCode {
    let Some(stream) = accept(&request).await else {
        return StatusCode::UPGRADE_REQUIRED;
    };
    if let Err(error) = echo(stream).await {
        eprintln!("a WebSocket broke: {error}");
    }
    StatusCode::SWITCHING_PROTOCOLS
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080");
    let server = Server::bind(address)?.signals()?;
    println!("listening on ws://{server}");
    let report = server.run(app)?;
    println!("{report}");
    Ok(())
}

//! HTTPS, with rustls as the client, and with curl and openssl where they are installed.

#![cfg(feature = "rustls")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
#[allow(dead_code, reason = "other tests need more of it")]
#[path = "../common/mod.rs"]
mod common;
mod drain;
mod ends;
mod handshake;
mod peers;

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use neap_smol::{
    Body, BoxError, Config, ConnectionInfo, IntoResponse, Report, Server, Tls, Upgrade,
};

use client::Identity;
use common::Running;

/// A server for `localhost`, with the same targets as plain HTTP where there is no `tls`.
pub(crate) fn start(tls: Option<&Tls>, config: Config) -> Running {
    start_with(tls, move |server| server.config(config))
}

pub(crate) fn start_with(tls: Option<&Tls>, configure: impl FnOnce(Server) -> Server) -> Running {
    let server = match tls {
        Some(tls) => common::unbound().tls(tls),
        None => common::unbound(),
    };
    let server = server.listen(&"127.0.0.1:0".parse().unwrap()).unwrap();
    Running::of(configure(server), serve)
}

pub(crate) fn secure(config: Config) -> (Identity, Running) {
    let identity = Identity::new("localhost");
    let running = start(Some(&identity.tls()), config);
    (identity, running)
}

fn serve(server: Server) -> Report {
    server.run(app).unwrap()
}

/// Content that begins, and fails, or never goes on.
struct Begun(bool, Option<BoxError>);

impl http_body::Body for Begun {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if !std::mem::replace(&mut self.0, true) {
            return std::task::Poll::Ready(Some(Ok(Frame::data("begun".into()))));
        }
        match self.1.take() {
            Some(error) => std::task::Poll::Ready(Some(Err(error))),
            None => std::task::Poll::Pending,
        }
    }
}

async fn app(request: Request<Body>) -> Result<impl IntoResponse, Response<Begun>> {
    let path = request.uri().path().to_owned();
    let content = match path.as_str() {
        "/" => "hello".into(),
        "/echo" => request.into_body().collect(100_000_000).await.unwrap(),
        "/much" => vec![b'x'; 20_000_000].into(),
        "/secure" => {
            let connection = ConnectionInfo::of(&request).unwrap();
            connection.is_secure().to_string().into()
        }
        "/never" => pending().await,
        // Its thread is left behind.
        "/block" => loop {
            std::thread::park();
        },
        "/late" => {
            smol::Timer::after(Duration::from_millis(300)).await;
            "late".into()
        }
        "/fail" => return Err(Response::new(Begun(false, Some("broken".into())))),
        "/begun" => return Err(Response::new(Begun(false, None))),
        "/upgrade" => {
            upgrade(&request).await;
            Bytes::new()
        }
        _ => return Ok((StatusCode::NOT_FOUND, Bytes::new())),
    };
    Ok((StatusCode::OK, content))
}

async fn upgrade(request: &Request<Body>) {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let protocol = HeaderValue::from_static("echo");
    response.headers_mut().insert("upgrade", protocol);
    let accepted = Upgrade::of(request).unwrap().accept(response).await;
    let mut stream = accepted.unwrap();
    let mut buffer = [0; 100];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        stream.write_all(&buffer[..count]).await.unwrap();
    }
    stream.write_all(b"goodbye").await.unwrap();
}

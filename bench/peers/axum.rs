//! axum with its graceful shutdown, as its documentation of `serve` has it.

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::routing::{get, post};
use bytes::Bytes;
use neap_bench::peer::{self, HELLO, MEBIBYTE, Options};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_command_line()?;
    let app = Router::new()
        .route("/", get(|| async { HELLO }))
        .route("/echo", post(|content: Bytes| async { content }))
        .route("/mebibyte", get(|| async { Bytes::from_static(&MEBIBYTE) }))
        .route("/delay/{millis}", get(delay))
        .route("/stream/{count}/{millis}", get(stream))
        .route("/bytes/{count}", get(bytes));
    let listener = options.listen()?;
    options.tokio()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (told, tell) = tokio::sync::oneshot::channel();
        let serving = axum::serve(listener, app).with_graceful_shutdown(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            // Where there is no deadline nobody listens.
            let _ = told.send(());
        });
        tokio::select! {
            served = serving.into_future() => served?,
            () = over(tell, options.deadline) => {}
        }
        Ok(())
    })
}

/// The end of the time that it has to drain, of which axum knows nothing.
async fn over(signal: tokio::sync::oneshot::Receiver<()>, deadline: Option<Duration>) {
    match (signal.await, deadline) {
        (Ok(()), Some(deadline)) => tokio::time::sleep(deadline).await,
        _ => std::future::pending().await,
    }
}

async fn delay(Path(millis): Path<u64>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    HELLO
}

async fn stream(Path((count, millis)): Path<(u32, u64)>) -> Body {
    Body::from_stream(peer::chunks(count, Duration::from_millis(millis)))
}

async fn bytes(Path(count): Path<usize>) -> Body {
    Body::from_stream(peer::bytes(count))
}

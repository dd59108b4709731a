//! axum with its graceful shutdown, as its documentation of `serve` has it.

use std::error::Error;

use axum::Router;
use axum::routing::{get, post};
use bytes::Bytes;
use neap_bench::peer::{HELLO, MEBIBYTE, Options};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_command_line()?;
    let app = Router::new()
        .route("/", get(|| async { HELLO }))
        .route("/echo", post(|content: Bytes| async { content }))
        .route("/mebibyte", get(|| async { Bytes::from_static(&MEBIBYTE) }));
    let listener = options.listen()?;
    options.tokio()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        axum::serve(listener, app)
            .with_graceful_shutdown(async move {
                terminate.recv().await;
            })
            .await?;
        Ok(())
    })
}

//! trillium on smol, which drains on SIGTERM by itself.

use std::error::Error;
use std::io;

use bytes::Bytes;
use futures_util::stream::{Stream, TryStreamExt};
use neap_bench::peer::{self, HELLO, MEBIBYTE, Options, Route};
use trillium::{Body, Conn};
use trillium_smol::async_net::TcpListener;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_command_line()?;
    let listener = TcpListener::try_from(options.listen()?)?;
    trillium_smol::config()
        .with_nodelay()
        .with_prebound_server(listener)
        .run(answer);
    Ok(())
}

async fn answer(mut conn: Conn) -> Conn {
    match Route::of(conn.path()) {
        Some(Route::Hello) => conn.ok(HELLO),
        Some(Route::Echo) => match conn.request_body().read_bytes().await {
            Ok(content) => conn.ok(content),
            Err(_) => conn.with_status(400),
        },
        Some(Route::Mebibyte) => conn.ok(&MEBIBYTE[..]),
        Some(Route::Delay(pause)) => {
            async_io::Timer::after(pause).await;
            conn.ok(HELLO)
        }
        Some(Route::Stream { chunks, pause }) => conn.ok(pieces(peer::chunks(chunks, pause))),
        Some(Route::Bytes(count)) => conn.ok(pieces(peer::bytes(count))),
        None => conn,
    }
}

fn pieces(pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    Body::new_streaming(Box::pin(pieces).into_async_read(), None)
}

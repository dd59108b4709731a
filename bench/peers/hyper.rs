//! hyper with hyper-util's graceful shutdown, after the latter's example `server_graceful`.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use neap_bench::peer::{self, HELLO, MEBIBYTE, Options, Route};
use tokio::signal::unix::{SignalKind, signal};

type Pieces = StreamBody<BoxStream<'static, io::Result<Frame<Bytes>>>>;
type Content = Either<Either<Full<Bytes>, Pieces>, Incoming>;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_command_line()?;
    let deadline = options.deadline.unwrap_or(Duration::from_secs(10));
    let listener = options.listen()?;
    options.tokio()?.block_on(serve(listener, deadline))
}

async fn serve(listener: TcpListener, deadline: Duration) -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).pipeline_flush(true);
    let graceful = GracefulShutdown::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                };
                let service = service_fn(answer);
                let connection = server.serve_connection(TokioIo::new(stream), service);
                let connection = graceful.watch(connection);
                tokio::spawn(async move {
                    // A client that went away is nobody's business here.
                    let _ = connection.await;
                });
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(deadline) => {}
    }
    Ok(())
}

async fn answer(request: Request<Incoming>) -> Result<Response<Content>, Infallible> {
    let full = |content: &'static [u8]| {
        Response::new(Either::Left(Either::Left(Full::new(Bytes::from_static(
            content,
        )))))
    };
    let pieces = |pieces: BoxStream<'static, io::Result<Bytes>>| {
        let frames = pieces.map(|piece| piece.map(Frame::data)).boxed();
        Response::new(Either::Left(Either::Right(StreamBody::new(frames))))
    };
    Ok(match Route::of(request.uri().path()) {
        Some(Route::Hello) => full(HELLO.as_bytes()),
        Some(Route::Echo) => Response::new(Either::Right(request.into_body())),
        Some(Route::Mebibyte) => full(&MEBIBYTE),
        Some(Route::Delay(pause)) => {
            tokio::time::sleep(pause).await;
            full(HELLO.as_bytes())
        }
        Some(Route::Stream { chunks, pause }) => pieces(peer::chunks(chunks, pause).boxed()),
        Some(Route::Bytes(count)) => pieces(peer::bytes(count).boxed()),
        None => {
            let mut response = full(b"");
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    })
}

//! hyper with hyper-util's graceful shutdown, after the latter's example `server_graceful`.

use std::convert::Infallible;
use std::error::Error;
use std::net::TcpListener;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use neap_bench::peer::{HELLO, MEBIBYTE, Options};
use tokio::signal::unix::{SignalKind, signal};

type Content = Either<Full<Bytes>, Incoming>;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_command_line()?;
    options.tokio()?.block_on(serve(options.listen()?))
}

async fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).pipeline_flush(true);
    let graceful = GracefulShutdown::new();
    let mut terminate = signal(SignalKind::terminate())?;
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
            _ = terminate.recv() => {
                drop(listener);
                break;
            }
        }
    }
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(Duration::from_secs(10)) => {}
    }
    Ok(())
}

async fn answer(request: Request<Incoming>) -> Result<Response<Content>, Infallible> {
    let full = |content: &'static [u8]| Either::Left(Full::new(Bytes::from_static(content)));
    Ok(match request.uri().path() {
        "/" => Response::new(full(HELLO.as_bytes())),
        "/echo" => Response::new(Either::Right(request.into_body())),
        "/mebibyte" => Response::new(full(&MEBIBYTE)),
        _ => {
            let mut response = Response::new(full(b""));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    })
}

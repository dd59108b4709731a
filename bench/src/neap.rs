//! neap as a peer of the others: through `Server::run`, its handler a future that takes an
//! `http::Request`.
//!
//! The last call of idle connections is left out, for a drain to show what it costs to close them.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Either;
use neap_smol::{Body, Config, Full, Reactor, Server};

use crate::peer::{HELLO, MEBIBYTE, Options};

/// Serves until it is stopped.
///
/// # Errors
///
/// If it cannot be started.
pub fn serve(reactor: Reactor) -> Result<(), Box<dyn Error>> {
    let options = Options::from_command_line()?;
    let mut config = Config::default();
    config.drain.quiet = Duration::ZERO;
    Server::new()
        .reactor(reactor)
        .signals()?
        .config(config)
        .listener(options.listen()?)?
        .run(answer)?;
    Ok(())
}

async fn answer(request: Request<Body>) -> Response<Either<Full, Body>> {
    let full = |content: &'static [u8]| Either::Left(Full::from(Bytes::from_static(content)));
    match request.uri().path() {
        "/" => Response::new(full(HELLO.as_bytes())),
        "/echo" => Response::new(Either::Right(request.into_body())),
        "/mebibyte" => Response::new(full(&MEBIBYTE)),
        _ => {
            let mut response = Response::new(full(b""));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

//! A handler is a function: its tests need no socket, and no server.
//! `cargo test -p neap-smol --example testing`.

use http::{Method, Request, Response, StatusCode};
use neap_smol::{Body, Full, IntoResponse, Server};

/// Returns the content in capitals.
async fn shout(request: Request<Body>) -> Response<Full> {
    if request.method() != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    match request.into_body().text(1024).await {
        Ok(text) => text.to_uppercase().into_response(),
        Err(error) => error.into_response(),
    }
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080");
    let server = Server::bind(address)?.signals()?;
    println!("listening on http://{server}");
    let report = server.run(shout)?;
    println!("{report}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;

    fn answer(method: Method, content: impl Into<Body>) -> (StatusCode, String) {
        let mut request = Request::new(content.into());
        *request.method_mut() = method;
        let response = block_on(shout(request));
        let status = response.status();
        let text = String::from_utf8(response.into_body().0.into()).unwrap();
        (status, text)
    }

    #[test]
    fn text_comes_back_in_capitals() {
        let (status, text) = answer(Method::POST, "grün");
        assert_eq!((status, text.as_str()), (StatusCode::OK, "GRÜN"));
    }

    #[test]
    fn what_is_too_long_or_not_posted_is_refused() {
        assert_eq!(answer(Method::GET, "").0, StatusCode::METHOD_NOT_ALLOWED);
        let much = "x".repeat(1025);
        assert_eq!(answer(Method::POST, much).0, StatusCode::PAYLOAD_TOO_LARGE);
        let binary = vec![0xff];
        assert_eq!(answer(Method::POST, binary).0, StatusCode::BAD_REQUEST);
    }
}

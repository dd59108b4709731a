//! `neap echo`: an endpoint to test clients, balancers and shutdowns with.
//!
//! | request | response |
//! |---|---|
//! | `GET /` | `Hello, World!` |
//! | `POST /echo`, `PUT /echo` | the request's content, returned while it is still coming in |
//! | `GET /delay/MS` | a line, after that many milliseconds |
//! | `GET /block/MS` | the same, but meanwhile it blocks the server's thread |
//! | `GET /stream/N/MS` | N chunks, so many milliseconds apart, their sum not told in advance |
//! | `GET /bytes/N` | N bytes |
//! | any `/status/CODE` | that status |
//! | `GET /headers` | the request's fields |
//! | `GET /upgrade` | with `Upgrade: echo`: every byte, until the client ends or we do |
//!
//! HEAD goes wherever GET does: the server sends the same fields and leaves the content out.

mod content;
mod route;

use std::io;

use async_io::Timer;
use futures_lite::future::or;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use neap_smol::{Body, Full, Upgrade, Upgraded};

use self::content::{Chunks, Content, Pattern, Returned};
use self::route::{Decision, Route};
use crate::{json, reply};

/// The protocol of `/upgrade`.
const ECHO: HeaderValue = HeaderValue::from_static("echo");

/// Answers a request.
pub(crate) async fn handle(request: Request<Body>) -> Response<Content> {
    match route::decide(request.method(), request.uri().path()) {
        Decision::Serve(route) => serve(route, request).await,
        Decision::Options(allow) => reply::options(allow),
        Decision::NotAllowed(allow) => reply::not_allowed(request.method(), allow),
        Decision::NoTarget(error) => {
            let (status, sentence) = error.answer();
            reply::text(status, sentence)
        }
    }
}

async fn serve(route: Route, request: Request<Body>) -> Response<Content> {
    match route {
        Route::Hello => of_type(reply::TEXT, Full::from("Hello, World!").into()),
        Route::Echo => echo(request).await,
        Route::Delay(pause) => {
            Timer::after(pause).await;
            reply::text(StatusCode::OK, format!("waited {} ms", pause.as_millis()))
        }
        Route::Block(pause) => {
            std::thread::sleep(pause);
            reply::text(StatusCode::OK, format!("blocked {} ms", pause.as_millis()))
        }
        Route::Stream { chunks, pause } => {
            of_type(reply::TEXT, Content::Chunks(Chunks::new(chunks, pause)))
        }
        Route::Bytes(bytes) => {
            let binary = HeaderValue::from_static("application/octet-stream");
            of_type(binary, Content::Pattern(Pattern::new(bytes)))
        }
        Route::Status(status) => status_alone(status),
        Route::Upgrade => upgrade(request).await,
        Route::Headers => {
            let content = Full::from(fields_as_json(request.headers()));
            of_type(HeaderValue::from_static("application/json"), content.into())
        }
    }
}

/// Returns the content while it comes in.
async fn echo(request: Request<Body>) -> Response<Content> {
    let (head, body) = request.into_parts();
    let mut returned = Returned::new(body);
    // A client that waits for `100 Continue` must get it before the final status: the server
    // sends it when content is asked for, which is now, not after this response has begun.
    if head.headers.contains_key(header::EXPECT) && returned.begun().await.is_err() {
        return reply::text(
            StatusCode::BAD_REQUEST,
            "The content ended before it was whole.",
        );
    }
    let mut response = reply::empty(StatusCode::OK);
    if let Some(media_type) = head.headers.get(header::CONTENT_TYPE) {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type.clone());
    }
    response.map(|_: Content| Content::Returned(returned))
}

/// Returns bytes until the client ends its side, or the server is to stop: then it says so.
async fn upgrade(request: Request<Body>) -> Response<Content> {
    let mut head = Response::new(());
    *head.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    head.headers_mut().insert(header::UPGRADE, ECHO);
    let asked = request.headers().get(header::UPGRADE);
    let wish = Upgrade::of(&request).filter(|_| asked == Some(&ECHO));
    let Some(wish) = wish else {
        let mut response = reply::text(
            StatusCode::UPGRADE_REQUIRED,
            "This needs Connection: upgrade and Upgrade: echo.",
        );
        response.headers_mut().insert(header::UPGRADE, ECHO);
        return response;
    };
    drop(request);
    match wish.accept(head).await {
        Ok(mut stream) => {
            let stop = stream.shutdown();
            let stopped = async {
                stop.stop_asked().await;
                Ok(true)
            };
            if let Ok(true) = or(stopped, return_bytes(&mut stream)).await {
                // A client that is gone needs no goodbye.
                let _ = stream.write_all(b"goodbye\n").await;
            }
            // The log's: nobody is sent it any more.
            reply::empty(StatusCode::SWITCHING_PROTOCOLS)
        }
        Err(error) => reply::text(StatusCode::BAD_REQUEST, error.to_string()),
    }
}

/// False once the client has ended its side.
async fn return_bytes(stream: &mut Upgraded) -> io::Result<bool> {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(false),
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}

fn of_type(media_type: HeaderValue, content: Content) -> Response<Content> {
    let mut response = reply::empty(StatusCode::OK);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    response.map(|_: Content| content)
}

/// The status and its name, where a response with this status may have content.
fn status_alone(status: StatusCode) -> Response<Content> {
    let bodiless = [
        StatusCode::NO_CONTENT,
        StatusCode::RESET_CONTENT,
        StatusCode::NOT_MODIFIED,
    ];
    if bodiless.contains(&status) {
        return reply::empty(status);
    }
    let reason = status.canonical_reason().unwrap_or("without a name");
    reply::text(status, format!("{} {reason}", status.as_str()))
}

/// An array of `[name, value]`, a pair a line: an object could not show a name that came twice.
fn fields_as_json(fields: &HeaderMap) -> String {
    let pair = |(name, value): (&header::HeaderName, &HeaderValue)| {
        let value = json::string(&String::from_utf8_lossy(value.as_bytes()));
        format!("  [{}, {value}]", json::string(name.as_str()))
    };
    let pairs: Vec<String> = fields.iter().map(pair).collect();
    format!("[\n{}\n]\n", pairs.join(",\n"))
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;

    use super::*;

    #[test]
    fn every_status_from_200_to_599_has_the_content_it_may_have() {
        for code in 200..=599 {
            let response = status_alone(StatusCode::from_u16(code).unwrap());
            assert_eq!(response.status().as_u16(), code);
            let empty = response.body().size_hint().exact() == Some(0);
            assert_eq!(empty, [204, 205, 304].contains(&code), "{code}");
        }
    }

    #[test]
    fn fields_keep_their_duplicates_and_their_order() {
        let mut fields = HeaderMap::new();
        fields.append("b", HeaderValue::from_static("1"));
        fields.append("a", HeaderValue::from_static("\"2\""));
        fields.append("b", HeaderValue::from_bytes(b"\xff").unwrap());
        let json: serde_json::Value = serde_json::from_str(&fields_as_json(&fields)).unwrap();
        let expected = serde_json::json!([["b", "1"], ["b", "\u{fffd}"], ["a", "\"2\""]]);
        assert_eq!(json, expected);
        assert_eq!(fields_as_json(&HeaderMap::new()), "[\n\n]\n");
    }
}

//! Ways to read a request's content, and what becomes of those that fail.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests need more of it")]
mod common;

use std::io::Write;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};

use futures_lite::future::{block_on, pending};
use futures_lite::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, StreamExt};
use http::{Request, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use neap_smol::{Body, BodyError, IntoResponse};

use common::{Running, read_all, read_until};

const POST: &str = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";

fn answering<F, T>(handler: impl Fn(Request<Body>) -> F + Clone + Send + 'static) -> Running
where
    F: Future<Output = T>,
    T: IntoResponse,
{
    Running::start(move |server| server.run(handler).unwrap())
}

async fn lines(request: Request<Body>) -> std::io::Result<String> {
    let lines: Vec<_> = request.into_body().lines().try_collect().await?;
    Ok(lines.join("|"))
}

#[test]
fn content_can_be_read_line_by_line_as_it_comes() {
    let running = answering(lines);
    let mut client = running.connect();
    client
        .write_all((CHUNKED.to_owned() + "3\r\na\nb\r\n").as_bytes())
        .unwrap();
    client
        .write_all(b"4\r\nc\nd\n\r\n0\r\nTrailer: left out\r\n\r\n")
        .unwrap();
    let response = read_until(&mut client, "a|bc|d");
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(running.drain().is_clean());
}

#[test]
fn a_reader_and_a_body_take_turns() {
    let mut body = Body::from("0123456789");
    block_on(async {
        let mut start = [0; 4];
        body.read_exact(&mut start).await.unwrap();
        assert_eq!((&start, body.size_hint().exact()), (b"0123", Some(6)));
        assert!(!body.is_end_stream());
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "456789");
        assert!(body.is_end_stream() && body.frame().await.is_none());
    });
}

#[test]
fn looking_at_content_does_not_use_it_up() {
    let mut body = Body::from("content");
    let cx = &mut Context::from_waker(Waker::noop());
    for _ in 0..2 {
        let Poll::Ready(Ok(seen)) = Pin::new(&mut body).poll_fill_buf(cx) else {
            panic!("it is there");
        };
        assert_eq!(seen, b"content");
    }
    assert_eq!(body.size_hint().exact(), Some(7));
    assert_eq!(block_on(body.collect(7)).unwrap(), "content");
}

#[test]
fn a_reader_leaves_the_trailer_section_to_the_body() {
    let running = answering(|request: Request<Body>| async move {
        let mut body = request.into_body();
        let mut content = String::new();
        body.read_to_string(&mut content).await?;
        let trailers = body
            .frame()
            .await
            .unwrap()
            .unwrap()
            .into_trailers()
            .unwrap();
        content.push_str(trailers["after"].to_str().unwrap());
        Ok::<_, std::io::Error>(content)
    });
    let response = running.exchange(&(CHUNKED.to_owned() + "3\r\nabc\r\n0\r\nAfter: xyz\r\n\r\n"));
    assert!(response.ends_with("abcxyz"), "{response}");
}

/// The handler itself is dropped when its client is gone; who else reads for it is told.
#[test]
fn content_that_ends_early_is_an_error_of_its_reader() {
    let (send, bodies) = channel();
    let running = answering(move |request: Request<Body>| {
        send.send(request.into_body()).unwrap();
        pending::<StatusCode>()
    });
    let mut client = running.connect();
    client
        .write_all((POST.to_owned() + "short").as_bytes())
        .unwrap();
    let mut body = bodies.recv().unwrap();
    block_on(body.read_exact(&mut [0; 5])).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let error = block_on(body.read_to_end(&mut Vec::new())).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

/// Long content goes through pieces that are used again, and what follows it is in the last one.
#[test]
fn long_content_of_one_request_is_told_from_the_next_ones_and_from_earlier_ones() {
    let running =
        answering(|request: Request<Body>| async { http::Response::new(request.into_body()) });
    let lengths = [70_000, 4_096, 65_536, 0, 131_072, 5_000, 200_000, 33_000, 1];
    let mut client = running.connect();
    let mut sending = client.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        for (number, len) in lengths.iter().enumerate() {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n");
            let content = vec![b'a' + u8::try_from(number).unwrap(); *len];
            sending
                .write_all(&[head.as_bytes(), &content].concat())
                .unwrap();
        }
        sending.shutdown(Shutdown::Write).unwrap();
    });
    let responses = read_all(&mut client);
    sender.join().unwrap();
    let contents = responses.split("HTTP/1.1 200 OK\r\n").skip(1);
    let contents: Vec<_> = contents
        .map(|response| response.split_once("\r\n\r\n").unwrap().1)
        .collect();
    assert_eq!(contents.len(), lengths.len());
    for (number, (content, len)) in contents.iter().zip(lengths).enumerate() {
        assert_eq!(content.len(), len);
        let letter = b'a' + u8::try_from(number).unwrap();
        assert!(content.bytes().all(|byte| byte == letter), "{number}");
    }
}

/// A long chunk goes with the memory that it was read into, what is behind it with other memory.
#[test]
fn long_chunks_are_told_from_what_is_behind_them() {
    let running = answering(|request: Request<Body>| request.into_body().text(1_000_000));
    let lengths = [50_000, 3, 40_000, 70_000, 36_864, 200_000];
    let chunks = lengths.iter().zip('a'..);
    let chunks: Vec<_> = chunks
        .map(|(len, letter)| letter.to_string().repeat(*len))
        .collect();
    let mut request = CHUNKED.to_owned();
    for chunk in &chunks {
        request += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
    }
    request += "0\r\nTrailer: z\r\n\r\n";
    let mut client = running.connect();
    let mut sending = client.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        sending.write_all(request.repeat(3).as_bytes()).unwrap();
        sending.shutdown(Shutdown::Write).unwrap();
    });
    let responses = read_all(&mut client);
    sender.join().unwrap();
    let contents = responses.split("HTTP/1.1 200 OK\r\n").skip(1);
    let contents = contents.map(|response| response.split_once("\r\n\r\n").unwrap().1);
    let contents: Vec<_> = contents.collect();
    assert_eq!(contents.len(), 3);
    assert!(contents.iter().all(|content| *content == chunks.concat()));
}

#[test]
fn text_that_is_too_long_or_none_is_refused_by_its_own_status() {
    let running = answering(|request: Request<Body>| request.into_body().text(10));
    let ask = |content: &[u8]| {
        let mut client = running.connect();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
            content.len()
        );
        client.write_all(head.as_bytes()).unwrap();
        client.write_all(content).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        read_all(&mut client)
    };
    assert!(ask("grün".as_bytes()).ends_with("grün"));
    assert!(ask(b"\xff").starts_with("HTTP/1.1 400 "));
    assert!(ask(b"12345678901").starts_with("HTTP/1.1 413 "));
}

#[test]
fn an_error_of_the_system_tells_the_client_nothing() {
    let error = std::io::Error::other("/etc/secret: permission denied");
    let response = error.into_response();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(response.body().is_end_stream());
    let response = std::io::Error::from(BodyError::TooLarge).into_response();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[cfg(feature = "json")]
mod json {
    use super::*;
    use neap_smol::{Json, JsonError};

    #[derive(serde::Deserialize, serde::Serialize)]
    struct Point {
        x: i64,
        y: i64,
    }

    async fn turn(request: Request<Body>) -> Result<Json<Point>, JsonError> {
        let Point { x, y } = request.into_body().json(40).await?;
        Ok(Json(Point { x: -y, y: x }))
    }

    async fn ask(content: &'static str) -> (StatusCode, String) {
        let response = turn(Request::new(content.into())).await.into_response();
        let status = response.status();
        let mut content = Vec::new();
        let collected = response.into_body().collect().await.unwrap();
        content.extend(collected.to_bytes());
        (status, String::from_utf8(content).unwrap())
    }

    #[test]
    fn json_goes_in_and_comes_out() {
        let running = answering(turn);
        let content = r#"{"x":1,"y":2}"#;
        let len = content.len();
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n");
        let response = running.exchange(&(head + content));
        assert!(
            response.contains("content-type: application/json\r\n"),
            "{response}"
        );
        assert!(response.ends_with(r#"{"x":-2,"y":1}"#), "{response}");
    }

    #[test]
    fn what_is_no_json_or_of_another_shape_has_a_status_of_its_own() {
        block_on(async {
            let status = |code| StatusCode::from_u16(code).unwrap();
            assert_eq!(ask("{").await.0, status(400));
            assert_eq!(ask(r#"{"x":1}"#).await.0, status(422));
            assert_eq!(
                ask(r#"{"x":1, "y":2, "z":"too much of it all, by far"}"#)
                    .await
                    .0,
                status(413)
            );
        });
    }
}

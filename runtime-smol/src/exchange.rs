//! A request on its way through its handler.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::header::{CONTENT_LENGTH, HOST};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use http_body::{Body as _, Frame};
use neap_core::{BodyLength, Fields, Head};

use crate::account::Account;
use crate::feed::Feed;
use crate::line::Line;
use crate::{Body, BoxError, IntoResponse};

/// The body of the responses that `F` gives.
pub(crate) type BodyOf<F> = <<F as Future>::Output as IntoResponse>::Body;

/// The data of that body.
pub(crate) type DataOf<F> = <BodyOf<F> as http_body::Body>::Data;

/// Places for a handler's future and for its response's body. They are pinned once and used for
/// one request after another, by whichever connection of the server needs them.
pub(crate) struct Places<F: Future<Output: IntoResponse>> {
    handler: Pin<Box<Option<F>>>,
    body: Pin<Box<Option<BodyOf<F>>>>,
}

impl<F: Future<Output: IntoResponse>> Places<F> {
    pub(crate) fn new() -> Self {
        Places {
            handler: Box::pin(None),
            body: Box::pin(None),
        }
    }

    /// Drops what is in them. A destructor that panics is the handler's fault like any other.
    pub(crate) fn clear(&mut self) -> Result<(), Panicked> {
        let handler = match *self.handler {
            Some(_) => catch(|| self.handler.set(None)),
            None => Ok(()),
        };
        let body = catch(|| self.body.set(None));
        handler.and(body)
    }

    /// Calls the handler with `request`, which stays where it was made until then: a move of what
    /// was just written waits for it.
    pub(crate) fn start(
        &mut self,
        request: &mut Option<Request<Body>>,
        handler: impl FnOnce(Request<Body>) -> F,
    ) -> Result<(), Panicked> {
        catch(|| self.handler.set(request.take().map(handler)))
    }

    /// Polls the handler; puts its response's head into `head`, and the body in its place.
    pub(crate) fn poll_response(
        &mut self,
        head: &mut Option<Parts>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Panicked>> {
        let polled = catch(|| {
            let handler = self.handler.as_mut().as_pin_mut()?;
            let Poll::Ready(response) = handler.poll(cx) else {
                return None;
            };
            let (parts, body) = response.into_response().into_parts();
            self.handler.set(None);
            *head = Some(parts);
            self.body.set(Some(body));
            Some(())
        });
        match polled.transpose() {
            Some(done) => Poll::Ready(done),
            None => Poll::Pending,
        }
    }

    /// Polls the response's body for its next frame; `Ok(None)` is its end.
    pub(crate) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<NextFrame<DataOf<F>>> {
        let Some(body) = self.body.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(None));
        };
        match catch(|| body.poll_frame(cx)) {
            Ok(frame) => frame.map(|frame| {
                frame
                    .transpose()
                    .map_err(|error| BodyFailure::Error(error.into()))
            }),
            Err(Panicked) => Poll::Ready(Err(BodyFailure::Panicked)),
        }
    }

    /// Polls the response's body, which says that it has `length` bytes, for all of them in one
    /// piece.
    pub(crate) fn poll_whole(&mut self, length: u64, cx: &mut Context<'_>) -> First<DataOf<F>> {
        if length == 0 {
            return First::Whole(None);
        }
        match self.poll_body(cx) {
            Poll::Pending => First::Later,
            Poll::Ready(Ok(Some(frame))) => match frame.into_data() {
                Ok(data) if data.chunk().len() as u64 == length && self.is_body_over() => {
                    First::Whole(Some(data))
                }
                Ok(data) => First::Frame(Ok(Some(Frame::data(data)))),
                Err(frame) => First::Frame(Ok(Some(frame))),
            },
            Poll::Ready(other) => First::Frame(other),
        }
    }

    /// Whether the response's body has nothing more to give.
    pub(crate) fn is_body_over(&self) -> bool {
        self.body
            .as_ref()
            .as_pin_ref()
            .is_none_or(|body| body.is_end_stream())
    }

    /// How long the response is. For HEAD, and where the body does not know, the handler's own
    /// `Content-Length` says it.
    pub(crate) fn length(&self, response: &Parts, is_head: bool) -> BodyLength {
        let declared = || {
            let value = response.headers.get(CONTENT_LENGTH)?;
            value.to_str().ok()?.parse().ok()
        };
        let known = self
            .body
            .as_ref()
            .as_pin_ref()
            .and_then(|body| body.size_hint().exact());
        let length = if is_head {
            declared().or(known)
        } else {
            known.or_else(declared)
        };
        length.map_or(BodyLength::Unknown, BodyLength::Known)
    }
}

/// The next frame of a response's body; `None` is its end.
pub(crate) type NextFrame<D> = Result<Option<Frame<D>>, BodyFailure>;

/// What a response's body gives before the head is written.
pub(crate) enum First<D> {
    /// Nothing yet.
    Later,
    /// All that it has.
    Whole(Option<D>),
    /// What is to follow the head.
    Frame(NextFrame<D>),
}

/// Why a response's body ended early.
pub(crate) enum BodyFailure {
    Panicked,
    Error(BoxError),
}

/// Somebody else's code panicked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panicked;

/// Calls code that is not ours. What it leaves behind when it panics is dropped, never used: that
/// is why it may be asserted to be unwind safe.
pub(crate) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| {
        // A payload whose destructor panics as well would end the thread.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        Panicked
    })
}

/// The part of an exchange that belongs to one request.
pub(crate) struct Exchange<F: Future<Output: IntoResponse>> {
    pub(crate) places: Places<F>,
    pub(crate) feed: Option<Feed>,
    /// To the handler, where the request wishes for another protocol.
    pub(crate) line: Option<Line>,
    pub(crate) stage: Stage,
    pub(crate) account: Account,
}

/// How far an exchange has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its handler runs.
    Handling,
    /// The reply's head has been written; its body is being sent.
    Replying,
    /// The reply's head was the last of HTTP; its handler runs on with another protocol.
    Switched,
    /// That handler has ended.
    Over,
}

/// One copy of these pieces, one behind the other.
fn concat<'a>(pieces: impl Iterator<Item = &'a [u8]> + Clone) -> Bytes {
    let mut text = Vec::with_capacity(pieces.clone().map(<[u8]>::len).sum());
    pieces.for_each(|piece| text.extend_from_slice(piece));
    text.into()
}

/// Makes `request`, which is new and so a GET of the root in HTTP/1.1, into that of `head`. It is
/// large, and filled in where it is. `None` if the target is one that [`Uri`] does not take.
pub(crate) fn fill(request: &mut Request<Body>, head: &Head<'_>) -> Option<()> {
    let fields = head.fields();
    let target = head.target_bytes();
    let values = fields.lines().map(|(_, value)| value);
    let mut text;
    if target == b"/" {
        text = concat(values);
    } else {
        text = concat(std::iter::once(target).chain(values));
        *request.uri_mut() = Uri::from_maybe_shared(text.split_to(target.len())).ok()?;
    }
    if head.method_bytes() != b"GET" {
        *request.method_mut() = Method::from_bytes(head.method_bytes()).ok()?;
    }
    if head.version() == neap_core::Version::Http10 {
        *request.version_mut() = Version::HTTP_10;
    }
    append(request.headers_mut(), fields, &mut text)?;
    if let (Some(authority), true) = (request.uri().authority(), request.uri().scheme().is_some()) {
        // The target of a request in absolute-form outranks its Host (RFC 9112 section 3.2.2).
        let host = HeaderValue::from_str(authority.as_str()).ok()?;
        request.headers_mut().insert(HOST, host);
    }
    Some(())
}

/// The trailer section, for the handler.
pub(crate) fn trailers(fields: Fields<'_>) -> Option<HeaderMap> {
    let mut text = concat(fields.lines().map(|(_, value)| value));
    let mut map = HeaderMap::new();
    append(&mut map, fields, &mut text)?;
    Some(map)
}

/// Appends `fields` to a map that is empty; `text` holds their values one behind the other.
fn append(map: &mut HeaderMap, fields: Fields<'_>, text: &mut Bytes) -> Option<()> {
    map.reserve(fields.len());
    for (name, value) in fields.lines() {
        let name = match name {
            // Every request has it.
            b"Host" | b"host" => HOST,
            name => HeaderName::from_bytes(name).ok()?,
        };
        let value = HeaderValue::from_maybe_shared(text.split_to(value.len())).ok()?;
        map.append(name, value);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use neap_core::{Config, Connection, Item, Lifecycle, Spans, Time};

    use super::*;

    /// What a handler gets of a request without content.
    fn made(head: &str) -> Option<Request<Body>> {
        let (lifecycle, config) = (Lifecycle::new(), Config::default());
        let t = lifecycle.tick(Time::ZERO, &config);
        let mut spans = Spans::new();
        let received = Connection::new(t).handle_input(t, head.as_bytes(), &mut spans);
        let Item::Head(head) = received.item else {
            panic!("{:?}", received.item);
        };
        let mut request = Request::new(Body::empty());
        fill(&mut request, &head)?;
        Some(request)
    }

    #[test]
    fn a_request_has_the_method_target_and_version_of_its_head() {
        for (line, method, version) in [
            ("GET / HTTP/1.1", Method::GET, Version::HTTP_11),
            ("HEAD /a?b HTTP/1.0", Method::HEAD, Version::HTTP_10),
            ("OPTIONS * HTTP/1.1", Method::OPTIONS, Version::HTTP_11),
            ("get // HTTP/1.0", "get".parse().unwrap(), Version::HTTP_10),
        ] {
            let request = made(&format!("{line}\r\nHost: a.test\r\n\r\n")).unwrap();
            let target = line.split(' ').nth(1).unwrap();
            assert_eq!(request.method(), method);
            assert_eq!(request.uri().to_string(), target);
            assert_eq!(request.version(), version);
        }
    }

    #[test]
    fn a_request_has_every_field_line_of_its_head_in_order() {
        for host in ["Host", "host", "HOST"] {
            let lines = format!("GET /a HTTP/1.1\r\nA: 1\r\n{host}: b.test\r\na: \r\nA: 2\r\n\r\n");
            let request = made(&lines).unwrap();
            assert_eq!(request.headers()[HOST], "b.test");
            let all = request.headers().get_all("a").iter();
            assert!(all.eq(["1", "", "2"]), "{request:?}");
            assert_eq!(request.headers().len(), 4);
        }
    }

    #[test]
    fn the_authority_of_a_target_outranks_the_host_field_rfc_9112_3_2_2() {
        let request = made("GET http://a.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n").unwrap();
        assert_eq!(request.headers()[HOST], "a.test");
        assert_eq!(request.headers().len(), 1);
    }
}

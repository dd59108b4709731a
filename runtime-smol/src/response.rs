//! What handlers give, and how it becomes a response.

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Frame, SizeHint};

/// An error of a response's body, of whatever type.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What can become a response.
///
/// Text is sent as `text/plain; charset=utf-8`, bytes as `application/octet-stream`. With a
/// [`StatusCode`] in front of it, it has that status. A `Result` is a response if both of its sides
/// are: errors of reading a request are.
///
/// ```
/// use http::StatusCode;
/// use neap_smol::IntoResponse;
///
/// let found: Result<String, StatusCode> = Err(StatusCode::NOT_FOUND);
/// assert_eq!(found.into_response().status(), StatusCode::NOT_FOUND);
/// ```
pub trait IntoResponse {
    /// The response's body.
    type Body: http_body::Body<Error: Into<BoxError>>;

    /// The response.
    fn into_response(self) -> Response<Self::Body>;
}

impl<B: http_body::Body<Error: Into<BoxError>>> IntoResponse for Response<B> {
    type Body = B;

    fn into_response(self) -> Response<B> {
        self
    }
}

impl IntoResponse for StatusCode {
    type Body = Full;

    fn into_response(self) -> Response<Full> {
        let mut response = Response::new(Full::empty());
        *response.status_mut() = self;
        response
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    type Body = T::Body;

    fn into_response(self) -> Response<T::Body> {
        let mut response = self.1.into_response();
        *response.status_mut() = self.0;
        response
    }
}

impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    type Body = Either<T::Body, E::Body>;

    fn into_response(self) -> Response<Self::Body> {
        match self {
            Ok(value) => value
                .into_response()
                .map(|body| Either::Left(Box::pin(body))),
            Err(error) => error
                .into_response()
                .map(|body| Either::Right(Box::pin(body))),
        }
    }
}

macro_rules! full_response {
    ($($content_type:literal: $($type:ty),+;)+) => {$($(
        impl IntoResponse for $type {
            type Body = Full;

            fn into_response(self) -> Response<Full> {
                let mut response = Response::new(Full::from(self));
                let content_type = HeaderValue::from_static($content_type);
                response.headers_mut().insert(CONTENT_TYPE, content_type);
                response
            }
        }

        impl From<$type> for Full {
            fn from(content: $type) -> Full {
                Full(content.into())
            }
        }
    )+)+};
}

full_response! {
    "text/plain; charset=utf-8": &'static str, String;
    "application/octet-stream": Bytes, Vec<u8>, &'static [u8];
}

impl IntoResponse for crate::BodyError {
    type Body = Full;

    /// 413 for content over a limit. Otherwise 400, which hardly anybody will read: the client's
    /// side of the connection has ended in the middle of its request.
    fn into_response(self) -> Response<Full> {
        let status = match self {
            crate::BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            crate::BodyError::Incomplete | crate::BodyError::NotText => StatusCode::BAD_REQUEST,
        };
        (status, self.to_string()).into_response()
    }
}

impl IntoResponse for std::io::Error {
    type Body = Full;

    /// 500, and nothing of what the system said: that is for the log. Where a request's content
    /// could not be read, what the [`BodyError`](crate::BodyError) is answered by.
    fn into_response(self) -> Response<Full> {
        let inner = self.get_ref();
        match inner.and_then(|inner| inner.downcast_ref::<crate::BodyError>()) {
            Some(error) => error.into_response(),
            None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

impl IntoResponse for Infallible {
    type Body = Full;

    fn into_response(self) -> Response<Full> {
        match self {}
    }
}

/// A body that is there as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Full(pub Bytes);

impl Full {
    /// A body without content.
    #[must_use]
    pub const fn empty() -> Full {
        Full(Bytes::new())
    }
}

impl http_body::Body for Full {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let content = std::mem::take(&mut self.0);
        Poll::Ready((!content.is_empty()).then(|| Ok(Frame::data(content))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

/// One body or another: that of a `Result`'s response.
#[derive(Debug)]
pub enum Either<L, R> {
    /// The body of an `Ok`.
    Left(Pin<Box<L>>),
    /// The body of an `Err`.
    Right(Pin<Box<R>>),
}

/// A piece of one body or another.
#[derive(Clone, Debug)]
pub enum EitherData<L, R> {
    /// Of the body of an `Ok`.
    Left(L),
    /// Of the body of an `Err`.
    Right(R),
}

impl<L, R> http_body::Body for Either<L, R>
where
    L: http_body::Body<Error: Into<BoxError>>,
    R: http_body::Body<Error: Into<BoxError>>,
{
    type Data = EitherData<L::Data, R::Data>;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BoxError>>> {
        match self.get_mut() {
            Either::Left(body) => body
                .as_mut()
                .poll_frame(cx)
                .map(|f| lift(f, EitherData::Left)),
            Either::Right(body) => body
                .as_mut()
                .poll_frame(cx)
                .map(|f| lift(f, EitherData::Right)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Either::Left(body) => body.is_end_stream(),
            Either::Right(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Either::Left(body) => body.size_hint(),
            Either::Right(body) => body.size_hint(),
        }
    }
}

/// Makes one side's frame a frame of either.
fn lift<D, E: Into<BoxError>, T>(
    frame: Option<Result<Frame<D>, E>>,
    side: fn(D) -> T,
) -> Option<Result<Frame<T>, BoxError>> {
    frame.map(|frame| frame.map(|frame| frame.map_data(side)).map_err(Into::into))
}

impl<L: Buf, R: Buf> Buf for EitherData<L, R> {
    fn remaining(&self) -> usize {
        match self {
            EitherData::Left(data) => data.remaining(),
            EitherData::Right(data) => data.remaining(),
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            EitherData::Left(data) => data.chunk(),
            EitherData::Right(data) => data.chunk(),
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            EitherData::Left(data) => data.advance(count),
            EitherData::Right(data) => data.advance(count),
        }
    }
}

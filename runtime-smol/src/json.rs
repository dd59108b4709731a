//! JSON, in requests and in responses.

use std::fmt;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Body, BodyError, Full, IntoResponse};

impl Body {
    /// Reads all of the content as JSON, of which there may be `limit` bytes.
    ///
    /// Dropping the future half-way loses what was read.
    ///
    /// ```
    /// use http::Request;
    /// use neap_smol::{Body, Json, JsonError};
    ///
    /// async fn sum(request: Request<Body>) -> Result<Json<i64>, JsonError> {
    ///     let numbers: Vec<i64> = request.into_body().json(64 * 1024).await?;
    ///     Ok(Json(numbers.iter().sum()))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`JsonError::Body`] if it could not be read, as by [`collect`](Body::collect);
    /// [`JsonError::Json`] if it is no JSON, or not of this shape.
    pub async fn json<T: DeserializeOwned>(self, limit: usize) -> Result<T, JsonError> {
        let content = self.collect(limit).await.map_err(JsonError::Body)?;
        serde_json::from_slice(&content).map_err(JsonError::Json)
    }
}

/// A response that is JSON (`application/json`).
///
/// A value that cannot be serialized is answered by 500.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    type Body = Full;

    fn into_response(self) -> Response<Full> {
        let Ok(content) = serde_json::to_vec(&self.0) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let mut response = content.into_response();
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }
}

/// Why a request's content is not the JSON that was asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum JsonError {
    /// It could not be read.
    Body(BodyError),
    /// It is no JSON, or not of the shape that was asked for.
    Json(serde_json::Error),
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JsonError::Body(error) => error.fmt(f),
            JsonError::Json(error) => {
                write!(f, "the request's content is not as expected: {error}")
            }
        }
    }
}

impl std::error::Error for JsonError {}

impl IntoResponse for JsonError {
    type Body = Full;

    /// 400 for what is no JSON, 422 for JSON of another shape.
    fn into_response(self) -> Response<Full> {
        let status = match &self {
            JsonError::Body(error) => return error.into_response(),
            JsonError::Json(error) if error.is_data() => StatusCode::UNPROCESSABLE_ENTITY,
            JsonError::Json(_) => StatusCode::BAD_REQUEST,
        };
        (status, self.to_string()).into_response()
    }
}

//! What is answered instead of a file.

use http::{HeaderValue, Response, StatusCode, header};

use super::content::Content;
use super::open::OpenError;
use super::path::PathError;
use crate::reply;

/// A status and a sentence that says nothing about the system behind it.
pub(crate) struct Refusal {
    status: StatusCode,
    sentence: &'static str,
}

impl Refusal {
    pub(crate) const BAD_REQUEST: Refusal = Refusal {
        status: StatusCode::BAD_REQUEST,
        sentence: "This is not a path.",
    };
    pub(crate) const NOT_FOUND: Refusal = Refusal {
        status: StatusCode::NOT_FOUND,
        sentence: "Nothing is here.",
    };
    pub(crate) const FORBIDDEN: Refusal = Refusal {
        status: StatusCode::FORBIDDEN,
        sentence: "The server may not read this.",
    };
    pub(crate) const PRECONDITION_FAILED: Refusal = Refusal {
        status: StatusCode::PRECONDITION_FAILED,
        sentence: "It is not in the state that the request supposes.",
    };
    pub(crate) const FAILED: Refusal = Refusal {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        sentence: "The server failed to read this.",
    };
    pub(crate) const BUSY: Refusal = Refusal {
        status: StatusCode::SERVICE_UNAVAILABLE,
        sentence: "The server cannot open this right now. Try again.",
    };

    pub(crate) const TOO_MANY_LISTINGS: Refusal = Refusal {
        status: StatusCode::SERVICE_UNAVAILABLE,
        sentence: "Too many long listings are on their way. Try again.",
    };

    /// Whether it is because nothing is there.
    pub(crate) fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// As a response.
    pub(crate) fn into_response(self) -> Response<Content> {
        let mut response = reply::text(self.status, self.sentence);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            // In seconds (RFC 9110 section 10.2.3): another request's end makes room.
            let soon = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, soon);
        }
        response
    }
}

/// What kept a request from its answer.
pub(crate) enum Setback {
    /// There is another answer.
    Refusal(Refusal),
    /// The storage would have to be waited for, and may not be.
    NotNow,
}

impl From<Refusal> for Setback {
    fn from(refusal: Refusal) -> Setback {
        Setback::Refusal(refusal)
    }
}

impl From<PathError> for Setback {
    fn from(error: PathError) -> Setback {
        Refusal::from(error).into()
    }
}

impl From<OpenError> for Setback {
    fn from(error: OpenError) -> Setback {
        match error {
            OpenError::NotNow => Setback::NotNow,
            other => Refusal::from(other).into(),
        }
    }
}

impl From<PathError> for Refusal {
    fn from(error: PathError) -> Refusal {
        match error {
            PathError::Malformed => Refusal::BAD_REQUEST,
            PathError::NotFound => Refusal::NOT_FOUND,
        }
    }
}

impl From<OpenError> for Refusal {
    fn from(error: OpenError) -> Refusal {
        match error {
            OpenError::NotFound => Refusal::NOT_FOUND,
            OpenError::Forbidden => Refusal::FORBIDDEN,
            OpenError::Busy | OpenError::NotNow => Refusal::BUSY,
            OpenError::Failed(_) => Refusal::FAILED,
        }
    }
}

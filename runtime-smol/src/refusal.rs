//! What the server's own responses look like.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use neap_core::Refusal;

/// The content of a response that the server gives in a handler's place.
///
/// Its status, `Date`, `Connection: close` and length are the server's affair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalPage {
    /// The media type.
    pub content_type: HeaderValue,
    /// The content.
    pub content: Bytes,
}

/// Who makes the pages, if the short text is not enough.
#[derive(Clone, Default)]
pub(crate) struct Refusals(pub(crate) Option<Arc<MakePage>>);

pub(crate) type MakePage = dyn Fn(Refusal) -> RefusalPage + Send + Sync;

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Refusals").field(&self.0.is_some()).finish()
    }
}

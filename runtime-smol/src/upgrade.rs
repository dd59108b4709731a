//! Another protocol on a connection that began with HTTP, as its handler sees it.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_lite::{AsyncRead, AsyncWrite};
use http::{Request, Response};
use neap_core::MisuseError;

use crate::line::{Line, Link};
use crate::{ConnectionInfo, Shutdown};

/// A request's wish for another protocol: by `Upgrade` (RFC 9110 section 7.8), or by CONNECT
/// (section 9.3.6). Among the extensions of those requests that have it, and nothing more than a
/// wish: a handler that answers as usual has not granted it.
///
/// A handler that grants it goes on, inside itself, with the bytes of the connection. It holds the
/// server's drain like a request that is under way, is cut off at its deadline, and should say
/// goodbye when [`Upgraded::shutdown`] tells. When it returns, what it has written is sent and the
/// connection ends; the response that it then gives is sent to nobody. A panic costs this
/// connection only, and a client whose connection breaks costs the handler: it is dropped.
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
/// use http::{Request, Response, StatusCode};
/// use neap_smol::{Body, Upgrade};
///
/// /// Returns each byte, until the client ends its side.
/// async fn echo(request: Request<Body>) -> StatusCode {
///     let Some(upgrade) = Upgrade::of(&request) else {
///         return StatusCode::UPGRADE_REQUIRED;
///     };
///     let mut response = Response::new(());
///     *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
///     let protocol = http::HeaderValue::from_static("echo");
///     response.headers_mut().insert(http::header::UPGRADE, protocol);
///     let Ok(mut stream) = upgrade.accept(response).await else {
///         return StatusCode::INTERNAL_SERVER_ERROR;
///     };
///     let mut buffer = [0; 1024];
///     while let Ok(count @ 1..) = stream.read(&mut buffer).await {
///         if stream.write_all(&buffer[..count]).await.is_err() {
///             break;
///         }
///     }
///     StatusCode::SWITCHING_PROTOCOLS
/// }
/// ```
#[derive(Clone)]
pub struct Upgrade(Arc<Link>);

impl Upgrade {
    /// What `request` wishes, if it does.
    #[must_use]
    pub fn of<B>(request: &Request<B>) -> Option<Upgrade> {
        request.extensions().get().cloned()
    }

    pub(crate) fn new(info: &ConnectionInfo, connection: Waker) -> Upgrade {
        Upgrade(Arc::new(Link::new(info, connection)))
    }

    /// The connection's side.
    pub(crate) fn line(&self) -> Line {
        Line::new(&self.0)
    }

    /// Grants it: sends the head of `response`, and gives the connection once that is in the
    /// kernel. What the client has sent behind its request is read from it first.
    ///
    /// The status is 101 and the field `Upgrade` names the protocol, or, for CONNECT, the status is
    /// a successful one. `Connection` is added; fields that frame content are left out. Drop the
    /// request's body first, or read it to its end.
    ///
    /// Dropping it half-way does not take the grant back: the connection then ends with the
    /// handler.
    ///
    /// # Errors
    ///
    /// [`UpgradeError`] if the response does not fit, or the request's content has not come whole:
    /// nothing was sent then, and the handler can still answer as usual.
    pub async fn accept(self, response: Response<()>) -> Result<Upgraded, UpgradeError> {
        self.0.grant(response).map_err(UpgradeError)?;
        let granted = poll_fn(|cx| self.0.poll_granted(cx)).await;
        granted.map_err(UpgradeError)?;
        Ok(Upgraded(self.0))
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Upgrade").finish_non_exhaustive()
    }
}

/// Why another protocol could not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpgradeError(MisuseError);

impl UpgradeError {
    /// What was wrong: [`MisuseError::Status`] and [`MisuseError::Field`] with the response,
    /// [`MisuseError::OutOfOrder`] if there is content to be read, it was granted before, or the
    /// handler has ended.
    #[must_use]
    pub fn misuse(self) -> MisuseError {
        self.0
    }
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot switch protocols: {}", self.0)
    }
}

impl std::error::Error for UpgradeError {}

/// A connection that speaks another protocol now.
///
/// It is always `Send`: it may be moved to another task or thread, as long as its handler is still
/// running; after that, reading and writing fail. Dropping it ends our side of the connection, once
/// what was written is sent.
pub struct Upgraded(Arc<Link>);

impl Upgraded {
    /// Tells of the server's shutdown: when to say goodbye, and how long there is for it.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.0.info.goodbye()
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &ConnectionInfo {
        &self.0.info
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buffer)
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, buffer)
    }

    /// Waits until everything is in the kernel.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    /// Ends our side, once everything is in the kernel. The client's can still be read.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.end();
        self.0.poll_flush(cx)
    }
}

impl Drop for Upgraded {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Upgraded").field(&self.0.info).finish()
    }
}

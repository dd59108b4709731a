//! Another protocol on a connection that began with HTTP, as its handler sees it.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_lite::{AsyncRead, AsyncWrite};
use http::{Request, Response};
use neap_core::MisuseError;

use crate::{ConnectionInfo, Shutdown};

/// How much is read ahead of the handler, and how much of its output waits to be written.
const CAPACITY: usize = 32 * 1024;

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
        Upgrade(Arc::new(Link {
            info: info.clone(),
            connection,
            state: Mutex::default(),
        }))
    }

    /// Grants it: sends the head of `response`, and gives the connection once that is in the
    /// kernel. What the client has sent behind its request is read from it first.
    ///
    /// The status is 101 and the field `Upgrade` names the protocol, or, for CONNECT, the status is
    /// a successful one. `Connection` is added; fields that frame content are left out. Drop the
    /// request's body first, or read it to its end.
    ///
    /// Once this has been polled, dropping it half-way ends the connection, unless it was refused.
    ///
    /// # Errors
    ///
    /// [`UpgradeError`] if the response does not fit, or the request's content has not come whole:
    /// nothing was sent then, and the handler can still answer as usual.
    ///
    /// # Panics
    ///
    /// Never: a second call, by a clone, is an error.
    pub async fn accept(self, response: Response<()>) -> Result<Upgraded, UpgradeError> {
        let mut state = self.0.lock();
        if !matches!(state.stage, Stage::Wished) {
            return Err(UpgradeError(MisuseError::OutOfOrder));
        }
        state.stage = Stage::Granted(Some(response));
        drop(state);
        self.0.connection.wake_by_ref();
        poll_fn(|cx| self.0.poll_granted(cx)).await?;
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
    /// [`MisuseError::OutOfOrder`] if there is content to be read, or it was asked for before.
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
        self.0.info.shutdown()
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
        let mut state = self.0.lock();
        let State {
            input,
            taken,
            has_ended,
            ..
        } = &mut *state;
        let waiting = &input[*taken..];
        if waiting.is_empty() {
            if *has_ended {
                return Poll::Ready(Ok(0));
            }
            if state.is_over {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            }
            keep(&mut state.reader, cx);
            return Poll::Pending;
        }
        let count = waiting.len().min(buffer.len());
        buffer[..count].copy_from_slice(&waiting[..count]);
        *taken += count;
        if *taken == input.len() {
            // It goes on reading, which it stopped when this was full.
            let was_full = input.len() >= CAPACITY;
            input.clear();
            *taken = 0;
            drop(state);
            if was_full {
                self.0.connection.wake_by_ref();
            }
        }
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        if state.is_over || state.ends {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = CAPACITY.saturating_sub(state.output.len());
        if room == 0 {
            keep(&mut state.writer, cx);
            return Poll::Pending;
        }
        let count = buffer.len().min(room);
        state.output.extend_from_slice(&buffer[..count]);
        drop(state);
        self.0.connection.wake_by_ref();
        Poll::Ready(Ok(count))
    }

    /// Waits until everything is in the kernel.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        if state.output.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if state.is_over {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        keep(&mut state.writer, cx);
        Poll::Pending
    }

    /// Ends our side, once everything is in the kernel. The client's can still be read.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.end();
        self.poll_flush(cx)
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

/// What a handler and its connection share.
struct Link {
    info: ConnectionInfo,
    connection: Waker,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stage: Stage,
    /// What was received, of which `taken` bytes have been read.
    input: Vec<u8>,
    taken: usize,
    /// The client has ended its side, behind `input`.
    has_ended: bool,
    /// What is to be sent.
    output: Vec<u8>,
    /// Our side ends, behind `output`.
    ends: bool,
    /// The connection is over, or its handler is.
    is_over: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Default)]
enum Stage {
    #[default]
    Wished,
    /// With the response, until it has been taken up.
    Granted(Option<Response<()>>),
    Refused(MisuseError),
    Begun,
}

impl Link {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing can panic half-way through a change: a poisoned state is as good as any.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_granted(&self, cx: &mut Context<'_>) -> Poll<Result<(), UpgradeError>> {
        let mut state = self.lock();
        match state.stage {
            Stage::Begun => Poll::Ready(Ok(())),
            Stage::Refused(error) => Poll::Ready(Err(UpgradeError(error))),
            Stage::Wished | Stage::Granted(_) => {
                keep(&mut state.reader, cx);
                Poll::Pending
            }
        }
    }

    fn end(&self) {
        let ended = std::mem::replace(&mut self.lock().ends, true);
        if !ended {
            self.connection.wake_by_ref();
        }
    }
}

fn keep(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        none => *none = Some(cx.waker().clone()),
    }
}

/// The connection's side. Dropping it ends the handler's.
pub(crate) struct Line(Arc<Link>);

impl Line {
    pub(crate) fn to(upgrade: &Upgrade) -> Line {
        Line(Arc::clone(&upgrade.0))
    }

    /// The response with which the handler grants the upgrade, once.
    pub(crate) fn take_granted(&self) -> Option<Response<()>> {
        match &mut self.0.lock().stage {
            Stage::Granted(response) => response.take(),
            Stage::Wished | Stage::Refused(_) | Stage::Begun => None,
        }
    }

    /// Whether the handler has granted it, or tried to.
    pub(crate) fn refuse(&self, error: MisuseError) {
        self.update(|state| state.stage = Stage::Refused(error));
    }

    /// The other protocol begins, with what was already read.
    pub(crate) fn begin(&self, input: &[u8]) {
        self.update(|state| {
            state.stage = Stage::Begun;
            state.input.extend_from_slice(input);
        });
    }

    /// How many bytes may be read for it.
    pub(crate) fn room(&self) -> usize {
        let state = self.0.lock();
        if state.has_ended {
            return 0;
        }
        CAPACITY.saturating_sub(state.input.len())
    }

    /// These were read; none are the end.
    pub(crate) fn push(&self, input: &[u8]) {
        self.update(|state| {
            state.input.extend_from_slice(input);
            state.has_ended |= input.is_empty();
        });
    }

    /// Lets `write` write from what waits; it says how many bytes went.
    pub(crate) fn write(&self, write: impl FnOnce(&[u8]) -> Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        if state.output.is_empty() {
            return Poll::Pending;
        }
        let written = write(&state.output);
        if let Poll::Ready(Ok(count)) = written {
            state.output.drain(..count);
            let writer = state.writer.take();
            drop(state);
            if let Some(writer) = writer {
                writer.wake();
            }
        }
        written
    }

    /// Whether our side is to be ended now: everything before it has been written.
    pub(crate) fn is_ending(&self) -> bool {
        let state = self.0.lock();
        state.ends && state.output.is_empty()
    }

    /// What has not been written yet.
    pub(crate) fn take_output(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().output)
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.lock();
        change(&mut state);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_over = true;
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

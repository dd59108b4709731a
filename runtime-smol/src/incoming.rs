//! Connections that come from elsewhere than a listening socket of the kernel.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use futures_lite::{AsyncRead, AsyncWrite};
use neap_core::Time;

use crate::listening::{Kernel, Options};
use crate::seal::Rung;
use crate::system::{Accepted, ListeningSocket, Native, StopSignal, System, Transport};
use crate::{Address, Reactor};

/// The system's clock and timer, for listeners of your own: `Server::on(Host::new())`, then
/// [`Server::socket`](crate::Server::socket).
///
/// ```
/// use neap_smol::system::{Host, Stream, incoming};
/// use neap_smol::{Address, Ownership, Server};
/// use smol::net::unix::UnixStream;
///
/// # fn main() -> std::io::Result<()> {
/// let (connector, listener) = incoming();
/// let server = Server::on(Host::new()).socket(listener, Address::Unnamed, Ownership::Sole);
/// # futures_lite::future::block_on(async {
/// let (client, ours) = UnixStream::pair()?;
/// assert!(connector.connect(Stream::new(ours), Address::Unnamed).is_ok());
/// # drop(client);
/// # std::io::Result::Ok(())
/// # })?;
/// drop(server);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Host<L> {
    native: Native,
    listener: PhantomData<fn() -> L>,
}

impl<L> Host<L> {
    /// Its time begins now.
    #[must_use]
    pub fn new() -> Host<L> {
        let options = Options {
            backlog: 0,
            reuse_port: false,
        };
        let mut native = Native::new(options);
        // It has no sockets of its own to be told of.
        native.kernel = Kernel::new(Reactor::AsyncIo);
        Host {
            native,
            listener: PhantomData,
        }
    }
}

impl<L> Default for Host<L> {
    fn default() -> Host<L> {
        Host::new()
    }
}

impl<L: ListeningSocket> System for Host<L> {
    type Listener = L;

    fn now(&self) -> Time {
        self.native.now()
    }

    fn origin(&self) -> Option<Instant> {
        self.native.origin()
    }

    fn since_1970(&self) -> Duration {
        self.native.since_1970()
    }

    fn set_timer(&mut self, at: Time, cx: &mut Context<'_>) {
        self.native.set_timer(at, cx);
    }

    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<StopSignal> {
        self.native.poll_stop(cx)
    }

    fn end_process(&mut self, signal: StopSignal) {
        self.native.end_process(signal);
    }
}

/// A listener, and the one who gives it its connections.
#[must_use]
pub fn incoming<T: Transport>() -> (Connector<T>, Incoming<T>) {
    let queue = Arc::new(Mutex::new(Queue::default()));
    (Connector(Arc::clone(&queue)), Incoming(queue))
}

struct Queue<T> {
    waiting: VecDeque<Accepted<T>>,
    waker: Option<Waker>,
    has_ended: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue {
            waiting: VecDeque::new(),
            waker: None,
            has_ended: false,
        }
    }
}

fn lock<T>(queue: &Mutex<Queue<T>>) -> MutexGuard<'_, Queue<T>> {
    // Nothing can panic half-way through a change: a poisoned queue is as good as any.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives connections to an [`Incoming`], from any thread. Clones give to the same.
pub struct Connector<T>(Arc<Mutex<Queue<T>>>);

impl<T> Connector<T> {
    /// Lets the server accept `transport`, with `peer` for the client's address.
    ///
    /// # Errors
    ///
    /// If nobody listens any more, the transport.
    pub fn connect(&self, transport: T, peer: Address) -> Result<(), T> {
        let mut queue = lock(&self.0);
        if queue.has_ended {
            return Err(transport);
        }
        queue.waiting.push_back(Accepted {
            transport,
            peer,
            local: None,
        });
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }
}

impl<T> Clone for Connector<T> {
    fn clone(&self) -> Connector<T> {
        Connector(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Connector<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connector").finish_non_exhaustive()
    }
}

/// A listener whose connections are [given](Connector) to it. Who waits in its queue when the drain
/// begins is served; from then on nobody new can come.
pub struct Incoming<T>(Arc<Mutex<Queue<T>>>);

impl<T: Transport> ListeningSocket for Incoming<T> {
    type Transport = T;

    fn accept(&self) -> io::Result<Accepted<T>> {
        let next = lock(&self.0).waiting.pop_front();
        next.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut queue = lock(&self.0);
        if !queue.waiting.is_empty() {
            return Poll::Ready(Ok(()));
        }
        queue.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// There are no handshakes to keep from beginning.
    fn seal(&self, _rung: Rung) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn poll_half_open(&mut self, _cx: &mut Context<'_>) -> Poll<Option<HashSet<SocketAddr>>> {
        Poll::Ready(None)
    }

    fn uses_cookies(&self) -> bool {
        false
    }

    fn has_heir(&self) -> bool {
        false
    }

    fn queued(&self) -> io::Result<u64> {
        Ok(lock(&self.0).waiting.len() as u64)
    }
}

impl<T> Drop for Incoming<T> {
    fn drop(&mut self) {
        let mut queue = lock(&self.0);
        queue.has_ended = true;
        let left = std::mem::take(&mut queue.waiting);
        drop(queue);
        drop(left);
    }
}

impl<T> fmt::Debug for Incoming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Incoming").finish_non_exhaustive()
    }
}

/// Anything that is an `AsyncRead` and `AsyncWrite`, as a [`Transport`].
///
/// Such streams know no reset: to a client of HTTP/1.0 a response that is cut looks whole, unless
/// [TLS](crate::system) is on top.
#[derive(Debug)]
pub struct Stream<S> {
    stream: S,
    /// How much of what was taken is not flushed yet.
    unsent: usize,
}

impl<S> Stream<S> {
    /// A transport of `stream`.
    pub fn new(stream: S) -> Stream<S> {
        Stream { stream, unsent: 0 }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Transport for Stream<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.poll_read(&mut Context::from_waker(Waker::noop()), buffer) {
            Poll::Ready(read) => read,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut stream = Pin::new(&mut self.stream);
        if self.unsent == 0 {
            self.unsent = ready!(stream.as_mut().poll_write_vectored(cx, slices))?;
        }
        ready!(stream.poll_flush(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut self.unsent)))
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

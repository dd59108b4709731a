//! What the servers do about requests. Time passes for them as it does for everybody: virtually.

use std::cell::RefCell;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use neap_smol::{Body, BoxError, Full, Shutdown};

use super::faults::Fault;
use super::kernel::Happening;
use super::script::{Handler, Micros, Script, pattern};
use super::system::SharedKernel;

/// How large a piece of an endless stream is.
pub(super) const PIECE: usize = 16;

/// What became of one dispatched request.
#[derive(Clone, Debug)]
pub struct Dispatched {
    /// Whose, by its place in the script.
    pub client: usize,
    /// Which of its requests.
    pub number: usize,
    /// When it was dispatched.
    pub at: Micros,
    /// When the handler, and the body that it gave, were gone.
    pub dropped: Option<Micros>,
}

/// What became of all requests that a server dispatched.
pub(super) type Log = Rc<RefCell<Vec<Dispatched>>>;

/// Notes when a handler, with its body, is gone.
#[derive(Debug)]
struct Guard {
    kernel: SharedKernel,
    log: Log,
    index: usize,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let now = self.kernel.borrow().now;
        self.log.borrow_mut()[self.index].dropped = Some(now);
    }
}

/// Ready when the time has come.
struct Sleep {
    kernel: SharedKernel,
    until: Micros,
    is_arranged: bool,
}

impl Sleep {
    fn new(kernel: &SharedKernel, time: Micros) -> Sleep {
        let until = kernel.borrow().now + time;
        Sleep {
            kernel: Rc::clone(kernel),
            until,
            is_arranged: false,
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let mut kernel = this.kernel.borrow_mut();
        if kernel.now >= this.until {
            return Poll::Ready(());
        }
        // It is always the same connection that waits.
        if !std::mem::replace(&mut this.is_arranged, true) {
            kernel.at(this.until, Happening::Wake(cx.waker().clone()));
        }
        Poll::Pending
    }
}

/// Everything that a server's handlers share.
#[derive(Clone)]
pub(super) struct Handling {
    pub(super) kernel: SharedKernel,
    pub(super) script: Rc<Script>,
    pub(super) log: Log,
}

impl Handling {
    /// Does with a request what the script says.
    pub(super) async fn handle(self, request: Request<Body>) -> Response<Content> {
        let mut numbers = request.uri().path().split('/').skip(1).map(str::parse);
        let (Some(Ok(id)), Some(Ok(number))) = (numbers.next(), numbers.next()) else {
            return Response::new(Content::full(Vec::new(), None));
        };
        let id: u32 = id;
        let Some(client) = self
            .script
            .clients
            .iter()
            .position(|client| client.id == id)
        else {
            return Response::new(Content::full(Vec::new(), None));
        };
        let number: usize = match usize::try_from(number) {
            Ok(number) => number,
            Err(_) => return Response::new(Content::full(Vec::new(), None)),
        };
        let guard = self.begin(client, number);
        let handler = self.script.clients[client].requests[number].handler;
        let stop = Shutdown::of(&request);
        let content = self
            .content(handler, (id, number), request, stop, guard)
            .await;
        Response::new(content)
    }

    fn begin(&self, client: usize, number: usize) -> Guard {
        let mut kernel = self.kernel.borrow_mut();
        kernel.note(|| format!("request {number} of {client} is dispatched"));
        let mut log = self.log.borrow_mut();
        log.push(Dispatched {
            client,
            number,
            at: kernel.now,
            dropped: None,
        });
        Guard {
            kernel: Rc::clone(&self.kernel),
            log: Rc::clone(&self.log),
            index: log.len() - 1,
        }
    }

    async fn content(
        &self,
        handler: Handler,
        (id, number): (u32, usize),
        request: Request<Body>,
        stop: Option<Shutdown>,
        guard: Guard,
    ) -> Content {
        let kernel = &self.kernel;
        let known = |length| pattern(id, number, length);
        match handler {
            Handler::Instant(length) => Content::full(known(length), Some(guard)),
            Handler::Ignore(length) => {
                // Kept until the response is made: dropping it is what says "ignored".
                let content = Content::full(known(length), Some(guard));
                drop(request);
                content
            }
            Handler::Delay(time) => {
                Sleep::new(kernel, time).await;
                Content::full(known(PIECE), Some(guard))
            }
            Handler::Stream(pieces, size, gap) => {
                let data = known(pieces * size);
                let chunks = data.chunks(size.max(1)).rev();
                let pieces = chunks.map(Bytes::copy_from_slice).collect();
                Content::stream(pieces, (kernel, gap), false, guard)
            }
            Handler::PanicLate(pieces) => {
                let pieces = (0..pieces).map(|_| Bytes::from(known(PIECE))).collect();
                Content::stream(pieces, (kernel, 1_000), true, guard)
            }
            Handler::Collect => match request.into_body().collect(1 << 20).await {
                Ok(content) => Content::full(content.to_vec(), Some(guard)),
                Err(_) => Content::full(b"incomplete".to_vec(), Some(guard)),
            },
            Handler::Echo => Content::of(Kind::Echo(request.into_body()), guard),
            Handler::Never => {
                std::future::pending::<()>().await;
                Content::full(Vec::new(), Some(guard))
            }
            Handler::Panic => resume_unwind(Box::new(())),
            Handler::UntilStop => {
                self.until_stop(stop).await;
                Content::full(known(PIECE), Some(guard))
            }
            Handler::StreamUntilStop(gap) => {
                let this = self.clone();
                let endless = Kind::Endless {
                    piece: Bytes::from(known(PIECE)),
                    sleep: Sleep::new(kernel, gap),
                    gap,
                    stop: Box::pin(async move { this.until_stop(stop).await }),
                };
                Content::of(endless, guard)
            }
        }
    }

    async fn until_stop(&self, stop: Option<Shutdown>) {
        let fault = self.kernel.borrow().fault;
        match stop {
            Some(stop) if fault != Fault::StopsAtOnce => stop.stop_asked().await,
            _ => {}
        }
    }
}

/// The body of a response.
pub(super) struct Content {
    kind: Kind,
    /// It is there to be dropped with the rest.
    _guard: Option<Guard>,
}

enum Kind {
    /// All of it.
    Full(Full),
    /// Piece by piece, the last one first; then a panic, if asked for.
    Stream {
        pieces: Vec<Bytes>,
        sleep: Sleep,
        gap: Micros,
        panics: bool,
    },
    /// The request's content as it comes.
    Echo(Body),
    /// The same piece again and again, until the handler is told to stop.
    Endless {
        piece: Bytes,
        sleep: Sleep,
        gap: Micros,
        stop: Pin<Box<dyn Future<Output = ()>>>,
    },
}

impl Content {
    fn of(kind: Kind, guard: Guard) -> Content {
        Content {
            kind,
            _guard: Some(guard),
        }
    }

    fn full(content: Vec<u8>, guard: Option<Guard>) -> Content {
        Content {
            kind: Kind::Full(Full(content.into())),
            _guard: guard,
        }
    }

    fn stream(
        pieces: Vec<Bytes>,
        (kernel, gap): (&SharedKernel, Micros),
        panics: bool,
        guard: Guard,
    ) -> Content {
        let stream = Kind::Stream {
            pieces,
            sleep: Sleep::new(kernel, gap),
            gap,
            panics,
        };
        Content::of(stream, guard)
    }
}

impl http_body::Body for Content {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.get_mut().kind {
            Kind::Full(full) => Pin::new(full)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            Kind::Stream {
                pieces,
                sleep,
                gap,
                panics,
            } => {
                if pieces.is_empty() && *panics {
                    resume_unwind(Box::new(()));
                }
                if Pin::new(&mut *sleep).poll(cx).is_pending() {
                    return Poll::Pending;
                }
                *sleep = Sleep::new(&sleep.kernel, *gap);
                let piece = pieces.pop();
                Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
            }
            Kind::Echo(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                frame.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
            Kind::Endless {
                piece,
                sleep,
                gap,
                stop,
            } => {
                if stop.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                if Pin::new(&mut *sleep).poll(cx).is_pending() {
                    return Poll::Pending;
                }
                *sleep = Sleep::new(&sleep.kernel, *gap);
                Poll::Ready(Some(Ok(Frame::data(piece.clone()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Full(full) => full.is_end_stream(),
            Kind::Stream { pieces, panics, .. } => pieces.is_empty() && !panics,
            Kind::Echo(body) => body.is_end_stream(),
            Kind::Endless { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Full(full) => full.size_hint(),
            Kind::Echo(body) => body.size_hint(),
            Kind::Stream { .. } | Kind::Endless { .. } => SizeHint::default(),
        }
    }
}

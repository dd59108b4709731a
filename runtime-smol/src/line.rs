//! What connects a handler that speaks another protocol with its connection.
//!
//! Bytes pass between them through two small buffers, so that the handler's end needs to know
//! nothing of the transport, may be sent to another thread, and can be ended by the connection.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use http::Response;
use neap_core::MisuseError;

use crate::ConnectionInfo;

/// How much is read ahead of the handler, and how much of its output waits to be written.
const CAPACITY: usize = 32 * 1024;

/// What a handler and its connection share.
pub(crate) struct Link {
    pub(crate) info: ConnectionInfo,
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
    /// That has been done.
    is_ended: bool,
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
    pub(crate) fn new(info: &ConnectionInfo, connection: Waker) -> Link {
        Link {
            info: info.clone(),
            connection,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing can panic half-way through a change: a poisoned state is as good as any.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn grant(&self, response: Response<()>) -> Result<(), MisuseError> {
        let mut state = self.lock();
        if !matches!(state.stage, Stage::Wished | Stage::Refused(_)) {
            return Err(MisuseError::OutOfOrder);
        }
        state.stage = Stage::Granted(Some(response));
        drop(state);
        self.connection.wake_by_ref();
        Ok(())
    }

    pub(crate) fn poll_granted(&self, cx: &Context<'_>) -> Poll<Result<(), MisuseError>> {
        let mut state = self.lock();
        match state.stage {
            Stage::Begun => Poll::Ready(Ok(())),
            Stage::Refused(error) => Poll::Ready(Err(error)),
            Stage::Wished | Stage::Granted(_) if state.is_over => {
                Poll::Ready(Err(MisuseError::OutOfOrder))
            }
            Stage::Wished | Stage::Granted(_) => {
                keep(&mut state.reader, cx);
                Poll::Pending
            }
        }
    }

    pub(crate) fn poll_read(&self, cx: &Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
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
            // An idle connection owns no memory for it.
            *input = Vec::new();
            *taken = 0;
            drop(state);
            if was_full {
                self.connection.wake_by_ref();
            }
        }
        Poll::Ready(Ok(count))
    }

    pub(crate) fn poll_write(&self, cx: &Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
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
        self.connection.wake_by_ref();
        Poll::Ready(Ok(count))
    }

    pub(crate) fn poll_flush(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        if state.output.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if state.is_over {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        keep(&mut state.writer, cx);
        Poll::Pending
    }

    pub(crate) fn end(&self) {
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
    pub(crate) fn new(link: &Arc<Link>) -> Line {
        Line(Arc::clone(link))
    }

    /// The response with which the handler grants the upgrade, once.
    pub(crate) fn take_granted(&self) -> Option<Response<()>> {
        match &mut self.0.lock().stage {
            Stage::Granted(response) => response.take(),
            Stage::Wished | Stage::Refused(_) | Stage::Begun => None,
        }
    }

    /// It cannot begin in this way, or not yet.
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
    pub(crate) fn write(
        &self,
        write: impl FnOnce(&[u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        if state.output.is_empty() {
            return Poll::Pending;
        }
        let written = write(&state.output);
        if let Poll::Ready(Ok(count)) = written {
            if count == state.output.len() {
                state.output = Vec::new();
            } else {
                state.output.drain(..count);
            }
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
        state.ends && !state.is_ended && state.output.is_empty()
    }

    /// Our side has been ended.
    pub(crate) fn ended(&self) {
        self.0.lock().is_ended = true;
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

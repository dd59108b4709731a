//! Stop signals, where the program asked for them.

use std::task::{Context, Poll};

/// SIGTERM and SIGINT. Their handlers are installed when it is made.
#[cfg(feature = "signal")]
#[derive(Debug)]
pub(crate) struct StopSignals(async_signal::Signals);

#[cfg(feature = "signal")]
impl StopSignals {
    pub(crate) fn install() -> std::io::Result<StopSignals> {
        use async_signal::{Signal, Signals};
        Ok(StopSignals(Signals::new([Signal::Term, Signal::Int])?))
    }

    /// Ready once for each signal that has come, as far as the system tells them apart.
    pub(crate) fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        use futures_lite::Stream;
        match std::pin::Pin::new(&mut self.0).poll_next(cx) {
            Poll::Ready(Some(Ok(_))) => Poll::Ready(()),
            Poll::Ready(Some(Err(_)) | None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// Without the feature nobody can ask for signals.
#[cfg(not(feature = "signal"))]
#[derive(Debug)]
pub(crate) enum StopSignals {}

#[cfg(not(feature = "signal"))]
impl StopSignals {
    pub(crate) fn poll_stop(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        match *self {}
    }
}

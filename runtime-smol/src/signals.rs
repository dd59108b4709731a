//! Stop signals, where the program asked for them.

use std::task::{Context, Poll};

/// What SIGINT does, which Ctrl-C sends, where [`Server::signals`](crate::Server::signals) was
/// asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Interrupt {
    /// The same as SIGTERM: it begins the drain, and nothing is lost.
    #[default]
    Drain,
    /// It closes the server at once: requests under way are aborted.
    Close,
}

/// A stop signal that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopSignal {
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
}

impl StopSignal {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            StopSignal::Terminate => "SIGTERM",
            StopSignal::Interrupt => "SIGINT",
        }
    }

    /// Does what the signal would have done without a handler: ends the process.
    pub(crate) fn end_process(self) {
        #[cfg(feature = "signal")]
        imp::end_process(self);
    }
}

/// SIGTERM and SIGINT. Their handlers are installed when it is made.
#[cfg(feature = "signal")]
#[derive(Debug)]
pub(crate) struct StopSignals(async_signal::Signals);

#[cfg(feature = "signal")]
mod imp {
    use std::pin::Pin;

    use async_signal::{Signal, Signals};
    use futures_lite::Stream;
    use nix::sys::signal::{self, SigSet, SigmaskHow};

    use super::{Context, Poll, StopSignal, StopSignals};

    impl StopSignals {
        pub(crate) fn install() -> std::io::Result<StopSignals> {
            // First, for it may start async-io's thread, which is to inherit nothing of the below.
            let mut signals = Signals::new([] as [Signal; 0])?;
            // The handler is in place a moment before it knows what to do, and a signal that comes
            // in between would be gone. It waits instead, unless another thread takes it.
            let stop = SigSet::from_iter([signal::SIGTERM, signal::SIGINT]);
            let mask = stop.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
            let added = signals.add_signals([Signal::Term, Signal::Int]);
            mask.thread_set_mask()?;
            added?;
            Ok(StopSignals(signals))
        }

        /// Ready once for each signal that has come, as far as the system tells them apart.
        pub(crate) fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<StopSignal> {
            match Pin::new(&mut self.0).poll_next(cx) {
                Poll::Ready(Some(Ok(Signal::Int))) => Poll::Ready(StopSignal::Interrupt),
                Poll::Ready(Some(Ok(_))) => Poll::Ready(StopSignal::Terminate),
                Poll::Ready(Some(Err(_)) | None) | Poll::Pending => Poll::Pending,
            }
        }
    }

    pub(super) fn end_process(signal: StopSignal) {
        let number = match signal {
            StopSignal::Terminate => Signal::Term as i32,
            StopSignal::Interrupt => Signal::Int as i32,
        };
        // To the first process of a container the system does not apply the default action.
        if std::process::id() != 1 {
            let _ = signal_hook::low_level::emulate_default_handler(number);
        }
        std::process::exit(128 + number);
    }
}

/// Without the feature nobody can ask for signals.
#[cfg(not(feature = "signal"))]
#[derive(Debug)]
pub(crate) enum StopSignals {}

#[cfg(not(feature = "signal"))]
impl StopSignals {
    pub(crate) fn poll_stop(&mut self, _cx: &mut Context<'_>) -> Poll<StopSignal> {
        match *self {}
    }
}

#[cfg(all(test, feature = "signal"))]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    use super::StopSignal;

    /// Whoever runs this again with it set is ended by the signal of that name.
    const ENDED_BY: &str = "NEAP_TEST_ENDED_BY";

    #[test]
    fn a_process_that_is_ended_by_a_signal_says_by_which() {
        let signals = [StopSignal::Terminate, StopSignal::Interrupt];
        if let Ok(name) = std::env::var(ENDED_BY) {
            let signal = signals.into_iter().find(|signal| signal.name() == name);
            signal.unwrap().end_process();
            panic!("it goes on");
        }
        for (signal, number) in signals.into_iter().zip([15, 2]) {
            let mut again = Command::new(std::env::current_exe().unwrap());
            let again = again
                .args(["--exact", "signals::tests"])
                .arg("signals::tests::a_process_that_is_ended_by_a_signal_says_by_which")
                .env(ENDED_BY, signal.name())
                .stdout(Stdio::null());
            assert_eq!(again.status().unwrap().signal(), Some(number));
        }
    }
}

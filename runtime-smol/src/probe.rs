//! The one socket by which a server asks Linux about its sockets.

use std::io;
use std::sync::{Mutex, PoisonError};

use crate::sock_diag::SockDiag;

/// Opened with the server, so that it is there when descriptors run out, and shared by all its
/// listeners and connections.
#[derive(Debug)]
pub(crate) struct Probe(Mutex<Option<SockDiag>>);

impl Probe {
    pub(crate) fn new() -> Probe {
        Probe(Mutex::new(SockDiag::open().ok()))
    }

    /// Asks by it. After an error it is opened anew the next time: answers to a question that was
    /// given up would be taken for those to the next.
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&SockDiag) -> io::Result<T>) -> io::Result<T> {
        let mut diag = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = match diag.take() {
            Some(open) => open,
            None => SockDiag::open()?,
        };
        let answer = ask(&open)?;
        *diag = Some(open);
        Ok(answer)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_failed_does_not_spoil_the_next() {
        let probe = Probe::new();
        let failed: io::Result<()> = probe.ask(|_| Err(io::ErrorKind::InvalidData.into()));
        assert!(failed.is_err());
        assert!(probe.ask(|_| Ok(())).is_ok());
    }
}

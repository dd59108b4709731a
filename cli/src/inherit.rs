//! `--inherit`: listening sockets that whoever started the process has opened for it.
//!
//! They come as systemd passes them on: from descriptor 3 upwards, as many as `LISTEN_FDS` says, if
//! `LISTEN_PID` is this process or not there.

use std::io;
use std::os::fd::OwnedFd;

use listenfd::ListenFd;

/// Takes them, and their variables out of the environment: to be called once, and while there is no
/// other thread than the signals', which reads no environment.
///
/// # Errors
///
/// When there are none, or one is no TCP or unix socket.
pub(crate) fn sockets() -> io::Result<Vec<OwnedFd>> {
    let mut inherited = ListenFd::from_env();
    let sockets = (0..inherited.len()).map(|index| take(&mut inherited, index));
    let sockets: Vec<OwnedFd> = sockets.collect::<io::Result<_>>()?;
    if sockets.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "there are none; use a socket unit, or leave --inherit out",
        ));
    }
    Ok(sockets)
}

fn take(inherited: &mut ListenFd, index: usize) -> io::Result<OwnedFd> {
    if let Ok(Some(tcp)) = inherited.take_tcp_listener(index) {
        return Ok(tcp.into());
    }
    match inherited.take_unix_listener(index)? {
        Some(unix) => Ok(unix.into()),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

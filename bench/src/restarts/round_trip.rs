//! (d) A server on a link with a round trip of 50 ms is stopped while new clients keep coming: some
//! are in the midst of their handshakes.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::Duration;

use neap_tests::link::{Link, SERVER};

use super::{Stream, Tally};
use crate::server::{Server, Start};

const ROUND_TRIP: Duration = Duration::from_millis(50);

/// 400 new connections a second.
const PACE: Duration = Duration::from_micros(2500);

/// For how long clients come before the signal, and after it.
const BEFORE: Duration = Duration::from_millis(400);
const AFTER: Duration = Duration::from_millis(200);

const PORT: u16 = 8080;

/// Why there is no such link here, if so.
#[must_use]
pub fn obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        Some("a link with a round trip needs root".into())
    } else if !Path::new("/dev/net/tun").exists() {
        Some("a link with a round trip needs /dev/net/tun".into())
    } else {
        let error = Link::new(ROUND_TRIP).err()?;
        Some(format!("a link with a round trip: {error}"))
    }
}

/// Tries it once.
///
/// # Errors
///
/// If the server does not start, or the system does not do its part.
pub fn run(server: &Server) -> io::Result<Tally> {
    let link = Link::new(ROUND_TRIP)?;
    link.server.enter(|| {
        let address = SocketAddr::new(SERVER[0], PORT);
        let mut server = server.start(Start {
            address,
            reuse_port: false,
            one_thread: false,
        })?;
        let stream = Stream {
            server: address,
            pace: PACE,
            hesitation: Duration::ZERO,
            namespace: Some(&link.clients),
        };
        let mut tally = Tally::default();
        stream.during(&mut tally, |_| {
            thread::sleep(BEFORE);
            server.stop()?;
            thread::sleep(AFTER);
            io::Result::Ok(())
        })?;
        tally.await_exit(server)?;
        Ok(tally)
    })
}

//! (b) A pair of servers shares an address by `SO_REUSEPORT`, and is replaced, one after the other,
//! while new clients keep coming.

use std::io;
use std::thread;
use std::time::Duration;

use super::{Stream, Tally};
use crate::process::Process;
use crate::server::{Server, Start, free_address};

/// 600 new connections a second.
const PACE: Duration = Duration::from_nanos(1_000_000_000 / 600);

/// How long clients take that do not ask at once: a moment of a busy machine, or of a connection
/// that was opened ahead.
pub const HESITATION: Duration = Duration::from_millis(5);

/// For how long all is quiet between one restart and the next.
const BETWEEN: Duration = Duration::from_millis(250);

/// Does so many restarts. Clients ask as soon as they are connected, or a while later.
///
/// # Errors
///
/// If a server does not start, or the system does not do its part.
pub fn run(server: &Server, restarts: usize, hesitation: Duration) -> io::Result<Tally> {
    let address = free_address()?;
    let start = || {
        server.start(Start {
            address,
            reuse_port: true,
            one_thread: false,
        })
    };
    let (leaving, staying) = (start()?, start()?);
    let stream = Stream {
        server: address,
        pace: PACE,
        hesitation,
        namespace: None,
    };
    let mut tally = Tally::default();
    // The pair that is there in the end goes when its last clients have gone.
    let _pair = stream.during(&mut tally, |tally| {
        replace(leaving, staying, start, restarts, tally)
    })?;
    Ok(tally)
}

/// Starts a server and stops the older one of those that are there, so many times.
fn replace(
    mut leaving: Process,
    mut staying: Process,
    start: impl Fn() -> io::Result<Process>,
    restarts: usize,
    tally: &mut Tally,
) -> io::Result<[Process; 2]> {
    for _ in 0..restarts {
        thread::sleep(BETWEEN);
        let successor = start()?;
        leaving.stop()?;
        tally.await_exit(leaving)?;
        leaving = std::mem::replace(&mut staying, successor);
    }
    thread::sleep(BETWEEN);
    Ok([leaving, staying])
}

//! (c) The next request on idle connections is in the sockets already when the signal comes.

use std::io;
use std::net::TcpStream;
use std::time::Instant;

use super::Tally;
use crate::exchange::{Failure, WAITING, ask, connect, read_answer};
use crate::server::{Server, Start, free_address};

/// How many there are.
pub const CLIENTS: usize = 150;

/// Tries it once.
///
/// # Errors
///
/// If the server does not start, does not serve before it is told to stop, or the system does not
/// do its part.
pub fn run(server: &Server) -> io::Result<Tally> {
    let mut server = server.start(Start {
        address: free_address()?,
        reuse_port: false,
        one_thread: false,
    })?;
    let mut tally = Tally::default();
    let become_idle = |_| -> Result<TcpStream, Failure> {
        let stream = connect(server.address)?;
        ask(&stream)?;
        read_answer(&stream, Instant::now() + WAITING)?;
        Ok(stream)
    };
    let clients: Result<Vec<_>, _> = (0..CLIENTS).map(become_idle).collect();
    let clients = clients.map_err(|failure| io::Error::other(format!("{failure:?}")))?;
    server.freeze()?;
    let asked: Vec<_> = clients.iter().map(ask).collect();
    server.stop()?;
    server.thaw()?;
    let deadline = Instant::now() + WAITING;
    for (client, asked) in clients.into_iter().zip(asked) {
        tally.count(asked.and_then(|()| read_answer(&client, deadline)));
    }
    tally.await_exit(server)?;
    Ok(tally)
}

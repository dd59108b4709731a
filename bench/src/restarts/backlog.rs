//! (a) Clients wait in the listen queue with whole requests when the signal comes.
//!
//! The server is stopped in its tracks first, as a busy machine might do it; so all of them are
//! there, and when it goes on, so is the signal.

use std::io;
use std::net::TcpStream;
use std::time::Instant;

use super::Tally;
use crate::exchange::{Failure, WAITING, ask, connect, read_answer};
use crate::server::{Server, Start, free_address};

/// How many there are.
pub const CLIENTS: usize = 1150;

/// Tries it once.
///
/// # Errors
///
/// If the server does not start, or the system does not do its part.
pub fn run(server: &Server) -> io::Result<Tally> {
    let mut server = server.start(Start {
        address: free_address()?,
        reuse_port: false,
        one_thread: false,
    })?;
    let mut tally = Tally::default();
    server.freeze()?;
    let connect_and_ask = |_| -> Result<TcpStream, Failure> {
        let stream = connect(server.address)?;
        ask(&stream)?;
        Ok(stream)
    };
    let clients: Vec<_> = (0..CLIENTS).map(connect_and_ask).collect();
    server.stop()?;
    server.thaw()?;
    let deadline = Instant::now() + WAITING;
    for client in clients {
        tally.count(client.and_then(|stream| read_answer(&stream, deadline)));
    }
    tally.await_exit(server)?;
    Ok(tally)
}

//! What a request costs, and an idle connection: neap beside its peers, and beside the limit.
//!
//! Server and load generator have a core each. The figure that matters is the CPU time that a
//! server spends on a request ([`cpu`]), all its threads together: on a machine with neighbours it
//! keeps still where throughput does not. What the neighbours do changes within seconds, so servers
//! take turns in short slices, shuffled anew in each round ([`slices`]), and only what was measured
//! in the same round is compared: the figures that are shown are medians of such ratios
//! ([`rounds`]).
//!
//! The load ([`load`]) is a closed loop over non-blocking sockets. It looks at an answer's length
//! and first bytes only, so that the server is what is busy.

pub mod cpu;
pub mod idle;
pub mod load;
pub mod rounds;
pub mod slices;
pub mod syscalls;
pub mod workload;

use std::io;

use crate::process::Process;
use crate::server::{Server, Start, free_address};

/// The core of the servers, and that of the load.
pub const CORES: [usize; 2] = [0, 1];

/// The server that others are compared with.
pub const REFERENCE: &str = "hyper";

/// The loop of canned answers: less than that is not to be had.
pub const LIMIT: &str = "limit";

/// Starts a server on its core.
///
/// # Errors
///
/// If it does not start, or there is no second core.
pub fn start(server: &Server) -> io::Result<Process> {
    // A process runs where the thread was that started it.
    cpu::pin(CORES[0])?;
    let process = server.start(Start {
        address: free_address()?,
        reuse_port: false,
        one_thread: true,
    });
    cpu::pin(CORES[1])?;
    process
}

//! What idle connections cost: memory while they are there, time when the server is stopped.

use std::io;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::cpu;
use super::load::Load;
use super::workload::{ALL, Workload};
use crate::figures::median;
use crate::server::Server;

/// How many there are.
pub const CONNECTIONS: usize = 10_000;

/// How long they are idle before anything is measured.
const IDLE: Duration = Duration::from_millis(300);

/// What they cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Idle {
    /// Memory of the process for each, less what it had after its first clients. The kernel's share
    /// is not in it.
    pub bytes_per_connection: f64,
    /// From SIGTERM to the exit, in milliseconds; none for servers that had to be killed.
    pub drain_ms: Option<f64>,
}

/// Measures it so many times, each with a server of its own; the medians of that.
///
/// # Errors
///
/// If the server fails.
pub fn measure(server: &Server, times: usize) -> io::Result<Idle> {
    let all: io::Result<Vec<Idle>> = (0..times).map(|_| measure_once(server)).collect();
    let all = all?;
    let bytes: Vec<f64> = all.iter().map(|idle| idle.bytes_per_connection).collect();
    let drains: Option<Vec<f64>> = all.iter().map(|idle| idle.drain_ms).collect();
    Ok(Idle {
        bytes_per_connection: median(&bytes).unwrap_or_default(),
        drain_ms: drains.as_deref().and_then(median),
    })
}

fn measure_once(server: &Server) -> io::Result<Idle> {
    let mut process = super::start(server)?;
    let hello = |connections| Workload {
        connections,
        ..ALL[0]
    };
    drop(Load::connect(process.address, hello(64))?);
    thread::sleep(IDLE);
    let before = cpu::memory(&process.members());
    let load = Load::connect(process.address, hello(CONNECTIONS))?;
    thread::sleep(IDLE);
    let after = cpu::memory(&process.members());
    process.stop()?;
    let took = process.exit()?;
    drop(load);
    Ok(Idle {
        bytes_per_connection: after.saturating_sub(before) as f64 / CONNECTIONS as f64,
        drain_ms: took.map(|took| took.as_secs_f64() * 1e3),
    })
}

//! What idle connections cost: memory while they are there, time when the server is stopped.

use std::io;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::cpu;
use super::load::Load;
use super::rounds::Rounds;
use super::workload::{ALL, Workload};
use crate::server::Server;

/// How many there are.
pub const CONNECTIONS: usize = 10_000;

/// How long they are idle before anything is measured.
const IDLE: Duration = Duration::from_millis(300);

/// How often each server has its turn.
const ROUNDS: usize = 7;

/// What they cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Idle {
    /// Memory of the process for each, less what it had after its first clients. The kernel's share
    /// is not in it.
    pub bytes_per_connection: f64,
    /// From SIGTERM to the exit, in milliseconds; none for servers that had to be killed.
    pub drain_ms: Option<f64>,
}

/// Measures the servers by turns, each time a new process. Those that fail are left out, and stderr
/// says why.
#[must_use]
pub fn measure(servers: &[Server]) -> Rounds<Idle> {
    let mut taking_part: Vec<(&Server, Vec<Idle>)> =
        servers.iter().map(|server| (server, Vec::new())).collect();
    for _ in 0..ROUNDS {
        fastrand::shuffle(&mut taking_part);
        taking_part.retain_mut(|(server, rounds)| {
            let idle = measure_once(server);
            let idle = idle.inspect_err(|error| eprintln!("n/a: {}: {error}", server.name));
            rounds.extend(idle.as_ref().ok().copied());
            idle.is_ok()
        });
    }
    let taken = taking_part.into_iter();
    Rounds(
        taken
            .map(|(server, rounds)| (server.name, rounds))
            .collect(),
    )
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

#[cfg(test)]
mod tests {
    use super::super::LIMIT;
    use super::*;

    #[test]
    fn a_drain_is_compared_with_the_limit_s_of_the_same_round() {
        let rounds = |drains: [f64; 3]| {
            let round = |ms| Idle {
                bytes_per_connection: ms,
                drain_ms: Some(ms),
            };
            drains.map(round).to_vec()
        };
        let costs = Rounds(vec![
            ("neap", rounds([120.0, 330.0, 130.0])),
            (LIMIT, rounds([100.0, 300.0, 200.0])),
        ]);
        let drain = |idle: &Idle| idle.drain_ms;
        assert_eq!(costs.median("neap", drain), Some(130.0));
        assert_eq!(costs.ratio("neap", LIMIT, drain), Some(1.1));
        assert_eq!(
            costs.median(LIMIT, |idle| Some(idle.bytes_per_connection)),
            Some(200.0)
        );
        assert_eq!(costs.ratio("another", LIMIT, drain), None);
    }
}

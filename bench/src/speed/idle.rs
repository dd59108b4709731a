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

/// How often each server has its turn.
const ROUNDS: usize = 7;

/// Whose drain the others' are compared to.
const LIMIT: &str = "limit";

/// What they cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Idle {
    /// Memory of the process for each, less what it had after its first clients. The kernel's share
    /// is not in it.
    pub bytes_per_connection: f64,
    /// From SIGTERM to the exit, in milliseconds; none for servers that had to be killed.
    pub drain_ms: Option<f64>,
}

/// What they cost each server, in each round.
#[derive(Debug, Default, Serialize)]
pub struct Costs(Vec<(&'static str, Vec<Idle>)>);

impl Costs {
    /// The median of a server's memory for each.
    #[must_use]
    pub fn bytes_per_connection(&self, server: &str) -> Option<f64> {
        let rounds = self.of(server)?.iter();
        let bytes: Vec<f64> = rounds.map(|idle| idle.bytes_per_connection).collect();
        median(&bytes)
    }

    /// The median of how long a server drained, in milliseconds.
    #[must_use]
    pub fn drain_ms(&self, server: &str) -> Option<f64> {
        let rounds = self.of(server)?.iter();
        let drains: Option<Vec<f64>> = rounds.map(|idle| idle.drain_ms).collect();
        median(&drains?)
    }

    /// The median of the ratios of that to the limit's in the same rounds.
    #[must_use]
    pub fn drain_ratio(&self, server: &str) -> Option<f64> {
        let pairs = self.of(server)?.iter().zip(self.of(LIMIT)?);
        let ratios: Option<Vec<f64>> = pairs
            .map(|(idle, limit)| Some(idle.drain_ms? / limit.drain_ms?))
            .collect();
        median(&ratios?)
    }

    fn of(&self, server: &str) -> Option<&Vec<Idle>> {
        let mut servers = self.0.iter();
        Some(&servers.find(|(name, _)| *name == server)?.1)
    }
}

/// Measures the servers by turns, each time a new process. Those that fail are left out, and stderr
/// says why.
#[must_use]
pub fn measure(servers: &[Server]) -> Costs {
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
    Costs(
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
        let costs = Costs(vec![
            ("neap", rounds([120.0, 330.0, 130.0])),
            (LIMIT, rounds([100.0, 300.0, 200.0])),
        ]);
        assert_eq!(costs.drain_ms("neap"), Some(130.0));
        assert_eq!(costs.drain_ratio("neap"), Some(1.1));
        assert_eq!(costs.bytes_per_connection(LIMIT), Some(200.0));
        assert_eq!(costs.drain_ratio("another"), None);
    }
}

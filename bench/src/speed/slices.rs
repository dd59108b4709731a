//! Servers take turns in short slices.

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::REFERENCE;
use super::cpu;
use super::load::Load;
use super::rounds::Rounds;
use super::workload::Workload;
use crate::process::Process;
use crate::server::Server;

/// How long a slice is at least, and how much longer it may be: so that nothing else that comes at
/// intervals comes along with the same servers.
const SLICE: Duration = Duration::from_millis(120);
const LONGER: u64 = 130;

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    /// Which one it is.
    pub server: Server,
    /// Its process.
    pub process: Process,
}

/// What one server did in one slice.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Slice {
    /// CPU time of the server, in microseconds.
    pub cpu_per_request: f64,
    /// Answers in a second.
    pub requests_per_second: f64,
}

/// What the servers did with one workload.
#[derive(Debug, Serialize)]
pub struct Series {
    /// The workload.
    pub workload: Workload,
    /// The slices of each server, one for each round; none for those that cannot do it.
    pub servers: Rounds<Slice>,
}

/// Lets every server that can do a workload do it, in so many rounds.
///
/// # Errors
///
/// If one of them fails.
pub fn measure(running: &[Running], workload: Workload, rounds: usize) -> io::Result<Series> {
    let names = running.iter().map(|running| running.server.name);
    let mut servers: Vec<_> = names.map(|name| (name, Vec::new())).collect();
    let mut order: Vec<usize> = (0..running.len())
        .filter(|number| workload.request.is_for(running[*number].server.name))
        .collect();
    for _ in 0..rounds {
        fastrand::shuffle(&mut order);
        for number in &order {
            let name = running[*number].server.name;
            let slice = slice(&running[*number].process, workload);
            let slice = slice
                .map_err(|error| io::Error::other(format!("{name}, {}: {error}", workload.name)))?;
            servers[*number].1.push(slice);
        }
    }
    let servers = Rounds(servers);
    Ok(Series { workload, servers })
}

fn slice(server: &Process, workload: Workload) -> io::Result<Slice> {
    let mut load = Load::connect(server.address, workload)?;
    let processes = server.members();
    let before = cpu::time(&processes);
    let begun = Instant::now();
    let answered = load.run(SLICE + Duration::from_millis(fastrand::u64(..LONGER)))?;
    let took = begun.elapsed();
    let spent = cpu::time(&processes) - before;
    drop(load);
    settle(&processes);
    let answered = answered as f64;
    Ok(Slice {
        cpu_per_request: spent.as_secs_f64() * 1e6 / answered,
        requests_per_second: answered / took.as_secs_f64(),
    })
}

/// Waits until a server has noticed that its clients are gone.
fn settle(processes: &[rustix::process::Pid]) {
    let begun = Instant::now();
    let mut before = Duration::ZERO;
    let mut now = cpu::time(processes);
    while now > before && begun.elapsed() < Duration::from_secs(1) {
        std::thread::sleep(Duration::from_millis(10));
        (before, now) = (now, cpu::time(processes));
    }
}

impl Series {
    /// The median of a server's figures.
    #[must_use]
    pub fn median(&self, server: &str, figure: fn(&Slice) -> f64) -> Option<f64> {
        self.servers.median(server, |slice| Some(figure(slice)))
    }

    /// The median of the ratios of a server's figures to the reference's in the same rounds.
    #[must_use]
    pub fn ratio(&self, server: &str, figure: fn(&Slice) -> f64) -> Option<f64> {
        self.servers
            .ratio(server, REFERENCE, |slice| Some(figure(slice)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::workload::ALL;
    use super::*;

    #[test]
    fn only_what_was_measured_in_the_same_round_is_compared() {
        let slices = |figures: [f64; 3]| {
            let slice = |figure| Slice {
                cpu_per_request: figure,
                requests_per_second: 1.0,
            };
            figures.map(slice).to_vec()
        };
        let series = Series {
            workload: ALL[0],
            // The neighbours were busy in the second round.
            servers: Rounds(vec![
                ("a", slices([1.0, 30.0, 1.2])),
                (REFERENCE, slices([2.0, 60.0, 2.0])),
                ("none", Vec::new()),
            ]),
        };
        assert_eq!(series.ratio("a", |slice| slice.cpu_per_request), Some(0.5));
        assert_eq!(series.ratio("none", |slice| slice.cpu_per_request), None);
        assert_eq!(series.median("a", |slice| slice.cpu_per_request), Some(1.2));
    }
}

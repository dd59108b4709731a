//! Cores, CPU time and memory, as the system tells them.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::process::numbers;

/// Lets this thread run on one core only.
///
/// # Errors
///
/// If there is no such core.
pub fn pin(core: usize) -> io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

/// How long all threads of these processes have been running so far.
#[must_use]
pub fn time(processes: &[Pid]) -> Duration {
    let threads = processes.iter().flat_map(|pid| {
        let folder = format!("/proc/{pid}/task");
        numbers(&folder).map(move |thread| format!("/proc/{pid}/task/{thread}/schedstat"))
    });
    let nanoseconds = threads.filter_map(|file| {
        let line = fs::read_to_string(file).ok()?;
        line.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// How many bytes of memory these processes have.
#[must_use]
pub fn memory(processes: &[Pid]) -> u64 {
    let kibibytes = processes.iter().filter_map(|pid| {
        let table = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = table.lines().find_map(|line| line.strip_prefix("Rss:"))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    });
    kibibytes.sum::<u64>() * 1024
}

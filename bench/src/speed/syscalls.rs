//! How many system calls a request costs, counted by the kernel's own tracepoint: `strace` would
//! slow a server down so much that it does something else.

use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;

use super::load::Load;
use super::workload::Workload;
use crate::process::Process;

/// Long enough for `perf` to attach itself.
const ATTACHING: Duration = Duration::from_millis(300);
const LOAD: Duration = Duration::from_millis(300);

/// Counts them while a server does a workload; per request.
///
/// # Errors
///
/// Where `perf` is not installed or not allowed to count, and if the server fails.
pub fn count(server: &Process, workload: Workload) -> io::Result<f64> {
    let mut load = Load::connect(server.address, workload)?;
    let output = NamedTempFile::new()?;
    let processes: Vec<String> = server.members().iter().map(Pid::to_string).collect();
    let mut perf = Command::new("perf")
        .args([
            "stat",
            "--event",
            "raw_syscalls:sys_enter",
            "--field-separator",
            ",",
        ])
        .arg("--pid")
        .arg(processes.join(","))
        .arg("--output")
        .arg(output.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    thread::sleep(ATTACHING);
    let answered = load.run(LOAD);
    // Where it has failed it is gone already.
    let _ = kill_process(Pid::from_child(&perf), Signal::INT);
    perf.wait()?;
    let text = fs::read_to_string(output.path())?;
    let line = text.lines().find(|line| line.contains("sys_enter"));
    let count = line.and_then(|line| line.split(',').next()?.parse::<f64>().ok());
    let count = count.ok_or_else(|| io::Error::other("perf may not count system calls here"))?;
    Ok(count / answered? as f64)
}

//! Load by wrk: kept connections, and on each of them one request after the other.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::load::{Load, Tally};

/// Why there is none, if so. Where tests must not be left out that is a failure.
pub(crate) fn obstacle() -> Option<String> {
    let found = Command::new("wrk").arg("--version").output();
    let obstacle = format!("needs wrk: {}", found.err()?);
    assert!(std::env::var_os("CI").is_none(), "{obstacle}");
    Some(obstacle)
}

/// wrk, while it runs.
pub(crate) struct Wrk(Child);

pub(crate) fn start(address: SocketAddr) -> Wrk {
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads=1", "--connections=50"]);
    wrk.args(["--duration=24h", "--timeout=20s"]);
    wrk.arg(format!("http://{address}/")).stdout(Stdio::piped());
    Wrk(wrk.spawn().expect("wrk starts"))
}

impl Load for Wrk {
    fn await_more(&mut self) {
        // It does not say what it does. It has 50 requests under way at every moment.
        thread::sleep(Duration::from_millis(200));
    }

    fn end(self) -> Tally {
        kill_process(Pid::from_child(&self.0), Signal::INT).expect("wrk still runs");
        let output = self.0.wait_with_output().expect("it is our child");
        let report = String::from_utf8_lossy(&output.stdout);
        tally(&report).unwrap_or_else(|| panic!("{report}"))
    }
}

/// Reads what wrk says in the end.
///
/// ```text
///   123456 requests in 10.00s, 15.70MB read
///   Socket errors: connect 0, read 0, write 0, timeout 0
///   Non-2xx or 3xx responses: 0
/// ```
///
/// The last two lines are there if there were any.
fn tally(report: &str) -> Option<Tally> {
    let mut tally = Tally::default();
    let mut requests = None;
    for line in report.lines().map(str::trim) {
        if let Some((count, _)) = line.split_once(" requests in ") {
            requests = count.parse().ok();
        } else if let Some(errors) = line.strip_prefix("Socket errors: ") {
            for error in errors.split(", ") {
                let (kind, count) = error.split_once(' ')?;
                let count = count.parse().ok()?;
                if kind == "connect" {
                    tally.refused += count;
                } else {
                    tally.lost.extend((0..count).map(|_| kind.to_owned()));
                }
            }
        } else if let Some(count) = line.strip_prefix("Non-2xx or 3xx responses: ") {
            let count = count.parse().ok()?;
            tally.lost.extend((0..count).map(|_: u64| "status".into()));
        }
    }
    tally.answered = requests?;
    Some(tally)
}

#[test]
fn what_wrk_says_is_understood() {
    let report = "  9 requests in 1.00s, 1MB read\n  \
                  Socket errors: connect 3, read 1, write 0, timeout 2\n  \
                  Non-2xx or 3xx responses: 1\n";
    let tally = tally(report).unwrap();
    assert_eq!((tally.answered, tally.refused), (9, 3));
    assert_eq!(tally.lost, ["read", "timeout", "timeout", "status"]);
}

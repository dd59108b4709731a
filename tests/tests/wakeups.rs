//! A server that waits sleeps: it is woken by what it waits for, and does not look for it.

use std::fs;
use std::thread;
use std::time::Duration;

use neap_tests::client::{Client, End};
use neap_tests::process::{Program, Server};

/// How often the process has gone to sleep, all threads together.
fn sleeps(server: &Server) -> u64 {
    let pid = server.pid().as_raw_nonzero();
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let sleeps = |thread: fs::DirEntry| {
        let status = fs::read_to_string(thread.path().join("status")).ok()?;
        let line = status.lines();
        let mut count = line.filter_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        count.next()?.trim().parse::<u64>().ok()
    };
    threads.filter_map(|thread| sleeps(thread.ok()?)).sum()
}

/// In a second the server may go to sleep so often: for a line of the log, for a timer.
const FEW: u64 = 10;
/// How often a second is tried: what has just happened may take a moment to be over.
const TRIES: usize = 10;

/// Watches it until it is quiet for a second. One that polls never is, and a slow machine only
/// wakes it less often.
fn assert_asleep(server: &Server, doing: &str) {
    let counts: Vec<u64> = (0..TRIES)
        .map(|_| {
            let before = sleeps(server);
            thread::sleep(Duration::from_secs(1));
            sleeps(server) - before
        })
        .take_while(|count| *count > FEW)
        .collect();
    assert!(counts.len() < TRIES, "{doing}: {counts:?} times a second");
}

#[test]
fn a_server_that_waits_is_not_awake_whether_it_runs_or_drains() {
    let server = Server::start(Program::Echo, &["--deadline", "600s"]);
    let hello = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut idle: Vec<Client> = (0..20).map(|_| Client::connect(server.address)).collect();
    for client in &mut idle {
        assert_eq!(client.ask(hello).status, 200);
    }
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
    let mut held = Client::with(server.address, head.to_owned() + "a");
    held.await_ending(b"\r\n\r\na");
    assert_asleep(&server, "running");
    server.signal(rustix::process::Signal::TERM);
    for client in &mut idle {
        assert_eq!(client.end(), End::Eof);
    }
    drop(idle);
    assert_asleep(&server, "waiting");
    held.send("b");
    assert_eq!(held.response().content, b"ab");
    // What it has waited for wakes it: it does not go on sleeping until its deadline.
    assert!(server.exit().status.success());
}

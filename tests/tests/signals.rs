//! What signals do to the command, whenever they come.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use neap_tests::client::{Client, End};
use neap_tests::process::{PATIENCE, Program, Server};
use rustix::process::{Pid, Signal, kill_process};

const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const FOREVER: &str = "GET /delay/600000 HTTP/1.1\r\nHost: a\r\n\r\n";

/// Nothing that a test waits for ends by these windows.
const NO_DEADLINE: &str = "--deadline=600s";
const NO_DEBOUNCE: &str = "--debounce=0s";

/// Waits until the server takes nobody any more.
fn await_refusal(server: &Server) {
    while let Ok(client) = Client::try_connect(server.address) {
        client.vanish();
    }
}

/// A client in the midst of an exchange, which it can end by sending a `b`.
fn begin_exchange(server: &Server) -> Client {
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
    let mut client = Client::with(server.address, head.to_owned() + "a");
    client.await_ending(b"\r\n\r\na");
    client
}

fn complete(mut client: Client) {
    client.send("b");
    assert_eq!(client.response().content, b"ab");
    assert_eq!(client.end(), End::Eof);
}

#[test]
fn a_duplicate_of_a_signal_hurries_nobody() {
    let server = Server::start(Program::Echo, &[NO_DEADLINE, "--debounce=600s"]);
    let exchange = begin_exchange(&server);
    server.signal(Signal::TERM);
    await_refusal(&server);
    for signal in [Signal::TERM, Signal::INT, Signal::TERM] {
        server.signal(signal);
    }
    // The server looks at its signals first, and at the exchange then.
    complete(exchange);
    assert!(server.exit().status.success());
}

#[test]
fn ctrl_c_drains_as_sigterm_does() {
    let server = Server::start(Program::Echo, &[NO_DEADLINE, "--report=json"]);
    let exchange = begin_exchange(&server);
    server.signal(Signal::INT);
    await_refusal(&server);
    complete(exchange);
    let exit = server.exit();
    assert!(exit.status.success(), "{exit:?}");
    assert!(exit.stderr.contains(r#""cause":"signal""#), "{exit:?}");
}

#[test]
fn ctrl_c_closes_at_once_where_it_is_told_to() {
    let server = Server::start(Program::Echo, &[NO_DEADLINE, "--on-int=close"]);
    let mut client = Client::with(server.address, FOREVER);
    // Accepted and dispatched before the next one.
    assert_eq!(Client::connect(server.address).ask(HELLO).status, 200);
    server.freeze();
    // Whether it is still accepted before the signal is seen or not.
    let mut waiting = Client::with(server.address, FOREVER);
    server.signal(Signal::INT);
    server.thaw();
    for client in [&mut client, &mut waiting] {
        let response = client.response();
        let refused = response.status == 503 && response.says_close();
        assert!(refused, "{response:?}");
        assert_eq!(client.end(), End::Eof);
    }
    let exit = server.exit();
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
}

#[test]
fn sigterm_drains_even_where_ctrl_c_closes_and_ctrl_c_then_hurries_it() {
    let options = [NO_DEADLINE, NO_DEBOUNCE, "--on-int=close"];
    let server = Server::start(Program::Echo, &options);
    let exchange = begin_exchange(&server);
    let mut client = Client::with(server.address, FOREVER);
    assert_eq!(Client::connect(server.address).ask(HELLO).status, 200);
    server.signal(Signal::TERM);
    await_refusal(&server);
    complete(exchange);
    server.signal(Signal::INT);
    assert_eq!(client.response().status, 503);
    let exit = server.exit();
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
}

#[test]
fn a_second_signal_ends_a_lame_duck_and_a_third_the_wait() {
    let lame_duck = "--lame-duck=599s";
    let server = Server::start(Program::Echo, &[NO_DEADLINE, NO_DEBOUNCE, lame_duck]);
    let mut client = Client::with(server.address, FOREVER);
    assert!(!Client::connect(server.address).ask(HELLO).says_close());
    server.signal(Signal::TERM);
    // It goes on accepting, and everybody is told.
    while !Client::connect(server.address).ask(HELLO).says_close() {}
    server.signal(Signal::TERM);
    await_refusal(&server);
    server.signal(Signal::TERM);
    assert_eq!(client.response().status, 503);
    let exit = server.exit();
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
}

/// Windows that keep a server in its last phase as long as a client stays.
const LONG_CLOSING: [&str; 5] = [
    NO_DEADLINE,
    NO_DEBOUNCE,
    "--close-grace=600s",
    "--linger-max=600s",
    "--linger-short=600s",
];

/// Brings a server that was started with [`LONG_CLOSING`] to its last phase by two signals, and
/// gives the client that holds it there.
fn bring_to_closing(address: std::net::SocketAddr, signal: impl Fn()) -> Client {
    let mut client = Client::with(address, FOREVER);
    assert_eq!(Client::connect(address).ask(HELLO).status, 200);
    signal();
    while let Ok(client) = Client::try_connect(address) {
        client.vanish();
    }
    signal();
    assert_eq!(client.response().status, 503);
    client
}

#[test]
fn a_signal_in_the_last_phase_ends_the_process_as_if_nobody_handled_it() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = Server::start(Program::Echo, &LONG_CLOSING);
        let _client = bring_to_closing(server.address, || server.signal(signal));
        server.signal(signal);
        let exit = server.exit();
        assert_eq!(exit.status.signal(), Some(signal.as_raw()), "{exit:?}");
    }
}

/// Why nothing can be the first process here, if so. Where tests must not be left out that is a
/// failure.
fn obstacle() -> Option<String> {
    let mut unshare = Command::new("unshare");
    let tried = unshare.args(["-fp", "--mount-proc", "true"]).output();
    let obstacle = match tried {
        Ok(output) if output.status.success() => return None,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => format!("no unshare: {error}"),
    };
    assert!(std::env::var_os("CI").is_none(), "{obstacle}");
    Some(obstacle)
}

/// `neap echo` as the first process of its own world, as in a container.
struct FirstProcess {
    /// `unshare`, which waits for it and ends as it does.
    server: Server,
    pid: Pid,
}

impl FirstProcess {
    fn start(options: &[&str]) -> FirstProcess {
        let mut command = Command::new("unshare");
        command.args(["-fp", "--kill-child", "--mount-proc"]);
        command.arg(Program::Echo.path()).args(["echo", "-p", "0"]);
        command.args(options);
        let server = Server::launch(Program::Echo, command);
        let parent = server.pid().as_raw_nonzero();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
        let children = children.expect("the system tells a process's children");
        let pid = children.trim().parse().ok().and_then(Pid::from_raw);
        let pid = pid.unwrap_or_else(|| panic!("one child: {children:?}"));
        FirstProcess { server, pid }
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("it takes signals");
    }
}

#[test]
fn the_first_process_of_a_container_drains() {
    if let Some(obstacle) = obstacle() {
        return println!("skipped: {obstacle}");
    }
    let process = FirstProcess::start(&[NO_DEADLINE, "--report=json"]);
    let exchange = begin_exchange(&process.server);
    process.signal(Signal::TERM);
    await_refusal(&process.server);
    complete(exchange);
    let exit = process.server.exit();
    assert!(exit.status.success(), "{exit:?}");
    assert!(exit.stderr.contains(r#""cause":"signal""#), "{exit:?}");
}

#[test]
fn the_first_process_of_a_container_ends_by_a_signal_that_the_system_would_ignore() {
    if let Some(obstacle) = obstacle() {
        return println!("skipped: {obstacle}");
    }
    for signal in [Signal::TERM, Signal::INT] {
        let process = FirstProcess::start(&LONG_CLOSING);
        let address = process.server.address;
        let _client = bring_to_closing(address, || process.signal(signal));
        process.signal(signal);
        let exit = process.server.exit();
        assert_eq!(exit.status.code(), Some(128 + signal.as_raw()), "{exit:?}");
    }
}

/// Starts the command, sends it SIGTERM so long after it began, and says how it ended, and what it
/// had said.
fn stopped_after(delay: Duration) -> (ExitStatus, String) {
    let mut command = Command::new(Program::Echo.path());
    command.args(["echo", "-p", "0", NO_DEADLINE]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = child.spawn().expect("the command starts");
    let start = Instant::now();
    while start.elapsed() < delay {
        thread::yield_now();
    }
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::TERM).expect("our child takes signals");
    // One that hangs is killed, which is seen in its status.
    let (sender, ended) = std::sync::mpsc::channel();
    let watch = thread::spawn(move || {
        if ended.recv_timeout(PATIENCE).is_err() {
            // It has ended in this very moment, if not.
            let _ = kill_process(pid, Signal::KILL);
        }
    });
    let output = child.wait_with_output().expect("it is our child");
    // Nobody listens if it was killed.
    let _ = sender.send(());
    watch.join().expect("the watch does not panic");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status, said)
}

/// One of them did, whose wakers start threads and processes of whoever embeds the server. A thread
/// that is just being started has everything blocked for a moment.
#[test]
fn no_thread_keeps_the_stop_signals_blocked() {
    let server = Server::start(Program::EchoOnAsyncIo, &[]);
    let tasks = format!("/proc/{}/task", server.pid().as_raw_nonzero());
    let begun = Instant::now();
    loop {
        let tasks = fs::read_dir(&tasks).unwrap();
        let statuses = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("status")));
        let statuses: Vec<_> = statuses.filter_map(Result::ok).collect();
        let is_free = |status: &String| status.contains("SigBlk:\t0000000000000000");
        if statuses.len() > 1 && statuses.iter().all(is_free) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{statuses:?}");
        thread::yield_now();
    }
}

#[test]
fn sigterm_during_the_start_ends_it_at_once_or_drains_it_and_never_hangs() {
    let mut delay = Duration::ZERO;
    let (mut killed, mut drained) = (0, 0);
    // Until the start is surely over; on a slow machine it takes longer, and so does this.
    while drained < 20 {
        let (status, said) = stopped_after(delay);
        let was_listening = said.starts_with("listening on ");
        match status.code() {
            Some(0) => drained += u32::from(was_listening),
            // Before its first instruction of its own, while the system still loads it.
            None if status.signal() == Some(Signal::TERM.as_raw()) && said.is_empty() => {
                killed += 1;
            }
            _ => panic!("after {delay:?}: {status}, {said:?}"),
        }
        delay += Duration::from_micros(100);
    }
    println!("{killed} ended before they could handle it");
}

//! What is left of a server that is done: nothing.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests need more of it")]
mod common;

use std::fs;
use std::future::pending;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::{block_on, poll_once};
use neap_smol::{Config, Handle, Phase, Progress, Serve, Server};

use common::{BLOCK, GET, Gate, PATIENCE, read_all};

/// These tests look at the process as a whole: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // What async-io needs it keeps.
    block_on(async_io::Timer::after(Duration::from_millis(1)));
    turn
}

/// Threads of servers: `neap` and `neap-watchdog`.
fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    // One that ends meanwhile has no name any more.
    let names = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.starts_with("neap")).count()
}

/// Waits until there are so many: a thread that was joined stays in the list for a moment.
fn await_threads(count: usize) {
    let start = Instant::now();
    while threads() != count {
        assert!(start.elapsed() < PATIENCE, "{} threads", threads());
        thread::yield_now();
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A server that holds a request for ever, polled until it does.
struct Held<S> {
    serving: S,
    handle: Handle,
    address: SocketAddr,
    client: TcpStream,
}

fn hold(config: Config) -> Held<impl Future<Output = neap_smol::Report> + Unpin> {
    let server = Server::bind("127.0.0.1:0").unwrap().config(config);
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(GET.as_bytes()).unwrap();
    let mut serving: Serve<_, _> = server.serve(|_request| pending::<&'static str>());
    block_on(async {
        while handle.census().busy == 0 {
            let _ = poll_once(&mut serving).await;
        }
    });
    Held {
        serving,
        handle,
        address,
        client,
    }
}

/// A server runs until a handler, in which `check` is called, drains it; nothing of it is left.
fn run_and_leave_nothing(configure: impl FnOnce(Server) -> Server, check: fn()) {
    let _turn = alone();
    let before = descriptors();
    let server = configure(Server::bind("127.0.0.1:0").unwrap());
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(GET.as_bytes()).unwrap();
    let report = server.run(move |_request| {
        check();
        handle.drain();
        async { "last" }
    });
    assert!(report.unwrap().is_clean());
    assert!(read_all(&mut client).ends_with("last"));
    drop(client);
    await_threads(0);
    assert_eq!(descriptors(), before);
    Server::bind(address).unwrap();
}

#[test]
fn after_run_no_thread_and_no_descriptor_is_left_and_the_address_is_free() {
    let check = || assert_eq!(threads(), 1, "the caller watches, and needs no thread");
    run_and_leave_nothing(|server| server, check);
}

#[test]
fn after_run_on_several_threads_none_of_them_is_left() {
    // Three that serve, and one that accepts; the last of them may still be starting.
    run_and_leave_nothing(|server| server.threads(3), || await_threads(4));
}

/// Only the handler that is blocked keeps its thread.
#[test]
fn after_run_has_cut_off_one_of_several_threads_only_that_one_is_left() {
    let _turn = alone();
    let before = descriptors();
    let mut config = Config::default();
    config.drain.deadline = Duration::from_millis(50);
    config.drain.close_grace = Duration::from_millis(1);
    let (gate, blocking) = Gate::new();
    let server = Server::bind("127.0.0.1:0").unwrap().threads(3);
    let server = server.config(config);
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(BLOCK.as_bytes()).unwrap();
    let report = server.run(move |request| {
        let (blocking, handle) = (blocking.clone(), handle.clone());
        handle.drain();
        async move { blocking.answer(&request) }
    });
    assert_eq!(report.unwrap().stuck, 1);
    gate.await_blocked();
    await_threads(1);
    Server::bind(address).unwrap();
    gate.open();
    await_threads(0);
    drop(client);
    assert_eq!(descriptors(), before);
}

#[test]
fn the_watchdog_of_a_served_future_comes_with_the_drain_and_goes_with_the_future() {
    let _turn = alone();
    let before = descriptors();
    let mut config = Config::default();
    // Long, so that no watchdog finds fault with a machine that is busy elsewhere.
    config.drain.close_grace = Duration::from_secs(10);
    let mut held = hold(config);
    await_threads(0);
    held.handle.drain();
    await_threads(1);
    block_on(poll_once(&mut held.serving));
    assert_eq!(held.handle.phase(), Phase::Draining);
    assert_eq!(threads(), 1, "the future begins no second one");
    held.handle.close_now();
    let report = block_on(held.serving);
    await_threads(0);
    assert_eq!((report.stuck, report.requests.aborted), (0, 1));
    drop(held.client);
    assert_eq!(descriptors(), before);
    Server::bind(held.address).unwrap();
}

#[test]
fn dropping_a_future_in_its_drain_leaves_nothing() {
    let _turn = alone();
    let before = descriptors();
    let mut config = Config::default();
    // Its watchdog would never end by itself.
    config.drain.deadline = Duration::MAX;
    let held = hold(config);
    held.handle.drain();
    await_threads(1);
    drop(held.serving);
    await_threads(0);
    drop(held.client);
    assert_eq!(descriptors(), before);
    assert_eq!(held.handle.phase(), Phase::Done);
    assert_eq!(held.handle.report().stuck, 0);
    Server::bind(held.address).unwrap();
}

#[test]
fn a_drain_that_is_called_off_takes_its_watchdog_with_it() {
    let _turn = alone();
    let mut config = Config::default();
    config.drain.lame_duck = Duration::from_secs(20);
    let mut held = hold(config);
    for _ in 0..2 {
        held.handle.drain();
        await_threads(1);
        block_on(poll_once(&mut held.serving));
        assert_eq!(held.handle.progress(), Progress::LameDuck);
        held.handle.cancel_drain();
        block_on(poll_once(&mut held.serving));
        assert_eq!(held.handle.progress(), Progress::Running);
        await_threads(0);
    }
}

#[test]
fn a_drain_that_was_asked_for_before_the_first_poll_has_its_watchdog_from_then_on() {
    let _turn = alone();
    let server = Server::bind("127.0.0.1:0").unwrap();
    let handle = server.handle();
    let mut client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    client.write_all(GET.as_bytes()).unwrap();
    let mut serving: Serve<_, _> = server.serve(|_request| pending::<&'static str>());
    handle.drain();
    assert_eq!(threads(), 0, "nobody can be late who has not begun");
    block_on(poll_once(&mut serving));
    await_threads(1);
    drop(serving);
    await_threads(0);
}

/// Nobody polls it any more, and nobody has dropped it: its deadline holds all the same.
#[test]
fn a_future_that_is_forgotten_in_its_drain_is_cut_off_at_its_deadline() {
    let _turn = alone();
    let mut config = Config::default();
    config.drain.deadline = Duration::from_millis(50);
    config.drain.close_grace = Duration::from_millis(1);
    let mut held = hold(config);
    held.handle.drain();
    let report = block_on(held.handle.done());
    assert_eq!((report.stuck, report.requests.aborted), (0, 1));
    assert_eq!(read_all(&mut held.client), "");
    await_threads(0);
    let late = block_on(held.serving);
    assert_eq!(late.requests, report.requests);
}

//! Servers on several threads: what holds for one holds for all of them together.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests need more of it")]
mod common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use futures_lite::future::{BoxedLocal, FutureExt as _, block_on, poll_once};
use http::{Request, Response};
use neap_smol::{Address, Body, Cause, Config, Event, Handle, Outcome, Phase, Progress, Report};

use common::{BLOCK, Blocking, GET, Gate, PATIENCE, Running, is_reset, read_all, read_until};

const THREADS: usize = 4;

/// Runs a server on `threads` threads, which `blocking` may block.
fn run(threads: usize, config: Config, blocking: Blocking) -> Running {
    Running::start_with(
        |server| server.threads(threads).config(config),
        move |server| server.run(answering(blocking)).unwrap(),
    )
}

/// A handler that `blocking` may block.
fn answering(
    blocking: Blocking,
) -> impl Fn(Request<Body>) -> BoxedLocal<&'static str> + Clone + Send + 'static {
    move |request| {
        let blocking = blocking.clone();
        async move { blocking.answer(&request) }.boxed_local()
    }
}

/// Runs one whose handler says on which thread it is, and changes nothing else.
fn run_telling(config: Config) -> Running {
    Running::start_with(
        |server| server.threads(THREADS).config(config),
        |server| server.run(|_request| async { here() }).unwrap(),
    )
}

fn here() -> String {
    thread::current().name().unwrap_or_default().to_owned() + "!"
}

/// Time is short, because it is the real one.
fn hasty() -> Config {
    let mut config = Config::default();
    config.drain.deadline = Duration::from_millis(100);
    config.drain.close_grace = Duration::from_millis(50);
    config
}

/// Long enough for any machine.
fn patient() -> Config {
    let mut config = Config::default();
    config.drain.deadline = Duration::from_secs(600);
    config.drain.first_byte_grace = Duration::from_secs(60);
    config.drain.head_grace = Duration::from_secs(60);
    config
}

fn lame() -> Config {
    let mut config = patient();
    config.drain.lame_duck = Duration::from_secs(500);
    config
}

fn ask(client: &mut TcpStream) -> String {
    client.write_all(GET.as_bytes()).unwrap();
    read_until(client, "!")
}

fn reach(handle: &Handle, progress: Progress) {
    block_on(handle.reached(progress));
}

/// Waits until it is so.
fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        thread::yield_now();
    }
}

/// I22, and I7: each connection ended in one way, each request met one fate.
fn assert_balanced(report: &Report) {
    assert_eq!(report.accepted, report.outcomes.total(), "{report}");
    let requests = &report.requests;
    let met = requests.completed + requests.truncated + requests.aborted;
    let met = met + requests.vanished + requests.panicked;
    assert_eq!(requests.dispatched, met, "{report}");
}

#[test]
fn each_thread_serves_as_many_of_those_who_come_one_after_another() {
    let running = run_telling(patient());
    let mut served: BTreeMap<String, usize> = BTreeMap::new();
    let mut clients = Vec::new();
    for _ in 0..16 * THREADS {
        let mut client = running.connect();
        let answer = ask(&mut client);
        let name = answer.rsplit("\r\n").next().unwrap().to_owned();
        *served.entry(name).or_default() += 1;
        clients.push(client);
    }
    assert_eq!(served.len(), THREADS, "{served:?}");
    // Whoever has just answered may not sleep yet when the next one comes.
    assert!(served.values().all(|count| *count >= 12), "{served:?}");
    drop(clients);
    assert_balanced(&running.drain());
}

#[test]
fn each_thread_serves_some_of_a_burst() {
    let server = common::listening().threads(THREADS);
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let connect = |_| TcpStream::connect(address).unwrap();
    let mut clients: Vec<_> = (0..50 * THREADS).map(connect).collect();
    for client in &mut clients {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(GET.as_bytes()).unwrap();
    }
    let running = thread::spawn(move || server.run(|_request| async { here() }).unwrap());
    let mut served: BTreeMap<String, usize> = BTreeMap::new();
    for client in &mut clients {
        let answer = read_until(client, "!");
        let name = answer.rsplit("\r\n").next().unwrap().to_owned();
        *served.entry(name).or_default() += 1;
    }
    handle.drain();
    let report = running.join().unwrap();
    assert_eq!(served.len(), THREADS, "{served:?}");
    assert_balanced(&report);
}

#[test]
fn a_drain_loses_nobody_on_any_thread() {
    let (gate, blocking) = Gate::new();
    let mut config = patient();
    // Each of them speaks once more.
    config.drain.quiet = Duration::from_secs(60);
    let server = common::listening().threads(THREADS).config(config);
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let connect = || {
        let client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    };
    let handler = move |request: Request<Body>| {
        let blocking = blocking.clone();
        async move {
            if request.uri().path() == "/slow" {
                blocking.arrive();
                // It waits without blocking its thread.
                let shutdown = neap_smol::Shutdown::of(&request).unwrap();
                shutdown.stop_asked().await;
            }
            "fine!"
        }
    };
    let running = thread::spawn(move || server.run(handler).unwrap());
    let many = || (0..20 * THREADS).map(|_| connect()).collect::<Vec<_>>();
    let (mut kept_alive, mut half, mut slow) = (many(), many(), many());
    for client in &mut kept_alive {
        ask(client);
    }
    for client in &mut half {
        client.write_all(&GET.as_bytes()[..9]).unwrap();
    }
    until(|| handle.census().head == half.len());
    for client in &mut slow {
        client
            .write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        gate.await_blocked();
    }
    let mut fresh = many();
    handle.drain();
    reach(&handle, Progress::Sealing);
    for client in &mut half {
        client.write_all(&GET.as_bytes()[9..]).unwrap();
    }
    for client in kept_alive.iter_mut().chain(&mut fresh) {
        client.write_all(GET.as_bytes()).unwrap();
    }
    let everybody = [kept_alive, half, slow, fresh];
    for (kind, clients) in everybody.into_iter().enumerate() {
        for mut client in clients {
            let answer = read_all(&mut client);
            assert!(answer.ends_with("fine!"), "{kind} {answer:?}");
            assert!(answer.contains("connection: close"), "{kind} {answer:?}");
        }
    }
    let report = running.join().unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.accepted, 80 * THREADS as u64);
    assert_eq!(report.requests.completed, 100 * THREADS as u64);
    assert_balanced(&report);
}

#[test]
fn a_blocked_handler_leaves_the_other_threads_running() {
    let (gate, blocking) = Gate::new();
    let running = run(2, patient(), blocking);
    let mut blocked = running.connect();
    blocked.write_all(BLOCK.as_bytes()).unwrap();
    gate.await_blocked();
    // Nobody who comes now is given to the thread that is blocked.
    let mut clients: Vec<_> = (0..32).map(|_| running.connect()).collect();
    for client in &mut clients {
        client.write_all(GET.as_bytes()).unwrap();
        read_until(client, "fine");
    }
    running.handle.drain();
    // The drain goes on: these have had their last call.
    for mut client in clients {
        assert_eq!(read_all(&mut client), "");
    }
    assert_eq!(running.handle.progress(), Progress::Waiting);
    drop(gate);
    assert!(read_all(&mut blocked).ends_with("fine"));
    let report = running.drain();
    assert!(report.is_clean(), "{report}");
    assert_balanced(&report);
}

/// It becomes free and blocked by what comes at the same time.
#[test]
fn a_place_that_is_free_is_given_away_although_its_thread_is_blocked() {
    let (gate, blocking) = Gate::new();
    let running = Running::start_with(
        |server| server.threads(2).config(patient()).max_connections(8),
        move |server| {
            let handler = move |request: Request<Body>| {
                let blocking = blocking.clone();
                async move {
                    blocking.answer(&request);
                    here()
                }
            };
            server.run(handler).unwrap()
        },
    );
    let mut threads = BTreeMap::<String, Vec<TcpStream>>::new();
    for _ in 0..8 {
        let mut client = running.connect();
        let response = ask(&mut client);
        let (_, thread) = response.rsplit_once("\r\n").unwrap();
        threads.entry(thread.to_owned()).or_default().push(client);
    }
    let mates = threads
        .values_mut()
        .max_by_key(|mates| mates.len())
        .unwrap();
    mates[0].write_all(BLOCK.as_bytes()).unwrap();
    gate.await_blocked();
    let mut waiting = running.connect();
    waiting.write_all(GET.as_bytes()).unwrap();
    drop(mates.remove(1));
    mates[1].write_all(BLOCK.as_bytes()).unwrap();
    gate.let_one_go();
    gate.await_blocked();
    read_until(&mut waiting, "!");
    gate.let_one_go();
    assert!(running.drain().is_clean());
}

#[test]
fn the_deadline_holds_although_one_thread_is_blocked() {
    let (gate, blocking) = Gate::new();
    let running = run(2, hasty(), blocking);
    let mut blocked = running.connect();
    blocked.write_all(BLOCK.as_bytes()).unwrap();
    gate.await_blocked();
    let mut other = running.connect();
    other.write_all(GET.as_bytes()).unwrap();
    read_until(&mut other, "fine");
    let handle = running.handle.clone();
    let peer = Address::Tcp(blocked.local_addr().unwrap());
    let report = running.drain();
    assert_eq!((report.stuck, report.phase), (1, Phase::Done));
    assert_eq!(report.forced, Some(Cause::Deadline));
    assert_eq!((report.lost, report.requests.aborted), (1, 1));
    assert_eq!(report.outcomes.get(Outcome::Aborted), 1);
    assert_eq!(report.aborted[0].peer, peer);
    assert_balanced(&report);
    assert!(is_reset(&mut blocked) && !is_reset(&mut other));
    // The thread that comes back to itself changes nothing any more.
    gate.open();
    assert_eq!(block_on(handle.done()).outcomes, report.outcomes);
}

#[test]
fn who_could_be_given_to_no_thread_is_counted_and_closed() {
    let (gate, blocking) = Gate::new();
    let running = run(2, hasty(), blocking);
    let mut clients: Vec<_> = (0..2).map(|_| running.connect()).collect();
    for client in &mut clients {
        client.write_all(BLOCK.as_bytes()).unwrap();
        gate.await_blocked();
    }
    let mut waiting = running.connect();
    until(|| running.handle.census().fresh == 1);
    let report = running.drain();
    assert_eq!((report.stuck, report.accepted), (2, 3));
    assert_eq!(report.outcomes.get(Outcome::ClosedFresh), 1);
    assert_balanced(&report);
    assert_eq!(read_all(&mut waiting), "");
    gate.open();
}

/// A handler may take its time, in which the drain begins on another thread.
#[test]
fn a_response_that_began_before_the_drain_says_close_if_it_is_ready_after_that() {
    let (gate, blocking) = Gate::new();
    let running = run(2, patient(), blocking);
    let mut client = running.connect();
    client.write_all(BLOCK.as_bytes()).unwrap();
    gate.await_blocked();
    running.handle.drain();
    reach(&running.handle, Progress::Waiting);
    drop(gate);
    let answer = read_all(&mut client);
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(running.drain().is_clean());
}

#[test]
fn a_drain_that_is_called_off_is_called_off_for_all_threads() {
    let running = run_telling(lame());
    let mut clients: Vec<_> = (0..8 * THREADS).map(|_| running.connect()).collect();
    let (told, others) = clients.split_at_mut(4 * THREADS);
    for client in told.iter_mut().chain(others.iter_mut()) {
        ask(client);
    }
    running.handle.drain();
    reach(&running.handle, Progress::LameDuck);
    for client in told.iter_mut() {
        let answer = ask(client);
        assert!(answer.contains("connection: close"), "{answer}");
    }
    running.handle.cancel_drain();
    until(|| running.handle.phase() == Phase::Running);
    for client in others.iter_mut().chain(&mut [running.connect()]) {
        let answer = ask(client);
        assert!(!answer.contains("connection: close"), "{answer}");
    }
    running.handle.close_now();
    let report = running.drain();
    assert_eq!(report.requests.completed, 16 * THREADS as u64 + 1);
    assert_balanced(&report);
}

/// Their last call begins when the lame duck's time is up. Threads that were told of phases only
/// went on waiting for it until the deadline.
#[test]
fn who_is_idle_on_any_thread_gets_the_last_call_after_the_lame_duck() {
    let mut config = patient();
    config.drain.keep_accepting = true;
    let (gate, blocking) = Gate::new();
    let notices = Arc::new(AtomicUsize::new(0));
    let noticed = Arc::clone(&notices);
    let observe = move |event: &Event<'_>| {
        let is_notice = matches!(event, Event::Waiting { .. });
        noticed.fetch_add(usize::from(is_notice), Ordering::Relaxed);
    };
    let running = Running::start_with(
        |server| server.threads(THREADS).config(config).on_event(observe),
        move |server| server.run(answering(blocking)).unwrap(),
    );
    let mut clients: Vec<_> = (0..2 * THREADS).map(|_| running.connect()).collect();
    for client in &mut clients {
        client.write_all(GET.as_bytes()).unwrap();
        read_until(client, "fine");
    }
    clients[0].write_all(BLOCK.as_bytes()).unwrap();
    gate.await_blocked();
    running.handle.drain();
    reach(&running.handle, Progress::LameDuck);
    drop(gate);
    assert!(read_all(&mut clients[0]).ends_with("fine"));
    for client in &mut clients[1..] {
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
    reach(&running.handle, Progress::Done);
    // When it looks to whom the log is to name it would find out, but that is not for a while.
    assert_eq!(notices.load(Ordering::Relaxed), 0, "somebody wakes it");
    let report = running.drain();
    let idle = 2 * THREADS as u64 - 1;
    assert_eq!(report.outcomes.get(Outcome::ClosedIdle), idle);
    assert!(report.is_clean(), "{report}");
}

#[test]
fn close_now_ends_requests_on_all_threads_and_turns_away_who_waits() {
    let (gate, blocking) = Gate::new();
    let server = common::listening().threads(THREADS).config(patient());
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let running = thread::spawn(move || {
        let handler = move |_request| {
            blocking.arrive();
            std::future::pending::<&'static str>()
        };
        server.run(handler).unwrap()
    });
    let connect = |_| {
        let client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    };
    let mut clients: Vec<_> = (0..4 * THREADS).map(connect).collect();
    for client in &mut clients {
        client.write_all(GET.as_bytes()).unwrap();
        gate.await_blocked();
    }
    handle.close_now();
    for client in &mut clients {
        let answer = read_all(client);
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer:?}");
    }
    let report = running.join().unwrap();
    assert_eq!(report.requests.aborted, 4 * THREADS as u64);
    assert_eq!(report.forced, Some(Cause::Request));
    assert_balanced(&report);
}

#[test]
fn a_server_that_keeps_accepting_does_so_until_nothing_is_held_on_any_thread() {
    let mut config = patient();
    config.drain.keep_accepting = true;
    let (gate, blocking) = Gate::new();
    let running = run(THREADS, config, blocking);
    let mut blocked = running.connect();
    blocked.write_all(BLOCK.as_bytes()).unwrap();
    gate.await_blocked();
    running.handle.drain();
    reach(&running.handle, Progress::LameDuck);
    for _ in 0..8 * THREADS {
        let answer = running.exchange(GET);
        assert!(answer.contains("connection: close"), "{answer}");
    }
    assert_eq!(running.handle.progress(), Progress::LameDuck);
    drop(gate);
    assert!(read_all(&mut blocked).ends_with("fine"));
    let report = running.drain();
    assert_eq!(report.requests.completed, 8 * THREADS as u64 + 1);
    assert!(report.is_clean(), "{report}");
}

#[test]
fn as_many_connections_are_open_as_are_allowed_on_all_threads_together() {
    let running = Running::start_with(
        |server| server.threads(THREADS).max_connections(3),
        |server| server.run(|_request| async { here() }).unwrap(),
    );
    let mut clients: Vec<_> = (0..3).map(|_| running.connect()).collect();
    for client in &mut clients {
        ask(client);
    }
    // Again and again: each time room is made on another thread than the one that accepts.
    for _ in 0..20 {
        let mut next = running.connect();
        next.write_all(GET.as_bytes()).unwrap();
        assert!(running.handle.census().open() <= 3);
        drop(clients.remove(0));
        read_until(&mut next, "!");
        clients.push(next);
    }
    drop(clients);
    let report = running.drain();
    assert_eq!(report.accepted, 23);
    assert_balanced(&report);
}

#[test]
fn a_sign_of_life_comes_from_every_thread_or_not_at_all() {
    let (gate, blocking) = Gate::new();
    let running = run(2, patient(), blocking);
    block_on(running.handle.heartbeat());
    let mut client = running.connect();
    client.write_all(BLOCK.as_bytes()).unwrap();
    gate.await_blocked();
    let mut sign = Box::pin(running.handle.heartbeat());
    assert!(block_on(poll_once(&mut sign)).is_none());
    // The other thread is alive, and that is not enough.
    running.exchange(GET);
    assert!(block_on(poll_once(&mut sign)).is_none());
    drop(gate);
    block_on(sign);
}

#[test]
fn a_handler_that_panics_costs_its_request_and_nobody_elses() {
    let running = Running::start_with(
        |server| server.threads(2),
        |server| {
            let handler = |request: Request<Body>| async move {
                assert_eq!(request.uri().path(), "/", "on purpose");
                here()
            };
            server.run(handler).unwrap()
        },
    );
    let mut clients: Vec<_> = (0..8).map(|_| running.connect()).collect();
    for _ in 0..8 {
        let answer = running.exchange("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer:?}");
    }
    for client in &mut clients {
        ask(client);
    }
    drop(clients);
    let report = running.drain();
    assert_eq!(report.requests.panicked, 8);
    assert_balanced(&report);
}

/// An observer that panics on one of the threads ends the server: `run` panics, too.
#[test]
fn a_thread_that_panics_takes_the_server_with_it() {
    let server = common::listening().threads(2).config(patient());
    let address = server.local_addr().unwrap();
    let server = server.on_event(|event| {
        assert!(!matches!(event, Event::Refused { .. }), "on purpose");
    });
    let running = thread::spawn(move || server.run(|_request| async { here() }));
    let connect = || {
        let client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    };
    let [mut held, mut bad] = [connect(), connect()];
    ask(&mut held);
    bad.write_all(b"nonsense\r\n\r\n").unwrap();
    assert!(running.join().is_err());
    assert_eq!(read_all(&mut held), "");
    TcpStream::connect(address).unwrap_err();
}

#[test]
fn the_log_names_who_holds_the_drain_on_any_thread() {
    let (gate, blocking) = Gate::new();
    let said = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&said);
    let observe = move |event: &Event<'_>| {
        if let Event::Waiting { holders, held } = event {
            log.lock().unwrap().push((holders.to_vec(), *held));
        }
    };
    let running = Running::start_with(
        |server| server.threads(2).log_targets(true).on_event(observe),
        move |server| {
            let handler = move |request: Request<Body>| {
                blocking.arrive();
                async move {
                    let shutdown = neap_smol::Shutdown::of(&request).unwrap();
                    shutdown.stop_asked().await;
                    std::future::pending::<Response<&'static str>>().await;
                    ""
                }
            };
            server.run(handler).unwrap()
        },
    );
    let mut clients = [running.connect(), running.connect()];
    for client in &mut clients {
        client
            .write_all(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        gate.await_blocked();
    }
    running.handle.drain();
    until(|| !said.lock().unwrap().is_empty());
    let (holders, held) = said.lock().unwrap().remove(0);
    assert_eq!(held, 2);
    let named: Vec<_> = holders.iter().map(|holder| holder.peer.clone()).collect();
    for client in &clients {
        assert!(named.contains(&Address::Tcp(client.local_addr().unwrap())));
    }
    let targets: Vec<_> = holders.iter().map(|holder| &holder.target).collect();
    assert!(
        targets
            .iter()
            .all(|target| target.as_ref().unwrap() == "/held")
    );
}

#[test]
fn health_is_answered_while_every_thread_is_blocked() {
    let (gate, blocking) = Gate::new();
    let admin: Address = "127.0.0.1:0".parse().unwrap();
    let server = common::listening().threads(2).config(patient());
    let server = server.admin(&admin).unwrap();
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let Address::Tcp(admin) = server.admin_addresses()[0] else {
        panic!()
    };
    let running = thread::spawn(move || server.run(answering(blocking)).unwrap());
    let mut clients = [address; 2].map(|address| TcpStream::connect(address).unwrap());
    for client in &mut clients {
        client.write_all(BLOCK.as_bytes()).unwrap();
        gate.await_blocked();
    }
    let ready = |admin: SocketAddr| {
        let mut probe = TcpStream::connect(admin).unwrap();
        probe.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        probe.write_all(request).unwrap();
        let mut answer = String::new();
        probe.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ready(admin).starts_with("HTTP/1.1 200 "));
    handle.drain();
    reach(&handle, Progress::Sealing);
    assert!(ready(admin).starts_with("HTTP/1.1 503 "));
    drop(gate);
    assert!(running.join().unwrap().is_clean());
}

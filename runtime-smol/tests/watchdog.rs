//! Handlers that block their thread.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests need more of it")]
mod common;

use std::convert::Infallible;
use std::fs;
use std::future::Future;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures_lite::StreamExt;
use futures_lite::future::block_on;
use futures_lite::stream::{once, pending};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use neap_smol::{
    Address, Body, Cause, Config, IntoResponse, Outcome, Phase, Report, Server, State,
};

use common::{BLOCK, Blocking, GET, Gate, PATIENCE, is_reset, read_all, read_until};

/// Time is short, because it is the real one.
fn hasty() -> Config {
    let mut config = Config::default();
    config.drain.deadline = Duration::from_millis(100);
    config.drain.close_grace = Duration::from_millis(50);
    config
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Runs `server` on a thread of its own, which says what `run` gave.
fn run(server: Server, blocking: Blocking) -> Receiver<Report> {
    run_with(server, move |request: Request<Body>| {
        let blocking = blocking.clone();
        async move { blocking.answer(&request) }
    })
}

/// The same with another handler.
fn run_with<H, F>(server: Server, handler: H) -> Receiver<Report>
where
    H: Fn(Request<Body>) -> F + Clone + Send + 'static,
    F: Future<Output: IntoResponse> + 'static,
{
    let (send, report) = channel();
    thread::spawn(move || send.send(server.run(handler).unwrap()).unwrap());
    report
}

#[test]
fn run_returns_at_its_deadline_although_a_handler_blocks_its_thread() {
    let (gate, blocking) = Gate::new();
    let server = Server::bind("127.0.0.1:0").unwrap().config(hasty());
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let [mut blocked, mut idle, mut fresh] = [(); 3].map(|()| connect(&server));
    let report = run(server, blocking);
    idle.write_all(GET.as_bytes()).unwrap();
    read_until(&mut idle, "fine");
    blocked.write_all(GET.as_bytes()).unwrap();
    read_until(&mut blocked, "fine");
    blocked.write_all(BLOCK.as_bytes()).unwrap();
    gate.await_blocked();
    handle.drain();
    let report = report.recv_timeout(PATIENCE).unwrap();
    assert_eq!((report.stuck, report.phase), (1, Phase::Done));
    assert_eq!(report.cause, Some(Cause::Request));
    assert_eq!(report.forced, Some(Cause::Deadline));
    assert!(!report.is_clean());
    assert!(report.to_string().contains("; 1 stuck; "), "{report}");
    assert!(report.durations.total >= Duration::from_millis(150));
    let aborted = &report.aborted[0];
    assert_eq!(aborted.peer, Address::Tcp(blocked.local_addr().unwrap()));
    assert_eq!(aborted.state, State::Busy);
    assert_eq!(aborted.bytes_in, (GET.len() + BLOCK.len()) as u64);
    assert!(aborted.bytes_out > 0);
    let requests = &report.requests;
    assert_eq!((requests.dispatched, requests.completed), (3, 2));
    assert_eq!((requests.aborted, report.lost), (1, 1));
    assert_eq!((report.accepted, report.outcomes.total()), (3, 3));
    assert_eq!(report.outcomes.get(Outcome::Aborted), 1);
    assert!(report.listeners[0].ended);
    assert!(is_reset(&mut blocked));
    assert!(!is_reset(&mut idle) && !is_reset(&mut fresh));
    assert_eq!(read_all(&mut idle) + &read_all(&mut fresh), "");
    Server::bind(address).unwrap();
    // The thread that comes back to itself changes nothing any more.
    gate.open();
    assert_eq!(handle.census().open(), 0);
    assert_eq!(block_on(handle.done()).outcomes, report.outcomes);
}

/// How far the registry had come was only noted after each poll. A handler that blocks in the very
/// first was taken for a connection without a request.
#[test]
fn a_connection_whose_first_request_blocks_is_known_to_be_busy() {
    let (gate, blocking) = Gate::new();
    let server = Server::bind("127.0.0.1:0").unwrap();
    let handle = server.handle();
    let mut client = connect(&server);
    client.write_all(BLOCK.as_bytes()).unwrap();
    let report = run(server, blocking);
    gate.await_blocked();
    assert_eq!(handle.census().busy, 1);
    handle.close_now();
    let report = report.recv_timeout(PATIENCE).unwrap();
    assert_eq!((report.stuck, report.requests.aborted), (1, 1));
    assert_eq!(report.forced, Some(Cause::Request), "it needs no deadline");
}

#[test]
fn who_waits_beside_a_blocked_handler_is_cut_off_and_not_called_stuck() {
    let (gate, blocking) = Gate::new();
    let server = Server::bind("127.0.0.1:0").unwrap().config(hasty());
    let handle = server.handle();
    let [mut blocked, mut half] = [(); 2].map(|()| connect(&server));
    let report = run(server, blocking);
    half.write_all(&GET.as_bytes()[..8]).unwrap();
    while handle.census().head == 0 {
        thread::yield_now();
    }
    blocked.write_all(BLOCK.as_bytes()).unwrap();
    gate.await_blocked();
    // Nobody will ever accept it.
    let address = blocked.peer_addr().unwrap();
    let mut queued = TcpStream::connect(address).unwrap();
    handle.drain();
    let report = report.recv_timeout(PATIENCE).unwrap();
    assert_eq!((report.stuck, report.lost), (1, 1));
    assert_eq!(report.outcomes.get(Outcome::Aborted), 2);
    assert!(is_reset(&mut half));
    assert_eq!(read_all(&mut queued), "");
    if cfg!(target_os = "linux") {
        assert_eq!(report.lost_in_queue(), 1);
    }
}

#[test]
fn a_drain_counts_from_the_moment_at_which_it_was_asked_for() {
    let (gate, blocking) = Gate::new();
    let server = Server::bind("127.0.0.1:0").unwrap();
    let handle = server.handle();
    let mut client = connect(&server);
    client.write_all(BLOCK.as_bytes()).unwrap();
    let report = run(server, blocking);
    gate.await_blocked();
    handle.drain();
    let pause = Duration::from_millis(500);
    thread::sleep(pause);
    drop(gate);
    assert!(read_all(&mut client).ends_with("fine"));
    drop(client);
    let report = report.recv_timeout(PATIENCE).unwrap();
    assert!(report.is_clean());
    assert!(report.durations.total >= pause, "{:?}", report.durations);
}

/// A body that gives one piece, and blocks instead of giving the next.
struct Stuck(Blocking, bool);

impl http_body::Body for Stuck {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if std::mem::replace(&mut self.1, true) {
            self.0.block();
        }
        let piece = Bytes::from_static(b"piece");
        std::task::Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

#[test]
fn a_response_whose_body_blocks_is_reported_as_cut() {
    let (gate, blocking) = Gate::new();
    let server = Server::bind("127.0.0.1:0").unwrap().config(hasty());
    let handle = server.handle();
    let mut client = connect(&server);
    client.write_all(GET.as_bytes()).unwrap();
    let report = run_with(server, move |_request| {
        let body = Stuck(blocking.clone(), false);
        async { Response::new(body) }
    });
    gate.await_blocked();
    handle.drain();
    let report = report.recv_timeout(PATIENCE).unwrap();
    assert_eq!((report.stuck, report.requests.truncated), (1, 1));
    assert!(is_reset(&mut client));
}

#[test]
fn a_response_that_is_under_way_beside_a_blocked_handler_is_cut_and_not_aborted() {
    let (gate, blocking) = Gate::new();
    let server = Server::bind("127.0.0.1:0").unwrap().config(hasty());
    let handle = server.handle();
    let [mut blocked, mut streaming] = [(); 2].map(|()| connect(&server));
    let report = run_with(server, move |request: Request<Body>| {
        let blocking = blocking.clone();
        async move {
            if request.uri().path() != "/" {
                blocking.block();
            }
            // One piece, and then none for ever.
            let piece = Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"piece")));
            Response::new(StreamBody::new(once(piece).chain(pending())))
        }
    });
    streaming.write_all(GET.as_bytes()).unwrap();
    read_until(&mut streaming, "piece\r\n");
    blocked.write_all(BLOCK.as_bytes()).unwrap();
    gate.await_blocked();
    handle.drain();
    let report = report.recv_timeout(PATIENCE).unwrap();
    let requests = &report.requests;
    assert_eq!((requests.truncated, requests.aborted), (1, 1));
    assert!(is_reset(&mut blocked));
}

/// Blocks when it is dropped, which is what Closing does to handlers.
struct Clinging(Blocking);

impl Drop for Clinging {
    fn drop(&mut self) {
        self.0.block();
    }
}

#[test]
fn a_response_that_was_cut_before_another_handler_blocked_is_reported_as_cut() {
    let (gate, blocking) = Gate::new();
    let server = Server::bind("127.0.0.1:0").unwrap().config(hasty());
    let handle = server.handle();
    let [mut streaming, mut clinging] = [(); 2].map(|()| connect(&server));
    let (send, arrived) = channel();
    let report = run_with(server, move |request: Request<Body>| {
        let (blocking, send) = (blocking.clone(), send.clone());
        async move {
            if request.uri().path() != "/" {
                send.send(()).unwrap();
                let _clinging = Clinging(blocking);
                std::future::pending::<()>().await;
            }
            let piece = Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"piece")));
            Response::new(StreamBody::new(once(piece).chain(pending())))
        }
    });
    streaming.write_all(GET.as_bytes()).unwrap();
    read_until(&mut streaming, "piece\r\n");
    clinging.write_all(BLOCK.as_bytes()).unwrap();
    arrived.recv_timeout(PATIENCE).unwrap();
    handle.drain();
    gate.await_blocked();
    let report = report.recv_timeout(PATIENCE).unwrap();
    assert_eq!(report.stuck, 1);
    assert_eq!(report.outcomes.get(Outcome::Aborted), 2);
    assert_eq!(
        (report.requests.completed, report.requests.truncated),
        (0, 1)
    );
}

#[test]
fn a_blocked_servers_socket_file_goes_and_its_successors_stays() {
    let directory = std::env::temp_dir().join(format!("neap-blocked-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join("server.sock");
    let address = Address::Unix(path.clone());
    let (gate, blocking) = Gate::new();
    let server = Server::new().listen(&address).unwrap().config(hasty());
    let handle = server.handle();
    let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    client.write_all(BLOCK.as_bytes()).unwrap();
    let report = run(server, blocking);
    gate.await_blocked();
    handle.drain();
    assert_eq!(report.recv_timeout(PATIENCE).unwrap().stuck, 1);
    assert_eq!(read_all(&mut client), "");
    assert!(!path.exists());
    let successor = Server::new().listen(&address).unwrap();
    gate.open();
    assert!(path.exists(), "whatever inode the system gave it");
    drop(successor);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn the_admin_listener_ends_with_a_blocked_server() {
    let (gate, blocking) = Gate::new();
    let server = Server::bind("127.0.0.1:0").unwrap().config(hasty());
    let server = server.admin(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let Address::Tcp(admin) = server.admin_addresses()[0] else {
        panic!()
    };
    let handle = server.handle();
    let mut client = connect(&server);
    let report = run(server, blocking);
    let mut probe = TcpStream::connect(admin).unwrap();
    probe.set_read_timeout(Some(PATIENCE)).unwrap();
    probe
        .write_all(b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    read_until(&mut probe, "alive\n");
    client.write_all(BLOCK.as_bytes()).unwrap();
    gate.await_blocked();
    handle.drain();
    let report = report.recv_timeout(PATIENCE).unwrap();
    assert_eq!((report.stuck, report.accepted), (1, 1));
    assert_eq!(std::io::Read::read(&mut probe, &mut [0]).unwrap(), 0);
    Server::bind(admin).unwrap();
}

#[test]
fn a_shared_listener_is_left_to_the_others() {
    let (gate, blocking) = Gate::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::new().shared_listener(listener.try_clone().unwrap());
    let server = server.unwrap().config(hasty());
    let handle = server.handle();
    let mut client = connect(&server);
    client.write_all(BLOCK.as_bytes()).unwrap();
    let report = run(server, blocking);
    gate.await_blocked();
    handle.drain();
    assert_eq!(report.recv_timeout(PATIENCE).unwrap().stuck, 1);
    let _waiting = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    listener.accept().unwrap();
}

#[test]
fn the_handle_of_a_served_future_has_the_report_before_its_thread_comes_back() {
    let (gate, blocking) = Gate::new();
    let server = Server::bind("127.0.0.1:0").unwrap().config(hasty());
    let handle = server.handle();
    let mut client = connect(&server);
    client.write_all(BLOCK.as_bytes()).unwrap();
    let said = Arc::new(Mutex::new(String::new()));
    let log = Arc::clone(&said);
    let server = server.on_event(move |event| log.lock().unwrap().push_str(&event.to_string()));
    let serving = thread::spawn(move || {
        block_on(server.serve(move |request: Request<Body>| {
            let blocking = blocking.clone();
            async move { blocking.answer(&request) }
        }))
    });
    gate.await_blocked();
    handle.drain();
    let done = block_on(handle.done());
    assert_eq!((done.stuck, done.requests.aborted), (1, 1));
    assert!(is_reset(&mut client));
    assert!(!serving.is_finished());
    let line = "cut off by the watchdog: 1 stuck, 1 lost";
    assert!(said.lock().unwrap().contains(line));
    drop(gate);
    let report = serving.join().unwrap();
    assert_eq!((report.stuck, report.requests.aborted), (1, 1));
    assert_eq!(report.outcomes, done.outcomes);
    assert_eq!(report.aborted, done.aborted);
}

//! What a server leaves behind in its process, which is nothing. These tests look at the whole
//! process: one at a time.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use neap_smol::{Handle, Progress, Report, Server};
use neap_tests::client::Client;

const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many entries a folder of the process's has.
fn count(folder: &str) -> usize {
    let entries = fs::read_dir(folder).expect("a process sees itself");
    entries.count()
}

/// Descriptors and threads.
fn possessions() -> (usize, usize) {
    (count("/proc/self/fd"), count("/proc/self/task"))
}

/// Serves some clients, of whom one stays until the end.
fn serve_some(address: &str) -> (Report, SocketAddr) {
    let server = Server::bind(address).expect("the address is free");
    let address = server.local_addr().expect("it listens on TCP");
    let handle = server.handle();
    let serving = thread::spawn(|| server.run(|_request| async { "some" }));
    let mut clients: Vec<Client> = (0..20).map(|_| Client::connect(address)).collect();
    for client in &mut clients {
        assert_eq!(client.ask(HELLO).content, b"some");
    }
    clients.truncate(1);
    handle.drain();
    let report = serving.join().expect("no panic").expect("it has run");
    (report, address)
}

#[test]
fn after_the_end_no_descriptor_and_no_thread_is_left_and_the_address_is_free() {
    let _alone = alone();
    // The reactor, which all servers of a process share, comes with the first of them and stays.
    let (_, address) = serve_some("127.0.0.1:0");
    let before = possessions();
    let (report, _) = serve_some(&address.to_string());
    assert!(report.is_clean(), "{report}");
    assert_eq!(possessions(), before);
    TcpListener::bind(address).expect("the address is free");
}

/// The signals that somebody handles, a bit for each.
fn handled_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a process sees itself");
    let line = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let bits = line.expect("the system tells what is handled").trim();
    u64::from_str_radix(bits, 16).expect("a number in hexadecimal digits")
}

#[test]
fn signals_are_left_alone_unless_they_are_asked_for() {
    let _alone = alone();
    const INT_AND_TERM: u64 = (1 << (2 - 1)) | (1 << (15 - 1));
    let before = handled_signals();
    assert_eq!(before & INT_AND_TERM, 0, "the test starts without");
    serve_some("127.0.0.1:0");
    assert_eq!(handled_signals(), before);
    let server = Server::new().signals().expect("signals can be handled");
    assert_eq!(handled_signals(), before | INT_AND_TERM);
    drop(server);
}

/// Waits until the listeners are closed, and everything else goes on.
fn await_waiting(handle: &Handle) {
    while handle.progress() < Progress::Waiting {
        thread::yield_now();
    }
}

#[test]
fn a_closed_listeners_descriptor_is_never_accepted_from_again() {
    let _alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it has an address");
    let descriptor = listener.as_raw_fd();
    let server = Server::new().listener(listener).expect("it listens");
    let handle = server.handle();
    let (arrived, arrivals) = channel();
    let serving = thread::spawn(|| {
        server.run(move |request: http::Request<neap_smol::Body>| {
            arrived.send(()).expect("the test waits for it");
            async { request.into_body().collect(2).await }
        })
    });
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
    let mut held = Client::with(address, head.to_owned() + "a");
    arrivals.recv().expect("it is served");
    handle.drain();
    await_waiting(&handle);
    // The lowest number that is free is taken: that of the listener that was closed.
    let other = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    assert_eq!(other.as_raw_fd(), descriptor);
    let address = other.local_addr().expect("it has an address");
    let client = TcpStream::connect(address).expect("it listens");
    held.send("b");
    assert_eq!(held.response().content, b"ab");
    let report = serving.join().expect("no panic").expect("it has run");
    assert_eq!(report.accepted, 1, "{report}");
    other.set_nonblocking(true).expect("any socket can");
    let (_, peer) = other.accept().expect("nobody else has accepted it");
    assert_eq!(client.local_addr().expect("it is connected"), peer);
}

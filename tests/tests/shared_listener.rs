//! A listener that others accept from is let go of as it was: they go on with it.

use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use neap_smol::{Ownership, Report, Server};
use neap_tests::client::{Client, End};
use socket2::SockRef;

/// Serves one client on a copy of `listener`, and drains while another one waits.
fn serve_and_drain(listener: OwnedFd, client: impl FnOnce()) -> Report {
    let server = Server::new().shared_listener(listener).expect("it listens");
    let handle = server.handle();
    let serving = thread::spawn(|| server.run(|_request| async { "shared" }));
    client();
    handle.drain();
    let report = serving.join().expect("no panic").expect("it has run");
    let listener = &report.listeners[0];
    assert_eq!(listener.ownership, Ownership::Shared);
    assert_eq!((listener.rung, listener.lost_in_queue), (None, 0));
    report
}

fn copy(listener: impl AsFd) -> OwnedFd {
    let copy = listener.as_fd().try_clone_to_owned();
    copy.expect("a descriptor can be copied")
}

#[test]
fn a_shared_tcp_listener_goes_on_for_the_others_unsealed_and_unchanged() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it has an address");
    let options = |listener: &TcpListener| {
        let socket = SockRef::from(listener);
        let device = socket.device().ok();
        let nodelay = socket.tcp_nodelay().expect("TCP has it");
        let accepts = socket.is_listener().expect("any socket tells");
        let linger = socket.linger().expect("any socket has it");
        (device, nodelay, accepts, linger)
    };
    let before = options(&listener);
    let report = serve_and_drain(copy(&listener), || {
        let mut client = Client::connect(address);
        let response = client.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(response.content, b"shared");
        assert_eq!(client.end(), End::Eof);
    });
    assert_eq!(report.requests.completed, 1);
    assert_eq!(options(&listener), before);
    // Sealed or shut down, it would take nobody.
    let client = TcpStream::connect(address).expect("it still listens");
    let (_, peer) = listener.accept().expect("it still accepts");
    assert_eq!(client.local_addr().expect("it is connected"), peer);
}

#[test]
fn a_shared_unix_listener_keeps_its_file() {
    let name = format!("neap-shared-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let listener = UnixListener::bind(&path).expect("there is room for a socket");
    serve_and_drain(copy(&listener), || {});
    let reached = UnixStream::connect(&path);
    std::fs::remove_file(&path).expect("its file is still there");
    let client = reached.expect("it still listens");
    listener.accept().expect("it still accepts");
    drop(client);
}

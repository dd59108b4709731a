//! Listeners on their way to their end, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::time::Duration;

use async_io::Timer;
use futures_lite::future::yield_now;
use neap_smol::{Address, Config};

use common::{listening, unbound};

#[allow(dead_code, reason = "another test uses the rest")]
mod common;

/// A sealed listener whose window was over asked to be looked at again at once, and again, as long
/// as no more connections were allowed: a whole processor, for nothing.
#[test]
fn a_sealed_listener_that_may_not_accept_waits_without_spinning() {
    let mut config = Config::default();
    config.drain.seal_max = Duration::from_millis(20);
    let server = listening();
    let server = server.max_connections(1).config(config);
    let address = server.local_addr().unwrap();
    let clients = [0; 2].map(|_| {
        let mut stream = TcpStream::connect(address).unwrap();
        std::thread::spawn(move || {
            let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            stream.write_all(request).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        })
    });
    let handle = server.handle();
    let mut serving = pin!(server.serve(|_request| {
        handle.drain();
        async {
            Timer::after(Duration::from_millis(400)).await;
            "slow"
        }
    }));
    let mut polls = 0;
    let report = smol::block_on(poll_fn(|cx| {
        polls += 1;
        serving.as_mut().poll(cx)
    }));
    assert!(report.is_clean());
    for client in clients {
        assert!(client.join().unwrap().ends_with("slow"));
    }
    assert!(polls < 100, "{polls}");
}

/// The second one went on answering SYNs until there was room to accept from the first. One of a
/// group is sealed later than one that nobody else accepts from.
#[test]
fn all_listeners_are_sealed_at_once_even_when_none_may_be_accepted_from() {
    let listen = "127.0.0.1:0".parse().unwrap();
    for is_grouped in [false, true] {
        let server = unbound().reuse_port(is_grouped).max_connections(1);
        let server = server.listen(&listen).unwrap().listen(&listen).unwrap();
        let addresses = server.addresses();
        let address = |index: usize| match addresses[index] {
            Address::Tcp(address) => address,
            _ => panic!("{addresses:?}"),
        };
        let (first, second) = (address(0), address(1));
        let mut client = TcpStream::connect(first).unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        let handle = server.handle();
        let report = smol::block_on(server.serve(|_request| {
            handle.drain();
            async move {
                // A few turns later the drain has begun.
                for _ in 0..5 {
                    yield_now().await;
                }
                TcpStream::connect(second)
                    .map_or_else(|error| error.kind().to_string(), |_| "let in".into())
            }
        }));
        assert!(report.is_clean());
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("connection refused"), "{answer}");
    }
}

#[test]
fn a_socket_that_does_not_listen_is_no_listener() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connect = || TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let error = unbound().listener(connect()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(unbound().shared_listener(connect()).is_err());
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(unbound().shared_listener(file).is_err());
    unbound().shared_listener(listener).unwrap();
}

/// Clients that it has connected are in its queue; nobody else is to find it.
#[test]
fn a_unix_socket_is_not_to_be_found_any_more_while_its_queue_is_served() {
    let path = std::env::temp_dir().join(format!("neap-hidden-{}", std::process::id()));
    let server = unbound().listen(&Address::Unix(path.clone())).unwrap();
    let server = server.max_connections(1);
    let clients = [0; 2].map(|_| {
        let mut client = UnixStream::connect(&path).unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        client.write_all(request).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        client
    });
    let handle = server.handle();
    let report = smol::block_on(server.serve(|_request| {
        handle.drain();
        let path = &path;
        async move {
            // A few turns later the drain has begun.
            for _ in 0..5 {
                yield_now().await;
            }
            if path.exists() { "there" } else { "hidden" }
        }
    }));
    assert_eq!((report.accepted, report.is_clean()), (2, true));
    for mut client in clients {
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("hidden"), "{answer}");
    }
}

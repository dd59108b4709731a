//! A server that keeps accepting looks into its whole queue before it finds itself deserted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use futures_lite::future::block_on;
use neap_smol::{Config, Progress, Server};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n";

/// More than are accepted in one go: after the first batch nothing is held, and yet somebody waits.
const CLIENTS: usize = 300;

#[test]
fn nobody_in_the_queue_is_accepted_later_than_in_lame_duck() {
    let mut config = Config::default();
    config.drain.keep_accepting = true;
    let server = Server::bind("127.0.0.1:0").unwrap().config(config);
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let clients: Vec<TcpStream> = (0..CLIENTS)
        .map(|_| {
            let mut client = TcpStream::connect(address).unwrap();
            client.write_all(GET).unwrap();
            client
        })
        .collect();
    handle.drain();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let report = block_on(server.serve(|_request| {
        seen.lock().unwrap().push(handle.progress());
        async { "Hello, World!" }
    }));
    assert_eq!(*seen.lock().unwrap(), [Progress::LameDuck; CLIENTS]);
    assert_eq!((report.accepted, report.is_clean()), (300, true));
    drop(clients);
}

//! What an exchange costs the heap on top of its connection: the request that its handler owns.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::task::{Context, Waker};

use allocation_counter::measure;
use bytes::Bytes;
use http::{Request, Response};
use neap_smol::{Body, Full, Server};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: test\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n";
const EXCHANGES: u64 = 100;

async fn answer(request: Request<Body>) -> Response<Full> {
    assert_eq!(request.headers().len(), 3);
    Response::new(Full(Bytes::from_static(b"Hello")))
}

/// Asks, and lets the server go on until the answer is there. How often that allocated.
fn exchange(client: &mut TcpStream, mut turn: impl FnMut()) -> u64 {
    client.write_all(REQUEST).unwrap();
    let mut answer = Vec::with_capacity(1024);
    let mut piece = [0; 1024];
    let mut allocations = 0;
    while !answer.ends_with(b"Hello") {
        allocations += measure(&mut turn).count_total;
        match client.read(&mut piece) {
            Ok(len) => answer.extend_from_slice(&piece[..len]),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }
    allocations
}

/// Two for a `HeaderMap` of any size that fits at once, one for what fields and target say, and one
/// for the count of those who share that.
#[test]
fn an_exchange_allocates_its_fields_and_nothing_else() {
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = server.local_addr().unwrap();
    let mut serving = pin!(server.serve(answer));
    // What it waits for is found by the thread of async-io, and looked for at each turn.
    let mut turn = || {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(serving.as_mut().poll(&mut cx).is_pending());
    };
    let mut client = TcpStream::connect(address).unwrap();
    client.set_nonblocking(true).unwrap();
    let mut allocations = 0;
    for number in 0..2 * EXCHANGES {
        let count = exchange(&mut client, &mut turn);
        if number >= EXCHANGES {
            allocations += count;
        }
    }
    println!("{allocations} allocations in {EXCHANGES} exchanges");
    let for_fields = 4 * EXCHANGES;
    assert!(allocations >= for_fields, "{allocations}");
    assert!(allocations <= for_fields + EXCHANGES / 10, "{allocations}");
}

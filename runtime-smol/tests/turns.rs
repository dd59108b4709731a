//! What a server does in one turn, and what is left when there is no other.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::Bytes;
use futures_lite::future::{block_on, poll_once};
use futures_lite::stream::{self, StreamExt};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use neap_smol::Body;

use common::{GET, PATIENCE, listening, read_until};

#[allow(dead_code, reason = "another test uses the rest")]
mod common;

/// What a client has sent is there before anybody looks: in one read, and in one turn if there were
/// no end to that.
#[test]
fn a_client_that_pipelines_much_leaves_the_others_their_turn() {
    const MANY: usize = 500;
    let server = listening();
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let connect = |target: &str, times: usize| {
        let mut client = TcpStream::connect(address).unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        client.write_all(request.repeat(times).as_bytes()).unwrap();
        client
    };
    let _clients = [connect("/many", MANY), connect("/one", 1)];
    let served = RefCell::new(Vec::new());
    let serving = server.serve(|request: Request<Body>| {
        let mut served = served.borrow_mut();
        served.push(request.uri().path().to_owned());
        if served.len() == MANY + 1 {
            handle.drain();
        }
        async { "" }
    });
    block_on(serving);
    let served = served.into_inner();
    let turn = served.iter().position(|target| target == "/one").unwrap();
    assert!(turn < MANY, "the other one came last");
}

/// Without its last chunk it looks cut. A reset could destroy what was sent before.
#[test]
fn a_dropped_server_does_not_reset_a_response_that_looks_cut_by_itself() {
    let server = listening();
    let mut client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(GET.as_bytes()).unwrap();
    let mut serving = server.serve(|_request| async {
        let first = stream::once(Ok::<_, Infallible>(Frame::data(Bytes::from("first"))));
        Response::new(StreamBody::new(first.chain(stream::pending())))
    });
    // The request is there already: one turn accepts it and writes what there is of its response.
    block_on(poll_once(&mut serving));
    read_until(&mut client, "first\r\n");
    drop(serving);
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
}

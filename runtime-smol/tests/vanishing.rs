//! Clients that vanish while nothing that they have sent is read.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::pending;
use std::io::{ErrorKind, Write};
use std::sync::mpsc::channel;
use std::time::Duration;

use neap_smol::Outcome;

use common::{GET, PATIENCE, Running, Witness};

#[allow(dead_code, reason = "another test uses the rest")]
mod common;

/// Behind a request that takes its time a client had pipelined more than is read ahead; then it was
/// gone. Nobody noticed before the handler had ended, or the drain its deadline.
#[test]
fn a_client_that_is_gone_is_noticed_behind_more_than_is_read_ahead() {
    if std::env::var_os("NEAP_TEST_REACTOR").is_some() {
        println!("skipped: async-io's reactor cannot tell who is gone from what is left to read");
        return;
    }
    let (send, dropped) = channel();
    let running = Running::start(move |server| {
        let report = server.run(move |_request| {
            let witness = Witness(send.clone());
            async move {
                let _witness = witness;
                pending::<&str>().await
            }
        });
        report.unwrap()
    });
    let mut client = running.connect();
    client.set_nonblocking(true).unwrap();
    let full = loop {
        if let Err(error) = client.write(GET.repeat(1_000).as_bytes()) {
            break error.kind();
        }
    };
    assert_eq!(full, ErrorKind::WouldBlock, "no more is read");
    let client = socket2::Socket::from(client);
    client.set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    dropped.recv_timeout(PATIENCE).unwrap();
    let report = running.drain();
    assert_eq!(report.outcomes.get(Outcome::Vanished), 1, "{report}");
}

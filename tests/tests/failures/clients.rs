//! Clients that vanish, that read slowly, that wait to be asked.

use neap_tests::process::Program;
use rustix::process::Signal;

use crate::subject::{Exchange, NO_DEADLINE, answered, judge};

/// bjoern counted its connections, and clients that went away in the midst of a request were never
/// counted out (bjoern PR#236): after the first of them no shutdown ended by itself.
#[test]
fn clients_that_vanished_are_not_waited_for() {
    judge(
        Program::Echo,
        "aborted-counted",
        "does not exit",
        |subject| {
            let server = subject.start(&NO_DEADLINE);
            for _ in 0..3 {
                let begun = Exchange::begin(subject.connect(&server)?);
                begun.into_client().reset();
                let begun = Exchange::begin(subject.connect(&server)?);
                begun.into_client().vanish();
            }
            server.signal(Signal::TERM);
            subject.exits_well(server)
        },
    );
}

/// hyper sent its FIN while a part of the response was still in its own buffer (hyper#4022): slow
/// readers got truncated downloads, most of all during shutdowns.
#[test]
fn a_slow_reader_gets_all_of_its_download() {
    const LEN: usize = 40_000_000;
    judge(Program::Echo, "fin-too-early", "not answered", |subject| {
        let server = subject.start(&NO_DEADLINE);
        let request = format!("GET /bytes/{LEN} HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut client = subject.send(&server, &request)?;
        client.await_some();
        subject.drain(&server)?;
        let response = answered(&mut client)?;
        assert_eq!(response.content.len(), LEN);
        subject.exits_well(server)
    });
}

/// HAProxy waited for content behind an early final status while the client waited for 100 Continue
/// (haproxy#3316): both waited for each other until one of them timed out.
#[test]
fn an_early_status_does_not_wait_for_content_that_waits() {
    judge(
        Program::Echo,
        "content-awaited",
        "not answered",
        |subject| {
            let server = subject.start(&NO_DEADLINE);
            let request = "POST /status/413 HTTP/1.1\r\nHost: a\r\n\
                       Expect: 100-continue\r\nContent-Length: 10\r\n\r\n";
            let mut client = subject.send(&server, request)?;
            server.signal(Signal::TERM);
            let response = answered(&mut client)?;
            if (response.status, response.interim.len()) != (413, 0) {
                return Err(format!("answered with {response:?}"));
            }
            subject.exits_well(server)
        },
    );
}

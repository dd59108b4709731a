//! Asking twice, from wherever, is asking once.

use std::thread;

use http::Request;
use neap_smol::{Body, Cause, Handle, Phase, Report, Server};
use neap_tests::client::{Client, End};

/// Threads that ask, and how often each of them does.
const THREADS: usize = 8;
const TIMES: usize = 200;

/// A server with a client in the midst of a request, whom `ask` from many threads; then the client
/// goes on with `end`.
fn ask_from_many_threads(ask: fn(&Handle), end: fn(Client)) -> Report {
    let server = Server::bind("127.0.0.1:0").expect("there is a port");
    let address = server.local_addr().expect("it listens on TCP");
    let handle = server.handle();
    let serving = thread::spawn(|| {
        server.run(|request: Request<Body>| async { request.into_body().collect(2).await })
    });
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
    let client = Client::with(address, head.to_owned() + "a");
    while handle.census().busy == 0 {
        thread::yield_now();
    }
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut seen = Phase::Running;
                for _ in 0..TIMES {
                    ask(&handle);
                    let phase = handle.phase();
                    assert!(phase >= seen, "{phase:?} after {seen:?}");
                    seen = phase;
                }
            });
        }
    });
    end(client);
    let report = serving.join().expect("no panic").expect("it has run");
    // Afterwards as well.
    ask(&handle);
    assert_eq!(handle.phase(), Phase::Done);
    assert_eq!(handle.report().to_string(), report.to_string());
    report
}

#[test]
fn a_drain_that_many_ask_for_is_one_drain() {
    let report = ask_from_many_threads(Handle::drain, |mut client| {
        client.send("b");
        assert_eq!(client.response().content, b"ab");
        assert_eq!(client.end(), End::Eof);
    });
    assert_eq!((report.cause, report.forced), (Some(Cause::Request), None));
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_close_that_many_ask_for_is_one_close() {
    let report = ask_from_many_threads(Handle::close_now, |mut client| {
        assert_eq!(client.response().status, 503);
        assert_eq!(client.end(), End::Eof);
    });
    assert_eq!(report.forced, Some(Cause::Request));
    assert_eq!((report.requests.aborted, report.lost), (1, 1), "{report}");
}

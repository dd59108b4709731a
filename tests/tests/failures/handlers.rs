//! Handlers that would not end.

use neap_tests::process::Program;
use rustix::process::Signal;

use crate::subject::{NO_DEADLINE, answered, judge};

/// A stream of server-sent events ends when its client leaves, and its client stays. uvicorn waited
/// for it (uvicorn#451): one open page was enough for no reload to end.
#[test]
fn a_stream_of_events_ends_when_the_server_stops() {
    judge(
        Program::Embedded,
        "stream-untold",
        "does not exit",
        |subject| {
            let server = subject.start(&NO_DEADLINE);
            let mut client = subject.send(&server, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n")?;
            client.await_some();
            server.signal(Signal::TERM);
            subject.exits_well(server)?;
            // Whole, with its last chunk: its client connects again, elsewhere.
            answered(&mut client).map(drop)
        },
    );
}

/// actix-web waited for its workers, and a worker for its handler (actix-web#633): where one
/// blocked its thread, even the forced stop did not come.
#[test]
fn a_handler_that_blocks_its_thread_does_not_delay_the_forced_end() {
    judge(
        Program::Echo,
        "forced-stop-delayed",
        "does not exit",
        |subject| {
            let server = subject.start(&["--deadline", "500ms"]);
            let request = "GET /block/600000 HTTP/1.1\r\nHost: a\r\n\r\n";
            let _client = subject.send(&server, request)?;
            server.signal(Signal::TERM);
            let exit = subject.exits(server)?;
            let told = exit.status.code() == Some(1);
            told.then_some(()).ok_or_else(|| format!("{exit:?}"))
        },
    );
}

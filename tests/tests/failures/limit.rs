//! How long the drain may take, and whether anybody knows.

use std::time::Duration;

use neap_tests::process::{PATIENCE, Program};
use rustix::process::Signal;

use crate::subject::{FOREVER, NO_DEADLINE, Subject, Verdict, judge};

/// pingora slept its whole grace period before it exited, whether anybody was connected or not
/// (pingora#727): every restart took five minutes.
#[test]
fn a_server_without_connections_does_not_wait() {
    judge(
        Program::Echo,
        "full-timeout-slept",
        "does not exit",
        |subject| {
            let server = subject.start(&NO_DEADLINE);
            server.signal(Signal::TERM);
            subject.exits_well(server)
        },
    );
}

/// axum's graceful shutdown has no limit unless its user builds one (axum#1070): one client that
/// never ends keeps the process until somebody kills it. This test takes as long as neap's limit.
#[test]
fn there_is_a_limit_that_nobody_has_to_ask_for() {
    const LIMIT: Duration = Duration::from_secs(30);
    judge(
        Program::Echo,
        "no-default-limit",
        "does not exit",
        |subject| {
            let server = subject.start(&[]);
            let _client = subject.send(&server, FOREVER)?;
            subject.await_accepted(&server)?;
            server.signal(Signal::TERM);
            let exit = subject.after(LIMIT).exits(server)?;
            assert!(exit.took < LIMIT + PATIENCE, "{exit:?}");
            let told = exit.status.code() == Some(1);
            told.then_some(()).ok_or_else(|| format!("{exit:?}"))
        },
    );
}

/// In actix nobody could tell whether a shutdown had been graceful or had run into its limit
/// (actix-net#606): requests were cut at every deployment, and nothing said so.
#[test]
fn whoever_looks_can_tell_that_the_limit_was_reached() {
    judge(Program::Echo, "limit-untold", "untold", |subject| {
        let within = ["--deadline", "500ms", "--log", "off", "--report", "json"];
        let server = subject.start(&within);
        let _client = subject.send(&server, FOREVER)?;
        // Otherwise the request might not have been dispatched, and nothing be lost.
        subject.await_accepted(&server)?;
        server.signal(Signal::TERM);
        tells(subject, server, Some(1), r#""forced":"deadline""#)?;
        let server = subject.start(&within);
        server.signal(Signal::TERM);
        tells(subject, server, Some(0), r#""forced":null"#)
    });
}

fn tells(
    subject: &Subject,
    server: neap_tests::process::Server,
    code: Option<i32>,
    words: &str,
) -> Verdict {
    let exit = subject.exits(server)?;
    if exit.status.code() == code && exit.stderr.contains(words) {
        Ok(())
    } else {
        Err(format!("untold: {words} in {exit:?}"))
    }
}

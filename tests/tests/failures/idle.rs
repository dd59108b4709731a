//! Connections on which nothing is going on, or so it seems.

use neap_tests::client::End;
use neap_tests::process::Program;
use rustix::process::Signal;

use crate::subject::{Exchange, HELLO, NO_DEADLINE, all_answered, answered, judge};

/// actix-net's acceptor handed connections to its workers, and the workers stopped first (actix-net
/// PR#412): who had been accepted and not been dispatched yet was dropped without an answer.
#[test]
fn who_is_accepted_and_not_yet_heard_of_is_answered() {
    judge(
        Program::Echo,
        "undispatched-dropped",
        "not answered",
        |subject| {
            let server = subject.start(&NO_DEADLINE);
            let mut clients = subject.send_all(&server, 50, "")?;
            subject.await_accepted(&server)?;
            server.freeze();
            for client in &mut clients {
                client.send(HELLO);
            }
            server.signal(Signal::TERM);
            server.thaw();
            all_answered(clients)?;
            subject.exits_well(server)
        },
    );
}

/// Browsers connect in advance, to have a connection when they need one. Go's Shutdown
/// (golang/go#22682) and hyper's (hyper#2730) waited for the first request on it, which never came:
/// the exit hung until the limit, as long as a tab was open.
#[test]
fn a_preconnected_browser_does_not_hold_the_exit() {
    judge(
        Program::Echo,
        "preconnected-held",
        "does not exit",
        |subject| {
            let server = subject.start(&NO_DEADLINE);
            let mut clients = subject.send_all(&server, 3, "")?;
            subject.await_accepted(&server)?;
            server.signal(Signal::TERM);
            subject.exits_well(server)?;
            for client in &mut clients {
                let (said, end) = client.rest();
                if !said.is_empty() || end != End::Eof {
                    return Err(format!("it said {said:?}, and then {end:?}"));
                }
            }
            Ok(())
        },
    );
}

/// Fastify closed its idle connections when the shutdown began, and those that became idle a
/// moment later stayed for their whole keep-alive timeout (fastify#7044): every deployment took 72
/// seconds.
#[test]
fn a_connection_that_becomes_idle_in_the_drain_is_not_kept() {
    judge(
        Program::Echo,
        "idle-later-kept",
        "does not exit",
        |subject| {
            let server = subject.start(&NO_DEADLINE);
            // The head of its response is out: it could not say close.
            let exchange = Exchange::begin(subject.connect(&server)?);
            subject.drain(&server)?;
            let mut client = exchange.complete()?;
            subject.exits_well(server)?;
            let end = client.end();
            (end == End::Eof)
                .then_some(())
                .ok_or_else(|| format!("{end:?}"))
        },
    );
}

/// warp's clients on kept-alive connections were served through the whole shutdown (wai#853,
/// granian#548): nobody told them to leave, and the limit cut whatever was under way then.
#[test]
fn a_kept_alive_client_is_told_to_leave() {
    judge(Program::Echo, "served-on", "kept alive", |subject| {
        let quiet = ["--quiet", "60s"];
        let server = subject.start(&[NO_DEADLINE, quiet].concat());
        let mut client = subject.send(&server, HELLO)?;
        answered(&mut client)?;
        subject.drain(&server)?;
        client.send(HELLO);
        if !answered(&mut client)?.says_close() {
            return Err("it is kept alive".into());
        }
        subject.exits_well(server)
    });
}

/// Go's Shutdown closed idle connections by their state alone (golang/go#65802): a request that was
/// already in the socket was read, even executed, and never answered.
#[test]
fn a_request_that_crosses_the_idle_close_is_answered() {
    judge(Program::Echo, "crossing-lost", "not answered", |subject| {
        let server = subject.start(&NO_DEADLINE);
        let mut clients = subject.send_all(&server, 50, HELLO)?;
        for client in &mut clients {
            answered(client)?;
        }
        server.freeze();
        for client in &mut clients {
            client.send(HELLO);
        }
        server.signal(Signal::TERM);
        server.thaw();
        all_answered(clients)?;
        subject.exits_well(server)
    });
}

/// Sweeps that looked for idle connections took busy ones for idle (fastify PR#6889,
/// tylerstillwater/graceful#83): whoever had been idle before his current request lost it.
#[test]
fn the_sweep_for_idle_connections_spares_busy_ones() {
    judge(Program::Echo, "busy-swept", "not answered", |subject| {
        let server = subject.start(&NO_DEADLINE);
        let mut uploading = subject.send(&server, HELLO)?;
        answered(&mut uploading)?;
        let mut beginning = subject.send(&server, HELLO)?;
        answered(&mut beginning)?;
        let (half, rest) = HELLO.split_at(20);
        beginning.send(half);
        let exchange = Exchange::begin(uploading);
        subject.drain(&server)?;
        exchange.complete()?;
        beginning.try_send(rest);
        answered(&mut beginning)?;
        subject.exits_well(server)
    });
}

/// aiohttp ended an idle connection with 408 (aiohttp#2782): a client that sent its next request at
/// that moment took it for the answer.
#[test]
fn an_idle_connection_is_ended_without_a_word() {
    judge(Program::Echo, "idle-answered", "unasked", |subject| {
        let server = subject.start(&NO_DEADLINE);
        let mut client = subject.send(&server, HELLO)?;
        answered(&mut client)?;
        server.signal(Signal::TERM);
        let (said, end) = client.rest();
        if !said.is_empty() || end != End::Eof {
            let said = String::from_utf8_lossy(&said).into_owned();
            return Err(format!("unasked: {said:?}, and then {end:?}"));
        }
        subject.exits_well(server)
    });
}

//! Connections that speak another protocol.

use neap_tests::client::Client;
use neap_tests::process::{Program, Server};

use crate::subject::{Subject, Verdict, judge};

/// A client whose connection has been upgraded, and echoes.
fn upgrade(subject: &Subject, server: &Server) -> Result<Client, String> {
    let request = "GET /upgrade HTTP/1.1\r\nHost: a\r\n\
                   Connection: upgrade\r\nUpgrade: echo\r\n\r\n";
    let mut client = subject.send(server, request)?;
    client.await_ending(b"\r\n\r\n");
    echoes(&mut client, b"before")?;
    Ok(client)
}

fn echoes(client: &mut Client, bytes: &[u8]) -> Verdict {
    client.try_send(bytes);
    let came = client.try_await_ending(bytes);
    came.map_err(|end| format!("the upgraded connection was cut: {end:?}"))
}

/// The drain neither overlooks an upgraded connection nor ends it.
fn an_upgraded_connection_is_waited_for(subject: &Subject) -> Verdict {
    let server = subject.start(&["--deadline", "600s"]);
    let mut client = upgrade(subject, &server)?;
    subject.drain(&server)?;
    subject.stays(&server)?;
    echoes(&mut client, b"in the drain")?;
    client.finish();
    subject.exits_well(server)
}

/// hyper hands an upgraded connection out, and whoever counts connections does not see it any more:
/// axum's graceful shutdown returned while chats were open (axum#3003), and the exit cut them.
#[test]
fn upgraded_connections_are_not_overlooked() {
    judge(
        Program::Embedded,
        "upgraded-invisible",
        "while somebody is there",
        an_upgraded_connection_is_waited_for,
    );
}

/// Caddy closed open chats the moment its configuration was reloaded (caddy#6420): all clients lost
/// their connections at once, and came back at once.
#[test]
fn upgraded_connections_are_not_closed_too_early() {
    judge(
        Program::Embedded,
        "upgraded-cut",
        "while somebody is there",
        an_upgraded_connection_is_waited_for,
    );
}

//! A server that runs out of descriptors goes on, and loses nobody.

use neap_tests::client::{Client, End};
use neap_tests::process::{Program, Server};

const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const DELAYED: &str = "GET /delay/200 HTTP/1.1\r\nHost: a\r\n\r\n";

/// Enough for the server itself and some forty connections.
const FILES: u64 = 60;
const CLIENTS: usize = 120;

fn starved(program: Program) -> Server {
    // It would otherwise keep within its limit by not accepting: here it has to find out.
    let options: &[&str] = match program {
        Program::Echo | Program::EchoOnAsyncIo => &["--max-connections", "10000"],
        _ => &[],
    };
    let server = Server::start(program, options);
    server.limit_files(FILES);
    server
}

fn send_all(server: &Server, request: &str) -> Vec<Client> {
    (0..CLIENTS)
        .map(|_| Client::with(server.address, request))
        .collect()
}

#[test]
fn idle_connections_make_room_for_those_that_wait() {
    let mut server = starved(Program::Echo);
    for mut client in send_all(&server, HELLO) {
        assert_eq!(client.response().status, 200);
        // Whoever was given up for its descriptor is told so by a FIN, after its response.
        client.vanish();
    }
    server.drain();
    assert!(server.exit().status.success());
}

/// Ports took an error of `accept` for the end of those who wait, closed the listener and so reset
/// the clients in its queue.
#[test]
fn the_drain_waits_for_those_who_cannot_be_accepted_yet() {
    for program in Program::ALL {
        eprintln!("{program:?}:");
        let mut server = starved(program);
        let clients = send_all(&server, DELAYED);
        server.drain();
        for mut client in clients {
            assert_eq!(client.response().status, 200);
            assert_eq!(client.end(), End::Eof);
        }
        let exit = server.exit();
        assert!(exit.status.success(), "{exit:?}");
        assert!(
            Program::PORTS.contains(&program) || exit.stderr.contains("cannot accept"),
            "it was starved: {}",
            exit.stderr
        );
    }
}

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
        Program::Echo | Program::EchoOnAsyncIo | Program::EchoOnThreads => {
            &["--max-connections", "10000"]
        }
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

/// The system looks for a descriptor before it looks whether anybody waits. Whoever came last used
/// to be given up for nobody.
#[test]
fn nobody_is_given_up_as_long_as_nobody_waits() {
    for program in [
        Program::Echo,
        Program::EchoOnAsyncIo,
        Program::EchoOnThreads,
    ] {
        let server = starved(program);
        let descriptors = format!("/proc/{}/fd", server.pid().as_raw_nonzero());
        // It may have inherited some whose numbers are beyond its limit.
        let in_use = || {
            let descriptors = std::fs::read_dir(&descriptors).expect("it runs");
            let names = descriptors.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            let numbers = names.filter_map(|name| name.parse::<u64>().ok());
            numbers.filter(|number| *number < FILES).count() as u64
        };
        let mut clients = Vec::new();
        while in_use() < FILES {
            assert!(clients.len() < CLIENTS, "{program:?}: it never fills up");
            clients.push(Client::with(server.address, HELLO));
            let latest = clients.last_mut().expect("just pushed");
            assert_eq!(latest.response().status, 200);
        }
        for client in &mut clients {
            assert_eq!(client.ask(HELLO).status, 200, "{program:?}");
        }
        // Now there is somebody, for whom one makes room: of one thread's who was silent longest.
        let mut next = Client::with(server.address, HELLO);
        assert_eq!(next.response().status, 200, "{program:?}");
        let mut given_up = Vec::new();
        for (number, client) in clients.iter_mut().enumerate() {
            client.try_send(HELLO);
            match client.try_response(false) {
                Ok(response) => assert_eq!(response.status, 200),
                Err(_) => given_up.push(number),
            }
        }
        assert_eq!(given_up.len(), 1, "{program:?}: {given_up:?}");
        assert!(
            program == Program::EchoOnThreads || given_up == [0],
            "{given_up:?}"
        );
    }
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

/// The end is forced while clients wait who could not be accepted. Whoever is accepted gets
/// `status`. Gives how many are reset, which the report has to say.
fn lost_in_queue(lingering: &[&str], request: &str, status: u16) -> usize {
    let options = ["--max-connections", "10000", "--deadline", "1s"];
    let report = ["--log", "off", "--report", "json"];
    let mut server = Server::start(Program::Echo, &[&options, &report[..], lingering].concat());
    server.limit_files(FILES);
    let mut clients = send_all(&server, request);
    server.drain();
    let mut lost = 0;
    for client in &mut clients {
        match client.try_response(false) {
            Ok(response) => assert_eq!(response.status, status),
            Err(End::Reset) => lost += 1,
            Err(end) => panic!("{end:?}"),
        }
    }
    let exit = server.exit();
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
    let reported = format!(r#""lost_in_queue":{lost},"#);
    assert!(exit.stderr.contains(&reported), "{reported}: {exit:?}");
    lost
}

#[test]
fn whoever_could_not_be_accepted_before_the_deadline_is_turned_away() {
    let forever = "GET /delay/600000 HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(lost_in_queue(&["--close-grace", "60s"], forever, 503), 0);
}

/// When all was over and descriptors were free, the server accepted those who still waited, only
/// to reset them: nobody missed them in the queue, and the exit status was 0.
#[test]
fn whoever_could_not_even_be_turned_away_stands_in_the_report() {
    let lingering = ["--linger-short", "600s", "--linger-max", "600s"];
    // With content: otherwise nobody is lingered for who calls his request the last.
    let once = "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\n.";
    assert!(lost_in_queue(&lingering, once, 200) > 0);
}

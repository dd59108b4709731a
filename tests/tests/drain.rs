//! What a server does when it is told to stop, seen from outside: real processes, sockets and
//! signals. The first four are the seed of neap's shutdown, by name.

use std::thread;
use std::time::Duration;

use neap_tests::client::{Client, End};
use neap_tests::process::{Program, Server};
use rustix::process::Signal;

/// Well before the deadline, which is 30 s unless a test says otherwise: nothing held the exit.
const SOON: Duration = Duration::from_secs(10);

const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/// Takes long enough for the server to be told meanwhile that it should stop.
const DELAYED: &str = "GET /delay/1000 HTTP/1.1\r\nHost: a\r\n\r\n";
const FOREVER: &str = "GET /delay/600000 HTTP/1.1\r\nHost: a\r\n\r\n";

/// Runs a test against each server.
fn on_each(test: impl Fn(Server)) {
    for program in Program::ALL {
        eprintln!("{program:?}:");
        test(start(program));
    }
}

fn start(program: Program) -> Server {
    match program {
        Program::Echo | Program::EchoOnAsyncIo | Program::EchoOnThreads => {
            Server::start(program, &["--deadline", "30s"])
        }
        _ => Server::start(program, &[]),
    }
}

/// Tells the server to stop and waits until it takes nobody any more.
fn drain(server: &mut Server) {
    server.drain();
    while let Ok(client) = Client::try_connect(server.address) {
        client.vanish();
    }
}

/// Tells the server to stop while it stands still, and does this meanwhile: when it goes on, it
/// finds both.
fn drain_while(server: &mut Server, meanwhile: impl FnOnce()) {
    server.freeze();
    meanwhile();
    server.drain();
    server.thaw();
}

/// A client that the server has accepted, and that has sent nothing.
fn connect_fresh(server: &Server) -> Client {
    let client = Client::connect(server.address);
    // Connections are accepted in their order.
    Client::connect(server.address).ask(HELLO);
    client
}

/// A client whose exchange goes on until it says so.
struct Exchange(Client);

impl Exchange {
    /// Begins it, and waits until the server is in the midst of it.
    fn begin(server: &Server) -> Exchange {
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
        let mut client = Client::with(server.address, head.to_owned() + "a");
        client.await_ending(b"\r\n\r\na");
        Exchange(client)
    }

    /// Ends it: it has to be whole, and the server's FIN to follow.
    fn complete(mut self) {
        self.0.send("b");
        assert_eq!(self.0.response().content, b"ab");
        assert_eq!(self.0.end(), End::Eof);
    }
}

/// The server exits by itself, soon, and says that nothing was lost.
fn exits_well(server: Server) {
    let exit = server.exit();
    assert!(exit.took < SOON, "{exit:?}");
    assert!(exit.status.success(), "{exit:?}");
}

#[test]
fn closes_socket() {
    on_each(|mut server| {
        let exchange = Exchange::begin(&server);
        drain(&mut server);
        assert!(Client::try_connect(server.address).is_err());
        exchange.complete();
        exits_well(server);
    });
}

/// So many clients connect and send their requests while the server stands still; when it goes
/// on, it has been told to stop.
fn answers_its_backlog(program: Program, clients: usize) {
    let mut server = start(program);
    server.freeze();
    let client = |_| Client::with(server.address, HELLO);
    let clients: Vec<Client> = (0..clients).map(client).collect();
    server.drain();
    server.thaw();
    for mut client in clients {
        let response = client.response();
        assert_eq!((response.status, response.content.len()), (200, 13));
        assert_eq!(client.end(), End::Eof);
    }
    exits_well(server);
}

#[test]
fn accept_backlog() {
    for program in Program::ALL {
        eprintln!("{program:?}:");
        answers_its_backlog(program, 50);
    }
    answers_its_backlog(Program::Echo, 500);
}

#[test]
fn timeout() {
    for program in Program::ALL {
        eprintln!("{program:?}:");
        runs_into_its_deadline(program);
    }
}

fn runs_into_its_deadline(program: Program) {
    let mut server = Server::start(program, &["--deadline", "1s"]);
    let mut client = Client::with(server.address, FOREVER);
    server.drain();
    let response = client.response();
    assert_eq!(response.status, 503);
    assert!(response.says_close(), "{response:?}");
    assert_eq!(client.end(), End::Eof);
    let exit = server.exit();
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
    assert!(exit.took < SOON, "{exit:?}");
}

#[test]
fn keep_alive() {
    on_each(|mut server| {
        let mut clients: Vec<Client> = Vec::new();
        for _ in 0..10 {
            let mut client = Client::connect(server.address);
            assert!(!client.ask(HELLO).says_close());
            clients.push(client);
        }
        server.drain();
        for mut client in clients {
            // Silently: no response to a request that was never sent.
            assert_eq!(client.end(), End::Eof);
        }
        exits_well(server);
    });
}

#[test]
fn a_server_without_connections_exits_at_once() {
    on_each(|mut server| {
        server.drain();
        let exit = server.exit();
        assert!(
            exit.status.success() && exit.took < Duration::from_secs(2),
            "{exit:?}"
        );
    });
}

#[test]
fn a_request_in_progress_is_answered_and_told_that_it_is_the_last() {
    on_each(|mut server| {
        let mut client = Client::with(server.address, DELAYED);
        drain(&mut server);
        let response = client.response();
        assert_eq!(response.status, 200);
        assert!(response.says_close(), "{response:?}");
        assert_eq!(client.end(), End::Eof);
        exits_well(server);
    });
}

#[test]
fn half_a_head_on_a_kept_connection_may_be_completed() {
    on_each(|mut server| {
        let mut client = Client::connect(server.address);
        client.ask(HELLO);
        let (half, rest) = HELLO.split_at(20);
        client.send(half);
        drain(&mut server);
        let response = client.ask(rest);
        assert_eq!(response.status, 200);
        assert!(response.says_close(), "{response:?}");
        assert_eq!(client.end(), End::Eof);
        exits_well(server);
    });
}

/// The response is whole and the connection's last; then the server exits well.
fn is_answered_as_the_last(mut client: Client, server: Server) {
    let response = client.response();
    assert_eq!(response.status, 200);
    assert!(response.says_close(), "{response:?}");
    assert_eq!(client.end(), End::Eof);
    exits_well(server);
}

/// The server finds a request and the news that it should stop at once. Whichever it sees first,
/// and so whether the response announces the close: it is answered, and then the connection ends.
fn answers_what_comes_with_the_drain(mut server: Server, mut client: Client) {
    drain_while(&mut server, || client.send(HELLO));
    assert_eq!(client.response().status, 200);
    assert_eq!(client.end(), End::Eof);
    exits_well(server);
}

#[test]
fn the_last_call_of_an_idle_connection_is_answered() {
    on_each(|server| {
        let mut client = Client::connect(server.address);
        client.ask(HELLO);
        answers_what_comes_with_the_drain(server, client);
    });
}

#[test]
fn a_connection_whose_first_byte_comes_with_the_drain_is_served() {
    on_each(|server| {
        let client = connect_fresh(&server);
        answers_what_comes_with_the_drain(server, client);
    });
}

#[test]
fn a_connection_without_a_byte_is_closed_without_a_word() {
    on_each(|mut server| {
        let mut client = connect_fresh(&server);
        drain(&mut server);
        assert_eq!(client.end(), End::Eof);
        exits_well(server);
    });
}

/// Half of this head comes before the drain, so that the client has time for the rest of it.
fn drain_within(head: &str, server: &mut Server) -> Client {
    let mut client = connect_fresh(server);
    let (half, rest) = head.split_at(20);
    client.send(half);
    drain(server);
    client.send(rest);
    client
}

#[test]
fn a_client_that_has_ended_its_side_gets_its_answer_in_the_drain() {
    on_each(|mut server| {
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n";
        let mut client = drain_within(head, &mut server);
        client.send("a");
        client.finish();
        is_answered_as_the_last(client, server);
    });
}

#[test]
fn content_is_still_invited_in_the_drain() {
    on_each(|mut server| {
        let fields = "Host: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n";
        let head = format!("POST /echo HTTP/1.1\r\n{fields}\r\n");
        let mut client = drain_within(&head, &mut server);
        client.await_ending(b"HTTP/1.1 100 Continue\r\n\r\n");
        client.send("ok");
        is_answered_as_the_last(client, server);
    });
}

#[test]
fn an_upload_in_progress_is_completed() {
    const HALF: usize = 4_000_000;
    on_each(|mut server| {
        let half = "x".repeat(HALF);
        let length = 2 * HALF;
        let head = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        let mut client = Client::with(server.address, head);
        let mut sender = client.sender();
        let (told, is_told) = std::sync::mpsc::channel();
        let sends = thread::spawn(move || {
            sender.send(&half);
            is_told.recv().expect("the server is told to stop");
            sender.send(&half);
        });
        client.await_some();
        drain(&mut server);
        told.send(()).expect("the other half is to be sent");
        assert_eq!(client.response().content.len(), length);
        sends.join().expect("everything is sent");
        assert_eq!(client.end(), End::Eof);
        exits_well(server);
    });
}

#[test]
fn pipelined_requests_are_all_answered_and_only_the_last_is_told() {
    on_each(|mut server| {
        let requests = DELAYED.to_owned() + HELLO + HELLO;
        let mut client = Client::with(server.address, requests);
        drain(&mut server);
        let last = [(); 3].map(|()| client.response().says_close());
        assert_eq!(last, [false, false, true]);
        assert_eq!(client.end(), End::Eof);
        exits_well(server);
    });
}

#[test]
fn a_download_is_completed() {
    const LEN: usize = 20_000_000;
    on_each(|mut server| {
        let request = format!("GET /bytes/{LEN} HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut client = Client::with(server.address, request);
        client.await_some();
        drain(&mut server);
        assert_eq!(client.response().content.len(), LEN);
        assert_eq!(client.end(), End::Eof);
        exits_well(server);
    });
}

#[test]
fn a_second_signal_ends_what_the_first_one_waited_for() {
    let server = start(Program::Echo);
    let mut client = Client::with(server.address, FOREVER);
    // A duplicate within the debounce time is ignored, so that it takes some.
    while !server.has_exited_within(Duration::from_millis(50)) {
        server.signal(Signal::TERM);
    }
    assert_eq!(client.response().status, 503);
    let exit = server.exit();
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
}

#[test]
fn a_stream_that_the_deadline_cuts_looks_cut() {
    let each = |version| Program::ALL.map(|program| (program, version));
    for (program, version) in ["HTTP/1.1", "HTTP/1.0"].into_iter().flat_map(each) {
        eprintln!("{program:?}, {version}:");
        let mut server = Server::start(program, &["--deadline", "1s"]);
        let request = format!("GET /stream/1000/1000 {version}\r\nHost: a\r\n\r\n");
        let mut client = Client::with(server.address, request);
        client.await_some();
        server.drain();
        // With chunks, by the end of the connection; without, only a reset can tell.
        let cut = client.try_response(false).map(|_| ());
        assert!(cut == Err(End::Reset) || (cut == Err(End::Eof) && version == "HTTP/1.1"));
        let exit = server.exit();
        assert_eq!(exit.status.code(), Some(1), "{exit:?}");
    }
}

/// How far a client has come when it vanishes.
#[derive(Clone, Copy, Debug)]
enum Stage {
    NoByte,
    HalfAHead,
    InDelay,
    HalfTheContent,
    HalfTheResponse,
    InStream,
    Idle,
}

const STAGES: [Stage; 7] = [
    Stage::NoByte,
    Stage::HalfAHead,
    Stage::InDelay,
    Stage::HalfTheContent,
    Stage::HalfTheResponse,
    Stage::InStream,
    Stage::Idle,
];

impl Stage {
    /// A client that has come so far.
    fn reach(self, server: &Server) -> Client {
        let mut client = Client::connect(server.address);
        match self {
            Stage::NoByte => {}
            Stage::HalfAHead => client.send(&HELLO[..20]),
            Stage::InDelay => client.send(FOREVER),
            Stage::HalfTheContent => return Exchange::begin(server).0,
            Stage::HalfTheResponse => {
                client.send("GET /bytes/100000000 HTTP/1.1\r\nHost: a\r\n\r\n");
                client.await_some();
            }
            Stage::InStream => {
                client.send("GET /stream/1000/600000 HTTP/1.1\r\nHost: a\r\n\r\n");
                client.await_some();
            }
            Stage::Idle => {
                client.ask(HELLO);
            }
        }
        client
    }
}

/// How a client vanishes.
#[derive(Clone, Copy, Debug)]
enum Way {
    Fin,
    Reset,
}

impl Way {
    fn go(self, client: Client) {
        match self {
            Way::Fin => client.vanish(),
            Way::Reset => client.reset(),
        }
    }
}

/// Clients that vanish leave a server that exits soon, and nobody else's exchange is touched.
fn vanishes(program: Program, stage: Stage, way: Way, before: bool) {
    let mut server = start(program);
    let exchange = Exchange::begin(&server);
    let client = stage.reach(&server);
    if before {
        way.go(client);
        drain(&mut server);
    } else {
        drain(&mut server);
        way.go(client);
    }
    exchange.complete();
    let exit = server.exit();
    let case = (program, stage, way, before);
    assert!(
        exit.took < SOON && exit.status.success(),
        "{case:?} {exit:?}"
    );
}

/// All stages and ways side by side: most of the time is the server's grace for half-closed ones.
fn all_vanish(before: bool) {
    thread::scope(|scope| {
        for program in Program::ALL {
            for stage in STAGES {
                for way in [Way::Fin, Way::Reset] {
                    scope.spawn(move || vanishes(program, stage, way, before));
                }
            }
        }
    });
}

#[test]
fn a_client_that_vanished_before_the_signal_holds_nothing_up() {
    all_vanish(true);
}

#[test]
fn a_client_that_vanishes_after_the_signal_holds_nothing_up() {
    all_vanish(false);
}

/// With the close behind it at once, the reset that answers a stray byte would throw away what the
/// client had not taken yet.
#[test]
fn a_stray_byte_behind_the_last_request_destroys_no_response() {
    let last = "GET /bytes/4000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let old = "GET /bytes/4000000 HTTP/1.0\r\n\r\n";
    for (request, drains) in [(last, false), (old, false), (last, true)] {
        let mut server = Server::start(Program::Echo, &[]);
        let mut client = Client::with(server.address, request);
        client.await_some();
        if drains {
            server.drain();
        }
        let mut sender = client.sender();
        let chatter = thread::spawn(move || {
            for _ in 0..200 {
                sender.try_send("\r\n");
                thread::yield_now();
            }
        });
        let (response, end) = client.rest();
        assert_eq!(end, End::Eof);
        assert!(response.len() > 4_000_000);
        chatter.join().expect("it sends and says nothing");
    }
}

//! Handlers that would not end by themselves are told to, and end properly: the examples that show
//! how, run as they are.

use neap_tests::client::{Client, End, Framing};
use neap_tests::process::{Program, Server};

const GET: &str = "GET /events HTTP/1.1\r\nHost: a\r\n\r\n";

/// The server has ended by itself, and early: the deadline is further away than a test waits.
fn exits_well(server: Server) {
    let exit = server.exit();
    assert!(exit.status.success(), "{exit:?}");
    assert!(exit.stdout.contains("none lost"), "{exit:?}");
    assert!(!exit.stdout.contains("forced"), "{exit:?}");
}

/// uvicorn#451: streams of events hang the drain until its limit. There the handlers were not told.
#[test]
fn streams_of_events_end_with_their_last_chunk() {
    let mut server = Server::start(Program::Events, &[]);
    let streams: Vec<Client> = (0..10)
        .map(|_| {
            let mut client = Client::with(server.address, GET);
            client.await_ending(b"data: 0\n\n\r\n");
            client
        })
        .collect();
    server.drain();
    for mut stream in streams {
        let response = stream.response();
        assert_eq!(response.field("content-type"), Some("text/event-stream"));
        assert!(matches!(response.framing, Framing::Chunks(1..)));
        assert!(response.content.ends_with(b"\n\n"), "{response:?}");
        assert_eq!(stream.end(), End::Eof);
    }
    exits_well(server);
}

#[test]
fn an_event_stream_that_begins_during_the_drain_is_whole_too() {
    let mut server = Server::start(Program::Events, &[]);
    server.freeze();
    let mut client = Client::with(server.address, GET);
    server.drain();
    server.thaw();
    // Which of the two is heard of first is open, and with it whether the head says close. The
    // stream is whole either way, and the connection gone.
    assert_eq!(client.response().status, 200);
    assert_eq!(client.end(), End::Eof);
    exits_well(server);
}

#[test]
fn a_long_poll_is_answered_without_news() {
    let mut server = Server::start(Program::LongPoll, &[]);
    let mut answered = Client::with(server.address, GET);
    let news = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    // Until the poll has begun there is nobody to hear it.
    let response = loop {
        assert_eq!(Client::connect(server.address).ask(news).status, 202);
        if answered.has_answer() {
            break answered.response();
        }
    };
    assert_eq!(
        (response.status, &response.content[..]),
        (200, &b"hello"[..])
    );
    let mut polls: Vec<Client> = (0..10).map(|_| Client::with(server.address, GET)).collect();
    server.drain();
    for poll in &mut polls {
        let response = poll.response();
        assert_eq!((response.status, response.says_close()), (204, true));
        assert_eq!(poll.end(), End::Eof);
    }
    exits_well(server);
}

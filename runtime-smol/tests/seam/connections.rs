//! What a connection asks of its socket, and when.

use std::time::Duration;

use neap_smol::{Config, Outcome, Ownership};

use crate::system::{Client, Play};
use crate::{GET, WAIT};

const HALF: &str = "GET / HTTP/1.1\r\n";
const REST: &str = "Host: a\r\n\r\n";

fn count(play: &Play, outcome: Outcome) -> u64 {
    play.handle.report().outcomes.get(outcome)
}

/// After a clock jump, or a turn that took long, a timer is due together with what it waits for.
#[test]
fn what_was_in_time_is_read_before_a_timer_acts() {
    let mut play = Play::sole();
    let client = play.connect(HALF);
    client.0.borrow_mut().unheard = Some(REST.into());
    play.pass(30_000);
    assert!(client.output().ends_with("hello"), "{}", client.output());
    let late = play.connect(HALF);
    play.pass(30_000);
    assert!(
        late.output().starts_with("HTTP/1.1 408 "),
        "{}",
        late.output()
    );
}

#[test]
fn the_last_look_asks_the_system_itself() {
    let mut play = Play::sole();
    let served = play.connect(GET);
    let idle = play.connect(GET);
    play.drain();
    served.0.borrow_mut().last_moment = Some(GET.into());
    play.pass(250);
    assert_eq!(served.output().matches("hello").count(), 2);
    assert_eq!(idle.output().matches("HTTP/1.1 ").count(), 1, "silently");
    assert!(served.0.borrow().ended && idle.0.borrow().ended);
}

#[test]
fn an_idle_connection_without_anything_under_way_is_closed_without_a_linger() {
    let mut play = Play::sole();
    let [idle, served] = [GET; 2].map(Client::sending);
    let silent = Client::default();
    play.queue([idle.clone(), served.clone(), silent.clone()].map(Ok));
    play.settle();
    for client in [&idle, &served, &silent] {
        client.0.borrow_mut().can_close = true;
    }
    play.drain();
    served.0.borrow_mut().last_moment = Some(GET.into());
    play.pass(250);
    assert!(idle.is_closed() && !idle.0.borrow().ended);
    assert_eq!(served.output().matches("hello").count(), 2);
    assert!(served.0.borrow().ended && !served.is_closed());
    play.pass(750);
    assert!(silent.0.borrow().ended && !silent.is_closed());
}

/// It can then find out for all of them at once whether they can be closed.
#[test]
fn the_system_hears_beforehand_how_many_connections_may_end() {
    for (quiet, expected) in [(0, 3), (250, 2)] {
        let mut config = Config::default();
        config.drain.quiet = Duration::from_millis(quiet);
        let mut play = Play::with(Ownership::Sole, |server| server.config(config));
        let idle = [GET; 2].map(Client::sending);
        let silent = Client::default();
        let all = [&idle[0], &idle[1], &silent].map(|client| Ok(client.clone()));
        play.queue(all);
        play.pass(100);
        play.drain();
        play.pass(quiet);
        for client in &idle {
            assert_eq!(client.0.borrow().expected_when_asked, Some(expected));
        }
        assert_eq!(silent.0.borrow().expected_when_asked, None);
    }
}

/// While it runs, connections end one by one, and nothing is to be known of all of them.
#[test]
fn no_ends_are_expected_before_the_drain() {
    let mut play = Play::sole();
    let client = play.connect(GET);
    play.pass(Config::default().timeouts.idle.as_secs() * 1_000);
    assert_eq!(client.0.borrow().expected_when_asked, Some(0));
}

/// A TLS handshake, for instance.
#[test]
fn what_begins_at_the_last_look_has_the_time_of_half_a_head() {
    let mut play = Play::sole();
    let [silent, begins] = [(); 2].map(|()| Client::default());
    play.queue([Ok(silent.clone()), Ok(begins.clone())]);
    play.settle();
    begins.0.borrow_mut().begins_late = true;
    play.drain();
    play.pass(1_000);
    assert!(silent.0.borrow().ended && !begins.0.borrow().ended);
    play.pass(3_000);
    begins.send(GET);
    play.settle();
    assert!(begins.output().contains("hello"), "{}", begins.output());
}

#[test]
fn a_fin_is_sent_behind_the_last_byte_and_not_before() {
    let mut play = Play::sole();
    let client = Client::sending(GET);
    client.0.borrow_mut().blocked = true;
    play.queue([Ok(client.clone())]);
    play.settle();
    play.drain();
    play.pass(10);
    assert!(!client.0.borrow().ended);
    client.0.borrow_mut().blocked = false;
    client.wake();
    play.settle();
    // The head was written before the drain, and stands: the Idle rule follows.
    play.pass(250);
    assert!(client.output().ends_with("hello"));
    assert!(client.0.borrow().ended && !client.is_closed(), "it lingers");
}

#[test]
fn lingering_lasts_until_the_last_byte_is_acknowledged() {
    let mut play = Play::sole();
    let client = play.connect(GET);
    client.0.borrow_mut().unacknowledged = 1;
    play.drain();
    play.pass(250 + 400);
    assert!(client.0.borrow().ended && !client.is_closed());
    client.0.borrow_mut().unacknowledged = 0;
    play.pass(101);
    assert!(client.is_closed());
    assert!(play.report().is_clean());
}

#[test]
fn a_lingering_connection_reads_and_throws_away() {
    let mut play = Play::sole();
    let client = play.connect(GET);
    play.drain();
    play.pass(250);
    assert!(client.0.borrow().ended);
    client.send(GET);
    play.pass(99);
    assert!(!client.is_closed(), "input breaks the silence");
    client.end();
    play.settle();
    assert!(client.is_closed());
    assert_eq!(client.output().matches("hello").count(), 1);
}

/// With content: who calls another request his last is not lingered for.
#[test]
fn what_was_read_ahead_counts_among_what_lingering_throws_away() {
    const LAST: &str =
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\n.";
    let mut config = Config::default();
    config.limits.linger = 20;
    let mut play = Play::with(Ownership::Sole, |server| server.config(config));
    let little = play.connect(&[LAST, &"x".repeat(10)].concat());
    let much = play.connect(&[LAST, &"x".repeat(30)].concat());
    assert!(little.output().contains("hello") && much.output().contains("hello"));
    assert!(!little.is_closed() && much.is_closed());
}

#[test]
fn a_connection_that_is_broken_at_its_last_look_is_not_ended_politely() {
    let mut play = Play::sole();
    let client = play.connect(GET);
    client.0.borrow_mut().breaks_late = true;
    play.drain();
    play.pass(250);
    assert!(client.is_closed() && !client.0.borrow().ended);
    assert_eq!(count(&play, Outcome::Completed), 1);
}

/// Content is read before anything is written, so that an echo shares a write; and so a client that
/// was at its end within the content of its second request lost the response to its first.
#[test]
fn what_an_earlier_request_is_owed_is_written_before_more_content_is_read() {
    const CUT: &str = "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab";
    let mut play = Play::sole();
    let client = Client::sending(&[GET, CUT].concat());
    client.end();
    play.queue([Ok(client.clone())]);
    play.settle();
    assert_eq!(client.output().matches("hello").count(), 1);
    assert!(client.is_closed());
}

const LONG: usize = 65_536;
/// What is read at first where heads are expected.
const HEADS: usize = 16_384;

fn post(target: &str, len: usize) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n")
}

/// What has come with the head shares a piece with the rest, which is not waited for.
#[test]
fn long_content_that_is_there_is_read_twice_and_what_is_late_is_not_waited_for() {
    let mut play = Play::sole();
    let (head, content) = (post("/pieces", LONG), "x".repeat(LONG));
    let client = play.connect(&(head.clone() + &content));
    assert!(client.output().ends_with("one"), "{}", client.output());
    assert_eq!(client.0.borrow().reads, 2);
    let late = play.connect(&(head + &content[..20_000]));
    play.settle();
    assert!(late.output().is_empty());
    late.send(&content[20_000..]);
    play.settle();
    assert!(late.output().ends_with("several"), "{}", late.output());
}

/// Memory that is read ahead stays small for all others.
#[test]
fn who_has_just_sent_long_content_is_read_at_once_and_nobody_else() {
    let mut play = Play::sole();
    let long = post("/pieces", LONG) + &"x".repeat(LONG);
    let client = play.connect(GET);
    let mut before = client.0.borrow().reads;
    for (request, reads) in [(&*long, 2), (&long, 1), (GET, 1), (&long, 2), (&long, 1)] {
        client.send(request);
        play.settle();
        assert_eq!(client.0.borrow().reads - before, reads);
        before += reads;
    }
    assert_eq!(client.output().matches("one").count(), 4);
}

#[test]
fn content_that_no_room_is_for_is_passed_on_piece_by_piece() {
    let mut play = Play::sole();
    let long = post("/pieces", LONG) + &"x".repeat(LONG);
    let longer = post("/pieces", 3 * LONG) + &"x".repeat(3 * LONG);
    let client = play.connect(&long);
    client.send(&longer);
    play.settle();
    let output = client.output();
    assert!(
        output.contains("one") && output.ends_with("several"),
        "{output}"
    );
}

/// The end is seen by the same look for more that long content gets.
#[test]
fn content_that_came_before_the_end_of_its_client_is_delivered() {
    let mut play = Play::sole();
    let head = post("/first", LONG);
    let content = "x".repeat(HEADS - head.len());
    let client = Client::sending(&(head + &content));
    client.end();
    play.queue([Ok(client.clone())]);
    play.settle();
    assert!(client.output().ends_with("hello"), "{}", client.output());
    assert!(client.is_closed());
}

/// It was not given to the handler as long as the response waited for its reader, and read all the
/// same.
#[test]
fn content_is_not_heaped_up_behind_a_response_that_nobody_reads() {
    let mut play = Play::sole();
    let client =
        Client::sending("POST /duplex HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.0.borrow_mut().blocked = true;
    play.queue([Ok(client.clone())]);
    play.settle();
    for _ in 0..40 {
        client.send(&format!("4000\r\n{}\r\n", "x".repeat(0x4000)));
        play.settle();
    }
    let reads = client.0.borrow().reads;
    assert!((2..=8).contains(&reads), "{reads}");
}

#[test]
fn a_transport_that_takes_nothing_is_a_broken_one() {
    let mut play = Play::sole();
    let client = Client::sending(GET);
    client.0.borrow_mut().takes_nothing = true;
    play.queue([Ok(client.clone())]);
    play.settle();
    assert!(client.is_closed());
    assert_eq!(count(&play, Outcome::Vanished), 1);
}

/// More behind a request under way than is read ahead.
#[test]
fn a_client_that_goes_away_is_noticed_while_nothing_is_read() {
    let mut config = Config::default();
    config.limits.head = 1_000;
    let mut play = Play::with(Ownership::Sole, |server| server.config(config));
    let client = play.connect(WAIT);
    client.send(&GET.repeat(40));
    play.settle();
    client.0.borrow_mut().gone = true;
    client.wake();
    play.settle();
    assert!(client.is_closed());
    assert_eq!(count(&play, Outcome::Vanished), 1);
}

#[test]
fn a_stalled_reader_is_reset_and_an_ordinary_end_is_none() {
    let mut play = Play::sole();
    let stalled = Client::sending(GET);
    stalled.0.borrow_mut().blocked = true;
    play.queue([Ok(stalled.clone())]);
    let served = play.connect(GET);
    served.end();
    play.pass(30_000);
    assert!(stalled.is_closed() && stalled.0.borrow().reset);
    assert!(served.is_closed() && !served.0.borrow().reset);
    assert_eq!(count(&play, Outcome::Stalled), 1);
}

/// It left it a moment before, when it was over: a watchdog that looked in between counted it
/// neither among those that were open nor among those that had ended.
#[test]
fn a_connection_is_in_the_registry_before_it_is_read_and_until_its_socket_is_closed() {
    let mut play = Play::sole();
    let client = play.connect(GET);
    assert_eq!(client.0.borrow().open_at_first_read, Some(1));
    client.end();
    play.settle();
    let balance = (1, 0);
    assert_eq!(client.0.borrow().at_close, Some(balance));
    assert_eq!(play.handle.census().open(), 0);
}

#[test]
fn accepted_are_those_that_are_open_and_those_that_have_ended() {
    let mut play = Play::sole();
    let ends: Vec<Client> = (0..3).map(|_| play.connect(GET)).collect();
    let _waits = play.connect(WAIT);
    let balance = |play: &Play| {
        let report = play.handle.report();
        let open = play.handle.census().open() as u64;
        (report.accepted, open, report.outcomes.total())
    };
    assert_eq!(balance(&play), (4, 4, 0));
    let census = play.handle.census();
    assert_eq!((census.idle, census.busy), (3, 1));
    ends[0].end();
    play.settle();
    assert_eq!(balance(&play), (4, 3, 1));
    play.close_now();
    play.pass(500);
    assert_eq!(balance(&play), (4, 0, 4));
    let report = play.report();
    assert_eq!(
        (report.requests.dispatched, report.requests.completed),
        (4, 3)
    );
    assert_eq!((report.requests.aborted, report.lost), (1, 1));
    assert_eq!(report.aborted[0].bytes_in, WAIT.len() as u64);
    assert_eq!(report.aborted[0].state, neap_smol::State::Busy);
}

#[test]
fn a_handler_that_panics_when_it_is_dropped_costs_nobody_else() {
    let mut play = Play::sole();
    let other = play.connect(GET);
    let client = play.connect("GET /bomb HTTP/1.1\r\nHost: a\r\n\r\n");
    client.end();
    play.pass(1_000);
    assert!(client.is_closed());
    other.send(GET);
    play.settle();
    assert_eq!(other.output().matches("hello").count(), 2);
}

#[test]
fn a_server_that_is_dropped_lets_no_response_look_whole_that_is_not() {
    let mut play = Play::sole();
    let cut = play.connect("GET /stream HTTP/1.0\r\n\r\n");
    let whole = play.connect(GET);
    assert!(cut.output().ends_with("begun"));
    drop(play);
    assert!(cut.is_closed() && cut.0.borrow().reset);
    assert!(whole.is_closed() && !whole.0.borrow().reset);
}

#[test]
fn a_response_that_only_the_close_delimits_is_reset_in_closing() {
    let mut play = Play::sole();
    let cut = play.connect("GET /stream HTTP/1.0\r\n\r\n");
    let chunked = play.connect("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    play.close_now();
    assert!(cut.is_closed() && cut.0.borrow().reset);
    assert!(chunked.0.borrow().ended && !chunked.0.borrow().reset);
    assert!(!chunked.output().ends_with("0\r\n\r\n"));
}

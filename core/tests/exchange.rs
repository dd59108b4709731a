//! Exchanges and their ends, in virtual time: content, failures, other protocols, what is counted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use neap_core::{
    BodyLength, Config, Connection, Fate, Handler, MisuseError, Outcome, PeerError, Phase, Read,
    Refusal, State, Status, Step, Time, Write,
};
use world::{DATE, GET, World};

const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2000\r\n\r\n";
const EXPECT: &[u8] =
    b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
const UPGRADE: &[u8] =
    b"GET / HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: tide\r\n\r\n";

/// One to whom a request has been given.
fn given(request: &[u8]) -> World {
    let mut world = World::new();
    assert!(world.input(request).is_empty());
    world
}

fn end(world: &mut World) {
    let mut out = Vec::new();
    world.on(|c, t| c.reply_end(t, &mut out)).unwrap();
    world.out.extend_from_slice(&out);
}

/// One that lingers.
fn lingering() -> World {
    let mut world = given(GET);
    world.seal();
    world.reply();
    world.on(Connection::handle_fin_sent).unwrap();
    world
}

#[test]
fn a_head_that_is_nearly_late_gains_no_time_by_the_drain() {
    let mut world = World::new();
    world.input(b"GET / HT");
    world.pass(29_000);
    world.seal();
    assert_eq!(world.due_in(), Some(1_000));
}

#[test]
fn bytes_that_the_last_look_finds_on_a_fresh_connection_are_a_request() {
    let mut world = World::new();
    world.seal();
    world.pass(1_000);
    assert_eq!(world.wants().read, Read::Look);
    world.input(GET);
    assert!(world.reply().contains("connection: close"));
    assert_eq!(world.part(), Outcome::Completed);
}

#[test]
fn continue_is_wanted_when_the_handler_asks_for_content_and_not_before() {
    let mut world = given(EXPECT);
    assert_eq!(
        (world.wants().read, world.wants().write),
        (Read::Watch, Write::No)
    );
    world.on(Connection::want_content);
    assert_eq!(
        (world.wants().read, world.wants().write),
        (Read::Content, Write::Continue)
    );
    let mut out = Vec::new();
    world.on(|c, t| c.reply_continue(t, &mut out)).unwrap();
    assert_eq!(out, b"HTTP/1.1 100 Continue\r\n\r\n");
    world.flush();
    assert_eq!(world.connection.tally().completed, 0);
    assert_eq!(world.wants().read, Read::Content);
}

#[test]
fn an_answer_without_reading_expected_content_closes() {
    let mut world = given(EXPECT);
    let head = world.reply_head(BodyLength::Known(0));
    assert!(head.contains("connection: close"), "{head}");
    assert_eq!(world.wants().read, Read::Content, "it may come even so");
    assert!(!world.connection.is_content_deliverable());
    end(&mut world);
    world.flush();
    assert_eq!(world.part(), Outcome::Completed);
}

#[test]
fn lingering_ends_at_the_clients_fin_or_reset() {
    for end in [Connection::handle_eof, Connection::handle_io_error] {
        let mut world = lingering();
        world.on(end);
        assert_eq!(world.outcome(), (Outcome::Completed, false));
    }
}

/// Nothing more comes that could reset what has been sent. Behind content there may: old clients
/// send an empty line there, and others more than they said.
const LAST: &[u8] = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";

fn after_fin(world: &mut World) -> State {
    world.on(Connection::handle_fin_sent).unwrap();
    world.connection.state()
}

#[test]
fn who_calls_his_only_request_his_last_is_not_lingered_for_after_a_small_reply() {
    const OLD: &[u8] = b"GET / HTTP/1.0\r\n\r\n";
    const CONTENT: &[u8] =
        b"POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 1\r\n\r\n";
    for (request, lingers) in [(LAST, false), (OLD, false), (CONTENT, true)] {
        let mut world = given(request);
        world.on(Connection::want_content);
        world.input(&b"."[..usize::from(lingers)]);
        assert!(world.reply().contains("connection: close"));
        let state = if lingers { State::Linger } else { State::Gone };
        assert_eq!(after_fin(&mut world), state);
    }
}

/// He may send something all the same, and the reset that answers it destroys what is under way.
#[test]
fn what_is_longer_than_a_segment_is_lingered_for_whatever_the_client_has_said() {
    for (length, lingers) in [(300, false), (537, true)] {
        let mut world = given(LAST);
        world.reply_head(BodyLength::Known(length));
        world.on(|c, t| c.reply_body(t, length)).unwrap();
        end(&mut world);
        world.flush();
        let state = if lingers { State::Linger } else { State::Gone };
        assert_eq!(after_fin(&mut world), state, "{length}");
    }
    let mut second = given(GET);
    second.reply();
    second.input(LAST);
    second.reply();
    assert_eq!(
        after_fin(&mut second),
        State::Linger,
        "the first may be under way"
    );
}

#[test]
fn input_prolongs_lingering_also_while_the_send_queue_is_asked_for() {
    let mut world = lingering();
    world.pass(99);
    world.on(|c, t| c.handle_discarded(t, 1));
    assert_eq!(world.due_in(), Some(100));
    world.pass(100);
    assert_eq!(world.wants().write, Write::Query);
    world.on(|c, t| c.handle_discarded(t, 1));
    assert_eq!(
        (world.wants().write, world.due_in()),
        (Write::No, Some(100))
    );
}

#[test]
fn a_response_shorter_than_declared_is_cut_and_not_completed() {
    let mut world = given(GET);
    world.reply_head(BodyLength::Known(5));
    assert_eq!(world.connection.reply_left(), Some(5));
    let frame = world.on(|c, t| c.reply_body(t, 3)).unwrap();
    assert_eq!((frame.take, world.connection.reply_left()), (3, Some(2)));
    end(&mut world);
    world.flush();
    assert_eq!(world.part(), Outcome::Truncated);
    let tally = world.connection.tally();
    assert_eq!((tally.completed, tally.rest), (0, Fate::Truncated));
}

fn upgraded() -> World {
    switched_by(UPGRADE, 101)
}

fn switched_by(request: &[u8], status: u16) -> World {
    let mut world = given(request);
    let mut out = Vec::new();
    let fields = [(&b"upgrade"[..], &b"tide"[..])];
    let status = Status::new(status).unwrap();
    world
        .on(|c, t| c.reply_upgrade(t, status, &DATE, fields, &mut out))
        .unwrap();
    assert_eq!(
        world.wants().write,
        Write::Flush,
        "not before it is written"
    );
    let early = world.on(Connection::handle_upgrade_taken);
    assert_eq!(early, Err(MisuseError::OutOfOrder));
    world.flush();
    assert_eq!(world.connection.poll_step(), Step::Upgrade);
    world.on(Connection::handle_upgrade_taken).unwrap();
    assert_eq!(world.connection.state(), State::Upgraded);
    world
}

#[test]
fn a_request_asks_for_another_protocol_by_upgrade_or_by_connect() {
    let connect = b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n";
    for (request, asks) in [(UPGRADE, true), (connect, true), (GET, false)] {
        let world = given(request);
        assert_eq!(world.connection.asks_upgrade(), asks);
    }
}

/// It is the client's last request, and yet he goes on: in the other protocol.
#[test]
fn a_goodbye_is_lingered_for_whatever_the_request_has_said_of_the_connection() {
    let upgrade =
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, Upgrade\r\nUpgrade: tide\r\n\r\n";
    for (request, status) in [(&upgrade[..], 101), (b"CONNECT a:80 HTTP/1.0\r\n\r\n", 200)] {
        let mut world = switched_by(request, status);
        world.on(|c, t| c.handle_upgrade_end(t, 7)).unwrap();
        world.on(|c, t| c.handle_written(t, 7)).unwrap();
        assert_eq!(after_fin(&mut world), State::Linger);
    }
}

#[test]
fn another_protocol_is_held_until_it_ends_or_the_server_closes() {
    let mut ended = upgraded();
    ended.seal();
    assert_eq!(
        (ended.wants().handler, ended.due_in()),
        (Handler::Run, None)
    );
    ended.on(|c, t| c.handle_upgrade_end(t, 7)).unwrap();
    assert_eq!(ended.connection.tally().completed, 1);
    let again = ended.on(|c, t| c.handle_upgrade_end(t, 0));
    assert_eq!(again, Err(MisuseError::OutOfOrder));
    assert_eq!(ended.wants().write, Write::Flush, "its goodbye goes first");
    ended.on(|c, t| c.handle_written(t, 7)).unwrap();
    assert_eq!(ended.wants().write, Write::Fin);
    ended.on(Connection::handle_fin_sent).unwrap();
    ended.on(Connection::handle_eof);
    assert_eq!(ended.outcome(), (Outcome::Upgraded, false));

    let mut closed = upgraded();
    closed.seal();
    closed.set_phase(Phase::Closing);
    assert_eq!(closed.outcome(), (Outcome::Upgraded, false));
}

#[test]
fn a_response_counts_when_its_last_byte_is_written() {
    let mut world = given(GET);
    world.reply_head(BodyLength::Known(0));
    end(&mut world);
    let unsent = world.connection.unsent();
    world.on(|c, t| c.handle_written(t, unsent - 1)).unwrap();
    assert_eq!(world.connection.tally().completed, 0);
    let too_much = world.on(|c, t| c.handle_written(t, 2));
    assert_eq!(too_much, Err(MisuseError::TooMuch));
    assert_eq!(world.connection.unsent(), 1);
    world.on(|c, t| c.handle_written(t, 1)).unwrap();
    assert_eq!(world.connection.tally().completed, 1);
}

#[test]
fn a_peer_that_takes_nothing_is_given_up() {
    let mut world = given(GET);
    world.reply_head(BodyLength::Known(0));
    end(&mut world);
    assert_eq!(world.due_in(), Some(30_000));
    world.pass(29_999);
    world.on(|c, t| c.handle_written(t, 1)).unwrap();
    world.pass(1);
    assert_eq!(
        world.outcome(),
        (Outcome::Stalled, true),
        "a byte is no progress"
    );
    assert_eq!(world.connection.tally().rest, Fate::Truncated);
}

#[test]
fn a_handler_that_fails_is_answered_in_its_place_or_cut() {
    let mut early = given(GET);
    early.on(Connection::handle_failure);
    assert_eq!(early.wants().write, Write::Refuse(Refusal::HandlerFailed));
    assert!(early.refusal().starts_with("HTTP/1.1 500 "));
    assert_eq!(early.part(), Outcome::Refused);
    assert_eq!(early.connection.tally().rest, Fate::Panicked);

    let mut late = given(GET);
    late.reply_head(BodyLength::Unknown);
    late.on(|c, t| c.reply_body(t, 3)).unwrap();
    late.on(Connection::handle_failure);
    late.flush();
    assert_eq!(late.part(), Outcome::Truncated);
    assert_eq!(late.connection.refusal(), None, "nobody is told");
    assert!(!late.out.ends_with(b"0\r\n\r\n"));
}

#[test]
fn a_request_that_the_driver_cannot_hand_on_is_refused_and_counts_as_answered() {
    let mut world = given(GET);
    world.on(|c, t| c.reject(t, PeerError::Target));
    assert!(world.refusal().starts_with("HTTP/1.1 400 "));
    let tally = world.connection.tally();
    assert_eq!((tally.dispatched, tally.completed), (1, 1));
    assert_eq!(world.part(), Outcome::Refused);
    assert_eq!(world.connection.tally().rest, Fate::Completed);
}

#[test]
fn closing_tells_apart_who_was_answered_in_part_and_who_not_at_all() {
    let mut silent = given(GET);
    silent.set_phase(Phase::Closing);
    silent.refusal();
    assert_eq!(silent.connection.tally().rest, Fate::Aborted);
    let mut begun = given(GET);
    begun.reply_head(BodyLength::Known(5));
    begun.set_phase(Phase::Closing);
    assert_eq!(begun.connection.tally().rest, Fate::Truncated);
    let mut second = given(GET);
    second.reply();
    second.input(b"POST / HTTP/1.1\r\nHost: test\r\n\r\n");
    second.set_phase(Phase::Closing);
    assert!(
        !second.refusal().contains("retry-after"),
        "it was dispatched"
    );
    let tally = second.connection.tally();
    assert_eq!((tally.completed, tally.rest), (1, Fate::Aborted));
}

#[test]
fn content_is_read_when_it_is_asked_for_piece_by_piece() {
    let mut world = given(POST);
    assert!(!world.connection.is_request_whole());
    assert!(world.connection.is_content_deliverable());
    assert_eq!(world.connection.content_length(), Some(2_000));
    assert_eq!(world.wants().read, Read::Watch, "back-pressure");
    assert_eq!(world.input(b"abc"), b"abc");
    world.on(Connection::want_content);
    assert_eq!(world.wants().read, Read::Content);
    assert!(world.input(b"abc").is_empty());
    assert_eq!(world.connection.content_length(), Some(1_997));
    assert_eq!(world.wants().read, Read::Watch, "it was for one piece");
    world.on(Connection::drop_content);
    assert_eq!(
        world.wants().read,
        Read::Content,
        "to get it out of the way"
    );
    assert!(!world.connection.is_content_deliverable());
    assert!(world.input(&[b'x'; 1_997]).is_empty());
    assert!(world.connection.is_request_whole());
    assert!(!world.reply().contains("connection: close"));
}

#[test]
fn content_that_stops_coming_ends_the_wait_and_only_enough_of_it_prolongs_it() {
    let mut world = given(POST);
    world.on(Connection::want_content);
    world.pass(20_000);
    world.input(&[b'x'; 512]);
    world.on(Connection::want_content);
    assert_eq!(world.due_in(), Some(30_000), "that was progress");
    world.pass(20_000);
    world.input(&[b'x'; 511]);
    world.on(Connection::want_content);
    assert_eq!(world.due_in(), Some(10_000), "that was not");
    world.pass(10_000);
    assert_eq!(world.wants().write, Write::Refuse(Refusal::ContentTimeout));
    assert!(world.refusal().starts_with("HTTP/1.1 408 "));

    let mut begun = given(POST);
    begun.reply_head(BodyLength::Unknown);
    begun.flush();
    begun.on(Connection::want_content);
    begun.pass(30_000);
    assert_eq!(begun.part(), Outcome::Truncated);
}

#[test]
fn a_client_that_ends_within_wanted_content_is_gone() {
    let mut world = given(POST);
    world.on(Connection::handle_eof);
    assert_eq!(world.wants().read, Read::No, "the end was seen");
    world.on(Connection::want_content);
    assert_eq!(world.wants().read, Read::Content);
    world.on(Connection::handle_eof);
    assert_eq!(world.outcome(), (Outcome::Vanished, false));
    assert_eq!(world.connection.tally().rest, Fate::Vanished);
}

#[test]
fn a_handler_may_make_its_response_the_last() {
    let mut world = given(GET);
    world.on(Connection::close_after_reply);
    assert!(world.reply().contains("connection: close"));
    assert_eq!(world.part(), Outcome::Completed);
}

#[test]
fn a_response_to_head_has_no_content() {
    for (request, is_head) in [
        (&b"HEAD / HTTP/1.1\r\nHost: test\r\n\r\n"[..], true),
        (GET, false),
    ] {
        let mut world = given(request);
        assert_eq!(world.connection.is_head_request(), is_head);
        world.reply_head(BodyLength::Known(3));
        assert_eq!(world.connection.reply_has_content(), !is_head);
    }
}

#[test]
fn nothing_more_is_read_while_too_much_waits_to_be_written() {
    let mut head = given(GET);
    head.reply_head(BodyLength::Known(0));
    let mut config = Config::default();
    config.limits.unsent = head.connection.unsent();
    let mut world = World::with(config);
    world.input(GET);
    world.reply_head(BodyLength::Known(0));
    end(&mut world);
    assert_eq!(world.wants().read, Read::Head, "there is just room");
    world.input(GET);
    world.reply_head(BodyLength::Known(0));
    end(&mut world);
    assert_eq!(world.wants().read, Read::No);
    let unsent = world.connection.unsent();
    world
        .on(|c, t| c.handle_written(t, unsent / 2 - 1))
        .unwrap();
    assert_eq!(world.wants().read, Read::No);
    world.on(|c, t| c.handle_written(t, 1)).unwrap();
    assert_eq!(world.wants().read, Read::Head);
}

#[test]
fn a_connection_knows_which_phase_is_in_effect() {
    let mut world = given(GET);
    assert_eq!(world.connection.control().phase(), Phase::Running);
    world.on(Connection::close_after_reply);
    assert_eq!(world.connection.control().phase(), Phase::Draining);
    world.set_phase(Phase::Closing);
    assert_eq!(world.connection.control().phase(), Phase::Closing);
}

#[test]
fn a_wait_that_begins_with_an_earlier_tick_begins_at_the_last_one() {
    let mut world = World::new();
    world.pass(20_000);
    world.now = Time::ZERO;
    world.input(b"GET / HT");
    assert_eq!(world.due_in(), Some(50_000));
}

#[test]
fn an_answer_about_the_send_queue_that_nobody_asked_for_changes_nothing() {
    let mut world = World::new();
    world.input(b"GET / HT");
    world.pass(1_000);
    world.on(|c, t| c.handle_send_queue(t, 5));
    assert_eq!(world.due_in(), Some(29_000));
}

#[test]
fn a_handler_may_take_its_time() {
    assert_eq!(given(GET).due_in(), None);
}

#[test]
fn the_time_between_requests_begins_when_the_response_is_written() {
    let mut world = given(GET);
    world.reply_head(BodyLength::Known(0));
    end(&mut world);
    world.pass(10_000);
    assert_eq!(
        world.due_in(),
        Some(20_000),
        "that is for the peer to take it"
    );
    world.flush();
    assert_eq!(world.due_in(), Some(75_000));
}

/// The time that a request's content had been waited for was forgotten when the next head was seen
/// to begin. One that came whole was not seen so, and its content had only what was left: a client
/// whose first upload had paused for 29 s was refused (408) when its second one paused for 1 s.
#[test]
fn what_one_requests_content_has_waited_is_not_the_next_ones() {
    let mut world = given(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\n");
    world.on(Connection::want_content);
    world.pass(20_000);
    world.input(b"a");
    world.reply();
    world.input(POST);
    world.on(Connection::want_content);
    assert_eq!(world.due_in(), Some(30_000));
}

//! Connections in a drain, in virtual time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use std::time::Duration;

use neap_core::{
    BodyLength, Config, Connection, Handler, Outcome, Phase, Read, State, Status, Step, Time, Write,
};
use world::{DATE, GET, World, idle};

#[test]
fn an_idle_connection_gets_a_last_call_and_a_last_look_before_the_fin() {
    let mut world = idle();
    assert_eq!(world.due_in(), Some(75_000));
    world.seal();
    assert_eq!(world.due_in(), Some(250));
    world.pass(249);
    assert_eq!(world.wants().read, Read::Head);
    world.pass(1);
    assert_eq!(world.wants().read, Read::Look);
    world.on(Connection::handle_nothing);
    assert_eq!(
        world.connection.unsent(),
        0,
        "nothing is said to an idle connection"
    );
    assert_eq!(world.part(), Outcome::ClosedIdle);
}

/// What a linger would find out is known before: no response is left that a reset could destroy.
#[test]
fn an_idle_connection_without_anything_under_way_is_closed_without_a_linger() {
    let mut world = idle();
    world.seal();
    world.pass(250);
    world.on(Connection::handle_quiet);
    assert_eq!(world.outcome(), (Outcome::ClosedIdle, false));
}

#[test]
fn an_idle_connection_that_was_just_answered_lingers_whatever_is_acknowledged() {
    for (quiet, lingers) in [(99, true), (100, false)] {
        let mut world = idle();
        world.config.drain.quiet = Duration::from_millis(quiet);
        world.seal();
        world.pass(quiet);
        world.on(Connection::handle_quiet);
        assert_eq!(world.connection.state() == State::Linger, lingers);
    }
}

#[test]
fn a_silent_connection_lingers_whatever_is_acknowledged() {
    let mut world = World::new();
    world.seal();
    world.pass(1_000);
    world.on(Connection::handle_quiet);
    assert_eq!(world.wants().write, Write::Fin);
}

#[test]
fn a_request_found_by_the_last_look_is_served_with_close() {
    let mut world = idle();
    world.seal();
    world.pass(250);
    world.input(GET);
    assert!(world.reply().contains("connection: close"));
    assert_eq!(world.part(), Outcome::Completed);
    assert_eq!(world.connection.tally().completed, 2);
}

#[test]
fn a_connection_that_goes_idle_in_the_drain_gets_its_quiet_from_then_on() {
    let mut world = World::new();
    world.input(GET);
    let head = world.reply_head(BodyLength::Unknown);
    assert!(
        !head.contains("connection: close"),
        "it was written before the drain"
    );
    world.seal();
    world.pass(10_000);
    let mut out = Vec::new();
    world.on(|c, t| c.reply_end(t, &mut out)).unwrap();
    world.flush();
    assert_eq!(
        (world.connection.state(), world.due_in()),
        (State::Idle, Some(250))
    );
}

/// A connection whose response had said that it is kept was ended by the drain, a lame duck's even,
/// while content that nobody had asked for was still on its way: the request behind it was read,
/// thrown away and never answered.
#[test]
fn a_kept_connection_gets_its_last_call_although_content_is_still_to_be_skipped() {
    const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\na";
    let unread = || {
        let mut world = World::new();
        world.input(POST);
        world.on(Connection::drop_content);
        assert!(!world.reply().contains("connection: close"));
        world
    };
    let mut world = unread();
    world.set_phase(Phase::Draining);
    assert_eq!(
        world.due_in(),
        Some(30_000),
        "in lame duck nobody is hurried"
    );
    world.pass(1_000);
    world.seal();
    assert_eq!(world.due_in(), Some(250));
    world.pass(249);
    let next = [b"b", GET].concat();
    world.input(&next);
    assert!(world.reply().contains("connection: close"));
    assert_eq!(world.part(), Outcome::Completed);
    // It does not hold the drain for longer than an idle one.
    let mut world = unread();
    world.seal();
    world.pass(250);
    assert_eq!(world.part(), Outcome::Completed);
    // A closing server does not wait for it at all.
    let mut world = unread();
    world.set_phase(Phase::Closing);
    assert_eq!(world.part(), Outcome::Completed);
}

#[test]
fn a_silent_connection_has_its_first_byte_grace() {
    let mut world = World::new();
    world.pass(5_000);
    world.seal();
    assert_eq!(world.due_in(), Some(1_000));
    world.pass(1_000);
    world.on(Connection::handle_nothing);
    assert_eq!(world.part(), Outcome::ClosedFresh);
}

#[test]
fn half_a_head_may_be_completed_within_its_grace_even_on_a_kept_connection() {
    for mut world in [World::new(), idle()] {
        world.input(b"GET / HTTP/1.1\r\n");
        world.seal();
        assert_eq!(
            (world.connection.state(), world.due_in()),
            (State::Head, Some(5_000))
        );
        world.pass(4_999);
        world.input(GET);
        assert!(world.reply().contains("connection: close"));
    }
}

/// A TLS handshake comes before the first byte, and is none of a silent client.
#[test]
fn what_begins_before_the_first_byte_has_the_grace_of_half_a_head() {
    let mut world = World::new();
    world.on(Connection::handle_begun);
    assert_eq!(world.connection.state(), State::Head);
    world.seal();
    assert_eq!(world.due_in(), Some(5_000));
    world.pass(4_999);
    world.input(GET);
    assert!(world.reply().contains("connection: close"));
    world.on(Connection::handle_begun);
    assert_eq!(world.part(), Outcome::Completed);
}

#[test]
fn a_head_that_is_not_completed_in_time_gets_408() {
    let mut world = World::new();
    world.input(b"GET / HT");
    world.seal();
    world.pass(5_000);
    let refusal = world.refusal();
    assert!(
        refusal.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
        "{refusal}"
    );
    assert!(refusal.contains("connection: close\r\n") && refusal.contains("date: "));
    assert_eq!(world.part(), Outcome::Refused);
}

#[test]
fn a_lame_duck_hurries_nobody_but_announces_the_close() {
    let mut world = idle();
    world.set_phase(Phase::Draining);
    assert_eq!(world.due_in(), Some(75_000));
    world.input(GET);
    assert!(world.reply().contains("connection: close"));
}

#[test]
fn a_drain_that_is_called_off_leaves_those_alone_who_were_not_told() {
    let mut told = World::new();
    told.input(GET);
    told.set_phase(Phase::Draining);
    told.reply_head(BodyLength::Known(0));
    told.set_phase(Phase::Running);
    let mut out = Vec::new();
    told.on(|c, t| c.reply_end(t, &mut out)).unwrap();
    told.flush();
    assert_eq!(told.wants().write, Write::Fin, "it has said close");

    let mut untold = idle();
    untold.set_phase(Phase::Draining);
    untold.set_phase(Phase::Running);
    untold.input(GET);
    assert!(!untold.reply().contains("connection: close"));
}

#[test]
fn of_pipelined_requests_only_the_last_reply_says_close() {
    let mut world = World::new();
    let requests = GET.repeat(3);
    let mut rest = world.input(&requests);
    world.seal();
    for last in [false, false, true] {
        world.on(|c, t| c.handle_buffered(t, rest));
        assert_eq!(world.reply().contains("connection: close"), last);
        rest = world.input(rest);
    }
    assert!(rest.is_empty());
    assert_eq!(world.part(), Outcome::Completed);
}

#[test]
fn a_client_may_not_prolong_the_drain_by_pipelining() {
    let mut config = Config::default();
    config.limits.pipeline = 2;
    let mut world = World::with(config);
    let requests = GET.repeat(9);
    let mut rest = world.input(&requests);
    world.seal();
    let mut replies = 0;
    loop {
        world.on(|c, t| c.handle_buffered(t, rest));
        replies += 1;
        if world.reply().contains("connection: close") {
            break;
        }
        rest = world.input(rest);
    }
    assert_eq!(replies, 3, "the one under way, and two more");
    assert_eq!(
        world.input(rest),
        rest,
        "what comes behind the close is not dispatched"
    );
    assert_eq!(world.connection.tally().dispatched, 3);
}

#[test]
fn the_end_waits_for_the_last_byte_to_be_written() {
    let mut world = World::new();
    world.input(GET);
    world.seal();
    world.reply_head(BodyLength::Known(10));
    world.on(|c, t| c.reply_body(t, 10)).unwrap();
    let mut out = Vec::new();
    world.on(|c, t| c.reply_end(t, &mut out)).unwrap();
    let unsent = world.connection.unsent();
    world.on(|c, t| c.handle_written(t, unsent - 1)).unwrap();
    assert_eq!(
        (world.wants().write, world.connection.state()),
        (Write::Flush, State::Busy)
    );
    assert!(world.on(Connection::handle_fin_sent).is_err());
    world.flush();
    assert_eq!(world.part(), Outcome::Completed);
}

#[test]
fn lingering_ends_with_silence_once_everything_is_acknowledged() {
    let mut world = World::new();
    world.input(GET);
    world.seal();
    world.reply();
    world.on(Connection::handle_fin_sent).unwrap();
    world.pass(100);
    assert_eq!(world.wants().write, Write::Query);
    world.on(|c, t| c.handle_send_queue(t, 5));
    assert_eq!(
        (world.wants().write, world.due_in()),
        (Write::No, Some(100))
    );
    world.pass(100);
    world.on(|c, t| c.handle_send_queue(t, 0));
    assert_eq!(world.outcome(), (Outcome::Completed, false));
}

#[test]
fn lingering_is_bounded_in_time_and_in_bytes() {
    let lingering = || {
        let mut world = World::new();
        world.input(GET);
        world.seal();
        world.reply();
        world.on(Connection::handle_fin_sent).unwrap();
        world
    };
    let mut drip = lingering();
    for _ in 0..19 {
        drip.pass(50);
        drip.on(|c, t| c.handle_discarded(t, 1));
    }
    assert_eq!(drip.wants().read, Read::Discard);
    drip.pass(50);
    assert_eq!(drip.outcome(), (Outcome::Completed, false));
    let mut flood = lingering();
    flood.on(|c, t| c.handle_discarded(t, 1 << 20));
    assert_eq!(flood.wants().read, Read::Discard);
    flood.on(|c, t| c.handle_discarded(t, 1));
    assert_eq!(flood.outcome().0, Outcome::Completed);
}

#[test]
fn a_client_that_ended_its_side_is_answered_unless_the_handler_takes_too_long() {
    let mut quick = World::new();
    quick.input(GET);
    quick.on(Connection::handle_eof);
    assert_eq!(
        (quick.wants().handler, quick.due_in()),
        (Handler::Run, Some(1_000))
    );
    quick.reply();
    assert_eq!(
        quick.wants().read,
        Read::Head,
        "there may be more in the buffer"
    );
    quick.on(Connection::handle_eof);
    assert_eq!(quick.outcome(), (Outcome::Completed, false));

    let mut slow = World::new();
    slow.input(GET);
    slow.on(Connection::handle_eof);
    slow.pass(1_000);
    assert_eq!(slow.outcome(), (Outcome::Vanished, true));
}

#[test]
fn a_half_closed_client_gets_all_of_a_long_response_as_long_as_it_takes_it() {
    let mut world = World::new();
    world.input(GET);
    world.on(Connection::handle_eof);
    world.reply_head(BodyLength::Known(100));
    for _ in 0..10 {
        world.on(|c, t| c.reply_body(t, 10)).unwrap();
        world.pass(900);
        world.flush();
    }
    let mut out = Vec::new();
    world.on(|c, t| c.reply_end(t, &mut out)).unwrap();
    assert_eq!(world.connection.tally().completed, 1);
}

#[test]
fn a_client_that_vanishes_at_whatever_stage_ends_its_connection_at_once() {
    let prepare: [fn(&mut World); 5] = [
        |_| {},
        |world| assert!(world.input(b"GET /").len() == 5),
        |world| assert!(world.input(GET).is_empty()),
        |world| {
            world.input(GET);
            world.reply_head(BodyLength::Known(5));
        },
        |world| {
            world.input(GET);
            world.reply();
        },
    ];
    for (stage, prepare) in prepare.into_iter().enumerate() {
        for draining in [false, true] {
            let mut world = World::new();
            prepare(&mut world);
            if draining {
                world.seal();
            }
            world.on(Connection::handle_io_error);
            assert_eq!(world.connection.state(), State::Gone, "stage {stage}");
        }
    }
}

#[test]
fn closing_answers_503_where_no_response_has_begun() {
    for (request, retry) in [
        (GET, true),
        (b"POST / HTTP/1.1\r\nHost: test\r\n\r\n", false),
    ] {
        let mut world = World::new();
        world.input(request);
        world.set_phase(Phase::Closing);
        assert_eq!(world.wants().handler, Handler::No, "the handler is dropped");
        let refusal = world.refusal();
        assert!(
            refusal.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
            "{refusal}"
        );
        assert_eq!(refusal.contains("retry-after"), retry, "{refusal}");
        assert_eq!(world.part(), Outcome::Aborted);
    }
}

#[test]
fn closing_answers_half_a_head_with_408() {
    let mut world = World::new();
    world.input(b"GET / HT");
    world.set_phase(Phase::Closing);
    assert!(world.refusal().starts_with("HTTP/1.1 408 "));
    assert_eq!(world.part(), Outcome::Refused);
}

#[test]
fn closing_cuts_a_response_so_that_it_looks_cut() {
    for (request, length, resets) in [
        (GET, BodyLength::Known(5), false),
        (GET, BodyLength::Unknown, false),
        (
            b"GET / HTTP/1.0\r\n\r\n".as_slice(),
            BodyLength::Unknown,
            true,
        ),
    ] {
        let mut world = World::new();
        world.input(request);
        world.reply_head(length);
        world.on(|c, t| c.reply_body(t, 3)).unwrap();
        world.set_phase(Phase::Closing);
        if resets {
            assert_eq!(world.outcome(), (Outcome::Aborted, true));
        } else {
            world.flush();
            assert!(!world.out.ends_with(b"0\r\n\r\n"));
            assert_eq!(world.part(), Outcome::Aborted);
        }
    }
}

#[test]
fn done_ends_everything_from_wherever_it_is() {
    let mut busy = World::new();
    busy.input(GET);
    let mut lingering = World::new();
    lingering.input(GET);
    lingering.seal();
    lingering.reply();
    lingering.on(Connection::handle_fin_sent).unwrap();
    for (mut world, end) in [
        (World::new(), (Outcome::ClosedFresh, false)),
        (idle(), (Outcome::ClosedIdle, false)),
        (busy, (Outcome::Aborted, true)),
        (lingering, (Outcome::Completed, false)),
    ] {
        world.set_phase(Phase::Done);
        assert_eq!(world.outcome(), end);
    }
}

#[test]
fn an_earlier_tick_reads_as_the_last_one() {
    let mut world = World::new();
    world.pass(20_000);
    world.input(b"GET / HT");
    world.now = Time::ZERO;
    world.pass(0);
    world.now = Time::ZERO.after(Duration::from_millis(49_999));
    world.pass(0);
    assert_eq!(world.wants().read, Read::Head);
    world.pass(1);
    assert!(matches!(world.wants().write, Write::Refuse(_)));
}

#[test]
fn zero_windows_run_their_step_once_without_waiting() {
    let mut config = Config::default();
    config.drain.quiet = Duration::ZERO;
    config.drain.linger_short = Duration::ZERO;
    let mut world = World::with(config);
    world.input(GET);
    world.reply();
    world.seal();
    assert_eq!(world.wants().read, Read::Look, "it is looked at even so");
    world.on(Connection::handle_nothing);
    world.on(Connection::handle_fin_sent).unwrap();
    world.pass(0);
    assert_eq!(world.wants().write, Write::Query);
    world.on(|c, t| c.handle_send_queue(t, 1));
    assert_eq!(world.due_in(), Some(20), "but nobody asks in a circle");
}

#[test]
fn an_idle_connection_can_be_given_up_for_its_descriptor() {
    let mut world = idle();
    world.on(Connection::close_idle);
    world.on(Connection::handle_nothing);
    assert_eq!(world.part(), Outcome::ClosedIdle);
    let mut busy = World::new();
    busy.input(GET);
    busy.on(Connection::close_idle);
    assert_eq!(busy.wants().handler, Handler::Run);
}

#[test]
fn who_comes_too_late_is_turned_away() {
    let mut world = World::new();
    world.phase = Phase::Closing;
    world.on(Connection::turn_away);
    assert!(world.refusal().starts_with("HTTP/1.1 503 "));
    assert_eq!(world.part(), Outcome::Refused);
}

#[test]
fn an_https_target_is_served_where_connections_are_secured() {
    const HTTPS: &[u8] = b"GET https://test/ HTTP/1.1\r\nHost: test\r\n\r\n";
    let mut plain = World::new();
    plain.input(HTTPS);
    assert!(plain.refusal().starts_with("HTTP/1.1 421 "));
    let mut config = Config::default();
    config.secure = true;
    let mut secure = World::with(config);
    secure.input(HTTPS);
    assert!(secure.reply().starts_with("HTTP/1.1 200 "));
}

/// Lets the connection switch protocols.
fn upgrade(world: &mut World) {
    world.input(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    let mut out = Vec::new();
    let fields: [(&[u8], &[u8]); 1] = [(b"upgrade", b"echo")];
    let switching = Status::new(101).unwrap();
    world
        .on(|c, t| c.reply_upgrade(t, switching, &DATE, fields, &mut out))
        .unwrap();
    world.flush();
    world.on(Connection::handle_upgrade_taken).unwrap();
    assert_eq!(world.connection.state(), State::Upgraded);
}

fn with_upgraded_grace(secs: u64) -> World {
    let mut config = Config::default();
    config.drain.upgraded_grace = Duration::from_secs(secs);
    World::with(config)
}

#[test]
fn an_upgraded_connection_has_no_time_of_its_own() {
    let mut world = World::new();
    upgrade(&mut world);
    assert_eq!(world.due_in(), None);
    world.seal();
    assert_eq!(world.due_in(), None);
    world.pass(29_000);
    assert_eq!(world.connection.state(), State::Upgraded);
}

#[test]
fn an_upgraded_connection_ends_when_its_grace_after_the_seal_is_up() {
    let mut world = with_upgraded_grace(3);
    upgrade(&mut world);
    world.pass(100_000);
    assert_eq!(world.due_in(), None, "while the server runs");
    world.set_phase(Phase::Draining);
    assert_eq!(world.due_in(), None, "in lame duck nobody is hurried");
    world.pass(1_000);
    world.seal();
    assert_eq!(world.due_in(), Some(3_000));
    world.pass(2_999);
    assert_eq!(world.connection.state(), State::Upgraded);
    world.pass(1);
    let closed = Step::Close {
        outcome: Outcome::Upgraded,
        reset: false,
    };
    assert_eq!(world.connection.poll_step(), closed);
}

#[test]
fn a_connection_that_switches_protocols_after_the_seal_has_the_whole_grace() {
    let mut world = with_upgraded_grace(3);
    world.seal();
    world.pass(900);
    upgrade(&mut world);
    assert_eq!(world.due_in(), Some(3_000));
}

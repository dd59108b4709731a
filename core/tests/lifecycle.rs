//! The server's machine, in virtual time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use neap_core::{
    Cause, Census, Config, Lifecycle, Listening, Phase, Progress, SignalEffect, State, Time,
};

fn at(millis: u64) -> Time {
    Time::ZERO.after(Duration::from_millis(millis))
}

fn config() -> Config {
    Config::default()
}

fn with_lame_duck(millis: u64) -> Config {
    let mut config = Config::default();
    config.drain.lame_duck = Duration::from_millis(millis);
    config
}

fn one(state: State) -> Census {
    Census::of([state])
}

/// A server that waits: drained at 0, its listeners ended at once.
fn waiting() -> Lifecycle {
    let mut server = Lifecycle::new();
    server.drain(at(0), &config(), Cause::Request);
    server.handle_listeners_ended(at(0));
    server
}

#[test]
fn a_server_with_nobody_connected_is_done_without_waiting() {
    let mut server = waiting();
    server.handle_census(at(0), &config(), &Census::default());
    assert_eq!(server.phase(), Phase::Done);
    assert_eq!(
        (server.cause(), server.forced()),
        (Some(Cause::Request), None)
    );
    assert_eq!(server.poll_timeout(&config()), None);
}

#[test]
fn while_it_runs_neither_a_census_nor_the_time_ends_it() {
    let mut server = Lifecycle::new();
    server.handle_census(at(0), &config(), &Census::default());
    server.handle_timeout(at(u64::MAX / 2_000_000), &config());
    assert_eq!(server.phase(), Phase::Running);
    assert_eq!(server.poll_listening(), Listening::Accept);
    assert_eq!(server.poll_timeout(&config()), None);
}

#[test]
fn it_does_not_wait_before_every_listener_has_ended() {
    let mut server = Lifecycle::new();
    server.drain(at(0), &config(), Cause::Request);
    server.handle_census(at(1), &config(), &Census::default());
    assert_eq!(server.progress(), Progress::Sealing);
    assert_eq!(server.poll_listening(), Listening::End);
    server.handle_listeners_ended(at(2));
    assert_eq!(server.progress(), Progress::Waiting);
    assert_eq!(server.poll_listening(), Listening::Ended);
}

#[test]
fn whoever_is_not_lingering_keeps_it_waiting() {
    for state in [
        State::Fresh,
        State::Head,
        State::Busy,
        State::Idle,
        State::Upgraded,
    ] {
        let mut server = waiting();
        server.handle_census(at(1), &config(), &one(state));
        assert_eq!(server.progress(), Progress::Waiting, "{state:?}");
    }
    let mut server = waiting();
    server.handle_census(at(1), &config(), &one(State::Linger));
    assert_eq!(server.progress(), Progress::Closing);
    server.handle_census(at(2), &config(), &one(State::Gone));
    assert_eq!(server.progress(), Progress::Done);
}

#[test]
fn the_deadline_counts_from_the_trigger_and_closes_whatever_the_step() {
    let mut sealing = Lifecycle::new();
    sealing.drain(at(1_000), &config(), Cause::Signal);
    assert_eq!(sealing.poll_timeout(&config()), Some(at(31_000)));
    sealing.handle_timeout(at(30_999), &config());
    assert_eq!(sealing.phase(), Phase::Draining);
    sealing.handle_timeout(at(31_000), &config());
    assert_eq!(
        (sealing.phase(), sealing.forced()),
        (Phase::Closing, Some(Cause::Deadline))
    );
    assert_eq!(sealing.poll_listening(), Listening::TurnAway);

    let mut waiting = waiting();
    waiting.handle_census(at(1), &config(), &one(State::Busy));
    waiting.handle_timeout(at(30_000), &config());
    assert_eq!(waiting.phase(), Phase::Closing);
}

#[test]
fn closing_ends_at_its_grace_however_many_are_left() {
    let mut server = waiting();
    server.close_now(at(10), Cause::Request);
    assert_eq!(server.poll_timeout(&config()), Some(at(510)));
    server.handle_census(at(20), &config(), &one(State::Linger));
    server.handle_timeout(at(509), &config());
    assert_eq!(server.phase(), Phase::Closing);
    server.handle_timeout(at(510), &config());
    assert_eq!(server.phase(), Phase::Done);
}

#[test]
fn a_close_while_listeners_are_open_waits_for_them_to_end() {
    let mut server = Lifecycle::new();
    server.close_now(at(0), Cause::Request);
    server.handle_census(at(1), &config(), &Census::default());
    assert_eq!(
        (server.phase(), server.poll_listening()),
        (Phase::Closing, Listening::TurnAway)
    );
    server.handle_listeners_ended(at(2));
    server.handle_census(at(2), &config(), &Census::default());
    assert_eq!(server.phase(), Phase::Done);
}

#[test]
fn a_lame_duck_accepts_until_its_time_is_up() {
    let config = with_lame_duck(5_000);
    let mut server = Lifecycle::new();
    server.drain(at(100), &config, Cause::Signal);
    assert_eq!(
        (server.phase(), server.poll_listening()),
        (Phase::Draining, Listening::Accept)
    );
    assert_eq!(
        server.tick(at(100), &config).sealing,
        Time::NEVER,
        "nobody is hurried"
    );
    assert_eq!(server.poll_timeout(&config), Some(at(5_100)));
    server.handle_census(at(200), &config, &Census::default());
    assert_eq!(
        server.progress(),
        Progress::LameDuck,
        "an empty server stays open"
    );
    server.handle_timeout(at(5_100), &config);
    assert_eq!(server.poll_listening(), Listening::End);
    assert_eq!(server.tick(at(5_100), &config).sealing, at(5_100));
}

#[test]
fn a_lame_duck_that_is_cancelled_runs_again_and_forgets_its_deadline() {
    let config = with_lame_duck(5_000);
    let mut server = Lifecycle::new();
    server.drain(at(0), &config, Cause::Signal);
    assert!(server.cancel_drain(at(1_000)));
    assert_eq!((server.phase(), server.cause()), (Phase::Running, None));
    assert_eq!(server.poll_timeout(&config), None);
    server.drain(at(40_000), &config, Cause::Request);
    server.handle_timeout(at(41_000), &config);
    assert_eq!(server.progress(), Progress::LameDuck);
    server.handle_timeout(at(45_000), &config);
    assert!(!server.cancel_drain(at(45_001)), "sealing cannot be undone");
}

fn keeping_accepting(lame_duck_millis: u64) -> Config {
    let mut config = with_lame_duck(lame_duck_millis);
    config.drain.keep_accepting = true;
    config
}

#[test]
fn a_server_that_keeps_accepting_does_so_until_nobody_waits_and_nothing_is_held() {
    let config = keeping_accepting(0);
    for waiting_is_news_last in [false, true] {
        let mut server = Lifecycle::new();
        server.drain(at(100), &config, Cause::Signal);
        assert_eq!(
            (server.phase(), server.poll_listening()),
            (Phase::Draining, Listening::Accept)
        );
        assert_eq!(server.poll_timeout(&config), Some(at(30_100)));
        server.handle_waiting(at(100), &config, true);
        server.handle_census(at(100), &config, &one(State::Busy));
        server.handle_timeout(at(20_000), &config);
        assert_eq!(server.progress(), Progress::LameDuck, "somebody is there");
        if waiting_is_news_last {
            server.handle_census(at(20_100), &config, &one(State::Idle));
            assert_eq!(server.progress(), Progress::LameDuck, "somebody waits");
            server.handle_waiting(at(20_200), &config, false);
        } else {
            server.handle_waiting(at(20_100), &config, false);
            assert_eq!(server.progress(), Progress::LameDuck, "somebody is held");
            server.handle_census(at(20_200), &config, &one(State::Fresh));
        }
        assert_eq!(server.poll_listening(), Listening::End);
        assert_eq!(server.tick(at(20_200), &config).sealing, at(20_200));
    }
}

#[test]
fn what_was_seen_before_the_drain_does_not_end_the_accepting() {
    let config = keeping_accepting(0);
    let mut server = Lifecycle::new();
    server.handle_waiting(at(0), &config, false);
    server.handle_census(at(0), &config, &Census::default());
    server.drain(at(10), &config, Cause::Request);
    server.handle_timeout(at(20), &config);
    assert_eq!(server.progress(), Progress::LameDuck);
    server.handle_waiting(at(30), &config, false);
    assert_eq!(server.progress(), Progress::LameDuck);
    server.handle_census(at(40), &config, &Census::default());
    assert_eq!(server.progress(), Progress::Sealing);
}

#[test]
fn a_server_that_keeps_accepting_stays_a_lame_duck_for_its_time_at_least() {
    let config = keeping_accepting(5_000);
    let mut server = Lifecycle::new();
    server.drain(at(0), &config, Cause::Signal);
    server.handle_waiting(at(0), &config, false);
    server.handle_census(at(0), &config, &Census::default());
    assert_eq!(server.poll_timeout(&config), Some(at(5_000)));
    server.handle_timeout(at(4_999), &config);
    assert_eq!(server.progress(), Progress::LameDuck);
    server.handle_timeout(at(5_000), &config);
    assert_eq!(server.progress(), Progress::Sealing);
}

#[test]
fn the_deadline_or_a_second_signal_ends_the_accepting_of_a_busy_server() {
    let config = keeping_accepting(5_000);
    let busy = || {
        let mut server = Lifecycle::new();
        server.drain(at(0), &config, Cause::Signal);
        server.handle_census(at(0), &config, &one(State::Busy));
        server.handle_timeout(at(5_000), &config);
        server
    };
    let mut server = busy();
    assert_eq!(server.poll_timeout(&config), Some(at(30_000)));
    server.handle_timeout(at(30_000), &config);
    assert_eq!(
        (server.phase(), server.forced()),
        (Phase::Closing, Some(Cause::Deadline))
    );
    let mut server = busy();
    assert_eq!(
        server.handle_signal(at(6_000), &config),
        SignalEffect::Obeyed
    );
    assert_eq!(server.progress(), Progress::Sealing);
    assert!(busy().cancel_drain(at(6_000)), "nobody was hurried yet");
}

#[test]
fn upgraded_connections_hold_the_drain_unless_they_are_let_go() {
    for hold_upgraded in [true, false] {
        let mut config = config();
        config.drain.hold_upgraded = hold_upgraded;
        let mut server = waiting();
        let both = Census::of([State::Upgraded, State::Busy]);
        assert_eq!(both.held(&config.drain), 1 + usize::from(hold_upgraded));
        server.handle_census(at(1), &config, &both);
        assert_eq!(server.progress(), Progress::Waiting);
        server.handle_census(at(2), &config, &one(State::Upgraded));
        let closing = server.progress() == Progress::Closing;
        assert_eq!(closing, !hold_upgraded);
        // Open they are in any case: done is the server when they are gone.
        assert_ne!(server.phase(), Phase::Done);
    }
}

#[test]
fn a_second_signal_hurries_by_one_step_and_a_duplicate_does_nothing() {
    let config = with_lame_duck(5_000);
    let mut server = Lifecycle::new();
    assert_eq!(server.handle_signal(at(0), &config), SignalEffect::Obeyed);
    assert_eq!(
        server.handle_signal(at(249), &config),
        SignalEffect::Ignored
    );
    assert_eq!(server.progress(), Progress::LameDuck);
    assert_eq!(server.handle_signal(at(250), &config), SignalEffect::Obeyed);
    assert_eq!(server.progress(), Progress::Sealing);
    // Each step has a debounce time of its own.
    assert_eq!(
        server.handle_signal(at(499), &config),
        SignalEffect::Ignored
    );
    server.handle_listeners_ended(at(600));
    assert_eq!(
        server.handle_signal(at(849), &config),
        SignalEffect::Ignored
    );
    assert_eq!(server.handle_signal(at(850), &config), SignalEffect::Obeyed);
    assert_eq!(
        (server.phase(), server.forced()),
        (Phase::Closing, Some(Cause::Signal))
    );
    assert_eq!(
        server.handle_signal(at(1_100), &config),
        SignalEffect::Default
    );
}

#[test]
fn drain_and_close_are_idempotent() {
    let mut server = waiting();
    server.drain(at(500), &config(), Cause::Signal);
    assert_eq!(server.cause(), Some(Cause::Request));
    assert_eq!(server.poll_timeout(&config()), Some(at(30_000)));
    server.close_now(at(600), Cause::Request);
    server.close_now(at(900), Cause::Signal);
    assert_eq!(server.poll_timeout(&config()), Some(at(1_100)));
    assert_eq!(server.forced(), Some(Cause::Request));
}

#[test]
fn an_earlier_tick_reads_as_the_last_one() {
    let mut server = waiting();
    server.handle_census(at(1_000), &config(), &one(State::Busy));
    server.close_now(at(1_000), Cause::Request);
    server.handle_timeout(at(10), &config());
    assert_eq!(server.poll_timeout(&config()), Some(at(1_500)));
    assert_eq!(server.tick(at(10), &config()).now, at(1_000));
}

#[test]
fn the_deadline_is_known_from_the_trigger_until_the_drain_is_called_off() {
    let config = with_lame_duck(5_000);
    let mut server = Lifecycle::new();
    assert_eq!(server.deadline(&config), None);
    server.drain(at(1_000), &config, Cause::Request);
    assert_eq!(server.deadline(&config), Some(at(31_000)));
    server.cancel_drain(at(2_000));
    assert_eq!(server.deadline(&config), None);
    server.drain(at(3_000), &config, Cause::Request);
    server.close_now(at(4_000), Cause::Request);
    assert_eq!(server.deadline(&config), Some(at(4_000)));
}

#[test]
fn a_deadline_without_end_never_comes() {
    let mut config = config();
    config.drain.deadline = Duration::MAX;
    let mut server = Lifecycle::new();
    server.drain(at(5), &config, Cause::Request);
    assert_eq!(server.poll_timeout(&config), None);
    assert_eq!(server.deadline(&config), None);
    server.handle_timeout(Time::from_nanos(u64::MAX - 1), &config);
    assert_eq!(server.phase(), Phase::Draining);
}

#[test]
fn a_lame_duck_as_long_as_the_deadline_is_a_configuration_error() {
    assert!(with_lame_duck(29_999).check().is_ok());
    assert!(with_lame_duck(30_000).check().is_err());
    let mut config = config();
    config.limits.fields = 1_000;
    assert!(config.check().is_err());
}

#[test]
fn the_durations_of_the_parts_add_up() {
    let config = with_lame_duck(100);
    let mut server = Lifecycle::new();
    server.drain(at(1_000), &config, Cause::Signal);
    server.handle_timeout(at(1_100), &config);
    server.handle_listeners_ended(at(1_130));
    server.handle_census(at(1_500), &config, &one(State::Linger));
    server.handle_census(at(1_600), &config, &Census::default());
    let durations = server.durations(at(9_000));
    let millis = |duration: Duration| duration.as_millis();
    assert_eq!(
        (
            millis(durations.lame),
            millis(durations.sealed),
            millis(durations.waited)
        ),
        (100, 30, 370)
    );
    assert_eq!(millis(durations.total), 600);
}

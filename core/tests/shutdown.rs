//! The server's machine where more than one thing happens at once, in virtual time.

use std::time::Duration;

use neap_core::{Cause, Census, Config, Drain, Durations, Lifecycle, Phase, Progress, Time};

fn at(millis: u64) -> Time {
    Time::ZERO.after(Duration::from_millis(millis))
}

fn with_lame_duck() -> Config {
    let mut config = Config::default();
    config.drain.lame_duck = Duration::from_secs(5);
    config
}

#[test]
fn a_drain_that_was_called_off_has_lasted_no_time() {
    let config = with_lame_duck();
    let mut server = Lifecycle::new();
    server.drain(at(0), &config, Cause::Signal);
    assert_eq!(server.durations(at(100)).total, Duration::from_millis(100));
    server.cancel_drain(at(1_000));
    assert_eq!(server.durations(at(2_000)), Durations::default());
}

#[test]
fn listeners_that_failed_in_lame_duck_are_not_waited_for() {
    let config = with_lame_duck();
    let mut server = Lifecycle::new();
    server.drain(at(0), &config, Cause::Signal);
    server.handle_listeners_ended(at(10));
    assert_eq!(server.progress(), Progress::LameDuck);
    server.handle_timeout(at(5_000), &config);
    assert_eq!(server.progress(), Progress::Waiting);
    server.handle_census(at(5_000), &config, &Census::default());
    assert_eq!(server.phase(), Phase::Done);
}

#[test]
fn who_asks_for_the_end_is_its_cause_only_where_nobody_asked_for_the_drain() {
    let config = Config::default();
    let mut drained = Lifecycle::new();
    drained.drain(at(0), &config, Cause::Signal);
    drained.close_now(at(1), Cause::Request);
    assert_eq!(
        (drained.cause(), drained.forced()),
        (Some(Cause::Signal), Some(Cause::Request))
    );
    let mut closed = Lifecycle::new();
    closed.close_now(at(0), Cause::Request);
    assert_eq!(closed.cause(), Some(Cause::Request));
}

#[test]
fn a_second_signal_in_lame_duck_hurries_and_forces_nothing() {
    let config = with_lame_duck();
    let mut server = Lifecycle::new();
    server.handle_signal(at(0), &config);
    server.handle_signal(at(1_000), &config);
    assert_eq!(
        (server.progress(), server.forced()),
        (Progress::Sealing, None)
    );
}

#[test]
fn as_many_fields_may_be_allowed_as_there_is_room_for() {
    let mut config = Config::default();
    config.limits.fields = neap_core::Spans::MAX_FIELDS;
    assert_eq!(config.check(), Ok(()));
}

#[test]
fn every_open_connection_counts_once() {
    use neap_core::State::{Busy, Fresh, Gone, Head, Idle, Linger, Upgraded};
    let states = [Fresh, Head, Busy, Idle, Upgraded, Linger];
    for some in 0..=states.len() {
        let census = Census::of(states.into_iter().take(some).chain([Gone]));
        assert_eq!(census.open(), some);
    }
    assert_eq!(Census::of(states).held(&Drain::default()), 3);
    assert_eq!(Census::of([Busy, Busy, Idle]).open(), 3);
}

#[test]
fn causes_have_names() {
    let causes = [
        (Cause::Signal, "signal"),
        (Cause::Request, "request"),
        (Cause::Listeners, "failed listeners"),
        (Cause::Deadline, "deadline"),
    ];
    for (cause, name) in causes {
        assert_eq!(cause.name(), name);
    }
}

//! Signals and commands, and the steps that follow.

use std::time::Duration;

use neap_smol::system::StopSignal;
use neap_smol::{Cause, Config, Interrupt, Ownership, Phase, Progress};

use crate::system::Play;
use crate::{GET, WAIT};

fn with_lame_duck() -> Play {
    let mut config = Config::default();
    config.drain.lame_duck = Duration::from_secs(5);
    Play::with(Ownership::Sole, |server| server.config(config))
}

const TERM: StopSignal = StopSignal::Terminate;
const INT: StopSignal = StopSignal::Interrupt;

#[test]
fn signals_go_a_step_further_each_and_the_one_after_the_last_ends_the_process() {
    let mut play = with_lame_duck();
    let held = play.connect(WAIT);
    held.0.borrow_mut().unacknowledged = 1;
    play.listener().half_open = [Some(vec![7])].into();
    play.signal(TERM);
    assert_eq!(play.handle.progress(), Progress::LameDuck);
    play.pass(249);
    play.signal(TERM);
    assert_eq!(play.handle.progress(), Progress::LameDuck, "a duplicate");
    play.pass(1);
    play.signal(INT);
    assert_eq!(play.handle.progress(), Progress::Sealing);
    play.pass(249);
    play.signal(TERM);
    assert_eq!(play.handle.progress(), Progress::Sealing, "a duplicate");
    play.pass(1);
    play.signal(TERM);
    assert_eq!(play.handle.progress(), Progress::Closing);
    assert_eq!(play.world.borrow().ended_by, []);
    play.pass(250);
    play.signal(INT);
    assert_eq!(play.world.borrow().ended_by, [INT]);
}

#[test]
fn an_interrupt_may_close_at_once_and_a_second_one_ends_the_process() {
    let mut play = Play::with(Ownership::Sole, |server| server.interrupt(Interrupt::Close));
    let held = play.connect(WAIT);
    held.0.borrow_mut().unacknowledged = 1;
    play.signal(INT);
    assert_eq!(play.handle.phase(), Phase::Closing);
    play.pass(250);
    play.signal(INT);
    assert_eq!(play.world.borrow().ended_by, [INT]);
}

#[test]
fn commands_count_in_their_order() {
    let mut play = with_lame_duck();
    play.handle.drain();
    play.handle.cancel_drain();
    play.settle();
    assert_eq!(play.handle.phase(), Phase::Running);
    play.handle.cancel_drain();
    play.handle.drain();
    play.settle();
    assert_eq!(play.handle.phase(), Phase::Draining);
    assert!(!play.handle.is_ready());
}

/// Both are taken up in the same turn: no response slips out before the drain.
#[test]
fn a_request_that_is_there_when_the_drain_begins_is_the_last() {
    let mut play = Play::sole();
    let client = play.connect(GET);
    client.send(GET);
    play.drain();
    assert_eq!(client.output().matches("hello").count(), 2);
    assert_eq!(client.output().matches("onnection: close").count(), 1);
}

#[test]
fn at_its_deadline_the_server_aborts_what_is_left_and_says_so() {
    let mut play = Play::sole();
    let held = play.connect(WAIT);
    play.drain();
    play.pass(29_999);
    assert_eq!(
        (play.handle.progress(), held.output().len()),
        (Progress::Waiting, 0)
    );
    play.pass(1);
    assert!(held.output().starts_with("HTTP/1.1 503 "));
    assert_eq!(play.handle.phase(), Phase::Closing);
    held.end();
    play.pass(499);
    let report = play.report();
    assert_eq!(
        (report.cause, report.forced),
        (Some(Cause::Request), Some(Cause::Deadline))
    );
    assert_eq!((report.lost, report.phase), (1, Phase::Done));
}

#[test]
fn closing_lasts_as_long_as_its_grace_at_most() {
    let mut play = Play::sole();
    let held = play.connect(WAIT);
    held.0.borrow_mut().unacknowledged = 1;
    play.close_now();
    play.pass(499);
    assert!(play.report.is_none() && !held.is_closed());
    play.pass(1);
    assert_eq!(play.report().phase, Phase::Done);
    assert!(held.is_closed());
}

#[test]
fn a_server_with_nobody_connected_is_done_without_waiting() {
    let mut play = Play::sole();
    play.drain();
    play.pass(1);
    assert_eq!(play.report().phase, Phase::Done);
    assert!(play.report().is_clean());
}

#[test]
fn of_pipelined_requests_only_the_last_response_says_close() {
    let mut play = with_lame_duck();
    play.drain();
    let client = play.connect(&GET.repeat(3));
    let output = client.output();
    assert_eq!(output.matches("hello").count(), 3);
    let close = "onnection: close";
    assert_eq!(output.matches(close).count(), 1);
    assert!(output.find(close) > output.rfind("HTTP/1.1 200"));
}

//! Accepting, sealing, ending.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use neap_smol::{Cause, Config, Event, Outcome, Ownership, Phase, Progress, Rung};
use rustix::io::Errno;

use crate::system::{Client, Play};
use crate::{GET, WAIT};

/// Listens alone; one client is for ever in the middle of a handshake.
fn somebody_in_the_middle() -> Play {
    let play = Play::sole();
    play.listener().half_open = [Some(vec![7])].into();
    play
}

fn rung(play: &Play) -> Option<Rung> {
    play.report().listeners[0].rung
}

#[test]
fn each_rung_of_the_seal_is_tried_below_one_that_does_not_hold() {
    for (rungs, tried, held) in [
        (
            &[Rung::Interface, Rung::Filter][..],
            &[Rung::Interface][..],
            Rung::Interface,
        ),
        (
            &[Rung::Filter],
            &[Rung::Interface, Rung::Filter],
            Rung::Filter,
        ),
        (&[], &[Rung::Interface, Rung::Filter], Rung::Plain),
    ] {
        let mut play = Play::sole();
        play.listener().rungs = rungs.to_vec();
        play.drain();
        play.pass(100);
        assert_eq!(play.listener().tried, tried);
        assert_eq!(rung(&play), Some(held));
    }
    let mut play = Play::with(Ownership::Sole, |server| server.seal(Rung::Filter));
    play.drain();
    play.pass(100);
    assert_eq!(play.listener().tried, [Rung::Filter]);
}

#[test]
fn without_a_seal_that_holds_nobody_is_waited_for() {
    let mut play = somebody_in_the_middle();
    play.listener().rungs.clear();
    play.drain();
    assert!(play.listener().closed);
    assert!(play.listener().looks.is_empty());
}

#[test]
fn who_completes_its_handshake_at_the_last_look_is_accepted() {
    let mut play = Play::sole();
    let late = Client::sending(GET);
    play.listener().half_open = [Some(vec![7]), Some(vec![7]), Some(vec![])].into();
    play.listener().late = vec![late.clone()];
    play.drain();
    assert!(!play.listener().closed);
    play.pass(20);
    assert!(play.listener().closed);
    assert!(late.output().ends_with("hello"), "{}", late.output());
    assert_eq!(play.listener().looks, [1, 3, 7]);
}

/// A SYN that another processor was working on meanwhile is listed a moment after the seal.
#[test]
fn who_is_in_the_middle_of_a_handshake_is_looked_for_a_pause_after_the_seal() {
    let mut play = Play::sole();
    play.drain();
    assert!(!play.listener().rungs.is_empty() && play.listener().looks.is_empty());
    play.pass(20);
    assert_eq!(play.listener().looks, [1]);
    assert!(play.listener().closed);
}

/// It was made for the connections, and begun a pause after the seal.
#[test]
fn a_list_that_shows_nobody_in_the_middle_of_a_handshake_spares_the_look() {
    let mut play = Play::sole();
    play.listener().listed = Some(vec![]);
    play.drain();
    assert!(play.listener().closed);
    assert!(play.listener().looks.is_empty());
}

#[test]
fn whom_a_list_shows_in_the_middle_of_a_handshake_is_waited_for_and_nobody_else_is() {
    let mut play = Play::sole();
    play.listener().listed = Some(vec![7]);
    play.listener().half_open = [Some(vec![7, 8]), Some(vec![8])].into();
    play.drain();
    assert!(!play.listener().closed);
    play.pass(20);
    assert!(play.listener().closed);
    assert_eq!(play.listener().looks, [1, 3]);
}

/// To look after many connections takes time.
#[test]
fn a_listener_is_sealed_before_connections_are_told_unless_others_share_its_clients() {
    for (ownership, sealed) in [(Ownership::Sole, 1), (Ownership::Grouped, 0)] {
        let mut config = Config::default();
        config.drain.quiet = Duration::ZERO;
        let mut play = Play::with(ownership, |server| server.config(config));
        let idle = play.connect(GET);
        play.drain();
        assert_eq!(idle.0.borrow().seals_when_asked, Some(sealed));
        assert_eq!(play.listener().tried.len(), 1);
    }
}

/// The turn of the seal may have begun long before it: many connections may have ended in it.
#[test]
fn the_pause_after_the_seal_counts_from_the_next_turn() {
    let mut play = Play::sole();
    play.listener().takes_to_seal = 10;
    play.drain();
    play.pass(20);
    assert_eq!(play.listener().looks, [11]);
}

#[test]
fn handshakes_are_looked_for_less_often_after_a_while() {
    let mut play = somebody_in_the_middle();
    play.drain();
    play.pass(20);
    assert_eq!(play.listener().looks, [1, 3, 7, 12, 17]);
}

#[test]
fn handshakes_are_looked_for_when_it_is_time_and_not_because_somebody_came() {
    let mut play = somebody_in_the_middle();
    play.drain();
    play.pass(8);
    play.connect(GET);
    assert_eq!(play.listener().looks, [1, 3, 7]);
    // The timer is late, and somebody else comes before it.
    play.oversleep(12);
    play.connect(GET);
    assert_eq!(play.listener().looks, [1, 3, 7, 20]);
}

#[test]
fn a_seal_lasts_no_longer_than_its_window_and_says_whom_it_gave_up() {
    for (ownership, window) in [(Ownership::Sole, 1_000), (Ownership::Grouped, 900)] {
        let mut play = Play::with(ownership, |server| server);
        play.listener().half_open = [Some(vec![7])].into();
        play.drain();
        play.pass(window - 1);
        assert!(!play.listener().closed);
        assert_eq!(play.handle.progress(), Progress::Sealing);
        play.pass(1);
        assert!(play.listener().closed);
        assert_eq!(play.report().listeners[0].lost_in_handshake, 1);
    }
}

#[test]
fn where_nobody_can_tell_the_whole_window_is_waited() {
    let mut play = Play::sole();
    play.listener().half_open = [None].into();
    play.drain();
    play.pass(999);
    assert!(!play.listener().closed);
    play.pass(1);
    assert!(play.listener().closed);
    assert_eq!(play.report().listeners[0].lost_in_handshake, 0);
}

#[test]
fn with_cookies_behind_a_filter_nobody_is_asked_and_the_whole_window_waited() {
    let mut play = Play::sole();
    play.listener().rungs = vec![Rung::Filter];
    play.listener().cookies = true;
    play.drain();
    play.pass(999);
    assert!(!play.listener().closed);
    assert!(play.listener().looks.is_empty());
    play.pass(1);
    assert!(play.listener().closed);
}

#[test]
fn on_the_first_rung_cookies_change_nothing() {
    let mut play = Play::sole();
    play.listener().cookies = true;
    play.drain();
    play.pass(20);
    assert!(play.listener().closed, "their ACKs are refused there");
}

/// Linux resets a client whose ACK it is working on while the listener is closed, also where it
/// hands clients over to another one: about one of 50,000 was lost.
#[test]
fn a_listener_that_has_an_heir_waits_for_handshakes_as_any_other() {
    let mut play = Play::with(Ownership::Grouped, |server| server);
    let late = Client::sending(GET);
    play.listener().heir = true;
    play.listener().half_open = [Some(vec![7]), Some(vec![])].into();
    play.listener().late = vec![late.clone()];
    play.drain();
    assert!(!play.listener().closed);
    play.pass(20);
    assert!(play.listener().closed);
    assert!(late.output().ends_with("hello"), "{}", late.output());
}

#[test]
fn whom_an_heir_gets_is_not_lost_but_only_a_group_has_one_and_only_on_the_first_rung() {
    for (ownership, rung, heir, lost) in [
        (Ownership::Grouped, Rung::Interface, true, 0),
        (Ownership::Grouped, Rung::Interface, false, 1),
        (Ownership::Grouped, Rung::Filter, true, 1),
        (Ownership::Sole, Rung::Interface, true, 1),
    ] {
        let mut play = Play::with(ownership, |server| server.seal(rung));
        play.listener().half_open = [Some(vec![7])].into();
        play.listener().heir = heir;
        play.drain();
        play.pass(1_000);
        assert_eq!(play.report().listeners[0].lost_in_handshake, lost);
    }
}

#[test]
fn a_listener_that_is_not_to_wait_leaves_to_its_heir_without_a_look() {
    let mut config = Config::default();
    config.drain.seal_max_group = Duration::ZERO;
    for (heir, looks) in [(true, 0), (false, 1)] {
        let mut play = Play::with(Ownership::Grouped, |server| server.config(config));
        play.listener().heir = heir;
        play.drain();
        assert!(play.listener().closed);
        assert_eq!(play.listener().looks.len(), looks);
    }
}

#[test]
fn a_shared_listener_is_dropped_at_once_and_nothing_is_done_to_it() {
    let mut play = Play::with(Ownership::Shared, |server| server.max_connections(1));
    let held = play.connect(WAIT);
    play.queue([Ok(Client::sending(GET))]);
    play.settle();
    let accepts = play.listener().accepts;
    play.drain();
    assert!(play.listener().closed);
    assert_eq!(play.listener().tried, []);
    assert_eq!(play.listener().accepts, accepts, "who waits is the others'");
    drop(held);
    play.pass(40_000);
    assert_eq!(play.report().lost_in_queue(), 0);
    assert_eq!(rung(&play), None);
}

#[test]
fn a_unix_listener_is_not_sealed_and_ends_when_its_queue_is_empty() {
    let mut play = Play::at("unix:@seam", Ownership::Sole, |server| server);
    let waiting = Client::sending(GET);
    play.listener().queue.push_back(Ok(waiting.clone()));
    play.drain();
    assert!(play.listener().closed);
    assert_eq!(play.listener().tried, []);
    assert!(waiting.output().ends_with("hello"));
}

#[test]
fn closing_cuts_the_seal_short_and_turns_away_who_waits() {
    let mut play = somebody_in_the_middle();
    play.drain();
    let late = Client::sending(GET);
    play.listener().queue.push_back(Ok(late.clone()));
    play.close_now();
    assert!(play.listener().closed);
    assert!(
        late.output().starts_with("HTTP/1.1 503 "),
        "{}",
        late.output()
    );
    late.end();
    play.settle();
    assert_eq!(play.report().accepted, 1);
    assert_eq!(play.report().listeners[0].lost_in_handshake, 1);
}

#[test]
fn one_clients_failure_is_no_end_of_accepting() {
    for error in [
        Errno::CONNABORTED,
        Errno::INTR,
        Errno::PROTO,
        Errno::PERM,
        Errno::NETDOWN,
        Errno::NETUNREACH,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::NOPROTOOPT,
        Errno::TIMEDOUT,
    ] {
        let mut play = Play::sole();
        let next = Client::sending(GET);
        play.queue([Err(error.raw_os_error()), Ok(next.clone())]);
        play.settle();
        assert!(next.output().ends_with("hello"), "{error}");
        assert_eq!(play.handle.phase(), Phase::Running);
    }
}

#[test]
fn want_of_descriptors_or_memory_pauses_accepting_for_a_second() {
    for want in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
        let mut play = Play::sole();
        let busy = play.connect(WAIT);
        let next = Client::sending(GET);
        play.queue([Err(want.raw_os_error()), Ok(next.clone())]);
        play.settle();
        assert_eq!(play.handle.phase(), Phase::Running, "{want}");
        let accepts = play.listener().accepts;
        play.listener().queue.pop_front();
        // No turn tries again, whatever it is for.
        busy.send(GET);
        play.pass(999);
        assert_eq!(play.listener().accepts, accepts, "{want}");
        play.pass(1);
        assert!(next.output().ends_with("hello"), "{want}");
    }
}

#[test]
fn the_log_says_every_ten_seconds_that_accepting_is_paused() {
    let said = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&said);
    let mut play = Play::with(Ownership::Sole, |server| {
        server.on_event(move |event| {
            let paused = matches!(event, Event::AcceptPaused { .. });
            count.fetch_add(usize::from(paused), Ordering::Relaxed);
        })
    });
    play.queue([Err(Errno::MFILE.raw_os_error())]);
    play.settle();
    assert_eq!(said.load(Ordering::Relaxed), 1);
    play.pass(9_999);
    assert_eq!(said.load(Ordering::Relaxed), 1);
    play.pass(1);
    assert_eq!(said.load(Ordering::Relaxed), 2);
}

#[test]
fn an_idle_connection_is_given_up_for_its_descriptor_and_no_other() {
    let mut play = Play::sole();
    let busy = play.connect(WAIT);
    let idle = play.connect(GET);
    let other = play.connect(GET);
    play.queue([Err(Errno::MFILE.raw_os_error())]);
    play.settle();
    assert!(idle.0.borrow().ended);
    assert!(!busy.0.borrow().ended && !other.0.borrow().ended);
    let next = Client::sending(GET);
    play.listener().queue = [Ok(next.clone())].into();
    assert_eq!(next.output(), "");
    idle.end();
    play.settle();
    assert!(idle.is_closed());
    assert!(next.output().ends_with("hello"), "a descriptor is free");
}

/// One that was silent for long enough frees its descriptor at once, and nothing else tells of it.
#[test]
fn whoever_waits_is_accepted_as_soon_as_a_quiet_connection_was_given_up() {
    let mut play = Play::sole();
    let [younger, older] = [Client::default(), play.connect(GET)];
    play.pass(1_000);
    play.queue([Ok(younger.clone())]);
    younger.send(GET);
    play.settle();
    older.0.borrow_mut().can_close = true;
    let next = Client::sending(GET);
    play.queue([Err(Errno::MFILE.raw_os_error())]);
    older.0.borrow_mut().on_close = Some([Ok(next.clone())].into());
    play.settle();
    assert!(older.is_closed() && !younger.0.borrow().ended);
    assert!(next.output().ends_with("hello"), "a descriptor is free");
}

#[test]
fn any_other_error_ends_the_listener_and_with_the_last_the_server() {
    let mut play = Play::sole();
    let open = play.connect(GET);
    play.queue([Err(Errno::BADF.raw_os_error())]);
    play.settle();
    assert!(play.listener().closed);
    assert_eq!(play.handle.progress(), Progress::Waiting);
    play.pass(250);
    open.end();
    play.settle();
    assert_eq!(play.report().cause, Some(Cause::Listeners));
}

#[test]
fn who_does_not_fit_into_one_batch_is_accepted_in_the_next() {
    let mut play = Play::sole();
    let clients: Vec<Client> = (0..600).map(|_| Client::sending(GET)).collect();
    play.queue(clients.iter().cloned().map(Ok));
    play.settle();
    assert!(
        clients
            .iter()
            .all(|client| client.output().ends_with("hello"))
    );
}

#[test]
fn above_the_limit_nobody_is_accepted_before_somebody_has_ended() {
    let mut play = Play::with(Ownership::Sole, |server| server.max_connections(1));
    let first = play.connect(GET);
    let second = play.connect(GET);
    assert_eq!(second.output(), "");
    first.end();
    play.settle();
    assert!(second.output().ends_with("hello"));
}

#[test]
fn who_comes_too_late_is_turned_away_even_above_the_limit() {
    let mut play = Play::with(Ownership::Sole, |server| server.max_connections(1));
    let first = play.connect(WAIT);
    let second = play.connect(GET);
    play.close_now();
    assert!(first.output().starts_with("HTTP/1.1 503 "));
    assert!(second.output().starts_with("HTTP/1.1 503 "));
}

/// Descriptors are free again then, but nobody is left to serve with them.
#[test]
fn at_the_end_nobody_is_accepted_and_who_waits_is_counted_as_lost() {
    let mut play = Play::sole();
    play.queue([
        Err(Errno::MFILE.raw_os_error()),
        Ok(Client::sending(GET)),
        Ok(Client::sending(GET)),
    ]);
    play.settle();
    play.close_now();
    play.listener().queue.pop_front();
    let accepts = play.listener().accepts;
    play.pass(500);
    assert_eq!(play.listener().accepts, accepts);
    assert_eq!(play.report().lost_in_queue(), 2);
    assert!(!play.report().is_clean());
    assert!(play.listener().closed);
}

#[test]
fn a_listener_that_is_to_end_is_sealed_also_while_accepting_is_paused() {
    let mut play = Play::sole();
    play.queue([Err(Errno::MFILE.raw_os_error())]);
    play.settle();
    play.drain();
    assert_eq!(play.listener().tried, [Rung::Interface]);
    assert!(!play.listener().closed);
}

#[test]
fn a_server_that_keeps_accepting_is_not_deserted_while_accepting_is_paused() {
    let mut config = Config::default();
    config.drain.keep_accepting = true;
    let mut play = Play::with(Ownership::Sole, |server| server.config(config));
    play.queue([Err(Errno::MFILE.raw_os_error()), Ok(Client::sending(GET))]);
    play.settle();
    play.drain();
    assert_eq!(play.handle.progress(), Progress::LameDuck);
    play.listener().queue.pop_front();
    play.pass(1_000);
    assert!(play.handle.progress() > Progress::LameDuck);
    play.pass(40_000);
    assert_eq!(play.report().outcomes.get(Outcome::Completed), 1);
}

/// The last timer and the command come in the same turn, and the listener is never told to end.
#[test]
fn who_waits_for_a_done_server_is_lost_if_nobody_else_takes_it() {
    let mut config = Config::default();
    config.drain.close_grace = Duration::ZERO;
    for (ownership, heir, lost) in [
        (Ownership::Shared, false, 0),
        (Ownership::Grouped, true, 0),
        (Ownership::Grouped, false, 1),
        (Ownership::Sole, true, 1),
    ] {
        let mut play = Play::with(ownership, |server| server.config(config));
        play.listener().heir = heir;
        let _open = play.connect(GET);
        let waiting = Client::sending(GET);
        play.listener().queue.push_back(Ok(waiting));
        play.with_next_timer(|play| play.handle.close_now());
        assert_eq!(play.report().lost_in_queue(), lost);
        assert!(play.listener().closed);
    }
}

//! Shutdown where packets take their time: nobody whose SYN was answered is lost.
//!
//! On one machine a handshake takes microseconds, and a server that closes its listener hardly ever
//! cuts one. Here clients and server are in two network namespaces, joined by TUN devices and a
//! thread that carries each packet over after half the round trip. Clients come at 400 a second,
//! in a burst whose SYNs arrive with SIGTERM and in one whose ACKs do; some cannot complete their
//! handshakes until some time after it. Each is answered whole, refused before it was connected,
//! or lost: reset, ended or left in silence after that.
//!
//! It needs root for the namespaces; the servers need it for the second rung only.
//! `NEAP_SOAK=20 cargo test -p neap-tests --test round_trip -- --nocapture` repeats each trial
//! twenty times and shows what became of the clients.

mod client;
mod process;
mod simulated;
mod trial;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use neap_tests::link::{self, Namespace};
use process::User;
use trial::{Servers, Tally, Trial};

/// How often the server's answer repeats the target.
pub(crate) const REPEATED: usize = 100;

/// A window of a group that is long enough for both round trips. It is less than a second: clients
/// whose SYN was dropped meanwhile find the sibling at their second try.
const GROUP_WINDOW: Option<Duration> = Some(Duration::from_millis(900));

/// Linux hands the clients of a closing listener to another one.
const MIGRATE: Option<(&str, &str)> = Some(("ipv4/tcp_migrate_req", "1"));

/// Linux keeps no list of handshakes.
const COOKIES: Option<(&str, &str)> = Some(("ipv4/tcp_syncookies", "2"));

/// One at a time, so that they do not slow each other down.
static TURN: Mutex<()> = Mutex::new(());

/// Why nothing can be tried here, if so. Where tests must not be left out that is a failure.
fn obstacle() -> Option<String> {
    let obstacle = if !rustix::process::geteuid().is_root() {
        "needs root".into()
    } else if !Path::new("/dev/net/tun").exists() {
        "needs /dev/net/tun".into()
    } else {
        format!("needs network namespaces: {}", Namespace::new().err()?)
    };
    let mandatory = std::env::var_os("CI").is_some();
    assert!(!mandatory, "{obstacle}");
    Some(obstacle)
}

/// Runs each trial, as often as asked for, and checks what became of its clients.
fn run(trials: impl IntoIterator<Item = Trial>, check: impl Fn(&Trial, &Tally)) {
    if let Some(obstacle) = obstacle() {
        println!("skipped: {obstacle}");
        return;
    }
    let times = std::env::var("NEAP_SOAK").map_or(1, |times| times.parse().expect("a number"));
    for trial in trials {
        let (mut answered, mut retried, mut refused, mut lost) = (0, 0, 0, 0);
        for _ in 0..times {
            let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
            let tally = trial.run().expect("the link works");
            drop(turn);
            check(&trial, &tally);
            answered += tally.answered;
            retried += tally.retried;
            refused += tally.refused;
            lost += tally.lost.len();
        }
        println!(
            "{trial}: {times} x: {answered} answered, {retried} of them at a second try, \
             {refused} refused, {lost} lost"
        );
    }
}

/// On both links.
fn on_both(servers: Servers, rung: &'static str) -> [Trial; 2] {
    [50, 200].map(|round_trip| Trial::new(servers, round_trip, rung))
}

/// As either user.
fn as_both(trials: [Trial; 2]) -> impl Iterator<Item = Trial> {
    trials.into_iter().flat_map(|trial| {
        [User::Root, User::Ordinary].map(|user| Trial {
            user,
            ..trial.clone()
        })
    })
}

fn assert_none_lost(trial: &Trial, tally: &Tally) {
    assert!(tally.lost.is_empty(), "{trial}: {tally}: {:?}", tally.lost);
    assert!(tally.answered > 0, "{trial}: {tally}");
    let is_pair = trial.servers == Servers::Pair;
    assert_eq!(tally.refused == 0, is_pair, "{trial}: {tally}");
}

fn assert_sealed(trial: &Trial, tally: &Tally) {
    let rung = format!("(seal: {})", trial.rung);
    assert!(tally.report.contains(&rung), "{trial}: {tally}");
}

fn assert_some_lost(trial: &Trial, tally: &Tally) {
    assert_sealed(trial, tally);
    assert!(!tally.lost.is_empty(), "{trial}: {tally}");
}

#[test]
fn on_the_first_rung_any_user_loses_nobody_and_refuses_at_once() {
    let trials = as_both(on_both(Servers::Sole, "interface"));
    run(trials, |trial, tally| {
        assert_none_lost(trial, tally);
        assert_sealed(trial, tally);
        let second_try = Duration::from_secs(1);
        assert!(tally.slowest_refusal < second_try, "{trial}: {tally}");
    });
}

#[test]
fn on_the_second_rung_nobody_is_lost() {
    run(on_both(Servers::Sole, "filter"), |trial, tally| {
        assert_none_lost(trial, tally);
        assert_sealed(trial, tally);
    });
}

/// Without this the other tests would show nothing.
#[test]
fn without_a_seal_clients_are_lost() {
    let trials = [Servers::Sole, Servers::Pair].map(|servers| on_both(servers, "plain"));
    run(trials.into_iter().flatten(), assert_some_lost);
}

#[test]
fn one_of_a_pair_leaves_without_a_loss_and_the_other_one_gets_the_rest() {
    let pair = |rung| {
        on_both(Servers::Pair, rung).map(|trial| Trial {
            window: GROUP_WINDOW,
            ..trial
        })
    };
    let trials = as_both(pair("interface")).chain(pair("filter"));
    run(trials, |trial, tally| {
        assert_none_lost(trial, tally);
        assert_sealed(trial, tally);
    });
}

#[test]
fn one_of_a_pair_leaves_without_a_loss_where_the_system_migrates_its_clients() {
    let trials = as_both(on_both(Servers::Pair, "interface"));
    let migrating = trials.map(|trial| Trial {
        setting: MIGRATE,
        ..trial
    });
    run(migrating, assert_none_lost);
}

/// Each used to find the other one there, left its clients to it, and both were gone: up to 144 of
/// 500 clients were lost.
#[test]
fn two_that_stop_at_once_do_not_rely_on_each_other() {
    let trials = ["interface", "filter"].map(|rung| on_both(Servers::PairStopped, rung));
    let migrating = trials.into_iter().flatten().map(|trial| Trial {
        setting: MIGRATE,
        window: GROUP_WINDOW,
        ..trial
    });
    run(migrating, assert_none_lost);
}

#[test]
fn clients_of_ipv6_are_not_lost_either() {
    let trials = ["interface", "filter"].map(|rung| Trial {
        address: link::SERVER[1],
        ..Trial::new(Servers::Sole, 50, rung)
    });
    run(trials, assert_none_lost);
}

#[test]
fn an_adopted_listener_for_both_versions_of_ip_loses_nobody_of_either() {
    let trials = link::SERVER.map(|address| Trial {
        address,
        ..Trial::new(Servers::Adopted, 50, "interface")
    });
    run(trials, assert_none_lost);
}

/// What `seal_max` says is what a client has; only those who take longer are lost.
#[test]
fn who_takes_longer_than_the_window_is_lost_and_nobody_else() {
    let trial = Trial {
        hold: Duration::from_millis(1500),
        ..Trial::new(Servers::Sole, 50, "interface")
    };
    run([trial], |trial, tally| {
        assert_eq!(tally.lost.len(), tally.held, "{trial}: {tally}");
    });
}

/// Nor are those, where the system migrates them.
#[test]
fn who_takes_longer_than_the_window_goes_to_a_sibling_where_the_system_migrates_its_clients() {
    let trial = Trial {
        hold: Duration::from_millis(1500),
        setting: MIGRATE,
        ..Trial::new(Servers::Pair, 50, "interface")
    };
    run([trial], |trial, tally| {
        assert_none_lost(trial, tally);
        let reports_a_loss = tally.report.contains("in their handshakes");
        assert!(!reports_a_loss, "{trial}: {tally}");
    });
}

/// A limit: SYN cookies leave no trace of a handshake, and the ACK finds no listener on the
/// interface that the client came to.
#[test]
fn syn_cookies_defeat_the_first_rung() {
    let trial = Trial {
        setting: COOKIES,
        ..Trial::new(Servers::Sole, 50, "interface")
    };
    run([trial], assert_some_lost);
}

/// The filter lets the ACK pass, so the listener has to stay for as long as it may come. It used
/// to be closed at once, because nobody was in the middle of a handshake.
#[test]
fn syn_cookies_do_not_defeat_the_second_rung() {
    let trial = Trial {
        setting: COOKIES,
        ..Trial::new(Servers::Sole, 50, "filter")
    };
    run([trial], assert_none_lost);
}

/// What is true of the virtual kernel is worth something only if the real one does the same.
#[test]
fn the_virtual_kernel_does_the_same_to_the_same_clients() {
    let rungs = ["interface", "filter", "plain"].into_iter();
    let sole = rungs.flat_map(|rung| on_both(Servers::Sole, rung));
    let pair = |rung, setting| Trial {
        window: GROUP_WINDOW,
        setting,
        ..Trial::new(Servers::Pair, 50, rung)
    };
    let pairs = [
        pair("interface", None),
        pair("filter", None),
        pair("interface", MIGRATE),
    ];
    let cookies = ["interface", "filter"].map(|rung| Trial {
        setting: COOKIES,
        ..Trial::new(Servers::Sole, 50, rung)
    });
    let slow = Trial {
        hold: Duration::from_millis(1500),
        ..Trial::new(Servers::Sole, 50, "interface")
    };
    let trials = sole.chain(pairs).chain(cookies).chain([slow]);
    run(trials, |trial, tally| {
        let simulated = simulated::simulate(trial);
        println!("{trial}: {tally}; simulated: {simulated:?}");
        let all = simulated.answered + simulated.refused + simulated.lost;
        for (name, real, simulated) in [
            ("answered", tally.answered, simulated.answered),
            ("refused", tally.refused, simulated.refused),
            ("lost", tally.lost.len(), simulated.lost),
        ] {
            // The moment of a real signal is not exact to the millisecond, and a burst comes with
            // it.
            let close = real.abs_diff(simulated) <= all / 10 + trial::BURST;
            let same = (real == 0) == (simulated == 0);
            assert!(
                close && same,
                "{trial}: {name} {real}, simulated {simulated}"
            );
        }
    });
}

//! Shutdowns simulated: the shipped driver on a virtual kernel, in virtual time, with every kind of
//! client, signal and system, judged by what each client must have seen.
//!
//! What fails here is repeated by `cargo run --release -p neap-tests --bin simulate -- --seed SEED`, which
//! shows every packet. More seeds are explored by the same command with `--seeds N`.

use neap_tests::simulation::coverage::Coverage;
use neap_tests::simulation::draw;
use neap_tests::simulation::faults::Fault;
use neap_tests::simulation::judge::judge;
use neap_tests::simulation::script::{
    ClientScript, Command, Handler, Kind, MS, Micros, Reading, RequestScript, SECOND, Script, Step,
};
use neap_tests::simulation::shrink::{shrink, violation};
use neap_tests::simulation::world::run;

/// How many seeds a test without optimization has time for.
const SEEDS: u64 = 1_000;

/// No rule is broken by this script; if one is, it is made smaller and shown.
fn assert_holds(script: &Script, what: &str) {
    if let Some(violation) = violation(script, Fault::None) {
        let smaller = shrink(script, Fault::None);
        panic!("{what}: {violation}\n{smaller:#?}");
    }
}

#[test]
fn who_is_reached_and_cooperative_is_answered_whole() {
    let mut coverage = Coverage::default();
    for seed in 0..SEEDS {
        let script = draw(seed);
        let run = run(&script, Fault::None, false);
        coverage.add(&run);
        if !judge(&run).is_empty() {
            let repeat = "cargo run --release -p neap-tests --bin simulate -- --seed";
            assert_holds(&script, &format!("repeat it: {repeat} {seed}"));
        }
    }
    let missing = coverage.missing();
    assert!(missing.is_empty(), "never met: {missing:?}");
}

#[test]
fn a_seed_repeats_exactly() {
    for seed in 0..50 {
        let [one, other] = [(); 2].map(|()| run(&draw(seed), Fault::None, true));
        assert!(!one.trace.is_empty());
        assert_eq!(one.trace, other.trace, "seed {seed}");
    }
}

/// Seeds within which each planted fault has to be noticed.
const WITHIN: u64 = 400;

#[test]
fn the_judge_notices_each_planted_fault() {
    let mut unnoticed = Vec::new();
    for fault in Fault::ALL {
        let noticed = (0..WITHIN).find_map(|seed| Some((seed, violation(&draw(seed), fault)?)));
        match noticed {
            Some((seed, violation)) => println!("{fault:?}: seed {seed}: {violation}"),
            None => unnoticed.push(fault),
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}

#[test]
fn a_failing_script_is_made_smaller_and_still_fails() {
    let fails = |seed: &u64| violation(&draw(*seed), Fault::NobodyIsHalfOpen).is_some();
    let seed = (0..WITHIN).find(fails).expect("it is noticed");
    let script = draw(seed);
    let smaller = shrink(&script, Fault::NobodyIsHalfOpen);
    assert!(violation(&smaller, Fault::NobodyIsHalfOpen).is_some());
    assert!(violation(&smaller, Fault::None).is_none());
    assert_eq!(smaller.clients.len(), 1, "{smaller:#?}");
}

//! A whole connection, and the server's picture of one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use neap_core::{Phase, State};
use neap_tests::model::abstraction::{STATES, moves};
use neap_tests::model::client::Kind;
use neap_tests::model::connection::{Connections, Move};
use stateright::{Checker, Model};

/// Walks everything that may become of a connection whose client begins so.
fn walk(first: Kind) -> BTreeSet<Move> {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let model = Connections::new(first, seen.clone());
    let checker = model.checker().spawn_bfs().join();
    checker.assert_properties();
    let (states, steps) = (checker.unique_state_count(), checker.state_count());
    println!("a connection, {first:?}: {states} states, {steps} steps");
    seen.lock().expect("nobody panics with it").clone()
}

#[test]
fn a_connection_keeps_its_rules_and_moves_as_the_server_thinks_it_does() {
    let walks: Vec<_> = Kind::FIRST
        .iter()
        .map(|first| std::thread::spawn(|| walk(*first)))
        .collect();
    let walks = walks.into_iter().map(std::thread::JoinHandle::join);
    let seen: BTreeSet<Move> = walks
        .flat_map(|seen| seen.expect("its rules hold"))
        .collect();
    let phases = [Phase::Running, Phase::Draining, Phase::Closing, Phase::Done];
    let from = phases
        .iter()
        .flat_map(|phase| STATES.map(|state| (*phase, state)));
    let expected: BTreeSet<(Phase, State, State)> = from
        .flat_map(|(phase, from)| moves(phase, from).iter().map(move |to| (phase, from, *to)))
        .collect();
    let never: Vec<_> = expected.difference(&seen).collect();
    assert!(never.is_empty(), "no connection ever makes {never:?}");
    let unknown: Vec<_> = seen.difference(&expected).collect();
    assert!(unknown.is_empty(), "unknown to the server: {unknown:?}");
}

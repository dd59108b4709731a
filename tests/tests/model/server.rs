//! The server.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use neap_core::Phase;
use neap_tests::graph::Graph;
use neap_tests::model::server::{Accepting, Step};
use neap_tests::model::servers::Servers;
use stateright::{Checker, Model};

#[test]
fn a_server_keeps_its_rules_and_uses_every_row_of_its_table() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    for accepting in [Accepting::Ends, Accepting::LameDuck, Accepting::Kept] {
        let checker = Servers::new(accepting, seen.clone()).checker();
        let checker = checker.threads(2).spawn_bfs().join();
        checker.assert_properties();
        let (states, steps) = (checker.unique_state_count(), checker.state_count());
        println!("a server, accepting {accepting:?}: {states} states, {steps} steps");
    }
    let seen = seen.lock().expect("nobody panics with it");
    let rows = Servers::rows();
    let never: Vec<_> = rows.difference(&seen).collect();
    assert!(never.is_empty(), "never used: {never:?}");
}

#[test]
fn time_alone_ends_every_server_that_was_told_to_stop() {
    for accepting in [Accepting::Ends, Accepting::LameDuck, Accepting::Kept] {
        let servers = Servers::new(accepting, Arc::default());
        let graph = Graph::explore(Servers::start(), |server| servers.steps(server));
        let stuck = graph.stuck(
            |server| server.phase() != Phase::Running,
            |server| server.phase() == Phase::Done,
            |_, step| *step == Step::Time(1),
        );
        assert!(stuck.is_empty(), "{:#?}", stuck.first());
    }
}

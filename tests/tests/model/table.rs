//! A connection's control state, by the table alone.

use std::collections::HashSet;

use neap_core::Phase;
use neap_core::control::{Event, Row, Stage};
use neap_tests::model::reports::reports;
use neap_tests::model::table::{Table, Walk, graph, is_gone, is_the_drivers};
use stateright::{Checker, Model};

#[test]
fn a_connection_keeps_its_rules_whatever_happens() {
    Table.checker().spawn_bfs().join().assert_properties();
}

#[test]
fn every_row_of_the_table_is_reached() {
    let graph = graph();
    let (states, steps) = (graph.states().len(), graph.steps().count());
    println!("the table: {states} states, {steps} steps");
    let reached: HashSet<Row> = graph.steps().map(|(_, (_, row), _)| *row).collect();
    let unreached: Vec<&Row> = Row::ALL
        .iter()
        .filter(|row| !reached.contains(row))
        .collect();
    assert!(unreached.is_empty(), "never reached: {unreached:?}");
}

#[test]
fn what_may_be_reported_fits() {
    let graph = graph();
    for walk in graph.states() {
        for event in reports(&walk.control) {
            let fits = walk.control.row(event).is_some();
            assert!(fits, "{event:?} in {:?}", walk.control);
        }
    }
}

#[test]
fn the_driver_alone_brings_every_connection_to_its_end() {
    let stuck = graph();
    let stuck = stuck.stuck(|_| true, is_gone, |_, (event, _)| is_the_drivers(*event));
    assert!(stuck.is_empty(), "{stuck:#?}");
}

#[test]
fn in_closing_no_second_phase_is_needed_to_come_to_the_end() {
    let graph = graph();
    let stuck = graph.stuck(
        |walk| walk.control.server == Phase::Closing,
        is_gone,
        |_, (event, _)| is_the_drivers(*event) && !matches!(event, Event::Server(_)),
    );
    assert!(stuck.is_empty(), "{stuck:#?}");
}

#[test]
fn without_a_handler_timers_end_every_connection_while_the_server_runs() {
    let graph = graph();
    let has_handler = |walk: &Walk| {
        use Stage::{Asked, Replying, Running, Upgraded, Upgrading};
        matches!(
            walk.control.stage,
            Asked(_) | Running(_) | Replying(_) | Upgrading | Upgraded
        )
    };
    let stuck = graph.stuck(
        |walk| !has_handler(walk),
        is_gone,
        |_, (event, _)| is_the_drivers(*event) && !matches!(event, Event::Server(_)),
    );
    assert!(stuck.is_empty(), "{stuck:#?}");
}

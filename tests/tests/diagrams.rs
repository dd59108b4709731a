//! The diagrams in the documentation are those of the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use neap_core::control::{Event, Stage};
use neap_core::{Phase, next};
use neap_tests::model::names::{
    EVENTS, PROGRESS, SERVER_EVENTS, event_name, progress_name, server_event_name,
};
use neap_tests::model::table;

fn server_diagram() -> String {
    let mut diagram = String::from("stateDiagram-v2\n    [*] --> Running\n    state Draining {\n");
    let mut outside = String::new();
    for from in PROGRESS.iter().copied() {
        for to in PROGRESS.iter().copied() {
            let events = SERVER_EVENTS.iter().copied();
            let leads = events.filter(|event| next(from, *event) == Some(to));
            let events: Vec<_> = leads.map(server_event_name).collect();
            if events.is_empty() {
                continue;
            }
            let inner = from.phase() == to.phase();
            let (text, indent) = if inner {
                (&mut diagram, "        ")
            } else {
                (&mut outside, "    ")
            };
            let (from, to, label) = (progress_name(from), progress_name(to), events.join(", "));
            writeln!(text, "{indent}{from} --> {to}: {label}").expect("a string takes it");
        }
    }
    diagram + "    }\n" + &outside + "    Done --> [*]\n"
}

/// The name of a stage, whatever there is to come of the request's content.
fn stage_name(stage: Stage) -> String {
    let name = format!("{stage:?}");
    let end = name.find('(').unwrap_or(name.len());
    name[..end].to_owned()
}

/// What ends a connection from wherever it is; the diagram would be nothing but that.
fn is_an_end_from_anywhere(event: Event) -> bool {
    let is_phase = matches!(event, Event::Server(phase) if phase != Phase::Draining);
    is_phase || event == Event::Reset
}

/// The connection's table: every step from one stage to another that some walk takes.
fn connection_diagram() -> String {
    let mut edges: BTreeMap<(Stage, Stage), BTreeSet<usize>> = BTreeMap::new();
    for (from, (event, _), to) in table::graph().steps() {
        let (from, to) = (from.control.stage, to.control.stage);
        let is_inner = stage_name(from) == stage_name(to);
        if is_inner || is_an_end_from_anywhere(*event) {
            continue;
        }
        let at = EVENTS.iter().position(|known| known == event);
        let at = at.expect("every event is known");
        edges.entry((from, to)).or_default().insert(at);
    }
    let mut named: BTreeMap<(String, String), BTreeSet<usize>> = BTreeMap::new();
    let mut sorted: Vec<(String, String)> = Vec::new();
    for ((from, to), events) in edges {
        let names = (stage_name(from), stage_name(to));
        if !sorted.contains(&names) {
            sorted.push(names.clone());
        }
        named.entry(names).or_default().extend(events);
    }
    let mut diagram = String::from("stateDiagram-v2\n    [*] --> Fresh\n");
    for names in sorted {
        let events = named[&names].iter().map(|at| event_name(EVENTS[*at]));
        let label = events.collect::<Vec<_>>().join(", ");
        let (from, to) = names;
        writeln!(diagram, "    {from} --> {to}: {label}").expect("a string takes it");
    }
    diagram + "    Gone --> [*]\n"
}

/// The mermaid block behind the comment that contains `marker`.
fn block<'a>(text: &'a str, marker: &str) -> &'a str {
    let (_, rest) = text.split_once(marker).expect("the marker is there");
    let (_, rest) = rest.split_once("```mermaid\n").expect("a block follows it");
    rest.split_once("```").expect("the block ends").0
}

/// A page of the documentation.
fn page(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(path).expect("the page can be read")
}

#[test]
fn the_readmes_diagram_is_the_servers_table() {
    let (page, expected) = (page("README.md"), server_diagram());
    assert!(
        block(&page, "server diagram") == expected,
        "the README should say:\n\n{expected}"
    );
}

#[test]
fn the_diagram_of_a_connection_is_its_table() {
    let (page, expected) = (page("docs/proof.md"), connection_diagram());
    assert!(
        block(&page, "connection diagram") == expected,
        "docs/proof.md should say:\n\n{expected}"
    );
}

//! The diagrams in the documentation are those of the code.

use std::fmt::Write as _;
use std::path::Path;

use neap_core::{Progress, ServerEvent, next};

const STEPS: [Progress; 6] = [
    Progress::Running,
    Progress::LameDuck,
    Progress::Sealing,
    Progress::Waiting,
    Progress::Closing,
    Progress::Done,
];

/// Every event, and what it is called in the diagram.
const EVENTS: [(ServerEvent, &str); 12] = [
    (
        ServerEvent::Drain { lame_duck: true },
        "stop, with a lame duck",
    ),
    (ServerEvent::Drain { lame_duck: false }, "stop"),
    (ServerEvent::Again, "stop again"),
    (ServerEvent::Cancel, "cancelled"),
    (ServerEvent::CloseNow, "close now"),
    (ServerEvent::LameDuckElapsed, "lame duck elapsed"),
    (ServerEvent::Deserted, "nobody left"),
    (ServerEvent::ListenersEnded, "listeners ended"),
    (ServerEvent::Quiet, "nothing held"),
    (ServerEvent::Deadline, "deadline"),
    (ServerEvent::Empty, "all closed"),
    (ServerEvent::GraceElapsed, "grace elapsed"),
];

fn server_diagram() -> String {
    let mut diagram = String::from("stateDiagram-v2\n    [*] --> Running\n    state Draining {\n");
    let mut outside = String::new();
    for from in STEPS {
        for to in STEPS {
            let leads = |(event, _): &&(ServerEvent, &str)| next(from, *event) == Some(to);
            let events: Vec<_> = EVENTS.iter().filter(leads).map(|(_, name)| *name).collect();
            if events.is_empty() {
                continue;
            }
            let inner = from.phase() == to.phase();
            let (text, indent) = if inner {
                (&mut diagram, "        ")
            } else {
                (&mut outside, "    ")
            };
            let label = events.join(", ");
            writeln!(text, "{indent}{from:?} --> {to:?}: {label}").expect("a string takes it");
        }
    }
    diagram + "    }\n" + &outside + "    Done --> [*]\n"
}

/// The mermaid block behind the comment that contains `marker`.
fn block<'a>(text: &'a str, marker: &str) -> &'a str {
    let (_, rest) = text.split_once(marker).expect("the marker is there");
    let (_, rest) = rest.split_once("```mermaid\n").expect("a block follows it");
    rest.split_once("```").expect("the block ends").0
}

#[test]
fn the_readmes_diagram_is_the_servers_table() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("the README can be read");
    let expected = server_diagram();
    assert!(
        block(&readme, "server diagram") == expected,
        "the README should say:\n\n{expected}"
    );
}

//! Where others failed.
//!
//! Each test is a mistake that a server in use has made, with its story on top, and a scenario
//! that shows it from outside. The scenario is run against three servers: neap as it is shipped;
//! `broken-server`, which is written for this, as it is; and the same with the one mistake planted
//! in it. The first two have to pass, and the third one must not: so the scenario is known to see
//! the mistake, and nothing else.
//!
//! Handshakes that are in flight when a listener is closed (gunicorn#2593) need a link that takes
//! its time: that is `tests/round_trip`, whose twin is neap itself without its seal.

mod clients;
mod handlers;
mod idle;
mod limit;
mod listener;
mod subject;
mod upgraded;

use std::fs;
use std::path::Path;

#[test]
fn every_fault_of_the_twin_is_planted_in_a_scenario() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let faults = fs::read_to_string(folder.join("src/bin/broken-server/fault.rs"));
    let faults = faults.expect("the twin's faults are there");
    let files = fs::read_dir(folder.join("tests/failures")).expect("this folder is there");
    let files = files.map(|file| file.expect("it is listed").path());
    // Some are there for the drill.
    let files = files.chain([folder.join("tests/drill_catches.rs")]);
    let scenarios: Vec<String> = files
        .map(fs::read_to_string)
        .collect::<Result<_, _>>()
        .expect("they can be read");
    let names = faults
        .lines()
        .filter_map(|line| line.trim().strip_prefix("(\""));
    let names: Vec<&str> = names.filter_map(|line| line.split('"').next()).collect();
    assert!(names.len() > 20, "the names were found: {names:?}");
    for name in names {
        let planted = format!("\"{name}\"");
        let somewhere = scenarios.iter().any(|text| text.contains(&planted));
        assert!(somewhere, "{name}");
    }
}

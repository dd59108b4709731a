//! `docs/drill.md` and `neap drill --list` say the same.

use std::fs;
use std::path::Path;
use std::process::Command;

use neap_tests::process::Program;

/// The rows of the first table behind `heading`: what stands in backquotes, and the second cell.
fn rows(page: &str, heading: &str) -> Vec<(String, String)> {
    let (_, section) = page.split_once(heading).expect("the section is there");
    let lines = section.lines().skip_while(|line| !line.starts_with("|---"));
    let lines = lines.skip(1).take_while(|line| line.starts_with('|'));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            (cells[1].trim_matches('`').to_owned(), cells[2].to_owned())
        })
        .collect()
}

/// What `neap drill --list` says about situations: their ids, and which are required.
fn listed() -> Vec<(String, String)> {
    let mut list = Command::new(Program::Echo.path());
    let output = list.args(["drill", "--list"]).output();
    let output = output.expect("it lists").stdout;
    let list = String::from_utf8(output).expect("it is text");
    let lines = list.lines().skip_while(|line| *line != "Situations:");
    let lines = lines.skip(1).take_while(|line| !line.is_empty());
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let id = words.next().expect("a line has an id").to_owned();
            let is_required = words.next() == Some("required");
            (id, if is_required { "yes" } else { "" }.to_owned())
        })
        .collect()
}

#[test]
fn each_situation_is_described_by_its_id_in_the_order_of_the_list() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/drill.md");
    let page = fs::read_to_string(page).expect("the page is there");
    let documented = rows(&page, "\n## The situations\n");
    assert!(documented.len() > 25, "{documented:?}");
    assert_eq!(documented, listed());
}

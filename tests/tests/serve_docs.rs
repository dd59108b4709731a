//! `docs/serve.md` keeps its own promises: no row without its command, no cell in which another is
//! better without a reason.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;

use neap_tests::page::{FLAG, Kind, NO, Page, YES};

#[test]
fn the_table_has_the_rows_that_are_tried_and_the_servers_that_are_started() {
    let text = fs::read_to_string(Page::path()).unwrap();
    let page = Page::parse(&text);
    assert!(page.probes.len() > 80, "{}", page.probes.len());
    let tried: Vec<&String> = page.probes.iter().map(|probe| &probe.id).collect();
    let told: Vec<&String> = page.table.rows.iter().map(|(id, _)| id).collect();
    assert_eq!(told, tried);
    assert_eq!(tried.iter().collect::<BTreeSet<_>>().len(), tried.len());
    let started: Vec<&str> = page.servers.iter().map(|server| &*server.name).collect();
    let columns = page.table.columns.iter();
    let columns: Vec<&str> = columns
        .filter_map(|it| Some(it.rsplit_once(' ')?.0))
        .collect();
    assert_eq!(columns, started);
    assert_eq!(started[0], "neap");
    // Titles and parts as well.
    assert_eq!(page.with_table(&text).unwrap(), text);
}

#[test]
fn each_cell_says_yes_no_or_a_figure() {
    let page = Page::read().unwrap();
    for probe in &page.probes {
        let cells = page.table.cells(&probe.id).unwrap();
        assert_eq!(cells.len(), page.servers.len(), "{}", probe.id);
        for cell in cells {
            let figure = cell.split(' ').next().unwrap().parse::<f64>();
            let is_known = match probe.kind {
                Kind::Yes => [YES, FLAG, NO].contains(&&**cell),
                Kind::Least | Kind::Most => figure.is_ok() || cell == NO,
            };
            assert!(is_known, "{}: {cell}", probe.id);
        }
    }
}

#[test]
fn each_row_has_a_command_and_each_line_that_starts_a_server_has_a_row() {
    let page = Page::read().unwrap();
    assert!(page.preparation.contains("text.txt"));
    let mut asked: BTreeSet<&str> = ["install", "version", "plain"].into();
    for probe in &page.probes {
        assert!(!probe.command.is_empty(), "{} has no command", probe.id);
        asked.insert(&probe.setup);
        let has_line = page
            .servers
            .iter()
            .any(|it| it.command(&probe.setup).is_some());
        let is_plain = ["plain", "static"].contains(&&*probe.setup);
        assert!(has_line || is_plain, "{}: {}", probe.id, probe.setup);
    }
    for server in &page.servers {
        for purpose in ["install", "version", "plain"] {
            assert!(
                server.command(purpose).is_some(),
                "{}: {purpose}",
                server.name
            );
        }
        for (purpose, _) in &server.commands {
            assert!(asked.contains(&**purpose), "{}: {purpose}", server.name);
        }
    }
}

#[test]
fn wherever_another_is_better_the_reason_is_given_and_nowhere_else_a_stale_one() {
    let page = Page::read().unwrap();
    let mut complaints = Vec::new();
    for probe in &page.probes {
        let cells = page.table.cells(&probe.id).unwrap();
        let is_behind = cells[1..]
            .iter()
            .any(|cell| probe.is_better(cell, &cells[0]));
        // Figures come and go around a tenth.
        let is_stale = probe.kind == Kind::Yes && probe.reason.is_some() && !is_behind;
        if is_behind && probe.reason.is_none() || is_stale {
            complaints.push(format!("{}: {}", probe.id, cells.join(" | ")));
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

//! `docs/shutdown.md` names a test for every invariant, and every test that it names exists.

use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../../docs/shutdown.md");

/// They are numbered from 0.
const INVARIANTS: usize = 26;

fn section() -> &'static str {
    let (_, section) = PAGE.split_once("\n## What holds").expect("it is there");
    section.split("\n## ").next().unwrap_or(section)
}

/// The tests between backticks: what is none has no `::`.
fn tests_in(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|name| name.contains("::"))
}

/// The text of a test's file, or of all files in its folder.
fn source(krate: &str, test: &str) -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../{krate}/tests"));
    if let Ok(text) = fs::read_to_string(tests.join(format!("{test}.rs"))) {
        return text;
    }
    let Ok(files) = fs::read_dir(tests.join(test)) else {
        return String::new();
    };
    let texts = files.map(|file| fs::read_to_string(file.expect("it is listed").path()));
    texts.map(|text| text.expect("it can be read")).collect()
}

/// Whether `crate/test::function` is a test.
fn exists(name: &str) -> bool {
    let Some((krate, (test, function))) = name
        .split_once('/')
        .and_then(|(krate, rest)| Some((krate, rest.split_once("::")?)))
    else {
        return false;
    };
    let source = source(krate, test);
    let declared = format!("fn {function}(");
    let mut lines = source.lines().map(str::trim);
    let mut is_test = false;
    // What stands between the attribute and the function begins with a hash as well.
    lines.any(|line| {
        is_test |= line == "#[test]";
        let found = is_test && line.starts_with(&declared);
        is_test &= line.starts_with('#');
        found
    })
}

#[test]
fn every_invariant_has_a_row_and_a_test() {
    let rows = section().lines().filter(|line| line.starts_with("| I"));
    let rows: Vec<(&str, usize)> = rows
        .map(|row| {
            let number = row.trim_start_matches("| ").split(' ').next();
            (number.unwrap_or_default(), tests_in(row).count())
        })
        .collect();
    assert_eq!(rows.len(), INVARIANTS);
    for (index, (number, tests)) in rows.into_iter().enumerate() {
        assert_eq!(number, format!("I{index}"));
        assert!(tests > 0, "{number} is shown by nothing");
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let missing: Vec<&str> = tests_in(section()).filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

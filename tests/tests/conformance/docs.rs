//! `docs/http.md` says what the tests show, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use neap_core::{Config, PeerError};

use crate::case::Case;
use crate::memory::Memory;
use crate::reader::read_all;
use crate::{cases, config};

const PAGE: &str = include_str!("../../../docs/http.md");

const ERRORS: [PeerError; 21] = [
    PeerError::RequestLine,
    PeerError::Method,
    PeerError::MethodTooLong,
    PeerError::Target,
    PeerError::TargetTooLong,
    PeerError::Version,
    PeerError::VersionUnsupported,
    PeerError::LineEnd,
    PeerError::Field,
    PeerError::FieldsTooLarge,
    PeerError::TooManyFields,
    PeerError::Host,
    PeerError::Misdirected,
    PeerError::ContentLength,
    PeerError::LengthAndCoding,
    PeerError::TransferEncoding,
    PeerError::CodingUnknown,
    PeerError::ContentTooLarge,
    PeerError::Chunk,
    PeerError::ChunkLineTooLong,
    PeerError::Expectation,
];

/// The cells of all rows below the heading.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, part) = PAGE.split_once(&format!("\n## {heading}")).unwrap();
    let part = part.split("\n## ").next().unwrap();
    let rows = part
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.skip(1).map(|row| row.split(" | ").collect()).collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn sections() -> Vec<Vec<&'static str>> {
    [rows("RFC 9112"), rows("RFC 9110")].concat()
}

/// The names of all functions in this test's folder.
fn functions() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let files = fs::read_dir(folder).unwrap();
    let texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let texts: Vec<String> = texts.collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    let names = lines.filter_map(|line| line.trim().strip_prefix("fn ")?.split('(').next());
    names.map(str::to_owned).collect()
}

#[test]
fn every_section_with_a_case_is_in_the_table_and_the_other_way_round() {
    let of_cases: BTreeSet<&str> = cases().iter().map(|case| case.section).collect();
    let of_page: Vec<&str> = sections().iter().map(|row| row[0]).collect();
    let unique: BTreeSet<&str> = of_page.iter().copied().collect();
    assert_eq!(unique.len(), of_page.len(), "a section stands there twice");
    assert_eq!(of_cases, unique);
}

#[test]
fn every_name_in_the_tables_is_that_of_a_case_or_a_test() {
    let (cases, functions) = (cases(), functions());
    for row in sections() {
        let [section, _, shown] = row[..] else {
            panic!("{row:?}")
        };
        for name in quoted(shown) {
            let case = cases.iter().find(|case| case.name == name);
            assert!(
                case.is_some() || functions.contains(name),
                "{section}: {name}"
            );
        }
        let own = |case: &Case| case.section == section && shown.contains(case.name);
        assert!(cases.iter().any(own), "{section} names none of its cases");
    }
    for name in rows("Limits").iter().flat_map(|row| quoted(row[3])) {
        assert!(functions.contains(name), "{name}");
    }
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let cases = cases();
    let named: BTreeSet<(&str, &str)> =
        cases.iter().map(|case| (case.name, case.section)).collect();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(named.len(), names.len());
    let inputs: BTreeSet<(&str, &[u8])> = cases
        .iter()
        .map(|case| (case.name, &case.input[..]))
        .collect();
    assert_eq!(inputs.len(), cases.len(), "an input stands there twice");
}

#[test]
fn every_refusal_is_in_the_table_and_shown_by_a_case() {
    let rows = rows("Refusals");
    assert_eq!(rows.len(), ERRORS.len());
    let mut shown = Vec::new();
    for case in cases() {
        let mut memory = Memory::new(config());
        memory.send(&case.input);
        shown.extend(memory.seen.refused);
    }
    for (error, row) in ERRORS.into_iter().zip(rows) {
        let (name, status) = (format!("`{error:?}`"), error.status().code().to_string());
        assert_eq!(row, [&name[..], &status, error.text()]);
        assert!(shown.contains(&error), "{error:?} is shown by no case");
    }
}

/// `1,024 bytes`.
fn amount(number: u64, unit: &str) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{text} {unit}")
}

#[test]
fn the_limits_are_the_defaults() {
    let Config {
        limits, timeouts, ..
    } = Config::default();
    let bytes = |number| amount(number, "bytes");
    let size = |number: usize| amount(number as u64, "bytes");
    let seconds = |time: std::time::Duration| format!("{} s", time.as_secs());
    let expected = [
        ("limits.target", size(limits.target)),
        ("limits.head", size(limits.head)),
        ("limits.fields", amount(limits.fields as u64, "lines")),
        ("limits.content", bytes(limits.content)),
        ("limits.chunk_line", size(limits.chunk_line)),
        ("limits.discard", bytes(limits.discard)),
        ("limits.linger", bytes(limits.linger)),
        ("limits.unsent", bytes(limits.unsent)),
        ("limits.progress", bytes(limits.progress)),
        ("timeouts.head", seconds(timeouts.head)),
        ("timeouts.content", seconds(timeouts.content)),
        ("timeouts.write", seconds(timeouts.write)),
        ("timeouts.idle", seconds(timeouts.idle)),
    ];
    let rows = rows("Limits");
    assert_eq!(rows.len(), expected.len());
    for ((name, default), row) in expected.iter().zip(rows) {
        assert_eq!(row[..2], [format!("`{name}`"), default.clone()]);
    }
}

/// The bytes that a message in the table stands for.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next().unwrap() {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'0' => 0,
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => panic!("\\{}", char::from(other)),
            },
            byte => byte,
        });
    }
    bytes
}

#[test]
fn ambiguous_messages_fare_as_the_table_says() {
    let rows = rows("Ambiguous messages");
    assert!(rows.len() > 30);
    for row in rows {
        let mut memory = Memory::new(Config::default());
        memory.send(&unescape(row[0].trim_matches('`')));
        let responses = read_all(&memory.output, &memory.seen.to).unwrap();
        let statuses = responses.iter().map(|response| response.status.to_string());
        let end = match memory.core.state() {
            _ if memory.seen.fin => "closed",
            neap_core::State::Idle => "kept",
            _ => "waits",
        };
        let fared: Vec<String> = statuses.chain([end.to_owned()]).collect();
        assert_eq!(fared.join(" "), row[1], "{}", row[0]);
    }
}

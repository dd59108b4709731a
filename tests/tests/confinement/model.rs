//! Targets put together at random, compared with a reading of the rule that shares no code with
//! the server: what a path names, and what is answered for that.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use super::*;

/// What targets are made of.
const FRAGMENTS: [&str; 44] = [
    "/",
    "/",
    "/",
    "/",
    "//",
    "dir",
    "dir",
    "deep",
    "plain.txt",
    "inner.txt",
    "x",
    "nul",
    "C:",
    "%2f",
    "%2F",
    "%5c",
    "\\",
    "%2e",
    "%2E",
    ".",
    "..",
    "%2e%2e",
    "%252e",
    "%00",
    "%0d%0a",
    "%20",
    "%",
    "%zz",
    "%c0%ae",
    "%ff",
    ".git",
    "config",
    ".env",
    "%64ir",
    "plain%2etxt",
    "link-dir",
    "link-inside",
    "link-out",
    "link-parent",
    "secret",
    "root-secret",
    "?",
    ";",
    "~",
];

/// What chance might leave out: each breaks a rule of its own, and would lead somewhere without it.
const SURE: [&str; 7] = [
    "/dir%2finner.txt",
    "/dir%2Fdeep%2Fx",
    "/dir/../plain.txt",
    "/dir/%2e%2E/plain.txt",
    "/plain.txt%00",
    "/dir//inner.txt",
    "/.git/config",
];

/// What a path may lead to.
#[derive(Clone, Copy)]
enum Node {
    File(&'static str),
    Directory,
}

/// The tree as whoever wrote it down by hand, links resolved.
fn nodes() -> BTreeMap<Vec<&'static str>, Node> {
    use Node::{Directory, File};
    [
        (vec![], Directory),
        (vec!["plain.txt"], File("plain.txt")),
        (vec!["nul"], File("nul")),
        (vec!["C:"], File("C:")),
        (vec!["static"], Directory),
        (vec!["link-inside"], File("plain.txt")),
        (vec!["dir"], Directory),
        (vec!["dir", "inner.txt"], File("dir/inner.txt")),
        (vec!["dir", "deep"], Directory),
        (vec!["dir", "deep", "x"], File("dir/deep/x")),
        (vec!["link-dir"], Directory),
        (vec!["link-dir", "inner.txt"], File("dir/inner.txt")),
        (vec!["link-dir", "deep"], Directory),
        (vec!["link-dir", "deep", "x"], File("dir/deep/x")),
    ]
    .into()
}

/// A segment's bytes; nothing where a percent sign has no two digits behind it.
fn bytes(segment: &str) -> Option<Vec<u8>> {
    let mut parts = segment.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part
            .get(..2)
            .filter(|two| two.bytes().all(|it| it.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend(part[2..].bytes());
    }
    Some(bytes)
}

/// What is allowed as an answer: one of these statuses, and for 200 this content or a listing.
fn expected(target: &str) -> (Vec<u16>, Option<&'static str>) {
    if target.contains('\\') {
        // No part of a target at all (RFC 3986 section 3.3).
        return (vec![400], None);
    }
    let path = target.split('?').next().unwrap_or_default();
    let mut segments: Vec<&str> = path[1..].split('/').collect();
    let is_directory = segments.pop_if(|last| last.is_empty()).is_some();
    let decoded: Vec<Option<Vec<u8>>> = segments.iter().map(|segment| bytes(segment)).collect();
    let is_malformed = |name: &Option<Vec<u8>>| match name.as_deref() {
        None | Some(b"." | b"..") => true,
        Some(name) => name.contains(&0),
    };
    let malformed = decoded.iter().any(is_malformed);
    let is_no_name = |name: &Option<Vec<u8>>| {
        name.as_ref()
            .is_some_and(|name| name.is_empty() || name.contains(&b'/'))
    };
    match (malformed, decoded.iter().any(is_no_name)) {
        // Either may be told of first.
        (true, true) => return (vec![400, 404], None),
        (true, false) => return (vec![400], None),
        (false, true) => return (vec![404], None),
        (false, false) => {}
    }
    let names: Option<Vec<String>> = decoded
        .into_iter()
        .map(|name| String::from_utf8(name?).ok())
        .collect();
    let nodes = nodes();
    let node = names.and_then(|names| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        // Nothing hidden is among them.
        nodes.get(&names[..] as &[&str]).copied()
    });
    match (node, is_directory) {
        (Some(Node::File(content)), false) => (vec![200], Some(content)),
        (Some(Node::Directory), true) => (vec![200], None),
        (Some(Node::Directory), false) => (vec![301], None),
        _ => (vec![404], None),
    }
}

#[test]
fn what_a_target_gets_is_what_the_rule_says_it_names() {
    let tree = Tree::new();
    let server = tree.serve(&["--log", "off"]);
    let client = RefCell::new(Client::connect(server.address));
    let targets =
        vec(select(&FRAGMENTS[..]), 0..9).prop_map(|parts| format!("/{}", parts.concat()));
    let config = Config {
        cases: 4_000,
        failure_persistence: None,
        ..Config::default()
    };
    let seen = RefCell::new(BTreeMap::<u16, usize>::new());
    let check = |target: String| {
        let (statuses, content) = expected(&target);
        let response = client.borrow_mut().ask(request(&target));
        assert_no_canary(&response, &target);
        prop_assert!(
            statuses.contains(&response.status),
            "{}: {:?}",
            target,
            response
        );
        match (response.status, content) {
            (200, Some(name)) => {
                let text = format!("{INSIDE}{name}");
                prop_assert_eq!(&response.content, text.as_bytes());
            }
            (200, None) => {
                let page = String::from_utf8_lossy(&response.content);
                prop_assert!(page.starts_with("<!DOCTYPE html>"), "{}", page);
            }
            _ => {}
        }
        if response.says_close() {
            *client.borrow_mut() = Client::connect(server.address);
        }
        *seen.borrow_mut().entry(response.status).or_default() += 1;
        Ok(())
    };
    for target in SURE {
        check(target.into()).unwrap();
    }
    TestRunner::new(config).run(&targets, check).unwrap();
    let seen = seen.into_inner();
    // It is no use if it never gets anywhere.
    for status in [200, 301, 400, 404] {
        assert!(
            seen.get(&status).is_some_and(|count| *count > 20),
            "{seen:?}"
        );
    }
}

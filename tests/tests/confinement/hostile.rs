//! A corpus of targets, each sent byte for byte.

use neap_tests::client::{Client, End};

use super::*;

const CORPUS: &str = include_str!("hostile_targets.txt");

/// A line of the corpus.
struct Case {
    status: u16,
    is_kept: bool,
    target: Vec<u8>,
    line: &'static str,
}

fn corpus() -> Vec<Case> {
    let lines = CORPUS.lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(parse).collect()
}

fn parse(line: &'static str) -> Case {
    let mut words = line.splitn(3, ' ');
    let mut word = || words.next().unwrap_or_else(|| panic!("{line}"));
    let (status, connection, target) = (word(), word(), word());
    assert!(["kept", "closed"].contains(&connection), "{line}");
    Case {
        status: status.parse().unwrap(),
        is_kept: connection == "kept",
        target: unescape(&repeat(target)),
        line,
    }
}

/// Writes out `{text}*N`.
fn repeat(target: &str) -> String {
    let parts = target.split_once('{').and_then(|(before, rest)| {
        let (text, rest) = rest.split_once("}*")?;
        let digits = rest.find(|c: char| !c.is_ascii_digit());
        let (count, behind) = rest.split_at(digits.unwrap_or(rest.len()));
        Some([before, &text.repeat(count.parse().ok()?), behind].concat())
    });
    parts.unwrap_or_else(|| target.to_owned())
}

fn unescape(target: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = target;
    while let Some((before, escape)) = rest.split_once('\\') {
        bytes.extend(before.bytes());
        rest = if let Some(hex) = escape.strip_prefix('x') {
            bytes.push(u8::from_str_radix(&hex[..2], 16).unwrap());
            &hex[2..]
        } else {
            bytes.push(b'\\');
            escape.strip_prefix('\\').unwrap()
        };
    }
    bytes.extend(rest.bytes());
    bytes
}

/// What is wrong with the answer to a case, if anything.
fn complaint(server: &Server, case: &Case) -> Option<String> {
    let mut client = Client::connect(server.address);
    let response = client.ask(request(&case.target));
    assert_no_canary(&response, case.line);
    if response.status != case.status {
        return Some(format!("{} {}", response.status, case.line));
    }
    if response.status == 301 {
        let location = response.field("location").unwrap();
        assert!(
            location.starts_with("./dir/") || location.starts_with("./link-dir/"),
            "{location}"
        );
    }
    let is_kept = !response.says_close();
    if is_kept != case.is_kept {
        return Some(format!("is kept: {is_kept}: {}", case.line));
    }
    if is_kept {
        // It is in step: what comes next is answered as if nothing had been.
        let next = client.ask(request("/plain.txt"));
        assert_eq!(
            next.content,
            format!("{INSIDE}plain.txt").as_bytes(),
            "{}",
            case.line
        );
    } else {
        assert_eq!(client.end(), End::Eof, "{}", case.line);
    }
    None
}

#[test]
fn no_target_of_the_corpus_gets_out_of_the_directory_or_to_what_is_hidden() {
    let tree = Tree::new();
    let server = tree.serve(&["--log", "off"]);
    let cases = corpus();
    assert!(cases.len() > 250);
    let complaints = cases.iter().filter_map(|case| complaint(&server, case));
    let complaints: Vec<String> = complaints.collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Without `openat2` no link is followed, and all else is the same.
#[test]
fn neither_does_it_where_the_kernel_does_not_resolve_paths_below_a_directory() {
    let tree = Tree::new();
    let server = tree.serve_stepwise(&["--log", "off"]);
    for mut case in corpus() {
        if case.line.contains("/link-") && matches!(case.status, 200 | 301) {
            case.status = 404;
        }
        assert_eq!(complaint(&server, &case), None);
    }
}

//! What a person does wrong in the first minute, and what they are told.

use std::fs;
use std::net::TcpListener;

use tempfile::TempDir;

use crate::{neap, stderr};

/// A line, and what has to stand in the answer: what is wrong, and what to do about it.
const MISTAKES: &[(&str, &[&str])] = &[
    ("srve", &["'srve'", "'serve'"]),
    (".", &[". is no command", "neap serve ."]),
    ("public", &["public is no command", "neap serve public"]),
    ("index.html", &["index.html is a file", "neap serve DIR"]),
    ("3000", &["3000 is no command", "neap serve -p 3000"]),
    (
        "--port 3000",
        &["--port is a command's flag", "neap serve --port"],
    ),
    ("-p 3000", &["-p is a command's flag", "neap serve -p"]),
    ("serve --prot 3000", &["'--prot'", "'--port'"]),
    ("serve --port 70000", &["\"70000\" is no port", "65535"]),
    (
        "serve --port http",
        &["\"http\" is no port", "0 takes a free one"],
    ),
    (
        "serve public more",
        &["'more'", "Usage: neap serve [OPTIONS] [DIR]"],
    ),
    ("serve nowhere -p 0", &["cannot serve nowhere", "create it"]),
    (
        "serve index.html -p 0",
        &["it is a file", "name the directory that holds it"],
    ),
    (
        "serve -p TAKEN",
        &["cannot listen on 127.0.0.1:", "the port is taken", "-p 0"],
    ),
    (
        "serve --listen :8080",
        &["\":8080\"", "0.0.0.0:8080", "127.0.0.1:8080"],
    ),
    (
        "serve --listen example.org:80",
        &["\"example.org:80\"", "names are not looked up"],
    ),
    (
        "serve --listen http://127.0.0.1:80",
        &["is a URL", "write 127.0.0.1:80"],
    ),
    ("serve --listen 127.0.0.1", &["no port", "127.0.0.1:8080"]),
    (
        "serve --listen /run/www.sock",
        &["write unix:/run/www.sock"],
    ),
    ("serve --listen 192.0.2.1:0", &["no interface", "0.0.0.0"]),
    (
        "serve --listen unix:nowhere/a",
        &["its directory does not exist", "create it"],
    ),
    ("serve --deadline 30", &["\"30\" has no unit", "write 30s"]),
    (
        "serve --deadline soon",
        &["\"soon\" is no duration", "such as 250ms"],
    ),
    (
        "serve --lame-duck 1m",
        &["lame duck must be shorter than the deadline"],
    ),
    (
        "serve --log loud",
        &["'loud'", "[possible values: off, common, combined, json]"],
    ),
    (
        "serve --listen unix:nowhere/a --not-found nowhere.html",
        &["no file /nowhere.html below .", "correct --not-found"],
    ),
    ("serve --threads 0", &["'0'", "zero"]),
    (
        "serve --listen unix:nowhere/a --cache 1h --cache /sub/*=no-store",
        &[
            "the rule of --cache \"/sub/*=no-store\" is never reached",
            "write it before \"1h\"",
        ],
    ),
    ("serve --cache 500ms", &["less than a second", "write 1s"]),
    (
        "serve --tls-cert cert.pem",
        &["not provided", "--tls-key <FILE>"],
    ),
    (
        "serve -p 0 --tls-cert a.pem --tls-key b.pem",
        &["a.pem: No such file", "openssl req"],
    ),
    (
        "serve -p 0 --tls-cert index.html --tls-key index.html",
        &["PEM files", "openssl req"],
    ),
    (
        "serve --config nowhere.toml",
        &["nowhere.toml: there is no such file", "check its name"],
    ),
    ("serve --config public", &["it is a directory"]),
    (
        "serve --config index.html",
        &["index.html, line 1: ", "expected"],
    ),
    (
        "serve --config wrong.toml",
        &["wrong.toml, line 2: ", "\"deadline\" is there"],
    ),
    (
        "serve --config unit.toml",
        &["unit.toml, line 1: deadline: ", "write 30s"],
    ),
    (
        "serve --config lone.toml",
        &["not provided", "--tls-key <FILE>"],
    ),
    (
        "echo --inherit",
        &["cannot take over sockets: there are none"],
    ),
    ("completions", &["<SHELL>"]),
    (
        "man index.html/man1",
        &["cannot write to index.html/man1: Not a directory"],
    ),
];

#[test]
fn a_mistake_is_told_with_its_remedy_and_status_2() {
    let directory = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    fs::create_dir(directory.path().join("public")).unwrap();
    write("index.html", "<!doctype html>\n");
    write("wrong.toml", "log = 'off'\ndaedline = '3s'\n");
    write("unit.toml", "deadline = 30\n");
    write("lone.toml", "tls-cert = 'cert.pem'\n");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (line, told) in MISTAKES {
        let line = line.replace("TAKEN", &port);
        let words: Vec<_> = line.split(' ').collect();
        let output = neap(&words).current_dir(directory.path()).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "neap {line}: {said}");
        assert!(output.stdout.is_empty(), "neap {line}");
        for part in *told {
            assert!(said.contains(part), "neap {line}: {said}");
        }
        // A sentence or two, and where clap has one the usage.
        let lines = said.lines().filter(|line| !line.is_empty());
        assert!(lines.count() <= 4, "neap {line}: {said}");
    }
}

/// It would answer 404 as if the flag were not there.
#[test]
fn spa_without_an_index_is_told_at_the_start() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("app.html"), "app").unwrap();
    fs::create_dir(directory.path().join("index.html")).unwrap();
    // It ends in any case: where it would listen there is no directory.
    let serve = "serve --listen unix:nowhere/a --spa";
    for line in [serve.to_owned(), format!("{serve} --not-found app.html")] {
        let words: Vec<_> = line.split(' ').collect();
        let output = neap(&words).current_dir(directory.path()).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "neap {line}: {said}");
        let told = "no file /index.html below .: create it, or leave out --spa";
        assert!(said.contains(told), "neap {line}: {said}");
    }
}

#[test]
fn alone_it_is_a_short_help_with_examples() {
    let output = neap(&[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    for part in [
        "Usage: neap <COMMAND>",
        "  serve ",
        "Examples:\n  neap serve ",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert!(said.lines().count() <= 30, "{said}");
}

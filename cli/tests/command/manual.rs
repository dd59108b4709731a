//! The manual pages, by the programs that show them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::{is_installed, neap, stderr};

/// The pages in a directory, and their names.
fn pages() -> (TempDir, Vec<PathBuf>) {
    let directory = TempDir::new().unwrap();
    let below = directory.path().join("man1");
    let mut command = neap(&["man"]);
    let output = command.arg(&below).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let files = fs::read_dir(below).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    (directory, files)
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn there_is_a_page_for_each_command_and_they_are_what_is_printed() {
    let (_directory, files) = pages();
    let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap()).collect();
    let mut expected = vec!["neap.1"];
    #[cfg(target_os = "linux")]
    expected.push("neap-drill.1");
    expected.extend([
        "neap-completions.1",
        "neap-echo.1",
        "neap-man.1",
        "neap-serve.1",
    ]);
    expected.sort_unstable();
    assert_eq!(names, expected);
    let printed = text(&neap(&["man"]).output().unwrap());
    for file in files {
        assert!(printed.contains(&fs::read_to_string(file).unwrap()));
    }
}

#[test]
fn groff_and_mandoc_find_nothing_wrong_with_them() {
    let (_directory, files) = pages();
    let mut checkers = Vec::new();
    if is_installed("groff") {
        checkers.push((vec!["groff", "-man", "-ww", "-Tutf8", "-z"], "groff"));
    }
    if is_installed("mandoc") {
        // What it calls a warning is of style: empty lines that come twice.
        checkers.push((vec!["mandoc", "-Tlint", "-W", "error"], "mandoc"));
    }
    for (words, name) in checkers {
        for file in &files {
            let mut checker = Command::new(words[0]);
            let output = checker.args(&words[1..]).arg(file).output().unwrap();
            let said = [output.stdout.clone(), output.stderr.clone()].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(output.status.success() && said.is_empty(), "{name}: {said}");
        }
    }
}

#[test]
fn man_shows_each_section_of_a_command_that_serves() {
    if !is_installed("man") || !is_installed("groff") {
        return;
    }
    let (_directory, files) = pages();
    let serve = files.iter().find(|file| file.ends_with("neap-serve.1"));
    let mut man = Command::new("man");
    man.arg("-l").arg(serve.unwrap()).env("MANWIDTH", "100");
    man.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    let shown = text(&man.output().unwrap());
    let headings = shown
        .lines()
        .filter(|line| line.starts_with(char::is_uppercase));
    let headings: Vec<_> = headings.collect();
    assert_eq!(
        headings,
        [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "CONTENT",
            "SERVER",
            "SHUTDOWN",
            "EXIT STATUS",
            "ENVIRONMENT",
            "SIGNALS",
            "FILES",
            "EXAMPLES",
            "SEE ALSO",
        ]
    );
    for line in [
        "       2  not started: a flag, a file, a directory or an address was wrong\n",
        "         listen = [\"127.0.0.1:8080\", \"unix:/run/neap.sock\"]\n",
        "       neap serve public -p 3000\n",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
    // In a paragraph, which is broken anywhere.
    let words: Vec<_> = shown.split_whitespace().collect();
    assert!(words.join(" ").contains("NEAP_DIR (the DIR)"), "{shown}");
}

/// `neap serve` never speaks another protocol than HTTP.
#[test]
fn serve_help_names_no_flag_of_upgrades() {
    let (_directory, files) = pages();
    let page = |name| {
        let file = files.iter().find(|file| file.ends_with(name)).unwrap();
        fs::read_to_string(file).unwrap().replace("\\-", "-")
    };
    let help = |command: &str, flag: &str| text(&neap(&[command, flag]).output().unwrap());
    for (flag, variable) in [
        ("--hold-upgraded", "NEAP_HOLD_UPGRADED"),
        ("--upgraded-grace", "NEAP_UPGRADED_GRACE"),
    ] {
        for name in [flag, variable] {
            assert!(page("neap-echo.1").contains(name), "{name}");
            assert!(!page("neap-serve.1").contains(name), "{name}");
        }
        assert!(help("echo", "--help").contains(flag), "{flag}");
        assert!(!help("serve", "--help").contains(flag), "{flag}");
        assert!(!help("serve", "-h").contains(flag), "{flag}");
        // One script for all commands, with a line or a list for each.
        let script = text(&neap(&["completions", "fish"]).output().unwrap());
        let of = |command: &str| {
            let of_command = format!("__fish_neap_using_subcommand {command}\"");
            let mut lines = script.lines().filter(|line| line.contains(&of_command));
            let flag = format!(" -l {} ", &flag[2..]);
            lines.any(|line| line.contains(&flag))
        };
        assert!(of("echo") && !of("serve"), "{flag}");
        // They are taken all the same: a file of settings may be for both commands.
        let line = format!("serve --listen unix:nowhere/a {flag}=5s");
        let words: Vec<_> = line.split(' ').collect();
        let said = stderr(&neap(&words).output().unwrap());
        assert!(!said.contains("unexpected argument"), "{said}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut command = neap(&["man"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).output().unwrap();
    assert_eq!(
        (output.status.code(), stderr(&output)),
        (Some(0), String::new())
    );
}

//! Completions, by the shells that use them.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::terminal::Terminal;
use crate::{is_installed, neap, stderr};

/// A directory with the completions of one shell in it, and the name of the command as its own.
fn completions(shell: &str, file: &str) -> TempDir {
    let output = neap(&["completions", shell]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join(file), output.stdout).unwrap();
    directory
}

fn lines(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{}", stderr(output));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_flags_and_values() {
    if !is_installed("bash") {
        return;
    }
    let directory = completions("bash", "neap");
    let complete = |words: &[&str]| {
        let script = "source ./neap; COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1)); \
                      _neap neap \"${COMP_WORDS[-1]}\" \"${COMP_WORDS[-2]}\"; \
                      printf '%s\\n' \"${COMPREPLY[@]}\"";
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", script, "bash"]).args(words);
        lines(&bash.current_dir(directory.path()).output().unwrap())
    };
    assert_eq!(complete(&["neap", "ser"]), ["serve"]);
    assert_eq!(complete(&["neap", "serve", "--dead"]), ["--deadline"]);
    assert_eq!(
        complete(&["neap", "echo", "--log", "c"]),
        ["common", "combined"]
    );
}

#[test]
fn fish_completes_commands_flags_and_values() {
    if !is_installed("fish") {
        return;
    }
    let directory = completions("fish", "neap.fish");
    let complete = |line: &str| {
        let script = format!("source neap.fish; complete -C '{line}'");
        let mut fish = Command::new("fish");
        fish.args(["--no-config", "-c", &script]);
        fish.env("HOME", directory.path());
        let lines = lines(&fish.current_dir(directory.path()).output().unwrap());
        let word = |line: &String| line.split('\t').next().unwrap_or_default().to_owned();
        lines.iter().map(word).collect::<Vec<_>>()
    };
    assert_eq!(complete("neap ser"), ["serve"]);
    assert_eq!(complete("neap serve --dead"), ["--deadline"]);
    assert_eq!(complete("neap echo --log c"), ["combined", "common"]);
}

/// Its completion is part of its line editor, which needs a terminal.
#[test]
fn zsh_completes_flags() {
    if !is_installed("zsh") {
        return;
    }
    let directory = completions("zsh", "_neap");
    let mut zsh = Command::new("zsh");
    zsh.args(["-f", "-i"]).current_dir(directory.path());
    zsh.env("TERM", "dumb").env("HOME", directory.path());
    let terminal = Terminal::start(&mut zsh);
    terminal.type_in("fpath=($PWD $fpath); autoload -U compinit; compinit -u -D\n");
    terminal.type_in("neap serve --deadl\tx\nexit\n");
    let shown = terminal.end();
    assert!(shown.contains("--deadline"), "{shown}");
}

#[test]
fn there_are_completions_for_each_shell_that_is_named() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = neap(&["completions", shell]).output().unwrap();
        let script = lines(&output).join("\n");
        // Every shell's script knows a flag that stands in no example.
        assert!(script.contains("half-close-grace"), "{shell}");
    }
    let output = neap(&["completions", "csh"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("[possible values: bash, elvish, fish, powershell, zsh]"));
}

//! The rules of the house: short files, short functions, short lines, and words that are not used.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file before its tests. Integration tests are all tests.
const FILE: usize = 400;
const FUNCTION: usize = 70;
const LINE: usize = 100;

/// Words that stand nowhere in the sources, and why.
const BANNED: [(&str, &str); 5] = [
    (concat!("TO", "DO"), "do it, or leave it"),
    (concat!("FIX", "ME"), "fix it"),
    (concat!("todo", "!("), "do it"),
    (concat!("unimplemented", "!("), "implement it"),
    (
        concat!("#[ig", "nore"),
        "a test that does not run shows nothing",
    ),
];

/// Words that do not stand in the core: it has no clock, no threads, no standard library.
const BANNED_IN_CORE: [&str; 4] = ["std::", "Instant", "SystemTime", "thread"];

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the workspace is there")
}

/// The folders of all crates, those outside the workspace among them.
fn crates() -> Vec<PathBuf> {
    let entries = fs::read_dir(root()).expect("the workspace can be read");
    let paths = entries.map(|entry| entry.expect("the entry can be read").path());
    let mut crates: Vec<PathBuf> = paths
        .filter(|path| path.join("Cargo.toml").is_file())
        .collect();
    crates.sort();
    crates
}

/// Every source file below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the entry can be read").path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn all_sources() -> Vec<(PathBuf, String)> {
    let paths = crates().into_iter().flat_map(|folder| sources(&folder));
    paths
        .map(|path| {
            let text = fs::read_to_string(&path).expect("the file can be read");
            (path, text)
        })
        .collect()
}

/// Whether the file is all tests: an integration test, or a part of one.
fn is_test(path: &Path) -> bool {
    let path = path.strip_prefix(root()).expect("it is in the workspace");
    path.components()
        .nth(1)
        .is_some_and(|folder| folder.as_os_str() == "tests")
}

/// What comes before the tests in a file.
fn before_tests(text: &str) -> &str {
    let starts = ["\n#[cfg(test)]\nmod ", "\nmod tests {"];
    let start = starts.iter().filter_map(|start| text.find(start)).min();
    &text[..start.unwrap_or(text.len())]
}

/// The functions of a file: the line each begins at, and how many lines it has.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let words = code.split(['(', '<']).next().unwrap_or(code);
        let is_function = words.split(' ').any(|word| word == "fn") && !code.starts_with("//");
        if !is_function {
            continue;
        }
        // Formatted code ends a function with a brace at the depth of its first line.
        let indent = line.len() - code.len();
        let end = format!("{}}}", " ".repeat(indent));
        let length = lines[start..].iter().position(|line| *line == end);
        let declaration = lines[start..].iter().position(|line| line.ends_with(';'));
        if let Some(length) = length {
            let is_declaration = line.ends_with(';') || (declaration == Some(0));
            if !is_declaration {
                found.push((start + 1, length + 1));
            }
        }
    }
    found
}

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn no_file_is_longer_than_the_house_allows() {
    let mut complaints = Vec::new();
    for (path, text) in all_sources() {
        let lines = before_tests(&text).lines().count();
        if lines > FILE && !is_test(&path) {
            complaints.push(format!(
                "{}: {lines} lines before its tests",
                path.display()
            ));
        }
    }
    assert_none(&complaints);
}

#[test]
fn no_function_is_longer_than_the_house_allows() {
    let mut complaints = Vec::new();
    for (path, text) in all_sources() {
        for (line, length) in functions(&text) {
            if length > FUNCTION {
                complaints.push(format!("{}:{line}: {length} lines", path.display()));
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn no_line_is_longer_than_the_house_allows() {
    let mut complaints = Vec::new();
    for (path, text) in all_sources() {
        for (number, line) in text.lines().enumerate() {
            if line.chars().count() > LINE {
                complaints.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn no_banned_word_stands_in_the_sources() {
    let mut complaints = Vec::new();
    for (path, text) in all_sources() {
        for (word, reason) in BANNED {
            if text.contains(word) {
                complaints.push(format!("{}: {word}: {reason}", path.display()));
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn nothing_is_unwrapped_outside_tests_without_a_reason() {
    let mut complaints = Vec::new();
    for (path, text) in all_sources() {
        if is_test(&path) {
            continue;
        }
        for (number, line) in before_tests(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or(line);
            for word in [".unwrap()", ".unwrap_err()", ".expect(\"\")"] {
                if code.contains(word) {
                    complaints.push(format!("{}:{}: {word}", path.display(), number + 1));
                }
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn the_core_has_no_clock_no_thread_and_no_standard_library() {
    let mut complaints = Vec::new();
    for path in sources(&root().join("core/src")) {
        let text = fs::read_to_string(&path).expect("the file can be read");
        for (number, line) in before_tests(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or(line);
            for word in BANNED_IN_CORE.iter().filter(|word| code.contains(**word)) {
                complaints.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
        }
    }
    assert_none(&complaints);
}

/// A drill that shared code with the server would share its mistakes.
#[test]
fn the_drill_has_nothing_of_the_server_that_it_may_judge() {
    let mut complaints = Vec::new();
    for path in sources(&root().join("cli/src/drill")) {
        let text = fs::read_to_string(&path).expect("the file can be read");
        for word in ["neap_core", "neap_smol", "crate::start"] {
            if text.contains(word) {
                complaints.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert_none(&complaints);
    assert!(
        sources(&root().join("cli/src/drill")).len() > 10,
        "it is there"
    );
}

/// The ports of the core, which show that one takes about 150 lines.
const PORTS: [&str; 5] = [
    "core/examples/blocking.rs",
    "tests/examples/port_tokio.rs",
    "tests/examples/port_mio.rs",
    "tests/examples/port_compio.rs",
    "tests/examples/port_polling.rs",
];
const PORT: usize = 160;

/// The lines of code, without imports.
fn code_lines(text: &str) -> usize {
    let is_import = |item: &str| {
        ["use ", "mod ", "#[path"]
            .iter()
            .any(|word| item.starts_with(word))
    };
    let mut in_import = false;
    let mut lines = 0;
    for line in text.lines() {
        let is_empty = line.trim().is_empty() || line.trim_start().starts_with("//");
        in_import |= is_import(line);
        lines += usize::from(!is_empty && !in_import);
        in_import &= !line.ends_with([';', ']']);
    }
    lines
}

#[test]
fn a_port_takes_about_150_lines() {
    let lines = PORTS.map(|port| {
        let text = fs::read_to_string(root().join(port)).expect("the port can be read");
        code_lines(&text)
    });
    assert!(lines.iter().all(|lines| *lines <= PORT), "{lines:?}");
}

/// The file sizes were once measured in no file at all: a path within the tests' own crate counted
/// as a test, and all paths began there.
#[test]
fn the_measuring_stick_is_held_to_every_crate_and_tells_tests_apart() {
    let names: Vec<_> = crates()
        .iter()
        .filter_map(|path| path.file_name()?.to_str().map(String::from))
        .collect();
    assert_eq!(
        names,
        ["bench", "cli", "core", "fuzz", "runtime-smol", "tests"]
    );
    let root = root();
    assert!(!is_test(&root.join("core/src/control.rs")));
    assert!(!is_test(&root.join("tests/src/graph.rs")));
    assert!(is_test(&root.join("tests/tests/tidy.rs")));
    assert!(is_test(&root.join("core/tests/drain.rs")));
    for name in names {
        let of_crate = |(path, _): &(PathBuf, String)| path.starts_with(root.join(&name));
        assert!(all_sources().iter().any(of_crate), "{name} has sources");
    }
}

#[test]
fn the_measuring_stick_measures() {
    let imports = "use a::{\n    b,\n};\n#[path = \"c\"]\nmod c;\n";
    assert_eq!(
        code_lines(&format!("//! d\n\n{imports}\n/// e\nfn e() {{}}\n")),
        1
    );

    let long = format!("fn long() {{\n{}}}\n", "    work();\n".repeat(80));
    assert_eq!(functions(&long), [(1, 82)]);
    assert_eq!(
        functions("    fn one(&self) -> u8;\n    fn two() {\n    }\n"),
        [(2, 2)]
    );
}

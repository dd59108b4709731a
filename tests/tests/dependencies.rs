//! What the crates bring along, as cargo resolves it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::process::Command;

/// The names of all packages that `package` needs by these kinds of edges, with all its features.
fn needs(package: &str, edges: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--all-features", "--prefix", "none"])
        .args(["--package", package, "--edges", edges])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let tree = String::from_utf8(output.stdout).unwrap();
    let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    tree.lines().map(name).collect()
}

fn tokio(names: &BTreeSet<String>) -> Vec<&String> {
    let is_tokio = |name: &&String| *name == "tokio" || name.starts_with("tokio-");
    names.iter().filter(is_tokio).collect()
}

/// Axum is served, TLS and all, without it: it is what everybody else brings along.
#[test]
fn no_crate_needs_tokio_whatever_its_features() {
    for package in ["neap-core", "neap-smol", "neap-cli"] {
        let names = needs(package, "normal,build");
        assert!(names.contains(package), "{names:?}");
        assert_eq!(tokio(&names), [""; 0], "of {package}");
    }
    let tests = needs("neap-tests", "normal,dev");
    assert!(!tokio(&tests).is_empty(), "it would be found");
}

#[test]
fn the_core_needs_a_parser_and_nothing_else() {
    let names = needs("neap-core", "normal,build");
    assert_eq!(
        names.into_iter().collect::<Vec<_>>(),
        ["httparse", "neap-core"]
    );
}

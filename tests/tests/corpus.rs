//! The fuzzer's corpora in `fuzz/corpus`, replayed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use neap_tests::fuzzing::{TARGETS, seeds};

/// What all corpora together may take: a clone and a test run pay for them.
const MAX_BYTES: u64 = 1 << 20;
const MAX_FILES: usize = 800;

fn corpus(target: &str) -> PathBuf {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    fuzz.join("corpus").join(target)
}

fn files(target: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(corpus(target)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_input_in_the_corpora_keeps_its_targets_properties() {
    for (name, target) in TARGETS {
        let files = files(name);
        assert!(!files.is_empty(), "the corpus of {name} is empty");
        for file in files {
            let input = fs::read(&file).unwrap();
            // The property's own message has been printed.
            let done = catch_unwind(AssertUnwindSafe(|| target(&input)));
            assert!(done.is_ok(), "{name} fails with {}", file.display());
        }
    }
}

#[test]
fn every_seed_keeps_its_targets_properties() {
    for seed in seeds() {
        let (_, target) = TARGETS
            .into_iter()
            .find(|(name, _)| *name == seed.target)
            .unwrap();
        let done = catch_unwind(AssertUnwindSafe(|| target(&seed.input)));
        assert!(done.is_ok(), "{} fails with {}", seed.target, seed.name);
    }
}

#[test]
fn the_corpora_stay_small() {
    let all: Vec<_> = TARGETS.iter().flat_map(|(name, _)| files(name)).collect();
    let bytes: u64 = all
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .sum();
    assert!(all.len() <= MAX_FILES, "{} files", all.len());
    assert!(bytes <= MAX_BYTES, "{bytes} bytes");
}

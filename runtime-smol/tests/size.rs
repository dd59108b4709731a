//! What a small program weighs that serves by neap.
//!
//! It takes its time to build, so that it is built outside, and named by `NEAP_SMALL_BINARY`:
//!
//! ```sh
//! CARGO_PROFILE_RELEASE_LTO=fat CARGO_PROFILE_RELEASE_OPT_LEVEL=s \
//!     CARGO_PROFILE_RELEASE_STRIP=symbols \
//!     cargo build --release -p neap-smol --example hello
//! NEAP_SMALL_BINARY=target/release/examples/hello cargo test -p neap-smol --test size
//! ```

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

/// What we have set ourselves. Something is left of it for the compiler and its library.
const MOST: usize = 700 * 1024;

fn program() -> Option<Vec<u8>> {
    let Some(program) = std::env::var_os("NEAP_SMALL_BINARY") else {
        println!("skipped: NEAP_SMALL_BINARY names none");
        return None;
    };
    // Tests start beside their own sources, not where the workspace begins.
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    Some(std::fs::read(Path::new(root).join(program)).unwrap())
}

#[test]
fn a_small_program_is_small() {
    let Some(program) = program() else { return };
    println!("{} bytes", program.len());
    assert!(program.len() <= MOST, "{} bytes", program.len());
}

/// The code of the admin listener is reached by way of `Server::admin` alone.
#[test]
fn it_is_linked_without_what_it_does_not_ask_for() {
    let Some(program) = program() else { return };
    let has = |text: &[u8]| program.windows(text.len()).any(|window| window == text);
    assert!(has(b"Hello, World!"), "what it says is found");
    assert!(!has(b"alive\n"), "what health checks are answered");
}

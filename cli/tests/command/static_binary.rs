//! One file that is all there is: no interpreter, no libraries, an empty root around it.
//!
//! It takes minutes to build, so that it is built outside, and named by `NEAP_STATIC_BINARY`:
//!
//! ```sh
//! RUSTFLAGS="-C target-feature=+crt-static" \
//!     cargo build --profile dist -p neap-cli --target x86_64-unknown-linux-gnu
//! NEAP_STATIC_BINARY=target/x86_64-unknown-linux-gnu/dist/neap \
//!     cargo test -p neap-cli --test command static_binary
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use object::elf::{DT_NEEDED, PT_INTERP};
use object::read::elf::{ElfFile64, ProgramHeader as _};
use rustix::process::{Signal, geteuid};
use tempfile::TempDir;

use crate::{Server, get};

fn binary() -> Option<PathBuf> {
    let binary = std::env::var_os("NEAP_STATIC_BINARY").map(PathBuf::from);
    // Tests start beside their own sources, not where the workspace begins.
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let binary = binary.map(|binary| Path::new(root).join(binary));
    if binary.is_none() {
        println!("skipped: NEAP_STATIC_BINARY names none");
    }
    binary
}

#[test]
fn it_needs_no_interpreter_and_no_library() {
    let Some(binary) = binary() else { return };
    let bytes = fs::read(binary).unwrap();
    let elf = ElfFile64::<object::Endianness>::parse(&*bytes).unwrap();
    let endian = elf.endian();
    let mut headers = 0;
    for header in elf.elf_program_headers() {
        headers += 1;
        assert_ne!(header.p_type(endian), PT_INTERP, "it needs an interpreter");
        let dynamic = header.dynamic(endian, &*bytes).unwrap();
        for entry in dynamic.unwrap_or_default() {
            let tag = entry.d_tag.get(endian);
            assert_ne!(tag, u64::from(DT_NEEDED), "it needs a library");
        }
    }
    assert!(headers > 0);
    println!("{} bytes", bytes.len());
}

/// Where `chroot` and `unshare` are.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// What runs a program with this directory as all that it sees.
fn within(root: &Path) -> Option<Command> {
    if geteuid().is_root() {
        let mut chroot = Command::new("chroot");
        chroot.arg(root).env_clear().env("PATH", PATH);
        return Some(chroot);
    }
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.arg("--map-root-user");
        unshare
    };
    let tried = unshare().arg("true").status();
    if !tried.is_ok_and(|status| status.success()) {
        println!("skipped: this user may neither chroot nor unshare");
        return None;
    }
    let mut unshare = unshare();
    unshare
        .arg("--root")
        .arg(root)
        .env_clear()
        .env("PATH", PATH);
    Some(unshare)
}

#[test]
fn it_serves_a_file_and_drains_in_a_root_with_nothing_else() {
    let Some(binary) = binary() else { return };
    let root = TempDir::new().unwrap();
    fs::copy(binary, root.path().join("neap")).unwrap();
    fs::create_dir(root.path().join("www")).unwrap();
    fs::write(root.path().join("www/a.txt"), "all there is").unwrap();
    let Some(mut command) = within(root.path()) else {
        return;
    };
    command.args(["/neap", "serve", "/www", "-p", "0"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let server = Server::start(&mut command);
    let response = get(&server, "/a.txt");
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert!(response.contains("content-type: text/plain"), "{response}");
    assert!(response.ends_with("\r\n\r\nall there is"), "{response}");
    server.signal(Signal::TERM);
    let (status, said) = server.end();
    assert_eq!(status, Some(0), "{said}");
}

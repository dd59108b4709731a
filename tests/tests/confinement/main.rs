//! What `neap serve` sends, and what it never does: files outside its directory, what is hidden in
//! it, what is no file, and half of one version of a file with half of another.
//!
//! Everything here happens to the command itself, over sockets.

#![cfg(target_os = "linux")]
// Helpers of tests may panic as tests may, which Clippy does not know.
#![allow(clippy::unwrap_used)]

mod changing;
mod hostile;
mod links;
mod model;
mod names;
mod race;
mod special;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::thread;

use neap_tests::client::{Client, Response};
use neap_tests::process::{Program, Server};
use seccompiler::{SeccompAction, SeccompFilter};
use tempfile::TempDir;

/// What stands in every file that nobody may get, and in no other.
const CANARY: &str = "a canary, which is in no answer";
/// What the other files begin with; their path follows.
const INSIDE: &str = "inside: ";

/// A directory to be served, and beside it what must not be.
struct Tree {
    _scratch: TempDir,
    outside: PathBuf,
    root: PathBuf,
}

impl Tree {
    fn new() -> Tree {
        let scratch = tempfile::tempdir().unwrap();
        let outside = scratch.path().to_path_buf();
        let root = outside.join("root");
        for directory in ["root/dir/deep", "root/static", "root/.git", "root-secret"] {
            fs::create_dir_all(outside.join(directory)).unwrap();
        }
        for name in ["plain.txt", "dir/inner.txt", "dir/deep/x", "nul", "C:"] {
            fs::write(root.join(name), format!("{INSIDE}{name}")).unwrap();
        }
        let hidden = ["root/.git/config", "root/.env", "root/dir/.htpasswd"];
        for name in [&["secret", "root-secret/file"][..], &hidden].concat() {
            fs::write(outside.join(name), CANARY).unwrap();
        }
        let absolute = outside.join("secret");
        for (target, link) in [
            ("../secret", "link-out"),
            (absolute.to_str().unwrap(), "link-absolute"),
            ("..", "link-parent"),
            ("../root-secret", "link-twin"),
            ("/", "link-top"),
            ("/proc/self", "link-proc"),
            ("dir/../../secret", "link-roundabout"),
            ("link-loop", "link-loop"),
            ("nowhere", "link-dangling"),
            ("/dev/zero", "link-device"),
            ("/proc/self/fd/0", "link-descriptor"),
            ("plain.txt", "link-inside"),
            ("dir", "link-dir"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        Tree {
            _scratch: scratch,
            outside,
            root,
        }
    }

    fn serve(&self, options: &[&str]) -> Server {
        let words = [&[self.root.to_str().unwrap()], options].concat();
        Server::start(Program::Serve, &words)
    }

    /// Serves it where the kernel does not know `openat2`.
    fn serve_stepwise(&self, options: &[&str]) -> Server {
        without_openat2(|| self.serve(options))
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // What may not be entered cannot be removed.
        for name in ["dir", "dir/deep"] {
            let permissions = fs::Permissions::from_mode(0o755);
            let _ = fs::set_permissions(self.root.join(name), permissions);
        }
    }
}

/// Starts processes that get the answer of an old kernel to `openat2`. The filter is the thread's,
/// is inherited by what it starts, and ends with it.
fn without_openat2<T: Send>(start: impl FnOnce() -> T + Send) -> T {
    const OPENAT2: i64 = 437;
    const ENOSYS: u32 = 38;
    // Cargo may look for files in whichever way it likes.
    let _ = Program::Serve.path();
    let filter = SeccompFilter::new(
        [(OPENAT2, Vec::new())].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(ENOSYS),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let filter: seccompiler::BpfProgram = filter.unwrap().try_into().unwrap();
    let filtered = || {
        seccompiler::apply_filter(&filter).unwrap();
        start()
    };
    thread::scope(|scope| scope.spawn(filtered).join().unwrap())
}

fn get(server: &Server, target: impl AsRef<[u8]>) -> Response {
    Client::connect(server.address).ask(request(target))
}

fn request(target: impl AsRef<[u8]>) -> Vec<u8> {
    [b"GET ", target.as_ref(), b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat()
}

/// No field and no content of an answer has what nobody may get.
fn assert_no_canary(response: &Response, target: &str) {
    let content = String::from_utf8_lossy(&response.content);
    let fields = format!("{:?}", response.fields);
    for text in [&content[..], &fields] {
        assert!(!text.contains(CANARY), "{target} got it: {response:?}");
        assert!(!text.contains("root:x:0"), "{target} got it: {response:?}");
    }
}

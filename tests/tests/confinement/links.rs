//! Symbolic links, as far as they are followed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use super::*;

const OUT: [&str; 6] = [
    "/link-out",
    "/link-absolute",
    "/link-parent/secret",
    "/link-twin/file",
    "/link-roundabout",
    "/link-proc/root/etc/hostname",
];
const INWARD: [&str; 2] = ["/link-inside", "/link-dir/inner.txt"];

fn statuses(server: &Server, targets: &[&str]) -> Vec<u16> {
    let ask = |target: &&str| get(server, target).status;
    targets.iter().map(ask).collect()
}

fn names_of_listing(server: &Server) -> Vec<String> {
    let page = String::from_utf8(get(server, "/").content).unwrap();
    let links = page.split("href=\"./").skip(1);
    let names = links.map(|link| link.split('"').next().unwrap().to_owned());
    names.filter(|name| name.starts_with("link")).collect()
}

/// What it says on stderr while nobody asks it for anything.
fn words(mut server: Server) -> String {
    server.drain();
    server.exit().stderr
}

#[test]
fn links_are_followed_below_the_directory_unless_it_is_said_otherwise() {
    let tree = Tree::new();
    for options in [&[][..], &["--symlinks", "inside"]] {
        let server = tree.serve(options);
        assert_eq!(statuses(&server, &OUT), [404; 6]);
        assert_eq!(statuses(&server, &INWARD), [200; 2]);
        assert_eq!(names_of_listing(&server), ["link-dir/", "link-inside"]);
        let said = words(server);
        assert!(!said.contains("symbolic"), "{said}");
    }
}

#[test]
fn links_are_never_followed_if_that_is_said_whatever_the_kernel_knows() {
    let tree = Tree::new();
    let options = ["--symlinks", "never"];
    for server in [tree.serve(&options), tree.serve_stepwise(&options)] {
        assert_eq!(statuses(&server, &OUT), [404; 6]);
        assert_eq!(statuses(&server, &INWARD), [404; 2]);
        assert_eq!(statuses(&server, &["/plain.txt", "/dir/deep/x"]), [200; 2]);
        assert!(names_of_listing(&server).is_empty());
        let said = words(server);
        assert!(!said.contains("symbolic"), "{said}");
    }
}

#[test]
fn links_are_followed_out_of_the_directory_if_that_is_said_and_the_log_repeats_it() {
    let tree = Tree::new();
    let options = ["--symlinks", "anywhere"];
    for server in [tree.serve(&options), tree.serve_stepwise(&options)] {
        for target in ["/link-out", "/link-absolute", "/link-parent/secret"] {
            assert_eq!(get(&server, target).content, CANARY.as_bytes(), "{target}");
        }
        assert_eq!(statuses(&server, &INWARD), [200; 2]);
        // It is the links that may lead out, not the client.
        for (target, status) in [
            ("/../secret", 400),
            ("/..%2fsecret", 404),
            ("/.git/config", 404),
            ("/link-loop", 404),
            ("/link-dangling", 404),
            ("/link-device", 404),
        ] {
            assert_eq!(get(&server, target).status, status, "{target}");
        }
        let said = words(server);
        let warning = "symbolic links are followed out of the directory";
        assert!(said.contains(warning), "{said}");
    }
}

#[test]
fn without_openat2_no_link_is_followed_and_the_log_says_so() {
    let tree = Tree::new();
    let server = tree.serve_stepwise(&[]);
    assert_eq!(statuses(&server, &OUT), [404; 6]);
    assert_eq!(statuses(&server, &INWARD), [404; 2]);
    assert_eq!(statuses(&server, &["/plain.txt", "/dir/deep/x"]), [200; 2]);
    assert!(names_of_listing(&server).is_empty());
    let said = words(server);
    let warning = "the system lacks openat2: symbolic links are not followed";
    assert!(said.contains(warning), "{said}");
}

#[test]
fn without_openat2_a_wish_for_links_below_the_directory_is_refused() {
    let tree = Tree::new();
    let mut command = Command::new(Program::Serve.path());
    command.args(["serve", "-p", "0"]).arg(&tree.root);
    command.env("NEAP_SYMLINKS", "inside");
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = without_openat2(|| command.spawn().unwrap());
    // It ends, or says where it listens, and would for long.
    let mut line = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let _ = child.kill();
    let output: Output = child.wait_with_output().unwrap();
    assert_eq!(line, "");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("lacks openat2") && said.contains("--symlinks never"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1);
}

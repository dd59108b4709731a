//! Somebody who can write to the directory puts something else in a name's place, again and again,
//! while requests are answered.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, Mode, RenameFlags, mkfifoat, renameat_with};

use super::*;

/// So many requests are sent while names are exchanged.
const REQUESTS: usize = 2_000;

/// Exchanges the two as long as `ask` runs.
fn while_exchanged(one: &Path, other: &Path, ask: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
            }
        });
        // Also when it panics: the scope waits for the thread.
        let _over = OnDrop(&is_over);
        ask();
    });
}

struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks for what is there half of the time. Gives how often it was.
fn ask_many(server: &Server, target: &str, content: &str) -> usize {
    let mut client = Client::connect(server.address);
    let answers = (0..REQUESTS).filter(|_| {
        let response = client.ask(request(target));
        assert_no_canary(&response, target);
        match response.status {
            200 => assert_eq!(response.content, content.as_bytes()),
            status => assert_eq!(status, 404),
        }
        response.status == 200
    });
    answers.count()
}

fn exchange_with_a_way_out(tree: &Tree, server: &Server) {
    fs::write(tree.root.join("dir/file"), "inside: file").unwrap();
    symlink(tree.outside.join("root-secret"), tree.root.join("way-out")).unwrap();
    let (directory, link) = (tree.root.join("dir"), tree.root.join("way-out"));
    while_exchanged(&directory, &link, || {
        ask_many(server, "/dir/file", "inside: file");
        // The name is a link at times, but what it leads to is never shown.
        ask_many(server, "/way-out/file", "inside: file");
    });
}

#[test]
fn a_directory_that_becomes_a_link_leads_nowhere_else() {
    let tree = Tree::new();
    exchange_with_a_way_out(&tree, &tree.serve(&["--log", "off"]));
}

#[test]
fn neither_does_it_where_the_kernel_does_not_resolve_paths_below_a_directory() {
    let tree = Tree::new();
    exchange_with_a_way_out(&tree, &tree.serve_stepwise(&["--log", "off"]));
}

#[test]
fn a_file_that_becomes_a_link_leads_nowhere_else() {
    let tree = Tree::new();
    for server in [
        tree.serve(&["--log", "off"]),
        tree.serve_stepwise(&["--log", "off"]),
    ] {
        let (file, link) = (tree.root.join("plain.txt"), tree.root.join("link-out"));
        while_exchanged(&file, &link, || {
            ask_many(&server, "/plain.txt", "inside: plain.txt");
        });
    }
}

#[test]
fn a_file_that_becomes_a_fifo_is_not_waited_for() {
    let tree = Tree::new();
    let (file, fifo) = (tree.root.join("plain.txt"), tree.root.join("fifo"));
    mkfifoat(CWD, &fifo, Mode::RWXU).unwrap();
    let server = tree.serve(&["--log", "off"]);
    while_exchanged(&file, &fifo, || {
        ask_many(&server, "/plain.txt", "inside: plain.txt");
    });
}

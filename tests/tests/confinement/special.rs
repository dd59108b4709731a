//! What is no file, and what may not be read.

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{CWD, FileType, Mode, makedev, mkfifoat, mknodat};

use super::*;

/// The names below the directory that were opened to be read since `watch` began, in order, each
/// once.
fn opened(watch: &impl std::os::fd::AsFd) -> Vec<String> {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(watch, &mut buffer);
    let mut names = Vec::new();
    while let Ok(event) = reader.next() {
        let name = event
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        names.extend(name);
    }
    names.dedup();
    names
}

/// To open a FIFO releases who waits to write to it, to open a device may do anything.
#[test]
fn what_is_no_file_is_not_even_opened() {
    let tree = Tree::new();
    let mode = Mode::RUSR | Mode::WUSR;
    mkfifoat(CWD, tree.root.join("fifo"), mode).unwrap();
    let _socket = UnixListener::bind(tree.root.join("socket")).unwrap();
    let mut names = vec!["fifo", "socket"];
    for (name, kind, (major, minor)) in [
        // /dev/null, and a RAM disk that need not be there.
        ("character", FileType::CharacterDevice, (1, 3)),
        ("block", FileType::BlockDevice, (1, 0)),
    ] {
        match mknodat(CWD, tree.root.join(name), kind, mode, makedev(major, minor)) {
            Ok(()) => names.push(name),
            Err(error) => eprintln!("skipped: {name} devices: {error}"),
        }
    }
    for server in [tree.serve(&[]), tree.serve_stepwise(&[])] {
        let watch = inotify::init(CreateFlags::NONBLOCK).unwrap();
        inotify::add_watch(&watch, &tree.root, WatchFlags::OPEN).unwrap();
        for name in &names {
            assert_eq!(get(&server, format!("/{name}")).status, 404, "{name}");
            assert_eq!(get(&server, format!("/{name}/")).status, 404, "{name}");
        }
        assert_eq!(get(&server, "/plain.txt").status, 200);
        assert_eq!(opened(&watch), ["plain.txt"]);
        let page = String::from_utf8(get(&server, "/").content).unwrap();
        for name in &names {
            assert!(!page.contains(&format!("./{name}\"")), "{name} is listed");
        }
    }
}

/// The superuser may read everything; its server is started as somebody else.
fn as_nobody(tree: &Tree) -> Server {
    const NOBODY: u32 = 65_534;
    use std::os::unix::process::CommandExt;
    if !rustix::process::geteuid().is_root() {
        return tree.serve(&[]);
    }
    // A program that only the superuser reaches cannot be started by anybody else.
    let program = tree.outside.join("neap");
    fs::copy(Program::Serve.path(), &program).unwrap();
    let mut command = std::process::Command::new(program);
    command
        .args(["serve", "-p", "0"])
        .arg(&tree.root)
        .current_dir("/");
    command.uid(NOBODY).gid(NOBODY);
    fs::set_permissions(&tree.outside, fs::Permissions::from_mode(0o755)).unwrap();
    Server::launch(Program::Serve, command)
}

#[test]
fn what_the_server_may_not_read_is_forbidden() {
    let tree = Tree::new();
    let server = as_nobody(&tree);
    let forbid = |name: &str, mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(tree.root.join(name), permissions).unwrap();
    };
    forbid("plain.txt", 0);
    assert_eq!(get(&server, "/plain.txt").status, 403);
    forbid("dir/deep", 0o444);
    assert_eq!(get(&server, "/dir/deep/x").status, 403);
    assert_eq!(get(&server, "/dir/deep/").status, 403);
    // A directory that may be passed through and not be read.
    forbid("dir", 0o111);
    assert_eq!(get(&server, "/dir/inner.txt").status, 200);
    assert_eq!(get(&server, "/dir/").status, 403);
    assert_eq!(get(&server, "/dir/nothing").status, 404);
}

#[test]
fn a_server_without_descriptors_says_when_to_come_back() {
    let tree = Tree::new();
    let server = tree.serve(&["--log", "off"]);
    let mut client = Client::connect(server.address);
    assert_eq!(client.ask(request("/plain.txt")).status, 200);
    let descriptors = format!("/proc/{}/fd", server.pid().as_raw_nonzero());
    let names = fs::read_dir(&descriptors).unwrap();
    let number = |name: fs::DirEntry| name.file_name().to_str().unwrap().parse().unwrap();
    let taken: Vec<u64> = names.map(|name| number(name.unwrap())).collect();
    let free: Vec<u64> = (0..)
        .filter(|number| !taken.contains(number))
        .take(2)
        .collect();
    // One is enough: what is looked at is closed before it is opened to be read.
    server.limit_files(free[1]);
    assert_eq!(client.ask(request("/plain.txt")).status, 200);
    assert_eq!(client.ask(request("/")).status, 200);
    server.limit_files(free[0]);
    for target in ["/plain.txt", "/dir", "/"] {
        let busy = client.ask(request(target));
        assert_eq!(busy.status, 503);
        assert_eq!(busy.field("retry-after"), Some("1"));
    }
    assert_eq!(fs::read_dir(&descriptors).unwrap().count(), taken.len());
}

/// What a download holds is given back when the client is gone, and is one descriptor until then.
#[test]
fn a_download_holds_one_file_until_its_client_vanishes() {
    const LENGTH: u64 = 32 << 20;
    let tree = Tree::new();
    let file = fs::File::create(tree.root.join("large")).unwrap();
    file.set_len(LENGTH).unwrap();
    let server = tree.serve(&["--log", "off"]);
    let descriptors = format!("/proc/{}/fd", server.pid().as_raw_nonzero());
    let held = || {
        let names = fs::read_dir(&descriptors).unwrap();
        let targets = names.filter_map(|name| fs::read_link(name.unwrap().path()).ok());
        targets
            .filter(|target| target.as_os_str().as_bytes().ends_with(b"/large"))
            .count()
    };
    let mut slow = Client::with(server.address, request("/large"));
    slow.await_some();
    assert_eq!(held(), 1);
    slow.reset();
    // The server learns of it with what comes next, or at the latest with this many requests.
    let begun = std::time::Instant::now();
    while held() > 0 {
        assert_eq!(get(&server, "/plain.txt").status, 200);
        assert!(
            begun.elapsed() < neap_tests::process::PATIENCE,
            "it is held"
        );
    }
}

#[test]
fn names_are_as_long_as_the_filesystem_has_them() {
    let tree = Tree::new();
    let longest = vec![b'n'; 255];
    fs::write(tree.root.join(OsStr::from_bytes(&longest)), "inside: long").unwrap();
    for server in [tree.serve(&[]), tree.serve_stepwise(&[])] {
        let target = [b"/", &longest[..]].concat();
        assert_eq!(get(&server, &target).content, b"inside: long");
        assert_eq!(get(&server, [&target[..], b"n"].concat()).status, 404);
        // Longer than a path may be for a call.
        assert_eq!(get(&server, "/dir".repeat(1_500)).status, 404);
    }
}

//! Sockets that a server was given by whoever started it: they outlive it, and those who wait are
//! not lost.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use command_fds::{CommandFdExt, FdMapping};
use neap_tests::client::{Client, End};
use neap_tests::process::{PATIENCE, Program, Server};
use rustix::process::{Pid, Signal, kill_process};

const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// The first descriptor that is passed on, as systemd counts.
const FIRST: i32 = 3;

fn pass_on(command: &mut Command, sockets: Vec<OwnedFd>) {
    command.env("LISTEN_FDS", sockets.len().to_string());
    let mapping = |(parent_fd, child_fd)| FdMapping {
        parent_fd,
        child_fd,
    };
    let mappings = sockets.into_iter().zip(FIRST..).map(mapping).collect();
    command
        .fd_mappings(mappings)
        .expect("each descriptor is passed on once");
}

/// A server on this socket, which stays ours.
fn start(listener: &TcpListener) -> Server {
    let socket = listener.try_clone().expect("a socket can be cloned");
    let options = ["--inherit", "--report", "json"];
    let server = Server::start_with(Program::Echo, &options, |command| {
        pass_on(command, vec![socket.into()]);
    });
    let address = listener.local_addr().expect("it is bound");
    assert_eq!(server.address, address, "it has no other");
    server
}

#[test]
fn who_waits_when_it_ends_is_served_by_its_successor() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut server = start(&listener);
    let address = server.address;
    let mut idle = Client::connect(address);
    assert_eq!(idle.ask(HELLO).status, 200);
    server.freeze();
    let mut waiting: Vec<Client> = (0..20).map(|_| Client::with(address, HELLO)).collect();
    server.drain();
    server.thaw();
    assert_eq!(idle.end(), End::Eof);
    let exit = server.exit();
    assert!(exit.status.success(), "{exit:?}");
    for fact in [
        r#""ownership":"shared""#,
        r#""rung":null"#,
        r#""lost_in_queue":0"#,
    ] {
        assert!(exit.stderr.contains(fact), "{fact}: {exit:?}");
    }
    // Nobody serves now, and nobody is refused.
    waiting.extend((0..20).map(|_| Client::with(address, HELLO)));
    let mut successor = start(&listener);
    for client in &mut waiting {
        assert_eq!(client.response().status, 200);
    }
    successor.drain();
    assert!(successor.exit().status.success());
}

/// A folder for sockets, removed when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("neap-inherit-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder can be made");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_file_of_an_inherited_unix_socket_is_left_alone() {
    let folder = Folder::new("unix");
    let path = folder.0.join("socket");
    let unix = UnixListener::bind(&path).expect("a socket can be bound");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let sockets = vec![tcp.into(), unix.into()];
    let mut server = Server::start_with(Program::Echo, &["--inherit"], |command| {
        pass_on(command, sockets);
    });
    let mut client = UnixStream::connect(&path).expect("it listens");
    client.set_read_timeout(Some(PATIENCE)).expect("so long");
    client.write_all(HELLO.as_bytes()).expect("it takes this");
    let mut first = [0; 12];
    client.read_exact(&mut first).expect("it answers");
    assert_eq!(&first, b"HTTP/1.1 200");
    server.drain();
    assert!(server.exit().status.success());
    assert!(path.exists(), "its maker will want it");
}

/// Connects as soon as somebody listens.
fn connect(path: &PathBuf) -> UnixStream {
    let start = Instant::now();
    loop {
        match UnixStream::connect(path) {
            Ok(client) => return client,
            Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
        }
        std::thread::yield_now();
    }
}

#[test]
fn systemd_activates_it() {
    let folder = Folder::new("systemd");
    let path = folder.0.join("socket");
    let mut command = Command::new("systemd-socket-activate");
    command.arg("--listen").arg(&path);
    command
        .arg(Program::Echo.path())
        .args(["echo", "--inherit"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut server = match command.spawn() {
        Ok(server) => server,
        Err(error) if error.kind() == ErrorKind::NotFound && std::env::var_os("CI").is_none() => {
            println!("skipped: systemd-socket-activate is not installed");
            return;
        }
        Err(error) => panic!("systemd-socket-activate: {error}"),
    };
    let mut client = connect(&path);
    client.set_read_timeout(Some(PATIENCE)).expect("so long");
    client.write_all(HELLO.as_bytes()).expect("it takes this");
    let mut first = [0; 12];
    let read = client.read_exact(&mut first);
    // It has become the server by its answer.
    let signalled = kill_process(Pid::from_child(&server), Signal::TERM);
    let mut said = String::new();
    let stderr = server.stderr.as_mut().expect("it is piped");
    let _ = stderr.read_to_string(&mut said);
    let status = server.wait().expect("it is our child");
    assert!(read.is_ok() && signalled.is_ok(), "{read:?} {said}");
    assert_eq!(&first, b"HTTP/1.1 200");
    assert!(status.success(), "{status}: {said}");
    assert!(path.exists(), "systemd will want it");
}

//! The end of a listener.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, process};

use neap_tests::client::{Client, End};
use neap_tests::process::{PATIENCE, Program};
use rustix::process::Signal;

use crate::subject::{Exchange, HELLO, NO_DEADLINE, Subject, Verdict, all_answered, judge};

/// gunicorn closed its listeners on SIGTERM without a look at their queues (gunicorn#3397): clients
/// that had connected and sent their requests a moment before were reset at every restart.
#[test]
fn who_waits_in_the_backlog_is_answered() {
    judge(Program::Echo, "backlog-lost", "not answered", |subject| {
        let server = subject.start(&[]);
        server.freeze();
        let clients = subject.send_all(&server, 50, HELLO)?;
        server.signal(Signal::TERM);
        server.thaw();
        all_answered(clients)?;
        subject.exits_well(server)
    });
}

/// Envoy (envoy#8031) and puma (puma PR#1808) stopped accepting and left their sockets open while
/// they drained: the system went on completing handshakes, and clients waited for a server that was
/// there and never answered, until they were reset by its exit.
#[test]
fn a_socket_with_nobody_behind_it_is_closed() {
    judge(Program::Echo, "open-but-deaf", "ever accepted", |subject| {
        let server = subject.start(&NO_DEADLINE);
        let exchange = Exchange::begin(subject.connect(&server)?);
        server.signal(Signal::TERM);
        let waiting = loop {
            // Refused is what it should come to.
            let Ok(mut client) = Client::try_connect(server.address) else {
                break None;
            };
            client.set_patience(Duration::from_secs(1));
            client.try_send(HELLO);
            match client.try_response(false) {
                Ok(_) => {}
                Err(End::Silence) => break Some(client),
                Err(end) => return Err(format!("connected, then {end:?}")),
            }
        };
        exchange.complete()?;
        if let Some(mut client) = waiting {
            client.set_patience(PATIENCE);
            let late = client.try_response(false);
            late.map_err(|end| format!("connected, and nobody ever accepted: {end:?}"))?;
        }
        subject.exits_well(server)
    });
}

/// In Go's net/http a connection that was accepted while Shutdown ran stood in no list
/// (golang/go#33313): nobody waited for it, and the exit cut its response.
#[test]
fn who_is_accepted_late_is_waited_for() {
    judge(Program::Echo, "late-untracked", "not answered", |subject| {
        let server = subject.start(&NO_DEADLINE);
        server.freeze();
        let delayed = "GET /delay/2000 HTTP/1.1\r\nHost: a\r\n\r\n";
        let clients = subject.send_all(&server, 10, delayed)?;
        server.signal(Signal::TERM);
        server.thaw();
        all_answered(clients)?;
        subject.exits_well(server)
    });
}

/// A path for a socket, and whatever is there at the end removed.
struct SocketPath(PathBuf);

impl SocketPath {
    fn new() -> SocketPath {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("neap-failures-{}-{number}", process::id());
        SocketPath(env::temp_dir().join(name))
    }

    fn option(&self) -> String {
        format!("unix:{}", self.0.display())
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        // Mostly it is gone already.
        let _ = fs::remove_file(&self.0);
    }
}

/// Node removed its socket's file by name when it closed (node#19729): where a successor had
/// already put its own socket in that place, the old process deleted the new one's, and nobody
/// could connect until the next restart.
#[test]
fn a_successors_unix_socket_is_left_alone() {
    judge(
        Program::Echo,
        "successors-socket-deleted",
        "cannot be reached",
        |subject| {
            let (path, new) = (SocketPath::new(), SocketPath::new());
            let server = subject.start(&["--listen", &path.option()]);
            let successor = UnixListener::bind(new.path()).expect("there is room for a socket");
            fs::rename(new.path(), path.path()).expect("a socket can be renamed");
            server.signal(Signal::TERM);
            subject.exits_well(server)?;
            let reached = UnixStream::connect(path.path());
            drop(successor);
            let reached = reached.map(drop);
            reached.map_err(|error| format!("the successor cannot be reached: {error}"))
        },
    );
}

/// bjoern left its unix socket's file behind (bjoern#146): the next start failed with "address
/// already in use" until somebody removed it by hand.
#[test]
fn the_file_of_a_unix_socket_goes_with_it() {
    judge(
        Program::Echo,
        "socket-file-left",
        "still there",
        |subject| {
            let path = SocketPath::new();
            let server = subject.start(&["--listen", &path.option()]);
            assert!(path.path().exists(), "it listens there");
            server.signal(Signal::TERM);
            subject.exits_well(server)?;
            let is_gone = !path.path().exists();
            is_gone
                .then_some(())
                .ok_or_else(|| "the file is still there".into())
        },
    );
}

/// In actix-web dropping the server's future left its threads and its listener behind
/// (actix-web#3765): a test, or a program that started its server anew, found the port taken.
#[test]
fn a_dropped_server_leaves_its_port() {
    judge(Program::Embedded, "port-kept", "still taken", |subject| {
        let mut server = subject.start(&["--drop-on", "stdin"]);
        let mut client = subject.send(&server, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n")?;
        client.await_some();
        server.say("drop");
        let (_, end) = client.rest();
        if end == End::Silence {
            return Err("the connection outlives its server".into());
        }
        port_is_free(subject, server.address)
    });
}

/// The process is still there, and its port is not taken any more, or will not be soon.
fn port_is_free(subject: &Subject, address: std::net::SocketAddr) -> Verdict {
    let start = Instant::now();
    loop {
        match TcpListener::bind(address) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() != ErrorKind::AddrInUse => return Err(error.to_string()),
            Err(_) if start.elapsed() > subject.patience => {
                return Err("the port is still taken".into());
            }
            Err(_) => std::thread::yield_now(),
        }
    }
}

//! The command as systemd's service, with this test in systemd's place.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use neap_tests::client::Client;
use neap_tests::process::{PATIENCE, Program, Server};

/// A service manager: the socket that it listens on.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn new() -> Manager {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("neap-notify-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let socket = UnixDatagram::bind(&path).expect("a socket can be bound");
        let patience = socket.set_read_timeout(Some(PATIENCE));
        patience.expect("a socket can be told how long to wait");
        Manager { socket, path }
    }

    /// Starts the service, with more of systemd's variables.
    fn start(&self, options: &[&str], variables: &[(&str, &str)]) -> Server {
        Server::start_with(Program::Echo, options, |command| {
            command.env("NOTIFY_SOCKET", &self.path);
            command.envs(variables.iter().copied());
        })
    }

    /// The next message, line by line.
    fn message(&self) -> Vec<String> {
        let mut bytes = [0; 4096];
        let len = self.socket.recv(&mut bytes).expect("a message");
        let text = String::from_utf8_lossy(&bytes[..len]).into_owned();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits for a message with this line; gives everything that was said until then.
    fn await_line(&self, line: &str) -> Vec<String> {
        let start = Instant::now();
        let mut all = Vec::new();
        while !all.iter().any(|said| said == line) {
            assert!(start.elapsed() < PATIENCE, "{line} is not said: {all:?}");
            all.extend(self.message());
        }
        all
    }

    /// Everything that is said until the service ends.
    fn rest(&self, server: Server) -> Vec<String> {
        let exit = server.exit();
        assert!(exit.status.success(), "{exit:?}");
        let unblocked = self.socket.set_nonblocking(true);
        unblocked.expect("a socket can be told not to wait");
        let mut all = Vec::new();
        let mut bytes = [0; 4096];
        while let Ok(len) = self.socket.recv(&mut bytes) {
            all.extend(
                String::from_utf8_lossy(&bytes[..len])
                    .lines()
                    .map(str::to_owned),
            );
        }
        all
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A client whose exchange holds the drain until it says so.
fn holder(server: &Server) -> Client {
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
    let mut client = Client::with(server.address, head.to_owned() + "a");
    client.await_ending(b"\r\n\r\na");
    client
}

fn release(mut holder: Client) {
    holder.send("b");
    assert_eq!(holder.response().content, b"ab");
}

#[test]
fn it_is_ready_when_it_serves_and_stops_from_the_signal_on() {
    let manager = Manager::new();
    let mut server = manager.start(&[], &[]);
    let said = manager.message();
    assert_eq!(said, ["READY=1", "STATUS=running: 0 held, 0 open"]);
    let holder = holder(&server);
    server.drain();
    let said = manager.await_line("STATUS=draining: 1 held, 1 open");
    assert!(said.contains(&"STOPPING=1".to_owned()), "{said:?}");
    assert!(
        !said.iter().any(|line| line.starts_with("EXTEND")),
        "{said:?}"
    );
    release(holder);
    let rest = manager.rest(server);
    assert!(
        !rest.contains(&"STOPPING=1".to_owned()),
        "said once: {rest:?}"
    );
}

#[test]
fn a_server_that_stops_at_once_has_said_so() {
    let manager = Manager::new();
    let mut server = manager.start(&[], &[]);
    server.drain();
    let said = manager.rest(server);
    let stops: Vec<_> = said.iter().filter(|line| *line == "STOPPING=1").collect();
    assert_eq!(stops.len(), 1, "{said:?}");
}

#[test]
fn its_watchdog_hears_of_it_through_the_drain() {
    let manager = Manager::new();
    let mut server = manager.start(&[], &[("WATCHDOG_USEC", "100000")]);
    for _ in 0..3 {
        manager.await_line("WATCHDOG=1");
    }
    let holder = holder(&server);
    server.drain();
    manager.await_line("STOPPING=1");
    for _ in 0..3 {
        manager.await_line("WATCHDOG=1");
    }
    release(holder);
    manager.rest(server);
}

#[test]
fn a_watchdog_of_another_process_hears_nothing() {
    let manager = Manager::new();
    let variables = [("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")];
    let mut server = manager.start(&[], &variables);
    let mut said = manager.await_line("READY=1");
    let holder = holder(&server);
    server.drain();
    said.extend(manager.await_line("STOPPING=1"));
    release(holder);
    said.extend(manager.rest(server));
    assert!(!said.contains(&"WATCHDOG=1".to_owned()), "{said:?}");
}

#[test]
fn more_time_to_stop_is_asked_for_if_it_should_be() {
    let manager = Manager::new();
    let mut server = manager.start(&["--extend-timeout"], &[]);
    let said = manager.await_line("READY=1");
    assert!(
        !said.iter().any(|line| line.starts_with("EXTEND")),
        "{said:?}"
    );
    let holder = holder(&server);
    server.drain();
    manager.await_line("EXTEND_TIMEOUT_USEC=15000000");
    release(holder);
    manager.rest(server);
}

#[test]
fn a_manager_that_is_gone_holds_nothing_up() {
    let manager = Manager::new();
    std::fs::remove_file(&manager.path).expect("its file is there");
    let mut server = manager.start(&[], &[]);
    let hello = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(Client::connect(server.address).ask(hello).status, 200);
    server.drain();
    let exit = server.exit();
    assert!(exit.status.success(), "{exit:?}");
    let complaint = "cannot tell the service manager";
    assert_eq!(exit.stderr.matches(complaint).count(), 1, "{exit:?}");
}

//! A server while it runs and when it ends: its lines, its exit status, its patience.

use std::io::{Read, Write};

use rustix::process::Signal;

use crate::{Server, get, neap};

#[test]
fn a_signal_ends_it_with_its_report_and_status_0() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let server = Server::start(&mut neap(&["echo", "-p", "0"]));
        assert!(get(&server, "/").ends_with("\r\n\r\nHello, World!"));
        let port = server.port;
        server.signal(signal);
        let (status, said) = server.end();
        assert_eq!(status, Some(0), "{said}");
        assert!(said.contains("\"GET / HTTP/1.1\" 200 13\n"), "{said}");
        let received = format!("neap: received {name}\nneap: draining: ");
        assert!(said.contains(&received), "{said}");
        assert!(said.contains(" open, at most 30 s\n"), "{said}");
        let closed = format!("neap: stopped listening on 127.0.0.1:{port} (seal: ");
        assert!(said.contains(&closed), "{said}");
        let report = said.lines().last().unwrap();
        assert!(
            report.starts_with("neap: stopped by signal after "),
            "{said}"
        );
        let listener = format!("; none lost; 127.0.0.1:{port} sealed (");
        assert!(report.contains(&listener), "{said}");
    }
}

#[test]
fn a_log_that_is_off_leaves_the_report() {
    let server = Server::start(&mut neap(&["echo", "-p", "0", "--log", "off"]));
    get(&server, "/");
    server.signal(Signal::TERM);
    let (_, said) = server.end();
    assert_eq!(said.lines().count(), 1, "{said}");
}

/// A pipe that nobody reads holds 64 KiB. Writing to it would block, and with it the server.
#[test]
fn a_log_that_nobody_reads_holds_neither_a_request_nor_the_end() {
    const REQUESTS: usize = 2_000;
    let mut server = Server::start(&mut neap(&["echo", "-p", "0", "--log", "combined"]));
    for _ in 0..REQUESTS {
        assert!(get(&server, "/").ends_with("Hello, World!"));
    }
    server.signal(Signal::TERM);
    assert_eq!(server.process.0.wait().unwrap().code(), Some(0));
}

/// How many threads serve, by their names: `neap-1` and so on, or `neap` where there is one.
fn threads_of(server: &Server) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.process.0.id())).unwrap();
    let comms = tasks.map(|task| task.unwrap().path().join("comm"));
    let names = comms.filter_map(|comm| std::fs::read_to_string(comm).ok());
    let digits = |name: &String| {
        let number = name.trim_end().strip_prefix("neap-")?;
        number.parse::<usize>().ok()
    };
    names.filter(|name| digits(name).is_some()).count()
}

#[cfg(target_os = "linux")]
#[test]
fn it_serves_on_as_many_threads_as_it_is_told_and_as_there_are_cores_unless_it_is() {
    let cores = std::thread::available_parallelism().unwrap().get();
    let default = if cores == 1 { 0 } else { cores };
    let flags = ["--threads", "3"];
    for (flags, threads) in [(&flags[..], 3), (&["--threads", "1"], 0), (&[], default)] {
        let words = [&["echo", "-p", "0"], flags].concat();
        let server = Server::start(&mut neap(&words));
        // The last of them has started when it answers.
        let mut client = server.connect();
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        client.read_exact(&mut [0; 15]).unwrap();
        assert_eq!(threads_of(&server), threads, "{flags:?}");
        drop(client);
        server.signal(Signal::TERM);
        assert_eq!(server.end().0, Some(0));
    }
}

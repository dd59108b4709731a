//! Many at once, and much at once: thousands of connections, a file larger than memory should be,
//! a client that does not read.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};

use neap_tests::client::Client;
use neap_tests::process::{PATIENCE, Program, Server};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// The process has room for the connections of one test at a time.
static ROOM: Mutex<()> = Mutex::new(());

/// Opens so many connections, or as many as the limit of open files lets this process have.
fn connect(server: &Server, connections: usize) -> Vec<TcpStream> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let most = limit
        .maximum
        .map_or(connections, |most| usize::try_from(most).unwrap() - 200);
    if most < connections {
        eprintln!("skipped in part: {most} open files instead of {connections}");
    }
    let connect = |_| {
        let stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    (0..connections.min(most)).map(connect).collect()
}

fn read_until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    let mut piece = [0; 1024];
    while !all.ends_with(end) {
        let len = stream.read(&mut piece).unwrap();
        assert_ne!(len, 0, "{:?}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&piece[..len]);
    }
    all
}

/// The most memory that the process has had, in KiB.
fn peak_memory(server: &Server) -> u64 {
    let pid = server.pid().as_raw_nonzero();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.unwrap().trim().trim_end_matches(" kB");
    peak.parse().unwrap()
}

#[test]
fn ten_thousand_exchanges_at_once_are_all_completed_by_the_drain() {
    let _room = ROOM.lock().unwrap_or_else(PoisonError::into_inner);
    let mut server = Server::start(Program::Echo, &["--log", "off", "--deadline", "60s"]);
    let mut streams = connect(&server, 10_000);
    let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na";
    for stream in &mut streams {
        stream.write_all(head).unwrap();
    }
    for stream in &mut streams {
        read_until(stream, b"\r\n\r\na");
    }
    server.drain();
    for stream in &mut streams {
        stream.write_all(b"b").unwrap();
    }
    for stream in &mut streams {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"b");
    }
    let exit = server.exit();
    assert!(exit.status.success(), "{exit:?}");
}

#[test]
fn fifteen_thousand_idle_connections_are_kept_and_drained() {
    let _room = ROOM.lock().unwrap_or_else(PoisonError::into_inner);
    let mut server = Server::start(Program::Echo, &["--log", "off"]);
    let before = peak_memory(&server);
    let mut streams = connect(&server, 15_000);
    for stream in &mut streams {
        stream.write_all(HELLO.as_bytes()).unwrap();
        read_until(stream, b"Hello, World!");
    }
    let each = (peak_memory(&server) - before) * 1024 / streams.len() as u64;
    println!("{each} bytes resident for each idle connection");
    server.drain();
    for stream in &mut streams {
        assert_eq!(
            stream.read(&mut [0; 1]).unwrap(),
            0,
            "a FIN, and nothing else"
        );
    }
    let exit = server.exit();
    assert!(exit.status.success(), "{exit:?}");
}

/// A file of 4 GiB, of which the server never holds more than a few MiB. All of it is fetched with
/// `NEAP_SOAK` set, otherwise an eighth of it, the end.
#[test]
fn a_file_of_four_gibibytes_is_sent_in_constant_memory() {
    const LEN: u64 = 4 << 30;
    let fetched = if std::env::var_os("NEAP_SOAK").is_some() {
        LEN
    } else {
        LEN / 8
    };
    let folder = tempfile::tempdir().unwrap();
    let file = File::create(folder.path().join("large")).unwrap();
    // It has holes, so that it takes no room.
    file.set_len(LEN).unwrap();
    let path = folder.path().to_str().unwrap();
    let mut server = Server::start(Program::Serve, &[path, "--log", "off"]);
    let before = peak_memory(&server);
    let mut stream = connect(&server, 1).remove(0);
    let request = "GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    let range = format!("Range: bytes=-{fetched}\r\n\r\n");
    stream
        .write_all((request.to_owned() + &range).as_bytes())
        .unwrap();
    let mut piece = vec![0; 1 << 20];
    let mut received = 0;
    loop {
        match stream.read(&mut piece).unwrap() {
            0 => break,
            len => received += len as u64,
        }
    }
    let head = received.checked_sub(fetched).expect("all of it");
    assert!(head < 1024, "a head of {head} bytes");
    let grown = peak_memory(&server) - before;
    assert!(grown < 16 * 1024, "{grown} KiB");
    server.drain();
    assert!(server.exit().status.success());
}

/// Three clients take a page of some 27 MB each, and one of them does not even read. The server has
/// the names and a piece of each page, never a page.
#[test]
fn a_directory_of_a_hundred_thousand_files_is_listed_in_little_memory() {
    const FILES: usize = 100_000;
    // In memory where that can be: the disk is not what is tested.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let folder = folder.unwrap();
    for number in 0..FILES {
        let name = format!("a file whose name has forty bytes {number}.txt");
        File::create(folder.path().join(name)).unwrap();
    }
    let path = folder.path().to_str().unwrap();
    let mut server = Server::start(Program::Serve, &[path, "--log", "off"]);
    let before = peak_memory(&server);
    let mut clients = connect(&server, 3);
    for client in &mut clients {
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        client.write_all(request).unwrap();
        client.read_exact(&mut [0; 15]).unwrap();
    }
    let mut pages = 0;
    for client in &mut clients[1..] {
        let mut page = Vec::new();
        client.read_to_end(&mut page).unwrap();
        // The line of an entry may be cut by the frame of a chunk, but not each.
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains("<p>100,000 files, ") && page.ends_with("</html>\n\r\n0\r\n\r\n"));
        assert!(page.matches("</tr>\n").count() > FILES * 99 / 100);
        pages += page.len() as u64;
    }
    let grown = peak_memory(&server) - before;
    println!(
        "{grown} KiB for 3 listings, of which 2 have {} KiB",
        pages / 1024
    );
    assert!(grown * 1024 < pages / 2, "{grown} KiB");
    drop(clients);
    server.drain();
    assert!(server.exit().status.success());
}

/// Thousands of idle connections are asked about in one go. Those whose clients have not taken
/// their responses yet are lingered for all the same: what these send now destroys nothing.
#[test]
fn among_thousands_that_are_closed_who_still_has_to_read_is_lingered_for() {
    const CONTENT: usize = 400_000;
    let _room = ROOM.lock().unwrap_or_else(PoisonError::into_inner);
    let mut server = Server::start(Program::Echo, &["--log", "off"]);
    // They are asked about, and end, in the order of their coming.
    let mut idle = connect(&server, 3_000);
    let mut slow = connect(&server, 5);
    let mut last = connect(&server, 1);
    for stream in idle.iter_mut().chain(&mut last) {
        stream.write_all(HELLO.as_bytes()).unwrap();
        read_until(stream, b"Hello, World!");
    }
    for stream in &mut slow {
        let request = format!("GET /bytes/{CONTENT} HTTP/1.1\r\nHost: a\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream.read_exact(&mut [0; 15]).unwrap();
    }
    server.drain();
    assert_eq!(last[0].read(&mut [0; 1]).unwrap(), 0);
    for stream in &mut slow {
        stream.write_all(b"G").unwrap();
    }
    for stream in &mut slow {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert!(rest.len() > CONTENT, "{} bytes", rest.len());
    }
    for stream in &mut idle {
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    }
    assert!(server.exit().status.success());
}

#[test]
fn a_client_that_does_not_read_delays_nobody() {
    let mut server = Server::start(Program::Echo, &["--log", "off"]);
    let request = "GET /bytes/1000000000 HTTP/1.1\r\nHost: a\r\n\r\n";
    let slow: Vec<Client> = (0..50)
        .map(|_| {
            let mut client = Client::with(server.address, request);
            client.await_some();
            client
        })
        .collect();
    // Each of these would wait for one of those if anything waited for it.
    for _ in 0..200 {
        let mut client = Client::connect(server.address);
        assert_eq!(client.ask(HELLO).status, 200);
    }
    slow.into_iter().for_each(Client::reset);
    server.drain();
    assert!(server.exit().status.success());
}

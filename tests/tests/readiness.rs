//! What health checks are told, from the first moment of a lame duck on.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use neap_tests::client::Client;
use neap_tests::process::{PATIENCE, Program, Server};
use rustix::process::Signal;

const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn admin_path(name: &str) -> PathBuf {
    let name = format!("neap-{name}-{}", std::process::id());
    std::env::temp_dir().join(name)
}

/// The status that the admin listener answers with.
fn status(admin: &Path, target: &str) -> String {
    let mut client = UnixStream::connect(admin).expect("the admin listener is there");
    let patient = client.set_read_timeout(Some(PATIENCE));
    patient.expect("a socket has a read timeout");
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).expect("it reads");
    let mut response = String::new();
    client.read_to_string(&mut response).expect("it answers");
    response.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn a_lame_duck_is_not_ready_from_its_first_moment_and_serves_all_who_come() {
    let admin = admin_path("readiness");
    let options = [
        "--deadline",
        "600s",
        "--lame-duck",
        "599s",
        "--debounce",
        "0s",
    ];
    let listen = format!("unix:{}", admin.display());
    let server = Server::start(
        Program::Echo,
        &[&options[..], &["--admin", &listen]].concat(),
    );
    assert_eq!(status(&admin, "/readyz"), "200");
    assert!(!Client::connect(server.address).ask(HELLO).says_close());
    server.signal(Signal::TERM);
    // Whoever has been told to leave has been told after that moment.
    while !Client::connect(server.address).ask(HELLO).says_close() {}
    for _ in 0..20 {
        assert_eq!(status(&admin, "/readyz"), "503");
        assert_eq!(status(&admin, "/livez"), "200");
        assert_eq!(status(&admin, "/metrics"), "200");
        let mut client = Client::connect(server.address);
        let response = client.ask(HELLO);
        assert!(
            response.status == 200 && response.says_close(),
            "{response:?}"
        );
    }
    server.signal(Signal::TERM);
    let exit = server.exit();
    assert!(exit.status.success(), "{exit:?}");
    assert!(!admin.exists(), "its file goes with it");
}

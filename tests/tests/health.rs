//! Health checks on the main addresses, where somebody asked for them.

use std::fs;

use neap_tests::client::Client;
use neap_tests::process::{Program, Server};

const LIVEZ: &str = "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
const READYZ: &str = "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n";

fn status(server: &Server, request: &str) -> u16 {
    Client::connect(server.address).ask(request).status
}

/// Through the drain: the server goes on accepting for as long as this exchange takes.
fn drains_in_sight(mut server: Server, draining_status: u16) {
    assert_eq!(
        (status(&server, LIVEZ), status(&server, READYZ)),
        (200, 200)
    );
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
    let mut holder = Client::with(server.address, head.to_owned() + "a");
    holder.await_ending(b"\r\n\r\na");
    server.drain();
    // Ready until the signal has come.
    while status(&server, READYZ) == 200 {}
    assert_eq!(status(&server, READYZ), draining_status);
    assert_eq!(
        status(&server, LIVEZ),
        200,
        "draining is no reason to be killed"
    );
    holder.send("b");
    assert_eq!(holder.response().content, b"ab");
    assert!(server.exit().status.success());
}

#[test]
fn the_server_is_alive_through_the_drain_and_ready_until_it_begins() {
    let options = ["--health", "--keep-accepting"];
    drains_in_sight(Server::start(Program::Echo, &options), 503);
}

/// `http-check disable-on-404` takes 404 for a server that drains, and 503 for one that is down.
#[test]
fn the_status_while_draining_is_haproxys_if_it_should_be() {
    let options = ["--health", "--keep-accepting", "--draining-status", "404"];
    drains_in_sight(Server::start(Program::Echo, &options), 404);
}

#[test]
fn unless_they_are_asked_for_the_paths_are_anybodys() {
    let mut server = Server::start(Program::Echo, &[]);
    assert_eq!(
        (status(&server, LIVEZ), status(&server, READYZ)),
        (404, 404)
    );
    server.drain();
    assert!(server.exit().status.success());
}

#[test]
fn a_file_server_answers_them_before_its_files() {
    let folder = std::env::temp_dir().join(format!("neap-health-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder can be made");
    fs::write(folder.join("livez"), "a file").expect("a file can be written");
    let folder_text = folder.to_str().expect("its name is ours");
    for (options, content) in [(&["--health"][..], "alive\n"), (&[], "a file")] {
        let words = [&[folder_text], options].concat();
        let mut server = Server::start(Program::Serve, &words);
        let response = Client::connect(server.address).ask(LIVEZ);
        assert_eq!(String::from_utf8_lossy(&response.content), content);
        server.drain();
        assert!(server.exit().status.success());
    }
    fs::remove_dir_all(&folder).expect("a folder can be removed");
}

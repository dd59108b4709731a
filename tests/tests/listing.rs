//! What a directory without an index looks like: to a program, and to a browser, which is headless
//! Chromium; without it that test says `skipped`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use neap_tests::client::{Client, Framing, Response};
use neap_tests::process::{Program, Server};
use serde_json::Value;
use tempfile::TempDir;

/// A server of a directory that holds files with these names, each of which contains its own.
fn serve(names: &[&[u8]], options: &[&str]) -> (TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let listed = folder.path().join("listed");
    fs::create_dir(&listed).unwrap();
    for name in names {
        fs::write(listed.join(OsStr::from_bytes(name)), name).unwrap();
    }
    let path = folder.path().to_str().unwrap();
    let server = Server::start(Program::Serve, &[&[path], options].concat());
    (folder, server)
}

fn ask(server: &Server, method: &str, target: &str, fields: &str) -> Response {
    let request = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    Client::connect(server.address).ask(request)
}

fn json(response: &Response) -> Value {
    assert_eq!(response.field("content-type"), Some("application/json"));
    serde_json::from_slice(&response.content).unwrap()
}

#[test]
fn a_program_gets_json_and_a_person_a_page() {
    let (_folder, server) = serve(&[b"b10", b"b9", b"a b\xff"], &[]);
    let page = ask(
        &server,
        "GET",
        "/listed/",
        "Accept: text/html,*/*;q=0.8\r\n",
    );
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    for (target, fields) in [
        ("/listed/", "Accept: application/json\r\n"),
        ("/listed/?format=json", "Accept: text/html\r\n"),
    ] {
        let response = ask(&server, "GET", target, fields);
        let json = json(&response);
        assert_eq!(json["path"], "/listed/");
        assert_eq!(json["truncated"], false);
        let entries = json["entries"].as_array().unwrap();
        let names = entries.iter().map(|entry| &entry["name"]);
        assert_eq!(names.collect::<Vec<_>>(), ["a b\u{fffd}", "b9", "b10"]);
        assert_eq!(entries[0]["href"], "./a%20b%FF");
        assert_eq!(
            (&entries[0]["type"], &entries[0]["size"]),
            (&"file".into(), &4.into())
        );
        // What is kept for one is not for the other.
        assert_eq!(response.field("vary"), Some("Accept"));
    }
    let response = ask(&server, "GET", "/?format=json", "");
    let entry = &json(&response)["entries"][0];
    assert_eq!(
        (&entry["type"], &entry["href"]),
        (&"directory".into(), &"./listed/".into())
    );
    assert_eq!(entry.get("size"), None);
}

/// Of a short listing the length is known, of a long one it is not: it is made while it is sent.
#[test]
fn head_has_the_fields_of_get_however_long_the_listing_is() {
    let names = (0..1_000).map(|number| format!("file {number}").into_bytes());
    let names = names.collect::<Vec<_>>();
    let names = names.iter().map(Vec::as_slice).collect::<Vec<_>>();
    for (names, is_long) in [(&names[..3], false), (&names, true)] {
        let (_folder, server) = serve(names, &[]);
        for target in ["/listed/", "/listed/?format=json&sort=size"] {
            let [mut get, mut head] =
                ["GET", "HEAD"].map(|method| ask(&server, method, target, ""));
            assert_eq!(
                matches!(get.framing, Framing::Chunks(_)),
                is_long,
                "{get:?}"
            );
            for response in [&mut get, &mut head] {
                response.fields.retain(|(name, _)| name != "date");
            }
            assert_eq!((get.status, get.fields), (head.status, head.fields));
        }
    }
}

#[test]
fn a_listing_that_has_not_changed_is_not_sent_again() {
    let (folder, server) = serve(&[b"a"], &[]);
    let tag = |target: &str| {
        let response = ask(&server, "GET", target, "");
        assert_eq!(response.field("cache-control"), Some("no-cache"));
        response.field("etag").unwrap().to_owned()
    };
    let [html, json] = ["/listed/", "/listed/?format=json"].map(tag);
    assert_ne!(html, json);
    let condition = format!("If-None-Match: {html}\r\n");
    let response = ask(&server, "GET", "/listed/", &condition);
    assert_eq!(response.status, 304);
    assert_eq!(response.field("etag"), Some(&*html));
    assert_eq!(response.field("vary"), Some("Accept"));
    let response = ask(&server, "GET", "/listed/?format=json", &condition);
    assert_eq!(response.status, 200);
    // This does not change the directory, but what it shows.
    fs::write(folder.path().join("listed/a"), "longer").unwrap();
    assert_eq!(ask(&server, "GET", "/listed/", &condition).status, 200);
}

#[test]
fn a_directory_is_not_found_where_listings_are_off_unless_it_has_an_index() {
    let (folder, server) = serve(&[b"a"], &["--listing", "off"]);
    for target in ["/", "/listed/", "/listed/?format=json"] {
        assert_eq!(ask(&server, "GET", target, "").status, 404, "{target}");
    }
    assert_eq!(ask(&server, "GET", "/listed/a", "").content, b"a");
    fs::write(folder.path().join("listed/index.html"), "index").unwrap();
    assert_eq!(ask(&server, "GET", "/listed/", "").content, b"index");
}

/// What the page in the frame looks like, told by the page around it, which is of the same origin.
const PROBE: &str = r#"<!doctype html><meta charset="utf-8"><pre></pre>
<iframe width="WIDTH" height="800" src="/listed/" onload="
    const page = this.contentDocument, root = page.documentElement;
    const links = [...page.querySelectorAll('td a')].map(link => link.href);
    const fetched = links.slice(1).map(link => {
        const request = new XMLHttpRequest();
        request.open('GET', link, false);
        request.overrideMimeType('text/plain; charset=x-user-defined');
        request.send();
        return [...request.responseText].map(char => char.charCodeAt(0) & 255);
    });
    document.querySelector('pre').textContent = JSON.stringify({
        title: page.title, ran: 'ran' in this.contentWindow,
        scripts: page.querySelectorAll('script, img, [onerror]').length,
        width: root.clientWidth, needed: root.scrollWidth,
        style: getComputedStyle(page.querySelector('table')).borderSpacing, fetched,
    });"></iframe>"#;

/// Lets the browser load a page, and reads what is in its `pre` then.
fn probe(chromium: &Path, server: &Server, target: &str) -> Value {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new(chromium);
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
        ])
        .args(["--no-first-run", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-sync", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://{}{target}", server.address))
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let dumped = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let told = dumped
        .split_once("<pre>")
        .and_then(|(_, rest)| rest.split_once("</pre>"));
    let (told, _) = told.unwrap_or_else(|| panic!("{dumped}"));
    serde_json::from_str(told).unwrap_or_else(|error| panic!("{error}: {dumped}"))
}

#[test]
fn a_browser_shows_any_name_on_a_phone_runs_none_and_follows_each_link_to_its_file() {
    let chromium = Path::new("/usr/bin/chromium");
    if !chromium.exists() {
        eprintln!("skipped: there is no {}", chromium.display());
        return;
    }
    let long = "a_name_without_a_place_to_break_the_line".repeat(6);
    let names: [&[u8]; 12] = [
        b"<script>ran=1<\\script>",
        b"<img src=x onerror=ran=1>",
        b"\"><img src=x onerror=ran=1>",
        b"'onfocus='ran=1'autofocus='",
        b"javascript:ran=1",
        b"latin1-\xe9\xff",
        b"a?b#c%41&amp;\\ \n",
        b"  two  spaces  ",
        "\u{202e}gpj.exe".as_bytes(),
        "שלום עולם 2026.txt".as_bytes(),
        "🎉.txt".as_bytes(),
        long.as_bytes(),
    ];
    let (folder, server) = serve(&names, &[]);
    for width in ["390", "1200"] {
        let target = format!("probe{width}.html");
        fs::write(folder.path().join(&target), PROBE.replace("WIDTH", width)).unwrap();
        let told = probe(chromium, &server, &format!("/{target}"));
        assert_eq!(told["title"], "Index of /listed/");
        assert_eq!(
            (&told["ran"], &told["scripts"]),
            (&false.into(), &0.into()),
            "{told}"
        );
        // The policy lets the style sheet in.
        assert_eq!(told["style"], "0px");
        assert!(told["needed"].as_u64() <= told["width"].as_u64(), "{told}");
        let fetched: Vec<Vec<u8>> = serde_json::from_value(told["fetched"].clone()).unwrap();
        let mut fetched = fetched.iter().map(Vec::as_slice).collect::<Vec<_>>();
        fetched.sort_unstable();
        let mut expected = names;
        expected.sort_unstable();
        assert_eq!(fetched, expected);
    }
}

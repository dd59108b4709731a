//! The metrics on the admin listener, from the server's start to its end.

#![cfg(feature = "metrics")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests need more of it")]
mod common;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::time::Duration;

use futures_lite::future::{block_on, pending};
use http::{Request, StatusCode};
use neap_smol::{Address, Body, Config, Progress, Server};

use common::{GET, Running, read_all};

async fn app(request: Request<Body>) -> StatusCode {
    match request.uri().path() {
        "/" => StatusCode::NO_CONTENT,
        "/missing" => StatusCode::NOT_FOUND,
        _ => pending().await,
    }
}

/// A server with an admin listener, and where that is.
fn start(config: Config) -> (Running, SocketAddr) {
    let (send, admin) = channel();
    let configure = move |server: Server| {
        let server = server.admin(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let Address::Tcp(address) = server.admin_addresses()[0] else {
            panic!("it is TCP");
        };
        send.send(address).unwrap();
        server.config(config)
    };
    let running = Running::start_with(configure, |server| server.run(app).unwrap());
    (running, admin.recv().unwrap())
}

fn scrape(admin: SocketAddr) -> String {
    let mut client = TcpStream::connect(admin).unwrap();
    client.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    read_all(&mut client)
}

fn has(metrics: &str, line: &str) {
    assert!(metrics.lines().any(|it| it == line), "{line} in {metrics}");
}

#[test]
fn requests_are_timed_by_method_and_status() {
    let (running, admin) = start(Config::default());
    running.exchange(&GET.repeat(3));
    running.exchange(&GET.replace("GET / ", "BREW /missing "));
    // A client may have its response before its connection has ended on a thread of its own.
    let mut metrics = scrape(admin);
    while !metrics.contains("\nneap_connections_ended_total{outcome=\"completed\"} 2\n") {
        metrics = scrape(admin);
    }
    assert!(
        metrics.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{metrics}"
    );
    let labels = "http_request_method=\"GET\",http_response_status_code=\"204\"";
    let name = "http_server_request_duration_seconds";
    has(&metrics, &format!("# TYPE {name} histogram"));
    has(&metrics, &format!("{name}_count{{{labels}}} 3"));
    has(
        &metrics,
        &format!("{name}_bucket{{{labels},le=\"+Inf\"}} 3"),
    );
    let labels = "http_request_method=\"_OTHER\",http_response_status_code=\"404\"";
    has(&metrics, &format!("{name}_count{{{labels}}} 1"));
    has(&metrics, "neap_connections_accepted_total 2");
    has(
        &metrics,
        "neap_connections_ended_total{outcome=\"completed\"} 2",
    );
    has(&metrics, "neap_requests_ended_total{fate=\"completed\"} 4");
    has(&metrics, "neap_drain_phase 0");
    drop(running);
}

/// Each line is one that Prometheus reads, and each name is told about once, before its values.
#[test]
fn the_text_is_well_formed() {
    let (running, admin) = start(Config::default());
    running.exchange(GET);
    let response = scrape(admin);
    let metrics = response.split_once("\r\n\r\n").unwrap().1;
    let mut known = Vec::new();
    for line in metrics.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let name = help.split(' ').next().unwrap();
            assert!(!known.contains(&name), "{name} twice");
            known.push(name);
        } else if !line.starts_with("# TYPE ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let name = series.split('{').next().unwrap();
            assert!(name.starts_with(known.last().unwrap()), "{line}");
        }
    }
    assert!(known.len() >= 7, "{known:?}");
}

#[test]
fn the_drain_is_told_of_until_its_end() {
    let mut config = Config::default();
    config.drain.deadline = Duration::from_millis(500);
    let (running, admin) = start(config);
    let mut waiting = running.connect();
    waiting
        .write_all(GET.replace("GET / ", "GET /wait ").as_bytes())
        .unwrap();
    while running.handle.census().busy == 0 {
        std::thread::yield_now();
    }
    has(&scrape(admin), "neap_connections{state=\"busy\"} 1");
    running.handle.drain();
    block_on(running.handle.reached(Progress::Sealing));
    has(&scrape(admin), "neap_drain_phase 1");
    assert!(read_all(&mut waiting).starts_with("HTTP/1.1 503 "));
    assert_eq!(running.drain().lost, 1);
}

#[test]
fn whom_the_shutdown_cut_off_is_counted_by_its_reason() {
    let mut config = Config::default();
    config.drain.deadline = Duration::from_millis(1);
    let (running, _admin) = start(config);
    let handle = running.handle.clone();
    let mut waiting = running.connect();
    waiting
        .write_all(GET.replace("GET / ", "GET /wait ").as_bytes())
        .unwrap();
    while handle.census().busy == 0 {
        std::thread::yield_now();
    }
    running.drain();
    let metrics = handle.metrics();
    has(&metrics, "neap_drain_aborted_total{reason=\"deadline\"} 1");
    has(&metrics, "neap_drain_aborted_total{reason=\"signal\"} 0");
    has(&metrics, "neap_drain_phase 3");
    let labels = "http_request_method=\"GET\",http_response_status_code=\"none\"";
    let name = "http_server_request_duration_seconds";
    has(&metrics, &format!("{name}_count{{{labels}}} 1"));
}

#[test]
fn requests_are_not_timed_where_nobody_asks() {
    let running = Running::start(|server| server.run(app).unwrap());
    running.exchange(GET);
    let metrics = running.handle.metrics();
    assert!(!metrics.contains("_bucket"), "{metrics}");
    let running = Running::start_with(
        |server| server.metrics(true),
        |server| server.run(app).unwrap(),
    );
    running.exchange(GET);
    assert!(running.handle.metrics().contains("_bucket"));
}

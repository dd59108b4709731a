//! What the core's work costs in instructions, which no neighbour on the machine can change.
//!
//! ```text
//! cargo install gungraun-runner --version 0.20.0 --locked
//! cargo bench --manifest-path bench/instructions/Cargo.toml
//! ```
//!
//! Each benchmark has a hard limit, a tenth above what was counted when it was set: beyond it the
//! run fails. Another compiler or another processor may count a little differently.

use std::hint::black_box;

use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use neap_core::{
    BodyLength, Config, Connection, HttpDate, Item, Lifecycle, Phase, Spans, Status, Tick, Time,
};

const SMALL: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

const BROWSER: &[u8] = b"GET /articles/2026/tide-tables?page=2&order=asc HTTP/1.1\r\n\
    Host: www.example.org\r\n\
    Connection: keep-alive\r\n\
    sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"\r\n\
    sec-ch-ua-mobile: ?0\r\n\
    sec-ch-ua-platform: \"Linux\"\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/140.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,\
    */*;q=0.8\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\
    \r\n";

const DATE: HttpDate = HttpDate::from_unix_seconds(784_111_777);

/// So many pieces of content, of such a size.
const CHUNKS: usize = 16;
const CHUNK: usize = 4096;

fn limit(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, instructions)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

/// A connection that has answered a request before, and what its driver has at hand.
struct Warm {
    config: Config,
    connection: Connection,
    spans: Spans,
    output: Vec<u8>,
}

fn tick(config: &Config) -> Tick<'_> {
    Lifecycle::new().tick(Time::from_nanos(1), config)
}

fn warm() -> Box<Warm> {
    let config = Config::default();
    let mut warm = Warm {
        connection: Connection::new(tick(&config)),
        config,
        spans: Spans::new(),
        output: Vec::with_capacity(4096),
    };
    exchange_once(&mut warm, SMALL);
    Box::new(warm)
}

fn with(request: &'static [u8]) -> (Box<Warm>, &'static [u8]) {
    (warm(), request)
}

/// One whole exchange: the request parsed, the response framed, all of it flushed.
fn exchange_once(warm: &mut Warm, request: &[u8]) {
    let t = tick(&warm.config);
    let connection = &mut warm.connection;
    let received = connection.handle_input(t, request, &mut warm.spans);
    assert!(matches!(received.item, Item::Head(_)), "a head is there");
    let fields = [(&b"content-type"[..], &b"text/plain; charset=utf-8"[..])];
    let output = &mut warm.output;
    let done = connection.handle_started(t).and_then(|()| {
        connection.reply_head(t, Status::OK, BodyLength::Known(13), &DATE, fields, output)?;
        connection.reply_content(t, b"Hello, World!", output)?;
        connection.reply_end(t, output)?;
        connection.handle_written(t, output.len() as u64)
    });
    done.expect("in order");
    output.clear();
    assert_eq!(t.phase, Phase::Running, "the connection is kept");
}

#[library_benchmark(config = limit(2_300))]
#[bench::small(args = (SMALL), setup = with)]
fn small_exchange((mut warm, request): (Box<Warm>, &'static [u8])) -> Box<Warm> {
    exchange_once(&mut warm, black_box(request));
    warm
}

#[library_benchmark(config = limit(5_700))]
#[bench::browser(args = (BROWSER), setup = with)]
fn browser_exchange((mut warm, request): (Box<Warm>, &'static [u8])) -> Box<Warm> {
    exchange_once(&mut warm, black_box(request));
    warm
}

fn upload() -> (Box<Warm>, Vec<u8>) {
    let mut request = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..CHUNKS {
        request.extend_from_slice(format!("{CHUNK:x}\r\n").as_bytes());
        request.resize(request.len() + CHUNK, b'.');
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    (warm(), request)
}

#[library_benchmark(config = limit(16_600))]
#[bench::chunks(setup = upload)]
fn chunked_content((mut warm, request): (Box<Warm>, Vec<u8>)) -> usize {
    let t = tick(&warm.config);
    let (mut at, mut content) = (0, 0);
    loop {
        let received = warm
            .connection
            .handle_input(t, &request[at..], &mut warm.spans);
        let is_head = matches!(received.item, Item::Head(_));
        match received.item {
            Item::Content(piece) => content += black_box(piece).len(),
            Item::Trailers(_) => break,
            Item::Head(_) | Item::Nothing | Item::Refused(_) => {}
        }
        at += received.consumed;
        if is_head {
            warm.connection.handle_started(t).expect("in order");
        }
        warm.connection.want_content(t);
    }
    assert_eq!(content, CHUNKS * CHUNK);
    content
}

library_benchmark_group!(
    name = core,
    benchmarks = [small_exchange, browser_exchange, chunked_content]
);

main!(library_benchmark_groups = core);

//! Properties of whole connections, over random input.

use neap_core::Config;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::memory::{Memory, Seen};
use crate::reader::{Response, read_all};

/// Lines that requests are made of, good ones and bad ones.
const LINES: [&str; 22] = [
    "GET / HTTP/1.1\r\n",
    "HEAD /stream HTTP/1.1\r\n",
    "POST /echo HTTP/1.1\r\n",
    "PUT /leave HTTP/1.1\r\n",
    "GET /trailers HTTP/1.0\r\n",
    "OPTIONS * HTTP/1.1\r\n",
    "CONNECT a:1 HTTP/1.1\r\n",
    "MOO http://a/b HTTP/1.2\r\n",
    "Host: a\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Expect: 100-continue\r\n",
    "\r\n",
    "5\r\nhello\r\n",
    "3;a=b\r\nabc\r\n",
    "0\r\n\r\n",
    "0\r\nA: b\r\n\r\n",
    "hello",
];

/// Whole requests that are served.
const REQUESTS: [&str; 12] = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST /leave HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
     5;a=\"b\"\r\nhello\r\n1\r\n!\r\n0\r\nA: b\r\n\r\n",
    "PUT /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    "GET /stream HTTP/1.1\r\nHost: a\r\nConnection: x\r\n\r\n",
    "GET /trailers HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "GET http://a.example:8080/?x=y HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /close HTTP/1.1\r\nHost: a\r\n\r\n",
];

/// A change of a stream.
#[derive(Clone, Debug)]
enum Mutation {
    Set(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    /// Repeats a part.
    Repeat(Index, Index),
    /// Removes a part.
    Cut(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let byte = prop_oneof![
        proptest::sample::select(b"\r\n \t:;,=\"0123456789abcdefx\0\x7f\xff".to_vec()),
        any::<u8>()
    ];
    prop_oneof![
        (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (any::<Index>(), byte).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        any::<Index>().prop_map(Mutation::Remove),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Mutation::Cut(from, to)),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let len = bytes.len();
    let range = |from: &Index, to: &Index| {
        let (from, to) = (from.index(len), to.index(len));
        from.min(to)..from.max(to)
    };
    match mutation {
        _ if len == 0 => {}
        Mutation::Set(at, byte) => bytes[at.index(len)] = *byte,
        Mutation::Insert(at, byte) => bytes.insert(at.index(len), *byte),
        Mutation::Remove(at) => drop(bytes.remove(at.index(len))),
        Mutation::Repeat(from, to) => {
            let part = bytes[range(from, to)].to_vec();
            bytes.splice(from.index(len)..from.index(len), part);
        }
        Mutation::Cut(from, to) => drop(bytes.drain(range(from, to))),
    }
}

/// Anything, lines in any order, and requests with a few mistakes.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let requests = proptest::collection::vec(proptest::sample::select(&REQUESTS[..]), 1..5);
    let mutations = proptest::collection::vec(mutation(), 0..4);
    let mutated = (requests, mutations).prop_map(|(requests, mutations)| {
        let mut bytes = requests.concat().into_bytes();
        mutations
            .iter()
            .for_each(|mutation| mutate(&mut bytes, mutation));
        bytes
    });
    let lines = proptest::collection::vec(proptest::sample::select(&LINES[..]), 1..20);
    prop_oneof![
        1 => proptest::collection::vec(any::<u8>(), 0..200),
        3 => lines.prop_map(|lines| lines.concat().into_bytes()),
        6 => mutated,
    ]
}

fn config() -> Config {
    let mut config = Config::default();
    config.limits.content = 20;
    config.limits.discard = 10;
    config.limits.head = 200;
    config.limits.target = 100;
    config.limits.chunk_line = 20;
    config.limits.fields = 6;
    config
}

/// What comes of a stream that is cut at `cuts`; the client ends its side behind it, or does not.
fn run(bytes: &[u8], cuts: &[Index], ends: bool) -> (Vec<u8>, Seen) {
    let mut memory = Memory::new(config());
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.sort_unstable();
    let mut from = 0;
    for to in cuts.into_iter().chain([bytes.len()]) {
        memory.send(&bytes[from..to]);
        from = to;
    }
    if ends {
        memory.end();
    }
    (memory.output, memory.seen)
}

fn settings() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn however_a_stream_is_cut_the_same_comes_of_it(
        bytes in stream(),
        cuts in proptest::collection::vec(any::<Index>(), 0..8),
        ends in any::<bool>(),
    ) {
        let whole = run(&bytes, &[], ends);
        let cut = run(&bytes, &cuts, ends);
        prop_assert_eq!(cut.0.escape_ascii().to_string(), whole.0.escape_ascii().to_string());
        prop_assert_eq!(cut.1.fate(), whole.1.fate());
    }

    #[test]
    fn a_strict_reader_accepts_what_comes_of_any_stream(bytes in stream(), ends in any::<bool>()) {
        let (output, seen) = run(&bytes, &[], ends);
        let responses = read_all(&output, &seen.to).map_err(TestCaseError::fail)?;
        let last = responses.iter().filter(|response| response.status >= 200);
        let refusals = usize::from(seen.to.len() > seen.requests.len());
        prop_assert!(seen.consumed <= bytes.len());
        prop_assert!(last.clone().count() <= seen.requests.len() + refusals);
        prop_assert_eq!(last.clone().count(), seen.to.len());
        if let Some(close) = responses.iter().position(Response::closes) {
            prop_assert_eq!(close, responses.len() - 1);
            prop_assert!(seen.fin || seen.outcome.is_some());
        }
    }

    /// RFC 9112 section 11.2: whatever is behind an error, it is no request.
    #[test]
    fn nothing_behind_an_error_is_taken_for_a_request(bytes in stream(), behind in stream()) {
        let alone = run(&bytes, &[], false);
        if alone.1.refused.is_some() {
            let both = run(&[&bytes[..], &behind].concat(), &[], false);
            prop_assert_eq!(both.0, alone.0);
            prop_assert_eq!(both.1.requests.len(), alone.1.requests.len());
        }
    }

    /// All that is consumed is handed on or is framing: requests that are echoed come back whole.
    #[test]
    fn content_arrives_as_it_was_sent(
        contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 1..6),
        cuts in proptest::collection::vec(any::<Index>(), 0..12),
        chunk in 0..8_usize,
    ) {
        let mut bytes = Vec::new();
        for content in &contents {
            put_request(&mut bytes, content, chunk);
        }
        let (output, seen) = run(&bytes, &cuts, false);
        prop_assert_eq!(seen.consumed, bytes.len());
        let responses = read_all(&output, &seen.to).map_err(TestCaseError::fail)?;
        let echoes = responses.into_iter().map(|response| response.content);
        prop_assert_eq!(echoes.collect::<Vec<_>>(), contents);
    }
}

/// A request with this content, in chunks of this size, or in one piece if that is zero.
fn put_request(bytes: &mut Vec<u8>, content: &[u8], chunk: usize) {
    bytes.extend_from_slice(b"POST /echo HTTP/1.1\r\nHost: a\r\n");
    if chunk == 0 {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", content.len()).as_bytes());
        return bytes.extend_from_slice(content);
    }
    bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
    for piece in content.chunks(chunk) {
        bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
}

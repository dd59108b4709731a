//! Slow and greedy clients: whatever they do, a connection's memory and time are bounded.

use std::time::Duration;

use neap_core::{Config, Outcome, PeerError, Phase, Read, Tick, Time, Write};

use crate::case::PROBE;
use crate::memory::Memory;
use crate::reader::{Response, read_all};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// One read's worth of input.
const PIECE: usize = 16 * 1024;

fn memory() -> Memory {
    Memory::new(Config::default())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn responses(memory: &Memory) -> Vec<Response> {
    read_all(&memory.output, &memory.seen.to).unwrap()
}

/// Sends `bytes` piece by piece, whatever the server says, until it hangs up. Gives the number of
/// bytes that were sent, and the most that ever waited in memory.
fn flood(memory: &mut Memory, bytes: impl Iterator<Item = u8>) -> (usize, usize) {
    let mut bytes = bytes.peekable();
    let (mut sent, mut most) = (0, 0);
    while bytes.peek().is_some() && !memory.is_over() {
        let piece: Vec<u8> = bytes.by_ref().take(PIECE).collect();
        memory.send(&piece);
        sent += piece.len();
        most = most.max(memory.inbox.len());
    }
    (sent, most)
}

/// Floods a connection with `start` and then with what `repeat` repeats. It is refused with
/// `status`, having kept no more than a head's worth, and hangs up before long.
#[track_caller]
fn refuses_flood(start: &str, repeat: &str, total: usize, status: u16) -> Memory {
    let mut memory = memory();
    let bytes = start.bytes().chain(repeat.bytes().cycle()).take(total);
    let (sent, most) = flood(&mut memory, bytes);
    let answers = responses(&memory);
    assert_eq!(answers.last().map(|last| last.status), Some(status));
    let limits = memory.config.limits;
    assert!(most <= limits.head + PIECE, "{most} bytes were kept");
    let taken = u64::try_from(sent).unwrap() - limits.head as u64;
    assert!(
        taken <= limits.linger + 2 * PIECE as u64,
        "it listened to {sent} bytes"
    );
    memory
}

#[test]
fn eight_mebibytes_of_fields_are_refused_after_the_first_64_kibibytes() {
    let memory = refuses_flood(GET.trim_end(), "\r\nA: bcdefghi", 8 << 20, 431);
    assert_eq!(memory.seen.outcome, Some((Outcome::Refused, false)));
    assert_eq!(memory.seen.requests.len(), 0);
}

#[test]
fn one_field_of_eight_mebibytes_is_refused_after_the_first_64_kibibytes() {
    refuses_flood("GET / HTTP/1.1\r\nHost: a\r\nA: ", "b", 8 << 20, 431);
    refuses_flood("GET / HTTP/1.1\r\nHost: a\r\n", "b", 8 << 20, 431);
}

#[test]
fn fifty_thousand_fields_are_refused_however_short_they_are() {
    let fields = "A:\r\n".repeat(50_000);
    let memory = refuses_flood("GET / HTTP/1.1\r\nHost: a\r\n", &fields, fields.len(), 431);
    assert_eq!(memory.seen.refused, Some(PeerError::FieldsTooLarge));
}

#[test]
fn a_request_line_without_end_is_refused_wherever_it_is() {
    refuses_flood("", "M", 8 << 20, 501);
    refuses_flood("GET /", "a", 8 << 20, 414);
    refuses_flood("GET / ", "1", 8 << 20, 400);
}

#[test]
fn empty_lines_without_end_are_refused() {
    refuses_flood("", "\r\n", 8 << 20, 400);
    refuses_flood(GET, "\r\n", 8 << 20, 400);
}

#[test]
fn a_chunk_extension_without_end_is_refused_after_a_kibibyte() {
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let memory = refuses_flood(&format!("{head}5;"), "a", 8 << 20, 400);
    assert_eq!(memory.seen.refused, Some(PeerError::ChunkLineTooLong));
    assert!(memory.seen.consumed <= head.len() + 2 * PIECE);
}

#[test]
fn chunks_of_one_byte_with_long_extensions_are_refused_before_long() {
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("1;{}\r\nx\r\n", "a".repeat(1000));
    let memory = refuses_flood(head, &chunk, 8 << 20, 400);
    assert!(memory.seen.requests[0].content.len() <= 17);
}

#[test]
fn trailers_without_end_are_refused_after_the_first_64_kibibytes() {
    let start = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    let echo = start.replace("POST /", "POST /echo");
    refuses_flood(&echo, "A: bcdefghij\r\n", 8 << 20, 431);
    // Where the answer was given before, nothing more is said.
    refuses_flood(start, "A: bcdefghij\r\n", 8 << 20, 200);
}

#[test]
fn content_without_end_is_refused_at_its_limit() {
    let mut config = Config::default();
    config.limits.content = 1 << 20;
    let mut memory = Memory::new(config);
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
    let bytes = head.bytes().chain(chunk.bytes().cycle()).take(16 << 20);
    let (_, most) = flood(&mut memory, bytes);
    assert_eq!(memory.seen.refused, Some(PeerError::ContentTooLarge));
    assert!(most <= PIECE && memory.seen.requests[0].content.len() <= 1 << 20);
}

#[test]
fn content_that_nobody_wants_is_skipped_up_to_its_limit() {
    let head = "POST /leave HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
    let memory = refuses_flood(head, &chunk, 8 << 20, 403);
    assert_eq!(memory.seen.requests.len(), 1);
    let most = memory.config.limits.discard + (2 * PIECE) as u64;
    assert!(memory.seen.consumed as u64 <= most);
}

#[test]
fn pipelined_requests_wait_while_the_client_does_not_read() {
    let mut memory = memory();
    memory.takes_output = false;
    memory.send(GET.repeat(100_000).as_bytes());
    let wants = memory.wants().unwrap();
    assert_eq!((wants.read, wants.write), (Read::No, Write::Flush));
    let limit = memory.config.limits.unsent;
    assert!(memory.core.unsent() > limit && memory.core.unsent() < limit + 1000);
    let waiting = memory.seen.requests.len();
    assert!(waiting < 1000);

    memory.takes_output = true;
    memory.run();
    assert_eq!(memory.seen.requests.len(), 100_000);
}

#[test]
fn a_client_that_does_not_read_is_reset_after_30_seconds() {
    let mut memory = memory();
    memory.takes_output = false;
    memory.send(GET.repeat(100_000).as_bytes());
    memory.wait_until(Time::ZERO.after(seconds(29)));
    assert!(!memory.is_over());
    memory.wait_until(Time::ZERO.after(seconds(30)));
    assert_eq!(memory.seen.outcome, Some((Outcome::Stalled, true)));
}

#[test]
fn a_client_that_takes_a_response_byte_by_byte_is_reset_after_30_seconds() {
    let mut memory = memory();
    memory.takes_output = false;
    memory.send(GET.as_bytes());
    for second in 1..30 {
        let now = Time::ZERO.after(seconds(second));
        memory.wait_until(now);
        let tick = Tick {
            now,
            phase: Phase::Running,
            sealing: Time::NEVER,
            config: &memory.config,
        };
        memory.core.handle_written(tick, 1).unwrap();
        assert!(!memory.is_over());
    }
    memory.wait_until(Time::ZERO.after(seconds(30)));
    assert_eq!(memory.seen.outcome, Some((Outcome::Stalled, true)));
}

#[test]
fn a_client_that_sends_nothing_is_sent_away_after_30_seconds() {
    let mut memory = memory();
    memory.wait_until(Time::ZERO.after(seconds(29)));
    assert!(!memory.seen.fin);
    memory.wait_until(Time::ZERO.after(seconds(30)));
    assert!(memory.seen.fin && memory.output.is_empty());
}

#[test]
fn a_head_that_drips_is_refused_after_30_seconds_however_often_it_drips() {
    let mut memory = memory();
    let mut head = "GET / HTTP/1.1\r\nHost: a\r\n"
        .bytes()
        .chain("A: b\r\n".bytes().cycle());
    for second in 1..30 {
        memory.wait_until(Time::ZERO.after(seconds(second)));
        memory.send(&[head.next().unwrap()]);
        assert!(memory.output.is_empty());
    }
    memory.wait_until(Time::ZERO.after(seconds(31)));
    assert_eq!(responses(&memory)[0].status, 408);
    assert!(memory.seen.fin);
}

#[test]
fn content_that_stops_is_refused_after_30_seconds() {
    for head in [
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n",
    ] {
        let mut memory = memory();
        memory.send(head.as_bytes());
        memory.wait_until(Time::ZERO.after(seconds(29)));
        assert!(memory.output.is_empty());
        memory.wait_until(Time::ZERO.after(seconds(30)));
        assert_eq!(responses(&memory)[0].status, 408, "{head}");
    }
}

/// Progress is what counts there, not the whole: an upload over a slow line may take its time.
#[test]
fn content_that_comes_slowly_is_read_for_as_long_as_it_comes() {
    let mut memory = memory();
    memory.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 51200\r\n\r\n");
    for piece in 1..=100 {
        memory.wait_until(Time::ZERO.after(seconds(29 * piece)));
        memory.send(&[b'x'; 512]);
    }
    assert_eq!(responses(&memory)[0].content.len(), 51_200);
}

/// Each byte is handed on as it comes, so that the handler asks anew each time: that must not buy
/// the client another timeout.
#[test]
fn content_that_drips_is_refused_after_30_seconds() {
    let mut memory = memory();
    memory.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    for second in 1..30 {
        memory.wait_until(Time::ZERO.after(seconds(second)));
        memory.send(b"x");
    }
    memory.wait_until(Time::ZERO.after(seconds(30)));
    assert_eq!(responses(&memory)[0].status, 408);
}

#[test]
fn framing_that_drips_is_no_progress() {
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for drip in ["5;", "0\r\nA: "] {
        let mut memory = memory();
        memory.send(format!("{head}{drip}").as_bytes());
        for second in 1..30 {
            memory.wait_until(Time::ZERO.after(seconds(second)));
            memory.send(b"a");
        }
        memory.wait_until(Time::ZERO.after(seconds(30)));
        assert_eq!(responses(&memory)[0].status, 408);
    }
}

#[test]
fn content_that_is_only_skipped_may_drip_for_30_seconds() {
    let mut memory = memory();
    memory.send(b"POST /leave HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    for second in 1..30 {
        memory.wait_until(Time::ZERO.after(seconds(second)));
        memory.send(b"x");
        assert!(!memory.seen.fin);
    }
    memory.wait_until(Time::ZERO.after(seconds(30)));
    assert!(memory.seen.fin);
    assert_eq!(responses(&memory)[0].status, 403);
}

#[test]
fn a_connection_between_requests_is_closed_after_75_seconds() {
    let mut memory = memory();
    memory.send(GET.as_bytes());
    memory.send(b"\r\n");
    memory.wait_until(Time::ZERO.after(seconds(74)));
    assert!(!memory.seen.fin);
    memory.wait_until(Time::ZERO.after(seconds(75)));
    assert!(memory.seen.fin);
    assert_eq!(responses(&memory).len(), 1);
}

#[test]
fn a_client_that_goes_on_sending_after_its_refusal_is_listened_to_for_a_second() {
    let mut memory = memory();
    memory.send(b"GET / HTTP/1.1\r\n\r\n");
    assert!(memory.seen.fin && !memory.is_over());
    for tenth in 1..10 {
        memory.wait_until(Time::ZERO.after(Duration::from_millis(tenth * 99)));
        memory.send(PROBE.as_bytes());
    }
    assert!(!memory.is_over());
    memory.wait_until(Time::ZERO.after(seconds(1)));
    assert_eq!(memory.seen.outcome, Some((Outcome::Refused, false)));
    assert_eq!(memory.seen.requests.len(), 0);
}

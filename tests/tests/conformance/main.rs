//! Conformance to RFC 9110 and RFC 9112: bytes in, bytes out, section by section.
//!
//! The cases are tables; each runs against the core in memory, whole, cut at every byte and byte
//! by byte, and again over a real socket. `docs/http.md` says for each section what neap does and
//! names the cases that show it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod app;
mod case;
mod docs;
mod greedy;
mod memory;
mod misuse;
mod misuse_session;
mod properties;
mod reader;
mod replies;
mod rfc9110_fields;
mod rfc9110_methods;
mod rfc9112_connection;
mod rfc9112_content;
mod rfc9112_fields;
mod rfc9112_lines;
mod rfc9112_target;
mod socket;

use neap_core::Config;

use case::{Case, End, PROBE};
use memory::{Memory, Seen};
use socket::Served;

fn cases() -> Vec<Case> {
    let tables = [
        rfc9112_lines::cases(),
        rfc9112_target::cases(),
        rfc9112_fields::cases(),
        rfc9112_content::cases(),
        rfc9112_connection::cases(),
        rfc9110_fields::cases(),
        rfc9110_methods::cases(),
    ];
    tables.into_iter().flatten().collect()
}

/// The settings of the suite: little content, so that too much of it is still not much.
fn config() -> Config {
    let mut config = Config::default();
    config.limits.content = 100_000;
    config
}

/// What came of `pieces`, sent one by one.
fn run(case: &Case, pieces: &[&[u8]]) -> (Vec<u8>, Seen) {
    let mut memory = Memory::new(config());
    for piece in pieces {
        memory.send(piece);
    }
    if case.expected.half_closes {
        memory.end();
    }
    (memory.output, memory.seen)
}

/// Whether the connection came to the end that the case wants.
fn check_end(case: &Case, seen: &Seen, dispatched: usize) -> Result<(), String> {
    if seen.requests.len() != dispatched {
        return Err(format!("{} were dispatched", seen.requests.len()));
    }
    match (case.expected.end, seen.outcome) {
        (End::Kept, None) if !seen.fin => Ok(()),
        (End::Closed, None) if seen.fin => Ok(()),
        (End::Closed | End::Waiting, Some((_, false))) => Ok(()),
        _ => Err(format!("it ends as {:?}", seen.outcome)),
    }
}

/// Runs the case in pieces: alone, and with something behind it.
fn check(case: &Case, pieces: &[&[u8]]) -> Result<(), String> {
    let (output, seen) = run(case, pieces);
    case.check(&output, false)?;
    check_end(case, &seen, case.expected.dispatched)?;
    let behind = match case.expected.end {
        End::Kept => true,
        End::Closed if !case.expected.half_closes => false,
        End::Closed | End::Waiting => return Ok(()),
    };
    let pieces: Vec<&[u8]> = pieces.iter().copied().chain([PROBE.as_bytes()]).collect();
    let (output, seen) = run(case, &pieces);
    case.check(&output, behind)?;
    let dispatched = case.expected.dispatched + usize::from(behind);
    if seen.requests.len() != dispatched || !seen.fin {
        return Err(format!(
            "{} were dispatched, with a probe behind",
            seen.requests.len()
        ));
    }
    Ok(())
}

/// Asks something of every case, and lists all that fail.
fn check_all(check: impl Fn(&Case) -> Result<(), String>) {
    let cases = cases();
    let failures = cases
        .iter()
        .filter_map(|case| check(case).err().map(|error| format!("{case}\n  {error}")));
    let failures: Vec<String> = failures.collect();
    let (failed, all) = (failures.len(), cases.len());
    assert!(
        failed == 0,
        "{failed} of {all} failed:\n{}",
        failures.join("\n")
    );
}

#[test]
fn every_case_holds_in_memory() {
    check_all(|case| check(case, &[&case.input]));
}

#[test]
fn every_case_holds_byte_by_byte() {
    check_all(|case| {
        let (single, more) = case.input.split_at(case.input.len().min(2000));
        check(
            case,
            &single.chunks(1).chain(more.chunks(97)).collect::<Vec<_>>(),
        )
    });
}

/// Long inputs are cut at their ends and here and there: within a long run of the same byte one
/// cut is like another.
#[test]
fn every_case_holds_wherever_it_is_cut() {
    check_all(|case| {
        let input = &case.input[..];
        let whole = run(case, &[input]);
        let len = input.len();
        let worth =
            |at: &usize| len < 1000 || *at < 100 || at + 20 > len || at.is_multiple_of(9973);
        for at in (1..len).filter(worth) {
            let cut = run(case, &[&input[..at], &input[at..]]);
            if cut.0 != whole.0 || cut.1.fate() != whole.1.fate() {
                return Err(format!("cut at {at}: {cut:?}, whole: {whole:?}"));
            }
        }
        Ok(())
    });
}

#[test]
fn every_case_holds_over_a_socket() {
    let served = Served::start(config());
    check_all(|case| {
        let before = served.dispatched();
        let expected = &case.expected;
        let probe: &[u8] = if expected.half_closes {
            b""
        } else {
            PROBE.as_bytes()
        };
        let input = [&case.input, probe].concat();
        let output = served.exchange(&input, expected.half_closes)?;
        let kept = expected.end == End::Kept;
        case.check(&output, kept)?;
        match served.dispatched() - before {
            count if count == expected.dispatched + usize::from(kept) => Ok(()),
            count => Err(format!("{count} were dispatched")),
        }
    });
    assert!(served.drain().is_clean());
}

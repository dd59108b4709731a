//! Any bytes as chunked content.

use neap_core::{Config, PeerError};

use super::chunks::read_chunks;
use super::driver::{Driver, Transcript};
use super::plan::Plan;
use super::requests::Request;
use super::syntax::Reading;
use super::world::{World, small};

const HEAD: &[u8] = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Any bytes as chunked content.
///
/// However they are cut, content, trailers and end are those that the grammar gives, and they are
/// refused exactly where that has no place for them, or a limit is exceeded.
///
/// # Panics
///
/// Where that does not hold.
pub fn chunked(input: &[u8]) {
    for config in [small(), Config::default()] {
        let driver = || Driver::new(World::new(config), Plan::new(&[]));
        let at_once = driver().run([HEAD, input]);
        check(&at_once, input, &config);
        let bytewise = driver().run([HEAD].into_iter().chain(input.chunks(1)));
        check(&bytewise, input, &config);
        assert_eq!(at_once.refused, bytewise.refused, "cut or at once");
        let (some, all) = (request(&at_once), request(&bytewise));
        // A piece that exceeds the limit is not handed on, its single bytes are until they do.
        let common = match at_once.refused {
            Some(PeerError::ContentTooLarge) => some.content.len(),
            _ => all.content.len(),
        };
        assert_eq!(some.content, all.content[..common]);
        assert_eq!(
            (&some.trailers, some.is_whole),
            (&all.trailers, all.is_whole)
        );
    }
}

fn request(transcript: &Transcript) -> &Request {
    &transcript.exchanges[0].request
}

/// Compares what came of the input with what the grammar makes of it.
fn check(transcript: &Transcript, input: &[u8], config: &Config) {
    let expected = read_chunks(input, config.limits.chunk_line);
    let request = request(transcript);
    assert!(expected.content.starts_with(&request.content));
    match transcript.refused.filter(|_| !request.is_whole) {
        None => {}
        Some(PeerError::ContentTooLarge) => {
            let limit = config.limits.content;
            assert!(expected.content.len() as u64 > limit, "not too large");
            return;
        }
        Some(PeerError::ChunkLineTooLong) => {
            assert!(input.len() > config.limits.chunk_line, "not too long");
            return;
        }
        Some(PeerError::TooManyFields | PeerError::FieldsTooLarge) => {
            assert!(expected.last, "too large, without a trailer section");
            return;
        }
        Some(error) => {
            assert_eq!(expected.end, Reading::Bad, "{error:?}");
            assert_eq!(request.content, expected.content);
            return;
        }
    }
    assert_eq!(request.content, expected.content);
    match expected.end {
        Reading::Whole((trailers, _)) => {
            assert!(request.is_whole, "it was all there");
            assert_eq!(request.trailers, trailers);
        }
        Reading::Partial => assert!(!request.is_whole, "it was not all there"),
        Reading::Bad => panic!("not refused"),
    }
}

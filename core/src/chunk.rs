//! The chunked transfer coding, decoded in place (RFC 9112 section 7.1).

use crate::syntax::Class;
use crate::{Limits, PeerError};

/// The decoder of one message's chunks.
///
/// A chunk line need not be contiguous: what is left of one between two inputs is this small state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ChunkDecoder {
    place: Place,
    /// The size as far as it has been read; within the data, what remains of it.
    size: u64,
    /// Bytes of the current line so far, without its CRLF.
    line: u32,
    /// Bytes of lines that the content does not make up for.
    excess: u32,
}

/// As many long lines as a message may have before its content has to make up for them.
const LINES: usize = 16;

/// What a line may be long for every chunk, a size and a short extension, and for a byte of data.
const LINE_PER_CHUNK: u64 = 16;
const LINE_PER_BYTE: u64 = 2;

/// What comes next in the input, behind the framing that was consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Piece {
    /// Nothing: all of the input is consumed, and there is more to come.
    More,
    /// So many bytes of content, at least one.
    Data(usize),
    /// The trailer section: the last chunk's line is consumed.
    Last,
}

/// The place in the coding, named by what has just been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    LineStart,
    Size,
    /// White space after a size or a value; only another extension may follow.
    SizeSpace,
    /// The semicolon of an extension, and white space after it.
    Semicolon,
    Name,
    /// White space after a name.
    NameSpace,
    /// The equals sign, and white space after it.
    Equals,
    Value,
    Quoted,
    /// A backslash in a quoted string.
    Escape,
    QuotedEnd,
    LineCr,
    Data,
    DataEnd,
    DataCr,
    Last,
}

impl ChunkDecoder {
    /// Before the first chunk.
    pub(crate) const fn new() -> ChunkDecoder {
        ChunkDecoder {
            place: Place::LineStart,
            size: 0,
            line: 0,
            excess: 0,
        }
    }

    /// Consumes the framing at the beginning of `input`: how many bytes of it, and what is next.
    ///
    /// The data of [`Piece::Data`] follows directly behind the framing and counts as taken: the
    /// next input begins after it. After [`Piece::Last`] nothing is consumed any more.
    pub(crate) fn decode(
        &mut self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<(usize, Piece), PeerError> {
        for (consumed, byte) in input.iter().enumerate() {
            if self.place == Place::Data {
                return Ok((consumed, self.take(input.len() - consumed)));
            }
            if self.place == Place::Last {
                return Ok((consumed, Piece::Last));
            }
            self.place = self.step(*byte, limits)?;
        }
        let piece = if self.place == Place::Last {
            Piece::Last
        } else {
            Piece::More
        };
        Ok((input.len(), piece))
    }

    /// Takes as much of the chunk's data as there is.
    fn take(&mut self, available: usize) -> Piece {
        let len = usize::try_from(self.size).map_or(available, |size| size.min(available));
        self.size -= len as u64;
        if self.size == 0 {
            self.place = Place::DataEnd;
        }
        Piece::Data(len)
    }

    /// Limits the length of all lines together (RFC 9112 section 7.1.1): tiny chunks with long
    /// extensions would otherwise keep us busy with hardly any content, which has a limit of its
    /// own. A signature on each chunk of an upload is made up for by the chunk's data.
    fn end_line(&mut self, limits: &Limits) -> Result<(), PeerError> {
        let allowed = LINE_PER_CHUNK.saturating_add(self.size.saturating_mul(LINE_PER_BYTE));
        let excess = self.excess.saturating_add(self.line);
        self.excess = excess.saturating_sub(u32::try_from(allowed).unwrap_or(u32::MAX));
        self.line = 0;
        if self.excess as usize > limits.chunk_line.saturating_mul(LINES) {
            return Err(PeerError::ChunkLineTooLong);
        }
        Ok(())
    }

    /// The place after one more byte of framing.
    fn step(&mut self, byte: u8, limits: &Limits) -> Result<Place, PeerError> {
        match (self.place, byte) {
            (Place::DataEnd, b'\r') => return Ok(Place::DataCr),
            (Place::DataCr, b'\n') => return Ok(Place::LineStart),
            (Place::LineCr, b'\n') => {
                self.end_line(limits)?;
                return Ok(if self.size == 0 {
                    Place::Last
                } else {
                    Place::Data
                });
            }
            (Place::DataEnd | Place::DataCr | Place::LineCr, _) => return Err(PeerError::Chunk),
            (Place::Size | Place::Name | Place::Value | Place::QuotedEnd, b'\r') => {
                return Ok(Place::LineCr);
            }
            _ => {}
        }
        self.line = self.line.saturating_add(1);
        if self.line as usize > limits.chunk_line {
            return Err(PeerError::ChunkLineTooLong);
        }
        if matches!(self.place, Place::LineStart | Place::Size) {
            if let Some(digit) = char::from(byte).to_digit(16) {
                let size = self.size.checked_mul(16).ok_or(PeerError::Chunk)?;
                self.size = size | u64::from(digit);
                return Ok(Place::Size);
            }
        }
        extension(self.place, byte).ok_or(PeerError::Chunk)
    }
}

/// The place after one more byte of a chunk extension (RFC 9112 section 7.1.1). What extensions
/// say is ignored, but their syntax is held to: a recipient in front that sees a line end in one
/// would see other chunks.
fn extension(place: Place, byte: u8) -> Option<Place> {
    let is_space = matches!(byte, b' ' | b'\t');
    let is_token = Class::TOKEN.has(byte);
    match (place, byte) {
        (Place::Size | Place::Value | Place::QuotedEnd | Place::SizeSpace, _) if is_space => {
            Some(Place::SizeSpace)
        }
        (Place::Name | Place::NameSpace, _) if is_space => Some(Place::NameSpace),
        (Place::Semicolon | Place::Equals, _) if is_space => Some(place),

        (Place::Size | Place::SizeSpace | Place::Value | Place::QuotedEnd, b';') => {
            Some(Place::Semicolon)
        }
        (Place::Name | Place::NameSpace, b';') => Some(Place::Semicolon),
        (Place::Name | Place::NameSpace, b'=') => Some(Place::Equals),

        (Place::Semicolon | Place::Name, _) if is_token => Some(Place::Name),
        (Place::Equals | Place::Value, _) if is_token => Some(Place::Value),

        (Place::Equals, b'"') => Some(Place::Quoted),
        (Place::Quoted, b'"') => Some(Place::QuotedEnd),
        (Place::Quoted, b'\\') => Some(Place::Escape),
        (Place::Quoted | Place::Escape, _) if Class::TEXT.has(byte) => Some(Place::Quoted),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;
    use std::vec::Vec;

    use super::*;

    /// The content and the length of everything up to the trailer section, if it comes.
    type Decoded = Result<(Vec<u8>, Option<usize>), PeerError>;

    /// Decodes `input` as it comes in pieces that end at `cuts`.
    fn decode_cut(input: &[u8], cuts: impl Iterator<Item = usize>) -> Decoded {
        let limits = Limits {
            chunk_line: 32,
            ..Limits::default()
        };
        let mut decoder = ChunkDecoder::new();
        let (mut content, mut at) = (Vec::new(), 0);
        for cut in cuts.chain([input.len()]) {
            loop {
                let (framing, piece) = decoder.decode(&input[at..cut], &limits)?;
                at += framing;
                match piece {
                    Piece::More => break,
                    Piece::Data(len) => {
                        assert!(len > 0);
                        content.extend(&input[at..at + len]);
                        at += len;
                    }
                    Piece::Last => return Ok((content, Some(at))),
                }
            }
            assert_eq!(at, cut);
        }
        Ok((content, None))
    }

    /// Decodes `input` at once, in two pieces cut anywhere, and byte by byte, with one result.
    fn decode(input: &[u8]) -> Decoded {
        let whole = decode_cut(input, [].into_iter());
        for cut in 0..input.len() {
            assert_eq!(decode_cut(input, [cut].into_iter()), whole, "cut at {cut}");
        }
        assert_eq!(decode_cut(input, 0..input.len()), whole);
        whole
    }

    /// The size that a chunk line says, as the data that is left.
    fn size(line: &str) -> Result<u64, PeerError> {
        let mut decoder = ChunkDecoder::new();
        let line = format!("{line}\r\n");
        decoder
            .decode(line.as_bytes(), &Limits::default())
            .map(|_| decoder.size)
    }

    #[test]
    fn chunks_are_decoded_however_the_input_is_cut() {
        let input = b"5\r\nhello\r\n00a;a=b\r\n, world\r\n!\r\n0\r\nTrailer: x\r\n\r\n";
        assert_eq!(decode(input), Ok((b"hello, world\r\n!".to_vec(), Some(34))));
        assert_eq!(decode(b"5\r\nhel"), Ok((b"hel".to_vec(), None)));
        assert_eq!(decode(b"0\r\n\r\n"), Ok((Vec::new(), Some(3))));
        assert_eq!(decode(b"000\r\n"), Ok((Vec::new(), Some(5))));
        assert_eq!(decode(b"0;a\r\n"), Ok((Vec::new(), Some(5))));
        assert_eq!(decode(b""), Ok((Vec::new(), None)));
    }

    #[test]
    fn after_the_last_chunk_nothing_is_consumed() {
        let mut decoder = ChunkDecoder::new();
        let limits = Limits::default();
        assert_eq!(decoder.decode(b"0\r\n", &limits), Ok((3, Piece::Last)));
        assert_eq!(decoder.decode(b"\r\n", &limits), Ok((0, Piece::Last)));
        assert_eq!(decoder.decode(b"", &limits), Ok((0, Piece::Last)));
    }

    #[test]
    fn a_size_is_hexadecimal_and_fits_rfc_9112_7_1() {
        assert_eq!(size("a"), Ok(10));
        assert_eq!(size("Ff"), Ok(255));
        assert_eq!(size("00000000000000000000000001"), Ok(1));
        assert_eq!(size("ffffffffffffffff"), Ok(u64::MAX));
        assert_eq!(size("0ffffffffffffffff"), Ok(u64::MAX));
        for bad in [
            "10000000000000000",
            "fffffffffffffffff",
            "ffffffffffffffff0",
        ] {
            assert_eq!(size(bad), Err(PeerError::Chunk), "{bad}");
        }
        for bad in [
            "", "g", "0x5", "+5", "-5", "5g", "5,", "5_0", "5.", "\u{665}", ";", "\"5\"",
        ] {
            assert_eq!(
                decode(format!("{bad}\r\n").as_bytes()),
                Err(PeerError::Chunk),
                "{bad}"
            );
        }
    }

    #[test]
    fn white_space_stands_only_around_the_parts_of_an_extension_rfc_9112_7_1_1() {
        for good in [
            "5 ;a",
            "5\t ; \ta",
            "5;a =b",
            "5;a= b",
            "5;a \t=\t\"b\" ;c",
            "5;a ;b",
        ] {
            assert_eq!(size(good), Ok(5), "{good}");
        }
        for bad in [
            " 5",
            "\t5",
            "5 ",
            "5\t",
            "5 5",
            "5;a ",
            "5;a=b ",
            "5;a=\"b\" ",
            "5; ",
            "5;a= ",
        ] {
            assert_eq!(
                decode(format!("{bad}\r\n").as_bytes()),
                Err(PeerError::Chunk),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn an_extension_is_a_token_and_perhaps_a_value_rfc_9112_7_1_1() {
        for good in [
            "5;a",
            "5;a=b",
            "5;a=b;c;d=\"e\"",
            "5;a=\"\"",
            "5;a=\"\\\"\\\\;\r\"",
            "5;a=\" \t;=\u{e9}\"",
        ] {
            let expected = if good.contains('\r') {
                Err(PeerError::Chunk)
            } else {
                Ok(5)
            };
            assert_eq!(size(good), expected, "{good:?}");
        }
        for bad in [
            "5;",
            "5;;a",
            "5;=b",
            "5;a=",
            "5;a=;b",
            "5;a=\"b",
            "5;a=\"b\"c",
            "5;a=b\"c\"",
            "5;a\"",
            "5;(",
            "5;a=(",
            "5;a=\"\\",
            "5;a=\"b\"=c",
            "5;a=b=c",
            "5=a",
            "5;a b",
            "5;a=b c",
            "5;\u{e9}",
            "5;a=\"\0\"",
            "5;a=\"\\\0\"",
            "5;\x7f",
            "5;a=\"\x7f\"",
        ] {
            assert_eq!(
                decode(format!("{bad}\r\n").as_bytes()),
                Err(PeerError::Chunk),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn only_crlf_ends_a_chunk_line_and_a_chunk_rfc_9112_7_1() {
        for bad in [
            b"5\nhello\r\n" as &[u8],
            b"5\rhello\r\n",
            b"5\r\r\nhello",
            b"5;a\nb\r\n",
            b"5;a=\"b\n\"\r\n",
            b"5\r\nhello\n0\r\n",
            b"5\r\nhello\r0\r\n",
            b"5\r\nhello!\r\n",
            b"5\r\nhello0\r\n",
            b"4\r\nhello\r\n",
            b"0\n",
            b"\r\n",
            b"5\r\nhello\r\n\r\n",
        ] {
            assert_eq!(decode(bad), Err(PeerError::Chunk), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn a_long_chunk_line_is_refused_before_it_ends() {
        let longest = format!("5;{}", "a".repeat(30));
        let chunk = format!("{longest}\r\nhello\r\n{longest}\r\nworld\r\n0\r\n");
        assert_eq!(
            decode(chunk.as_bytes()),
            Ok((b"helloworld".to_vec(), Some(chunk.len())))
        );
        assert_eq!(
            decode(format!("{longest}a").as_bytes()),
            Err(PeerError::ChunkLineTooLong)
        );
        assert_eq!(
            decode("0".repeat(33).as_bytes()),
            Err(PeerError::ChunkLineTooLong)
        );
    }

    #[test]
    fn long_lines_are_refused_once_they_outweigh_the_content() {
        let line = |size: usize, extension: usize| {
            let (extension, data) = ("a".repeat(extension), "x".repeat(size));
            format!("{size:x};{extension}\r\n{data}\r\n")
        };
        // 32 bytes of line are 14 more than one byte of data makes up for, and 512 are allowed.
        let outweighing = line(1, 30).repeat(36);
        assert!(decode(outweighing.as_bytes()).is_ok());
        let refused = Err(PeerError::ChunkLineTooLong);
        assert_eq!(decode(line(1, 30).repeat(37).as_bytes()), refused);
        assert_eq!(decode((outweighing + &line(0, 30)).as_bytes()), refused);
        // What is wrong is named as such also where the line is as long as one may be.
        let longest = "0".repeat(32) + "\rx";
        assert_eq!(decode(longest.as_bytes()), Err(PeerError::Chunk));
        // Eight more each: exactly what is allowed, and then not.
        assert!(decode(line(1, 24).repeat(64).as_bytes()).is_ok());
        assert_eq!(decode(line(1, 24).repeat(65).as_bytes()), refused);
        assert!(decode(line(8, 30).repeat(60).as_bytes()).is_ok());
        assert!(decode(line(1, 14).repeat(60).as_bytes()).is_ok());
    }

    #[test]
    fn a_quote_within_a_quoted_value_may_be_escaped_rfc_9110_5_6_4() {
        assert_eq!(decode(b"0;a=\"\\\"\"\r\n"), Ok((Vec::new(), Some(10))));
        assert_eq!(decode(b"0;a=\"\\\"\r\n"), Err(PeerError::Chunk));
    }

    #[test]
    fn the_data_of_a_huge_chunk_is_taken_as_it_comes() {
        let mut decoder = ChunkDecoder::new();
        let limits = Limits::default();
        let input = b"ffffffffffffffff\r\nabc";
        assert_eq!(decoder.decode(input, &limits), Ok((18, Piece::Data(3))));
        assert_eq!(decoder.decode(b"defg", &limits), Ok((0, Piece::Data(4))));
        assert_eq!(decoder.size, u64::MAX - 7);
    }
}

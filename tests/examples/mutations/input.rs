//! What is read: limits, and the framing that two readers could understand differently.

use crate::{Mutation, exchange, in_core_itself};

const CHUNK: &str = "core/src/chunk.rs";
const FINDER: &str = "core/src/finder.rs";
const FRAMING: &str = "core/src/framing.rs";
const LEVELS: &str = "core/src/levels.rs";
const WHOLE: &str = "core/src/whole.rs";

pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation {
        guard: "no further request is read while too much waits to be written",
        file: LEVELS,
        from: "            Stage::Fresh | Stage::Head | Stage::Idle if self.full => Read::No,\n",
        to: "",
        test: exchange("nothing_more_is_read_while_too_much_waits_to_be_written"),
    },
    Mutation {
        guard: "an end that was seen is not read again",
        file: LEVELS,
        from: "            _ if half_closed => Read::No,\n",
        to: "",
        test: exchange("a_client_that_ends_within_wanted_content_is_gone"),
    },
    Mutation {
        guard: "a drip of content buys no time",
        file: "core/src/timers.rs",
        from: "let progress = self.0 >= t.config.limits.progress;",
        to: "let progress = true || self.0 >= t.config.limits.progress;",
        test: exchange("content_that_stops_coming_ends_the_wait_and_only_enough_of_it_prolongs_it"),
    },
    Mutation {
        guard: "only CRLF ends a line",
        file: FINDER,
        from: "        [..] => Err(PeerError::LineEnd),\n",
        to: "        [..] => Ok(Some(at + 1)),\n",
        test: in_core_itself("finder::tests::only_crlf_ends_a_line_rfc_9112_2_2"),
    },
    Mutation {
        guard: "a long target is refused before it ends",
        file: FINDER,
        from: "Part::Target if at - mark > longest",
        to: "Part::Target if false && at - mark > longest",
        test: in_core_itself(
            "finder::tests::\
             a_long_target_is_refused_before_it_ends_and_before_the_head_is_too_large",
        ),
    },
    Mutation {
        guard: "a head that cannot end within the limit is refused",
        file: FINDER,
        from: "if end.is_none() && window.len() == limit(limits) {",
        to: "if false {",
        test: in_core_itself("finder::tests::a_head_that_cannot_end_within_the_limit_is_refused"),
    },
    Mutation {
        guard: "what the finder has begun with is not looked at again",
        file: WHOLE,
        from: "if finder.has_begun() {",
        to: "if false {",
        test: in_core_itself("whole::tests::a_head_that_the_finder_has_begun_with_is_left_to_it"),
    },
    Mutation {
        guard: "no head beyond the limit is taken in one pass",
        file: WHOLE,
        from: "let window = window(input, limits);",
        to: "let window = input;",
        test: in_core_itself("whole::tests::a_head_beyond_a_limit_is_left_to_the_finder"),
    },
    Mutation {
        guard: "no target that its method may not have is taken in one pass",
        file: WHOLE,
        from: " || method == b\"CONNECT\"",
        to: "",
        test: in_core_itself(
            "whole::tests::a_request_line_is_taken_as_the_letter_has_it_rfc_9112_3",
        ),
    },
    Mutation {
        guard: "only CRLF ends a line that is taken in one pass",
        file: "core/src/fields.rs",
        from: "let [b'\\r', b'\\n', next @ ..] = rest else {",
        to: "let [b'\\r', _, next @ ..] = rest else {",
        test: in_core_itself(
            "whole::tests::\
             whatever_is_taken_in_one_pass_the_finder_and_httparse_take_and_read_the_same",
        ),
    },
    Mutation {
        guard: "what a head means is decided before it is taken in one pass",
        file: WHOLE,
        from: "seen.read(name, value).ok();",
        to: "seen.read(name, value).ok().or(Some(()));",
        test: in_core_itself("whole::tests::what_a_head_means_is_decided_before_it_is_taken"),
    },
    Mutation {
        guard: "a long chunk line is refused before it ends",
        file: CHUNK,
        from: "if self.line as usize > limits.chunk_line {",
        to: "if false {",
        test: in_core_itself("chunk::tests::a_long_chunk_line_is_refused_before_it_ends"),
    },
    Mutation {
        guard: "long chunk lines are refused once they outweigh the content",
        file: CHUNK,
        from: "if self.excess as usize > limits.chunk_line.saturating_mul(LINES) {",
        to: "if false {",
        test: in_core_itself("chunk::tests::long_lines_are_refused_once_they_outweigh_the_content"),
    },
    Mutation {
        guard: "a chunk's size fits",
        file: CHUNK,
        from: "self.size.checked_mul(16).ok_or(PeerError::Chunk)?",
        to: "self.size.wrapping_mul(16)",
        test: in_core_itself("chunk::tests::a_size_is_hexadecimal_and_fits_rfc_9112_7_1"),
    },
    Mutation {
        guard: "only CRLF ends a chunk",
        file: CHUNK,
        from: "Place::LineCr, _) => return Err(PeerError::Chunk),",
        to: "Place::LineCr, _) => return Ok(Place::LineStart),",
        test: in_core_itself("chunk::tests::only_crlf_ends_a_chunk_line_and_a_chunk_rfc_9112_7_1"),
    },
    Mutation {
        guard: "length and coding exclude each other",
        file: FRAMING,
        from: "return Err(PeerError::LengthAndCoding);",
        to: "return Ok(ContentFraming::Chunked);",
        test: in_core_itself("framing::tests::length_and_coding_exclude_each_other_rfc_9112_6_1"),
    },
    Mutation {
        guard: "HTTP/1.0 has no transfer codings",
        file: FRAMING,
        from: "if version == Version::Http10 {\n            return Err",
        to: "if false {\n            return Err",
        test: in_core_itself("framing::tests::http_1_0_has_no_transfer_codings_rfc_9112_6_1"),
    },
    Mutation {
        guard: "chunked is the last coding",
        file: FRAMING,
        from: "Coding::Others | Coding::Empty => Err(PeerError::TransferEncoding),",
        to: "Coding::Others | Coding::Empty => Ok(ContentFraming::Chunked),",
        test: in_core_itself("framing::tests::chunked_is_last_and_applied_once_rfc_9112_6_1"),
    },
    Mutation {
        guard: "one content length at most",
        file: FRAMING,
        from: "if self.length.is_some() || !is_number {",
        to: "if !is_number {",
        test: in_core_itself("framing::tests::content_length_is_one_decimal_number_rfc_9110_8_6"),
    },
    Mutation {
        guard: "content beyond the limit is refused",
        file: FRAMING,
        from: "self.length_too_large || length > limits.content",
        to: "self.length_too_large",
        test: in_core_itself(
            "framing::tests::\
             content_beyond_the_limit_is_too_large_also_where_it_cannot_be_counted",
        ),
    },
    Mutation {
        guard: "one Host at most",
        file: FRAMING,
        from: "if self.host || !(value.is_empty() || is_host(value)) {",
        to: "if !(value.is_empty() || is_host(value)) {",
        test: in_core_itself("framing::tests::exactly_one_valid_host_is_needed_rfc_9112_3_2"),
    },
];

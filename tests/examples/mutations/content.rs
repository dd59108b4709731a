//! Content of requests in the runtime: how much is read when, and whose memory it is in.

use crate::{Mutation, Test, in_runtime, in_runtime_itself, in_seam};

const CONNECTION: &str = "runtime-smol/src/connection.rs";
const INPUT: &str = "runtime-smol/src/input.rs";

const AT_ONCE: Test =
    in_seam("connections::who_has_just_sent_long_content_is_read_at_once_and_nobody_else");
const MOVES: Test = in_runtime_itself(
    "input::tests::long_content_goes_with_the_buffer_and_what_is_behind_it_moves",
);

pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation {
        guard: "who has just sent long content is read at once",
        file: CONNECTION,
        from: "let most = if read == Read::Head && !self.reads_long {",
        to: "let most = if read == Read::Head {",
        test: AT_ONCE,
    },
    Mutation {
        guard: "little is read ahead of anybody else",
        file: CONNECTION,
        from: "let most = if read == Read::Head && !self.reads_long {",
        to: "let most = if false {",
        test: AT_ONCE,
    },
    Mutation {
        guard: "who has sent long content once is not taken to do so for ever",
        file: "runtime-smol/src/dispatch.rs",
        from: "self.reads_long = length",
        to: "self.reads_long |= length",
        test: AT_ONCE,
    },
    Mutation {
        guard: "what came of long content with its head shares a piece with the rest",
        file: CONNECTION,
        from: "if reads_first && self.reads_on() && self.read(",
        to: "if false && self.read(",
        test: in_seam(
            "connections::\
             long_content_that_is_there_is_read_twice_and_what_is_late_is_not_waited_for",
        ),
    },
    Mutation {
        guard: "content that fills its room is passed on before more is read",
        file: "runtime-smol/src/receiving.rs",
        from: "self.inbox.ends_at(HEADS) && left",
        to: "left",
        test: in_seam("connections::content_that_no_room_is_for_is_passed_on_piece_by_piece"),
    },
    Mutation {
        guard: "what came before the end is taken before the end is",
        file: CONNECTION,
        from: "            Ok(0) if read == Read::Content && self.reads_on() => return false,\n",
        to: "",
        test: in_seam("connections::content_that_came_before_the_end_of_its_client_is_delivered"),
    },
    Mutation {
        guard: "content goes to the handler however much of its response waits",
        file: CONNECTION,
        from: "            Read::Content => true,\n",
        to: "            Read::Content => self.output.is_open(),\n",
        test: in_seam("connections::content_is_not_heaped_up_behind_a_response_that_nobody_reads"),
    },
    Mutation {
        guard: "what answers the next request is not put before what waits",
        file: CONNECTION,
        from: "            Read::Head | Read::Look => self.output.is_open(),\n",
        to: "            Read::Head | Read::Look => true,\n",
        test: in_runtime(
            "content",
            "long_content_of_one_request_is_told_from_the_next_ones_and_from_earlier_ones",
        ),
    },
    Mutation {
        guard: "short content is copied, and long memory free again",
        file: INPUT,
        from: "if !self.kept.is_empty() || !Pieces::fits(len) {",
        to: "if !self.kept.is_empty() {",
        test: in_runtime_itself("input::tests::short_content_leaves_the_buffer_where_it_is"),
    },
    Mutation {
        guard: "long content is not copied",
        file: INPUT,
        from: "if !self.kept.is_empty() || !Pieces::fits(len) {",
        to: "if true {",
        test: MOVES,
    },
    Mutation {
        guard: "content that was kept is taken from there",
        file: INPUT,
        from: "if !self.kept.is_empty() || !Pieces::fits(len) {",
        to: "if !Pieces::fits(len) {",
        test: in_runtime_itself(
            "input::tests::content_that_was_kept_is_not_looked_for_in_the_buffer",
        ),
    },
    Mutation {
        guard: "what is behind long content is not lost with its memory",
        file: INPUT,
        from: "        next[..rest.len()].copy_from_slice(rest);\n",
        to: "",
        test: MOVES,
    },
    Mutation {
        guard: "what leaves no room is kept elsewhere",
        file: INPUT,
        from: "if self.fresh.is_empty() || self.fresh.end >= most {",
        to: "if self.fresh.is_empty() {",
        test: in_runtime_itself(
            "input::tests::more_is_read_behind_what_is_there_as_long_as_there_is_room",
        ),
    },
    Mutation {
        guard: "there is an end to the memory that is kept for content",
        file: "runtime-smol/src/piece.rs",
        from: "        if kept.len() < KEPT {\n",
        to: "        if true {\n",
        test: in_runtime_itself("piece::tests::there_is_an_end_to_what_is_kept"),
    },
];

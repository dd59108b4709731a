//! A connection: what it decides from the drain's first moment to its end.

use crate::{Mutation, Test, in_core, in_model};

const CONTROL: &str = "core/src/control.rs";
const TIMERS: &str = "core/src/timers.rs";
const LEVELS: &str = "core/src/levels.rs";
const CONNECTION: &str = "core/src/connection.rs";
const REPLY: &str = "core/src/reply.rs";
const LAST_REPLY: &str = "core/src/last_reply.rs";
const INPUT: &str = "core/src/input.rs";

const fn drain(name: &'static str) -> Test {
    in_core("drain", name)
}

const fn exchange(name: &'static str) -> Test {
    in_core("exchange", name)
}

const TABLE: Test = in_model("table::a_connection_keeps_its_rules_whatever_happens");

pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation {
        guard: "§5 from T0 a head says close",
        file: REPLY,
        from: "t.phase >= Phase::Draining && !self.inbound.takes_next(t)",
        to: "t.phase >= Phase::Closing && !self.inbound.takes_next(t)",
        test: drain("a_lame_duck_hurries_nobody_but_announces_the_close"),
    },
    Mutation {
        guard: "§5 not if another pipelined request is buffered",
        file: INPUT,
        from: "let takes = self.next_buffered && ",
        to: "let takes = false && ",
        test: drain("of_pipelined_requests_only_the_last_reply_says_close"),
    },
    Mutation {
        guard: "§5 at most pipeline_max of them",
        file: INPUT,
        from: " && self.pipelined < t.config.limits.pipeline;",
        to: ";",
        test: drain("a_client_may_not_prolong_the_drain_by_pipelining"),
    },
    Mutation {
        guard: "§5 that is decided when the head is written",
        file: CONNECTION,
        from: "            self.hear(t.phase);\n",
        to: "",
        test: drain("closing_answers_half_a_head_with_408"),
    },
    Mutation {
        guard: "§5 the windows run from T1",
        file: TIMERS,
        from: "usual.min(self.since.max(t.sealing).after(grace))",
        to: "usual.min(self.since.after(grace))",
        test: drain("a_silent_connection_has_its_first_byte_grace"),
    },
    Mutation {
        guard: "§5 or from their own event, if that is later",
        file: TIMERS,
        from: "usual.min(self.since.max(t.sealing).after(grace))",
        to: "usual.min(t.sealing.after(grace))",
        test: drain("a_connection_that_goes_idle_in_the_drain_gets_its_quiet_from_then_on"),
    },
    Mutation {
        guard: "§5 a head has no more than its own timeout",
        file: TIMERS,
        from: "usual.min(self.since.max(t.sealing).after(grace))",
        to: "self.since.max(t.sealing).after(grace)",
        test: exchange("a_head_that_is_nearly_late_gains_no_time_by_the_drain"),
    },
    Mutation {
        guard: "§5 first_byte_grace",
        file: TIMERS,
        from: "Wait::FirstByte => hurried(timeouts.head, drain.first_byte_grace),",
        to: "Wait::FirstByte => hurried(timeouts.head, drain.head_grace),",
        test: drain("a_silent_connection_has_its_first_byte_grace"),
    },
    Mutation {
        guard: "§5 head_grace",
        file: TIMERS,
        from: "Wait::Head => hurried(timeouts.head, drain.head_grace),",
        to: "Wait::Head => hurried(timeouts.head, timeouts.head),",
        test: drain("half_a_head_may_be_completed_within_its_grace_even_on_a_kept_connection"),
    },
    Mutation {
        guard: "§5 then 408",
        file: CONTROL,
        from: "HeadExpired: Head, Expired(Timer::Input) => refuses(Refused);",
        to: "HeadExpired: Head, Expired(Timer::Input) => ends(Refused);",
        test: drain("a_head_that_is_not_completed_in_time_gets_408"),
    },
    Mutation {
        guard: "§5 quiet",
        file: TIMERS,
        from: "Wait::Request => hurried(timeouts.idle, drain.quiet),",
        to: "Wait::Request => hurried(timeouts.idle, timeouts.idle),",
        test: drain("an_idle_connection_gets_a_last_call_and_a_last_look_before_the_fin"),
    },
    Mutation {
        guard: "§5 the last look at an idle connection",
        file: CONTROL,
        from: "IdleExpired: Idle, Expired(Timer::Input) => to(LookIdle);",
        to: "IdleExpired: Idle, Expired(Timer::Input) => ends(ClosedIdle);",
        test: drain("a_request_found_by_the_last_look_is_served_with_close"),
    },
    Mutation {
        guard: "§5 the last look at a fresh connection",
        file: CONTROL,
        from: "FreshExpired: Fresh, Expired(Timer::Input) => to(LookFresh);",
        to: "FreshExpired: Fresh, Expired(Timer::Input) => ends(ClosedFresh);",
        test: exchange("bytes_that_the_last_look_finds_on_a_fresh_connection_are_a_request"),
    },
    Mutation {
        guard: "§5 an idle connection is closed silently",
        file: CONTROL,
        from: "LookedIdle: LookIdle, Nothing => ends(ClosedIdle);",
        to: "LookedIdle: LookIdle, Nothing => refuses(ClosedIdle);",
        test: drain("an_idle_connection_gets_a_last_call_and_a_last_look_before_the_fin"),
    },
    Mutation {
        guard: "§5 100 Continue when the handler reads",
        file: LEVELS,
        from: "            (Stage::Running(Content::Invited), _) => Write::Continue,\n",
        to: "",
        test: exchange("continue_is_wanted_when_the_handler_asks_for_content_and_not_before"),
    },
    Mutation {
        guard: "§5 no 100 if it answers without reading, but close",
        file: REPLY,
        from: "Content::Expected | Content::Invited => true,",
        to: "Content::Expected | Content::Invited => false,",
        test: exchange("an_answer_without_reading_expected_content_closes"),
    },
    Mutation {
        guard: "§5 content that was not invited is discarded",
        file: CONTROL,
        from: "        => to(Replying(Dropped));\n",
        to: "        => to(Replying(Held));\n",
        test: exchange("an_answer_without_reading_expected_content_closes"),
    },
    Mutation {
        guard: "§5 nobody asks for the send queue in a circle",
        file: CONNECTION,
        from: "            self.timers.requery(t);\n",
        to: "",
        test: drain("zero_windows_run_their_step_once_without_waiting"),
    },
    Mutation {
        guard: "§5 nothing behind a response with close is dispatched",
        file: CONTROL,
        from: "ReplyEnd if c.own >= Phase::Draining => ends(Completed);",
        to: "ReplyEnd if c.own >= Phase::Done => ends(Completed);",
        test: drain("a_client_may_not_prolong_the_drain_by_pipelining"),
    },
    Mutation {
        guard: "§2 a reset ends the connection wherever it is",
        file: CONTROL,
        from: "    Reset: Head | Idle | LookIdle | Asked(_) | Running(_) |",
        to: "    Reset: Idle | LookIdle | Asked(_) | Running(_) |",
        test: drain("a_client_that_vanishes_at_whatever_stage_ends_its_connection_at_once"),
    },
    Mutation {
        guard: "§2 a FIN behind a whole request is a half-close",
        file: CONTROL,
        from: "HalfClosed: stage @ (Asked(_) | Running(_) | Replying(_)",
        to: "HalfClosed: stage @ (Asked(_) | Replying(_)",
        test: drain("a_client_that_ended_its_side_is_answered_unless_the_handler_takes_too_long"),
    },
    Mutation {
        guard: "§2 half_close_grace",
        file: CONTROL,
        from: "Expired(Timer::HalfClose)\n        if c.half_closed => resets(Vanished);",
        to: "Expired(Timer::HalfClose)\n        if false => resets(Vanished);",
        test: drain("a_client_that_ended_its_side_is_answered_unless_the_handler_takes_too_long"),
    },
    Mutation {
        guard: "§2 a client that takes its response is there",
        file: TIMERS,
        from: "        if self.half_close != Time::NEVER {\n",
        to: "        if false {\n",
        test: drain("a_half_closed_client_gets_all_of_a_long_response_as_long_as_it_takes_it"),
    },
    Mutation {
        guard: "§2 half a head with a FIN behind it is nobody",
        file: CONTROL,
        from: "    EofHead: Head, Eof if !c.unflushed => gone(Vanished);\n",
        to: "",
        test: TABLE,
    },
    Mutation {
        guard: "§6 handlers are dropped, and get 503",
        file: CONTROL,
        from: "ClosingRefuses: Asked(_) | Running(_), Server(Phase::Closing) => refuses(Aborted);",
        to: "ClosingRefuses: Asked(_), Server(Phase::Closing) => refuses(Aborted);",
        test: drain("closing_answers_503_where_no_response_has_begun"),
    },
    Mutation {
        guard: "§6 Retry-After for safe methods only",
        file: LAST_REPLY,
        from: "if refusal == Refusal::Closing && is_safe {",
        to: "if refusal == Refusal::Closing {",
        test: drain("closing_answers_503_where_no_response_has_begun"),
    },
    Mutation {
        guard: "§6 half a head gets 408",
        file: CONTROL,
        from: "    ClosingHead: Head, Server(Phase::Closing) => refuses(Refused);\n",
        to: "",
        test: drain("closing_answers_half_a_head_with_408"),
    },
    Mutation {
        guard: "§6 a response until close is cut by a reset",
        file: CONTROL,
        from: "ClosingResets: Replying(_), Server(Phase::Closing) if c.until_close",
        to: "ClosingResets: Replying(_), Server(Phase::Closing) if false",
        test: drain("closing_cuts_a_response_so_that_it_looks_cut"),
    },
    Mutation {
        guard: "§6 a response of a known length or chunked is cut short",
        file: CONTROL,
        from: "ClosingCuts: Replying(_), Server(Phase::Closing) => ends(Aborted);",
        to: "ClosingCuts: Replying(_), Server(Phase::Closing) => to(Ending);",
        test: TABLE,
    },
    Mutation {
        guard: "§6 a handler that fails within a response cuts it alike",
        file: CONTROL,
        from: "    RefuseResets: Replying(_), Refuse if c.until_close => resets(Truncated);\n",
        to: "",
        test: TABLE,
    },
    Mutation {
        guard: "§6 a short response is cut, not ended",
        file: REPLY,
        from: "matches!(self.outbound.encoder, Encoder::Length(rest) if rest > 0)",
        to: "false",
        test: exchange("a_response_shorter_than_declared_is_cut_and_not_completed"),
    },
    Mutation {
        guard: "§6 who comes too late is turned away",
        file: CONNECTION,
        from: "        self.refuse(Refusal::Closing);\n",
        to: "",
        test: drain("who_comes_too_late_is_turned_away"),
    },
    Mutation {
        guard: "§6 in Done nothing remains",
        file: CONTROL,
        from: "    DoneDecided: Lingering | Querying, Server(Phase::Done) => to(Gone);\n",
        to: "",
        test: drain("done_ends_everything_from_wherever_it_is"),
    },
    Mutation {
        guard: "§3 an earlier tick reads as the last one",
        file: TIMERS,
        from: "        self.now = self.now.max(t.now);\n",
        to: "        self.now = t.now;\n",
        test: exchange("a_wait_that_begins_with_an_earlier_tick_begins_at_the_last_one"),
    },
    Mutation {
        guard: "§4 an idle connection gives its descriptor back",
        file: CONNECTION,
        from: "        if self.stage() == Stage::Idle {\n",
        to: "        if false {\n",
        test: drain("an_idle_connection_can_be_given_up_for_its_descriptor"),
    },
    Mutation {
        guard: "§4 and only an idle one",
        file: CONNECTION,
        from: "        if self.stage() == Stage::Idle {\n",
        to: "        if self.stage() != Stage::Idle {\n",
        test: drain("an_idle_connection_can_be_given_up_for_its_descriptor"),
    },
    Mutation {
        guard: "§7 I16 a response counts when its last byte is written",
        file: CONNECTION,
        from: "if self.unsent == 0 {\n            self.tally.completed",
        to: "if true {\n            self.tally.completed",
        test: exchange("a_response_counts_when_its_last_byte_is_written"),
    },
    Mutation {
        guard: "§7 I7 nothing follows a response that has begun but its own content",
        file: CONTROL,
        from: "RefuseCuts: Replying(_), Refuse => ends(Truncated);",
        to: "RefuseCuts: Replying(_), Refuse => refuses(Truncated);",
        test: TABLE,
    },
    Mutation {
        guard: "§7 I13 a peer that takes nothing is given up",
        file: CONTROL,
        from: "Expired(Timer::Output) if c.unflushed => resets(Stalled);",
        to: "Expired(Timer::Output) if false => resets(Stalled);",
        test: exchange("a_peer_that_takes_nothing_is_given_up"),
    },
    Mutation {
        guard: "§5 each request's content has its own timeout",
        file: CONNECTION,
        from: "        self.timers.request_began();\n",
        to: "",
        test: exchange("what_one_requests_content_has_waited_is_not_the_next_ones"),
    },
];

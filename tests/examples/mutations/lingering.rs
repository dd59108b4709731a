//! How a connection is ended: our side first, then what still comes is read for a while.

use crate::{Mutation, drain, exchange};

const CONTROL: &str = "core/src/control.rs";
const TIMERS: &str = "core/src/timers.rs";
const CONNECTION: &str = "core/src/connection.rs";
const FRAMING: &str = "core/src/framing.rs";

pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation {
        guard: "§5 no linger where nothing is under way",
        file: CONTROL,
        from: "LookedQuiet: LookIdle, Quiet if !c.unflushed => gone(ClosedIdle);",
        to: "LookedQuiet: LookIdle, Quiet if !c.unflushed => ends(ClosedIdle);",
        test: drain("an_idle_connection_without_anything_under_way_is_closed_without_a_linger"),
    },
    Mutation {
        guard: "§5 a linger for who was just answered",
        file: CONNECTION,
        from: "let is_quiet = self.stage() == Stage::LookIdle && is_silent",
        to: "let is_quiet = self.stage() == Stage::LookIdle",
        test: drain("an_idle_connection_that_was_just_answered_lingers_whatever_is_acknowledged"),
    },
    Mutation {
        guard: "§5 after a response with close: flush all, then FIN",
        file: CONTROL,
        from: "Fin: Ending, FinSent if !c.unflushed => to(Lingering);",
        to: "Fin: Ending, FinSent => to(Lingering);",
        test: drain("the_end_waits_for_the_last_byte_to_be_written"),
    },
    Mutation {
        guard: "§5 then linger",
        file: CONTROL,
        from: "Fin: Ending, FinSent if !c.unflushed => to(Lingering);",
        to: "Fin: Ending, FinSent if !c.unflushed => to(Gone);",
        test: drain("lingering_ends_with_silence_once_everything_is_acknowledged"),
    },
    Mutation {
        guard: "§5 no linger for a small reply to who has called his only request the last",
        file: CONTROL,
        from: "FinToParted: Ending, FinSentToParted if !c.unflushed => to(Gone);",
        to: "FinToParted: Ending, FinSentToParted if !c.unflushed => to(Lingering);",
        test: exchange(
            "who_calls_his_only_request_his_last_is_not_lingered_for_after_a_small_reply",
        ),
    },
    Mutation {
        guard: "§5 linger all the same for what is longer",
        file: CONNECTION,
        from: ".and_then(|left| left.checked_sub(bytes));",
        to: ".map(|left| left.saturating_sub(bytes));",
        test: exchange(
            "what_is_longer_than_a_segment_is_lingered_for_whatever_the_client_has_said",
        ),
    },
    Mutation {
        guard: "§5 and where an earlier reply may be under way",
        file: CONNECTION,
        from: "let has_parted = ends_client && self.tally.dispatched == 1;",
        to: "let has_parted = ends_client;",
        test: exchange(
            "what_is_longer_than_a_segment_is_lingered_for_whatever_the_client_has_said",
        ),
    },
    Mutation {
        guard: "§5 and behind another protocol",
        file: FRAMING,
        from: "self.close && is_whole && !(self.upgrade || self.is_connect)",
        to: "self.close && is_whole",
        test: exchange("a_goodbye_is_lingered_for_whatever_the_request_has_said_of_the_connection"),
    },
    Mutation {
        guard: "§5 linger all the same if it has content",
        file: FRAMING,
        from: "self.close && is_whole && !(self.upgrade || self.is_connect)",
        to: "self.close && !(self.upgrade || self.is_connect)",
        test: exchange(
            "who_calls_his_only_request_his_last_is_not_lingered_for_after_a_small_reply",
        ),
    },
    Mutation {
        guard: "§5 linger ends at the client's FIN",
        file: CONTROL,
        from: "    EofLingering: Lingering | Querying, Eof => to(Gone);\n",
        to: "",
        test: exchange("lingering_ends_at_the_clients_fin_or_reset"),
    },
    Mutation {
        guard: "§5 linger ends at the client's reset, the response being sent",
        file: CONTROL,
        from: "ResetDecided: Ending | Lingering | Querying, Reset",
        to: "ResetDecided: Ending, Reset",
        test: exchange("lingering_ends_at_the_clients_fin_or_reset"),
    },
    Mutation {
        guard: "§5 linger ends in silence only if all is acknowledged",
        file: CONTROL,
        from: "Unacknowledged: Querying, Unacknowledged => to(Lingering);",
        to: "Unacknowledged: Querying, Unacknowledged => to(Gone);",
        test: drain("lingering_ends_with_silence_once_everything_is_acknowledged"),
    },
    Mutation {
        guard: "§5 linger_short",
        file: TIMERS,
        from: "Wait::Silence => self.since.after(drain.linger_short),",
        to: "Wait::Silence => self.since.after(drain.linger_max),",
        test: drain("lingering_ends_with_silence_once_everything_is_acknowledged"),
    },
    Mutation {
        guard: "§5 input breaks the silence",
        file: CONNECTION,
        from: "        self.timers.silence_broken();\n",
        to: "",
        test: exchange("input_prolongs_lingering_also_while_the_send_queue_is_asked_for"),
    },
    Mutation {
        guard: "§5 linger_max, in time",
        file: TIMERS,
        from: "            self.linger = self.now.after(t.config.drain.linger_max);\n",
        to: "",
        test: drain("lingering_is_bounded_in_time_and_in_bytes"),
    },
    Mutation {
        guard: "§5 linger_max, in bytes",
        file: CONNECTION,
        from: "            self.apply(Event::LingerFull);\n",
        to: "",
        test: drain("lingering_is_bounded_in_time_and_in_bytes"),
    },
];

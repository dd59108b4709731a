//! What the clients of many connections have acknowledged is asked in one go.

use crate::{Mutation, Test, in_runtime, in_runtime_itself};

const PROBE: &str = "runtime-smol/src/probe.rs";
const SOCK_DIAG: &str = "runtime-smol/src/sock_diag.rs";
const SOCKET: &str = "runtime-smol/src/socket.rs";
const SERVING: &str = "runtime-smol/src/serving.rs";
const CONNECTIONS: &str = "runtime-smol/src/connections.rs";

const BELIEVED: Test = in_runtime_itself(
    "probe::tests::a_list_is_believed_of_who_has_written_nothing_since_and_of_nobody_else",
);
const EXPECTED: Test = in_runtime(
    "seam",
    "connections::the_system_hears_beforehand_how_many_connections_may_end",
);

pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation {
        guard: "§5 a list does not acknowledge what is written after it",
        file: SOCKET,
        from: "        self.lists = self.probe.lists();\n        written\n",
        to: "        written\n",
        test: in_runtime_itself(
            "socket::tests::what_was_written_after_a_list_is_not_acknowledged_by_it",
        ),
    },
    Mutation {
        guard: "§5 nor an end",
        file: SOCKET,
        from: "Shutdown::Write);\n        self.lists = self.probe.lists();\n",
        to: "Shutdown::Write);\n",
        test: in_runtime_itself("socket::tests::an_end_is_not_acknowledged_by_a_list_either"),
    },
    Mutation {
        guard: "§5 nor does it know who comes after it",
        file: SOCKET,
        from: "            lists: probe.lists(),\n",
        to: "            lists: 0,\n",
        test: in_runtime_itself("socket::tests::who_comes_after_a_list_is_not_known_by_it"),
    },
    Mutation {
        guard: "§5 a list is older than what was written while it was made",
        file: PROBE,
        from: "is_some_and(|number| *number > lists)",
        to: "is_some_and(|number| *number >= lists)",
        test: BELIEVED,
    },
    Mutation {
        guard: "§5 a list is forgotten with the last batch",
        file: PROBE,
        from: "if batches.open == 0 {",
        to: "if false {",
        test: BELIEVED,
    },
    Mutation {
        guard: "§5 and not before",
        file: PROBE,
        from: "if batches.open == 0 {",
        to: "if true {",
        test: in_runtime_itself("probe::tests::what_is_known_lasts_as_long_as_the_last_batch"),
    },
    Mutation {
        guard: "§5 what is not acknowledged is lingered for",
        file: PROBE,
        from: "if unacknowledged == 0 { number } else { 0 }",
        to: "{ let _ = unacknowledged; number }",
        test: in_runtime_itself("probe::tests::a_list_says_the_same_as_a_question_about_each"),
    },
    Mutation {
        guard: "§5 a list that failed is none",
        file: PROBE,
        from: "if done.is_err() {",
        to: "if false {",
        test: in_runtime_itself("probe::tests::nothing_is_believed_of_a_list_that_was_interrupted"),
    },
    Mutation {
        guard: "§5 one that was interrupted has failed",
        file: SOCK_DIAG,
        from: "if flags & NLM_F_DUMP_INTR != 0 {",
        to: "if false {",
        test: in_runtime_itself("sock_diag::tests::an_answer_that_was_interrupted_is_none"),
    },
    Mutation {
        guard: "§5 two with the same addresses are not taken for one",
        file: PROBE,
        from: "*noted = says.min(*noted);",
        to: "*noted = says.max(*noted);",
        test: in_runtime_itself(
            "probe::tests::of_two_with_the_same_addresses_both_must_have_acknowledged_all",
        ),
    },
    Mutation {
        guard: "§5 a list takes no more room than there are connections",
        file: PROBE,
        from: "if listed.len() < *expected {",
        to: "if true {",
        test: in_runtime_itself("probe::tests::a_list_takes_no_more_room_than_was_asked_for"),
    },
    Mutation {
        guard: "few are asked about one by one",
        file: PROBE,
        from: "if self.expected < MANY {",
        to: "if false {",
        test: in_runtime_itself("probe::tests::few_are_asked_about_one_by_one"),
    },
    Mutation {
        guard: "a deadline of many is known beforehand",
        file: SERVING,
        from: "let due = serving.due(t);",
        to: "let due = 0;",
        test: EXPECTED,
    },
    Mutation {
        guard: "a phase that ends many is known beforehand",
        file: SERVING,
        from: "system.expecting_ends(serving.open(), ||",
        to: "system.expecting_ends(0, ||",
        test: EXPECTED,
    },
    Mutation {
        guard: "nothing is counted while the server runs",
        file: CONNECTIONS,
        from: "Phase::Running => 0,",
        to: "Phase::Running => self.deadlines.due(t.now),",
        test: in_runtime("seam", "connections::no_ends_are_expected_before_the_drain"),
    },
];

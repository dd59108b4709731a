//! Accepting from the runtime's listeners, up to their end.

use crate::{Mutation, Test, in_runtime, in_runtime_itself, in_seam};

const LISTENER: &str = "runtime-smol/src/listener.rs";
const LISTENERS: &str = "runtime-smol/src/listeners.rs";
const CONDUCTOR: &str = "runtime-smol/src/conductor.rs";
const CONNECTIONS: &str = "runtime-smol/src/connections.rs";
const CLOSING: Test = in_seam("listeners::closing_cuts_the_seal_short_and_turns_away_who_waits");
const ONE_CLIENTS: Test = in_seam("listeners::one_clients_failure_is_no_end_of_accepting");
const WANT: Test =
    in_seam("listeners::want_of_descriptors_or_memory_pauses_accepting_for_a_second");
const AT_THE_END: Test =
    in_seam("listeners::at_the_end_nobody_is_accepted_and_who_waits_is_counted_as_lost");
const IDLE: Test =
    in_seam("listeners::an_idle_connection_is_given_up_for_its_descriptor_and_no_other");
const FAILED: Test =
    in_seam("listeners::any_other_error_ends_the_listener_and_with_the_last_the_server");

const LEFT: Test =
    in_seam("listeners::who_waits_for_a_done_server_is_lost_if_nobody_else_takes_it");

pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation {
        guard: "§3 close_now cuts the seal short",
        file: LISTENERS,
        from: "            ending.hurry(duty.now);\n",
        to: "",
        test: CLOSING,
    },
    Mutation {
        guard: "§3 who waits then is turned away",
        file: CONNECTIONS,
        from: "                connection.turn_away(t);\n",
        to: "",
        test: CLOSING,
    },
    Mutation {
        guard: "§3 and that even above the limit",
        file: LISTENERS,
        from: "Listening::TurnAway => usize::MAX,",
        to: "Listening::TurnAway => self.max_connections,",
        test: in_seam("listeners::who_comes_too_late_is_turned_away_even_above_the_limit"),
    },
    Mutation {
        guard: "§4 ECONNABORTED is one client's",
        file: LISTENER,
        from: "                Errno::CONNABORTED\n                | Errno::INTR\n",
        to: "                Errno::INTR\n",
        test: ONE_CLIENTS,
    },
    Mutation {
        guard: "§4 EPROTO is one client's",
        file: LISTENER,
        from: "                | Errno::PROTO\n",
        to: "",
        test: ONE_CLIENTS,
    },
    Mutation {
        guard: "§4 network errors are one client's",
        file: LISTENER,
        from: "                | Errno::NETUNREACH\n",
        to: "",
        test: ONE_CLIENTS,
    },
    Mutation {
        guard: "§4 EMFILE and ENOMEM are nobody's: accept again later",
        file: LISTENER,
        from: "Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::NOSPC)",
        to: "Some(Errno::NOSPC)",
        test: WANT,
    },
    Mutation {
        guard: "§4 later is a second later",
        file: LISTENERS,
        from: "        if self.paused_until.is_some_and(|until| until <= now) {\n",
        to: "        if false {\n",
        test: WANT,
    },
    Mutation {
        guard: "§4 until then nobody is accepted",
        file: LISTENERS,
        from: "        if self.paused_until.is_some() {\n            return false;\n        }\n",
        to: "",
        test: WANT,
    },
    Mutation {
        guard: "§4 for want of a descriptor an idle connection is closed",
        file: CONDUCTOR,
        from: "if exhausted && serving.close_one_idle(t) {",
        to: "if exhausted && false {",
        test: IDLE,
    },
    Mutation {
        guard: "§4 one is accepted for each connection that ends",
        file: CONDUCTOR,
        from: "            self.listeners.room_was_made();\n",
        to: "",
        test: IDLE,
    },
    Mutation {
        guard: "§4 any other error ends the listener",
        file: LISTENER,
        from: "_ => Attempt::Failed(error),",
        to: "_ => Attempt::Empty,",
        test: FAILED,
    },
    Mutation {
        guard: "§3 failed listeners are a reason to stop",
        file: CONDUCTOR,
        from: "            lifecycle.drain(now, config, Cause::Listeners);\n",
        to: "",
        test: FAILED,
    },
    Mutation {
        guard: "§4 who does not fit into a batch is accepted in the next",
        file: LISTENERS,
        from: "        cx.waker().wake_by_ref();\n",
        to: "",
        test: in_seam("listeners::who_does_not_fit_into_one_batch_is_accepted_in_the_next"),
    },
    Mutation {
        guard: "§4 nobody is accepted above the limit",
        file: LISTENERS,
        from: "            if room.open >= room.limit {\n",
        to: "            if false {\n",
        test: in_seam("listeners::above_the_limit_nobody_is_accepted_before_somebody_has_ended"),
    },
    Mutation {
        guard: "§4 a full server waits without spinning",
        file: LISTENERS,
        from: "            None if self.full => Time::NEVER,\n",
        to: "",
        test: in_runtime(
            "ending",
            "a_sealed_listener_that_may_not_accept_waits_without_spinning",
        ),
    },
    Mutation {
        guard: "§4 a listener that may not be accepted from is sealed all the same",
        file: LISTENERS,
        from: "                slot.end(duty, self.first_rung);\n",
        to: "                slot.end(duty, self.first_rung);\n                break;\n",
        test: in_runtime(
            "ending",
            "all_listeners_are_sealed_at_once_even_when_none_may_be_accepted_from",
        ),
    },
    Mutation {
        guard: "§4 keep accepting: who waits behind a pause is waiting",
        file: LISTENERS,
        from: "(self.paused_until.is_some() || self.slots.iter().any(unseen))",
        to: "self.slots.iter().any(|_| false)",
        test: in_seam(
            "listeners::a_server_that_keeps_accepting_is_not_deserted_while_accepting_is_paused",
        ),
    },
    Mutation {
        guard: "§4 keep accepting: so is who was not looked for yet",
        file: LISTENERS,
        from: "slot.listener.is_some() && slot.ready;",
        to: "slot.listener.is_none() && slot.ready;",
        test: in_runtime(
            "keep_accepting",
            "nobody_in_the_queue_is_accepted_later_than_in_lame_duck",
        ),
    },
    Mutation {
        guard: "§1 at Done nobody is accepted",
        file: CONDUCTOR,
        from: "if listening == Listening::Ended || self.lifecycle.phase() == Phase::Done {",
        to: "if listening == Listening::Ended {",
        test: AT_THE_END,
    },
    Mutation {
        guard: "§4 what is left in a queue is reported",
        file: LISTENERS,
        from: "self.lost_in_queue = socket.queued().unwrap_or(0);",
        to: "",
        test: AT_THE_END,
    },
    Mutation {
        guard: "§4 but not what is left to others",
        file: LISTENER,
        from: "            Ownership::Shared => false,\n",
        to: "            Ownership::Shared => true,\n",
        test: LEFT,
    },
    Mutation {
        guard: "§4 or to an heir",
        file: LISTENER,
        from: "            Ownership::Grouped => !has_heir(),\n",
        to: "            Ownership::Grouped => true,\n",
        test: LEFT,
    },
    Mutation {
        guard: "§4 nor by a watchdog",
        file: LISTENER,
        from: "|| migrates && has_sibling(&socket, address, probe).unwrap_or(false)",
        to: "|| false",
        test: in_runtime_itself(
            "listening::tests::\
             whom_a_sibling_inherits_is_not_lost_with_a_listener_that_a_watchdog_ends",
        ),
    },
    Mutation {
        guard: "§4 in a group without an heir it is lost",
        file: LISTENER,
        from: "            Ownership::Grouped => !has_heir(),\n",
        to: "            Ownership::Grouped => false,\n",
        test: LEFT,
    },
];

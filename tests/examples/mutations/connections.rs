//! The runtime's connections: what they ask of their sockets, and how they are counted.

use crate::{Mutation, Test, in_runtime, in_runtime_itself, in_seam};

const CONNECTION: &str = "runtime-smol/src/connection.rs";
const CONNECTIONS: &str = "runtime-smol/src/connections.rs";
const SOCKET: &str = "runtime-smol/src/socket.rs";
const SHARED: &str = "runtime-smol/src/shared.rs";
const REGISTRY: &str = "runtime-smol/src/registry.rs";
const LEDGER: &str = "runtime-smol/src/ledger.rs";
const REPORT: &str = "runtime-smol/src/report.rs";

const IN_TIME: Test = in_seam("connections::what_was_in_time_is_read_before_a_timer_acts");
const BALANCE: Test =
    in_seam("connections::accepted_are_those_that_are_open_and_those_that_have_ended");
const REGISTERED: Test = in_seam(
    "connections::a_connection_is_in_the_registry_before_it_is_read_and_until_its_socket_is_closed",
);

const DROPPED: Test =
    in_seam("connections::a_server_that_is_dropped_lets_no_response_look_whole_that_is_not");

pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation {
        guard: "§3 after a clock jump sockets are read before any timer acts",
        file: CONNECTION,
        from: "        let closed = if self.is_idle() {\n",
        to: "        let closed = if true {\n",
        test: IN_TIME,
    },
    Mutation {
        guard: "§3 and the system is asked, not the reactor's memory",
        file: CONNECTION,
        from: "        self.transport.expect_input();\n",
        to: "",
        test: IN_TIME,
    },
    Mutation {
        guard: "§3 a timer acts",
        file: CONNECTION,
        from: "            self.core.handle_timeout(t);\n",
        to: "",
        test: IN_TIME,
    },
    Mutation {
        guard: "§5 the look before the FIN asks the system itself",
        file: CONNECTION,
        from: "let done = if read == Read::Look {",
        to: "let done = if false {",
        test: in_seam("connections::the_last_look_asks_the_system_itself"),
    },
    Mutation {
        guard: "§5 a socket that is expected to have input is asked in any case",
        file: SOCKET,
        from: "    fn expect_input(&mut self) {\n        self.more = true;\n",
        to: "    fn expect_input(&mut self) {\n",
        test: in_runtime_itself("socket::tests::who_expects_input_asks_the_system_itself"),
    },
    Mutation {
        guard: "§5 an end is found again by reading",
        file: SOCKET,
        from: "matches!(read, Ok(read) if read == most || read == 0)",
        to: "matches!(read, Ok(read) if read == most)",
        test: in_runtime_itself("socket::tests::an_end_that_was_read_is_read_again"),
    },
    Mutation {
        guard: "§5 flush all, then FIN",
        file: CONNECTION,
        from: "            Write::Flush => self.flush(t, cx),\n            Write::Fin => match",
        to: "            Write::Flush | Write::Fin => match",
        test: in_seam("connections::a_fin_is_sent_behind_the_last_byte_and_not_before"),
    },
    Mutation {
        guard: "§5 FIN before close",
        file: CONNECTION,
        from: "match self.transport.poll_end(cx) {",
        to: "match Poll::Ready(io::Result::Ok(())) {",
        test: in_seam("connections::a_fin_is_sent_behind_the_last_byte_and_not_before"),
    },
    Mutation {
        guard: "§5 linger asks for the send queue",
        file: CONNECTION,
        from: "self.transport.unacknowledged(local, peer);",
        to: "self.transport.unacknowledged(local, peer).min(0);",
        test: in_seam("connections::lingering_lasts_until_the_last_byte_is_acknowledged"),
    },
    Mutation {
        guard: "§5 linger ends at the client's FIN",
        file: CONNECTION,
        from: "            Ok(0) => self.core.handle_eof(t),\n",
        to: "            Ok(0) => return false,\n",
        test: in_seam("connections::a_lingering_connection_reads_and_throws_away"),
    },
    Mutation {
        guard: "§6 a reset where the core asks for one",
        file: CONNECTION,
        from: "                    if reset {\n",
        to: "                    if false {\n",
        test: in_seam("connections::a_stalled_reader_is_reset_and_an_ordinary_end_is_none"),
    },
    Mutation {
        guard: "§6 and nowhere else",
        file: CONNECTION,
        from: "                    if reset {\n",
        to: "                    if true {\n",
        test: in_seam("connections::a_stalled_reader_is_reset_and_an_ordinary_end_is_none"),
    },
    Mutation {
        guard: "§6 a reset of a socket of the kernel",
        file: SOCKET,
        from: "set_socket_linger(&self.source, Some(Duration::ZERO));",
        to: "set_socket_linger(&self.source, None);",
        test: in_runtime(
            "embedding",
            "a_cut_response_that_only_the_close_delimits_ends_in_a_reset",
        ),
    },
    Mutation {
        guard: "§2 who goes away while nothing is read is noticed",
        file: CONNECTION,
        from: "self.inbox.len() >= t.config.limits.head => return self.watch(t, cx),\n",
        to: "self.inbox.len() >= t.config.limits.head => return false,\n",
        test: in_seam("connections::a_client_that_goes_away_is_noticed_while_nothing_is_read"),
    },
    Mutation {
        guard: "§2 the handler of who has vanished is dropped, and may panic",
        file: CONNECTION,
        from: "                    self.drop_exchange(env);
                    end",
        to: "                    end",
        test: in_seam("connections::a_handler_that_panics_when_it_is_dropped_costs_nobody_else"),
    },
    Mutation {
        guard: "§7 I6 in the registry before anything is awaited",
        file: CONNECTIONS,
        from: ".enter(index, State::Fresh, &info, count);",
        to: ".enter(index, State::Gone, &info, count);",
        test: REGISTERED,
    },
    Mutation {
        guard: "§7 I6 and until the socket is closed",
        file: CONNECTION,
        from: "        if state != State::Gone {\n            self.entry.set(state);\n        }\n",
        to: "        self.entry.set(state);\n",
        test: REGISTERED,
    },
    Mutation {
        guard: "§7 I6 the socket is closed first, then the registry left",
        file: CONNECTION,
        from: "        drop(transport);\n        entry.leave(|| ",
        to: "        let _transport = transport;\n        entry.leave(|| ",
        test: REGISTERED,
    },
    Mutation {
        guard: "§2 the census is derived from the states",
        file: CONNECTION,
        from: "            self.entry.set(state);\n",
        to: "",
        test: BALANCE,
    },
    Mutation {
        guard: "§7 I22 who has ended is not open",
        file: REGISTRY,
        from: "        self.clear(&mut book);\n        count();\n",
        to: "        count();\n",
        test: in_runtime_itself(
            "registry::tests::who_leaves_is_not_there_any_more_when_it_is_counted",
        ),
    },
    Mutation {
        guard: "§7 I22 each connection is counted when it ends",
        file: SHARED,
        from: "        self.totals.add(outcome, tally);\n",
        to: "",
        test: BALANCE,
    },
    Mutation {
        guard: "§7 I22 each connection is counted when it is accepted",
        file: SHARED,
        from: "self.totals.accepted.fetch_add(1, Ordering::Relaxed);",
        to: "self.totals.accepted.fetch_add(0, Ordering::Relaxed);",
        test: BALANCE,
    },
    Mutation {
        guard: "§9 whom the shutdown cut off is described",
        file: SHARED,
        from: "                outline.aborted.push(aborted());\n",
        to: "",
        test: BALANCE,
    },
    Mutation {
        guard: "§9 as what it was doing before it began to end",
        file: CONNECTION,
        from: "        if !matches!(state, State::Linger | State::Gone) {\n",
        to: "        {\n",
        test: BALANCE,
    },
    Mutation {
        guard: "§9 with the bytes that it sent",
        file: CONNECTION,
        from: "        self.info.ledger().add_received(received);\n",
        to: "",
        test: BALANCE,
    },
    Mutation {
        guard: "§9 a response that has begun is cut, not aborted",
        file: LEDGER,
        from: "(true, true) => Fate::Truncated,",
        to: "(true, true) => Fate::Aborted,",
        test: in_runtime_itself("ledger::tests::both_counts_of_requests_are_kept_apart"),
    },
    Mutation {
        guard: "§9 who was left in a queue is lost",
        file: REPORT,
        from: "self.lost == 0 && self.lost_in_queue() == 0 && self.stuck == 0",
        to: "self.lost == 0 && self.stuck == 0",
        test: in_seam("listeners::at_the_end_nobody_is_accepted_and_who_waits_is_counted_as_lost"),
    },
    Mutation {
        guard: "§7 I21 a response that a dropped server cuts does not look whole",
        file: CONNECTION,
        from: "        if control.until_close && goes_on && control.stage != Gone {\n",
        to: "        if false {\n",
        test: DROPPED,
    },
    Mutation {
        guard: "§7 I21 and one that is whole is not reset",
        file: CONNECTION,
        from: "        if control.until_close && goes_on && control.stage != Gone {\n",
        to: "        if true {\n",
        test: DROPPED,
    },
];

//! Sealing a listener of the runtime, and what it waits for.

use crate::{Mutation, Test, in_runtime, in_runtime_itself, in_seam};

const SEAL: &str = "runtime-smol/src/seal.rs";
const HALF_OPEN: &str = "runtime-smol/src/half_open.rs";
const ENDING: &str = "runtime-smol/src/ending.rs";
const LISTENER: &str = "runtime-smol/src/listener.rs";
const LISTENERS: &str = "runtime-smol/src/listeners.rs";
const LISTENING: &str = "runtime-smol/src/listening.rs";
const PROBE: &str = "runtime-smol/src/probe.rs";

const LADDER: Test =
    in_seam("listeners::each_rung_of_the_seal_is_tried_below_one_that_does_not_hold");
const WINDOW: Test =
    in_seam("listeners::a_seal_lasts_no_longer_than_its_window_and_says_whom_it_gave_up");
const LAST_LOOK: Test =
    in_seam("listeners::who_completes_its_handshake_at_the_last_look_is_accepted");
const SHARED: Test =
    in_seam("listeners::a_shared_listener_is_dropped_at_once_and_nothing_is_done_to_it");
const COOKIES: Test =
    in_seam("listeners::with_cookies_behind_a_filter_nobody_is_asked_and_the_whole_window_waited");
const HEIR: Test = in_seam(
    "listeners::whom_an_heir_gets_is_not_lost_but_only_a_group_has_one_and_only_on_the_first_rung",
);
const LISTED: Test = in_runtime_itself(
    "listening::tests::\
     a_list_shows_who_is_in_the_middle_of_a_handshake_once_and_behind_the_seal_only",
);
const BEFORE_TELLING: Test = in_seam(
    "listeners::a_listener_is_sealed_before_connections_are_told_unless_others_share_its_clients",
);

pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation {
        guard: "§4 a listener is sealed before its connections are told",
        file: "runtime-smol/src/shutdown.rs",
        from: "if self.told == Progress::Sealing {",
        to: "if false {",
        test: BEFORE_TELLING,
    },
    Mutation {
        guard: "§4 but not one of a group",
        file: LISTENERS,
        from: "slot.ownership == Ownership::Sole;",
        to: "slot.ownership != Ownership::Shared;",
        test: BEFORE_TELLING,
    },
    Mutation {
        guard: "§4 a list that was begun before the seal, or right behind it, is no look",
        file: PROBE,
        from: "list.begun >= since && ",
        to: "",
        test: LISTED,
    },
    Mutation {
        guard: "§4 handshakes with others on the port are not waited for",
        file: PROBE,
        from: "any || *local == address.ip()",
        to: "any || local.is_ipv4()",
        test: LISTED,
    },
    Mutation {
        guard: "§4 a list that failed is no look either",
        file: PROBE,
        from: "        done.is_ok()\n",
        to: "        true\n",
        test: in_runtime_itself("probe::tests::nothing_is_believed_of_a_list_that_was_interrupted"),
    },
    Mutation {
        guard: "§4 without a seal that holds a list is no look",
        file: LISTENING,
        from: "Rung::Plain => return Ok(()),",
        to: "Rung::Plain => {}",
        test: in_runtime_itself("listening::tests::only_a_seal_that_holds_makes_a_list_a_look"),
    },
    Mutation {
        guard: "§4 whom a list shows is waited for",
        file: HALF_OPEN,
        from: "        Some(self.are_left_in(peers))\n",
        to: "        self.are_left_in(peers);\n        Some(false)\n",
        test: in_seam(
            "listeners::\
             whom_a_list_shows_in_the_middle_of_a_handshake_is_waited_for_and_nobody_else_is",
        ),
    },
    Mutation {
        guard: "§4 the highest rung comes first",
        file: SEAL,
        from: "[Rung::Interface, Rung::Filter]",
        to: "[Rung::Filter, Rung::Interface]",
        test: LADDER,
    },
    Mutation {
        guard: "§4 no rung above the one that was asked for",
        file: SEAL,
        from: ".filter(|rung| *rung >= first)",
        to: ".filter(|rung| *rung >= Rung::Interface.min(first))",
        test: LADDER,
    },
    Mutation {
        guard: "§4 never assume a rung: read the return value",
        file: SEAL,
        from: ".find(|rung| listener.seal(*rung).is_ok())",
        to: ".find(|rung| listener.seal(*rung).is_ok() || true)",
        test: LADDER,
    },
    Mutation {
        guard: "§4 without a seal nobody is waited for",
        file: ENDING,
        from: "if rung == Rung::Plain {",
        to: "if false {",
        test: in_seam("listeners::without_a_seal_that_holds_nobody_is_waited_for"),
    },
    Mutation {
        guard: "§4 the first look comes a pause after the seal",
        file: ENDING,
        from: "                return self.pause(now);\n",
        to: "",
        test: in_seam(
            "listeners::who_is_in_the_middle_of_a_handshake_is_looked_for_a_pause_after_the_seal",
        ),
    },
    Mutation {
        guard: "§4 and that counts from a turn that began after it",
        file: ENDING,
        from: "            since_seal: SinceSeal::Nothing,\n",
        to: "            since_seal: SinceSeal::ATurn,\n",
        test: in_seam("listeners::the_pause_after_the_seal_counts_from_the_next_turn"),
    },
    Mutation {
        guard: "§4 who is given up before the first look is counted",
        file: ENDING,
        from: "            let _ = listener.poll_half_open(half_open, cx);\n",
        to: "",
        test: in_seam("listeners::closing_cuts_the_seal_short_and_turns_away_who_waits"),
    },
    Mutation {
        guard: "§4 a sibling's clients are not waited for",
        file: HALF_OPEN,
        from: "peers.retain(|peer| now.contains(peer));",
        to: "*peers = now;",
        test: in_runtime_itself(
            "half_open::tests::those_who_come_to_a_sibling_meanwhile_are_not_waited_for",
        ),
    },
    Mutation {
        guard: "§4 the last accept is behind the last look",
        file: ENDING,
        from: "        self.clear = true;\n        Verdict::AcceptAgain\n",
        to: "        self.clear = true;\n        Verdict::Close\n",
        test: LAST_LOOK,
    },
    Mutation {
        guard: "§4 who is in the middle of a handshake is waited for",
        file: ENDING,
        from: "        ending.half_open = Some(HalfOpen::default());\n",
        to: "",
        test: LAST_LOOK,
    },
    Mutation {
        guard: "§4 seal_max",
        file: ENDING,
        from: "if now >= self.until {",
        to: "if false {",
        test: WINDOW,
    },
    Mutation {
        guard: "§4 the window begins with the seal",
        file: ENDING,
        from: "        ending.until = now.after(window);\n",
        to: "",
        test: WINDOW,
    },
    Mutation {
        guard: "§4 a group has a window of its own",
        file: ENDING,
        from: "Ownership::Grouped => drain.seal_max_group,",
        to: "Ownership::Grouped => drain.seal_max,",
        test: WINDOW,
    },
    Mutation {
        guard: "§4 lost in a handshake is who was given up",
        file: LISTENERS,
        from: "ending.lost(&mut listener)",
        to: "0",
        test: WINDOW,
    },
    Mutation {
        guard: "§4 and nobody else",
        file: ENDING,
        from: "filter(|_| !self.clear) else {\n            return 0;",
        to: "filter(|_| self.clear) else {\n            return 0;",
        test: WINDOW,
    },
    Mutation {
        guard: "§4 nobody wakes us for a handshake: it is looked again",
        file: ENDING,
        from: "        self.recheck = now.after(self.pause);\n",
        to: "",
        test: LAST_LOOK,
    },
    Mutation {
        guard: "§4 but not in a circle",
        file: ENDING,
        from: "LONGEST_PAUSE.min(self.pause * 2)",
        to: "SHORTEST_PAUSE.min(self.pause * 2)",
        test: in_seam("listeners::handshakes_are_looked_for_less_often_after_a_while"),
    },
    Mutation {
        guard: "§4 what nobody can tell takes the whole window",
        file: ENDING,
        from: "Poll::Ready(Some(left)) => self.see(left, now),",
        to: "Poll::Ready(left) => self.see(left.unwrap_or(false), now),",
        test: in_seam("listeners::where_nobody_can_tell_the_whole_window_is_waited"),
    },
    Mutation {
        guard: "§4 nobody keeps a list of cookies",
        file: ENDING,
        from: "rung == Rung::Filter && listener.socket().uses_cookies()",
        to: "false",
        test: COOKIES,
    },
    Mutation {
        guard: "§4 on the first rung they are refused: no reason to wait",
        file: ENDING,
        from: "rung == Rung::Filter && listener.socket().uses_cookies()",
        to: "listener.socket().uses_cookies()",
        test: in_seam("listeners::on_the_first_rung_cookies_change_nothing"),
    },
    Mutation {
        guard: "§4 an heir is no reason to leave at once",
        file: ENDING,
        from: "        if rung == Rung::Plain {\n",
        to: "        if rung == Rung::Plain || listener.socket().has_heir() {\n",
        test: in_seam("listeners::a_listener_that_has_an_heir_waits_for_handshakes_as_any_other"),
    },
    Mutation {
        guard: "§4 whom it gets is not lost",
        file: ENDING,
        from: "|| self.rung == Some(Rung::Interface) && listener.socket().has_heir();",
        to: "|| false;",
        test: HEIR,
    },
    Mutation {
        guard: "§4 only a listener of a group has one",
        file: ENDING,
        from: "listener.ownership().loses(has_heir)",
        to: "Ownership::Grouped.loses(has_heir)",
        test: HEIR,
    },
    Mutation {
        guard: "§4 and only on the first rung, which a sibling can see",
        file: ENDING,
        from: "|| self.rung == Some(Rung::Interface) && listener",
        to: "|| listener",
        test: HEIR,
    },
    Mutation {
        guard: "§4 nor looked for in the last moment",
        file: ENDING,
        from: "        if !listener.ownership().loses(has_heir) {\n",
        to: "        let cx = &mut Context::from_waker(Waker::noop());\n        \
             let loses = listener.ownership().loses(has_heir);\n        \
             let _ = listener.poll_half_open(half_open, cx);\n        \
             if !loses {\n",
        test: in_seam(
            "listeners::a_listener_that_is_not_to_wait_leaves_to_its_heir_without_a_look",
        ),
    },
    Mutation {
        guard: "§4 a shared listener is never sealed",
        file: ENDING,
        from: "Ownership::Shared => return ending,",
        to: "Ownership::Shared => drain.seal_max,",
        test: SHARED,
    },
    Mutation {
        guard: "§4 and dropped at once",
        file: LISTENERS,
        from: "        if self.ownership == Ownership::Shared {\n",
        to: "        if false {\n",
        test: SHARED,
    },
    Mutation {
        guard: "§4 a shared listener is not shut down by a watchdog",
        file: LISTENER,
        from: "        if self.ownership == Ownership::Shared {\n            return 0;",
        to: "        if false {\n            return 0;",
        test: in_runtime("watchdog", "a_shared_listener_is_left_to_the_others"),
    },
    Mutation {
        guard: "§4 a unix listener is not sealed",
        file: ENDING,
        from: "if !matches!(listener.address(), Address::Tcp(_)) {",
        to: "if false {",
        test: in_seam("listeners::a_unix_listener_is_not_sealed_and_ends_when_its_queue_is_empty"),
    },
    Mutation {
        guard: "§4 a unix path is removed first",
        file: ENDING,
        from: "        listener.hide();\n",
        to: "",
        test: in_runtime(
            "ending",
            "a_unix_socket_is_not_to_be_found_any_more_while_its_queue_is_served",
        ),
    },
    Mutation {
        guard: "§4 a successor's file is left alone: another inode",
        file: LISTENER,
        from: "data.dev() == self.device && data.ino() == self.inode",
        to: "data.dev() == self.device",
        test: in_runtime(
            "embedding",
            "a_successors_socket_file_is_left_alone_and_a_dead_ones_is_replaced",
        ),
    },
    Mutation {
        guard: "§4 a successor's file is left alone: another device",
        file: LISTENER,
        from: "data.dev() == self.device && data.ino() == self.inode",
        to: "data.ino() == self.inode",
        test: in_runtime_itself(
            "listener::tests::the_same_inode_on_another_device_is_another_file",
        ),
    },
    Mutation {
        guard: "§7 I19 a unix path is removed once",
        file: LISTENER,
        from: "if self.is_removed.swap(true, Ordering::AcqRel) {",
        to: "if false {",
        test: in_runtime_itself(
            "listener::tests::a_file_is_removed_once_even_if_its_successor_gets_the_same_inode",
        ),
    },
    Mutation {
        guard: "§4 a sibling that is about to end is no heir",
        file: PROBE,
        from: "entry.interface() != NOWHERE",
        to: "true",
        test: in_runtime_itself("listening::tests::a_sibling_that_is_about_to_end_is_none"),
    },
];

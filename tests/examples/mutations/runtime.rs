//! The runtime's signals, deadlines, wake-ups and watchdog.

use crate::{Mutation, Test, in_runtime, in_runtime_itself, in_seam};

const EXCHANGE: &str = "runtime-smol/src/exchange.rs";
const DISPATCH: &str = "runtime-smol/src/dispatch.rs";
const CONDUCTOR: &str = "runtime-smol/src/conductor.rs";
const SHUTDOWN: &str = "runtime-smol/src/shutdown.rs";
const COURSE: &str = "runtime-smol/src/course.rs";
const SIGNALS: &str = "runtime-smol/src/signals.rs";
const HANDLE: &str = "runtime-smol/src/handle.rs";
const DEADLINES: &str = "runtime-smol/src/deadlines.rs";
const RUN_QUEUE: &str = "runtime-smol/src/run_queue.rs";
const WATCHDOG: &str = "runtime-smol/src/watchdog.rs";
const EPOLL: &str = "runtime-smol/src/epoll.rs";
const PARK: &str = "runtime-smol/src/park.rs";

const STEPS: Test =
    in_seam("shutdown::signals_go_a_step_further_each_and_the_one_after_the_last_ends_the_process");
const DEADLINE: Test =
    in_seam("shutdown::at_its_deadline_the_server_aborts_what_is_left_and_says_so");
const LATE: Test =
    in_runtime_itself("watchdog::tests::who_is_late_gets_a_margin_and_only_once_it_is");
const CUT_OFF: Test = in_runtime(
    "watchdog",
    "run_returns_at_its_deadline_although_a_handler_blocks_its_thread",
);

pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation {
        guard: "§3 commands are taken up in their order",
        file: SHUTDOWN,
        from: "for (at, command) in asked {",
        to: "for (at, command) in asked.into_iter().rev() {",
        test: in_seam("shutdown::commands_count_in_their_order"),
    },
    Mutation {
        guard: "§3 and count from when they came",
        file: COURSE,
        from: "            let at = (*at).min(now);\n",
        to: "            let at = now;\n",
        test: in_runtime_itself(
            "course::tests::a_second_signal_counts_from_the_moment_at_which_it_came",
        ),
    },
    Mutation {
        guard: "§3 of two of the same the first counts",
        file: COURSE,
        from: "            Some((_, last)) if *last == command && !is_signal => {}\n",
        to: "            Some(last) if last.1 == command && !is_signal => *last = (at, command),\n",
        test: in_runtime_itself(
            "course::tests::commands_are_taken_in_their_order_and_there_are_never_many",
        ),
    },
    Mutation {
        guard: "§3 every signal that has come is taken up",
        file: SHUTDOWN,
        from: "            shared.course().ask(now, Command::Signal(signal));\n",
        to: "            drop(signal);\n",
        test: STEPS,
    },
    Mutation {
        guard: "§3 a duplicate within the debounce time does nothing, and nothing is ended by it",
        file: SHUTDOWN,
        from: "if effect == SignalEffect::Default {",
        to: "if effect != SignalEffect::Obeyed {",
        test: STEPS,
    },
    Mutation {
        guard: "§3 a signal in Closing ends the process",
        file: SHUTDOWN,
        from: "            self.system.end_process(signal);\n",
        to: "            drop(signal);\n",
        test: STEPS,
    },
    Mutation {
        guard: "§3 with the signal's own status",
        file: SIGNALS,
        from: "            StopSignal::Interrupt => Signal::Int as i32,",
        to: "            StopSignal::Interrupt => Signal::Term as i32,",
        test: in_runtime_itself(
            "signals::tests::a_process_that_is_ended_by_a_signal_says_by_which",
        ),
    },
    Mutation {
        guard: "§3 SIGINT closes at once where it is configured so",
        file: COURSE,
        from: "if *interrupt == Interrupt::Close && is_open => {",
        to: "if false && *interrupt == Interrupt::Close && is_open => {",
        test: in_seam("shutdown::an_interrupt_may_close_at_once_and_a_second_one_ends_the_process"),
    },
    Mutation {
        guard: "§3 but before Closing only",
        file: COURSE,
        from: "if *interrupt == Interrupt::Close && is_open => {",
        to: "if *interrupt == Interrupt::Close && (is_open || true) => {",
        test: in_seam("shutdown::an_interrupt_may_close_at_once_and_a_second_one_ends_the_process"),
    },
    Mutation {
        guard: "§5 no response slips out between a signal and its effect",
        file: CONDUCTOR,
        from: "        for part in &batch {\n",
        to: "        for part in &batch {
            if let Part::Connection(index) = part {
                let t = self.lifecycle.tick(now, &self.config);
                serving.poll(*index, t);
            }
        }
        for part in &batch {\n",
        test: in_seam("shutdown::a_request_that_is_there_when_the_drain_begins_is_the_last"),
    },
    Mutation {
        guard: "§5 everybody hears of a phase",
        file: "runtime-smol/src/serving.rs",
        from: "|| serving.poll_all(t));\n",
        to: "|| ());\n",
        test: DEADLINE,
    },
    Mutation {
        guard: "§3 the lifecycle hears of the time",
        file: SHUTDOWN,
        from: "        self.lifecycle.handle_timeout(now, &self.config);\n",
        to: "",
        test: DEADLINE,
    },
    Mutation {
        guard: "§3 the timer is set for the earliest of all deadlines: connections'",
        file: CONDUCTOR,
        from: "            self.arm(serving.next_deadline());\n",
        to: "            self.arm(Time::NEVER);\n",
        test: in_seam("connections::a_stalled_reader_is_reset_and_an_ordinary_end_is_none"),
    },
    Mutation {
        guard: "§3 the timer is set for the earliest of all deadlines: listeners'",
        file: CONDUCTOR,
        from: "            .min(self.listeners.next_deadline())",
        to: "",
        test: in_seam("listeners::a_seal_lasts_no_longer_than_its_window_and_says_whom_it_gave_up"),
    },
    Mutation {
        guard: "§3 the lifecycle hears who is connected",
        file: SHUTDOWN,
        from: "            self.lifecycle.handle_census(now, &self.config, &census);\n",
        to: "",
        test: in_seam("shutdown::a_server_with_nobody_connected_is_done_without_waiting"),
    },
    Mutation {
        guard: "§7 I17 ready is false from T0",
        file: HANDLE,
        from: "self.phase() == Phase::Running",
        to: "self.progress() < Progress::Sealing",
        test: in_seam("shutdown::commands_count_in_their_order"),
    },
    Mutation {
        guard: "§5 what an earlier request is owed is written before more content is read",
        file: "runtime-smol/src/connection.rs",
        from: "tally.completed.saturating_add(1) >= tally.dispatched && self.has_room()",
        to: "tally.completed <= tally.dispatched && self.has_room()",
        test: in_seam(
            "connections::what_an_earlier_request_is_owed_is_written_before_more_content_is_read",
        ),
    },
    Mutation {
        guard: "§5 whether another request is buffered is known before the head is written",
        file: "runtime-smol/src/replying.rs",
        from: "        if t.phase == Phase::Draining {\n",
        to: "        if false {\n",
        test: in_seam("shutdown::of_pipelined_requests_only_the_last_response_says_close"),
    },
    Mutation {
        guard: "§7 I14 a deadline that moved earlier is waited for",
        file: DEADLINES,
        from: "        if deadline < slot.entry {\n",
        to: "        if slot.entry == Time::NEVER {\n",
        test: in_runtime_itself(
            "deadlines::tests::a_deadline_that_moved_earlier_comes_when_it_is_due",
        ),
    },
    Mutation {
        guard: "§7 I14 a deadline that moved later does not come early",
        file: DEADLINES,
        from: "if slot.deadline <= now && slot.deadline != Time::NEVER {",
        to: "if slot.deadline != Time::NEVER {",
        test: in_runtime_itself(
            "deadlines::tests::a_deadline_that_moved_later_does_not_come_early",
        ),
    },
    Mutation {
        guard: "§7 I14 whoever is woken after the last look wakes the server",
        file: RUN_QUEUE,
        from: "        inner.polling = !batch.is_empty();\n",
        to: "",
        test: in_runtime_itself("run_queue::tests::a_wake_after_the_last_look_wakes_the_root_once"),
    },
    Mutation {
        guard: "§6 the watchdog foresees what is due",
        file: COURSE,
        from: "        pass_time(&mut lifecycle, &self.rules.config, now);\n        lifecycle\n",
        to: "        lifecycle\n",
        test: in_runtime_itself(
            "course::tests::a_server_that_is_not_heard_of_is_closing_and_then_done",
        ),
    },
    Mutation {
        guard: "§6 who is busy, not blocked, gets a margin",
        file: WATCHDOG,
        from: "    if now < patience {\n",
        to: "    if false {\n",
        test: LATE,
    },
    Mutation {
        guard: "§6 and again when it has been in time meanwhile",
        file: WATCHDOG,
        from: "            *late = None;\n",
        to: "",
        test: LATE,
    },
    Mutation {
        guard: "§6 who is done is not cut off",
        file: WATCHDOG,
        from: "    if course.is_over {\n        return Look::Over;\n    }\n",
        to: "",
        test: LATE,
    },
    Mutation {
        guard: "§6 who was being served is reset",
        file: WATCHDOG,
        from: "was_served && is_tcp && rustix::net::connect_unspec(&socket).is_ok()",
        to: "false",
        test: CUT_OFF,
    },
    Mutation {
        guard: "§6 everybody else gets a FIN",
        file: WATCHDOG,
        from: "was_served && is_tcp && rustix::net::connect_unspec(&socket).is_ok()",
        to: "is_tcp && rustix::net::connect_unspec(&socket).is_ok()",
        test: CUT_OFF,
    },
    Mutation {
        guard: "§6 a handler that blocks its thread is stuck, no other",
        file: WATCHDOG,
        from: "stuck += u64::from(index == polled);",
        to: "stuck += u64::from(index >= polled.min(0));",
        test: in_runtime(
            "watchdog",
            "who_waits_beside_a_blocked_handler_is_cut_off_and_not_called_stuck",
        ),
    },
    Mutation {
        guard: "§6 what a handler does is noted before it is called",
        file: DISPATCH,
        from: "        self.note();\n        let mut places",
        to: "        let mut places",
        test: in_runtime(
            "watchdog",
            "a_connection_whose_first_request_blocks_is_known_to_be_busy",
        ),
    },
    Mutation {
        guard: "a request that is no GET is given as what it is",
        file: EXCHANGE,
        from: "if head.method_bytes() != b\"GET\" {",
        to: "if false {",
        test: in_runtime_itself(
            "exchange::tests::a_request_has_the_method_target_and_version_of_its_head",
        ),
    },
    Mutation {
        guard: "a request of HTTP/1.0 is given as what it is",
        file: EXCHANGE,
        from: "if head.version() == neap_core::Version::Http10 {",
        to: "if false {",
        test: in_runtime_itself(
            "exchange::tests::a_request_has_the_method_target_and_version_of_its_head",
        ),
    },
    Mutation {
        guard: "§7 I9 an end that came with the last bytes is still to be read",
        file: EPOLL,
        from: "slot.reading.ready = slot.ended",
        to: "slot.reading.ready = false",
        test: in_runtime_itself(
            "epoll::tests::an_end_that_came_with_the_last_bytes_is_not_forgotten_by_reading_them",
        ),
    },
    Mutation {
        guard: "§7 I14 whoever is woken during its poll is not waited for",
        file: PARK,
        from: "let is_woken = doorbell.woken.load(Ordering::SeqCst);",
        to: "let is_woken = false;",
        test: in_runtime_itself("park::tests::a_wake_during_the_poll_is_not_waited_for"),
    },
    Mutation {
        guard: "§7 I14 a wake from another thread rings",
        file: PARK,
        from: "            let _ = rustix::io::write(&self.eventfd, &1u64.to_ne_bytes());\n",
        to: "",
        test: in_runtime_itself("park::tests::a_wake_from_another_thread_ends_the_wait"),
    },
    Mutation {
        guard: "§7 I14 a timer counts from where it is set",
        file: PARK,
        from: "TimerfdTimerFlags::empty()",
        to: "TimerfdTimerFlags::ABSTIME",
        test: in_runtime_itself("park::tests::the_timer_ends_the_wait_and_not_before_its_time"),
    },
];

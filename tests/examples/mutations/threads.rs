//! Servers on several threads.

use crate::{Mutation, Test, in_runtime, in_runtime_itself};

const POOL: &str = "runtime-smol/src/pool.rs";
const WORKER: &str = "runtime-smol/src/worker.rs";
const SERVING: &str = "runtime-smol/src/serving.rs";
const SHARED: &str = "runtime-smol/src/shared.rs";
const WATCHDOG: &str = "runtime-smol/src/watchdog.rs";
const THREADS: &str = "runtime-smol/src/threads.rs";
const DISPATCH: &str = "runtime-smol/src/dispatch.rs";

const fn test(name: &'static str) -> Test {
    in_runtime("threads", name)
}

const NO_THREAD: Test = test("who_could_be_given_to_no_thread_is_counted_and_closed");

pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation {
        guard: "§5 the phase is that of the moment in which a response begins, on any thread",
        file: DISPATCH,
        from: "env.at_present(t)",
        to: "t",
        test: test("a_response_that_began_before_the_drain_says_close_if_it_is_ready_after_that"),
    },
    Mutation {
        guard: "§5 every thread hears when sealing begins",
        file: WORKER,
        from: "let standing = (t.phase, t.sealing);",
        to: "let standing = (t.phase, Time::NEVER);",
        test: test("who_is_idle_on_any_thread_gets_the_last_call_after_the_lame_duck"),
    },
    Mutation {
        guard: "§3 threads say that who is connected has changed",
        file: WORKER,
        from: "if self.has_news(has_taken) {",
        to: "if self.has_news(has_taken) && false {",
        test: test("who_is_idle_on_any_thread_gets_the_last_call_after_the_lame_duck"),
    },
    Mutation {
        guard: "§4 room that is made on a thread is room",
        file: WORKER,
        from: "if self.pool.note(&self.seat, self.serving.open()) {",
        to: "if self.pool.note(&self.seat, self.serving.open()) && false {",
        test: test("as_many_connections_are_open_as_are_allowed_on_all_threads_together"),
    },
    Mutation {
        guard: "§2 who waits for a thread counts as fresh",
        file: SHARED,
        from: "fresh: lobby.len(),",
        to: "fresh: lobby.len().min(0),",
        test: NO_THREAD,
    },
    Mutation {
        guard: "§7 I22 and among those who have ended, if no thread had time",
        file: WATCHDOG,
        from: "server.totals.add(Outcome::ClosedFresh, nothing);",
        to: "let _ = nothing;",
        test: NO_THREAD,
    },
    Mutation {
        guard: "§6 a thread that is blocked is waited for, and cut off",
        file: SERVING,
        from: "(phase == Phase::Done && self.pool.have_ended())",
        to: "phase == Phase::Done",
        test: test("the_deadline_holds_although_one_thread_is_blocked"),
    },
    Mutation {
        guard: "a thread that panics takes its server with it",
        file: THREADS,
        from: "if self.shared.standing().0 != Phase::Done {",
        to: "if self.shared.standing().0 > Phase::Done {",
        test: test("a_thread_that_panics_takes_the_server_with_it"),
    },
    Mutation {
        guard: "a sign of life comes from every thread",
        file: SHARED,
        from: "self.seats().all(|seat| seat.has_beaten(asked))",
        to: "self.seats().any(|seat| seat.has_beaten(asked))",
        test: test("a_sign_of_life_comes_from_every_thread_or_not_at_all"),
    },
    Mutation {
        guard: "who is new goes where the fewest are",
        file: POOL,
        from: "sleeping.min_by_key(open)",
        to: "sleeping.max_by_key(open)",
        test: in_runtime_itself(
            "pool::tests::the_sleeping_thread_with_the_fewest_connections_is_called",
        ),
    },
    Mutation {
        guard: "who is left in the lobby does not wait for one thread alone",
        file: POOL,
        from: "        if !lobby.is_empty() {\n",
        to: "        if lobby.len() > 1 {\n",
        test: in_runtime_itself(
            "pool::tests::who_takes_one_in_calls_another_thread_for_those_who_are_left",
        ),
    },
    Mutation {
        guard: "a thread that is ahead leaves who is new to one that wakes up",
        file: POOL,
        from: "        if self.leaves_it_to_another(seat) {\n            return None;\n        }\n",
        to: "",
        test: in_runtime_itself(
            "pool::tests::a_thread_that_is_far_ahead_leaves_who_is_new_to_one_that_wakes_up",
        ),
    },
    Mutation {
        guard: "a thread does not sleep while somebody waits for it",
        file: POOL,
        from: "let sleeps = lobby.is_empty() || self.leaves_it_to_another(seat);",
        to: "let sleeps = lobby.len() < 2 || self.leaves_it_to_another(seat);",
        test: in_runtime_itself("pool::tests::a_thread_sleeps_only_if_nobody_waits_for_it"),
    },
];

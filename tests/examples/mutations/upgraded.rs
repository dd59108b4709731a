//! Connections that speak another protocol.

use crate::{Mutation, drain, exchange};

const CONTROL: &str = "core/src/control.rs";
const TIMERS: &str = "core/src/timers.rs";
const CONNECTION: &str = "core/src/connection.rs";

pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation {
        guard: "§6 another protocol ends with Closing",
        file: CONTROL,
        from: "    ClosingUpgraded: Upgraded, Server(Phase::Closing) => gone(Outcome::Upgraded);\n",
        to: "",
        test: exchange("another_protocol_is_held_until_it_ends_or_the_server_closes"),
    },
    Mutation {
        guard: "§5 upgraded_grace counts from T1",
        file: TIMERS,
        from: "Wait::Goodbye => hurried(Duration::MAX, drain.upgraded_grace),",
        to: "Wait::Goodbye => self.since.after(drain.upgraded_grace),",
        test: drain("an_upgraded_connection_ends_when_its_grace_after_the_seal_is_up"),
    },
    Mutation {
        guard: "§5 upgraded_grace",
        file: TIMERS,
        from: "            Stage::Upgraded => Wait::Goodbye,\n            Stage::LookFresh",
        to: "            Stage::Upgraded | Stage::LookFresh",
        test: drain("an_upgraded_connection_ends_when_its_grace_after_the_seal_is_up"),
    },
    Mutation {
        guard: "§5 when upgraded_grace is up the connection ends",
        file: CONTROL,
        from: "    UpgradedExpired: Upgraded, Expired(Timer::Input) => gone(Outcome::Upgraded);\n",
        to: "",
        test: drain("an_upgraded_connection_ends_when_its_grace_after_the_seal_is_up"),
    },
    Mutation {
        guard: "§5 the goodbye of another protocol is flushed before the FIN",
        file: CONNECTION,
        from: "        self.queue(t, unsent);\n        self.settle(t);\n        Ok(())",
        to: "        self.settle(t);\n        Ok(())",
        test: exchange("another_protocol_is_held_until_it_ends_or_the_server_closes"),
    },
];

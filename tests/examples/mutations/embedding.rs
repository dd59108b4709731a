//! What an embedder relies on: TLS, services, events, content, and what is told of requests.

use crate::{Mutation, Test, in_runtime, in_runtime_with_features};

const TLS: &str = "runtime-smol/src/tls/mod.rs";
const TRANSPORT: &str = "runtime-smol/src/tls/transport.rs";

const fn tls(name: &'static str) -> Test {
    in_runtime_with_features("tls", name)
}

pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation {
        guard: "an end in good order is announced by close_notify",
        file: TRANSPORT,
        from: "            self.session.send_close_notify();\n",
        to: "",
        test: tls("ends::an_end_in_good_order_is_announced"),
    },
    Mutation {
        guard: "an end over TLS that must look cut is a reset",
        file: TRANSPORT,
        from: "        self.transport.reset_on_close();\n",
        to: "",
        test: tls("ends::a_response_that_is_cut_is_not_announced_to_be_whole"),
    },
    Mutation {
        guard: "what was written over TLS is in the kernel",
        file: TRANSPORT,
        from: "        ready!(self.poll_flush(cx))?;\n        Poll::Ready(Ok(std::mem::take",
        to: "        let _ = self.poll_flush(cx)?;\n        Poll::Ready(Ok(std::mem::take",
        test: tls("ends::much_goes_both_ways_whole"),
    },
    Mutation {
        guard: "a handshake that has begun counts as half a head",
        file: TRANSPORT,
        from: "        self.handshake.stage == Stage::Begun\n",
        to: "        false\n",
        test: tls("drain::a_handshake_that_has_begun_may_be_finished_in_the_drain"),
    },
    Mutation {
        guard: "HTTP/1.1 is what is agreed on inside TLS",
        file: TLS,
        from: "        config.alpn_protocols = vec![HTTP_1_1.to_vec()];\n",
        to: "        config.alpn_protocols = vec![];\n",
        test: tls("handshake::http_1_1_is_agreed_on_and_nothing_else"),
    },
    Mutation {
        guard: "https targets are served over TLS",
        file: "runtime-smol/src/dispatch.rs",
        from: "            config = secured(*t.config);\n",
        to: "            config = *t.config;\n",
        test: tls("handshake::requests_are_known_to_be_secured_and_https_targets_are_served"),
    },
    Mutation {
        guard: "a certificate is exchanged",
        file: TLS,
        from: "        self.0.config.store(other.0.config.load_full());\n",
        to: "        let _ = other;\n",
        test: tls("handshake::a_certificate_is_exchanged_while_the_server_runs"),
    },
    Mutation {
        guard: "admin listeners speak no TLS",
        file: "runtime-smol/src/bind.rs",
        from: "Listener::bind(address, self.system.options, &plain)",
        to: "Listener::bind(address, self.system.options, &self.system.kernel)",
        test: tls("handshake::the_admin_listener_speaks_no_tls"),
    },
    Mutation {
        guard: "a server that is dropped is not done before its handlers are gone",
        file: "runtime-smol/src/conductor.rs",
        from: "    pub(crate) serving: C,\n    pub(crate) conductor: Conductor<S>,\n",
        to: "    pub(crate) conductor: Conductor<S>,\n    pub(crate) serving: C,\n",
        test: in_runtime(
            "embedding",
            "dropping_the_future_closes_every_connection_and_frees_the_port",
        ),
    },
    Mutation {
        guard: "a server without a listener does not wait for one",
        file: "runtime-smol/src/listeners.rs",
        from: "slot.ready) || self.have_ended()",
        to: "slot.ready)",
        test: in_runtime("embedding", "a_server_without_a_listener_ends_at_once"),
    },
    Mutation {
        guard: "what the last look finds begun is not closed",
        file: "runtime-smol/src/connection.rs",
        from: "                    self.note_begin(t);\n",
        to: "",
        test: in_runtime(
            "seam",
            "connections::what_begins_at_the_last_look_has_the_time_of_half_a_head",
        ),
    },
    Mutation {
        guard: "a service is called when it is ready",
        file: "runtime-smol/src/tower.rs",
        from: "            match this.service.poll_ready(cx) {\n",
        to: "            match Poll::Ready(Ok::<(), S::Error>(())) {\n",
        test: in_runtime_with_features(
            "axum",
            "each_request_has_a_clone_that_is_called_once_it_is_ready",
        ),
    },
    Mutation {
        guard: "events that never pause end at the drain",
        file: "runtime-smol/src/event_stream.rs",
        from: "            if stop.as_mut().poll(cx).is_ready() {\n",
        to: "            let waits = this.events.as_mut().poll_next(cx).is_pending();\n            \
             if waits && stop.as_mut().poll(cx).is_ready() {\n",
        test: in_runtime("event_stream", "events_that_never_pause_end_at_the_drain"),
    },
    Mutation {
        guard: "a reader leaves the trailer section to the body",
        file: "runtime-smol/src/feed.rs",
        from: "            _ if state.trailers.is_some() => return Poll::Ready(None),\n",
        to: "",
        test: in_runtime("content", "a_reader_leaves_the_trailer_section_to_the_body"),
    },
    Mutation {
        guard: "targets are told where that is asked for",
        file: "runtime-smol/src/trace.rs",
        from: "    if info.logs_targets() && !span.is_disabled() {\n",
        to: "    if !span.is_disabled() {\n",
        test: in_runtime_with_features(
            "tracing",
            "nothing_of_what_clients_send_is_told_but_the_method",
        ),
    },
    Mutation {
        guard: "requests are timed where that is asked for",
        file: "runtime-smol/src/metrics.rs",
        from: "        info.is_measured().then(|| Measure {\n",
        to: "        true.then(|| Measure {\n",
        test: in_runtime_with_features("metrics", "requests_are_not_timed_where_nobody_asks"),
    },
    Mutation {
        guard: "nobody comes to a listener that has ended",
        file: "runtime-smol/src/incoming.rs",
        from: "        queue.has_ended = true;\n",
        to: "",
        test: in_runtime(
            "incoming",
            "a_listener_that_is_dropped_drops_who_waits_there",
        ),
    },
    Mutation {
        guard: "what a stream took is flushed",
        file: "runtime-smol/src/incoming.rs",
        from: "        ready!(stream.poll_flush(cx))?;\n",
        to: "",
        test: in_runtime("incoming", "what_a_stream_took_is_flushed"),
    },
];

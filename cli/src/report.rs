//! The report as JSON.

use neap_smol::{Aborted, ListenerReport, Outcome, Report};
use serde_json::{Map, Value, json};

/// The report as one object on one line. Times are in milliseconds.
pub(crate) fn to_json(report: &Report) -> String {
    let durations = &report.durations;
    let requests = &report.requests;
    let outcomes: Map<String, Value> = Outcome::ALL
        .into_iter()
        .map(|outcome| {
            (
                outcome.name().to_owned(),
                report.outcomes.get(outcome).into(),
            )
        })
        .collect();
    json!({
        "cause": report.cause.map(neap_smol::Cause::name),
        "forced": report.forced.map(neap_smol::Cause::name),
        "phase": report.phase.name(),
        "clean": report.is_clean(),
        "listeners": report.listeners.iter().map(listener).collect::<Vec<_>>(),
        "accepted": report.accepted,
        "outcomes": outcomes,
        "requests": {
            "dispatched": requests.dispatched,
            "completed": requests.completed,
            "truncated": requests.truncated,
            "aborted": requests.aborted,
            "vanished": requests.vanished,
            "panicked": requests.panicked,
        },
        "lost": report.lost,
        "stuck": report.stuck,
        "aborted": report.aborted.iter().map(aborted).collect::<Vec<_>>(),
        "lame_for_ms": millis(durations.lame),
        "sealed_for_ms": millis(durations.sealed),
        "waited_for_ms": millis(durations.waited),
        "total_ms": millis(durations.total),
    })
    .to_string()
}

fn listener(listener: &ListenerReport) -> Value {
    json!({
        "address": listener.address.to_string(),
        "ownership": listener.ownership.name(),
        "ended": listener.ended,
        "rung": listener.rung.map(neap_smol::Rung::name),
        "lost_in_handshake": listener.lost_in_handshake,
        "lost_in_queue": listener.lost_in_queue,
    })
}

fn aborted(aborted: &Aborted) -> Value {
    json!({
        "peer": aborted.peer.to_string(),
        "state": aborted.state.name(),
        "age_ms": millis(aborted.age),
        "bytes_in": aborted.bytes_in,
        "bytes_out": aborted.bytes_out,
    })
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_has_every_part_of_the_report_on_one_line() {
        let server = neap_smol::Server::bind("127.0.0.1:0").unwrap();
        let handle = server.handle();
        handle.drain();
        let report = server.run(|_request| async { "" }).unwrap();
        let text = to_json(&report);
        assert!(!text.contains('\n'));
        let object: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["cause"], "request");
        assert_eq!(
            (&object["phase"], &object["clean"]),
            (&json!("done"), &json!(true))
        );
        assert_eq!(object["listeners"][0]["ended"], true);
        assert_eq!(object["requests"]["dispatched"], 0);
        assert_eq!(
            object["outcomes"].as_object().unwrap().len(),
            Outcome::ALL.len()
        );
    }
}

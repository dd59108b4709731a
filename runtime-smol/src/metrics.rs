//! Metrics, as the text that Prometheus reads.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use neap_core::{Cause, Outcome};

use crate::{ConnectionInfo, Handle};

/// Upper bounds of what durations are counted by, in seconds: those of OpenTelemetry's conventions
/// for HTTP.
const BOUNDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// Methods that have a name of their own; clients can make up any number of others.
const METHODS: [Method; 9] = [
    Method::CONNECT,
    Method::DELETE,
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PATCH,
    Method::POST,
    Method::PUT,
    Method::TRACE,
];

/// How long requests took, by their method and status. Those whose response never began have none.
#[derive(Debug, Default)]
pub(crate) struct Requests(Mutex<BTreeMap<(&'static str, Option<u16>), Histogram>>);

#[derive(Clone, Debug, Default)]
struct Histogram {
    /// How many were below each bound, and not below the one before it.
    counts: [u64; BOUNDS.len()],
    count: u64,
    sum: Duration,
}

impl Histogram {
    fn add(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        if let Some(index) = BOUNDS.iter().position(|bound| seconds <= *bound) {
            self.counts[index] += 1;
        }
        self.count += 1;
        self.sum += duration;
    }
}

impl Requests {
    fn add(&self, method: &'static str, status: Option<u16>, duration: Duration) {
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        requests.entry((method, status)).or_default().add(duration);
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        const NAME: &str = "http_server_request_duration_seconds";
        head(
            out,
            NAME,
            "histogram",
            "How long requests took, to the end of the response.",
        )?;
        let requests = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for ((method, status), histogram) in requests {
            let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
            let labels =
                format!("http_request_method=\"{method}\",http_response_status_code=\"{status}\"");
            let mut below = 0;
            for (bound, count) in BOUNDS.iter().zip(histogram.counts) {
                below += count;
                writeln!(out, "{NAME}_bucket{{{labels},le=\"{bound}\"}} {below}")?;
            }
            let Histogram { count, sum, .. } = histogram;
            writeln!(out, "{NAME}_bucket{{{labels},le=\"+Inf\"}} {count}")?;
            writeln!(out, "{NAME}_sum{{{labels}}} {}", sum.as_secs_f64())?;
            writeln!(out, "{NAME}_count{{{labels}}} {count}")?;
        }
        Ok(())
    }
}

/// A request that is being timed.
#[derive(Debug)]
pub(crate) struct Measure {
    info: ConnectionInfo,
    method: &'static str,
    began: Instant,
    status: Option<u16>,
}

impl Measure {
    /// Begins, if the server's metrics are asked for.
    pub(crate) fn begin(info: &ConnectionInfo, method: &Method) -> Option<Measure> {
        info.is_measured().then(|| Measure {
            info: info.clone(),
            method: name(method),
            began: Instant::now(),
            status: None,
        })
    }

    pub(crate) fn replied(&mut self, status: StatusCode) {
        self.status = Some(status.as_u16());
    }
}

impl Drop for Measure {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        self.info.requests().add(self.method, self.status, took);
    }
}

fn name(method: &Method) -> &'static str {
    const NAMES: [&str; METHODS.len()] = [
        "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
    ];
    let known = METHODS.iter().position(|known| known == method);
    known.map_or("_OTHER", |index| NAMES[index])
}

impl Handle {
    /// The server's metrics, as the text that Prometheus reads (exposition format 0.0.4): who is
    /// connected, how far a shutdown has come and whom it has cut off, what became of connections
    /// and requests, and how long requests took, where [`Server::metrics`](crate::Server::metrics)
    /// asks for that.
    ///
    /// [`Server::admin`](crate::Server::admin) answers by it at `/metrics`, through the drain.
    ///
    /// ```
    /// # let server = neap_smol::Server::new();
    /// let metrics = server.handle().metrics();
    /// assert!(metrics.contains("\nneap_connections{state=\"idle\"} 0\n"));
    /// ```
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut out = String::new();
        // A string takes whatever is written to it.
        let _ = self.write_metrics(&mut out);
        out
    }

    fn write_metrics(&self, out: &mut String) -> fmt::Result {
        let census = self.census();
        head(
            out,
            "neap_connections",
            "gauge",
            "Connections that are open, by state.",
        )?;
        let states = [
            ("fresh", census.fresh),
            ("head", census.head),
            ("busy", census.busy),
            ("idle", census.idle),
            ("upgraded", census.upgraded),
            ("linger", census.linger),
        ];
        series(out, "neap_connections", "state", states)?;
        let name = "neap_drain_phase";
        head(
            out,
            name,
            "gauge",
            "0 running, 1 draining, 2 closing, 3 done.",
        )?;
        writeln!(out, "{name} {}", self.phase() as u8)?;
        let report = self.report();
        let name = "neap_drain_aborted_total";
        head(
            out,
            name,
            "counter",
            "Connections that the shutdown cut off, by its reason.",
        )?;
        let aborted = report.outcomes.get(Outcome::Aborted);
        let reasons = [Cause::Deadline, Cause::Request, Cause::Signal];
        let reasons = reasons.map(|cause| {
            let is_it = report.forced == Some(cause);
            (cause.name(), if is_it { aborted } else { 0 })
        });
        series(out, name, "reason", reasons)?;
        let name = "neap_connections_accepted_total";
        head(out, name, "counter", "Connections accepted.")?;
        writeln!(out, "{name} {}", report.accepted)?;
        let name = "neap_connections_ended_total";
        head(out, name, "counter", "Connections that ended, by outcome.")?;
        let outcome = |outcome: Outcome| (outcome.name(), report.outcomes.get(outcome));
        series(out, name, "outcome", Outcome::ALL.map(outcome))?;
        let name = "neap_requests_ended_total";
        head(out, name, "counter", "Requests that ended, by their fate.")?;
        let requests = &report.requests;
        let fates = [
            ("completed", requests.completed),
            ("truncated", requests.truncated),
            ("aborted", requests.aborted),
            ("vanished", requests.vanished),
            ("panicked", requests.panicked),
        ];
        series(out, name, "fate", fates)?;
        self.requests().write(out)
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

fn series<V: fmt::Display>(
    out: &mut String,
    name: &str,
    label: &str,
    values: impl IntoIterator<Item = (&'static str, V)>,
) -> fmt::Result {
    for (of, value) in values {
        writeln!(out, "{name}{{{label}=\"{of}\"}} {value}")?;
    }
    Ok(())
}

impl ConnectionInfo {
    fn is_measured(&self) -> bool {
        self.server().is_measured.load(Ordering::Relaxed)
    }

    fn requests(&self) -> &Requests {
        &self.server().requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_has_its_name() {
        for method in METHODS {
            assert_eq!(name(&method), method.as_str());
        }
        assert_eq!(name(&Method::from_bytes(b"BREW").unwrap()), "_OTHER");
    }

    #[test]
    fn durations_are_counted_below_every_bound_that_they_do_not_exceed() {
        let requests = Requests::default();
        for millis in [5, 6, 60_000] {
            requests.add("GET", Some(200), Duration::from_millis(millis));
        }
        requests.add("GET", None, Duration::ZERO);
        let mut out = String::new();
        requests.write(&mut out).unwrap();
        let of = |rest: &str| {
            let status = "http_response_status_code=\"200\"";
            let labels = format!("http_request_method=\"GET\",{status}");
            let line = format!("http_server_request_duration_seconds{rest}\n");
            line.replace("LABELS", &labels)
        };
        for line in [
            "_bucket{LABELS,le=\"0.005\"} 1",
            "_bucket{LABELS,le=\"0.01\"} 2",
            "_bucket{LABELS,le=\"10\"} 2",
            "_bucket{LABELS,le=\"+Inf\"} 3",
            "_sum{LABELS} 60.011",
            "_count{LABELS} 3",
        ] {
            assert!(out.contains(&of(line)), "{line} in {out}");
        }
        assert!(
            out.contains("http_response_status_code=\"none\",le=\"0.005\"} 1\n"),
            "{out}"
        );
    }
}

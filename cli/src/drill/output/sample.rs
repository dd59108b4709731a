//! A drill that has all verdicts in it, and texts that nobody would wish for.

use std::collections::BTreeMap;

use crate::drill::record::{
    Bar, Doing, Drill, End, Event, Machine, Mark, Outcome, Routes, Segment, Settings, Situation,
    Timeline, Verdict,
};

/// What a hostile server or a careless user may put into any text.
pub(super) const HOSTILE: &str = "<script>alert(1)</script>\"'&|```\u{202e}\u{1b}[31m";

/// The drill.
pub(super) fn drill() -> Drill {
    Drill {
        neap: "0.1.0",
        command: vec!["./server".into(), "{port}".into(), HOSTILE.into()],
        url: None,
        server: Some(HOSTILE.into()),
        machine: Machine {
            system: "Linux 6.18.0".into(),
            architecture: "x86_64".into(),
            processors: 2,
            somaxconn: Some(4096),
        },
        started: "2026-01-02T03:04:05Z".into(),
        took_ms: 61_500,
        settings: Settings {
            preset: None,
            signal: "SIGTERM".into(),
            deadline_ms: 5_000,
            repeat: 1,
            routes: Routes {
                fast: "/".into(),
                slow: Some("/delay/{ms}".into()),
                stream: None,
                upload: Some("/echo".into()),
                download: None,
            },
        },
        situations: situations(),
    }
}

fn situations() -> Vec<Situation> {
    vec![
        backlog(),
        Situation {
            timeline: few(Outcome::Closed),
            ..situation("idle", "Idle connections", Verdict::Passed, true)
        },
        Situation {
            timeline: few(Outcome::AnsweredWithClose),
            ..situation("slow", "A request under way", Verdict::Passed, true)
        },
        Situation {
            reason: "No --stream was given.".into(),
            end: None,
            ..situation(
                "stream",
                "A streaming response",
                Verdict::NotApplicable,
                false,
            )
        },
        Situation {
            figure: "3 of 100 lost".into(),
            attempts: 100,
            lost: 3,
            ..situation("race", "Requests around the signal", Verdict::Noted, false)
        },
        Situation {
            reason: "The generator was 31 ms late.".into(),
            ..situation(
                "active",
                "A thousand active connections",
                Verdict::Inconclusive,
                false,
            )
        },
        Situation {
            mend: HOSTILE.into(),
            timeline: few(Outcome::Silence),
            ..situation(
                "load",
                "Load up to the signal",
                Verdict::SignalNotReceived,
                true,
            )
        },
    ]
}

fn backlog() -> Situation {
    let bars = (0..200)
        .map(|number| bar(number, number % 10 < 3))
        .collect();
    Situation {
        reason: "The listener was closed before its queue was empty.".into(),
        meaning: "Clients that had connected were reset".into(),
        mend: "Before closing the listener, accept until EAGAIN.".into(),
        attempts: 200,
        lost: 60,
        outcomes: BTreeMap::from([(Outcome::AnsweredWithClose, 140), (Outcome::Reset, 60)]),
        figure: "60 of 200 lost, exit after 254 ms".into(),
        timeline: Timeline {
            bars,
            hidden: 0,
            marks: vec![
                mark(Event::Frozen, -410.0),
                mark(Event::Signal, 0.0),
                mark(Event::Thawed, 0.4),
                mark(Event::ListenerClosed, 12.0),
                mark(Event::Exit, 254.0),
            ],
        },
        ..situation(
            "backlog",
            "Clients in the listen queue",
            Verdict::Failed,
            true,
        )
    }
}

fn situation(id: &'static str, title: &'static str, verdict: Verdict, required: bool) -> Situation {
    Situation {
        id,
        title,
        required,
        verdict,
        reason: String::new(),
        attempts: 4,
        lost: 0,
        outcomes: BTreeMap::from([(Outcome::Answered, 4)]),
        confirmed: vec!["4 of 4 requests have begun, and are not answered".into()],
        figure: "4 of 4 answered, exit after 254 ms".into(),
        meaning: String::new(),
        mend: String::new(),
        end: Some(End {
            listener_closed_ms: Some(12.0),
            exit_ms: Some(254.0),
            exit_status: Some("0".into()),
            memory_kib: Some(5_120),
            survivors: vec![HOSTILE.into()],
        }),
        lag_ms: Some(1.5),
        took_ms: 1_200,
        timeline: Timeline::default(),
    }
}

fn few(outcome: Outcome) -> Timeline {
    let segment = |doing, from_ms, to_ms| Segment {
        doing,
        from_ms,
        to_ms,
    };
    let bars = (0..4).map(|number| {
        let start = -220.0 + 7.0 * f64::from(number);
        Bar {
            label: format!("connection {number} {HOSTILE}"),
            segments: vec![
                segment(Doing::Connecting, start, start + 4.0),
                segment(Doing::Silent, start + 4.0, start + 20.0),
                segment(Doing::SendingHead, start + 20.0, start + 60.0),
                segment(Doing::SendingContent, start + 60.0, start + 90.0),
                segment(Doing::Waiting, start + 90.0, 130.0),
                segment(Doing::Receiving, 130.0, 190.0),
                segment(Doing::Idle, 190.0, 250.0),
            ],
            outcome,
        }
    });
    Timeline {
        bars: bars.collect(),
        hidden: 2,
        marks: vec![
            mark(Event::Signal, 0.0),
            mark(Event::ListenerClosed, 3.0),
            mark(Event::Exit, 254.0),
        ],
    }
}

fn bar(number: u32, is_lost: bool) -> Bar {
    let start = -400.0 + f64::from(number);
    let end = if is_lost {
        13.0
    } else {
        20.0 + f64::from(number)
    };
    let segment = |doing, from_ms, to_ms| Segment {
        doing,
        from_ms,
        to_ms,
    };
    Bar {
        label: format!("request {number}"),
        segments: vec![
            segment(Doing::Connecting, start, start + 1.0),
            segment(Doing::SendingHead, start + 1.0, start + 2.0),
            segment(Doing::Waiting, start + 2.0, end),
        ],
        outcome: if is_lost {
            Outcome::Reset
        } else {
            Outcome::AnsweredWithClose
        },
    }
}

fn mark(what: Event, at_ms: f64) -> Mark {
    Mark { what, at_ms }
}

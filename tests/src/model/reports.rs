//! What may be reported of a connection in which state, and has to fit there.

use neap_core::Phase;
use neap_core::control::{Content, Control, Event, Stage, Timer};

/// What may be reported in this state, whatever it was that led there: it has to fit.
#[must_use]
pub fn reports(control: &Control) -> Vec<Event> {
    use Event::{Abandon, ContentBytes, ContentEnd, Expired, Refuse, ReplyCut, ReplyEnd};
    use Stage::{Fresh, Head, Idle, Lingering, LookFresh, LookIdle, Querying, Skipping};
    use Stage::{Gone, Replying, Running, Upgraded};
    let mut reports = vec![Event::Server(Phase::Closing), Event::Server(Phase::Done)];
    if !matches!(control.stage, Upgraded | Gone) {
        reports.extend([Event::Eof, Event::Reset]);
    }
    if control.unflushed && control.stage != Gone {
        reports.extend([Event::Flushed, Expired(Timer::Output)]);
    }
    reports.extend(match control.stage {
        Fresh => vec![Event::Bytes, Refuse, Expired(Timer::Input)],
        Idle => vec![Event::Bytes, Expired(Timer::Input)],
        LookIdle if !control.unflushed => vec![Event::Bytes, Event::Nothing, Event::Quiet],
        LookFresh | LookIdle => vec![Event::Bytes, Event::Nothing],
        Head => vec![
            Event::Bytes,
            Event::Request(Content::Whole),
            Refuse,
            Expired(Timer::Input),
        ],
        Stage::Asked(Content::Whole) => vec![Event::Started, Event::Raise, Refuse],
        Stage::Asked(_) => vec![Event::Started, Event::Raise, Refuse],
        Running(_) => vec![Event::Raise, Abandon, Refuse],
        Replying(_) => vec![ReplyEnd, ReplyCut, Refuse],
        Skipping => vec![
            ContentBytes,
            ContentEnd,
            Event::Raise,
            Refuse,
            Expired(Timer::Input),
        ],
        Stage::Refusing => vec![Event::RefusalWritten],
        Stage::Ending if !control.unflushed => vec![Event::FinSent, Event::FinSentToParted],
        Lingering => vec![
            Event::LingerFull,
            Expired(Timer::Input),
            Expired(Timer::Linger),
        ],
        Querying => vec![
            Event::Acknowledged,
            Event::Unacknowledged,
            Event::LingerFull,
            Expired(Timer::Linger),
        ],
        Stage::Upgrading if !control.unflushed => vec![Event::UpgradeTaken],
        Upgraded => vec![Event::UpgradeEnd],
        Stage::Ending | Stage::Upgrading | Gone => vec![],
    });
    reports.extend(reports_of_content(control));
    reports
}

/// The same for what concerns an exchange that has a handler.
fn reports_of_content(control: &Control) -> Vec<Event> {
    use Content::{Dropped, Expected, Held, Invited, Wanted, Whole};
    use Event::{Abandon, ContentBytes, ContentEnd, Continued, Demand, Expired};
    use Stage::{Replying, Running};
    let (Running(content) | Replying(content)) = control.stage else {
        return vec![];
    };
    let replies = matches!(control.stage, Replying(_));
    let reply = Event::ReplyHead { until_close: false };
    let mut reports = match content {
        Whole => vec![],
        Expected if control.own >= Phase::Draining => vec![Demand, reply],
        Expected => vec![Demand],
        Invited => vec![Demand, Continued, ContentBytes, ContentEnd],
        Held if replies => vec![Demand, Abandon],
        Held => vec![Demand, reply],
        Wanted => vec![Demand, Abandon, ContentBytes, ContentEnd],
        Dropped => vec![Abandon, ContentBytes, ContentEnd],
    };
    if content == Wanted {
        reports.push(Expired(Timer::Input));
    }
    if control.half_closed {
        reports.push(Expired(Timer::HalfClose));
    }
    reports
}

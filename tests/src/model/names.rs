//! Everything that can happen to the two machines, each with its name in the diagrams.
//!
//! An event that is added to the core does not compile here until it has a name, and a row that is
//! added to the core's tables fails the walks until one of them has visited it.

use neap_core::control::{Content, Event, Timer};
use neap_core::{Phase, Progress, ServerEvent};

/// One list, two readings: every value of a type, and a name for each that misses none.
macro_rules! named {
    ($all:ident, $name:ident: $type:ty; $([$($value:tt)+] => $text:literal;)+) => {
        #[doc = concat!("Every `", stringify!($type), "`.")]
        pub const $all: &[$type] = &[$($($value)+),+];

        #[doc = concat!("What a `", stringify!($type), "` is called in the diagrams.")]
        #[must_use]
        pub fn $name(value: $type) -> &'static str {
            match value {
                $($($value)+ => $text,)+
            }
        }
    };
}

named! { PROGRESS, progress_name: Progress;
    [Progress::Running] => "Running";
    [Progress::LameDuck] => "LameDuck";
    [Progress::Sealing] => "Sealing";
    [Progress::Waiting] => "Waiting";
    [Progress::Closing] => "Closing";
    [Progress::Done] => "Done";
}

named! { SERVER_EVENTS, server_event_name: ServerEvent;
    [ServerEvent::Drain { lame_duck: true }] => "stop, with a lame duck";
    [ServerEvent::Drain { lame_duck: false }] => "stop";
    [ServerEvent::Again] => "stop again";
    [ServerEvent::Cancel] => "cancelled";
    [ServerEvent::CloseNow] => "close now";
    [ServerEvent::LameDuckElapsed] => "lame duck elapsed";
    [ServerEvent::Deserted] => "nobody left";
    [ServerEvent::ListenersEnded] => "listeners ended";
    [ServerEvent::Quiet] => "nothing held";
    [ServerEvent::Deadline] => "deadline";
    [ServerEvent::Empty] => "all closed";
    [ServerEvent::GraceElapsed] => "grace elapsed";
}

named! { EVENTS, event_name: Event;
    [Event::Server(Phase::Running)] => "drain called off";
    [Event::Server(Phase::Draining)] => "drain";
    [Event::Server(Phase::Closing)] => "Closing";
    [Event::Server(Phase::Done)] => "Done";
    [Event::Raise] => "close asked for";
    [Event::Bytes] => "bytes";
    [Event::Request(Content::Whole)] => "request";
    [Event::Request(Content::Expected)] => "request that expects 100";
    [Event::Request(Content::Invited)] => "request, invited";
    [Event::Request(Content::Held)] => "request with content";
    [Event::Request(Content::Wanted)] => "request, wanted";
    [Event::Request(Content::Dropped)] => "request, dropped";
    [Event::ContentBytes] => "content";
    [Event::ContentEnd] => "end of content";
    [Event::Demand] => "content asked for";
    [Event::Abandon] => "content not wanted";
    [Event::Started] => "started";
    [Event::Continued] => "100 written";
    [Event::ReplyHead { until_close: false }] => "head of the reply";
    [Event::ReplyHead { until_close: true }] => "head of a reply until close";
    [Event::ReplyEnd] => "end of the reply";
    [Event::ReplyCut] => "reply cut";
    [Event::Refuse] => "refusal";
    [Event::RefusalWritten] => "refusal written";
    [Event::Upgrade] => "upgrade";
    [Event::UpgradeTaken] => "socket taken";
    [Event::UpgradeEnd] => "other protocol ended";
    [Event::Queued] => "output waits";
    [Event::Flushed] => "output written";
    [Event::FinSent] => "FIN sent";
    [Event::FinSentToParted] => "FIN sent to a parted client";
    [Event::Nothing] => "last look: nothing";
    [Event::Quiet] => "last look: nothing, and all acknowledged";
    [Event::Acknowledged] => "acknowledged";
    [Event::Unacknowledged] => "not acknowledged";
    [Event::LingerFull] => "too much discarded";
    [Event::Eof] => "FIN received";
    [Event::Reset] => "reset";
    [Event::Expired(Timer::Input)] => "input timeout";
    [Event::Expired(Timer::Output)] => "output timeout";
    [Event::Expired(Timer::HalfClose)] => "half-close timeout";
    [Event::Expired(Timer::Linger)] => "linger timeout";
}

//! The table: every transition of a connection's control state stands here and nowhere else.
//!
//! [`Control`] is small, `Copy` and free of data, so that a model checker can walk all of it: no
//! bytes, no times, no counters. Those live in [`Connection`](crate::Connection), which turns what
//! happens into an [`Event`], asks the table, and never sets a stage by itself.

pub use crate::vocabulary::{Content, Event, Stage, Timer};

use crate::{MisuseError, Outcome, Phase};

use Content::{Dropped, Expected, Held, Invited, Wanted, Whole};
use Outcome::{Aborted, ClosedFresh, ClosedIdle, Completed, Refused, Stalled, Truncated, Vanished};

/// The control state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Control {
    /// Where it stands.
    pub stage: Stage,
    /// Its own phase. From Draining on, a close has been announced or is certain.
    pub own: Phase,
    /// The server's phase when the connection last heard of it.
    pub server: Phase,
    /// Whether output waits to be written.
    pub unflushed: bool,
    /// Whether the peer has ended its side.
    pub half_closed: bool,
    /// Whether only the end of the connection delimits the reply's content.
    pub until_close: bool,
    /// Whether the end must be a reset, because a FIN would make a cut reply look whole.
    pub reset: bool,
    /// Why the connection ends, once it does.
    pub outcome: Option<Outcome>,
}

/// Where a row leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The next stage.
    pub stage: Stage,
    /// Why the connection ends, where this row decides that; otherwise what was decided stands.
    pub outcome: Option<Outcome>,
    /// Whether the socket must be reset.
    pub reset: bool,
}

const fn to(stage: Stage) -> Target {
    Target {
        stage,
        outcome: None,
        reset: false,
    }
}

/// Flush, FIN, linger; for this reason.
const fn ends(outcome: Outcome) -> Target {
    Target {
        stage: Stage::Ending,
        outcome: Some(outcome),
        reset: false,
    }
}

/// The core's own response, then the end.
const fn refuses(outcome: Outcome) -> Target {
    Target {
        stage: Stage::Refusing,
        outcome: Some(outcome),
        reset: false,
    }
}

/// Closed at once: there is nobody to say goodbye to.
const fn gone(outcome: Outcome) -> Target {
    Target {
        stage: Stage::Gone,
        outcome: Some(outcome),
        reset: false,
    }
}

/// Closed at once by a reset: an end by force, or one that a FIN would make look whole.
const fn resets(outcome: Outcome) -> Target {
    Target {
        stage: Stage::Gone,
        outcome: Some(outcome),
        reset: true,
    }
}

/// One table, two readings: the function that the connection runs, and the list of its rows.
macro_rules! table {
    ($control:ident; $($name:ident: $from:pat, $event:pat $(if $guard:expr)? => $to:expr;)+) => {
        /// The names of the table's rows, in its order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "each row is its own explanation, in the table")]
        pub enum Row { $($name),+ }

        impl Row {
            /// All rows, for a checker that must have visited each.
            pub const ALL: &'static [Row] = &[$(Row::$name),+];
        }

        impl Control {
            /// The row for `event`, and where it leads; `None` where the event does not fit.
            #[must_use]
            #[allow(clippy::too_many_lines, reason = "it is a table: a line for each row")]
            #[inline(always)]
            pub fn row(&self, event: Event) -> Option<(Row, Target)> {
                use Event::*;
                use Stage::*;
                let $control = self;
                match (self.stage, event) {
                    $(($from, $event) $(if $guard)? => Some((Row::$name, $to)),)+
                    _ => None,
                }
            }
        }
    };
}

table! { c;
    // The server's phase. Until Closing it changes what replies and timers do, not the stage.
    DoneDecided: Lingering | Querying, Server(Phase::Done) => to(Gone);
    DoneFresh: Fresh | LookFresh, Server(Phase::Done) => gone(ClosedFresh);
    DoneIdle: Idle | LookIdle, Server(Phase::Done) if !c.unflushed => gone(ClosedIdle);
    DoneFlushed: Ending, Server(Phase::Done) if !c.unflushed => to(Gone);
    DoneUpgraded: Upgraded, Server(Phase::Done) => gone(Outcome::Upgraded);
    DoneAborts: Head | Idle | LookIdle | Asked(_) | Running(_) | Replying(_) | Skipping | Refusing
        | Ending | Upgrading, Server(Phase::Done) => resets(Aborted);
    ClosingFresh: Fresh | LookFresh, Server(Phase::Closing) => ends(ClosedFresh);
    ClosingIdle: Idle | LookIdle, Server(Phase::Closing) => ends(ClosedIdle);
    ClosingHead: Head, Server(Phase::Closing) => refuses(Refused);
    ClosingRefuses: Asked(_) | Running(_), Server(Phase::Closing) => refuses(Aborted);
    ClosingResets: Replying(_), Server(Phase::Closing) if c.until_close => resets(Aborted);
    ClosingCuts: Replying(_), Server(Phase::Closing) => ends(Aborted);
    ClosingUpgrading: Upgrading, Server(Phase::Closing) => resets(Aborted);
    ClosingUpgraded: Upgraded, Server(Phase::Closing) => gone(Outcome::Upgraded);
    ClosingSkipping: Skipping, Server(Phase::Closing) => ends(Completed);
    PhaseNoted: stage, Server(_) => to(stage);

    // The own phase. A handler that says close, content too long to be skipped.
    Raised: stage @ (Asked(_) | Running(_)), Raise => to(stage);
    RaiseSkipping: Skipping, Raise => ends(Completed);

    // Receiving a request.
    FirstByte: Fresh | LookFresh | Idle | LookIdle, Bytes => to(Head);
    MoreOfHead: Head, Bytes => to(Head);
    Requested: Head, Request(content @ (Whole | Held | Expected)) => to(Asked(content));
    LookedFresh: LookFresh, Nothing => ends(ClosedFresh);
    LookedIdle: LookIdle, Nothing => ends(ClosedIdle);
    // What lingering would find out is known before: the close sends the FIN.
    LookedQuiet: LookIdle, Quiet if !c.unflushed => gone(ClosedIdle);

    // Its handler, and the content it asks for.
    Started: Asked(content), Started => to(Running(content));
    DemandInvites: Running(Expected), Demand => to(Running(Invited));
    Demanded: Running(Held), Demand => to(Running(Wanted));
    DemandedInReply: Replying(Held), Demand => to(Replying(Wanted));
    DemandStands: stage @ (Running(Invited | Wanted) | Replying(Wanted)), Demand => to(stage);
    Continued: Running(Invited), Continued => to(Running(Wanted));
    AbandonedUninvited: Running(Expected | Invited), Abandon => to(Running(Expected));
    Abandoned: Running(Held | Wanted | Dropped), Abandon => to(Running(Dropped));
    AbandonedInReply: Replying(Held | Wanted | Dropped), Abandon => to(Replying(Dropped));
    NothingToAbandon: stage @ (Running(Whole) | Replying(Whole)), Abandon => to(stage);
    Handed: Running(Wanted | Invited), ContentBytes => to(Running(Held));
    HandedInReply: Replying(Wanted), ContentBytes => to(Replying(Held));
    Discarded: stage @ (Running(Dropped) | Replying(Dropped) | Skipping), ContentBytes => to(stage);
    ContentWhole: Running(Invited | Held | Wanted | Dropped), ContentEnd => to(Running(Whole));
    ContentWholeInReply: Replying(Held | Wanted | Dropped), ContentEnd => to(Replying(Whole));
    Skipped: Skipping, ContentEnd => to(Idle);

    // The reply. Content that was never invited may come or not: only a close is safe after it.
    ReplyUninvited: Running(Expected | Invited), ReplyHead { .. } if c.own >= Phase::Draining
        => to(Replying(Dropped));
    ReplyBegun: Running(content @ (Whole | Held | Wanted | Dropped)), ReplyHead { .. }
        => to(Replying(content));
    LastReplyEnded: Replying(_), ReplyEnd if c.own >= Phase::Draining => ends(Completed);
    ReplyEnded: Replying(Whole), ReplyEnd => to(Idle);
    ReplyEndedEarly: Replying(_), ReplyEnd => to(Skipping);
    ReplyCutResets: Replying(_), ReplyCut if c.until_close => resets(Truncated);
    ReplyCut: Replying(_), ReplyCut => ends(Truncated);

    // Refusals: before the reply begins they replace it, after that they cut it.
    Refuse: Fresh | Head | Asked(_) | Running(_), Refuse => refuses(Refused);
    RefuseResets: Replying(_), Refuse if c.until_close => resets(Truncated);
    RefuseCuts: Replying(_), Refuse => ends(Truncated);
    RefuseSkipping: Skipping, Refuse => ends(Completed);
    RefusalWritten: Refusing, RefusalWritten => to(Ending);

    // Another protocol.
    Upgrading: Running(Whole), Upgrade => to(Upgrading);
    UpgradeTaken: Upgrading, UpgradeTaken if !c.unflushed => to(Upgraded);
    UpgradeEnded: Upgraded, UpgradeEnd => ends(Outcome::Upgraded);

    // Output. Ending waits for its last byte to be in the kernel: FIN is unreachable before.
    Queued: stage @ (Running(_) | Replying(_) | Ending | Upgrading), Queued => to(stage);
    Flushed: stage @ (Head | Idle | LookIdle | Asked(_) | Running(_) | Replying(_) | Skipping
        | Refusing | Ending | Upgrading), Flushed => to(stage);
    // No linger for who has ended his side, and sends nothing more that would reset the response.
    FinToSilent: Ending, FinSent | FinSentToParted if !c.unflushed && c.half_closed => to(Gone);
    FinToParted: Ending, FinSentToParted if !c.unflushed => to(Gone);
    Fin: Ending, FinSent if !c.unflushed => to(Lingering);
    Acknowledged: Querying, Acknowledged => to(Gone);
    Unacknowledged: Querying, Unacknowledged => to(Lingering);
    LingerFull: Lingering | Querying, LingerFull => to(Gone);

    // The peer's end. A FIN behind a whole request is a half-close: it waits for its answer.
    EofFresh: Fresh | LookFresh, Eof => gone(ClosedFresh);
    EofHead: Head, Eof if !c.unflushed => gone(Vanished);
    EofHeadUnflushed: Head, Eof => ends(Vanished);
    EofUnflushed: Idle | LookIdle, Eof if c.unflushed => ends(Completed);
    EofIdle: Idle | LookIdle, Eof => gone(Completed);
    // Within content only where all that was read has been taken: of content that nobody wants
    // yet, the rest may wait in the driver's buffer.
    EofWithinContent: Running(Wanted), Eof => gone(Vanished);
    EofWithinContentResets: Replying(Wanted), Eof if c.until_close => resets(Vanished);
    EofWithinContentCuts: Replying(Wanted), Eof => gone(Vanished);
    HalfClosed: stage @ (Asked(_) | Running(_) | Replying(_) | Refusing | Ending | Upgrading), Eof
        => to(stage);
    EofSkipping: Skipping, Eof => ends(Completed);
    EofLingering: Lingering | Querying, Eof => to(Gone);
    ResetFresh: Fresh | LookFresh, Reset => gone(ClosedFresh);
    ResetIdle: Idle | LookIdle, Reset if !c.unflushed => gone(Completed);
    ResetDecided: Ending | Lingering | Querying, Reset if !c.unflushed => to(Gone);
    Reset: Head | Idle | LookIdle | Asked(_) | Running(_) | Replying(_) | Skipping | Refusing
        | Ending | Upgrading, Reset => gone(Vanished);

    // Time.
    FreshExpired: Fresh, Expired(Timer::Input) => to(LookFresh);
    IdleExpired: Idle, Expired(Timer::Input) => to(LookIdle);
    HeadExpired: Head, Expired(Timer::Input) => refuses(Refused);
    ContentExpired: Running(Invited | Wanted), Expired(Timer::Input) => refuses(Refused);
    ContentExpiredResets: Replying(Wanted), Expired(Timer::Input) if c.until_close
        => resets(Truncated);
    ContentExpiredCuts: Replying(Wanted), Expired(Timer::Input) => ends(Truncated);
    SkippingExpired: Skipping, Expired(Timer::Input) => ends(Completed);
    LingerPaused: Lingering, Expired(Timer::Input) => to(Querying);
    UpgradedExpired: Upgraded, Expired(Timer::Input) => gone(Outcome::Upgraded);
    LingerExpired: Lingering | Querying, Expired(Timer::Linger) => to(Gone);
    OutputExpired: Head | Idle | LookIdle | Asked(_) | Running(_) | Replying(_) | Skipping
        | Refusing | Ending | Upgrading, Expired(Timer::Output) if c.unflushed => resets(Stalled);
    HalfCloseExpired: Asked(_) | Running(_) | Replying(_), Expired(Timer::HalfClose)
        if c.half_closed => resets(Vanished);
}

impl Control {
    /// A connection that was just accepted.
    #[must_use]
    pub const fn new() -> Control {
        Control {
            stage: Stage::Fresh,
            own: Phase::Running,
            server: Phase::Running,
            unflushed: false,
            half_closed: false,
            until_close: false,
            reset: false,
            outcome: None,
        }
    }

    /// The phase in effect: its own or the server's, whichever is further.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.own.max(self.server)
    }

    /// The state after `event`.
    ///
    /// # Errors
    ///
    /// [`MisuseError::OutOfOrder`] where the table has no row for it; nothing changes then.
    pub fn next(mut self, event: Event) -> Result<Control, MisuseError> {
        if self.take(event) {
            Ok(self)
        } else {
            Err(MisuseError::OutOfOrder)
        }
    }

    /// [`next`](Control::next), in place: only what changes is written. False where the table has
    /// no row. Callers know their event: inlined there, only its rows are left of the table.
    #[inline(always)]
    pub(crate) fn take(&mut self, event: Event) -> bool {
        let Some((_, target)) = self.row(event) else {
            return false;
        };
        match event {
            Event::Server(phase) => self.server = phase,
            Event::Raise => self.own = self.own.max(Phase::Draining),
            Event::ReplyHead { until_close } => self.until_close = until_close,
            Event::Queued => self.unflushed = true,
            Event::Flushed => self.unflushed = false,
            Event::Eof => self.half_closed = true,
            _ => {}
        }
        if target.outcome.is_some() {
            self.own = self.own.max(Phase::Draining);
            self.outcome = target.outcome;
        }
        self.reset |= target.reset;
        self.stage = target.stage;
        true
    }
}

impl Default for Control {
    fn default() -> Control {
        Control::new()
    }
}

//! What a connection asks of its driver, and what it tells: read off its state, never stored.

use crate::control::{Content, Control, Stage};
use crate::{Connection, Fate, Handler, Outcome, Read, Refusal, State, Step, Tally, Wants, Write};

impl Connection {
    /// What the driver should do now. Pure: asking changes nothing.
    #[must_use]
    pub fn poll_step(&self) -> Step {
        let control = &self.control;
        match control.stage {
            Stage::Gone => Step::Close {
                outcome: control.outcome.unwrap_or(Outcome::Aborted),
                reset: control.reset,
            },
            Stage::Upgrading if !control.unflushed => Step::Upgrade,
            _ => Step::Go(Wants {
                read: self.wanted_read(),
                write: self.wanted_write(),
                handler: wanted_handler(control.stage),
            }),
        }
    }

    /// The state, as a census counts it.
    #[must_use]
    pub fn state(&self) -> State {
        match self.control.stage {
            Stage::Gone => State::Gone,
            Stage::Fresh | Stage::LookFresh => State::Fresh,
            Stage::Head => State::Head,
            Stage::Idle | Stage::LookIdle | Stage::Ending if self.control.unflushed => State::Busy,
            Stage::Idle | Stage::LookIdle => State::Idle,
            Stage::Asked(_)
            | Stage::Running(_)
            | Stage::Replying(_)
            | Stage::Skipping
            | Stage::Refusing
            | Stage::Upgrading => State::Busy,
            Stage::Ending | Stage::Lingering | Stage::Querying => State::Linger,
            Stage::Upgraded => State::Upgraded,
        }
    }

    /// The control state, for model checkers and diagrams.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control
    }

    /// The refusal that was, or is to be, the last response.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// Whether the last request has been received whole. Never true of one that was refused, cut
    /// off or abandoned by its client.
    #[must_use]
    pub fn is_request_whole(&self) -> bool {
        matches!(
            self.control.stage,
            Stage::Asked(Content::Whole)
                | Stage::Running(Content::Whole)
                | Stage::Replying(Content::Whole)
                | Stage::Upgrading
                | Stage::Upgraded
                | Stage::Idle
                | Stage::LookIdle
        )
    }

    /// Whether the handler can still be given content of its request, or has been given all of it.
    #[must_use]
    pub fn is_content_deliverable(&self) -> bool {
        matches!(
            self.control.stage,
            Stage::Asked(content) | Stage::Running(content) | Stage::Replying(content)
                if content != Content::Dropped
        )
    }

    /// How much content of the current request is still to come, if its framing says that.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.inbound.content_left()
    }

    /// Whether the current request is a HEAD: its reply has no content.
    #[must_use]
    pub fn is_head_request(&self) -> bool {
        self.inbound.is_head
    }

    /// Whether the current request asks for another protocol: by `Upgrade`, or by CONNECT. It may
    /// be answered with [`reply_upgrade`](Connection::reply_upgrade), and need not.
    #[must_use]
    pub fn asks_upgrade(&self) -> bool {
        self.inbound.upgrade || self.inbound.is_connect
    }

    /// Bytes of output that wait to be written.
    #[must_use]
    pub fn unsent(&self) -> u64 {
        self.unsent
    }

    /// What became of the connection's requests.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let rest = match self.control.outcome {
            Some(Outcome::Refused) if self.refusal == Some(Refusal::HandlerFailed) => {
                Fate::Panicked
            }
            Some(Outcome::Truncated | Outcome::Stalled) => Fate::Truncated,
            Some(Outcome::Aborted) if self.outbound.begun() => Fate::Truncated,
            Some(Outcome::Aborted) => Fate::Aborted,
            Some(Outcome::Refused | Outcome::Upgraded | Outcome::Completed) => Fate::Completed,
            Some(Outcome::ClosedIdle | Outcome::ClosedFresh | Outcome::Vanished) | None => {
                Fate::Vanished
            }
        };
        Tally { rest, ..self.tally }
    }

    fn wanted_read(&self) -> Read {
        let half_closed = self.control.half_closed;
        match self.control.stage {
            Stage::Fresh | Stage::Head | Stage::Idle if self.full => Read::No,
            Stage::Fresh | Stage::Head | Stage::Idle => Read::Head,
            Stage::LookFresh | Stage::LookIdle => Read::Look,
            Stage::Skipping => Read::Content,
            Stage::Running(Content::Wanted) | Stage::Replying(Content::Wanted) => Read::Content,
            // The end was seen already, and reading would only see it again. Above, that is wanted:
            // behind what was read ahead, it is an end within the content.
            _ if half_closed => Read::No,
            Stage::Running(Content::Invited | Content::Dropped)
            | Stage::Replying(Content::Invited | Content::Dropped) => Read::Content,
            Stage::Running(Content::Whole | Content::Expected | Content::Held)
            | Stage::Replying(Content::Whole | Content::Expected | Content::Held) => Read::Watch,
            Stage::Ending | Stage::Lingering | Stage::Querying => Read::Discard,
            Stage::Asked(_)
            | Stage::Refusing
            | Stage::Upgrading
            | Stage::Upgraded
            | Stage::Gone => Read::No,
        }
    }

    fn wanted_write(&self) -> Write {
        match (self.control.stage, self.refusal) {
            (Stage::Refusing, Some(refusal)) => Write::Refuse(refusal),
            (Stage::Running(Content::Invited), _) => Write::Continue,
            _ if self.control.unflushed => Write::Flush,
            (Stage::Ending, _) => Write::Fin,
            (Stage::Querying, _) => Write::Query,
            _ => Write::No,
        }
    }
}

fn wanted_handler(stage: Stage) -> Handler {
    match stage {
        Stage::Asked(_) => Handler::Start,
        Stage::Running(_) | Stage::Replying(_) | Stage::Upgrading | Stage::Upgraded => Handler::Run,
        Stage::Fresh
        | Stage::LookFresh
        | Stage::Head
        | Stage::Idle
        | Stage::LookIdle
        | Stage::Skipping
        | Stage::Refusing
        | Stage::Ending
        | Stage::Lingering
        | Stage::Querying
        | Stage::Gone => Handler::No,
    }
}

//! Handlers that do what a plan says.

use neap_core::{BodyLength, State, Status};

use super::driver::{Driver, Part};
use super::plan::Plan;
use super::requests::Request;
use super::world::DATE;

/// What a handler does with its request's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    All,
    /// The first piece; then it drops the rest.
    Some,
    /// Drops it at once.
    None,
    /// Neither asks for it nor drops it.
    Ignores,
}

/// The length that it declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Declares {
    Exact,
    Nothing,
    TooMuch,
    TooLittle,
}

/// How its response comes to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    Well,
    WithTrailers,
    /// It fails half-way through its response.
    Fails,
    /// It fails before that.
    FailsAtOnce,
}

/// What one handler does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    pub(super) reads: Reads,
    /// It begins its response before it reads.
    pub(super) early: bool,
    pub(super) status: Status,
    pub(super) declares: Declares,
    pub(super) ends: Ends,
    /// Its response says `Connection: close`.
    pub(super) closes: bool,
    /// It switches protocols, if the request asks for that.
    pub(super) upgrades: bool,
    /// How much content of its own its response has. If it is not early, the request's content
    /// follows.
    pub(super) size: usize,
}

const STATUSES: [u16; 8] = [200, 404, 204, 304, 205, 500, 299, 599];

impl Behaviour {
    /// A handler that answers 200 with the content it got.
    #[must_use]
    pub fn echo() -> Behaviour {
        Behaviour::from(&mut Plan::new(&[]))
    }

    /// Three bytes of the plan; zeros are [`echo`](Behaviour::echo).
    pub(super) fn from(plan: &mut Plan<'_>) -> Behaviour {
        use {Declares as D, Ends as E, Reads as R};
        let (first, second) = (plan.next(), plan.next());
        let pick = |bits: u8| usize::from(bits % 4);
        let status = STATUSES[usize::from(second >> 5)];
        Behaviour {
            reads: [R::All, R::None, R::Ignores, R::Some][pick(first)],
            early: first & 4 != 0,
            declares: [D::Exact, D::Nothing, D::TooMuch, D::TooLittle][pick(first >> 3)],
            ends: [E::Well, E::WithTrailers, E::Fails, E::FailsAtOnce][pick(second)],
            closes: second & 4 != 0,
            upgrades: second & 8 != 0,
            status: Status::new(status).unwrap_or(Status::OK),
            size: usize::from(plan.next()),
        }
    }

    /// The content that it gives to its response.
    pub(super) fn content(&self, request: &Request) -> Vec<u8> {
        let mut content = vec![b'='; self.size];
        if !self.early {
            content.extend_from_slice(&request.content);
        }
        content
    }

    /// The length that it declares for `content`.
    pub(super) fn declared(&self, content: &[u8]) -> Option<usize> {
        match self.declares {
            Declares::Exact => Some(content.len()),
            Declares::Nothing => None,
            Declares::TooMuch => Some(content.len() + 1),
            Declares::TooLittle => Some(content.len() / 2),
        }
    }
}

impl Driver<'_> {
    /// Lets the handler do one thing. False if it waits.
    pub(super) fn run_handler(&mut self) -> bool {
        let t = self.world.tick();
        if self.connection.state() == State::Upgraded {
            assert_eq!(self.connection.handle_upgrade_end(t, 0), Ok(()));
            return true;
        }
        let exchange = self.exchanges.last_mut().expect("a handler runs");
        let behaviour = &exchange.behaviour;
        match exchange.part {
            Part::Begin => {
                exchange.part = Part::Read;
                match behaviour.reads {
                    Reads::None => self.connection.drop_content(t),
                    Reads::All | Reads::Some | Reads::Ignores => {}
                }
                if behaviour.ends == Ends::FailsAtOnce {
                    exchange.part = Part::Over;
                    self.connection.handle_failure(t);
                } else if behaviour.early {
                    self.begin_reply();
                }
            }
            Part::Read => return self.read_content(),
            Part::Reply => self.reply(),
            Part::Over => return false,
        }
        true
    }

    fn read_content(&mut self) -> bool {
        let t = self.world.tick();
        let exchange = self.exchanges.last_mut().expect("a handler reads");
        let enough = match exchange.behaviour.reads {
            Reads::All => false,
            Reads::Some => !exchange.request.content.is_empty(),
            Reads::None | Reads::Ignores => true,
        };
        if enough || self.connection.is_request_whole() {
            exchange.part = Part::Reply;
            if exchange.behaviour.reads == Reads::Some {
                self.connection.drop_content(t);
            }
            return true;
        }
        let news = !exchange.asked;
        exchange.asked = true;
        self.connection.want_content(t);
        news
    }

    fn begin_reply(&mut self) {
        let t = self.world.tick();
        let exchange = self.exchanges.last_mut().expect("a handler answers");
        let behaviour = &exchange.behaviour;
        let out = &mut self.output;
        if behaviour.upgrades {
            let upgrade: (&[u8], &[u8]) = (b"upgrade", b"a");
            let (switch, fields) = match exchange.request.method.as_str() {
                "CONNECT" => (Status::OK, None),
                _ => (Status::new(101).expect("three digits"), Some(upgrade)),
            };
            let done = self.connection.reply_upgrade(t, switch, &DATE, fields, out);
            if done.is_ok() {
                (exchange.upgraded, exchange.replied) = (true, true);
                exchange.part = Part::Over;
                return;
            }
        }
        self.connection.handle_buffered(t, &self.kept);
        let length = match behaviour.declared(&behaviour.content(&exchange.request)) {
            Some(length) => BodyLength::Known(length as u64),
            None => BodyLength::Unknown,
        };
        let close: (&[u8], &[u8]) = (b"Connection", b"close");
        let fields = behaviour.closes.then_some(close);
        let begun = self
            .connection
            .reply_head(t, behaviour.status, length, &DATE, fields, out);
        assert_eq!(begun, Ok(()));
        exchange.replied = true;
    }

    /// The rest of the reply, all of it if it is not early.
    fn reply(&mut self) {
        if !self
            .exchanges
            .last()
            .is_some_and(|exchange| exchange.replied)
        {
            self.begin_reply();
        }
        let t = self.world.tick();
        let exchange = self.exchanges.last_mut().expect("a handler answers");
        if exchange.upgraded {
            return;
        }
        exchange.part = Part::Over;
        let content = exchange.behaviour.content(&exchange.request);
        let content = match exchange.behaviour.ends {
            Ends::Fails => &content[..content.len() / 2],
            Ends::Well | Ends::WithTrailers | Ends::FailsAtOnce => &content,
        };
        for piece in content.chunks(100) {
            let framed = self.connection.reply_body(t, piece.len() as u64);
            let frame = framed.expect("content is due");
            let take = usize::try_from(frame.take).expect("a piece fits");
            self.output.extend_from_slice(frame.prefix());
            self.output.extend_from_slice(&piece[..take]);
            self.output.extend_from_slice(frame.suffix);
        }
        let trailer: (&[u8], &[u8]) = (b"x-trailer", b"1");
        let ended = match exchange.behaviour.ends {
            Ends::Fails | Ends::FailsAtOnce => {
                self.connection.handle_failure(t);
                Ok(())
            }
            Ends::Well => self.connection.reply_end(t, &mut self.output),
            Ends::WithTrailers => self
                .connection
                .reply_trailers(t, [trailer], &mut self.output),
        };
        assert_eq!(ended, Ok(()));
    }
}

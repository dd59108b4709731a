//! A driver of the core, in memory: it does what is wanted and watches every step.

use neap_core::control::{Content, Stage};
use neap_core::{
    Connection, Handler, Item, Outcome, PeerError, Phase, Read, Received, Refusal, Spans, State,
    Step, Wants, Write,
};

use super::handler::Behaviour;
use super::plan::Plan;
use super::requests::{Request, method_of};
use super::syntax::Fields;
use super::world::{DATE, World};

/// Steps that no input of a fuzzer's size takes: more means that the connection goes round.
const STEPS: usize = 1 << 20;

/// What became of a connection.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// Its requests, and what their handlers did.
    pub exchanges: Vec<Exchange>,
    /// What was wrong with its input, if the core said so.
    pub refused: Option<PeerError>,
    /// The method of the head that was refused, or not completed, if that is known.
    pub refused_method: String,
    /// The refusal that was its last response.
    pub refusal: Option<Refusal>,
    /// All output.
    pub output: Vec<u8>,
    /// The state when all input had been given and worked off, but not its end.
    pub state: State,
    /// Why it ended.
    pub outcome: Outcome,
    /// Whether it ended with a reset.
    pub reset: bool,
}

/// A request and its handler.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The request, with the content that was handed on.
    pub request: Request,
    pub(super) behaviour: Behaviour,
    /// Whether the handler's response has begun.
    pub replied: bool,
    /// Whether that response switched protocols.
    pub upgraded: bool,
    pub(super) part: Part,
    /// Whether content was asked for and has not come.
    pub(super) asked: bool,
}

/// Where a handler is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Begin,
    Read,
    Reply,
    Over,
}

/// A piece of input, on its own.
enum Taken {
    Nothing,
    Head(Request),
    Content(Vec<u8>),
    Trailers(Fields),
    Refused(PeerError),
}

/// A connection and its driver.
pub struct Driver<'p> {
    pub(super) world: World,
    pub(super) connection: Connection,
    spans: Spans,
    /// Input that was read and not consumed.
    pub(super) kept: Vec<u8>,
    pub(super) output: Vec<u8>,
    written: usize,
    pub(super) exchanges: Vec<Exchange>,
    refused: Option<PeerError>,
    refused_method: String,
    state: Option<State>,
    /// Decides the handlers' behaviour.
    behaviours: Plan<'p>,
    /// Decides what disturbs the connection; nothing does where there is none.
    disturbances: Option<Plan<'p>>,
}

impl Driver<'static> {
    /// A driver with the default settings, whose handlers answer with the content they get.
    #[must_use]
    pub fn echo() -> Driver<'static> {
        Driver::new(World::new(neap_core::Config::default()), Plan::new(&[]))
    }
}

impl<'p> Driver<'p> {
    pub(super) fn new(world: World, behaviours: Plan<'p>) -> Driver<'p> {
        Driver {
            connection: Connection::new(world.tick()),
            world,
            spans: Spans::new(),
            kept: Vec::new(),
            output: Vec::new(),
            written: 0,
            exchanges: Vec::new(),
            refused: None,
            refused_method: String::new(),
            state: None,
            behaviours,
            disturbances: None,
        }
    }

    pub(super) fn disturbed(self, plan: Plan<'p>) -> Driver<'p> {
        Driver {
            disturbances: Some(plan),
            ..self
        }
    }

    /// Gives the connection `pieces`, then the end of input, and goes on until it is over.
    ///
    /// # Panics
    ///
    /// Where the core breaks a promise.
    #[must_use]
    pub fn run<'b>(mut self, pieces: impl IntoIterator<Item = &'b [u8]>) -> Transcript {
        let mut pieces = pieces.into_iter();
        for _ in 0..STEPS {
            self.disturb();
            match self.connection.poll_step() {
                Step::Close { outcome, reset } => return self.over(outcome, reset),
                Step::Upgrade => {
                    let taken = self.connection.handle_upgrade_taken(self.world.tick());
                    assert_eq!(taken, Ok(()));
                }
                Step::Go(wants) => {
                    if !self.step(wants) && !self.read(wants.read, &mut pieces) {
                        self.wait();
                    }
                }
            }
            let unsent = self.output.len() - self.written;
            assert_eq!(self.connection.unsent(), unsent as u64, "what is unsent");
        }
        panic!("it goes round: {:?}", self.connection.control());
    }

    fn over(self, outcome: Outcome, reset: bool) -> Transcript {
        let tally = self.connection.tally();
        assert_eq!(tally.dispatched as usize, self.exchanges.len());
        assert!(tally.completed <= tally.dispatched);
        let gave_up = reset || matches!(outcome, Outcome::Vanished | Outcome::Stalled);
        assert!(gave_up || self.connection.unsent() == 0, "{outcome:?}");
        Transcript {
            exchanges: self.exchanges,
            refused: self.refused,
            refused_method: self.refused_method,
            refusal: self.connection.refusal(),
            output: self.output,
            state: self.state.unwrap_or(State::Gone),
            outcome,
            reset,
        }
    }

    /// Does one thing that is wanted and possible without more input. False if there is none.
    fn step(&mut self, wants: Wants) -> bool {
        match wants.write {
            Write::Continue | Write::Refuse(_) => self.put(wants.write),
            _ if wants.handler == Handler::Run && self.run_handler() => {}
            _ if self.takes(wants.read) && self.take_input() => {}
            Write::Flush => self.flush(),
            Write::Fin => {
                assert_eq!(self.connection.unsent(), 0, "FIN behind unsent output");
                let sent = self.connection.handle_fin_sent(self.world.tick());
                assert_eq!(sent, Ok(()));
            }
            Write::Query => self.connection.handle_send_queue(self.world.tick(), 0),
            Write::No => return false,
        }
        true
    }

    fn put(&mut self, write: Write) {
        let (connection, t, out) = (&mut self.connection, self.world.tick(), &mut self.output);
        let done = match write {
            Write::Continue => connection.reply_continue(t, out),
            _ => connection.reply_refusal(t, &DATE, out),
        };
        assert_eq!(done, Ok(()));
    }

    fn flush(&mut self) {
        let unsent = self.output.len() - self.written;
        let count = match &mut self.disturbances {
            Some(plan) => unsent.min(1 + usize::from(plan.next())),
            None => unsent,
        };
        let done = self
            .connection
            .handle_written(self.world.tick(), count as u64);
        assert_eq!(done, Ok(()));
        self.written += count;
    }

    fn takes(&self, read: Read) -> bool {
        matches!(read, Read::Head | Read::Content | Read::Look) && !self.kept.is_empty()
    }

    /// Gives input to the core. False if it could make nothing of it.
    fn take_input(&mut self) -> bool {
        let t = self.world.tick();
        let received = self.connection.handle_input(t, &self.kept, &mut self.spans);
        let consumed = received.consumed;
        let taken = take(&received, &self.kept);
        self.refused_method = method_of(&self.kept[consumed..]);
        self.kept.drain(..consumed);
        match taken {
            Taken::Nothing if consumed == 0 => {
                self.ask_again();
                return false;
            }
            Taken::Nothing => {}
            Taken::Head(request) => self.dispatch(request),
            Taken::Content(content) => {
                let exchange = self.exchanges.last_mut().expect("content is of a request");
                exchange.request.content.extend(content);
                exchange.asked = false;
            }
            Taken::Trailers(trailers) => {
                let exchange = self.exchanges.last_mut().expect("they are of a request");
                exchange.request.trailers = trailers;
            }
            Taken::Refused(error) => {
                self.refused = Some(error);
                assert!(
                    !self.connection.is_request_whole(),
                    "refused, and yet whole"
                );
            }
        }
        if let Some(exchange) = self.exchanges.last_mut() {
            let is_whole = matches!(
                self.connection.control().stage,
                Stage::Running(Content::Whole) | Stage::Replying(Content::Whole)
            );
            exchange.request.is_whole |= is_whole;
        }
        true
    }

    /// Input of which nothing was made is given a second time: nothing may come of it.
    fn ask_again(&mut self) {
        let before = (self.connection.control(), self.connection.poll_timeout());
        let t = self.world.tick();
        let again = self.connection.handle_input(t, &self.kept, &mut self.spans);
        assert!(again.consumed == 0 && matches!(again.item, Item::Nothing));
        let after = (self.connection.control(), self.connection.poll_timeout());
        assert_eq!(before, after);
    }

    fn dispatch(&mut self, request: Request) {
        assert_eq!(self.refused, None, "a request after a refusal");
        assert!(self.world.phase < Phase::Closing, "a request in Closing");
        self.exchanges.push(Exchange {
            request,
            behaviour: Behaviour::from(&mut self.behaviours),
            replied: false,
            upgraded: false,
            part: Part::Begin,
            asked: false,
        });
        let started = self.connection.handle_started(self.world.tick());
        assert_eq!(started, Ok(()));
    }

    /// Reads one more piece, or the end. False if nothing is to be read.
    fn read<'b>(&mut self, read: Read, pieces: &mut impl Iterator<Item = &'b [u8]>) -> bool {
        let t = self.world.tick();
        let room = self.world.config.limits.head;
        match read {
            Read::No => return false,
            Read::Watch if self.kept.len() >= room => return false,
            Read::Discard if !self.kept.is_empty() => {
                let count = self.kept.len() as u64;
                self.kept.clear();
                self.connection.handle_discarded(t, count);
                return true;
            }
            Read::Watch | Read::Discard => {}
            Read::Head | Read::Look | Read::Content => {
                assert!(self.kept.len() < room, "more is kept than a head may have");
            }
        }
        match pieces.next() {
            Some(piece) => self.kept.extend_from_slice(piece),
            None => {
                self.state.get_or_insert(self.connection.state());
                self.connection.handle_eof(t);
            }
        }
        true
    }

    /// Nothing can be done: time passes.
    fn wait(&mut self) {
        let due = self.connection.poll_timeout();
        let due = due.unwrap_or_else(|| panic!("it is stuck: {:?}", self.connection.control()));
        self.world.now = self.world.now.max(due);
        self.connection.handle_timeout(self.world.tick());
    }

    /// What else can happen to a connection, if the plan says so.
    fn disturb(&mut self) {
        let Some(plan) = &mut self.disturbances else {
            return;
        };
        let byte = plan.next();
        match byte {
            240.. => self.world.raise(),
            238.. if self.world.phase == Phase::Draining => self.world.phase = Phase::Running,
            _ => {}
        }
        let t = self.world.tick();
        match byte {
            238.. => self.connection.handle_timeout(t),
            228.. if self.connection.poll_timeout().is_some() => self.wait(),
            226.. => self.connection.close_idle(t),
            224.. => self.connection.close_after_reply(t),
            222.. => self.connection.handle_io_error(t),
            _ => {}
        }
    }
}

/// A copy of what was received, after a look at where it lies in the input.
fn take(received: &Received<'_>, input: &[u8]) -> Taken {
    assert!(received.consumed <= input.len(), "more than there is");
    let consumed = &input[..received.consumed];
    let copy = |fields: neap_core::Fields<'_>| -> Fields {
        let fields = fields.iter();
        fields
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    };
    match received.item {
        Item::Nothing => Taken::Nothing,
        Item::Head(head) => {
            assert!(consumed.ends_with(b"\r\n\r\n"), "a head that does not end");
            Taken::Head(Request {
                method: head.method().into(),
                target: head.target().into(),
                version: head.version(),
                fields: copy(head.fields()),
                content: Vec::new(),
                trailers: Fields::new(),
                is_whole: false,
            })
        }
        Item::Content(content) => {
            assert!(!content.is_empty(), "content of no bytes");
            let (end, last) = (consumed.as_ptr_range().end, content.as_ptr_range().end);
            assert_eq!(end, last, "content is the last of what was consumed");
            Taken::Content(content.into())
        }
        Item::Trailers(fields) => {
            assert!(consumed.ends_with(b"\r\n"), "trailers that do not end");
            Taken::Trailers(copy(fields))
        }
        Item::Refused(error) => {
            assert_eq!(received.consumed, 0, "of what is refused nothing is taken");
            Taken::Refused(error)
        }
    }
}

//! A driver that reports whatever it likes to a session, whose responder calls whatever it likes:
//! each call is refused or does no harm, the bytes that were handed out are whole responses, in
//! order, of which the last may be cut, and whatever has happened, the driver alone brings it to
//! its end.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use neap_core::{
    BodyLength, Cause, Config, Exchange, Failure, Head, HttpDate, MisuseError, Responder, Server,
    Session, State, Status, Step, Time, Write,
};
use proptest::prelude::*;

use crate::misuse::{REQUESTS, settings};
use crate::reader::{Fault, Response, To, read_cut};

const DATE: HttpDate = HttpDate::from_unix_seconds(784_111_777);
/// More turns than anything here needs.
const TURNS: usize = 1000;

/// One call of a responder's.
#[derive(Clone, Debug)]
enum Act {
    Take,
    Drop,
    Reply(u16),
    Head(u16, Option<u64>),
    BadField,
    Content(usize),
    End,
    /// Enough for this run.
    Yield,
    Wait(u64),
    Fail,
}

/// One call of a driver's.
#[derive(Clone, Debug)]
enum Call {
    Send(usize),
    Garbage,
    End,
    Later,
    Broken,
    Written(usize),
    TooMuchWritten,
    FinSent,
    SendQueue(u64),
    Pass(u64),
    Drain,
    CloseNow,
    Advance,
}

fn act() -> impl Strategy<Value = Act> {
    let status = proptest::sample::select(vec![100, 101, 200, 200, 200, 204, 304, 404, 600]);
    let length = proptest::option::of(proptest::sample::select(vec![0, 1, 5, 1000, u64::MAX]));
    prop_oneof![
        3 => Just(Act::Take),
        1 => Just(Act::Drop),
        8 => status.clone().prop_map(Act::Reply),
        3 => (status, length).prop_map(|(status, length)| Act::Head(status, length)),
        1 => Just(Act::BadField),
        4 => proptest::sample::select(vec![0, 1, 5, 70_000]).prop_map(Act::Content),
        3 => Just(Act::End),
        4 => Just(Act::Yield),
        1 => (0..10_u64).prop_map(Act::Wait),
        1 => Just(Act::Fail),

    ]
}

fn call() -> impl Strategy<Value = Call> {
    let most = proptest::sample::select(vec![1, 100, usize::MAX]);
    let sensible = prop_oneof![
        8 => (0..REQUESTS.len()).prop_map(Call::Send),
        24 => Just(Call::Advance),
        8 => most.prop_map(Call::Written),
        2 => Just(Call::Later),
        2 => Just(Call::FinSent),
        2 => Just(Call::TooMuchWritten),
        1 => (0..2_u64).prop_map(Call::SendQueue),
        1 => (0..40_u64).prop_map(Call::Pass),
    ];
    let harsh = vec![
        Call::Garbage,
        Call::End,
        Call::Broken,
        Call::Drain,
        Call::CloseNow,
    ];
    prop_oneof![
        40 => sensible,
        1 => proptest::sample::select(harsh),
    ]
}

/// Does what it was told, in order, whatever comes of it.
struct Script {
    acts: VecDeque<Act>,
    runs: bool,
    /// What the final responses answer.
    to: Rc<RefCell<Vec<To>>>,
}

impl Responder for Script {
    fn start(&mut self, head: Head<'_>) {
        assert!(!self.runs, "one request at a time");
        self.runs = true;
        self.to.borrow_mut().push(To::method(head.method()));
    }

    fn run(&mut self, exchange: &mut Exchange<'_>) -> Result<Time, MisuseError> {
        assert!(self.runs, "no run before the start or behind the stop");
        while let Some(act) = self.acts.pop_front() {
            match act {
                Act::Take => drop(exchange.take_content().map(|piece| piece.map(<[u8]>::len))),
                Act::Drop => exchange.drop_content(),
                Act::Yield => break,
                Act::Wait(seconds) => return Ok(after(exchange.now(), seconds)),
                Act::Fail => return Err(MisuseError::OutOfOrder),
                // A misuse has no effect, which is seen in the output.
                act => drop(reply(exchange, &act)),
            }
        }
        Ok(Time::NEVER)
    }

    fn stop(&mut self) {
        assert!(self.runs, "one stop behind each start");
        self.runs = false;
    }
}

fn reply(exchange: &mut Exchange<'_>, act: &Act) -> Result<bool, MisuseError> {
    let length = |length: Option<u64>| length.map_or(BodyLength::Unknown, BodyLength::Known);
    match act {
        Act::Reply(status) => {
            let status = Status::new(*status).unwrap();
            exchange.reply(status, [], b"hello").map(|()| true)
        }
        Act::Head(status, known) => {
            let status = Status::new(*status).unwrap();
            let head = exchange.reply_head(status, length(*known), []);
            head.map(|()| true)
        }
        Act::BadField => {
            let fields = [(&b"x-good"[..], &b"a"[..]), (b"a", b"b\r\nc: d")];
            let done = exchange.reply(Status::OK, fields, b"");
            assert!(done.is_err(), "it would split the response");
            done.map(|()| true)
        }
        Act::Content(len) => exchange.reply_content(&vec![b'x'; *len]),
        Act::End => exchange.reply_end().map(|()| true),
        act => unreachable!("{act:?} is no reply"),
    }
}

fn after(now: Time, seconds: u64) -> Time {
    now.after(std::time::Duration::from_secs(seconds))
}

struct Driver {
    config: Config,
    server: Server,
    session: Session<Script>,
    now: Time,
    written: Vec<u8>,
    to: Rc<RefCell<Vec<To>>>,
}

impl Driver {
    fn new(acts: Vec<Act>) -> Driver {
        let (config, mut server) = (Config::default(), Server::new());
        let to = Rc::default();
        let script = Script {
            acts: acts.into(),
            runs: false,
            to: Rc::clone(&to),
        };
        Driver {
            to,
            session: server.accept(Time::ZERO, &config, script),
            config,
            server,
            now: Time::ZERO,
            written: Vec::new(),
        }
    }

    fn call(&mut self, call: &Call) {
        let t = self.server.tick(self.now, &self.config);
        let session = &mut self.session;
        match call {
            Call::Send(request) => session.handle_read(t, Ok(REQUESTS[*request].as_bytes())),
            Call::Garbage => session.handle_read(t, Ok(b"\0")),
            Call::End => session.handle_read(t, Ok(b"")),
            Call::Later => session.handle_read(t, Err(Failure::Later)),
            Call::Broken => session.handle_read(t, Err(Failure::Broken)),
            Call::Written(most) => {
                let output = &session.output()[..session.output().len().min(*most)];
                self.written.extend_from_slice(output);
                let written = session.handle_written(t, Ok(output.len()));
                assert_eq!(written, Ok(()));
            }
            Call::TooMuchWritten => {
                let written = session.handle_written(t, Ok(session.output().len() + 1));
                assert_eq!(written, Err(MisuseError::TooMuch));
            }
            Call::FinSent => {
                let is_wanted = wanted(session) == Write::Fin;
                let is_flushed = session.output().is_empty();
                assert_eq!(session.handle_fin_sent(t).is_ok(), is_wanted);
                assert!(!is_wanted || is_flushed, "no FIN before the last byte");
            }
            Call::SendQueue(bytes) => session.handle_send_queue(t, *bytes),
            Call::Pass(seconds) => self.now = after(self.now, *seconds),
            Call::Drain => self
                .server
                .lifecycle
                .drain(self.now, &self.config, Cause::Request),
            Call::CloseNow => self.server.lifecycle.close_now(self.now, Cause::Request),
            Call::Advance => {
                self.advance();
                self.check();
            }
        }
    }

    fn advance(&mut self) {
        let t = self.server.tick(self.now, &self.config);
        let step = self.session.advance(t, &DATE);
        assert_eq!(step, self.session.poll_step());
        self.server.note(&self.session);
        self.server.advance(self.now, &self.config);
        assert_eq!(self.server.census().open(), 1);
    }

    fn check(&self) {
        let to = self.to.borrow();
        let bytes = [&self.written[..], self.session.output()].concat();
        let (responses, fault) = read_cut(&bytes, &to);
        let finals = responses.iter().filter(|response| response.status >= 200);
        let finals = finals.count();
        assert!(finals <= to.len() + 1, "one answer for each, and a refusal");
        let is_last = responses.last().is_some_and(Response::closes);
        assert!(
            !is_last || to.len() <= finals,
            "nothing starts behind a close"
        );
        if let Some(Fault::Wrong(what)) = fault {
            panic!("{what}\nin {}", bytes.escape_ascii());
        }
    }

    /// The server is told to end at once. The client does nothing any more.
    fn end(mut self) {
        self.server.lifecycle.close_now(self.now, Cause::Request);
        self.server.lifecycle.handle_listeners_ended(self.now);
        for _ in 0..TURNS {
            self.advance();
            if self.session.state() == State::Gone {
                self.server.leave(self.session);
                self.server.advance(self.now, &self.config);
                assert!(self.server.is_over());
                return;
            }
            let dues = [
                self.session.poll_timeout(),
                self.server.lifecycle.poll_timeout(&self.config),
            ];
            let due = dues.into_iter().flatten().min();
            self.now = due.map_or(self.now, |due| self.now.max(due));
        }
        panic!("it does not end: {:?}", self.session.poll_step());
    }
}

fn wanted(session: &Session<Script>) -> Write {
    match session.poll_step() {
        Step::Go(wants) => wants.write,
        Step::Upgrade | Step::Close { .. } => Write::No,
    }
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn any_reports_and_any_replies_hand_out_well_formed_responses_and_end(
        calls in proptest::collection::vec(call(), 0..80),
        acts in proptest::collection::vec(act(), 0..80),
    ) {
        let mut driver = Driver::new(acts);
        for call in &calls {
            driver.call(call);
        }
        driver.check();
        driver.end();
    }
}

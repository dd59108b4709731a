//! A driver that calls whatever it likes, in any order: each call is refused or does no harm, and
//! the bytes that were handed out are whole responses, in order, of which the last may be cut.

use neap_core::{
    BodyLength, Config, Connection, HttpDate, Item, PeerError, Phase, Spans, Status, Step, Tick,
    Time,
};
use proptest::prelude::*;

use crate::reader::{Fault, To, read_cut};

const DATE: HttpDate = HttpDate::from_unix_seconds(784_111_777);

pub(crate) const REQUESTS: [&str; 8] = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: a/1\r\n\r\n",
    "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
];

/// One call of a driver's.
#[derive(Clone, Debug)]
enum Call {
    /// A request comes, and the driver gives what it has to `handle_input`.
    Send(usize),
    Input,
    Garbage,
    Started,
    Want,
    Drop,
    Head(u16, Option<u64>),
    BadField,
    Body(u64),
    End,
    Trailers,
    BadTrailer,
    Continue,
    Refusal,
    Upgrade(u16),
    Written(u64),
    AllWritten,
    TooMuchWritten,
    Eof,
    Error,
    Nothing,
    Quiet,
    FinSent,
    Discarded(u64),
    SendQueue(u64),
    Timeout,
    Pass(u64),
    Rise,
    Failure,
    Reject,
    CloseIdle,
    CloseAfter,
    TurnAway,
    UpgradeTaken,
    UpgradeEnd,
    Buffered,
}

fn call() -> impl Strategy<Value = Call> {
    let status = proptest::sample::select(vec![100, 101, 200, 204, 205, 304, 404, 500, 600, 999]);
    let length = proptest::option::of(proptest::sample::select(vec![0, 1, 5, 1000, u64::MAX]));
    let number = proptest::sample::select(vec![0, 1, 5, 17, 1000]);
    let sensible = prop_oneof![
        6 => (0..REQUESTS.len()).prop_map(Call::Send),
        4 => Just(Call::Input),
        6 => Just(Call::Started),
        4 => Just(Call::Want),
        6 => (status.clone(), length).prop_map(|(status, length)| Call::Head(status, length)),
        6 => number.clone().prop_map(Call::Body),
        4 => Just(Call::End),
        2 => Just(Call::Trailers),
        6 => Just(Call::AllWritten),
        2 => Just(Call::Continue),
        2 => Just(Call::Refusal),
        2 => Just(Call::FinSent),
        2 => status.prop_map(Call::Upgrade),
        2 => Just(Call::Buffered),
        2 => Just(Call::Drop),
        2 => number.clone().prop_map(Call::Written),
    ];
    let rest = vec![
        Call::Garbage,
        Call::BadField,
        Call::BadTrailer,
        Call::TooMuchWritten,
        Call::Eof,
        Call::Error,
        Call::Nothing,
        Call::Quiet,
        Call::Timeout,
        Call::Rise,
        Call::Failure,
        Call::Reject,
        Call::CloseIdle,
        Call::CloseAfter,
        Call::TurnAway,
        Call::UpgradeTaken,
        Call::UpgradeEnd,
    ];
    prop_oneof![
        6 => sensible,
        1 => proptest::sample::select(rest),
        1 => number.clone().prop_map(Call::Discarded),
        1 => number.clone().prop_map(Call::SendQueue),
        1 => number.prop_map(Call::Pass),
    ]
}

/// A connection and what a driver has of it.
struct Driver {
    connection: Connection,
    config: Config,
    now: u64,
    phase: Phase,
    inbox: Vec<u8>,
    /// All that was handed out.
    output: Vec<u8>,
    written: u64,
    /// What the final responses answer, in order.
    to: Vec<To>,
    method: To,
}

impl Driver {
    fn new() -> Driver {
        let config = Config::default();
        let t = tick(&config, 0, Phase::Running);
        Driver {
            connection: Connection::new(t),
            config,
            now: 0,
            phase: Phase::Running,
            inbox: Vec::new(),
            output: Vec::new(),
            written: 0,
            to: Vec::new(),
            method: To::Other,
        }
    }

    /// Makes the call. False if the core called it a misuse.
    fn call(&mut self, call: &Call) -> bool {
        let t = tick(&self.config, self.now, self.phase);
        let unsent = self.connection.unsent();
        let connection = &mut self.connection;
        let mut done = true;
        match call {
            Call::Send(request) => {
                self.inbox.extend_from_slice(REQUESTS[*request].as_bytes());
                self.take_input();
            }
            Call::Garbage => {
                self.inbox.extend_from_slice(b"\0");
                self.take_input();
            }
            Call::Input => self.take_input(),
            Call::Started => done = connection.handle_started(t).is_ok(),
            Call::Want => connection.want_content(t),
            Call::Drop => connection.drop_content(t),
            Call::Written(bytes) => return self.write(*bytes),
            Call::AllWritten => return self.write(unsent),
            Call::TooMuchWritten => return self.write(unsent + 1),
            Call::Eof => connection.handle_eof(t),
            Call::Error => connection.handle_io_error(t),
            Call::Nothing => connection.handle_nothing(t),
            Call::Quiet => connection.handle_quiet(t),
            Call::FinSent => {
                done = connection.handle_fin_sent(t).is_ok();
                assert!(!done || unsent == 0, "no FIN before the last byte");
            }
            Call::Discarded(bytes) => connection.handle_discarded(t, *bytes),
            Call::SendQueue(bytes) => connection.handle_send_queue(t, *bytes),
            Call::Timeout => connection.handle_timeout(t),
            Call::Pass(seconds) => self.now += seconds * 1_000_000_000,
            Call::Rise => self.phase = self.phase.max(Phase::Draining),
            Call::Failure => connection.handle_failure(t),
            Call::Reject => connection.reject(t, PeerError::Target),
            Call::CloseIdle => connection.close_idle(t),
            Call::CloseAfter => connection.close_after_reply(t),
            Call::TurnAway => connection.turn_away(t),
            Call::UpgradeTaken => done = connection.handle_upgrade_taken(t).is_ok(),
            Call::UpgradeEnd => done = connection.handle_upgrade_end(t, 0).is_ok(),
            Call::Buffered => connection.handle_buffered(t, &self.inbox),
            Call::Head(..) | Call::BadField | Call::Body(_) | Call::End | Call::Trailers => {
                return self.reply(call);
            }
            Call::BadTrailer | Call::Continue | Call::Refusal | Call::Upgrade(_) => {
                return self.reply(call);
            }
        }
        done
    }

    /// Calls that hand out bytes.
    fn reply(&mut self, call: &Call) -> bool {
        let t = tick(&self.config, self.now, self.phase);
        let (connection, out) = (&mut self.connection, &mut self.output);
        let none = std::iter::empty();
        let bad = [(&b"x-good"[..], &b"a"[..]), (b"a", b"b\r\nc: d")];
        let length = |length: Option<u64>| length.map_or(BodyLength::Unknown, BodyLength::Known);
        let before = (out.len(), connection.unsent(), connection.control());
        let done = match call {
            Call::Head(status, known) => {
                let status = Status::new(*status).unwrap();
                connection.reply_head(t, status, length(*known), &DATE, none, out)
            }
            Call::BadField => {
                let length = BodyLength::Unknown;
                connection.reply_head(t, Status::OK, length, &DATE, bad, out)
            }
            Call::Body(len) => connection.reply_body(t, *len).map(|frame| {
                out.extend_from_slice(frame.prefix());
                out.extend(std::iter::repeat_n(
                    b'x',
                    usize::try_from(frame.take).unwrap(),
                ));
                out.extend_from_slice(frame.suffix);
            }),
            Call::End => connection.reply_end(t, out),
            Call::Trailers => connection.reply_trailers(t, [bad[0]], out),
            Call::BadTrailer => connection.reply_trailers(t, bad, out),
            Call::Continue => connection.reply_continue(t, out),
            Call::Refusal => connection.reply_refusal(t, &DATE, out),
            Call::Upgrade(status) => {
                let status = Status::new(*status).unwrap();
                let upgrade = [(&b"upgrade"[..], &b"a/1"[..])];
                connection.reply_upgrade(t, status, &DATE, upgrade, out)
            }
            _ => unreachable!("it hands out nothing"),
        };
        if done.is_err() {
            let stage = before.2.stage;
            let after = (out.len(), connection.unsent());
            assert_eq!(after, (before.0, before.1), "a misuse has no effect");
            let rises = connection.control().server > before.2.server;
            assert!(rises || connection.control().stage == stage);
        } else if matches!(call, Call::Head(..) | Call::Refusal | Call::Upgrade(_)) {
            self.to.push(self.method);
        }
        done.is_ok()
    }

    fn write(&mut self, bytes: u64) -> bool {
        let t = tick(&self.config, self.now, self.phase);
        let done = self.connection.handle_written(t, bytes).is_ok();
        self.written += if done { bytes } else { 0 };
        done
    }

    /// Gives the core all that it takes, and remembers what the next final response answers.
    fn take_input(&mut self) {
        let t = tick(&self.config, self.now, self.phase);
        let mut spans = Spans::new();
        loop {
            let received = self.connection.handle_input(t, &self.inbox, &mut spans);
            let consumed = received.consumed;
            match received.item {
                Item::Head(head) => self.method = To::method(head.method()),
                Item::Refused(_) if !self.connection.is_head_request() => self.method = To::Other,
                _ if consumed == 0 => return,
                _ => {}
            }
            self.inbox.drain(..consumed);
            if consumed == 0 {
                return;
            }
        }
    }

    fn check(&self) {
        let handed_out = self.output.len() as u64;
        assert_eq!(self.connection.unsent(), handed_out - self.written);
        let (responses, fault) = read_cut(&self.output, &self.to);
        let ends = responses
            .iter()
            .filter(|one| one.status >= 200 || one.status == 101);
        let (whole, cut) = (ends.count(), usize::from(fault.is_some()));
        if let Some(Fault::Wrong(what)) = fault {
            panic!("{what}\nin {}", self.output.escape_ascii());
        }
        assert_eq!(whole + cut, self.to.len(), "{}", self.output.escape_ascii());
        if let Step::Close { .. } = self.connection.poll_step() {
            assert!(self.connection.control().outcome.is_some());
        }
    }
}

fn tick(config: &Config, now: u64, phase: Phase) -> Tick<'_> {
    Tick {
        now: Time::from_nanos(now),
        phase,
        sealing: Time::NEVER,
        config,
    }
}

pub(crate) fn settings() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: 4 * default.cases,
        failure_persistence: None,
        ..default
    }
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn any_calls_in_any_order_hand_out_well_formed_responses(
        calls in proptest::collection::vec(call(), 0..60),
    ) {
        let mut driver = Driver::new();
        for call in &calls {
            driver.call(call);
            driver.check();
        }
    }
}

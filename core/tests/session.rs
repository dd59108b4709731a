//! Sessions and the server that keeps them: what a driver leaves to them.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use neap_core::{
    BodyLength, Cause, Config, Exchange, Failure, Head, HttpDate, MisuseError, Outcome, Phase,
    Read, Responder, Server, Session, State, Status, Step, Time, Wants, Write,
};

const DATE: HttpDate = HttpDate::from_unix_seconds(784_111_777);
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

type Run<'r> = dyn FnMut(&mut Exchange<'_>) -> Result<Time, MisuseError> + 'r;

/// A responder that runs a closure, and how often it was started and stopped.
struct Script<'r> {
    run: Box<Run<'r>>,
    calls: Rc<Cell<(u32, u32)>>,
}

impl Responder for Script<'_> {
    fn start(&mut self, _: Head<'_>) {
        let (starts, stops) = self.calls.get();
        assert_eq!(starts, stops, "one request at a time");
        self.calls.set((starts + 1, stops));
    }

    fn run(&mut self, exchange: &mut Exchange<'_>) -> Result<Time, MisuseError> {
        (self.run)(exchange)
    }

    fn stop(&mut self) {
        let (starts, stops) = self.calls.get();
        self.calls.set((starts, stops + 1));
    }
}

/// A server with one session, at a time of its own.
struct Driver<'r> {
    config: Config,
    server: Server,
    session: Session<Script<'r>>,
    now: Time,
    calls: Rc<Cell<(u32, u32)>>,
}

impl<'r> Driver<'r> {
    fn new(run: impl FnMut(&mut Exchange<'_>) -> Result<Time, MisuseError> + 'r) -> Driver<'r> {
        Driver::with(Server::new(), run)
    }

    fn with(
        mut server: Server,
        run: impl FnMut(&mut Exchange<'_>) -> Result<Time, MisuseError> + 'r,
    ) -> Driver<'r> {
        let (config, calls) = (Config::default(), Rc::default());
        let script = Script {
            run: Box::new(run),
            calls: Rc::clone(&calls),
        };
        Driver {
            session: server.accept(Time::ZERO, &config, script),
            config,
            server,
            now: Time::ZERO,
            calls,
        }
    }

    fn advance(&mut self) -> Step {
        let t = self.server.tick(self.now, &self.config);
        self.session.advance(t, &DATE)
    }

    fn wants(&mut self) -> Wants {
        match self.advance() {
            Step::Go(wants) => wants,
            step => panic!("{step:?}"),
        }
    }

    fn report(&mut self, received: Result<&[u8], Failure>) {
        let t = self.server.tick(self.now, &self.config);
        self.session.handle_read(t, received);
    }

    fn read(&mut self, received: Result<&[u8], Failure>) -> Step {
        self.report(received);
        self.advance()
    }

    /// Takes all output; what it was.
    fn write(&mut self) -> String {
        let output = self.session.output().to_vec();
        let t = self.server.tick(self.now, &self.config);
        let written = self.session.handle_written(t, Ok(output.len()));
        written.expect("it was output");
        self.advance();
        String::from_utf8(output).expect("the replies are text")
    }

    fn pass(&mut self, duration: Duration) -> Step {
        self.now = self.now.after(duration);
        self.advance()
    }

    fn outcome(&mut self) -> Option<(Outcome, bool)> {
        match self.advance() {
            Step::Close { outcome, reset } => Some((outcome, reset)),
            Step::Go(_) | Step::Upgrade => None,
        }
    }
}

fn hello(exchange: &mut Exchange<'_>) -> Result<Time, MisuseError> {
    exchange.reply(Status::OK, [], b"Hello")?;
    Ok(Time::NEVER)
}

/// Returns the content, of which there are five bytes.
fn echo(exchange: &mut Exchange<'_>) -> Result<Time, MisuseError> {
    if let Poll::Ready(Some(piece)) = exchange.take_content() {
        let piece = piece.to_vec();
        exchange.reply(Status::OK, [], &piece)?;
    }
    Ok(Time::NEVER)
}

#[test]
fn pipelined_requests_are_answered_in_one_turn() {
    let mut driver = Driver::new(hello);
    driver.read(Ok(&GET.repeat(3)));
    let output = driver.write();
    assert_eq!(output.matches("HTTP/1.1 200 OK").count(), 3);
    assert_eq!(driver.calls.get(), (3, 3));
    assert_eq!(driver.session.tally().completed, 3);
}

#[test]
fn a_session_is_settled_when_a_turn_has_moved_and_changed_nothing() {
    let mut driver = Driver::new(hello);
    assert!(!driver.session.is_settled(), "it has not turned yet");
    driver.advance();
    assert!(driver.session.is_settled());
    // Bytes that change nothing: there may be more of them.
    driver.read(Ok(&GET[..5]));
    assert!(!driver.session.is_settled());
    driver.read(Err(Failure::Later));
    assert!(driver.session.is_settled());
    driver.read(Ok(&GET[5..]));
    assert!(!driver.session.is_settled());
    driver.advance();
    assert!(
        driver.session.is_settled(),
        "the output waits for the socket"
    );
    driver.write();
    assert!(!driver.session.is_settled());
    driver.advance();
    assert!(driver.session.is_settled());
}

#[test]
fn an_end_behind_content_that_was_not_taken_yet_loses_nothing() {
    let mut asked = false;
    let mut driver = Driver::new(|exchange| {
        if !asked {
            asked = true;
            assert!(exchange.take_content().is_pending());
        }
        let at = Time::from_nanos(5);
        if exchange.now() < at {
            return Ok(at);
        }
        echo(exchange)
    });
    driver.read(Ok(POST));
    driver.report(Ok(b"hello"));
    let Step::Go(wants) = driver.read(Ok(b"")) else {
        panic!("the client waits for its answer");
    };
    assert_eq!(wants.read, Read::No, "the end was read");
    assert_eq!(driver.session.poll_timeout(), Some(Time::from_nanos(5)));
    driver.pass(Duration::from_nanos(5));
    assert!(driver.write().ends_with("hello"));
}

#[test]
fn an_end_within_content_ends_the_connection() {
    for (head, content) in [
        (POST, &b"hell"[..]),
        (CHUNKED, b"5\r\nhell"),
        // A part of a trailer section stays in the input.
        (CHUNKED, b"4\r\nhell\r\n0\r\nTrail"),
    ] {
        let mut driver = Driver::new(|exchange| {
            while let Poll::Ready(Some(_)) = exchange.take_content() {}
            Ok(Time::NEVER)
        });
        driver.read(Ok(head));
        driver.read(Ok(content));
        assert_eq!(driver.outcome(), None);
        driver.read(Ok(b""));
        assert_eq!(driver.outcome(), Some((Outcome::Vanished, false)));
        assert_eq!(driver.calls.get(), (1, 1), "nobody waits for the responder");
    }
}

#[test]
fn a_client_that_has_ended_its_side_is_answered_and_closed() {
    let mut driver = Driver::new(hello);
    driver.report(Ok(GET));
    driver.read(Ok(b""));
    assert!(driver.write().ends_with("Hello"));
    assert_eq!(driver.wants().write, Write::Fin);
    let t = driver.server.tick(driver.now, &driver.config);
    assert_eq!(driver.session.handle_fin_sent(t), Ok(()));
    assert_eq!(driver.outcome(), Some((Outcome::Completed, false)));
}

#[test]
fn input_is_read_ahead_within_a_bound_until_the_responder_takes_it() {
    let may_take = Cell::new(false);
    let mut driver = Driver::new(|exchange| {
        while may_take.get() && exchange.take_content().is_ready() {}
        Ok(Time::NEVER)
    });
    let piece = [b'x'; 1024];
    driver.read(Ok(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n",
    ));
    let mut read = 0;
    while driver.wants().read != Read::No {
        driver.read(Ok(&piece));
        read += piece.len();
        assert!(read < 100 * 1024, "there is a bound");
    }
    assert!(read > driver.config.limits.head);
    may_take.set(true);
    assert_eq!(driver.wants().read, Read::Content);
}

#[test]
fn output_waits_within_a_bound_until_the_client_takes_it() {
    let piece = [b'x'; 10_000];
    let mut driver = Driver::new(|exchange| {
        if exchange.reply_content(b"").is_err() {
            exchange.reply_head(Status::OK, BodyLength::Unknown, [])?;
        }
        while exchange.reply_content(&piece)? {}
        Ok(Time::NEVER)
    });
    driver.read(Ok(GET));
    for _ in 0..3 {
        let waits = driver.session.output().len();
        let limit = usize::try_from(driver.config.limits.unsent).expect("it is small");
        assert!((limit..limit + 11_000).contains(&waits), "{waits}");
        driver.write();
    }
}

#[test]
fn the_time_that_a_responder_gives_ends_with_it() {
    let due = Time::from_nanos(7);
    let mut driver = Driver::new(|exchange| {
        if exchange.now() < due {
            return Ok(due);
        }
        hello(exchange)?;
        Ok(due)
    });
    driver.read(Ok(GET));
    assert_eq!(driver.session.poll_timeout(), Some(due));
    driver.pass(Duration::from_nanos(7));
    driver.write();
    let idle = driver.session.poll_timeout().expect("idle connections end");
    assert!(idle > due);
}

#[test]
fn a_responder_that_fails_is_answered_for_or_cut() {
    let mut driver = Driver::new(|_| Err(MisuseError::OutOfOrder));
    driver.read(Ok(GET));
    let refusal = driver.write();
    assert!(refusal.starts_with("HTTP/1.1 500 "), "{refusal}");
    assert_eq!(driver.calls.get(), (1, 1));

    let mut driver = Driver::new(|exchange| {
        exchange.reply_head(Status::OK, BodyLength::Unknown, [])?;
        exchange.reply_content(b"Hel")?;
        Err(MisuseError::OutOfOrder)
    });
    driver.read(Ok(GET));
    let cut = driver.write();
    assert!(cut.ends_with("3\r\nHel\r\n"), "no last chunk: {cut}");
    assert_eq!(driver.wants().write, Write::Fin);

    // What fails behind a whole reply has replied.
    let mut driver = Driver::new(|exchange| {
        hello(exchange)?;
        exchange.reply_end().map(|()| Time::NEVER)
    });
    driver.read(Ok(GET));
    assert!(driver.write().ends_with("Hello"));
    assert_eq!(driver.session.state(), State::Idle);
}

#[test]
fn content_that_no_responder_wants_is_skipped() {
    // That it fails behind its reply changes nothing.
    let mut driver = Driver::new(|exchange| {
        hello(exchange)?;
        exchange.reply_end().map(|()| Time::NEVER)
    });
    driver.read(Ok(POST));
    assert!(driver.write().ends_with("Hello"));
    driver.read(Ok(b"hel"));
    driver.read(Ok(&[b"lo", GET].concat()));
    assert!(driver.write().ends_with("Hello"));
    assert_eq!(driver.session.tally().completed, 2);
    // More of it than is worth skipping ends the connection.
    driver.read(Ok(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n",
    ));
    assert!(driver.write().contains("connection: close"));
}

#[test]
fn in_the_drain_the_close_is_announced_on_the_last_reply_only() {
    let mut driver = Driver::new(hello);
    let lifecycle = &mut driver.server.lifecycle;
    lifecycle.drain(driver.now, &driver.config, Cause::Request);
    driver.read(Ok(&GET.repeat(3)));
    let output = driver.write();
    assert_eq!(output.matches("HTTP/1.1 200 OK").count(), 3);
    assert_eq!(output.matches("connection: close").count(), 1);
    let last = output.rfind("HTTP/1.1 200 OK").expect("there are three");
    assert!(output[last..].contains("connection: close"), "{output}");
}

#[test]
fn a_responder_is_stopped_when_its_client_vanishes() {
    let mut driver = Driver::new(|_| Ok(Time::NEVER));
    driver.read(Ok(GET));
    assert_eq!(driver.calls.get(), (1, 0));
    driver.read(Err(Failure::Broken));
    assert_eq!(driver.calls.get(), (1, 1));
    assert_eq!(driver.outcome(), Some((Outcome::Vanished, false)));
}

#[test]
fn a_read_that_was_in_flight_while_the_connection_ended_is_thrown_away() {
    let mut driver = Driver::new(hello);
    driver.read(Ok(b"GET / HTTP/1.0\r\n\r\n"));
    driver.write();
    assert_eq!(driver.wants().read, Read::Discard);
    driver.read(Ok(GET));
    assert_eq!(driver.session.tally().dispatched, 1);
    assert!(driver.session.output().is_empty());
}

#[test]
fn an_idle_connection_gets_a_last_look_that_is_due_at_once() {
    let mut driver = Driver::new(hello);
    driver.read(Ok(GET));
    driver.write();
    let idle = driver.config.timeouts.idle;
    assert!(matches!(driver.pass(idle), Step::Go(wants) if wants.read == Read::Look));
    assert_eq!(driver.session.poll_timeout(), Some(Time::ZERO));
    driver.report(Ok(GET));
    driver.report(Err(Failure::Later));
    driver.advance();
    assert!(
        driver.write().ends_with("Hello"),
        "the look has found bytes"
    );
}

/// A server that closes, told so by a program in a hurry.
fn closing(server: &mut Server) {
    server.lifecycle.close_now(Time::ZERO, Cause::Request);
    let closing = server.advance(Time::ZERO, &Config::default());
    assert_eq!(closing, Some(Phase::Closing));
}

#[test]
fn who_is_accepted_while_the_server_closes_is_turned_away() {
    let mut server = Server::new();
    closing(&mut server);
    let mut driver = Driver::with(server, hello);
    driver.advance();
    let refusal = driver.write();
    assert!(refusal.starts_with("HTTP/1.1 503 "), "{refusal}");
}

#[test]
fn an_end_that_was_wanted_is_no_misuse_because_the_phase_has_risen() {
    let mut driver = Driver::new(hello);
    driver.read(Ok(b"GET / HTTP/1.0\r\n\r\n"));
    driver.write();
    assert_eq!(driver.wants().write, Write::Fin);
    closing(&mut driver.server);
    driver.now = driver.now.after(driver.config.drain.close_grace);
    driver.server.advance(driver.now, &driver.config);
    let t = driver.server.tick(driver.now, &driver.config);
    assert_eq!(t.phase, Phase::Done);
    assert_eq!(driver.session.handle_fin_sent(t), Ok(()));
    assert_eq!(driver.outcome(), Some((Outcome::Completed, false)));
}

#[test]
fn a_connection_whose_socket_is_open_is_not_gone_for_the_server() {
    let mut driver = Driver::new(hello);
    driver.read(Ok(b""));
    assert_eq!(driver.session.state(), State::Gone);
    assert!(driver.server.note(&driver.session), "it was fresh");
    assert!(!driver.server.note(&driver.session));
    assert_eq!(driver.server.census().open(), 1);
    driver.server.leave(driver.session);
    assert_eq!(driver.server.census().open(), 0);
}

#[test]
fn a_server_is_over_when_it_is_done_and_everybody_has_left() {
    let mut driver = Driver::new(|_| Ok(Time::NEVER));
    driver.read(Ok(GET));
    driver.server.note(&driver.session);
    let (mut server, config) = (driver.server, driver.config);
    let now = Time::ZERO;
    server.lifecycle.drain(now, &config, Cause::Request);
    server.lifecycle.handle_listeners_ended(now);
    assert_eq!(server.advance(now, &config), Some(Phase::Draining));
    assert_eq!(server.advance(now, &config), None, "it was told before");
    let deadline = now.after(config.drain.deadline);
    assert_eq!(server.advance(deadline, &config), Some(Phase::Closing));
    let done = deadline.after(config.drain.close_grace);
    assert_eq!(server.advance(done, &config), Some(Phase::Done));
    assert!(!server.is_over(), "a session has not heard of it");
    let mut session = driver.session;
    let step = session.advance(server.tick(done, &config), &DATE);
    assert!(matches!(step, Step::Close { reset: true, .. }));
    assert!(!server.has_cut());
    server.leave(session);
    assert!(server.is_over() && server.has_cut());
}

#[test]
fn an_end_that_meets_no_request_is_no_cut() {
    let mut driver = Driver::new(hello);
    driver.read(Ok(GET));
    driver.write();
    driver.read(Ok(&GET[..10]));
    closing(&mut driver.server);
    driver.now = driver.now.after(driver.config.drain.close_grace);
    driver.server.advance(driver.now, &driver.config);
    assert_eq!(driver.outcome(), Some((Outcome::Aborted, true)));
    driver.server.leave(driver.session);
    assert!(!driver.server.has_cut());
}

#[test]
fn places_in_the_registry_are_used_again() {
    let config = Config::default();
    let mut server = Server::new();
    let accept = |server: &mut Server| {
        let (run, calls) = (Box::new(hello), Rc::default());
        server.accept(Time::ZERO, &config, Script { run, calls })
    };
    let (first, second) = (accept(&mut server), accept(&mut server));
    server.leave(first);
    assert_eq!(server.census().fresh, 1);
    let third = accept(&mut server);
    assert_eq!(server.census().fresh, 2);
    server.leave(second);
    server.leave(third);
    assert_eq!(server.census().open(), 0);
}

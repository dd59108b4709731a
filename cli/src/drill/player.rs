//! Plays a script.

use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use async_executor::LocalExecutor;
use async_io::Timer;
use futures_lite::future::or;

use super::client::{Failure, Stream};
use super::http::Reader;
use super::record::{Doing, Outcome};
use super::script::{Life, Scene, Script, Step};

/// How much is read at a time
/// where nobody says: there may be thousands who do.
const BUFFER: usize = 4 * 1024;

/// Plays `script` to its end.
pub(crate) async fn play(script: Script, scene: Rc<Scene>, life: Rc<RefCell<Life>>) {
    let mut player = Player {
        script,
        scene,
        life: Rc::clone(&life),
        stream: None,
        reader: Reader::default(),
        rest: Vec::new(),
        gates: 0,
    };
    let steps = Rc::clone(&player.script.steps);
    let mut end = Ok(Next::Step);
    for step in steps.iter() {
        end = player.step(step).await;
        if !matches!(end, Ok(Next::Step)) {
            break;
        }
    }
    let is_endless = player.script.is_endless;
    let mut life = life.borrow_mut();
    match end {
        Ok(_) if life.attempts.is_empty() && !life.has_open() => life.end_all(Outcome::Closed),
        Ok(_) if life.has_open() && is_endless => life.end_all(Outcome::CutAtDeadline),
        Ok(_) => {}
        Err(Failure::Ended(outcome)) if is_endless && outcome != Outcome::Refused => {
            life.end_all(Outcome::CutAtDeadline);
        }
        Err(Failure::Ended(outcome)) => life.end_all(outcome),
        Err(Failure::Exhausted(kind)) => life.exhausted = Some(kind),
    }
    life.ended = Some(Instant::now());
}

/// Lets another client play in the scene.
pub(crate) fn spawn(
    executor: &LocalExecutor<'static>,
    scene: &Rc<Scene>,
    script: &Script,
    label: String,
) {
    let life = Rc::new(RefCell::new(Life::new(label)));
    scene.lives.borrow_mut().push(Rc::clone(&life));
    executor
        .spawn(play(script.clone(), Rc::clone(scene), life))
        .detach();
}

/// Sends clients at a pace until it is told to end.
pub(crate) async fn generate(
    // Not a whole reference: the executor owns this very task.
    executor: Weak<LocalExecutor<'static>>,
    scene: Rc<Scene>,
    script: Script,
    pace: Duration,
    generating: Rc<Cell<bool>>,
) {
    let begun = Instant::now();
    for number in 0.. {
        let due = begun + pace * number;
        Timer::at(due).await;
        let Some(executor) = executor.upgrade().filter(|_| generating.get()) else {
            return;
        };
        scene.late(due.elapsed());
        spawn(
            &executor,
            &scene,
            &script,
            format!("{} {}", script.label, number + 1),
        );
    }
}

/// What follows a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Step,
    /// Nothing: the rest makes no sense any more.
    Nothing,
}

struct Player {
    script: Script,
    scene: Rc<Scene>,
    life: Rc<RefCell<Life>>,
    stream: Option<Stream>,
    /// Of the response that comes.
    reader: Reader,
    /// What came behind a response: the beginning of the next one.
    rest: Vec<u8>,
    gates: usize,
}

impl Player {
    async fn step(&mut self, step: &Step) -> Result<Next, Failure> {
        match step {
            Step::Gate => {
                self.gates += 1;
                self.scene.pass(self.gates - 1).await;
            }
            Step::Connect => self.connect().await?,
            Step::Shrink => self.stream()?.shrink()?,
            Step::Send {
                bytes,
                doing,
                is_end,
            } => {
                return self.send(bytes, *doing, *is_end).await;
            }
            Step::Warm(request) => self.warm(request).await?,
            Step::Begin => self.begin().await?,
            Step::Receive => self.receive(usize::MAX, Duration::ZERO).await?,
            Step::ReceiveSlowly { bytes, pause } => self.receive(*bytes, *pause).await?,
            Step::ReceiveWhileSending {
                piece,
                pieces,
                pause,
            } => {
                self.receive_while_sending(piece, *pieces, *pause).await?;
            }
            Step::SendOn { pieces, pause } => self.send_on(pieces, *pause).await?,
            Step::Pause(pause) => pause_for(*pause).await,
            Step::PauseUpTo(most) => {
                let pause = most.mul_f64(fastrand::f64());
                let due = Instant::now() + pause;
                pause_for(pause).await;
                self.scene.late(due.elapsed());
            }
            Step::End => {
                if !self.scene.is_control {
                    self.end().await?;
                }
                self.stream = None;
                return Ok(Next::Nothing);
            }
            Step::Vanish | Step::Reset => {
                if matches!(step, Step::Reset) {
                    self.stream()?.reset_on_close()?;
                }
                self.stream = None;
                self.life.borrow_mut().end_all(Outcome::Vanished);
                return Ok(Next::Nothing);
            }
        }
        Ok(Next::Step)
    }

    fn stream(&self) -> Result<&Stream, Failure> {
        self.stream
            .as_ref()
            .ok_or(Failure::Exhausted(ErrorKind::NotConnected))
    }

    async fn connect(&mut self) -> Result<(), Failure> {
        self.life.borrow_mut().now(Doing::Connecting);
        let stream = Stream::connect(&self.script.address).await?;
        let mut life = self.life.borrow_mut();
        life.port = stream.port();
        life.now(Doing::Silent);
        self.stream = Some(stream);
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8], doing: Doing, is_end: bool) -> Result<Next, Failure> {
        let stream = self.stream()?;
        let is_free = !self.life.borrow().has_open();
        // Who has been told, or sees the end, does not send another request here.
        if is_free && (self.life.borrow().is_told || stream.has_ended()) {
            self.life.borrow_mut().end_all(Outcome::Closed);
            return Ok(Next::Nothing);
        }
        {
            let mut life = self.life.borrow_mut();
            life.begin_sending(bytes.len());
            life.now(doing);
        }
        // If it is not taken, the answer may still be there: the next to read finds out.
        let sent = stream.send(bytes).await;
        let mut life = self.life.borrow_mut();
        if is_end && sent.is_ok() {
            life.delivered();
            life.now(Doing::Waiting);
        }
        Ok(Next::Step)
    }

    async fn warm(&mut self, request: &[u8]) -> Result<(), Failure> {
        self.send(request, Doing::SendingHead, true).await?;
        self.receive(usize::MAX, Duration::ZERO).await?;
        let mut life = self.life.borrow_mut();
        let attempt = life.attempts.pop();
        match attempt.map(|attempt| attempt.outcome) {
            Some(Outcome::Answered) => Ok(()),
            _ => Err(Failure::Ended(Outcome::Closed)),
        }
    }

    /// Takes what has come; true once the response is whole.
    fn take(&mut self, bytes: &[u8]) -> Result<bool, Failure> {
        let taken = self.reader.take(bytes)?;
        self.rest = bytes[taken..].to_vec();
        Ok(self.reader.is_whole())
    }

    /// Receives at most so many bytes; true once the response is whole.
    async fn receive_some(&mut self, buffer: &mut [u8]) -> Result<bool, Failure> {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() && self.take(&rest)? {
            return Ok(true);
        }
        let len = self.stream()?.receive(buffer).await?;
        if len == 0 {
            return match self.reader.end() {
                true => Ok(true),
                false => Err(Failure::Ended(Outcome::EndOfStream)),
            };
        }
        self.life.borrow_mut().now(Doing::Receiving);
        self.take(&buffer[..len])
    }

    async fn begin(&mut self) -> Result<(), Failure> {
        let mut buffer = vec![0; 16];
        while !self.reader.has_content() {
            if self.receive_some(&mut buffer).await? {
                // It is all there already: the step that receives it will find it so.
                break;
            }
        }
        Ok(())
    }

    async fn receive(&mut self, bytes: usize, pause: Duration) -> Result<(), Failure> {
        let mut buffer = vec![0; if bytes == usize::MAX { BUFFER } else { bytes }];
        while !self.reader.is_whole() && !self.receive_some(&mut buffer).await? {
            if !pause.is_zero() {
                pause_for(pause).await;
            }
        }
        self.answered();
        Ok(())
    }

    /// The response is whole.
    fn answered(&mut self) {
        let reader = std::mem::take(&mut self.reader);
        let Some(response) = reader.response() else {
            return;
        };
        let is_error = response.status >= 400 && response.status != self.script.status;
        let outcome = match response.says_close {
            // What did not come to its end was not answered, whatever it was told.
            _ if self.script.is_endless => Outcome::CutAtDeadline,
            _ if is_error => Outcome::OtherStatus,
            true => Outcome::AnsweredWithClose,
            false => Outcome::Answered,
        };
        let mut life = self.life.borrow_mut();
        life.is_told |= response.says_close;
        life.end_oldest(outcome);
        let is_waiting = life.has_open();
        life.now(if is_waiting {
            Doing::Waiting
        } else {
            Doing::Idle
        });
    }

    async fn receive_while_sending(
        &mut self,
        piece: &[u8],
        pieces: usize,
        pause: Duration,
    ) -> Result<(), Failure> {
        // The stream is lent to both: to the one that receives through the player it belongs to,
        // to the one that sends through a handle of its own.
        let stream = self.stream()?.another()?;
        let life = Rc::clone(&self.life);
        let send = async {
            for _ in 0..pieces {
                life.borrow_mut().begin_sending(piece.len());
                if stream.send(piece).await.is_err() {
                    break;
                }
                pause_for(pause).await;
            }
            std::future::pending().await
        };
        or(self.receive(usize::MAX, Duration::ZERO), send).await
    }

    /// Sends what was on its way when the response came. A server that does not read on has the
    /// system answer with a reset, and a response that is still on its way then, or has not been
    /// read, may be gone (RFC 9112, 9.6).
    async fn send_on(&mut self, pieces: &[Rc<[u8]>], pause: Duration) -> Result<(), Failure> {
        self.life.borrow_mut().now(Doing::SendingHead);
        let mut end = Ok(());
        for piece in pieces {
            end = self.stream()?.send(piece).await;
            if end.is_err() {
                break;
            }
            pause_for(pause).await;
        }
        if end.is_err() || self.stream()?.is_reset() {
            self.life.borrow_mut().destroy_last();
        }
        Ok(())
    }

    /// Waits for the end of a connection on which nothing is under way.
    async fn end(&mut self) -> Result<(), Failure> {
        let unasked = !self.rest.is_empty();
        let mut byte = [0];
        let end = self.stream()?.receive(&mut byte).await;
        if unasked || matches!(end, Ok(1)) {
            return Err(Failure::Ended(Outcome::Malformed));
        }
        Ok(())
    }
}

async fn pause_for(pause: Duration) {
    Timer::after(pause).await;
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use async_io::block_on;
    use socket2::SockRef;

    use super::*;
    use crate::drill::client::{self, Address};

    const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";
    const CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab";

    fn request() -> Rc<[u8]> {
        client::get(([127, 0, 0, 1], 80).into(), "/")
    }

    fn send() -> Step {
        Step::Send {
            bytes: request(),
            doing: Doing::SendingHead,
            is_end: true,
        }
    }

    /// What became of a client of a server that does this to it, when it has read so many requests.
    fn outcomes(
        steps: &[Step],
        is_endless: bool,
        requests: usize,
        serve: impl FnOnce(TcpStream) + Send,
    ) -> Vec<Outcome> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let script = Script {
            label: "client",
            address: Address::Tcp(listener.local_addr().unwrap()),
            steps: [&[Step::Connect], steps].concat().into(),
            status: 200,
            is_endless,
        };
        let life = Rc::new(RefCell::new(Life::new("client".into())));
        thread::scope(|scope| {
            scope.spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                stream
                    .read_exact(&mut vec![0; requests * request().len()])
                    .unwrap();
                serve(stream);
            });
            block_on(play(script, Scene::new(false), Rc::clone(&life)));
        });
        let life = life.borrow();
        life.attempts
            .iter()
            .map(|attempt| attempt.outcome)
            .collect()
    }

    fn says(bytes: &'static [u8]) -> impl FnOnce(TcpStream) + Send {
        move |mut stream| stream.write_all(bytes).unwrap()
    }

    #[test]
    fn a_response_is_an_answer_and_may_say_that_it_is_the_last() {
        let steps = [send(), Step::Receive];
        assert_eq!(outcomes(&steps, false, 1, says(WHOLE)), [Outcome::Answered]);
        assert_eq!(
            outcomes(&steps, false, 1, says(CLOSE)),
            [Outcome::AnsweredWithClose]
        );
    }

    #[test]
    fn a_request_without_a_response_is_lost_in_the_way_that_its_client_sees() {
        let steps = [send(), Step::Receive];
        assert_eq!(outcomes(&steps, false, 1, drop), [Outcome::EndOfStream]);
        assert_eq!(
            outcomes(&steps, false, 1, says(b"HTTP/1.1 200 ")),
            [Outcome::EndOfStream]
        );
        assert_eq!(
            outcomes(&steps, false, 1, says(b"SMTP\r\n\r\n")),
            [Outcome::Malformed]
        );
        let reset = |stream: TcpStream| {
            SockRef::from(&stream)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
        };
        assert_eq!(outcomes(&steps, false, 1, reset), [Outcome::Reset]);
        let busy = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(
            outcomes(&steps, false, 1, says(busy)),
            [Outcome::OtherStatus]
        );
    }

    #[test]
    fn requests_behind_a_response_with_close_are_dismissed_and_others_are_lost() {
        let steps = [send(), send(), Step::Receive, Step::Receive];
        let dismissed = [Outcome::AnsweredWithClose, Outcome::Dismissed];
        assert_eq!(outcomes(&steps, false, 2, says(CLOSE)), dismissed);
        let lost = [Outcome::Answered, Outcome::EndOfStream];
        assert_eq!(outcomes(&steps, false, 2, says(WHOLE)), lost);
    }

    #[test]
    fn two_responses_in_one_piece_are_two() {
        let steps = [send(), send(), Step::Receive, Step::Receive];
        let both = |mut stream: TcpStream| stream.write_all(&[WHOLE, CLOSE].concat()).unwrap();
        let answers = [Outcome::Answered, Outcome::AnsweredWithClose];
        assert_eq!(outcomes(&steps, false, 2, both), answers);
    }

    #[test]
    fn a_connection_without_a_request_ends_in_silence_or_is_told_what_nobody_asked() {
        let steps = [Step::Warm(request()), Step::End];
        assert_eq!(outcomes(&steps, false, 1, says(WHOLE)), [Outcome::Closed]);
        let unasked = |mut stream: TcpStream| stream.write_all(&[WHOLE, b"H"].concat()).unwrap();
        assert_eq!(outcomes(&steps, false, 1, unasked), [Outcome::Malformed]);
        assert_eq!(outcomes(&[Step::End], false, 0, drop), [Outcome::Closed]);
    }

    #[test]
    fn what_never_becomes_whole_is_cut_however_it_ends() {
        let steps = [send(), Step::Receive];
        let late = b"HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(
            outcomes(&steps, true, 1, says(late)),
            [Outcome::CutAtDeadline]
        );
        assert_eq!(outcomes(&steps, true, 1, drop), [Outcome::CutAtDeadline]);
    }

    #[test]
    fn a_client_that_vanishes_is_gone_by_its_own_will() {
        let waits = |mut stream: TcpStream| while matches!(stream.read(&mut [0]), Ok(1)) {};
        for end in [Step::Vanish, Step::Reset] {
            let steps = [send(), end];
            assert_eq!(outcomes(&steps, false, 1, waits), [Outcome::Vanished]);
        }
    }

    #[test]
    fn a_reset_behind_the_response_destroys_it() {
        let pause = Duration::from_millis(5);
        let pieces: Rc<[Rc<[u8]>]> = vec![request(); 20].into();
        let steps = [send(), Step::Receive, Step::SendOn { pieces, pause }];
        assert_eq!(outcomes(&steps, false, 1, says(CLOSE)), [Outcome::Reset]);
        let reads_on = |mut stream: TcpStream| {
            stream.write_all(CLOSE).unwrap();
            while matches!(stream.read(&mut [0; 512]), Ok(1..)) {}
        };
        assert_eq!(
            outcomes(&steps, false, 1, reads_on),
            [Outcome::AnsweredWithClose]
        );
    }
}

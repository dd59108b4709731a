//! What clients do, as data, and what became of them.
//!
//! A client plays a [`Script`], step by step, in a [`Scene`] that it shares with the others. It is
//! *in place* at a gate; the stage opens the gates, and does what is to be done to the server in
//! between. All that happens to a client is written into its [`Life`].

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::{Duration, Instant};

use event_listener::Event;

use super::client::Address;
use super::record::{Bar, Doing, Outcome, Segment};

/// One step of a client.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Waits until the stage opens the next gate.
    Gate,
    Connect,
    /// Lets the system keep but little of what comes.
    Shrink,
    /// Sends bytes of a request; with `is_end` they are its last.
    Send {
        bytes: Rc<[u8]>,
        doing: Doing,
        is_end: bool,
    },
    /// Asks and gets an answer, before it counts.
    Warm(Rc<[u8]>),
    /// Waits for the first content of a response.
    Begin,
    /// Receives the rest of a response, or all of it.
    Receive,
    /// The same, at most so many bytes at a time, with a pause behind each.
    ReceiveSlowly {
        bytes: usize,
        pause: Duration,
    },
    /// The same, while it sends a piece again and again with a pause behind each.
    ReceiveWhileSending {
        piece: Rc<[u8]>,
        pieces: usize,
        pause: Duration,
    },
    /// Sends the beginning of another request, piece by piece, whatever the last response said.
    SendOn {
        pieces: Rc<[Rc<[u8]>]>,
        pause: Duration,
    },
    Pause(Duration),
    /// Pauses for a random time, at most so long.
    PauseUpTo(Duration),
    /// Waits for the end of the connection. The control does not: there is no reason for one.
    End,
    /// Closes the connection, with a FIN.
    Vanish,
    /// Closes the connection, with a RST.
    Reset,
}

/// What a client does.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) label: &'static str,
    pub(crate) address: Address,
    pub(crate) steps: Rc<[Step]>,
    /// The status of the response where nobody disturbs it. Any other of 4xx and 5xx is a loss.
    pub(crate) status: u16,
    /// Its request never becomes whole: whichever way the server ends it is right.
    pub(crate) is_endless: bool,
}

/// A request, or a connection without one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) outcome: Outcome,
    /// When its last byte had been sent, if it had.
    pub(crate) delivered: Option<Instant>,
    pub(crate) ended: Instant,
}

/// A client's life, as far as it has come.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) label: String,
    /// By which the system knows the connection.
    pub(crate) port: Option<u16>,
    /// Bytes of requests that have not been answered.
    pub(crate) open_bytes: usize,
    /// Requests that have not been answered, and when each was delivered.
    open: VecDeque<Option<Instant>>,
    /// The last one of them is not whole.
    is_sending: bool,
    pub(crate) attempts: Vec<Attempt>,
    /// A response has said that the connection ends.
    pub(crate) is_told: bool,
    doing: Vec<(Doing, Instant)>,
    pub(crate) ended: Option<Instant>,
    /// What the drill's own machine had no more of.
    pub(crate) exhausted: Option<ErrorKind>,
}

impl Life {
    pub(crate) fn new(label: String) -> Life {
        Life {
            label,
            port: None,
            open_bytes: 0,
            open: VecDeque::new(),
            is_sending: false,
            attempts: Vec::new(),
            is_told: false,
            doing: Vec::new(),
            ended: None,
            exhausted: None,
        }
    }

    pub(crate) fn now(&mut self, doing: Doing) {
        if self.doing.last().is_none_or(|(last, _)| *last != doing) {
            self.doing.push((doing, Instant::now()));
        }
    }

    /// Bytes of a request are about to be sent.
    pub(crate) fn begin_sending(&mut self, bytes: usize) {
        if !self.is_sending {
            self.open.push_back(None);
        }
        self.is_sending = true;
        self.open_bytes += bytes;
    }

    /// The last byte of a request has been sent.
    pub(crate) fn delivered(&mut self) {
        if let Some(last) = self.open.back_mut() {
            *last = Some(Instant::now());
        }
        self.is_sending = false;
    }

    pub(crate) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// The oldest open request has ended in this way.
    pub(crate) fn end_oldest(&mut self, outcome: Outcome) {
        let delivered = self.open.pop_front().flatten();
        self.is_sending &= self.has_open();
        self.open_bytes = 0;
        self.attempts.push(Attempt {
            outcome,
            delivered,
            ended: Instant::now(),
        });
    }

    /// The last response was followed by a reset, which may destroy it.
    pub(crate) fn destroy_last(&mut self) {
        if let Some(last) = self.attempts.last_mut() {
            last.outcome = Outcome::Reset;
        }
    }

    /// All that is open has ended in this way; a connection on which nothing is has, too.
    pub(crate) fn end_all(&mut self, outcome: Outcome) {
        let is_dismissed = self.is_told && outcome.is_lost();
        let outcome = if is_dismissed {
            Outcome::Dismissed
        } else {
            outcome
        };
        if !self.has_open() {
            self.open.push_back(None);
        }
        while self.has_open() {
            self.end_oldest(outcome);
        }
    }

    /// The server is gone, and the client has waited long enough.
    pub(crate) fn give_up(&mut self) {
        if self.ended.is_none() {
            self.end_all(Outcome::Silence);
            self.ended = Some(Instant::now());
        }
    }

    /// The worst that became of an attempt.
    pub(crate) fn outcome(&self) -> Outcome {
        let outcomes = self.attempts.iter().map(|attempt| attempt.outcome);
        outcomes.max().unwrap_or(Outcome::Vanished)
    }

    /// The bar of a picture in which the signal came then.
    pub(crate) fn bar(&self, signal: Instant) -> Bar {
        let end = self.ended.unwrap_or_else(Instant::now);
        let starts = self.doing.iter();
        let ends = starts.clone().skip(1).map(|(_, at)| *at).chain([end]);
        let segments = starts.zip(ends).map(|(&(doing, from), to)| Segment {
            doing,
            from_ms: millis_after(signal, from),
            to_ms: millis_after(signal, to),
        });
        Bar {
            label: self.label.clone(),
            segments: segments.collect(),
            outcome: self.outcome(),
        }
    }
}

/// Milliseconds from `start` to `at`, negative if that was before.
pub(crate) fn millis_after(start: Instant, at: Instant) -> f64 {
    let after = at.saturating_duration_since(start).as_secs_f64();
    let before = start.saturating_duration_since(at).as_secs_f64();
    // Microseconds are enough for anybody.
    ((after - before) * 1e6).round() / 1e3
}

/// What clients that play at the same time share.
#[derive(Debug, Default)]
pub(crate) struct Scene {
    /// Nobody will send the signal.
    pub(crate) is_control: bool,
    /// So many gates are open.
    opened: Cell<usize>,
    opening: Event,
    /// How many clients have come to each gate.
    arrived: RefCell<Vec<usize>>,
    /// By how much the slowest client of a pace was behind its time.
    pub(crate) lag: Cell<Duration>,
    pub(crate) lives: RefCell<Vec<Rc<RefCell<Life>>>>,
}

impl Scene {
    pub(crate) fn new(is_control: bool) -> Rc<Scene> {
        Rc::new(Scene {
            is_control,
            ..Scene::default()
        })
    }

    /// Comes to a client's gate with this number, and waits until it is open.
    pub(crate) async fn pass(&self, gate: usize) {
        {
            let mut arrived = self.arrived.borrow_mut();
            if arrived.len() <= gate {
                arrived.resize(gate + 1, 0);
            }
            arrived[gate] += 1;
        }
        while self.opened.get() <= gate {
            self.opening.listen().await;
        }
    }

    /// Opens the next gate.
    pub(crate) fn open(&self) {
        self.opened.set(self.opened.get() + 1);
        self.opening.notify(usize::MAX);
    }

    /// How many have come to the next gate.
    pub(crate) fn in_place(&self) -> usize {
        self.arrived
            .borrow()
            .get(self.opened.get())
            .copied()
            .unwrap_or(0)
    }

    /// Somebody was late by so much.
    pub(crate) fn late(&self, lag: Duration) {
        self.lag.set(self.lag.get().max(lag));
    }

    /// How many have ended.
    pub(crate) fn ended(&self) -> usize {
        let lives = self.lives.borrow();
        lives
            .iter()
            .filter(|life| life.borrow().ended.is_some())
            .count()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ended() == self.lives.borrow().len()
    }
}

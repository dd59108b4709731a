//! What a server says while it runs.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use neap_core::{Census, Phase, Refusal, State};

use crate::Address;
use crate::seal::Rung;

/// Something that an operator may want to know. Its `Display` is a line for a log; it holds
/// nothing that a client sent, save what [`Server::log_targets`](crate::Server::log_targets) asks
/// for.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A stop signal has come.
    Signal {
        /// Its name.
        name: &'static str,
        /// Whether it does nothing: a duplicate of one that came just before.
        ignored: bool,
    },
    /// The shutdown has reached a phase.
    Phase {
        /// The phase.
        phase: Phase,
        /// Who is connected as it begins.
        census: Census,
        /// How many of them hold the drain.
        held: usize,
        /// The drain's deadline, as configured.
        deadline: Duration,
    },
    /// The drain goes on; said every five seconds.
    Waiting {
        /// Who holds it, the first few of them.
        holders: &'a [Holder],
        /// How many hold it.
        held: usize,
    },
    /// A thread of the server was blocked when the shutdown's time was up: a watchdog has cut off
    /// who was left, and the report is final. That thread cannot say this itself; the observer is
    /// called on another one.
    Blocked {
        /// Handlers that block their thread.
        stuck: u64,
        /// Requests that were lost, theirs included.
        lost: u64,
    },
    /// A listener has ended; what had reached it was accepted.
    ListenerClosed {
        /// Where it listened.
        address: &'a Address,
        /// How it was sealed, if it was.
        rung: Option<Rung>,
    },
    /// Connections cannot be accepted for want of descriptors or memory. Said once per interval;
    /// the server goes on as soon as one ends.
    AcceptPaused {
        /// Where they wait.
        address: &'a Address,
        /// What the system said.
        error: &'a io::Error,
    },
    /// A listener failed for good. The others go on.
    ListenerFailed {
        /// Where it listened.
        address: &'a Address,
        /// What the system said.
        error: &'a io::Error,
    },
    /// A client's TLS could not be understood, or not be agreed upon. No socket says this.
    HandshakeFailed {
        /// Whose it was.
        peer: &'a Address,
        /// What was wrong.
        error: &'a io::Error,
    },
    /// A request was refused without a handler, or a handler failed.
    Refused {
        /// Who sent it.
        peer: &'a Address,
        /// Why.
        refusal: Refusal,
    },
    /// A handler, or the body of its response, panicked. Its request gets 500, or its response is
    /// cut; the server goes on.
    HandlerPanicked {
        /// Whose request it was.
        peer: &'a Address,
    },
    /// A service of tower failed; its request gets 500.
    ServiceFailed {
        /// Whose request it was.
        peer: &'a Address,
        /// What the service said.
        error: &'a (dyn std::error::Error + Send + Sync),
    },
    /// The body of a response failed; the response was cut.
    BodyFailed {
        /// Whose response it was.
        peer: &'a Address,
        /// What the body said.
        error: &'a (dyn std::error::Error + Send + Sync),
    },
    /// The body of a response was longer or shorter than it, or its `Content-Length`, had said.
    /// What was too much was left out; a response that is too short was cut.
    LengthMismatch {
        /// Whose response it was.
        peer: &'a Address,
        /// Whether it was too long.
        excess: bool,
    },
    /// A handler gave a response that cannot be sent; its request gets 500.
    InvalidResponse {
        /// Whose request it was.
        peer: &'a Address,
        /// What was wrong.
        error: neap_core::MisuseError,
    },
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Signal { name, ignored } => {
                let duplicate = if *ignored { ", a duplicate" } else { "" };
                write!(f, "received {name}{duplicate}")
            }
            Event::Phase {
                phase,
                census,
                held,
                deadline,
            } => {
                let name = phase.name();
                write!(f, "{name}: {held} held, {} open", census.open())?;
                if *phase == Phase::Draining {
                    write!(f, ", at most {} s", deadline.as_secs_f64())?;
                }
                Ok(())
            }
            Event::Waiting { holders, held } => {
                write!(f, "still draining, {held} held")?;
                let mut separator = ": ";
                for holder in *holders {
                    write!(f, "{separator}{holder}")?;
                    separator = ", ";
                }
                if *held > holders.len() {
                    f.write_str(", …")
                } else {
                    Ok(())
                }
            }
            Event::Blocked { stuck, lost } => {
                write!(f, "cut off by the watchdog: {stuck} stuck, {lost} lost")
            }
            Event::ListenerClosed { address, rung } => {
                write!(f, "stopped listening on {address}")?;
                rung.map_or(Ok(()), |rung| write!(f, " (seal: {})", rung.name()))
            }
            Event::AcceptPaused { address, error } => {
                write!(f, "cannot accept on {address} for now: {error}")
            }
            Event::ListenerFailed { address, error } => {
                write!(f, "listener {address} failed: {error}")
            }
            Event::HandshakeFailed { peer, error } => {
                write!(f, "TLS with {peer} failed: {error}")
            }
            Event::Refused { peer, refusal } => {
                write!(f, "refused {peer}: {} {refusal}", refusal.status().code())
            }
            Event::HandlerPanicked { peer } => {
                write!(f, "the handler of a request from {peer} panicked")
            }
            Event::ServiceFailed { peer, error } => {
                write!(f, "the service failed a request from {peer}: {error}")
            }
            Event::BodyFailed { peer, error } => {
                write!(f, "the response to {peer} was cut: {error}")
            }
            Event::LengthMismatch { peer, excess } => {
                let what = if *excess { "longer" } else { "shorter" };
                write!(f, "the response to {peer} was {what} than declared")
            }
            Event::InvalidResponse { peer, error } => {
                write!(f, "the response to {peer} could not be sent: {error}")
            }
        }
    }
}

/// A connection that holds the drain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// Who it is.
    pub peer: Address,
    /// What it is doing.
    pub state: State,
    /// How long ago it was accepted.
    pub age: Duration,
    /// The target of its request, where [`Server::log_targets`](crate::Server::log_targets) asks
    /// for that: it may hold what is not for everybody's eyes.
    pub target: Option<Uri>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.name();
        write!(f, "{} ({state}, {} s", self.peer, self.age.as_secs())?;
        if let Some(target) = &self.target {
            write!(f, ", {target}")?;
        }
        f.write_str(")")
    }
}

/// Who listens to events, if anybody does.
#[derive(Clone, Default)]
pub(crate) struct Observer(pub(crate) Option<Arc<Observe>>);

pub(crate) type Observe = dyn Fn(&Event<'_>) + Send + Sync;

impl Observer {
    pub(crate) fn tell(&self, event: &Event<'_>) {
        #[cfg(feature = "tracing")]
        crate::trace::tell(event);
        if let Some(observe) = &self.0 {
            observe(event);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observer").field(&self.0.is_some()).finish()
    }
}

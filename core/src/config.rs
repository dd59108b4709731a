//! Limits, timeouts and drain windows. Everything has a limit, every wait a deadline.

use core::time::Duration;

/// All settings of a server and its connections.
///
/// ```
/// use core::time::Duration;
/// use neap_core::Config;
///
/// let mut config = Config::default();
/// config.drain.deadline = Duration::from_secs(8);
/// config.limits.content = 16 * 1024 * 1024;
/// assert_eq!(config.check(), Ok(()));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// How much of anything a peer may send.
    pub limits: Limits,
    /// How long a peer may take while the server runs.
    pub timeouts: Timeouts,
    /// The windows and policies of a shutdown.
    pub drain: Drain,
    /// Whether requests come over secured connections: TLS that ends here, or at a gateway that is
    /// trusted. Only then a request for an `https` target is served (RFC 9110 section 7.4).
    /// Default: no.
    pub secure: bool,
}

impl Config {
    /// Whether the settings make sense together.
    ///
    /// # Errors
    ///
    /// Says which setting does not.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !self.drain.lame_duck.is_zero() && self.drain.lame_duck >= self.drain.deadline {
            return Err(ConfigError::LameDuckOutlastsDeadline);
        }
        if self.limits.fields > crate::Spans::MAX_FIELDS {
            return Err(ConfigError::TooManyFields);
        }
        Ok(())
    }
}

/// A combination of settings that cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigError {
    /// The deadline counts from the start of the lame duck and would end it.
    LameDuckOutlastsDeadline,
    /// [`Limits::fields`] exceeds [`Spans::MAX_FIELDS`](crate::Spans::MAX_FIELDS).
    TooManyFields,
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            ConfigError::LameDuckOutlastsDeadline => {
                "the lame duck must be shorter than the deadline, which includes it"
            }
            ConfigError::TooManyFields => "more fields are allowed than a head can have room for",
        })
    }
}

impl core::error::Error for ConfigError {}

/// How much of anything a peer may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes in a request target; beyond that 414. Default 8,000, which RFC 9112 section 3 asks
    /// of every server at the least.
    pub target: usize,
    /// Bytes in a whole head, or in a trailer section; beyond that 431. Default 64 KiB: large
    /// cookies pass, and a connection's memory stays bounded by it.
    pub head: usize,
    /// Field lines in a head or trailer section; beyond that 431. Default 100, as Apache allows;
    /// at most [`Spans::MAX_FIELDS`](crate::Spans::MAX_FIELDS).
    pub fields: usize,
    /// Bytes of request content, chunk framing not counted; beyond that 413. Default 1 GiB: a
    /// stream costs no memory, an endless one ends.
    pub content: u64,
    /// Bytes of one chunk line, extensions included; beyond that 400. All lines of a message
    /// together may be sixteen times as long, not counting 16 bytes for each chunk and two for
    /// each byte of content. Default 1 KiB: a size has 16 digits, extensions are hardly used.
    pub chunk_line: usize,
    /// Bytes of content that are read and discarded, after a handler answered without reading
    /// it all, to keep the connection; beyond that it is closed. Default 64 KiB.
    pub discard: u64,
    /// Bytes of input discarded while lingering. Default 1 MiB.
    pub linger: u64,
    /// Bytes of unsent output above which no further request is taken from a connection.
    /// Default 64 KiB: pipelined responses share writes, but are not hoarded.
    pub unsent: u64,
    /// Bytes of content, or of output taken by the peer, that count as progress: so many within
    /// [`Timeouts::content`] and [`Timeouts::write`] each buy another such time. Default 512:
    /// slower than any line, faster than a client that only wants to stay.
    pub progress: u64,
    /// Pipelined requests that are still answered once the drain has begun. Default 16: a client
    /// may not prolong the drain.
    pub pipeline: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            target: 8_000,
            head: 64 * 1024,
            fields: 100,
            content: 1 << 30,
            chunk_line: 1024,
            discard: 64 * 1024,
            linger: 1 << 20,
            unsent: 64 * 1024,
            progress: 512,
            pipeline: 16,
        }
    }
}

/// How long a peer may take while the server runs. [`Duration::MAX`] means without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// From accept, or from a head's first byte, to the end of the head; beyond that 408.
    /// Default 30 s.
    pub head: Duration,
    /// Without progress of wanted content ([`Limits::progress`]); beyond that 408, or the response
    /// is cut. It does not bound the whole upload, nor count the time in which the handler does not
    /// ask for content. Default 30 s.
    pub content: Duration,
    /// Without progress of the response ([`Limits::progress`]); beyond that the connection is
    /// reset. It does not bound the whole download. Default 30 s.
    pub write: Duration,
    /// Between requests; beyond that the connection is closed. Default 75 s: balancers reuse
    /// idle connections for 60 s, and the side that closes first should be theirs.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            head: Duration::from_secs(30),
            content: Duration::from_secs(30),
            write: Duration::from_secs(30),
            idle: Duration::from_secs(75),
        }
    }
}

/// The windows and policies of a shutdown. A zero window means that its step runs once without
/// waiting, [`Duration::MAX`] that it does not end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drain {
    /// From the first trigger until what is left is aborted. Default 30 s. Keep it below what the
    /// supervisor grants (Kubernetes 30 s, docker 10 s).
    pub deadline: Duration,
    /// How long the abort phase may take to flush and linger. Default 500 ms.
    pub close_grace: Duration,
    /// How long connections are still accepted after the trigger, with `Connection: close` on
    /// every response. Default 0: it is only useful behind a balancer that watches readiness.
    pub lame_duck: Duration,
    /// Whether the lame duck lasts until nobody waits to be accepted and nothing is held, however
    /// long that takes: up to the deadline. Default: no, because under load that moment does not
    /// come, and handlers that end only when they are asked to, which is when sealing begins, keep
    /// it away. It suits a server whose clients have been sent elsewhere already, and whose last
    /// ones should not be refused.
    pub keep_accepting: bool,
    /// How long a sealed listener waits for handshakes that had begun, at most; it ends as soon as
    /// there are none. Default 1 s: time for one retransmission of our SYN-ACK.
    pub seal_max: Duration,
    /// The same for a listener that shares its address with other processes. Clients that are
    /// assigned to it meanwhile have to try again, after a second: with less than that, their
    /// second try finds another process. Default 900 ms; mostly it takes one round trip. Where the
    /// system hands who is left over to another process, a shorter one loses hardly anybody.
    pub seal_max_group: Duration,
    /// How long an idle connection is kept for its last call. Default 250 ms, which bounds the
    /// race with a request that is already under way.
    pub quiet: Duration,
    /// How long an accepted connection may take to send its first byte. Default 1 s.
    pub first_byte_grace: Duration,
    /// How long a head may take to be completed. Default 5 s: a slow client is bounded at a sixth
    /// of the deadline.
    pub head_grace: Duration,
    /// How long a handler goes on after its client has ended its own side. Default 1 s:
    /// `printf … | nc` gets its answer, a client that is gone does not hold the drain.
    pub half_close_grace: Duration,
    /// How long at most, after our FIN, input is read and discarded, so that no reset destroys
    /// the response. Default 1 s; the limit in bytes is [`Limits::linger`]. Who has called a
    /// request without content his last sends nothing more, and is not waited for.
    pub linger_max: Duration,
    /// How long without input lingering lasts, once the peer has acknowledged all. Default 100 ms.
    pub linger_short: Duration,
    /// Whether upgraded connections hold the drain. Default: yes. Without it they live on until
    /// nothing else is held and are closed then: a large fleet of them need not use up the whole
    /// deadline.
    pub hold_upgraded: bool,
    /// How long an upgraded connection may go on after sealing has begun, so that its owner can
    /// say goodbye; then it is closed. Default: without end, up to the deadline.
    pub upgraded_grace: Duration,
    /// Repeated stop signals within this time of a step's beginning are ignored: process groups
    /// and supervisors deliver duplicates within milliseconds. Default 250 ms.
    pub debounce: Duration,
}

impl Default for Drain {
    fn default() -> Drain {
        Drain {
            deadline: Duration::from_secs(30),
            close_grace: Duration::from_millis(500),
            lame_duck: Duration::ZERO,
            keep_accepting: false,
            seal_max: Duration::from_secs(1),
            seal_max_group: Duration::from_millis(900),
            quiet: Duration::from_millis(250),
            first_byte_grace: Duration::from_secs(1),
            head_grace: Duration::from_secs(5),
            half_close_grace: Duration::from_secs(1),
            linger_max: Duration::from_secs(1),
            linger_short: Duration::from_millis(100),
            hold_upgraded: true,
            upgraded_grace: Duration::MAX,
            debounce: Duration::from_millis(250),
        }
    }
}

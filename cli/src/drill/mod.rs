//! `neap drill`: a fire drill for the shutdown of any HTTP server.
//!
//! It starts the server ([`server`]), finds out what it can do ([`probe`]), and for each situation
//! of the table ([`situation`]) puts a new one into it, once without the signal and once with it
//! ([`stage`]). The clients ([`script`], [`player`], [`client`], [`http`]) know what became of each
//! byte; the system ([`kernel`], [`proc`]) confirms that the situation was there ([`fact`]). What
//! was seen is judged ([`judge`]) and recorded ([`record`]), shown ([`table`]) and written down
//! ([`output`]).
//!
//! Independent of neap's own machinery on purpose: it must be as fair to others as to neap.

pub(crate) mod args;
mod client;
mod fact;
mod http;
mod judge;
mod kernel;
mod launch;
pub(crate) mod output;
mod player;
pub(crate) mod preset;
mod probe;
mod proc;
mod progress;
pub(crate) mod record;
mod recording;
mod run;
mod script;
mod server;
mod signal;
mod situation;
mod stage;
mod startup;
mod table;

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use async_signal::Signals;
use futures_lite::StreamExt;
use futures_lite::future::or;
use rustix::process::{Signal, getpid, set_child_subreaper};
use rustix::system::uname;

use self::judge::Terms;
use self::launch::{Launch, StartError};
use self::probe::{Probe, ProbeError};
use self::progress::Progress;
use self::record::{Drill, Machine, Settings, Situation};
use self::run::Run;
use self::server::Server;
use self::situation::{Entry, Exit, Setup};
use self::stage::Stage;
use crate::date;

/// What a server that can be told its deadline is told where it is to be reached: nobody likes to
/// wait.
const SHORT_DEADLINE: Duration = Duration::from_secs(3);

/// Why no drill was held.
#[derive(Debug)]
pub(crate) enum DrillError {
    /// The command line makes no sense.
    Usage(String),
    Start(StartError),
    Probe(ProbeError),
    /// The system does not do its part, or a file cannot be written.
    Io(io::Error),
    /// Somebody has ended it.
    Interrupted,
}

impl DrillError {
    /// The exit status that says so: not held, or ended by a signal, as shells have it.
    pub(crate) fn status(&self) -> u8 {
        match self {
            DrillError::Interrupted => 130,
            _ => 2,
        }
    }
}

impl fmt::Display for DrillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DrillError::Usage(problem) => write!(f, "{problem}"),
            DrillError::Start(error) => write!(f, "{error}"),
            DrillError::Probe(error) => write!(f, "{error}"),
            DrillError::Io(error) => write!(f, "{error}"),
            DrillError::Interrupted => write!(f, "interrupted; the server has been ended"),
        }
    }
}

impl From<io::Error> for DrillError {
    fn from(error: io::Error) -> DrillError {
        DrillError::Io(error)
    }
}

impl From<StartError> for DrillError {
    fn from(error: StartError) -> DrillError {
        DrillError::Start(error)
    }
}

/// Holds a drill; true if nothing that is required failed.
pub(crate) fn run(args: &args::Drill) -> Result<bool, DrillError> {
    let mut stdout = io::stdout();
    if args.list {
        stdout.write_all(table::list().as_bytes())?;
        return Ok(true);
    }
    args.check().map_err(DrillError::Usage)?;
    // Whatever the server leaves behind becomes our child, and is found.
    set_child_subreaper(Some(getpid())).map_err(io::Error::from)?;
    let interrupted = async {
        // A job in the background of a script ignores SIGINT and SIGQUIT, and would hand that down
        // to the server: what is handled here is not ignored there.
        let stops = [
            async_signal::Signal::Int,
            async_signal::Signal::Term,
            async_signal::Signal::Hup,
            async_signal::Signal::Quit,
        ];
        Signals::new(stops)?.next().await;
        Err(DrillError::Interrupted)
    };
    let drill = async_io::block_on(or(interrupted, hold(args)))?;
    let text = table::render(&drill, table::is_terminal());
    stdout.write_all(text.as_bytes())?;
    output::write(&drill, &args.outputs)?;
    Ok(drill.is_passed())
}

/// What every situation is tried with.
struct Conditions<'a> {
    args: &'a args::Drill,
    launch: Launch,
    signal: Signal,
    probe: Probe,
    /// How long the server takes to start.
    start: Duration,
}

async fn hold(args: &args::Drill) -> Result<Drill, DrillError> {
    let (begun, started) = (Instant::now(), SystemTime::now());
    let launch = args.launch();
    let signal = args.signal().map_err(DrillError::Usage)?;
    let routes = args.routes();
    let server = match (args.url, args.pid) {
        (Some(address), Some(pid)) => Server::elsewhere(address, pid)?,
        _ => launch.start(None, &[]).await?,
    };
    let has_socket = launch.has("{socket}");
    let probe = Probe::take(server.address, &routes, has_socket, args.url.is_none());
    let probe = probe.await.map_err(DrillError::Probe)?;
    let start = server.took;
    drop(server);
    let conditions = Conditions {
        args,
        launch,
        signal,
        probe,
        start,
    };
    let entries = args.entries();
    let mut progress = Progress::new(entries.len());
    let mut situations = Vec::new();
    for entry in entries {
        progress.begin(entry);
        let situation = conditions.try_situation(entry).await;
        progress.end(&situation);
        situations.push(situation);
    }
    progress.finish();
    Ok(Drill {
        neap: env!("CARGO_PKG_VERSION"),
        command: args.command.clone(),
        url: args.url.map(|address| format!("http://{address}")),
        server: conditions.probe.server.clone(),
        machine: machine(),
        started: date::Civil::from_unix(date::unix_seconds(started)).rfc3339(),
        took_ms: millis(begun.elapsed()),
        settings: Settings {
            preset: args.preset_name(),
            signal: signal::name(signal.as_raw()),
            deadline_ms: millis(args.deadline),
            repeat: args.repeat,
            routes,
        },
        situations,
    })
}

impl Conditions<'_> {
    async fn try_situation(&self, entry: &Entry) -> Situation {
        if let Some(reason) = entry.needs.iter().find_map(|need| self.probe.lacks(*need)) {
            return recording::not_applicable(entry, reason);
        }
        let begun = Instant::now();
        let terms = Terms {
            signal: entry.signal.unwrap_or(self.signal),
            deadline: self.deadline(entry),
            is_started: self.args.url.is_none(),
        };
        let mut runs = Vec::new();
        for _ in 0..self.args.repeat {
            match self.run(entry, &terms).await {
                Ok(run) => runs.push(run),
                Err(reason) => return recording::not_applicable(entry, reason),
            }
        }
        terms.record(entry, &runs, begun.elapsed())
    }

    /// How long the server may take.
    fn deadline(&self, entry: &Entry) -> Duration {
        let can_be_told = self.args.url.is_none() && self.launch.has("{deadline}");
        match entry.exit {
            Exit::Forced if can_be_told => self.args.deadline.min(SHORT_DEADLINE),
            _ => self.args.deadline,
        }
    }

    /// Brings it about once, with one client at a time if that is all that the server takes.
    ///
    /// # Errors
    ///
    /// Why it is not for this server.
    async fn run(&self, entry: &Entry, terms: &Terms) -> Result<Run, String> {
        let run = self.run_with(entry, terms, usize::MAX).await?;
        if !run.is_too_many || self.args.url.is_some() {
            return Ok(run);
        }
        let mut alone = self.run_with(entry, terms, 1).await?;
        if alone.trouble.is_some() {
            return Ok(run);
        }
        alone
            .facts
            .push("one client at a time is all that the server takes".into());
        Ok(alone)
    }

    /// Brings it about once, with so many clients of a kind at most.
    async fn run_with(&self, entry: &Entry, terms: &Terms, most: usize) -> Result<Run, String> {
        let launch = Launch {
            deadline: terms.deadline,
            ..self.launch.clone()
        };
        if entry.is_start_up() {
            return Ok(startup::play(&launch, terms, self.start).await);
        }
        let more = if entry.is_pair {
            self.args.pair_args()
        } else {
            Vec::new()
        };
        let server = match (self.args.url, self.args.pid) {
            (Some(address), Some(pid)) => Server::elsewhere(address, pid).map_err(Into::into),
            _ => launch.start(None, &more).await,
        };
        let server = match server {
            Ok(server) => server,
            Err(error) => return Ok(Run::troubled(error.to_string())),
        };
        // It lives until its partner has been judged.
        let _sibling = if entry.is_pair {
            let sibling = launch.start(Some(server.address.port()), &more).await;
            Some(sibling.map_err(|_| {
                String::from("two of it do not share a port: --pair-arg says what makes them")
            })?)
        } else {
            None
        };
        let (host, socket) = (server.address, server.socket.clone());
        let backlog = server
            .listeners
            .iter()
            .map(|listener| listener.backlog)
            .min();
        let setup = Setup {
            host,
            socket: &socket,
            most,
            backlog: backlog.unwrap_or(u32::MAX) as usize,
            probe: &self.probe,
            slow: self.probe.slow_takes(),
            deadline: terms.deadline,
        };
        let stage = Stage::new(entry, setup, &launch, server, terms.signal, terms.deadline);
        Ok(stage.play().await)
    }
}

fn machine() -> Machine {
    let system = uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let somaxconn = std::fs::read_to_string(Path::new("/proc/sys/net/core/somaxconn"));
    Machine {
        system: format!("{} {}", text(system.sysname()), text(system.release())),
        architecture: text(system.machine()),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        somaxconn: somaxconn.ok().and_then(|text| text.trim().parse().ok()),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

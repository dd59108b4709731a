//! From a command line to a server that runs, and from its end to an exit status.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body::Body;
use neap_smol::{Address, ConfigError, Full, Reactor, Report, Server};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::access_log::{AccessLog, Format};
use crate::args::{Common, LogFormat, ReactorName, ReportFormat};
use crate::certificate::Certificate;
use crate::health;
use crate::inherit;
use crate::log::{Log, Style};
use crate::report;
use crate::service_manager::Telling;

/// How long the last lines may take to be written, and the service manager to be told.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Lets the process open as many files as the administrator allows: the soft limit is often 1,024
/// for the sake of programs that use `select`, and each connection takes one.
pub(crate) fn raise_open_files_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Without success we serve fewer connections, which is no reason not to serve.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    );
}

/// Installs the signals' handlers: the first thing that the command does, before it even reads its
/// arguments. From the moment somebody can connect a signal must mean a drain, above all to the
/// first process of a container, which would ignore it.
pub(crate) fn with_signals() -> Result<Server, StartError> {
    Server::new().signals().map_err(StartError::Signals)
}

/// A server that listens, and what its certificate is, if it has one.
pub(crate) struct Bound {
    server: Server,
    certificate: Option<Certificate>,
}

/// Binds every address.
///
/// A connection takes `files` open files at most: itself, and what its request may open.
pub(crate) fn bind(server: Server, common: &Common, files: usize) -> Result<Bound, StartError> {
    let certificate = Certificate::load(&common.tls).map_err(StartError::Certificate)?;
    let config = common.drain.config();
    config.check().map_err(StartError::Config)?;
    let reactor = match common.reactor {
        ReactorName::Own => Reactor::Own,
        ReactorName::AsyncIo => Reactor::AsyncIo,
    };
    let inherited = if common.inherit {
        inherit::sockets().map_err(StartError::Inherit)?
    } else {
        Vec::new()
    };
    let mut server = server
        .reactor(reactor)
        .interrupt(common.drain.interrupt())
        .config(config)
        .log_targets(common.log_targets)
        .reuse_port(common.reuse_port)
        .backlog(common.backlog);
    let threads = common
        .threads
        .or_else(|| std::thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get);
    let most = common
        .max_connections
        .map_or_else(|| max_connections(files, threads), NonZeroUsize::get);
    server = server.max_connections(most).threads(threads);
    if let Some(certificate) = &certificate {
        server = server.tls(&certificate.tls);
    }
    for socket in inherited {
        server = server
            .shared_listener(socket)
            .map_err(StartError::Inherit)?;
    }
    for address in &common.listen {
        server = server.listen(address).map_err(cannot_listen(address))?;
    }
    for address in &common.admin {
        server = server.admin(address).map_err(cannot_listen(address))?;
    }
    let status = StatusCode::from_u16(common.draining_status);
    let server = server.draining_status(status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE));
    Ok(Bound {
        server,
        certificate,
    })
}

fn cannot_listen(address: &Address) -> impl FnOnce(io::Error) -> StartError {
    let address = address.clone();
    |source| StartError::Listen { address, source }
}

/// What the limit of open files leaves room for, with some to spare for the process itself.
fn max_connections(files: usize, threads: usize) -> usize {
    const SPARE: usize = 64;
    /// What a thread waits with.
    const FILES_OF_THREAD: usize = 2;
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.unwrap_or(usize::MAX);
    let spare = FILES_OF_THREAD
        .saturating_mul(threads)
        .saturating_add(SPARE);
    (limit.saturating_sub(spare) / files).max(1)
}

/// Says where the server listens, serves until it has drained, and says how that went.
///
/// Stdout gets the addresses alone, so that a script can read them and leave. Everything that goes
/// on happening is told on stderr.
pub(crate) fn run<H, F, C>(
    bound: Bound,
    common: &Common,
    log: &Log,
    handler: H,
) -> Result<Report, StartError>
where
    H: Fn(Request<neap_smol::Body>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<C>>,
    C: Body + From<Full> + Unpin,
    C::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Bound {
        server,
        certificate,
    } = bound;
    let complaints = (common.log != LogFormat::Off).then(|| log.clone());
    let is_secure = certificate.is_some();
    if let Some(certificate) = certificate {
        let watched = certificate.watch(server.handle(), complaints.clone());
        watched.map_err(StartError::Run)?;
    }
    announce(&server, is_secure);
    let health = common.health.then(|| server.handle());
    let handler = move |request| {
        let checked = health.as_ref().and_then(|it| health::answer(it, &request));
        let answer = checked.map_or_else(|| Ok(handler(request)), Err);
        async move {
            match answer {
                Ok(handled) => handled.await,
                Err(checked) => checked,
            }
        }
    };
    let drain = common.drain.config().drain;
    let telling = Telling::start(server.handle(), drain, common.extend_timeout, complaints);
    let telling = telling.map_err(StartError::Run)?;
    let result = match access_format(common.log) {
        Some(format) => run_logged(server, common, log, format, handler),
        None => server.run(handler),
    };
    if let Ok(report) = &result {
        match common.report {
            ReportFormat::Text => log.event(&report.to_string()),
            ReportFormat::Json => log.line(&report::to_json(report)),
        }
    }
    telling.finish(LAST_WORDS);
    log.finish(LAST_WORDS);
    result.map_err(StartError::Run)
}

fn run_logged<H, F, C>(
    server: Server,
    common: &Common,
    log: &Log,
    format: Format,
    handler: H,
) -> io::Result<Report>
where
    H: Fn(Request<neap_smol::Body>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<C>>,
    C: Body + Unpin,
    C::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let deadline = common.drain.deadline;
    if let Some(file) = &common.config {
        log.event(&format!("settings from {}", file.display()));
    }
    log.event(&format!(
        "SIGTERM or Ctrl-C drains within {deadline:?}, a second one at once"
    ));
    let events = log.clone();
    let access = AccessLog::new(log.clone(), format);
    let server = server.on_event(move |event| events.event(&event.to_string()));
    server.run(move |request| {
        let entry = access.begin(&request);
        let response = handler(request);
        async move { entry.watch(response.await) }
    })
}

/// Starts the log on stderr.
pub(crate) fn log(format: LogFormat) -> Result<Log, StartError> {
    let style = match format {
        LogFormat::Json => Style::Json,
        LogFormat::Off | LogFormat::Common | LogFormat::Combined => Style::Plain,
    };
    Log::start(style, io::stderr()).map_err(StartError::Run)
}

fn access_format(format: LogFormat) -> Option<Format> {
    match format {
        LogFormat::Off => None,
        LogFormat::Common => Some(Format::Common),
        LogFormat::Combined => Some(Format::Combined),
        LogFormat::Json => Some(Format::Json),
    }
}

fn announce(server: &Server, is_secure: bool) {
    let scheme = if is_secure { "https" } else { "http" };
    let line = |doing: &str, scheme: &str, address: &Address| match address {
        Address::Tcp(address) => format!("{doing} {scheme}://{address}\n"),
        unix => format!("{doing} {unix}\n"),
    };
    let mut lines = String::new();
    for address in server.addresses() {
        lines += &line("listening on", scheme, &address);
    }
    for address in server.admin_addresses() {
        lines += &line("health checks on", "http", &address);
    }
    let mut stdout = io::stdout().lock();
    // Nobody may be there to read it, and the server serves all the same.
    let _ = stdout
        .write_all(lines.as_bytes())
        .and_then(|()| stdout.flush());
}

/// Why a command could not do its work. Its `Display` is one sentence that says what to do.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The settings contradict each other.
    Config(ConfigError),
    /// There is no certificate where one was to be.
    Certificate(io::Error),
    /// The sockets that were to be inherited are of no use.
    Inherit(io::Error),
    /// The handlers of signals could not be installed.
    Signals(io::Error),
    /// An address could not be listened on.
    Listen {
        /// The address.
        address: Address,
        /// What the system says.
        source: io::Error,
    },
    /// A directory could not be served.
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The server could not run.
    Run(io::Error),
    /// What was to be printed or written could not be.
    Write {
        /// The directory, if it was not stdout.
        directory: Option<PathBuf>,
        /// What the system says.
        source: io::Error,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Config(source) => source.fmt(f),
            StartError::Certificate(source) => write!(f, "cannot speak HTTPS: {source}"),
            StartError::Inherit(source) => write!(f, "cannot take over sockets: {source}"),
            StartError::Signals(source) => write!(f, "cannot handle signals: {source}"),
            StartError::Listen { address, source } => {
                write!(f, "cannot listen on {address}: ")?;
                match listen_advice(address, source.kind()) {
                    Some(advice) => f.write_str(advice),
                    None => write!(f, "{source}"),
                }
            }
            StartError::Directory { directory, source } => {
                write!(f, "cannot serve {}: ", directory.display())?;
                match source.kind() {
                    io::ErrorKind::NotFound => {
                        f.write_str("there is no such directory; check the name, or create it")
                    }
                    io::ErrorKind::NotADirectory => {
                        f.write_str("it is a file; name the directory that holds it")
                    }
                    io::ErrorKind::PermissionDenied => {
                        f.write_str("this user may not enter it; change its mode, or the user")
                    }
                    _ => write!(f, "{source}"),
                }
            }
            StartError::Run(source) => write!(f, "cannot serve: {source}"),
            StartError::Write { directory, source } => match directory {
                Some(directory) => write!(f, "cannot write to {}: {source}", directory.display()),
                None => write!(f, "cannot print: {source}"),
            },
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            StartError::Config(source) => Some(source),
            StartError::Certificate(source)
            | StartError::Inherit(source)
            | StartError::Signals(source)
            | StartError::Listen { source, .. }
            | StartError::Directory { source, .. }
            | StartError::Write { source, .. }
            | StartError::Run(source) => Some(source),
        }
    }
}

/// What to do when an address refuses us, if it is known.
fn listen_advice(address: &Address, kind: io::ErrorKind) -> Option<&'static str> {
    let is_tcp = matches!(address, Address::Tcp(_));
    match kind {
        io::ErrorKind::AddrInUse if is_tcp => Some(
            "the port is taken; end the process that listens there, or take another port (-p 0 \
             finds a free one)",
        ),
        io::ErrorKind::AddrInUse => Some(
            "a socket of this name exists; end the process that listens there, remove the file \
             if there is none, or take another name",
        ),
        io::ErrorKind::PermissionDenied if is_tcp => {
            Some("this user may not; take a port from 1024 up, or grant CAP_NET_BIND_SERVICE")
        }
        io::ErrorKind::PermissionDenied => {
            Some("this user may not write there; take another directory")
        }
        io::ErrorKind::AddrNotAvailable => {
            Some("no interface of this machine has the address; take 127.0.0.1, or 0.0.0.0 for all")
        }
        io::ErrorKind::NotFound => Some("its directory does not exist; create it"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_to_do() {
        let listen = |address: &str, kind: io::ErrorKind| {
            let address = address.parse().unwrap();
            StartError::Listen {
                address,
                source: kind.into(),
            }
            .to_string()
        };
        let taken = listen("127.0.0.1:80", io::ErrorKind::AddrInUse);
        assert!(
            taken.starts_with("cannot listen on 127.0.0.1:80: the port is taken"),
            "{taken}"
        );
        let taken = listen("unix:/run/x", io::ErrorKind::AddrInUse);
        assert!(
            taken.contains("unix:/run/x: a socket of this name"),
            "{taken}"
        );
        let denied = listen("127.0.0.1:80", io::ErrorKind::PermissionDenied);
        assert!(denied.contains("1024"), "{denied}");
        let directory = PathBuf::from("nowhere");
        let source = io::ErrorKind::NotFound.into();
        let missing = StartError::Directory { directory, source }.to_string();
        assert!(
            missing.starts_with("cannot serve nowhere: there is no such"),
            "{missing}"
        );
    }
}

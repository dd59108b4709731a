//! From a command line to a server that runs, and from its end to an exit status.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::time::Duration;

use anstyle::Effects;
use http::{Request, Response, StatusCode};
use http_body::Body;
use neap_smol::{Address, Full, Reactor, Report, Server};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::access_log::{AccessLog, Format};
use crate::args::{Common, LogFormat, ReactorName, ReportFormat};
use crate::certificate::Certificate;
use crate::health;
use crate::inherit;
use crate::log::{Log, Style};
use crate::reach;
use crate::report;
use crate::service_manager::Telling;
use crate::start_error::StartError;
use crate::tone::Tone;

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
    opens: bool,
}

impl Bound {
    /// Whether to open a browser on it once it listens.
    pub(crate) fn opening(self, opens: bool) -> Bound {
        Bound { opens, ..self }
    }
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
        opens: false,
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
        opens,
    } = bound;
    let complaints = (common.log != LogFormat::Off).then(|| log.clone());
    let is_secure = certificate.is_some();
    if let Some(certificate) = certificate {
        let watched = certificate.watch(server.handle(), complaints.clone());
        watched.map_err(StartError::Run)?;
    }
    let scheme = if is_secure { "https" } else { "http" };
    announce(&server, scheme);
    if opens {
        open_browser(&server, scheme, log);
    }
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
        LogFormat::Off | LogFormat::Common | LogFormat::Combined => {
            Style::Text(Tone::of(&io::stderr()))
        }
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

/// Says where it listens. The first lines are for scripts, one for each address in the order in
/// which they were given; what comes behind them is for people.
fn announce(server: &Server, scheme: &str) {
    // A script that reads them reads them under CLICOLOR_FORCE, too.
    let tone = match io::stdout().is_terminal() {
        true => Tone::of(&io::stdout()),
        false => Tone::Plain,
    };
    let url = tone.style(Effects::BOLD);
    let line = |doing: &str, scheme: &str, address: &Address| match address {
        Address::Tcp(address) => format!("{doing} {url}{scheme}://{address}{url:#}\n"),
        unix => format!("{doing} {unix}\n"),
    };
    let mut lines = String::new();
    let addresses = server.addresses();
    for address in &addresses {
        lines += &line("listening on", scheme, address);
    }
    for address in server.admin_addresses() {
        lines += &line("health checks on", "http", &address);
    }
    for address in reach::behind_wildcards(&addresses) {
        lines += &line("reachable at", scheme, &address.into());
    }
    let mut stdout = io::stdout().lock();
    // Nobody may be there to read it, and the server serves all the same.
    let _ = stdout
        .write_all(lines.as_bytes())
        .and_then(|()| stdout.flush());
}

/// Opens a browser on the server. Without one it serves all the same.
fn open_browser(server: &Server, scheme: &str, log: &Log) {
    let addresses = server.addresses();
    let Some(address) = reach::from_here(&addresses) else {
        return log.event("a browser cannot open a unix socket; add --port 8080 for --open");
    };
    let url = format!("{scheme}://{address}/");
    if let Err(error) = open::that_detached(&url) {
        let error = error.kind();
        log.event(&format!(
            "no browser could be opened ({error}); open {url} yourself"
        ));
    }
}

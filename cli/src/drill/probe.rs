//! What the server can do, found out before anything is asked of it that matters.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use async_io::Timer;
use futures_lite::future::or;

use super::client::{self, Address, Failure, Stream};
use super::http::Response;
use super::record::{Outcome, Routes};
use super::situation::Need;

/// What stands for the milliseconds in a template.
const MILLIS: &str = "MS";
/// How long the slow request takes where its route is a template.
const SLOW: Duration = Duration::from_millis(700);
/// Shorter than this nothing is in flight for sure.
const SLOW_MIN: Duration = Duration::from_millis(250);
/// Less than this fits into the system's queues.
const DOWNLOAD_MIN: u64 = 1_000_000;
/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Content of the upload that is tried.
const UPLOAD: usize = 1024;

/// A route that answers.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) path: String,
    pub(crate) status: u16,
    /// From the request to the last byte.
    took: Duration,
    /// From the first byte of content to the last.
    spread: Duration,
    content: u64,
}

/// What the server can do.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) fast: Route,
    pub(crate) slow: Option<Route>,
    pub(crate) stream: Option<Route>,
    pub(crate) upload: Option<Route>,
    download: Option<Route>,
    pub(crate) keeps_alive: bool,
    /// What it calls itself.
    pub(crate) server: Option<String>,
    /// Whether its command listens on a unix socket, too.
    pub(crate) has_socket: bool,
    /// Whether the drill starts it.
    pub(crate) is_started: bool,
}

/// A route does not answer as it should.
#[derive(Debug)]
pub(crate) struct ProbeError {
    flag: &'static str,
    path: String,
    problem: String,
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (flag, path, problem) = (self.flag, &self.path, &self.problem);
        write!(f, "{flag} {path}: {problem}; is the path right?")
    }
}

impl Probe {
    /// Asks every route once.
    pub(crate) async fn take(
        host: SocketAddr,
        routes: &Routes,
        has_socket: bool,
        is_started: bool,
    ) -> Result<Probe, ProbeError> {
        let (fast, first) = try_route("--fast", host, &routes.fast, 0).await?;
        let mut probe = Probe {
            fast,
            slow: None,
            stream: None,
            upload: None,
            download: None,
            keeps_alive: keeps_alive(host, &routes.fast).await,
            server: first.server,
            has_socket,
            is_started,
        };
        if let Some(path) = &routes.slow {
            let tried = path.replace(MILLIS, &SLOW.as_millis().to_string());
            let (route, _) = try_route("--slow", host, &tried, 0).await?;
            probe.slow = Some(Route {
                path: path.clone(),
                ..route
            });
        }
        if let Some(path) = &routes.stream {
            probe.stream = Some(try_route("--stream", host, path, 0).await?.0);
        }
        if let Some(path) = &routes.upload {
            probe.upload = Some(try_route("--upload", host, path, UPLOAD).await?.0);
        }
        if let Some(path) = &routes.download {
            probe.download = Some(try_route("--download", host, path, 0).await?.0);
        }
        Ok(probe)
    }

    /// Why a situation that needs this is not for this server.
    pub(crate) fn lacks(&self, need: Need) -> Option<String> {
        let too_quick = |route: &Route, took: Duration, what: &str| {
            (took < SLOW_MIN).then(|| format!("{} {what} in {} ms", route.path, took.as_millis()))
        };
        let small = |route: &Route| {
            let bytes = route.content;
            (bytes < DOWNLOAD_MIN).then(|| format!("{} has {bytes} bytes only", route.path))
        };
        let missing = |text: &str| Some(text.to_owned());
        match need {
            Need::Slow => self.slow.as_ref().map_or_else(
                || missing("no route that takes a while: --slow"),
                |route| too_quick(route, route.took, "is answered"),
            ),
            Need::Stream => self.stream.as_ref().map_or_else(
                || missing("no route that answers piece by piece: --stream"),
                |route| too_quick(route, route.spread, "is streamed"),
            ),
            Need::Upload if self.upload.is_none() => {
                missing("no route that takes content: --upload")
            }
            Need::Download => self.download.as_ref().map_or_else(
                || missing("no route with a large response: --download"),
                small,
            ),
            Need::Long if !self.is_template() && self.upload.is_none() => {
                missing("nothing that does not end: --slow with MS in it, or --upload")
            }
            Need::KeepAlive if !self.keeps_alive => missing("the server keeps no connection alive"),
            Need::Socket if !self.has_socket => {
                missing("it listens on no unix socket: {socket} in the command")
            }
            Need::Start if !self.is_started => missing("the server was started elsewhere"),
            Need::Upload | Need::Long | Need::KeepAlive | Need::Socket | Need::Start => None,
        }
    }

    /// Whether the slow request can take as long as is wanted.
    pub(crate) fn is_template(&self) -> bool {
        self.slow
            .as_ref()
            .is_some_and(|route| route.path.contains(MILLIS))
    }

    /// How long the slow request takes.
    pub(crate) fn slow_takes(&self) -> Duration {
        match &self.slow {
            Some(route) if !self.is_template() => route.took,
            _ => SLOW,
        }
    }

    pub(crate) fn slow_path(&self, takes: Duration) -> String {
        let millis = takes.as_millis().to_string();
        self.slow
            .as_ref()
            .map_or_else(String::new, |route| route.path.replace(MILLIS, &millis))
    }

    pub(crate) fn slow_status(&self) -> u16 {
        self.slow.as_ref().map_or(0, |route| route.status)
    }

    pub(crate) fn stream_path(&self) -> String {
        path(self.stream.as_ref())
    }

    pub(crate) fn stream_status(&self) -> u16 {
        self.stream.as_ref().map_or(0, |route| route.status)
    }

    pub(crate) fn upload_path(&self) -> String {
        path(self.upload.as_ref())
    }

    pub(crate) fn upload_status(&self) -> u16 {
        self.upload.as_ref().map_or(0, |route| route.status)
    }

    pub(crate) fn download_path(&self) -> String {
        path(self.download.as_ref())
    }

    pub(crate) fn download_status(&self) -> u16 {
        self.download.as_ref().map_or(0, |route| route.status)
    }
}

fn path(route: Option<&Route>) -> String {
    route.map(|route| route.path.clone()).unwrap_or_default()
}

async fn try_route(
    flag: &'static str,
    host: SocketAddr,
    path: &str,
    content: usize,
) -> Result<(Route, Response), ProbeError> {
    let error = |problem: String| ProbeError {
        flag,
        path: path.to_owned(),
        problem,
    };
    let request = match content {
        0 => client::get(host, path).to_vec(),
        len => {
            let fields =
                format!("Content-Type: application/octet-stream\r\nContent-Length: {len}\r\n");
            let head = client::request("POST", host, path, &fields);
            [&head[..], &vec![b'u'; len]].concat()
        }
    };
    let late = async {
        Timer::after(ANSWER_MAX).await;
        Err(Failure::Ended(Outcome::Silence))
    };
    let answer = or(time(host, &request), late).await;
    let (response, first, took) = answer.map_err(|failure| match failure {
        Failure::Ended(outcome) => error(format!("no answer ({})", outcome.name())),
        Failure::Exhausted(kind) => error(format!("no answer ({kind})")),
    })?;
    // A server without a page for / is a server all the same.
    if response.status >= 400 && flag != "--fast" {
        return Err(error(format!("answered with {}", response.status)));
    }
    let route = Route {
        path: path.to_owned(),
        status: response.status,
        took,
        spread: took.saturating_sub(first),
        content: response.content,
    };
    Ok((route, response))
}

/// Asks, and says when the first content came and when the last.
async fn time(host: SocketAddr, request: &[u8]) -> Result<(Response, Duration, Duration), Failure> {
    let stream = Stream::connect(&Address::Tcp(host)).await?;
    let begun = Instant::now();
    let mut first = None;
    let came = || {
        first.get_or_insert_with(|| begun.elapsed());
    };
    let response = client::exchange(&stream, request, came).await?;
    let took = begun.elapsed();
    Ok((response, first.unwrap_or(took), took))
}

/// Whether two requests are answered on one connection.
async fn keeps_alive(host: SocketAddr, path: &str) -> bool {
    let twice = async {
        let stream = Stream::connect(&Address::Tcp(host)).await?;
        for _ in 0..2 {
            let response = client::exchange(&stream, &client::get(host, path), || {}).await?;
            if response.says_close {
                return Ok(false);
            }
        }
        Ok::<bool, Failure>(true)
    };
    let late = async {
        Timer::after(ANSWER_MAX).await;
        Ok(false)
    };
    or(twice, late).await.unwrap_or(false)
}

//! How a port is started: `PORT ADDRESS [--deadline SECONDS]`, and stopped: by a line on standard
//! input, or its end.

use std::net::TcpListener;
use std::time::{Duration, SystemTime};
use std::{env, io, thread};

use neap_core::{Config, Failure, HttpDate};

/// Begins to listen and says where.
pub(crate) fn listen() -> io::Result<(TcpListener, Config)> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let address = arguments.first().map_or("127.0.0.1:0", String::as_str);
    let mut config = Config::default();
    if let Some(at) = arguments
        .iter()
        .position(|argument| argument == "--deadline")
    {
        let seconds = arguments.get(at + 1).map(|text| text.trim_end_matches('s'));
        let seconds = seconds.and_then(|seconds| seconds.parse().ok());
        let seconds = seconds.ok_or(io::ErrorKind::InvalidInput)?;
        config.drain.deadline = Duration::from_secs(seconds);
    }
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok((listener, config))
}

/// Calls `stop` once somebody wants the server to stop.
pub(crate) fn when_told(stop: impl FnOnce() + Send + 'static) {
    thread::spawn(move || {
        // A line, the end and an error are all the same.
        let _ = io::stdin().read_line(&mut String::new());
        stop();
    });
}

/// Now, as `Date` has it.
pub(crate) fn date() -> HttpDate {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    HttpDate::from_unix_seconds(since.unwrap_or_default().as_secs())
}

/// What the core makes of an error of a read or write.
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(crate) fn failure(error: io::Error) -> Failure {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    match error.kind() {
        WouldBlock | TimedOut | Interrupted => Failure::Later,
        _ => Failure::Broken,
    }
}

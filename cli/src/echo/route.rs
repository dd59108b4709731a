//! Which target of `neap echo` means what.

use std::time::Duration;

use http::{Method, StatusCode};

use crate::reply;

/// The longest pause that may be asked for: a test that needs more has other problems.
const MAX_PAUSE_MILLIS: u64 = 3_600_000;
/// The most chunks.
const MAX_CHUNKS: u64 = 1_000_000_000;
/// The most bytes, 1 TiB.
const MAX_BYTES: u64 = 1 << 40;

/// The methods that some target allows, for `OPTIONS *`.
const ALL_METHODS: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS, TRACE, PATCH";

/// A target that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/`
    Hello,
    /// `/echo`
    Echo,
    /// `/delay/MS`
    Delay(Duration),
    /// `/block/MS`
    Block(Duration),
    /// `/stream/N/MS`
    Stream {
        /// How many chunks.
        chunks: u64,
        /// How long between two of them.
        pause: Duration,
    },
    /// `/bytes/N`
    Bytes(u64),
    /// `/status/CODE`
    Status(StatusCode),
    /// `/headers`
    Headers,
    /// `/upgrade`
    Upgrade,
}

/// Why a path is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteError {
    /// Nothing is there.
    NotFound,
    /// `MS` is not what it should be.
    Pause,
    /// `N` of `/stream` is not what it should be.
    Chunks,
    /// `N` of `/bytes` is not what it should be.
    Bytes,
    /// `CODE` is not what it should be.
    Status,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is answered by its target.
    Serve(Route),
    /// It asks for the methods, and these are they.
    Options(&'static str),
    /// Only these methods are possible.
    NotAllowed(&'static str),
    /// There is no such target.
    NoTarget(RouteError),
}

/// Decides by the request line alone.
pub(crate) fn decide(method: &Method, path: &str) -> Decision {
    // CONNECT names an authority instead of a path, and no path makes it possible.
    if !reply::is_known(method) || method == Method::CONNECT {
        return Decision::NotAllowed(ALL_METHODS);
    }
    if path == "*" && method == Method::OPTIONS {
        return Decision::Options(ALL_METHODS);
    }
    match Route::find(path) {
        Err(error) => Decision::NoTarget(error),
        Ok(Route::Status(status)) => Decision::Serve(Route::Status(status)),
        Ok(route) if method == Method::OPTIONS => Decision::Options(route.allow()),
        Ok(route) if route.allows(method) => Decision::Serve(route),
        Ok(route) => Decision::NotAllowed(route.allow()),
    }
}

impl Route {
    /// Finds the target with this path.
    fn find(path: &str) -> Result<Route, RouteError> {
        let path = path.strip_prefix('/').ok_or(RouteError::NotFound)?;
        let mut segments = path.split('/');
        // Four are one more than any target has.
        let segments = [(); 4].map(|()| segments.next());
        match segments {
            [Some(""), None, ..] => Ok(Route::Hello),
            [Some("echo"), None, ..] => Ok(Route::Echo),
            [Some("headers"), None, ..] => Ok(Route::Headers),
            [Some("upgrade"), None, ..] => Ok(Route::Upgrade),
            [Some("delay"), Some(millis), None, _] => pause(millis).map(Route::Delay),
            [Some("block"), Some(millis), None, _] => pause(millis).map(Route::Block),
            [Some("stream"), Some(chunks), Some(millis), None] => {
                let chunks = number(chunks, MAX_CHUNKS).ok_or(RouteError::Chunks)?;
                Ok(Route::Stream {
                    chunks,
                    pause: pause(millis)?,
                })
            }
            [Some("bytes"), Some(bytes), None, _] => number(bytes, MAX_BYTES)
                .map(Route::Bytes)
                .ok_or(RouteError::Bytes),
            [Some("status"), Some(code), None, _] => status(code).map(Route::Status),
            _ => Err(RouteError::NotFound),
        }
    }

    /// The methods it answers, as `Allow` lists them.
    fn allow(self) -> &'static str {
        match self {
            // HEAD would be answered by bytes.
            Route::Upgrade => "GET, OPTIONS",
            Route::Echo => "POST, PUT, OPTIONS",
            Route::Status(_) => ALL_METHODS,
            Route::Hello
            | Route::Delay(_)
            | Route::Block(_)
            | Route::Stream { .. }
            | Route::Bytes(_)
            | Route::Headers => "GET, HEAD, OPTIONS",
        }
    }

    /// Whether it answers `method`.
    fn allows(self, method: &Method) -> bool {
        self.allow()
            .split(", ")
            .any(|allowed| allowed == method.as_str())
    }
}

impl RouteError {
    /// The status and what the client should know.
    pub(crate) fn answer(self) -> (StatusCode, String) {
        let sentence = match self {
            RouteError::NotFound => {
                let targets = "/, /echo, /delay/MS, /block/MS, /stream/N/MS, /bytes/N, \
                               /status/CODE, /headers, /upgrade";
                return (
                    StatusCode::NOT_FOUND,
                    format!("Nothing is here. Targets: {targets}"),
                );
            }
            RouteError::Pause => {
                format!("MS is a whole number of milliseconds, at most {MAX_PAUSE_MILLIS}.")
            }
            RouteError::Chunks => format!("N is a whole number of chunks, at most {MAX_CHUNKS}."),
            RouteError::Bytes => format!("N is a whole number of bytes, at most {MAX_BYTES}."),
            RouteError::Status => "CODE is a number from 200 to 599.".to_owned(),
        };
        (StatusCode::BAD_REQUEST, sentence)
    }
}

fn pause(millis: &str) -> Result<Duration, RouteError> {
    let millis = number(millis, MAX_PAUSE_MILLIS).ok_or(RouteError::Pause)?;
    Ok(Duration::from_millis(millis))
}

fn status(code: &str) -> Result<StatusCode, RouteError> {
    let code = number(code, 599)
        .filter(|&code| code >= 200)
        .and_then(|code| code.try_into().ok());
    code.and_then(|code: u16| StatusCode::from_u16(code).ok())
        .ok_or(RouteError::Status)
}

/// Digits only: `parse` alone would take `+5` as well.
fn number(text: &str, max: u64) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&number| digits && number <= max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_found_by_its_path() {
        let ms = Duration::from_millis;
        for (path, route) in [
            ("/", Route::Hello),
            ("/echo", Route::Echo),
            ("/headers", Route::Headers),
            ("/upgrade", Route::Upgrade),
            ("/delay/0", Route::Delay(ms(0))),
            ("/block/5", Route::Block(ms(5))),
            ("/delay/3600000", Route::Delay(ms(MAX_PAUSE_MILLIS))),
            (
                "/stream/3/250",
                Route::Stream {
                    chunks: 3,
                    pause: ms(250),
                },
            ),
            ("/bytes/1099511627776", Route::Bytes(MAX_BYTES)),
            ("/status/200", Route::Status(StatusCode::OK)),
            (
                "/status/599",
                Route::Status(StatusCode::from_u16(599).unwrap()),
            ),
        ] {
            assert_eq!(Route::find(path), Ok(route), "{path}");
        }
    }

    #[test]
    fn a_path_that_is_almost_a_target_is_none() {
        for path in [
            "",
            "*",
            "//",
            "/echo/",
            "/ECHO",
            "/headers/x",
            "/delay",
            "/delay/1/",
            "/delay/1/2",
            "/stream/1",
            "/stream/1/2/",
            "/stream/1/2/3",
            "/bytes",
            "/bytes/1/",
            "/status/200/x",
            "/%65cho",
            "/x",
        ] {
            assert_eq!(Route::find(path), Err(RouteError::NotFound), "{path}");
        }
    }

    #[test]
    fn a_number_that_is_none_is_told_apart_from_a_wrong_path() {
        for (path, error) in [
            ("/delay/", RouteError::Pause),
            ("/delay/+1", RouteError::Pause),
            ("/delay/-1", RouteError::Pause),
            ("/delay/1s", RouteError::Pause),
            ("/delay/3600001", RouteError::Pause),
            ("/delay/99999999999999999999", RouteError::Pause),
            ("/block/x", RouteError::Pause),
            ("/stream/x/1", RouteError::Chunks),
            ("/stream/1000000001/1", RouteError::Chunks),
            ("/stream/1/x", RouteError::Pause),
            ("/bytes/1099511627777", RouteError::Bytes),
            ("/bytes/1e3", RouteError::Bytes),
            ("/status/199", RouteError::Status),
            ("/status/101", RouteError::Status),
            ("/status/600", RouteError::Status),
            ("/status/teapot", RouteError::Status),
        ] {
            assert_eq!(Route::find(path), Err(error), "{path}");
            assert_eq!(error.answer().0, StatusCode::BAD_REQUEST);
        }
    }

    fn decided(method: &str, path: &str) -> Decision {
        decide(&Method::from_bytes(method.as_bytes()).unwrap(), path)
    }

    #[test]
    fn a_request_is_decided_by_its_target_and_then_its_method() {
        use Decision::{NoTarget, NotAllowed, Options, Serve};
        for (method, path, decision) in [
            ("GET", "/", Serve(Route::Hello)),
            ("HEAD", "/", Serve(Route::Hello)),
            ("POST", "/echo", Serve(Route::Echo)),
            ("PUT", "/echo", Serve(Route::Echo)),
            ("OPTIONS", "/echo", Options("POST, PUT, OPTIONS")),
            ("OPTIONS", "*", Options(ALL_METHODS)),
            ("OPTIONS", "/nowhere", NoTarget(RouteError::NotFound)),
            ("GET", "/echo", NotAllowed("POST, PUT, OPTIONS")),
            ("POST", "/", NotAllowed("GET, HEAD, OPTIONS")),
            ("TRACE", "/bytes/1", NotAllowed("GET, HEAD, OPTIONS")),
            ("CONNECT", "", NotAllowed(ALL_METHODS)),
            ("BREW", "/nowhere", NotAllowed(ALL_METHODS)),
            ("get", "/", NotAllowed(ALL_METHODS)),
            ("GET", "*", NoTarget(RouteError::NotFound)),
            ("POST", "/bytes/many", NoTarget(RouteError::Bytes)),
        ] {
            assert_eq!(decided(method, path), decision, "{method} {path}");
        }
    }

    #[test]
    fn a_status_can_be_had_by_any_known_method() {
        let teapot = Decision::Serve(Route::Status(StatusCode::IM_A_TEAPOT));
        for method in ALL_METHODS.split(", ") {
            assert_eq!(decided(method, "/status/418"), teapot, "{method}");
        }
    }
}

//! What a request asks for, as far as tests ask for it.

use std::time::Duration;

/// A request's head.
pub(crate) struct Request {
    pub(crate) route: Route,
    /// Bytes of content.
    pub(crate) length: usize,
    /// The client waits for 100 Continue.
    pub(crate) expects: bool,
    /// The client wants no other response.
    pub(crate) closes: bool,
}

/// A target.
#[derive(Clone, Copy)]
pub(crate) enum Route {
    Hello,
    Echo,
    Delay(Duration),
    Bytes(usize),
    Status(u16),
    /// So many chunks, so long apart.
    Stream(usize, Duration),
    /// A stream without end.
    Events,
    /// A handler that blocks its thread.
    Block(Duration),
    Upgrade,
    Nowhere,
}

impl Request {
    /// Reads a whole head. Clients of tests send nothing that is not clear.
    pub(crate) fn parse(head: &[u8]) -> Request {
        let head = String::from_utf8_lossy(head).to_ascii_lowercase();
        let mut lines = head.split("\r\n");
        let target = lines.next().and_then(|line| line.split(' ').nth(1));
        let route = target.and_then(route).unwrap_or(Route::Nowhere);
        let field = |name: &str| {
            let values = lines.clone().filter_map(|line| line.split_once(": "));
            values.filter(|(known, _)| *known == name).last()
        };
        let length = field("content-length").and_then(|(_, value)| value.parse().ok());
        Request {
            route,
            length: length.unwrap_or(0),
            expects: field("expect").is_some(),
            closes: field("connection").is_some_and(|(_, value)| value == "close"),
        }
    }
}

fn route(target: &str) -> Option<Route> {
    let mut segments = target.split('/').skip(1);
    let name = segments.next()?;
    let mut number = || segments.next()?.parse::<usize>().ok();
    let (number, second) = (number(), number());
    let millis = |millis: usize| Duration::from_millis(millis as u64);
    let pause = number.map(millis);
    match name {
        "" => Some(Route::Hello),
        "echo" => Some(Route::Echo),
        "delay" => pause.map(Route::Delay),
        "bytes" => number.map(Route::Bytes),
        "stream" => Some(Route::Stream(number?, millis(second?))),
        "status" => number?.try_into().ok().map(Route::Status),
        "events" => Some(Route::Events),
        "block" => pause.map(Route::Block),
        "upgrade" => Some(Route::Upgrade),
        _ => None,
    }
}

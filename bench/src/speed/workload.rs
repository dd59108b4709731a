//! What the servers are asked to do.

use serde::Serialize;

use crate::peer::MEBIBYTE;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Request {
    /// The shortest answer.
    Hello,
    /// The shortest answer on a connection of its own.
    HelloAndClose,
    /// As many bytes as it sends.
    Echo(usize),
    /// The longest answer.
    Mebibyte,
}

impl Request {
    /// The request's bytes.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        let head = match self {
            Request::Hello => "GET / HTTP/1.1\r\nHost: neap.test\r\n\r\n".into(),
            Request::HelloAndClose => {
                "GET / HTTP/1.1\r\nHost: neap.test\r\nConnection: close\r\n\r\n".into()
            }
            Request::Echo(len) => {
                format!("POST /echo HTTP/1.1\r\nHost: neap.test\r\nContent-Length: {len}\r\n\r\n")
            }
            Request::Mebibyte => "GET /mebibyte HTTP/1.1\r\nHost: neap.test\r\n\r\n".into(),
        };
        let content = match self {
            Request::Echo(len) => &MEBIBYTE[..len],
            _ => &[],
        };
        [head.as_bytes(), content].concat()
    }

    /// Whether a server can be asked for it.
    #[must_use]
    pub fn is_for(self, server: &str) -> bool {
        match self {
            Request::Hello | Request::Mebibyte => true,
            // may_minihttp never closes a connection.
            Request::HelloAndClose => server != "may_minihttp",
            // nginx has nothing that returns a request's content.
            Request::Echo(_) => server != "nginx",
        }
    }
}

/// A number of clients that ask for the same over and over.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Workload {
    /// Its name in tables.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    /// How many connections there are at a time.
    pub connections: usize,
    /// How many requests are sent at once on each.
    pub pipelined: usize,
    /// What is asked for.
    pub request: Request,
}

const fn workload(
    name: &'static str,
    what: &'static str,
    connections: usize,
    request: Request,
) -> Workload {
    Workload {
        name,
        what,
        connections,
        pipelined: 1,
        request,
    }
}

/// All of them, by the names of old.
pub const ALL: [Workload; 9] = [
    workload("W1", "64 connections kept alive", 64, Request::Hello),
    Workload {
        pipelined: 16,
        ..workload("W2", "the same, 16 requests at once", 64, Request::Hello)
    },
    workload(
        "W3",
        "64 at a time, a connection per request",
        64,
        Request::HelloAndClose,
    ),
    workload("W4", "one connection", 1, Request::Hello),
    workload(
        "W5a",
        "64 connections, echo of 1 KiB",
        64,
        Request::Echo(1 << 10),
    ),
    workload(
        "W5b",
        "64 connections, echo of 64 KiB",
        64,
        Request::Echo(64 << 10),
    ),
    workload(
        "W6",
        "16 connections, responses of 1 MiB",
        16,
        Request::Mebibyte,
    ),
    workload("W8b", "1,000 connections kept alive", 1000, Request::Hello),
    workload("W8c", "8,000 connections kept alive", 8000, Request::Hello),
];

//! The server on a system that the test plays, with a time that it winds on: what it asks of which
//! socket, in which order and when.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod connections;
mod listeners;
mod shutdown;
mod system;

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
pub(crate) const WAIT: &str = "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n";

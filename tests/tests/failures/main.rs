//! Where others failed.
//!
//! Each test is a mistake that a server in use has made, with its story on top, and a scenario
//! that shows it from outside. The scenario is run against three servers: neap as it is shipped;
//! `broken-server`, which is written for this, as it is; and the same with the one mistake planted
//! in it. The first two have to pass, and the third one must not: so the scenario is known to see
//! the mistake, and nothing else.
//!
//! Handshakes that are in flight when a listener is closed (gunicorn#2593) need a link that takes
//! its time: that is `tests/round_trip`, whose twin is neap itself without its seal.

mod awaited;
mod clients;
mod handlers;
mod idle;
mod limit;
mod listener;
mod subject;

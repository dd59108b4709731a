//! The two machines, walked from end to end: whatever the peer, the handler, the timers and the
//! server do, in whatever order.
//!
//! - [`table`]: a connection's control state, by the table alone.
//! - [`driven`]: a whole connection, with bytes and times, as a driver turns it.
//! - [`server`]: the lifecycle, with a few connections beside it.
//!
//! Rules are named by the number that the shutdown's invariants have:
//!
//! - I1: a phase never falls, but by calling off the drain in lame duck.
//! - I2: while the server runs, no response gains close because of a shutdown.
//! - I7: one final response at most for each request, in order.
//! - I8: nothing is dispatched after a response with close.
//! - I12: without connections, a server that drains is done without waiting.
//! - I13: done by the deadline and the grace behind it, whatever connections do.
//! - I15: what was cut does not look whole.
//! - I22: each connection has one outcome, each dispatched request one fate.

mod driven;
mod server;
mod table;
mod turned;

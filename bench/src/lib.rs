//! neap beside its peers.
//!
//! Programs measure, each with one command, most of them into a table and JSON:
//!
//! - `restarts`: what becomes of clients when a server is told to stop ([`restarts`]).
//! - `accept`: how threads can share new connections out among them ([`accept`]).
//! - `drills`: what `neap drill` says about neap and its peers, Debian's and others' among them
//!   ([`drill`]).
//! - `servers`: what neap and other servers of files do when they are asked ([`servers`]).
//! - `speed`: what a request costs, and an idle connection ([`speed`]).
//!
//! The peers are small programs in `peers`, each written as its own documentation recommends, and
//! Debian's nginx with a configuration like Debian's. [`peer`] is what the programs have in common,
//! [`server`] knows how each is started, [`process`] starts, freezes and stops it.
//!
//! Nothing here is a test: no figure passes or fails. Whatever is waited for has a bound, and only
//! this machine is talked to.

pub mod accept;
pub mod drill;
pub mod exchange;
pub mod figures;
pub mod machine;
pub mod neap;
pub mod peer;
pub mod process;
pub mod restarts;
pub mod server;
pub mod servers;
pub mod speed;

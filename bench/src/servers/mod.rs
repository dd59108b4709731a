//! neap beside other servers of files, each tried with the commands that stand in `docs/serve.md`.
//!
//! The page is the program: its blocks fill the directory, start the servers and try the rows. What
//! is here gives them a place to run ([`stage`]) and makes cells of their ends ([`cell`]).

pub mod cell;
pub mod stage;

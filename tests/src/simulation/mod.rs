//! neap's server simulated: the shipped driver on a virtual kernel, in virtual time.
//!
//! What runs is the code that is shipped, [`Server::serve`](neap_smol::Server::serve) with all that
//! is behind it; only what makes system calls is replaced, at the seam that [`neap_smol::system`]
//! is. A [`Script`](script::Script) says what happens: a network with its system, one or two
//! servers with what they are told, clients with what they do. It is drawn from a seed, or written
//! by hand. [`run`](world::run) lets it happen, in an order that is always the same; the judge then
//! says whether every client got what it had to get, which it works out from the script and from
//! what the network saw, with no code of neap's.

pub mod account;
pub mod client;
pub mod coverage;
mod draw;
pub mod faults;
mod handler;
pub mod judge;
pub mod kernel;
mod process;
pub mod reader;
pub mod script;
pub mod shrink;
mod system;
pub mod world;

pub use draw::draw;

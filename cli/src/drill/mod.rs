//! `neap drill`: a fire drill for the shutdown of any HTTP server.
//!
//! Independent of neap's own machinery on purpose: it must be as fair to others as to neap.

pub(crate) mod output;
pub(crate) mod preset;
pub(crate) mod record;

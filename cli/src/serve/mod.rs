//! `neap serve`: a directory's files over HTTP.
//!
//! A request becomes a list of names ([`path`]), these an open file that is certainly below the
//! directory ([`open`]), its conditions ([`conditional`]) and range ([`range`]) are weighed, and
//! what is left of it is read piece by piece as the client takes it ([`file_content`]). A directory
//! is answered with its `index.html` or a [`listing`].
//!
//! All of this up to the first piece of the file happens in one go. What the system has in memory
//! is answered at once, on the thread that read the request; for the rest it is done again on one
//! that may block ([`open::Wait`]).

pub(crate) mod args;
mod budget;
mod cache;
mod compress;
mod conditional;
mod content;
mod cors;
mod encoding;
mod extra_field;
mod fallback;
mod file_content;
mod file_response;
mod listing;
mod media_type;
mod multipart;
mod open;
mod path;
mod preference;
mod range;
mod redirect;
mod refusal;
mod representation;
mod site;

use http::Response;

pub(crate) use self::cache::RuleError;
use self::content::Content;
use self::refusal::Refusal;
pub(crate) use self::site::{Settings, Site, handle};

/// A response, or the reason why it is not the one that was asked for.
type Answer = Result<Response<Content>, Refusal>;

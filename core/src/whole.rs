//! A head that came whole, in one pass, if it is as nearly all are.
//!
//! The pass only ever takes. What is not whole, not common or not right it leaves to the
//! [`Finder`](crate::finder::Finder) and to [`parse_head`](crate::head::parse_head): they take more,
//! and alone say what is wrong with the rest. Whatever is taken here they take as well, and read
//! the same in it.

use crate::fields::take_lines;
use crate::finder::{METHOD, window};
use crate::framing::{Seen, Semantics};
use crate::head::split_version;
use crate::syntax::Class;
use crate::{Head, Limits, Spans};

/// A head with what it means for its connection.
pub(crate) struct Whole<'b> {
    method: &'b [u8],
    target: &'b [u8],
    section: &'b [u8],
    fields: usize,
    pub(crate) semantics: Semantics,
    /// How long it is, its final empty line included.
    pub(crate) len: usize,
}

impl<'b> Whole<'b> {
    /// Takes the head at the beginning of `input`, if its target is in origin-form and its field
    /// lines are without tabs.
    pub(crate) fn take(input: &'b [u8], spans: &mut Spans, limits: &Limits) -> Option<Whole<'b>> {
        let window = window(input, limits);
        let method_end = match window {
            [b'G', b'E', b'T', b' ', ..] => 3,
            _ => Class::TOKEN.prefix(window),
        };
        let (method, rest) = window.split_at_checked(method_end)?;
        let rest = rest.strip_prefix(b" ")?;
        let (target, rest) = rest.split_at_checked(path_and_query(rest)?)?;
        let (version, section) = split_version(rest.strip_prefix(b" ")?).ok()?;
        let fits = (1..=METHOD).contains(&method.len()) && target.len() <= limits.target;
        // The target of CONNECT has another form.
        if !fits || method == b"CONNECT" {
            return None;
        }
        let mut seen = Seen::default();
        let (fields, len) = take_lines(section, spans, limits, |name, value| {
            seen.read(name, value).ok()
        })?;
        Some(Whole {
            method,
            target,
            section,
            fields,
            semantics: seen.semantics(method, version, limits).ok()?,
            len: window.len() - section.len() + len,
        })
    }

    /// The head, with the spans that were written when it was taken.
    pub(crate) fn head(&self, spans: &'b Spans) -> Head<'b> {
        let fields = spans.fields(self.section, self.fields);
        Head::new(self.method, self.target, self.semantics.version, fields)
    }
}

/// How long the path and query are that `bytes` begin with.
fn path_and_query(bytes: &[u8]) -> Option<usize> {
    if bytes.first() != Some(&b'/') {
        return None;
    }
    let path = Class::PATH.prefix(bytes);
    match bytes.get(path)? {
        b'?' => Some(path + Class::QUERY.prefix(&bytes[path..])),
        _ => Some(path),
    }
}

//! What all connections of a server share while one of them is polled.

use std::future::Future;
use std::sync::Arc;

use neap_core::{HttpDate, Spans, Tick};

use crate::IntoResponse;
use crate::event::Observer;
use crate::exchange::Places;
use crate::piece::{Pieces, Room};
use crate::refusal::Refusals;
use crate::shared::Shared;

/// Buffers and places that are kept for the next who needs them.
const KEPT: usize = 64;

/// Output buffers that grew beyond this are not kept.
const KEPT_CAPACITY: usize = 64 * 1024;

/// One per server and thread: buffers belong to it, not to connections.
pub(crate) struct Environment<H, F: Future<Output: IntoResponse>> {
    pub(crate) handler: H,
    /// Where everybody reads into. With long content it goes to the handler, and another takes its
    /// place.
    pub(crate) buffer: Room,
    pub(crate) pieces: Pieces,
    pub(crate) spans: Box<Spans>,
    pub(crate) date: HttpDate,
    pub(crate) observer: Observer,
    pub(crate) refusals: Refusals,
    /// Where another thread than this one moves the lifecycle: whom to ask how far it is.
    conducted: Option<Arc<Shared>>,
    places: Vec<Places<F>>,
    outputs: Vec<Vec<u8>>,
}

impl<H, F: Future<Output: IntoResponse>> Environment<H, F> {
    pub(crate) fn new(handler: H, observer: Observer, refusals: Refusals) -> Self {
        let pieces = Pieces::default();
        Environment {
            handler,
            buffer: pieces.take(),
            pieces,
            spans: Box::new(Spans::new()),
            date: HttpDate::from_unix_seconds(0),
            observer,
            refusals,
            conducted: None,
            places: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// The same where another thread moves the lifecycle of `server`.
    pub(crate) fn conducted_by(mut self, server: &Arc<Shared>) -> Self {
        self.conducted = Some(Arc::clone(server));
        self
    }

    /// `t`, brought up to date where the phase may have changed since it was read.
    pub(crate) fn at_present<'t>(&self, t: Tick<'t>) -> Tick<'t> {
        match &self.conducted {
            Some(conducted) => conducted.at_present(t),
            None => t,
        }
    }

    pub(crate) fn take_places(&mut self) -> Places<F> {
        self.places.pop().unwrap_or_else(Places::new)
    }

    /// Takes back places that have been cleared.
    pub(crate) fn give_places(&mut self, places: Places<F>) {
        if self.places.len() < KEPT {
            self.places.push(places);
        }
    }

    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        self.outputs.pop().unwrap_or_default()
    }

    /// Takes back an output buffer that is empty.
    pub(crate) fn give_output(&mut self, output: Vec<u8>) {
        let fits = (1..=KEPT_CAPACITY).contains(&output.capacity());
        if fits && self.outputs.len() < KEPT {
            self.outputs.push(output);
        }
    }
}

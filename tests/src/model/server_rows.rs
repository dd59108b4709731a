//! Which rows of the server's table a step has used.

use std::collections::BTreeSet;

use neap_core::{Cause, Progress, ServerEvent, Time, next};

use super::names::{PROGRESS, SERVER_EVENTS};
use super::server::{Server, Step};
use super::servers::Servers;

/// A row of the server's table.
pub type Row = (Progress, ServerEvent);

impl Servers {
    /// Every row of the server's table.
    #[must_use]
    pub fn rows() -> BTreeSet<Row> {
        let events = |progress| SERVER_EVENTS.iter().map(move |event| (progress, *event));
        let rows = PROGRESS.iter().copied().flat_map(events);
        rows.filter(|(progress, event)| next(*progress, *event).is_some())
            .collect()
    }

    /// The rows that lead from one step of the server to another, where it can only be these.
    pub(super) fn rows_between(&self, step: Step, before: &Server, after: &Server) -> Vec<Row> {
        let (from, to) = (before.lifecycle.progress(), after.lifecycle.progress());
        let mut chains: Vec<(Progress, Vec<Row>)> = vec![(from, vec![])];
        let mut found = Vec::new();
        while let Some((at, rows)) = chains.pop() {
            if at == to && !rows.is_empty() {
                found.push(rows);
                continue;
            }
            for event in SERVER_EVENTS {
                let is_new = !rows.contains(&(at, *event));
                let leads =
                    next(at, *event).filter(|_| is_new && self.may_cause(step, *event, after));
                let row = (at, *event);
                chains.extend(leads.map(|next| (next, [&rows[..], &[row]].concat())));
            }
        }
        if found.len() == 1 {
            found.remove(0)
        } else {
            vec![]
        }
    }

    /// Whether this step, which led there, may have brought about that event. An event that nothing
    /// brings about fails the walk: its rows are never visited.
    fn may_cause(&self, step: Step, event: ServerEvent, after: &Server) -> bool {
        use ServerEvent as E;
        let drain = &self.config.drain;
        let lame_duck = !drain.lame_duck.is_zero() || drain.keep_accepting;
        let census = after.census();
        let tick = after.lifecycle.tick(after.now, &self.config);
        let has_sealed = tick.sealing != Time::NEVER;
        match event {
            E::Quiet => after.held() + census.fresh + census.idle == 0,
            E::Empty => census.open() == 0 && after.listeners == 0,
            E::ListenersEnded => after.listeners == 0,
            E::Drain { .. } if event != (E::Drain { lame_duck }) => false,
            E::Drain { .. } => matches!(step, Step::Drain | Step::Signal | Step::Accept(_)),
            E::CloseNow => step == Step::CloseNow,
            E::Cancel => step == Step::Cancel,
            E::Again => step == Step::Signal,
            E::Deadline => after.lifecycle.forced() == Some(Cause::Deadline),
            E::LameDuckElapsed => {
                matches!(step, Step::Time(_)) && has_sealed && !drain.keep_accepting
            }
            E::Deserted => drain.keep_accepting && has_sealed,
            E::GraceElapsed => matches!(step, Step::Time(_)),
            #[allow(
                unreachable_patterns,
                reason = "for events that are not known here yet"
            )]
            _ => false,
        }
    }
}

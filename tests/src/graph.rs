//! All states of a machine and the steps between them, for questions that a checker of states
//! cannot answer: what can still be reached from each of them, and by whose steps.

use std::collections::HashMap;
use std::hash::Hash;

/// A machine, explored from end to end.
#[derive(Debug)]
pub struct Graph<S, L> {
    states: Vec<S>,
    /// From where, by which step, to where.
    steps: Vec<(usize, L, usize)>,
}

impl<S: Clone + Eq + Hash, L> Graph<S, L> {
    /// Everything that `steps` leads to from `start`, which has to be finite.
    pub fn explore(start: S, steps: impl Fn(&S) -> Vec<(L, S)>) -> Graph<S, L> {
        let mut graph = Graph {
            states: vec![start.clone()],
            steps: Vec::new(),
        };
        let mut known = HashMap::from([(start, 0)]);
        let mut next = 0;
        while let Some(state) = graph.states.get(next) {
            for (label, state) in steps(state) {
                let to = *known.entry(state).or_insert_with_key(|state| {
                    graph.states.push(state.clone());
                    graph.states.len() - 1
                });
                graph.steps.push((next, label, to));
            }
            next += 1;
        }
        graph
    }

    /// The states, the start first.
    #[must_use]
    pub fn states(&self) -> &[S] {
        &self.states
    }

    /// The steps: from where, by which, to where.
    pub fn steps(&self) -> impl Iterator<Item = (&S, &L, &S)> {
        let state = |index: usize| &self.states[index];
        self.steps
            .iter()
            .map(move |(from, label, to)| (state(*from), label, state(*to)))
    }

    /// The states among `from` out of which no chain of `allowed` steps leads to a `goal`.
    pub fn stuck(
        &self,
        from: impl Fn(&S) -> bool,
        goal: impl Fn(&S) -> bool,
        allowed: impl Fn(&S, &L) -> bool,
    ) -> Vec<&S> {
        let mut before = vec![Vec::new(); self.states.len()];
        for (from, label, to) in &self.steps {
            if allowed(&self.states[*from], label) {
                before[*to].push(*from);
            }
        }
        let mut reaches: Vec<bool> = self.states.iter().map(goal).collect();
        let mut open: Vec<usize> = (0..reaches.len()).filter(|at| reaches[*at]).collect();
        while let Some(at) = open.pop() {
            for &earlier in &before[at] {
                if !reaches[earlier] {
                    reaches[earlier] = true;
                    open.push(earlier);
                }
            }
        }
        let states = self.states.iter().zip(reaches);
        states
            .filter(|(state, reaches)| !reaches && from(state))
            .map(|(state, _)| state)
            .collect()
    }
}

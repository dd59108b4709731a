//! What is read: limits, and the framing that two readers could understand differently.

use crate::{Mutation, Test, in_core, in_core_itself};

const CHUNK: &str = "core/src/chunk.rs";
const FINDER: &str = "core/src/finder.rs";
const FRAMING: &str = "core/src/framing.rs";
const LEVELS: &str = "core/src/levels.rs";

const fn exchange(name: &'static str) -> Test {
    in_core("exchange", name)
}

pub(crate) const MUTATIONS: &[Mutation] = &[];

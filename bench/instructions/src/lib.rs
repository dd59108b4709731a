//! The core's benchmarks; see `benches/core.rs`.

//! The core alone, at 500, 10,000 and 100,000: `cargo bench -p landfall-core`, or a part of it by name
//! (`cargo bench -p landfall-core --bench speed -- fold`).

#[path = "../support/mod.rs"]
mod support;

mod conflicts;
mod engine;
mod fold;
mod graph;
mod ids;
mod merge;
mod opening;
mod order;

use criterion::criterion_main;

/// How many of each there are. Run as a test, untimed and unoptimised, a benchmark has only to show that it still works.
fn sizes() -> &'static [u64] {
    let is_timed = std::env::args().any(|argument| argument == "--bench");
    if is_timed { &[500, 10_000, 100_000] } else { &[500] }
}

criterion_main!(
    fold::benches,
    order::benches,
    graph::benches,
    merge::benches,
    conflicts::benches,
    ids::benches,
    opening::benches,
    engine::benches
);

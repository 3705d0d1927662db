//! The order of sending.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group};
use landfall_core::{
    log::entry::Change,
    outbox::{Wanted, next_batch},
};

use crate::{sizes, support::records::queued};

const WANTED: Wanted<'static> =
    Wanted { principal: "u7", now_ms: 1_760_000_001_000, limit: 50, one_table: false, schema: None };

fn order(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("order");
    group.sample_size(10);
    for count in sizes() {
        group.bench_function(BenchmarkId::new("first batch", count), |bencher| {
            bencher.iter_batched(
                || queued(*count),
                |state| {
                    assert_eq!(black_box(next_batch(&state.outbox, &WANTED)).mutations.len(), 50);
                    state
                },
                BatchSize::PerIteration,
            );
        });
        // From opening to the last batch: made, and kept while everything leaves.
        group.bench_function(BenchmarkId::new("all batches", count), |bencher| {
            bencher.iter_batched(
                || queued(*count),
                |mut state| loop {
                    let batch = next_batch(&state.outbox, &WANTED).mutations;
                    if batch.is_empty() {
                        assert!(state.outbox.is_empty());
                        break state;
                    }
                    let gone = batch.into_iter().map(|id| Change::Mutation { id, row: None });
                    state.apply(gone.collect(), &mut ());
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, order);

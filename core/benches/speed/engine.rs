//! The engine over ports that cost nothing: writes that are merged, and a whole pass (V8, V12).

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group};
use futures_executor::block_on;
use landfall_core::{
    decide::{Command, WriteOptions},
    engine::Engine,
    ports::Durability,
};
use serde_json::json;

use crate::{
    sizes,
    support::{
        body::Handle,
        records::task,
        world::{World, create, open},
    },
};

fn step(number: u64) -> Handle {
    Handle::new(json!({ "name": format!("step {number}") }))
}

fn coalescing(criterion: &mut Criterion) {
    let engine = block_on(open());
    let steps = block_on(create(&engine, "steps", (0..100).map(step).collect()));
    criterion.bench_function("coalescing/1000 updates of 100 records", |bencher| {
        bencher.iter(|| {
            for n in 0..1_000 {
                let command = Command::Update {
                    table: "steps".into(),
                    id: steps[n % 100].clone(),
                    changes: Handle::new(json!({ "name": format!("changed {n}") })),
                    unset: Vec::new(),
                    options: WriteOptions::default(),
                };
                let done = block_on(engine.submit(command, Durability::Relaxed));
                assert!(done.is_ok(), "{done:?}");
            }
        });
    });
    assert_eq!(engine.state().outbox.len(), 100, "each is folded into the one before it");
}

/// One in ten is a step, the others are tasks of these.
async fn with_creates(count: u64) -> Engine<World> {
    let engine = open().await;
    let steps = create(&engine, "steps", (0..count / 10).map(step).collect()).await;
    let tasks = steps.iter().cycle().zip(count / 10..count).map(|(step, n)| task(n, step));
    create(&engine, "tasks", tasks.collect()).await;
    engine
}

fn pass(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pass");
    group.sample_size(10);
    for count in sizes() {
        group.throughput(Throughput::Elements(*count));
        group.bench_function(BenchmarkId::new("operations", count), |bencher| {
            bencher.iter_batched(
                || block_on(with_creates(*count)),
                |engine| {
                    let report = block_on(engine.pass_now());
                    assert_eq!((report.pushed as u64, report.remaining), (*count, 0));
                    engine
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, coalescing, pass);

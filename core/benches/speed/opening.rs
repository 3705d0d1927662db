//! Opening a store whose records are in segments, to where all of a table can be read.

use criterion::{BenchmarkId, Criterion, criterion_group};
use futures_executor::block_on;

use crate::{
    sizes,
    support::world::{fill, open_on},
};

fn opening(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("opening");
    group.sample_size(10);
    for count in sizes() {
        let world = block_on(fill(*count));
        group.bench_function(BenchmarkId::new("from segments", count), |bencher| {
            bencher.iter(|| {
                block_on(async {
                    let engine = open_on(&world).await;
                    let loaded = engine.load_tables(&["tasks".into()]).await;
                    assert!(loaded.is_ok(), "{loaded:?}");
                    assert_eq!(engine.state().table("tasks").map(|table| table.len() as u64), Some(*count));
                    engine
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, opening);

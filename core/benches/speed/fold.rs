//! Applying entries to a state.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group};
use landfall_core::{
    body::SyncStatus,
    log::entry::{Change, Record},
    protocol::EntityRow,
};

use crate::{
    sizes,
    support::{
        body::Handle,
        records::{creates, page, state_of_tasks},
    },
};

/// What a pull of so many rows changes, an entry for each page.
fn pulled(count: u64) -> Vec<Vec<Change<Handle>>> {
    const PAGE_ROWS: usize = 1_000;
    let rows = page(0, count).entities;
    let change = |row: &EntityRow<Handle>| Change::Record {
        table: "tasks".into(),
        id: row.id.as_str().into(),
        row: Some(Record {
            data: row.data.clone(),
            version: Some(row.version),
            server_updated_at: Some(row.updated_at),
            local_updated_at: None,
            sync_id: None,
            status: SyncStatus::Synced,
            deleted: false,
        }),
    };
    rows.chunks(PAGE_ROWS).map(|page| page.iter().map(change).collect()).collect()
}

fn fold(criterion: &mut Criterion) {
    type Entries = fn(u64) -> Vec<Vec<Change<Handle>>>;
    let mut group = criterion.benchmark_group("fold");
    group.sample_size(10);
    for (name, entries) in
        [("creates, an entry each", creates as Entries), ("pulled records, an entry for a page", pulled)]
    {
        for count in sizes() {
            let entries = entries(*count);
            group.throughput(Throughput::Elements(*count));
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter_batched(
                    || (state_of_tasks(), entries.clone()),
                    |(mut state, entries)| {
                        for changes in entries {
                            state.apply(changes, &mut ());
                        }
                        assert_eq!(state.table("tasks").map(|table| table.len() as u64), Some(*count));
                        state
                    },
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, fold);

//! What the core allocates for single operations, counted: `cargo test -p landfall-core --bench allocations`. Prints them as
//! JSON, which `cargo xtask budgets` holds against `bench/budgets.json`.
//!
//! Bodies are handles, as in a browser, and the log keeps what it is given: what is counted is the core. Nothing runs beside it, and
//! nothing in the core depends on chance or time, so each run counts the same.

mod support;

use std::alloc::System;

use futures_executor::block_on;
use landfall_core::outbox::{Wanted, next_batch};
use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use support::{
    body::Handle,
    records::{creates, page, queued, state_of_tasks, task},
    world::{create, fill, open, open_on, pull},
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Runs it, and counts what it allocates. Growing in place counts as one more.
fn counted<T>(work: impl FnOnce() -> T) -> (T, Value) {
    let region = Region::new(ALLOCATOR);
    let made = work();
    let change = region.change();
    let count = change.allocations + change.reallocations;
    (made, json!({ "allocations": count, "bytes allocated": change.bytes_allocated }))
}

/// Into a store that has had its first write, which loads the tables. They refer to a step that is queued too.
fn created(count: u64) -> Value {
    let engine = block_on(open());
    let step = block_on(create(&engine, "steps", vec![Handle::new(json!({ "name": "Backbone" }))])).remove(0);
    block_on(create(&engine, "tasks", vec![task(0, &step)]));
    let tasks = (1..=count).map(|n| task(n, &step)).collect();
    let (ids, counted) = counted(|| block_on(create(&engine, "tasks", tasks)));
    assert_eq!(ids.len() as u64, count);
    counted
}

fn fold(count: u64) -> Value {
    let (mut state, entries) = (state_of_tasks(), creates(count));
    let ((), counted) = counted(|| {
        for changes in entries {
            state.apply(changes, &mut ());
        }
    });
    assert_eq!(state.outbox.len() as u64, count);
    counted
}

fn pulled(count: u64) -> Value {
    let engine = block_on(open());
    block_on(pull(&engine, page(0, 1)));
    let page = page(1, count);
    counted(|| block_on(pull(&engine, page))).1
}

fn opened(count: u64) -> Value {
    let world = block_on(fill(count));
    let (engine, counted) = counted(|| {
        block_on(async {
            let engine = open_on(&world).await;
            let loaded = engine.load_tables(&["tasks".into()]).await;
            assert!(loaded.is_ok(), "{loaded:?}");
            engine
        })
    });
    assert_eq!(engine.state().table("tasks").map(|table| table.len() as u64), Some(count));
    counted
}

fn ordered(count: u64) -> Value {
    let state = queued(count);
    let limit = usize::try_from(count).unwrap_or(usize::MAX);
    let wanted = Wanted { principal: "u7", now_ms: 1_760_000_001_000, limit, one_table: false, schema: None };
    let (batch, counted) = counted(|| next_batch(&state.outbox, &wanted));
    assert_eq!(batch.mutations.len(), limit);
    counted
}

type Operation = fn() -> Value;

fn main() {
    let operations: [(&str, Operation); 6] = [
        ("core: one create", || created(1)),
        ("core: createMany of 1,000", || created(1_000)),
        ("core: fold of 1,000 creates", || fold(1_000)),
        ("core: a page of 1,000 pulled", || pulled(1_000)),
        ("core: open 10,000 from segments", || opened(10_000)),
        ("core: order of 1,000", || ordered(1_000)),
    ];
    let counts = operations.map(|(name, operation)| json!([name, operation()]));
    println!("{}", Value::from(counts.to_vec()));
}

//! Temporary ids that become the server's.

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group};
use futures_executor::block_on;
use landfall_core::{
    decide::{Answer, Command, Done},
    engine::Engine,
    log::entry::Id,
    ports::Durability,
    protocol::{Applied, OperationResult, Outcome},
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

/// Steps, and tasks that refer to them one after the other; and what was sent of it: the creates of the steps.
fn sent(steps: u64, tasks: u64) -> (Engine<World>, Vec<Id>) {
    block_on(async {
        let engine = open().await;
        // Nothing is marked before the server has said what time it is there.
        assert!(engine.pass_now().await.error.is_none());
        let step = |n| Handle::new(json!({ "name": format!("step {n}") }));
        let parents = create(&engine, "steps", (0..steps).map(step).collect()).await;
        let tasks = parents.iter().cycle().zip(0..tasks).map(|(step, n)| task(n, step));
        create(&engine, "tasks", tasks.collect()).await;
        let mutations: Vec<Id> =
            engine.state().outbox.iter().take(parents.len()).map(|mutation| mutation.id.clone()).collect();
        let command = Command::Send { mutations: mutations.clone() };
        let done = engine.submit(command, Durability::Strict).await;
        assert_eq!(done, Ok(Done::Marked(mutations.clone())));
        (engine, mutations)
    })
}

fn answer(mutations: &[Id]) -> Command<Handle> {
    let result = |(n, id): (usize, &Id)| {
        let applied = Applied { record_id: (n + 1).to_string(), version: 1, updated_at: 1, record: None };
        OperationResult::new(id.to_string(), Outcome::Applied(applied))
    };
    let results = mutations.iter().enumerate().map(result).collect();
    let answer = Answer { epoch: "e".to_owned(), server_time: 1, results, beginnings: 0 };
    Command::Answer { answer }
}

/// One answer brings as many ids as its request held mutations: this is far more than any.
const IDS_MAX: u64 = 10_000;

fn rewriting(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("id rewriting");
    group.sample_size(10);
    for count in sizes() {
        let answers = [("one id, references", 1), ("an id for each of, with a reference", *count)];
        for (name, steps) in answers.into_iter().filter(|(_, steps)| *steps <= IDS_MAX) {
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter_batched(
                    || {
                        let (engine, mutations) = sent(steps, *count);
                        (engine, answer(&mutations))
                    },
                    |(engine, answer)| {
                        let done = block_on(engine.submit(answer, Durability::Relaxed));
                        assert!(matches!(done, Ok(Done::Answered(tally)) if tally.applied as u64 == steps));
                        engine
                    },
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, rewriting);

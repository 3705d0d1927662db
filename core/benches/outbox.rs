//! The outbox where there is much of it (V8, V12): `cargo bench -p landfall-core`.

use std::{cell::Cell, hint::black_box, rc::Rc};

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use futures_executor::block_on;
use landfall_core::{
    decide::{Answer, Command, Done, WriteOptions},
    engine::{Engine, Identity},
    log::{
        entry::{Change, Id, Mutation, MutationState, Operation},
        memory::MemoryLog,
    },
    outbox::{Wanted, next_batch},
    ports::{Clock, Durability, Event, Lease, Ports, Random, Remote, RemoteError, Signals},
    protocol::{Applied, Download, OperationResult, Outcome, Page, Upload, UploadAnswer},
    schema::{Priority, Schema},
    state::State,
};
use serde_json::{Value, json};

fn schema() -> Rc<Schema> {
    let document = json!({ "version": 1, "tables": {
        "steps": { "fields": { "name": "string" } },
        "tasks": { "fields": { "step_id": "string", "title": "string", "status": "string?" },
                   "references": { "step_id": { "table": "steps", "onDelete": "cascade" } },
                   "priority": { "default": "low", "fields": { "status": "high" } } } } });
    Rc::new(Schema::parse(&document).expect("the schema of the benchmarks"))
}

const PRIORITIES: [Priority; 4] = [Priority::Low, Priority::Medium, Priority::High, Priority::Critical];

/// A create that depends on one of the hundred before it, in nine of ten cases.
fn mutation(sequence: u64) -> Mutation<Value> {
    let parent = sequence - 1 - sequence.wrapping_mul(31) % 100 % sequence;
    let at = usize::try_from(sequence * 7 % 4).unwrap_or_default();
    Mutation {
        id: format!("0199c82c-c000-7000-8000-{sequence:012}").as_str().into(),
        sequence,
        table: "tasks".into(),
        record_id: format!("temp_1760000000000_{sequence:013}_tasks").as_str().into(),
        operation: Operation::Create,
        data: json!({ "title": "Splice", "step_id": "41" }),
        unset: Vec::new(),
        base_version: None,
        timestamp: 1_760_000_000_000,
        priority: PRIORITIES[at],
        state: MutationState::Pending,
        attempts: 0,
        first_sent_at: None,
        last_attempt_at: None,
        next_attempt_at: None,
        error: None,
        dependencies: if sequence.is_multiple_of(10) || parent == 0 {
            Vec::new()
        } else {
            vec![format!("0199c82c-c000-7000-8000-{parent:012}").as_str().into()]
        },
        principal: "u7".into(),
        schema_version: 1,
        withdrawing: false,
        dating: None,
        merges: 0,
    }
}

fn queued(count: u64) -> State<Value> {
    let mut state = State::new(schema());
    let rows = (1..=count)
        .map(mutation)
        .map(|mutation| Change::Mutation { id: mutation.id.clone(), row: Some(Rc::new(mutation)) });
    state.apply(rows.collect(), &mut ());
    state
}

const WANTED: Wanted<'static> =
    Wanted { principal: "u7", now_ms: 1_760_000_001_000, limit: 50, one_table: false, schema: None };

fn order(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("order");
    group.sample_size(10);
    for count in [500, 10_000, 100_000] {
        // From opening to the last batch: made, and kept while everything leaves.
        group.bench_function(BenchmarkId::new("all batches", count), |bencher| {
            bencher.iter_batched(
                || queued(count),
                |mut state| loop {
                    let batch = next_batch(&state.outbox, &WANTED).mutations;
                    if batch.is_empty() {
                        break state;
                    }
                    let gone = batch.into_iter().map(|id| Change::Mutation { id, row: None });
                    state.apply(gone.collect(), &mut ());
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.bench_function("first batch of 100000", |bencher| {
        bencher.iter_batched(
            || queued(100_000),
            |state| {
                black_box(next_batch(&state.outbox, &WANTED));
                state
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn coalescing(criterion: &mut Criterion) {
    let engine = block_on(open());
    let records = (0..100).map(|n| json!({ "name": format!("{n}") })).collect();
    let steps = block_on(create(&engine, "steps", records));
    criterion.bench_function("coalescing/1000 updates of 100 records", |bencher| {
        bencher.iter(|| {
            for n in 0..1_000 {
                let command = Command::Update {
                    table: "steps".into(),
                    id: steps[n % 100].clone(),
                    changes: json!({ "name": format!("changed {n}") }),
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

fn rewriting(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("id rewriting");
    group.sample_size(20);
    for children in [100, 10_000] {
        group.bench_function(BenchmarkId::new("one id, references", children), |bencher| {
            bencher.iter_batched(
                || {
                    block_on(async {
                        let engine = open().await;
                        let step = create(&engine, "steps", vec![json!({ "name": "s" })]).await.remove(0);
                        let task = |n| json!({ "step_id": &*step, "title": format!("{n}") });
                        create(&engine, "tasks", (0..children).map(task).collect()).await;
                        let first = engine.state().outbox.iter().next().map(|mutation| mutation.id.clone());
                        let mutations: Vec<Id> = first.into_iter().collect();
                        let sent = Command::Send { mutations: mutations.clone() };
                        let sent = engine.submit(sent, Durability::Strict).await;
                        assert!(sent.is_ok(), "{sent:?}");
                        (engine, mutations)
                    })
                },
                |(engine, mutations)| {
                    let applied =
                        Applied { record_id: "41".to_owned(), version: 1, updated_at: 1, record: None };
                    let results =
                        vec![OperationResult::new(mutations[0].to_string(), Outcome::Applied(applied))];
                    let answer = Answer { epoch: "e".to_owned(), server_time: 1, results, beginnings: 0 };
                    let done = block_on(engine.submit(Command::Answer { answer }, Durability::Relaxed));
                    assert!(done.is_ok(), "{done:?}");
                    engine
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// A remote that applies everything, and has nothing to say.
struct Obliging(Cell<u64>);

impl Remote<Value> for Obliging {
    async fn push(&self, upload: &Upload<Value>) -> Result<UploadAnswer<Value>, RemoteError> {
        let results = upload.operations.iter().map(|operation| {
            self.0.set(self.0.get() + 1);
            let applied =
                Applied { record_id: self.0.get().to_string(), version: 1, updated_at: 1, record: None };
            OperationResult::new(operation.id.clone(), Outcome::Applied(applied))
        });
        Ok(UploadAnswer {
            protocol: 1,
            epoch: "e".to_owned(),
            server_time: 1,
            results: results.collect(),
            id_mappings: Vec::new(),
        })
    }

    async fn pull(&self, _: &Download) -> Result<Page<Value>, RemoteError> {
        Ok(Page {
            entities: Vec::new(),
            deletions: Vec::new(),
            cursor: "c".to_owned(),
            has_more: false,
            epoch: "e".to_owned(),
            horizon: 0,
            server_time: 1,
        })
    }
}

struct Alone;

impl Lease for Alone {
    type Held = ();

    async fn try_acquire(&self) -> Option<()> {
        Some(())
    }

    async fn acquire(&self) {}
}

struct World {
    log: MemoryLog<Value>,
    remote: Obliging,
    ticks: Cell<u64>,
}

impl Clock for World {
    fn now_ms(&self) -> u64 {
        1_760_000_000_000 + self.elapsed_ms()
    }

    fn elapsed_ms(&self) -> u64 {
        self.ticks.set(self.ticks.get() + 1);
        self.ticks.get()
    }
}

impl Random for World {
    fn bits(&self) -> u64 {
        self.elapsed_ms().wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

impl Signals for World {
    fn announce(&self, _: u64) {}
}

impl Ports for World {
    type Body = Value;
    type Log = MemoryLog<Value>;
    type Remote = Obliging;
    type Lease = Alone;

    fn log(&self) -> &Self::Log {
        &self.log
    }

    fn remote(&self) -> &Obliging {
        &self.remote
    }

    fn lease(&self) -> &Alone {
        &Alone
    }

    fn clock(&self) -> &dyn Clock {
        self
    }

    fn random(&self) -> &dyn Random {
        self
    }

    fn signals(&self) -> &dyn Signals {
        self
    }

    fn event(&self, _: Event) {}

    async fn sleep_ms(&self, _: u64) {
        std::future::pending::<()>().await;
    }
}

async fn open() -> Engine<World> {
    let world = World { log: MemoryLog::default(), remote: Obliging(Cell::new(0)), ticks: Cell::new(0) };
    let identity = Identity { tenant: "acme".into(), principal: "u7".into() };
    Engine::open(world, schema(), identity).await.expect("a store in memory opens")
}

async fn create(engine: &Engine<World>, table: &str, records: Vec<Value>) -> Vec<Id> {
    let options = WriteOptions::default();
    let command = Command::Create { table: table.into(), records, is_list: true, options };
    match engine.submit(command, Durability::Relaxed).await {
        Ok(Done::Written(ids)) => ids,
        other => unreachable!("{other:?}"),
    }
}

async fn with_a_thousand() -> Engine<World> {
    let engine = open().await;
    let steps = create(&engine, "steps", (0..100).map(|n| json!({ "name": format!("{n}") })).collect()).await;
    let task = |n: usize| json!({ "step_id": &*steps[n % 100], "title": format!("{n}") });
    create(&engine, "tasks", (0..900).map(task).collect()).await;
    engine
}

fn pass(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pass");
    group.sample_size(20);
    group.bench_function("1000 operations", |bencher| {
        bencher.iter_batched(
            || block_on(with_a_thousand()),
            |engine| {
                let report = block_on(engine.pass_now());
                assert_eq!((report.pushed, report.remaining), (1_000, 0));
                engine
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, order, coalescing, rewriting, pass);
criterion_main!(benches);

//! Conflicts as the engine meets them (V8): found in an answer, settled by rules, decided by a person.
//!
//! V8 wants 100 conflicts found in 1,000 records within 500 ms, and one resolved within 100 ms.

use std::{hint::black_box, rc::Rc};

use criterion::{BatchSize, Criterion, criterion_group};
use landfall_core::sorted::SortedMap;
use landfall_core::{
    body::SyncStatus,
    decide::{Answer, Command, Decision, Done, Writer, decide, draft::Draft, mint::Mint, preview},
    log::entry::{Base, Change, Id, Mutation, MutationState, Operation, Record, ServerCopy},
    merge::{Choice, Path},
    protocol::{Applied, EntityRow, OperationResult, Outcome, Theirs},
    schema::{Priority, Schema, rules::Strategy},
    state::{Meta, State},
};
use serde_json::{Value, json};

const RECORDS: u64 = 1_000;
/// Every tenth record was changed by somebody else; half of those in a field without a rule.
const CONFLICTS: u64 = 100;

fn schema() -> Rc<Schema> {
    let document = json!({ "version": 1, "tables": { "tasks": {
        "fields": { "title": "string", "status": "string", "progress": "number", "notes": "string", "assignee": "string?",
            "due": "string?", "logs": "json" },
        "rules": { "status": { "progression": ["open", "started", "done"] }, "progress": "highest", "notes": "text",
            "assignee": "latest", "logs": { "union": { "by": "id" } } } } } });
    Rc::new(Schema::parse(&document).expect("the schema of the benchmarks"))
}

fn task(title: &str, progress: u64) -> Value {
    json!({ "title": title, "status": "open", "progress": progress, "notes": "first line\nsecond line", "assignee": "ana",
        "due": "2026-12-01", "logs": [{ "id": "1", "minutes": 30 }] })
}

fn id_of(number: u64) -> String {
    format!("0199c82c-c000-7000-8000-{number:012}")
}

/// A thousand records, each with a change that is under way.
fn under_way() -> State<Value> {
    let mut state = State::new(schema());
    state.hold_table("tasks", Vec::new());
    let mut rows = vec![
        Change::Meta { key: Meta::EPOCH.into(), value: Some("e1".into()) },
        Change::Meta { key: Meta::SERVER_TIME.into(), value: Some("1760000000000".into()) },
    ];
    for number in 0..RECORDS {
        let (table, id): (Id, Id) = ("tasks".into(), number.to_string().as_str().into());
        let base = ServerCopy { data: task("Splice", 10), version: 4, updated_at: 5, deleted: false };
        let data = json!({ "title": "Splice at 4", "progress": 40 });
        let mutation: Id = id_of(number).as_str().into();
        rows.push(Change::Record {
            table: table.clone(),
            id: id.clone(),
            row: Some(Record {
                data: task("Splice at 4", 40),
                version: Some(4),
                server_updated_at: Some(5),
                local_updated_at: Some(6),
                sync_id: Some(mutation.clone()),
                status: SyncStatus::Modified,
                deleted: false,
            }),
        });
        let row = Some(Base { base: Some(base), theirs: None, left: false });
        rows.push(Change::Base { table: table.clone(), id: id.clone(), row });
        rows.push(Change::Mutation {
            id: mutation.clone(),
            row: Some(Rc::new(Mutation {
                id: mutation,
                sequence: number + 1,
                table,
                record_id: id,
                operation: Operation::Update,
                data,
                unset: Vec::new(),
                base_version: Some(4),
                timestamp: 1_760_000_000_000,
                priority: Priority::Medium,
                state: MutationState::Sending,
                attempts: 0,
                first_sent_at: Some(1),
                last_attempt_at: None,
                next_attempt_at: None,
                error: None,
                dependencies: Vec::new(),
                principal: "u7".into(),
                schema_version: 1,
                withdrawing: false,
                dating: None,
                merges: 0,
            })),
        });
    }
    state.apply(rows, &mut ());
    state
}

fn answer() -> Command<Value> {
    let result = |number: u64| {
        let outcome = if number.is_multiple_of(RECORDS / CONFLICTS) {
            let title = if number.is_multiple_of(2 * RECORDS / CONFLICTS) { "Joint" } else { "Splice" };
            Outcome::Conflict(Theirs::Record(EntityRow {
                table: "tasks".to_owned(),
                id: number.to_string(),
                version: 5,
                updated_at: 7,
                created_as: None,
                data: task(title, 60),
            }))
        } else {
            let record_id = number.to_string();
            Outcome::Applied(Applied { record_id, version: 5, updated_at: 7, record: None })
        };
        OperationResult::new(id_of(number), outcome)
    };
    Command::Answer {
        answer: Answer {
            epoch: "e1".to_owned(),
            server_time: 1_760_000_000_500,
            results: (0..RECORDS).map(result).collect(),
            beginnings: 0,
        },
    }
}

const MINT: Mint = Mint { now_ms: 1_760_000_000_600, seed: [7, 11], session: 1, offset: Some(0), first: 0 };

fn writer() -> Writer {
    Writer { principal: "u7".into(), schema_version: 1, functions: Rc::new(()) }
}

fn decided(state: &State<Value>, command: &Command<Value>) -> (Done, Vec<Change<Value>>) {
    let mut draft = Draft::new(state);
    let done = decide(&mut draft, command, MINT, &writer()).expect("a decision");
    (done, draft.into_changes())
}

fn conflicts(criterion: &mut Criterion) {
    let (state, answer) = (under_way(), answer());
    let mut group = criterion.benchmark_group("conflicts");
    group.sample_size(20);
    group.bench_function("an answer to 1000 changes, 100 of which met another", |bencher| {
        bencher.iter(|| {
            let (done, changes) = decided(black_box(&state), &answer);
            let Done::Answered(tally) = done else { unreachable!("it is an answer") };
            assert_eq!((tally.applied, tally.merged, tally.conflicts), (900, 50, 50));
            changes
        });
    });
    let mut state = state;
    let (_, changes) = decided(&state, &answer);
    state.apply(changes, &mut ());
    let open: Vec<Id> = state.conflicts.open().map(|(id, _)| id.clone()).collect();
    let decision = Decision {
        strategy: Some(Strategy::ClientWins),
        choices: SortedMap::from([(
            Path(vec!["title".to_owned()]),
            Choice::Value(Some(json!("Splice at 4, joint at 5"))),
        )]),
    };
    group.bench_function("one, previewed", |bencher| {
        bencher.iter(|| {
            let preview = preview(black_box(&state), &open[0], &decision, MINT, &writer());
            assert!(preview.expect("an open conflict").is_settled);
        });
    });
    let one = Command::Resolve { conflicts: vec![open[0].clone()], decision: decision.clone() };
    group.bench_function("one, resolved", |bencher| {
        bencher.iter(|| decided(black_box(&state), &one));
    });
    let all = Command::Resolve { conflicts: open, decision };
    group.bench_function("50 by one decision", |bencher| {
        bencher.iter_batched(|| (), |()| decided(black_box(&state), &all), BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, conflicts);

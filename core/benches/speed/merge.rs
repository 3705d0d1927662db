//! Merging three versions, telling two apart, and the hash of one (V8: conflicts of 1,000 records are found within 500 ms, one is
//! resolved within 100 ms).

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use landfall_core::sorted::SortedMap;
use landfall_core::{
    canonical::content_hash,
    merge::{Choice, Fields, Means, Merge, Path, Sides, Written, merge},
    schema::{
        Field, FieldKind,
        rules::{Rules, Strategy},
    },
};
use serde_json::{Value, json};

use crate::sizes;

/// About 300 bytes in 10 fields, as the other benchmarks have them.
fn record(number: usize) -> Fields {
    let value = json!({
        "step_id": format!("{}", number % 100), "title": format!("Splice the cable of cabinet {number}"), "status": "in_progress",
        "progress": number % 100, "assignee_id": format!("u{}", number % 7), "due_date": "2026-12-01",
        "notes": "Bring the long ladder.\nThe key is with the caretaker.\nRing twice.", "blocked": false, "visits": number % 5,
        "time_logs": [{ "id": "a", "start": 1, "end": 2 }, { "id": "b", "start": 3, "end": 4 }],
    });
    let Value::Object(fields) = value else { unreachable!("an object") };
    fields
}

fn changed(record: &Fields, changes: &[(&str, Value)]) -> Fields {
    let mut record = record.clone();
    record.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    record
}

struct Three {
    base: Fields,
    ours: Fields,
    theirs: Fields,
}

/// How many differ. Larger sizes take them again and again: no record knows of another one.
const RECORDS: usize = 1_000;

/// One of ten is contested in all that rules are for and in its title; of the others each side changed something else.
fn records() -> Vec<Three> {
    let three = |number: usize| {
        let base = record(number);
        let log = |id: &str, start: u32| json!({ "id": id, "start": start, "end": start + 2 });
        if !number.is_multiple_of(10) {
            let ours = changed(&base, &[("status", json!("completed"))]);
            let theirs = changed(&base, &[("assignee_id", json!("u9"))]);
            return Three { base, ours, theirs };
        }
        let ours = changed(
            &base,
            &[
                ("title", json!("Splice")),
                ("status", json!("completed")),
                ("progress", json!(120)),
                ("visits", json!(9)),
                ("notes", json!("Bring two ladders.\nThe key is with the caretaker.\nRing twice.")),
                ("time_logs", json!([log("a", 1), log("b", 3), log("c", 9)])),
            ],
        );
        let theirs = changed(
            &base,
            &[
                ("title", json!("Cut")),
                ("status", json!("blocked")),
                ("progress", json!(110)),
                ("visits", json!(7)),
                ("notes", json!("Bring the long ladder.\nThe key is with the caretaker.\nRing once.")),
                ("time_logs", json!([log("a", 1), log("b", 3), log("d", 10)])),
            ],
        );
        Three { base, ours, theirs }
    };
    (0..RECORDS).map(three).collect()
}

fn rules() -> Rules {
    let document = json!({
        "status": { "progression": ["blocked", "in_progress", "completed"] }, "progress": "highest", "visits": "counter", "notes": "text",
        "time_logs": { "union": { "by": "id", "overlap": ["start", "end"] } },
    });
    let kinds = [
        ("status", FieldKind::String),
        ("progress", FieldKind::Number),
        ("visits", FieldKind::Number),
        ("notes", FieldKind::String),
        ("time_logs", FieldKind::Json),
    ];
    let fields = kinds.map(|(name, kind)| (name.to_owned(), Field { kind, optional: false }));
    Rules::parse(Some(&document), Strategy::default(), "rules", &fields.into_iter().collect())
        .expect("the rules of the benchmarks")
}

fn merged(three: &Three, rules: &Rules, choices: &SortedMap<Path, Choice>) -> Merge {
    let sides = Sides {
        base: Some(&three.base),
        ours: Written { fields: &three.ours, at: 2 },
        theirs: Written { fields: &three.theirs, at: 1 },
    };
    merge(sides, Means { rules, choices, functions: &() })
}

fn merging(criterion: &mut Criterion) {
    let (records, rules, nothing) = (records(), rules(), SortedMap::new());
    let merges: Vec<Merge> = records.iter().map(|three| merged(three, &rules, &nothing)).collect();
    let mut group = criterion.benchmark_group("merge");
    group.sample_size(10);
    for count in sizes() {
        let all = || records.iter().cycle().zip(0..*count).map(|(three, _)| black_box(three));
        group.throughput(Throughput::Elements(*count));
        group.bench_function(BenchmarkId::new("records, one in ten contested", count), |bencher| {
            bencher.iter(|| {
                let open = all().filter(|three| !merged(three, &rules, &nothing).is_settled());
                assert_eq!(open.count() as u64, count / 10);
            });
        });
        group.bench_function(BenchmarkId::new("differences to theirs", count), |bencher| {
            bencher.iter(|| {
                let changes =
                    all().zip(merges.iter().cycle()).map(|(three, merge)| merge.changes_of(&three.theirs));
                assert_eq!(changes.filter(|(set, _)| !set.is_empty()).count() as u64, *count);
            });
        });
        group.bench_function(BenchmarkId::new("hashes", count), |bencher| {
            bencher.iter(|| all().map(|three| content_hash(&three.ours).len()).sum::<usize>());
        });
    }
    let choices = SortedMap::from([(Path(vec!["title".to_owned()]), Choice::Ours)]);
    group.bench_function("one, decided by a person", |bencher| {
        bencher.iter(|| {
            let merge = merged(black_box(&records[0]), &rules, &choices);
            assert!(merge.is_settled());
            merge.changes_of(&records[0].theirs)
        });
    });
    group.finish();
}

criterion_group!(benches, merging);

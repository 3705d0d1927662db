//! What every implementation of the store port must do, as the port's docs say it: each function takes an empty store, of the
//! first epoch, and panics where it does not hold.

#![expect(clippy::unwrap_used, reason = "these are tests, for whoever implements the port")]
#![expect(clippy::missing_panics_doc, reason = "to panic is what they are for")]

use landfall_core::protocol::{OperationKind, OperationResult, Outcome, Rejection};
use serde_json::{Value, json};

use crate::decisions::port::{
    After, Answer, Changes, ChangesQuery, Fields, Record, Snapshot, Store, Transaction,
};

pub(super) fn record(id: &str, seq: u64, data: Value) -> Record {
    let Value::Object(data) = data else { panic!("fields are an object") };
    Record {
        tenant: "acme".into(),
        table: "tasks".into(),
        id: id.into(),
        version: 1,
        updated_at: 1_000 + seq,
        deleted: false,
        created_as: Some(format!("temp_1_{id}_tasks")),
        created_by: "ana".into(),
        seq,
        scope_seq: seq,
        data,
    }
}

pub(super) fn answer(key: &str, operation: OperationKind, record_id: Option<&str>, at: u64) -> Answer {
    let rejection = Rejection { code: "invalid-value".into(), field: None, message: "no".into() };
    let mut result = OperationResult::new(key.into(), Outcome::Rejected(rejection));
    result.record_id = record_id.map(str::to_owned);
    Answer {
        tenant: "acme".into(),
        principal: "ana".into(),
        operation,
        table: "tasks".into(),
        local_id: "temp_1_a_tasks".into(),
        result,
        at,
    }
}

pub(super) async fn write<S: Store>(store: &S, records: &[Record]) {
    let mut transaction = store.begin().await.unwrap();
    for record in records {
        while transaction.position().await.unwrap().last_seq < record.seq {
            transaction.next_seq().await.unwrap();
        }
        transaction.put(record).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

pub(super) async fn changes<S: Store>(store: &S, tenant: &str, after: After, limit: u32) -> Changes {
    let query =
        ChangesQuery { tenant: tenant.into(), tables: vec!["tasks".into(), "steps".into()], after, limit };
    store.changes(query).await.unwrap()
}

pub(super) fn ids(changes: &Changes) -> Vec<&str> {
    changes.records.iter().map(|record| record.id.as_str()).collect()
}

pub async fn begins_empty<S: Store>(store: S) {
    let position = store.position().await.unwrap();
    assert!(!position.epoch.is_empty());
    assert_eq!((position.horizon, position.last_seq, position.purged_seq), (0, 0, 0));
    let none = changes(&store, "acme", After::Seq(0), 10).await;
    assert_eq!((none.records.len(), none.has_more), (0, false));
    assert_eq!(store.snapshot().await.unwrap().position().await.unwrap(), position);
}

pub async fn what_is_committed_is_there_whole<S: Store>(store: S) {
    let kept = record("1", 1, json!({ "title": "Splice", "size": 1.5, "note": null }));
    let mut transaction = store.begin().await.unwrap();
    assert_eq!(transaction.next_seq().await.unwrap(), 1);
    transaction.put(&kept).await.unwrap();
    let remembered = answer("k", OperationKind::Create, Some("1"), 5);
    transaction.remember(&remembered).await.unwrap();
    assert_eq!(transaction.record("acme", "tasks", "1").await.unwrap(), Some(kept.clone()));
    assert_eq!(changes_or_nothing(&store).await, 0, "seen before the commit");
    transaction.commit().await.unwrap();

    let mut transaction = store.begin().await.unwrap();
    assert_eq!(transaction.record("acme", "tasks", "1").await.unwrap(), Some(kept.clone()));
    assert_eq!(transaction.answer("acme", "ana", "k").await.unwrap(), Some(remembered));
    assert_eq!(transaction.answer("acme", "ben", "k").await.unwrap(), None);
    let tombstone = Record { deleted: true, version: 2, seq: 2, data: Fields::new(), ..kept };
    transaction.put(&tombstone).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(changes(&store, "acme", After::Seq(0), 10).await.records, [tombstone]);
}

/// The memory store has one lock and lets nobody read during a transaction, which is a snapshot of its own kind.
async fn changes_or_nothing<S: Store>(store: &S) -> usize {
    let reading = changes(store, "acme", After::Seq(0), 10);
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(50), reading);
    waiting.await.map_or(0, |changes| changes.records.len())
}

pub async fn what_is_dropped_never_was<S: Store>(store: S) {
    write(&store, &[record("1", 1, json!({ "title": "old" }))]).await;
    let mut transaction = store.begin().await.unwrap();
    transaction.next_seq().await.unwrap();
    transaction.put(&record("1", 2, json!({ "title": "new" }))).await.unwrap();
    transaction.put(&record("2", 3, json!({}))).await.unwrap();
    transaction.remember(&answer("k", OperationKind::Create, None, 5)).await.unwrap();
    transaction.purge(900).await.unwrap();
    drop(transaction);

    let after = changes(&store, "acme", After::Seq(0), 10).await;
    assert_eq!(after.records, [record("1", 1, json!({ "title": "old" }))]);
    let position = store.position().await.unwrap();
    assert_eq!((position.last_seq, position.horizon), (1, 0));
    let mut transaction = store.begin().await.unwrap();
    assert_eq!(transaction.answer("acme", "ana", "k").await.unwrap(), None);
}

pub async fn a_savepoint_takes_back_what_came_after_it<S: Store>(store: S) {
    let mut transaction = store.begin().await.unwrap();
    assert_eq!(transaction.next_id().await.unwrap(), "1");
    transaction.put(&record("1", 1, json!({ "n": 1 }))).await.unwrap();
    transaction.savepoint().await.unwrap();
    transaction.put(&record("1", 2, json!({ "n": 2 }))).await.unwrap();
    transaction.put(&record("2", 3, json!({}))).await.unwrap();
    transaction.remember(&answer("k", OperationKind::Create, None, 5)).await.unwrap();
    assert_eq!(transaction.next_id().await.unwrap(), "2");
    transaction.next_seq().await.unwrap();
    for _ in 0..2 {
        transaction.rollback_to_savepoint().await.unwrap();
        assert_eq!(transaction.record("acme", "tasks", "1").await.unwrap().unwrap().data["n"], 1);
        assert_eq!(transaction.record("acme", "tasks", "2").await.unwrap(), None);
        assert_eq!(transaction.answer("acme", "ana", "k").await.unwrap(), None);
        assert_eq!(transaction.position().await.unwrap().last_seq, 0);
        transaction.put(&record("1", 2, json!({ "n": 3 }))).await.unwrap();
    }
    transaction.savepoint().await.unwrap();
    transaction.rollback_to_savepoint().await.unwrap();
    assert_eq!(transaction.next_id().await.unwrap(), "2");
    transaction.commit().await.unwrap();
    assert_eq!(changes(&store, "acme", After::Seq(0), 10).await.records[0].data["n"], 3);
}

pub async fn numbers_are_never_given_twice<S: Store>(store: S) {
    for round in 1..=3_u64 {
        let mut transaction = store.begin().await.unwrap();
        assert_eq!(transaction.next_id().await.unwrap(), (round * 2 - 1).to_string());
        assert_eq!(transaction.next_id().await.unwrap(), (round * 2).to_string());
        assert_eq!(transaction.next_seq().await.unwrap(), round);
        assert_eq!(transaction.position().await.unwrap().last_seq, round);
        transaction.commit().await.unwrap();
        assert_eq!(store.position().await.unwrap().last_seq, round);
    }
}

pub async fn finds_by_temporary_id_of_that_principal<S: Store>(store: S) {
    write(&store, &[record("1", 1, json!({}))]).await;
    let mut transaction = store.begin().await.unwrap();
    let found = transaction.record_created_as("acme", "ana", "temp_1_1_tasks").await.unwrap();
    assert_eq!(found.unwrap().id, "1");
    for (tenant, principal, id) in [
        ("acme", "ben", "temp_1_1_tasks"),
        ("other", "ana", "temp_1_1_tasks"),
        ("acme", "ana", "temp_1_2_tasks"),
    ] {
        assert_eq!(transaction.record_created_as(tenant, principal, id).await.unwrap(), None);
    }
}

pub async fn finds_living_records_by_field<S: Store>(store: S) {
    let dead = Record { deleted: true, ..record("3", 3, json!({ "step": "7" })) };
    let other = Record { table: "steps".into(), ..record("4", 4, json!({ "step": "7" })) };
    write(
        &store,
        &[
            record("2", 2, json!({ "step": "7", "n": 1.5, "done": true, "big": 3 })),
            record("1", 1, json!({ "step": "7", "n": 2, "done": false, "big": 3.0 })),
            dead,
            other,
            record("5", 5, json!({ "step": "7'\"; --" })),
        ],
    )
    .await;
    let mut transaction = store.begin().await.unwrap();
    let mut found = async |fields: &[(&str, &Value)]| {
        let records = transaction.records_with("acme", "tasks", fields).await.unwrap();
        records.into_iter().map(|record| record.id).collect::<Vec<_>>()
    };
    assert_eq!(found(&[("step", &json!("7"))]).await, ["1", "2"]);
    assert_eq!(found(&[("step", &json!("7")), ("n", &json!(1.5))]).await, ["2"]);
    assert_eq!(found(&[("done", &json!(true))]).await, ["2"]);
    assert_eq!(found(&[("big", &json!(3))]).await, ["1", "2"]);
    assert_eq!(found(&[("step", &json!("7'\"; --"))]).await, ["5"]);
    assert_eq!(found(&[("absent", &json!("7"))]).await, Vec::<String>::new());
    assert_eq!(found(&[("it's \"odd\"", &json!("7"))]).await, Vec::<String>::new());
}

pub async fn values_come_back_exactly<S: Store>(store: S) {
    let data = json!({
        "tenth": 0.1, "sum": 0.1 + 0.2, "tiny": f64::MIN_POSITIVE, "huge": f64::MAX, "minus zero": -0.0,
        "safe": 9_007_199_254_740_991_u64, "text": "Grüße \u{0} \u{1F389} \" \\ \u{2028}", "": { "a": [null, [], {}] },
        "awkward": 123_456_789.123_456_78, "digits": 5e-324
    });
    write(&store, &[record("1", 1, data.clone())]).await;
    let read = changes(&store, "acme", After::Seq(0), 1).await.records.remove(0).data;
    assert_eq!(Value::Object(read.clone()), data);
    assert!(read["minus zero"].as_f64().unwrap().is_sign_negative());
}

pub async fn changes_are_in_order_and_in_pages<S: Store>(store: S) {
    let records: Vec<Record> = (1..=5).map(|n| record(&(10 - n).to_string(), n, json!({}))).collect();
    write(&store, &records).await;
    // The second changes again and moves to the end.
    write(&store, &[Record { version: 2, seq: 6, ..records[1].clone() }]).await;
    let first = changes(&store, "acme", After::Seq(0), 3).await;
    assert_eq!((ids(&first), first.has_more), (vec!["9", "7", "6"], true));
    let second = changes(&store, "acme", After::Seq(4), 3).await;
    assert_eq!((ids(&second), second.has_more), (vec!["5", "8"], false));
    assert_eq!(second.records[1].version, 2);
    let exact = changes(&store, "acme", After::Seq(4), 2).await;
    assert!(!exact.has_more);
    let others =
        ChangesQuery { tenant: "acme".into(), tables: vec!["steps".into()], after: After::Seq(0), limit: 9 };
    assert_eq!(store.changes(others).await.unwrap().records, []);
}

pub async fn changes_from_a_time<S: Store>(store: S) {
    let records: Vec<Record> = (1..=4).map(|n| record(&n.to_string(), n, json!({}))).collect();
    write(&store, &records).await;
    assert_eq!(ids(&changes(&store, "acme", After::Time(1_003), 9).await), ["3", "4"]);
    assert_eq!(ids(&changes(&store, "acme", After::Time(0), 9).await).len(), 4);
    assert_eq!(ids(&changes(&store, "acme", After::Time(9_999), 9).await).len(), 0);
}

pub async fn tenants_do_not_meet<S: Store>(store: S) {
    let theirs = Record { tenant: "other".into(), seq: 2, ..record("1", 2, json!({ "title": "theirs" })) };
    write(&store, &[record("1", 1, json!({ "title": "ours" })), theirs.clone()]).await;
    assert_eq!(changes(&store, "other", After::Seq(0), 9).await.records, [theirs]);
    assert_eq!(changes(&store, "acme", After::Seq(0), 9).await.records[0].data["title"], "ours");
    let mut transaction = store.begin().await.unwrap();
    let found = transaction.records_with("acme", "tasks", &[("title", &json!("theirs"))]).await.unwrap();
    assert_eq!(found, []);
}

pub async fn one_transaction_at_a_time<S: Store>(store: S) {
    let mut first = store.begin().await.unwrap();
    let wait = std::time::Duration::from_millis(50);
    assert!(tokio::time::timeout(wait, store.begin()).await.is_err(), "two at once");
    let seq = first.next_seq().await.unwrap();
    first.commit().await.unwrap();
    let mut second = store.begin().await.unwrap();
    assert_eq!(second.next_seq().await.unwrap(), seq + 1);
}

pub async fn a_snapshot_reads_one_state<S: Store>(store: S) {
    let scoped = Record { scope_seq: 1, ..record("2", 2, json!({ "n": 2 })) };
    write(&store, &[record("1", 1, json!({ "n": 1 })), scoped.clone()]).await;
    let mut snapshot = store.snapshot().await.unwrap();
    let position = snapshot.position().await.unwrap();
    let writing = {
        let store = &store;
        async move {
            write(store, &[record("1", 3, json!({ "n": 3 }))]).await;
        }
    };
    // Where reading keeps writers out, they have to wait.
    let _ = tokio::time::timeout(std::time::Duration::from_millis(50), writing).await;
    assert_eq!(snapshot.record("acme", "tasks", "1").await.unwrap().unwrap().data["n"], 1);
    assert_eq!(snapshot.record("acme", "tasks", "2").await.unwrap(), Some(scoped));
    assert_eq!(snapshot.record("other", "tasks", "1").await.unwrap(), None);
    let query =
        ChangesQuery { tenant: "acme".into(), tables: vec!["tasks".into()], after: After::Seq(0), limit: 9 };
    assert_eq!(ids(&snapshot.changes(query).await.unwrap()), ["1", "2"]);
    assert_eq!((position.last_seq, snapshot.position().await.unwrap()), (2, position));
}

pub async fn a_purge_forgets_what_is_old<S: Store>(store: S) {
    let dead = |id: &str, seq: u64, at: u64| Record {
        deleted: true,
        updated_at: at,
        data: Fields::new(),
        ..record(id, seq, json!({}))
    };
    let living = Record { updated_at: 10, ..record("1", 1, json!({})) };
    write(&store, &[living.clone(), dead("2", 2, 99), dead("3", 3, 100), dead("4", 4, 10)]).await;
    let mut transaction = store.begin().await.unwrap();
    let kept = [
        answer("create of the living", OperationKind::Create, Some("1"), 10),
        answer("create of a kept tombstone", OperationKind::Create, Some("3"), 10),
        answer("young", OperationKind::Update, Some("2"), 100),
    ];
    let gone = [
        answer("create of the purged", OperationKind::Create, Some("2"), 10),
        answer("update of the living", OperationKind::Update, Some("1"), 99),
        answer("rejected create", OperationKind::Create, None, 99),
    ];
    for answer in kept.iter().chain(&gone) {
        transaction.remember(answer).await.unwrap();
    }
    assert_eq!(transaction.purge(100).await.unwrap(), 2);
    assert_eq!(transaction.purge(50).await.unwrap(), 0);
    for answer in &kept {
        assert_eq!(
            transaction.answer("acme", "ana", &answer.result.id).await.unwrap().as_ref(),
            Some(answer)
        );
    }
    for answer in &gone {
        assert_eq!(transaction.answer("acme", "ana", &answer.result.id).await.unwrap(), None, "{answer:?}");
    }
    transaction.commit().await.unwrap();
    let after = changes(&store, "acme", After::Seq(0), 9).await;
    assert_eq!(after.records, [living, dead("3", 3, 100)]);
    let position = store.position().await.unwrap();
    assert_eq!((position.horizon, position.purged_seq), (100, 4));
}

//! The contract of conflicts, as [`contract`](super::contract) has it for the rest.

#![expect(clippy::unwrap_used, reason = "these are tests, for whoever implements the port")]
#![expect(clippy::missing_panics_doc, reason = "to panic is what they are for")]

use landfall_core::protocol::OperationKind;
use landfall_core::protocol::conflicts::{ConflictCounts, ConflictKind, ConflictState, Resolution};
use serde_json::json;

use crate::decisions::port::{Conflict, ConflictsQuery, Decision, Snapshot, Store, Transaction};

fn conflict(id: &str, at: u64) -> Conflict {
    let fields = |title: &str| json!({ "title": title, "size": 1.5 }).as_object().cloned();
    Conflict {
        tenant: "acme".into(),
        id: id.into(),
        operation_id: format!("operation {id}"),
        principal: "ana".into(),
        device_id: "device_1".into(),
        table: "tasks".into(),
        record_id: "7".into(),
        operation: OperationKind::Update,
        kind: ConflictKind::UpdateUpdate,
        base: fields("base"),
        ours: fields("ours"),
        ours_at: 900,
        theirs: fields("theirs"),
        paths: vec![vec!["title".into()], vec!["log".into(), "a.b".into()]],
        at,
        decision: None,
    }
}

fn resolved(conflict: Conflict) -> Conflict {
    let decision = Decision { resolution: Resolution::ClientWins, by: "ben".into(), at: 2_000 };
    Conflict { decision: Some(decision), ..conflict }
}

fn query(tenant: &str) -> ConflictsQuery {
    ConflictsQuery { tenant: tenant.into(), state: None, table: None, kind: None, after: None, limit: 9 }
}

async fn held<S: Store>(store: &S, query: ConflictsQuery) -> (Vec<String>, bool, ConflictCounts) {
    let found = store.snapshot().await.unwrap().conflicts(query).await.unwrap();
    (found.conflicts.into_iter().map(|conflict| conflict.id).collect(), found.has_more, found.counts)
}

async fn hold<S: Store>(store: &S, conflicts: &[Conflict]) {
    let mut transaction = store.begin().await.unwrap();
    for conflict in conflicts {
        transaction.put_conflict(conflict).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

pub async fn conflicts_come_back_exactly<S: Store>(store: S) {
    let whole = conflict("a", 1_000);
    let bare = Conflict { base: None, ours: None, theirs: None, paths: Vec::new(), ..conflict("b", 1_000) };
    hold(&store, &[whole.clone(), bare.clone()]).await;
    let mut transaction = store.begin().await.unwrap();
    assert_eq!(transaction.conflict("acme", "a").await.unwrap(), Some(whole.clone()));
    assert_eq!(transaction.conflict("acme", "b").await.unwrap(), Some(bare));
    assert_eq!(transaction.conflict("other", "a").await.unwrap(), None);
    let decided = resolved(whole);
    transaction.put_conflict(&decided).await.unwrap();
    assert_eq!(transaction.conflict("acme", "a").await.unwrap(), Some(decided.clone()));
    transaction.commit().await.unwrap();
    let found = store.snapshot().await.unwrap().conflicts(query("acme")).await.unwrap();
    assert_eq!(found.conflicts[0], decided);
    assert_eq!(found.counts, ConflictCounts { open: 1, resolved: 1 });
}

pub async fn conflicts_are_taken_back_with_the_rest<S: Store>(store: S) {
    hold(&store, &[conflict("a", 1)]).await;
    let mut transaction = store.begin().await.unwrap();
    transaction.savepoint().await.unwrap();
    transaction.put_conflict(&resolved(conflict("a", 1))).await.unwrap();
    transaction.put_conflict(&conflict("b", 2)).await.unwrap();
    transaction.rollback_to_savepoint().await.unwrap();
    assert_eq!(transaction.conflict("acme", "a").await.unwrap(), Some(conflict("a", 1)));
    assert_eq!(transaction.conflict("acme", "b").await.unwrap(), None);
    transaction.put_conflict(&conflict("c", 3)).await.unwrap();
    drop(transaction);
    assert_eq!(held(&store, query("acme")).await.0, ["a"]);
}

pub async fn conflicts_are_found_in_order_and_in_pages<S: Store>(store: S) {
    let elsewhere = Conflict { tenant: "other".into(), ..conflict("z", 1) };
    let steps = Conflict { table: "steps".into(), ..conflict("a", 3) };
    let deleted = Conflict { kind: ConflictKind::UpdateDelete, ..conflict("d", 1) };
    hold(&store, &[steps, conflict("c", 2), resolved(conflict("b", 2)), deleted, elsewhere]).await;
    let counts = ConflictCounts { open: 3, resolved: 1 };
    let all = held(&store, query("acme")).await;
    assert_eq!(all, (["d", "b", "c", "a"].map(str::to_owned).to_vec(), false, counts));
    let first = held(&store, ConflictsQuery { limit: 2, ..query("acme") }).await;
    assert_eq!(first, (["d", "b"].map(str::to_owned).to_vec(), true, counts));
    let behind = ConflictsQuery { limit: 2, after: Some((2, "b".into())), ..query("acme") };
    assert_eq!(held(&store, behind).await, (["c", "a"].map(str::to_owned).to_vec(), false, counts));
    for (asked, ids) in [
        (ConflictsQuery { state: Some(ConflictState::Open), ..query("acme") }, vec!["d", "c", "a"]),
        (ConflictsQuery { state: Some(ConflictState::Resolved), ..query("acme") }, vec!["b"]),
        (ConflictsQuery { table: Some("steps".into()), ..query("acme") }, vec!["a"]),
        (ConflictsQuery { kind: Some(ConflictKind::UpdateDelete), ..query("acme") }, vec!["d"]),
        (ConflictsQuery { table: Some("steps' OR 1 = 1 --".into()), ..query("acme") }, vec![]),
    ] {
        assert_eq!(held(&store, asked.clone()).await.0, ids, "{asked:?}");
    }
    assert_eq!(held(&store, query("other")).await.2, ConflictCounts { open: 1, resolved: 0 });
}

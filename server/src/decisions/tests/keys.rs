//! Idempotency keys: the first definite answer, again and again.

use landfall_core::protocol::Status;
use serde_json::json;

use super::{World, create, delete, over_every_store, rejected, temp, update, with};
use crate::decisions::port::Store;
use crate::store::memory::MemoryStore;

over_every_store![
    a_lost_answer_is_given_again,
    the_first_answer_counts_whatever_the_body,
    a_conflict_of_an_update_is_not_remembered,
    a_conflict_of_a_create_is_remembered,
    keys_belong_to_a_principal,
    a_withdrawal_before_and_after,
    what_may_be_forgotten_is_expired,
];

async fn a_lost_answer_is_given_again<S: Store>(store: S) {
    let mut world = World::new(store);
    let batch = vec![
        create("a", "projects", &temp(1, "projects"), json!({ "name": "x" })),
        create("b", "phases", &temp(2, "phases"), json!({ "project_id": temp(1, "projects"), "name": "y" })),
    ];
    let first = world.send(batch.clone()).await;
    world.now += 1_000;
    let second = world.send(batch).await;
    for (before, after) in first.results.into_iter().zip(second.results) {
        assert_eq!(after.status, Status::Duplicate);
        assert_eq!(
            (after.record_id, after.version, after.updated_at),
            (before.record_id, before.version, before.updated_at)
        );
    }
    assert_eq!(first.id_mappings, second.id_mappings);
    assert_eq!(world.pull(None).await.entities.len(), 2);
}

async fn the_first_answer_counts_whatever_the_body<S: Store>(store: S) {
    let world = World::new(store);
    let id = world.made(create("a", "projects", &temp(1, "projects"), json!({ "name": "x" }))).await;
    let bad = world.one(update("b", "projects", &id, 1, json!({ "name": 7 }))).await;
    assert_eq!(rejected(&bad), ("invalid-value", Some("name")));
    // The same key with a good body, and with another operation altogether.
    assert_eq!(world.one(update("b", "projects", &id, 1, json!({ "name": "z" }))).await, bad);
    assert_eq!(world.one(delete("b", "projects", &id, 1)).await, bad);
    assert_eq!(
        world.one(update("a", "projects", &id, 1, json!({ "name": "z" }))).await.status,
        Status::Duplicate
    );
    assert_eq!(world.fields("projects", &id).await, json!({ "name": "x" }));
    // Twice in one batch is twice.
    let answer = world
        .send(vec![
            update("c", "projects", &id, 1, json!({ "progress": 1 })),
            update("c", "projects", &id, 2, json!({ "progress": 2 })),
        ])
        .await;
    assert_eq!(
        answer.results.iter().map(|r| r.status).collect::<Vec<_>>(),
        [Status::Applied, Status::Duplicate]
    );
    assert_eq!(world.fields("projects", &id).await["progress"], 1);
}

async fn a_conflict_of_an_update_is_not_remembered<S: Store>(store: S) {
    let world = World::new(store);
    let id = world.made(create("a", "projects", &temp(1, "projects"), json!({ "name": "x" }))).await;
    let stale = world.one(update("b", "projects", &id, 7, json!({ "progress": 1 }))).await;
    assert_eq!((stale.status, stale.record.unwrap().version), (Status::Conflict, 1));
    assert_eq!(
        world.one(update("b", "projects", &id, 1, json!({ "progress": 1 }))).await.status,
        Status::Applied
    );
}

async fn a_conflict_of_a_create_is_remembered<S: Store>(store: S) {
    let world = World::new(store);
    let holder = world.made(create("a", "projects", &temp(1, "projects"), json!({ "name": "x" }))).await;
    let second = create("b", "projects", &temp(2, "projects"), json!({ "name": "x" }));
    let first_answer = world.one(second.clone()).await;
    assert_eq!(
        (first_answer.status, first_answer.record.as_ref().unwrap().id.as_str()),
        (Status::Conflict, holder.as_str())
    );
    // The name is free again, but the key has its answer.
    world.made(update("c", "projects", &holder, 1, json!({ "name": "other" }))).await;
    assert_eq!(world.one(second).await, first_answer);
    world.made(create("d", "projects", &temp(2, "projects"), json!({ "name": "x" }))).await;
}

async fn keys_belong_to_a_principal<S: Store>(store: S) {
    let mut world = World::new(store);
    let body = |name: &str| create("same key", "projects", &temp(1, "projects"), json!({ "name": name }));
    let ours = world.made(body("ours")).await;
    world.caller.principal = "ben".into();
    let theirs = world.made(body("theirs")).await;
    assert_ne!(ours, theirs);
    // A temporary id is its principal's word too.
    let phase =
        create("k", "phases", &temp(2, "phases"), json!({ "project_id": temp(1, "projects"), "name": "y" }));
    let phase = world.made(phase).await;
    assert_eq!(world.fields("phases", &phase).await["project_id"], theirs);
    world.caller.principal = "cem".into();
    let phase =
        create("k", "phases", &temp(2, "phases"), json!({ "project_id": temp(1, "projects"), "name": "y" }));
    assert_eq!(rejected(&world.one(phase).await), ("reference-missing", Some("project_id")));
}

async fn a_withdrawal_before_and_after<S: Store>(store: S) {
    let world = World::new(store);
    let withdraw = |key: &str, record: &str| json!({ "id": key, "table": "projects", "recordId": record, "operation": "withdraw", "timestamp": 1 });
    let local = temp(1, "projects");
    let body = create("a", "projects", &local, json!({ "name": "x" }));
    let id = world.made(body.clone()).await;
    // It was applied: the withdrawal comes too late, and brings the answer that was lost.
    let answer = world.send(vec![withdraw("a", &local)]).await;
    assert_eq!(
        (answer.results[0].status, answer.results[0].record_id.as_deref()),
        (Status::Applied, Some(id.as_str()))
    );
    assert_eq!(answer.id_mappings[0].real_id, id);
    // It never came: it never will.
    assert_eq!(rejected(&world.one(withdraw("b", &local)).await), ("withdrawn", None));
    let late = world.one(update("b", "projects", &id, 1, json!({ "progress": 1 }))).await;
    assert_eq!(rejected(&late), ("withdrawn", None));
    assert_eq!(rejected(&world.one(withdraw("b", &local)).await), ("withdrawn", None));
    assert_eq!(world.one(body).await.status, Status::Duplicate);
}

async fn what_may_be_forgotten_is_expired<S: Store>(store: S) {
    let mut world = World::new(store);
    let id = world.made(create("a", "projects", &temp(1, "projects"), json!({ "name": "x" }))).await;
    world.made(update("b", "projects", &id, 1, json!({ "progress": 1 }))).await;
    let sent = world.now;
    world.now += 1_000;
    world.purge(world.now).await;
    let old = |operation| with(operation, "firstSentAt", json!(sent));
    // Forgotten: applying it again could undo what came since.
    let update_again = old(update("b", "projects", &id, 2, json!({ "progress": 9 })));
    assert_eq!(rejected(&world.one(update_again).await), ("expired", None));
    // A create's key lives as long as its record.
    let create_again = old(create("a", "projects", &temp(1, "projects"), json!({ "name": "x" })));
    assert_eq!(world.one(create_again).await.status, Status::Duplicate);
    let young =
        with(update("c", "projects", &id, 2, json!({ "progress": 3 })), "firstSentAt", json!(world.now));
    assert_eq!(world.one(young).await.status, Status::Applied);
}

/// K5: who did what to which record, when, and what came of it.
#[tokio::test]
async fn every_operation_leaves_a_line_in_the_audit() {
    let world = World::new(MemoryStore::new("e"));
    let local = temp(1, "projects");
    let body = create("a", "projects", &local, json!({ "name": "x" }));
    world.send(vec![body.clone(), body, update("b", "projects", &local, 1, json!({ "name": 7 }))]).await;
    let lines = world.store.audit_lines().await;
    let statuses: Vec<Status> = lines.iter().map(|line| line.status).collect();
    assert_eq!(statuses, [Status::Applied, Status::Duplicate, Status::Rejected]);
    let line = &lines[0];
    assert_eq!(
        (line.device_id.as_str(), line.principal.as_str(), line.tenant.as_str()),
        ("device_1", "ana", "acme")
    );
    assert_eq!(
        (line.local_id.as_str(), line.record_id.as_deref(), line.table.as_str()),
        (local.as_str(), Some("1"), "projects")
    );
    assert_eq!((line.written_at, line.sent_at, line.decided_at), (1, 2, world.now));
    assert_eq!(line.payload["data"], json!({ "name": "x" }));
    assert_eq!(lines[2].code.as_deref(), Some("invalid-value"));
    assert!(lines[2].error.as_deref().unwrap().contains("string"));
}

//! Decisions about what is held.

use landfall_core::protocol::conflicts::{ConflictState, Resolution};
use landfall_core::protocol::live::Changed;
use landfall_core::protocol::{EntityRow, OperationKind, Status};
use serde_json::{Value, json};

use super::merging::{job, ours};
use super::{World, create, delete, over_every_store, temp, update, with};
use crate::decisions::port::{ConflictsQuery, Store};
use crate::decisions::{Refusal, Role, conflicts, place_of, resolve};
use crate::store::memory::MemoryStore;

over_every_store![
    each_way_with_what_both_changed,
    the_later_is_told_by_what_is_there_now,
    a_copy_that_comes_after_the_answer_is_forgotten_opens_nothing,
    what_was_not_contested_is_merged_by_any_way,
    it_is_about_the_record_as_it_is_now,
    without_a_base_what_others_changed_since_is_theirs,
    what_is_still_open_is_refused,
    what_is_given_by_hand_wins,
    what_is_given_by_hand_is_checked,
    each_way_with_an_edit_of_what_was_deleted,
    nothing_is_resurrected,
    each_way_with_a_deletion_of_what_was_changed,
    a_record_with_a_uuid_is_made_anew_under_another,
    two_creates_become_one,
    a_natural_key_may_be_taken_since,
    what_it_referred_to_may_be_gone_since,
    who_may_decide_and_once,
    pages_of_what_is_held,
];

type Decided = Result<(Option<EntityRow<Value>>, Vec<Changed>), Refusal>;

async fn decide<S: Store>(world: &World<S>, id: &str, resolution: &str, data: Value) -> Decided {
    let request = json!({ "protocol": 1, "conflictId": id, "resolution": resolution, "data": data, "deviceId": "device_2" });
    let request = serde_json::from_value(request).unwrap();
    let (resolved, changed) = resolve(&world.store, &world.rules, &world.caller, world.now, request).await?;
    assert!(resolved.success);
    Ok((resolved.entity, changed))
}

/// What this leaves of the record, or nothing.
async fn left<S: Store>(world: &World<S>, id: &str, resolution: &str) -> Option<Value> {
    decide(world, id, resolution, Value::Null).await.unwrap().0.map(|row| row.data)
}

/// The code it is refused with, and why.
async fn refused<S: Store>(
    world: &World<S>,
    id: &str,
    resolution: &str,
    data: Value,
) -> (&'static str, String) {
    let refusal = decide(world, id, resolution, data).await.unwrap_err();
    (refusal.code().name(), refusal.to_string())
}

/// Holds an operation.
async fn held<S: Store>(world: &World<S>, operation: Value) -> String {
    let result = world.merged(operation).await;
    result.conflict_id.clone().unwrap_or_else(|| panic!("not held: {result:?}"))
}

/// A job whose title both changed: they to `Theirs`, we to `Ours`; they its progress, we its assignee.
async fn contested<S: Store>(world: &mut World<S>) -> (String, String) {
    let id = job(world, json!({ "title": "Theirs", "progress": 60 })).await;
    world.now += 10_000;
    let operation = ours(
        "a",
        &id,
        json!({ "title": "Splice", "assignee": "ana" }),
        json!({ "title": "Ours", "assignee": "ben" }),
    );
    let conflict = held(world, operation).await;
    (id, conflict)
}

async fn each_way_with_what_both_changed<S: Store>(store: S) {
    let mut world = World::new(store);
    for (number, (resolution, title)) in
        [("server-wins", "Theirs"), ("client-wins", "Ours"), ("last-write-wins", "Ours")]
            .into_iter()
            .enumerate()
    {
        let name = |what: &str| format!("{what}{number}");
        let data = json!({ "title": "Splice", "progress": 10 });
        let id = world.made(create(&name("made"), "jobs", &temp(number as u64, "jobs"), data)).await;
        world.made(update(&name("theirs"), "jobs", &id, 1, json!({ "title": "Theirs" }))).await;
        world.now += 10_000;
        let conflict =
            held(&world, ours(&name("ours"), &id, json!({ "title": "Splice" }), json!({ "title": "Ours" })))
                .await;
        assert_eq!(left(&world, &conflict, resolution).await.unwrap()["title"], title, "{resolution}");
        assert_eq!(world.fields("jobs", &id).await["title"], title);
        let decision = world.held().await.remove(number).decision.unwrap();
        assert_eq!(
            (decision.resolution.name(), decision.by.as_str(), decision.at),
            (resolution, "ana", world.now)
        );
    }
}

async fn the_later_is_told_by_what_is_there_now<S: Store>(store: S) {
    let mut world = World::new(store);
    let (id, conflict) = contested(&mut world).await;
    world.now += 10_000;
    world.made(update("since", "jobs", &id, 2, json!({ "title": "Later" }))).await;
    assert_eq!(left(&world, &conflict, "last-write-wins").await.unwrap()["title"], "Later");
}

async fn a_copy_that_comes_after_the_answer_is_forgotten_opens_nothing<S: Store>(store: S) {
    let mut world = World::new(store);
    let id = job(&world, json!({ "title": "Theirs" })).await;
    let operation = ours("a", &id, json!({ "title": "Splice" }), json!({ "title": "Ours" }));
    let conflict = held(&world, operation.clone()).await;
    left(&world, &conflict, "server-wins").await;
    world.now += 10_000;
    world.purge(world.now).await;
    assert_eq!(held(&world, operation).await, conflict);
    let all = world.held().await;
    assert_eq!((all.len(), all[0].decision.is_some()), (1, true));
}

async fn what_was_not_contested_is_merged_by_any_way<S: Store>(store: S) {
    let mut world = World::new(store);
    let (id, conflict) = contested(&mut world).await;
    let (row, changed) = decide(&world, &conflict, "server-wins", Value::Null).await.unwrap();
    let row = row.unwrap();
    assert_eq!(
        (&row.data["title"], &row.data["assignee"], &row.data["progress"]),
        (&json!("Theirs"), &json!("ben"), &json!(60))
    );
    assert_eq!((row.version, row.updated_at), (3, world.now));
    assert_eq!(changed, [Changed { table: "jobs".into(), id, version: 3 }]);
}

async fn it_is_about_the_record_as_it_is_now<S: Store>(store: S) {
    let mut world = World::new(store);
    let (id, conflict) = contested(&mut world).await;
    // Somebody took the title back, so that nothing is contested any more, and went on.
    world
        .made(update("back", "jobs", &id, 2, json!({ "title": "Splice", "progress": 90, "note": "new" })))
        .await;
    let row = left(&world, &conflict, "merge").await.unwrap();
    assert_eq!(
        row,
        json!({ "title": "Ours", "status": "open", "progress": 90, "note": "new", "log": [{ "id": 1 }], "assignee": "ben" })
    );
}

async fn without_a_base_what_others_changed_since_is_theirs<S: Store>(store: S) {
    let world = World::new(store);
    let id = job(&world, json!({ "progress": 60 })).await;
    let blind = with(update("a", "jobs", &id, 1, json!({ "title": "Ours" })), "unset", json!(["note"]));
    let conflict = held(&world, blind).await;
    world.made(update("since", "jobs", &id, 2, json!({ "progress": 90, "assignee": "cem" }))).await;
    let row = left(&world, &conflict, "client-wins").await.unwrap();
    assert_eq!(
        row,
        json!({ "title": "Ours", "status": "open", "progress": 90, "log": [{ "id": 1 }], "assignee": "cem" })
    );
}

async fn what_is_still_open_is_refused<S: Store>(store: S) {
    let mut world = World::new(store);
    let (id, conflict) = contested(&mut world).await;
    let before = world.fields("jobs", &id).await;
    assert_eq!(
        refused(&world, &conflict, "merge", Value::Null).await,
        ("conflict-open", "still open: `title`".into())
    );
    assert_eq!(world.fields("jobs", &id).await, before);
    assert_eq!(world.held().await[0].decision, None);
    // It can be decided still.
    assert_eq!(left(&world, &conflict, "client-wins").await.unwrap()["title"], "Ours");
}

async fn what_is_given_by_hand_wins<S: Store>(store: S) {
    let mut world = World::new(store);
    let (id, conflict) = contested(&mut world).await;
    let data = json!({ "title": "Both", "status": "done" });
    let row = decide(&world, &conflict, "merge", data).await.unwrap().0.unwrap();
    assert_eq!(
        (&row.data["title"], &row.data["status"], &row.data["assignee"]),
        (&json!("Both"), &json!("done"), &json!("ben"))
    );
    assert_eq!(world.fields("jobs", &id).await, row.data);
}

async fn what_is_given_by_hand_is_checked<S: Store>(store: S) {
    let mut world = World::new(store);
    let (_, conflict) = contested(&mut world).await;
    for (data, code) in [
        (json!({ "title": 7 }), "invalid-value"),
        (json!({ "colour": "red" }), "invalid-value"),
        (json!([1]), "invalid-value"),
        (json!({ "project_id": "4711" }), "reference-missing"),
    ] {
        assert_eq!(refused(&world, &conflict, "client-wins", data).await.0, code);
    }
    assert_eq!(world.held().await[0].decision, None);
}

/// A job that they deleted while we changed it; when they did so, and when we.
async fn edit_of_what_was_deleted<S: Store>(
    world: &mut World<S>,
    number: u64,
    written_ago: u64,
    data: Value,
) -> (String, String) {
    let made = create(&format!("made{number}"), "jobs", &temp(number, "jobs"), json!({ "title": "Splice" }));
    let id = world.made(made).await;
    world.now += 10_000;
    world.made(delete(&format!("gone{number}"), "jobs", &id, 1)).await;
    world.now += 10_000;
    let operation = ours(&format!("ours{number}"), &id, json!({ "title": "Splice" }), data);
    let mut request = world.request(vec![with(operation, "timestamp", json!(50_000 - written_ago))]);
    (request.merge, request.sent_at) = (true, 50_000);
    let conflict = world.try_send(request).await.unwrap().results.remove(0).conflict_id.unwrap();
    (id, conflict)
}

async fn each_way_with_an_edit_of_what_was_deleted<S: Store>(store: S) {
    let mut world = World::new(store);
    let edit = || json!({ "title": "Ours", "progress": 5 });
    let whole = Some(edit());
    for (number, (resolution, written_ago, expected)) in [
        ("server-wins", 0, None),
        ("client-wins", 15_000, whole.clone()),
        ("last-write-wins", 5_000, whole),
        ("last-write-wins", 15_000, None),
    ]
    .into_iter()
    .enumerate()
    {
        let (_, conflict) = edit_of_what_was_deleted(&mut world, number as u64, written_ago, edit()).await;
        assert_eq!(left(&world, &conflict, resolution).await, expected, "{resolution}, {written_ago} ms ago");
    }
    let (_, conflict) = edit_of_what_was_deleted(&mut world, 9, 0, edit()).await;
    assert_eq!(refused(&world, &conflict, "merge", json!({ "title": "x" })).await.0, "conflict-open");
    let with_data = refused(&world, &conflict, "server-wins", json!({ "title": "x" })).await;
    assert_eq!(with_data.0, "invalid-value", "what is given by hand is not dropped in silence");
}

async fn nothing_is_resurrected<S: Store>(store: S) {
    let mut world = World::new(store);
    let (id, conflict) = edit_of_what_was_deleted(&mut world, 1, 0, json!({ "title": "Ours" })).await;
    let (row, changed) = decide(&world, &conflict, "client-wins", json!({ "note": "n" })).await.unwrap();
    let row = row.unwrap();
    assert_ne!(row.id, id);
    assert_eq!((row.version, row.created_as, row.data), (1, None, json!({ "title": "Ours", "note": "n" })));
    assert_eq!(changed, [Changed { table: "jobs".into(), id: row.id.clone(), version: 1 }]);
    let page = world.pull(None).await;
    assert_eq!(page.deletions.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
    assert_eq!(page.entities.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), [row.id.as_str()]);
    // An edit that does not hold all of a record makes none by itself.
    let (_, conflict) = edit_of_what_was_deleted(&mut world, 2, 0, json!({ "progress": 5 })).await;
    assert_eq!(refused(&world, &conflict, "client-wins", Value::Null).await.0, "invalid-value");
    let row = decide(&world, &conflict, "client-wins", json!({ "title": "Anew" })).await.unwrap().0.unwrap();
    assert_eq!(row.data, json!({ "title": "Anew", "progress": 5 }));
}

async fn each_way_with_a_deletion_of_what_was_changed<S: Store>(store: S) {
    let mut world = World::new(store);
    for (number, (resolution, written_ago, is_there)) in [
        ("server-wins", 0, true),
        ("client-wins", 15_000, false),
        ("last-write-wins", 5_000, false),
        ("last-write-wins", 15_000, true),
    ]
    .into_iter()
    .enumerate()
    {
        let name = |what: &str| format!("{what}{number}");
        let local = temp(number as u64, "jobs");
        let id = world.made(create(&name("made"), "jobs", &local, json!({ "title": "Splice" }))).await;
        world.now += 10_000;
        world.made(update(&name("theirs"), "jobs", &id, 1, json!({ "title": "Theirs" }))).await;
        world.now += 10_000;
        let operation = with(delete(&name("ours"), "jobs", &id, 1), "timestamp", json!(50_000 - written_ago));
        let mut request = world.request(vec![operation]);
        (request.merge, request.sent_at) = (true, 50_000);
        let conflict = world.try_send(request).await.unwrap().results.remove(0).conflict_id.unwrap();
        assert_eq!(refused(&world, &conflict, "merge", Value::Null).await.0, "conflict-open");
        let left = left(&world, &conflict, resolution).await;
        assert_eq!(
            left,
            is_there.then(|| json!({ "title": "Theirs" })),
            "{resolution}, {written_ago} ms ago"
        );
        let is_buried = world.pull(None).await.deletions.iter().any(|row| row.id == id && row.version == 3);
        assert_eq!(is_buried, !is_there);
    }
}

async fn a_record_with_a_uuid_is_made_anew_under_another<S: Store>(store: S) {
    let world = World::new(store);
    let uuid = "0199b1c0-0000-7000-8000-000000000001";
    world.made(create("a", "readings", uuid, json!({ "value": 1 }))).await;
    world.made(delete("b", "readings", uuid, 1)).await;
    let conflict = held(&world, update("c", "readings", uuid, 1, json!({ "value": 2 }))).await;
    let row = decide(&world, &conflict, "client-wins", Value::Null).await.unwrap().0.unwrap();
    assert!(landfall_core::ids::is_uuid(&row.id) && row.id != uuid, "{}", row.id);
    assert_eq!(row.data, json!({ "value": 2 }));
}

async fn two_creates_become_one<S: Store>(store: S) {
    let world = World::new(store);
    let body = |key: &str, number: u64, data: Value| create(key, "jobs", &temp(number, "jobs"), data);
    let holder = world.made(body("a", 1, json!({ "title": "first", "code": "K", "note": "n" }))).await;
    let second = body("b", 2, json!({ "title": "second", "code": "K", "progress": 5 }));
    let conflict = held(&world, second).await;
    let row = decide(&world, &conflict, "client-wins", Value::Null).await.unwrap().0.unwrap();
    assert_eq!(
        (row.id, row.data),
        (holder, json!({ "title": "second", "code": "K", "note": "n", "progress": 5 }))
    );
}

async fn a_natural_key_may_be_taken_since<S: Store>(store: S) {
    let mut world = World::new(store);
    let (id, conflict) =
        edit_of_what_was_deleted(&mut world, 1, 0, json!({ "title": "Ours", "code": "K" })).await;
    let taken = create("other", "jobs", &temp(7, "jobs"), json!({ "title": "x", "code": "K" }));
    world.made(taken).await;
    assert_eq!(refused(&world, &conflict, "client-wins", Value::Null).await.0, "key-taken");
    let row = decide(&world, &conflict, "client-wins", json!({ "code": "L" })).await.unwrap().0.unwrap();
    assert_ne!(row.id, id);
}

async fn what_it_referred_to_may_be_gone_since<S: Store>(store: S) {
    let world = World::new(store);
    let project = world.made(create("p", "projects", &temp(7, "projects"), json!({ "name": "x" }))).await;
    let id = job(&world, json!({ "title": "Theirs" })).await;
    let data = json!({ "title": "Ours", "project_id": project });
    let conflict = held(&world, ours("a", &id, json!({ "title": "Splice" }), data)).await;
    world.made(delete("d", "projects", &project, 1)).await;
    assert_eq!(refused(&world, &conflict, "client-wins", Value::Null).await.0, "reference-missing");
    let row =
        decide(&world, &conflict, "client-wins", json!({ "project_id": null })).await.unwrap().0.unwrap();
    assert_eq!((&row.data["title"], &row.data["project_id"]), (&json!("Ours"), &json!(null)));
}

async fn who_may_decide_and_once<S: Store>(store: S) {
    let mut world = World::new(store);
    let (_, conflict) = contested(&mut world).await;
    assert_eq!(refused(&world, "c0ffee", "merge", Value::Null).await.0, "conflict-not-found");
    world.caller.role = Role::Reader;
    assert_eq!(refused(&world, &conflict, "server-wins", Value::Null).await.0, "forbidden");
    world.caller.role = Role::Editor;
    world.caller.tenant = "other".into();
    assert_eq!(refused(&world, &conflict, "server-wins", Value::Null).await.0, "conflict-not-found");
    world.caller.tenant = "acme".into();
    world.caller.principal = "ben".into();
    assert!(left(&world, &conflict, "server-wins").await.is_some());
    let again = refused(&world, &conflict, "client-wins", Value::Null).await;
    assert_eq!(again, ("conflict-resolved", "principal `ben` has decided already".into()));
    let other = json!({ "protocol": 1, "principal": "ana", "conflictId": conflict, "resolution": "merge" });
    let request = serde_json::from_value(other).unwrap();
    let refusal = resolve(&world.store, &world.rules, &world.caller, world.now, request).await.unwrap_err();
    assert_eq!(refusal.code().name(), "principal-mismatch");
}

async fn pages_of_what_is_held<S: Store>(store: S) {
    let mut world = World::new(store);
    for number in 0..5_u64 {
        world.now += 1;
        edit_of_what_was_deleted(&mut world, number, 0, json!({ "title": "Ours" })).await;
    }
    let all: Vec<String> = world.held().await.into_iter().map(|conflict| conflict.id).collect();
    left(&world, &all[0], "server-wins").await;
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let query = ConflictsQuery {
            tenant: "acme".into(),
            state: Some(ConflictState::Open),
            table: Some("jobs".into()),
            kind: None,
            after,
            limit: 3,
        };
        let page = conflicts(&world.store, query).await.unwrap();
        assert_eq!((page.counts.open, page.counts.resolved), (4, 1));
        found.extend(page.conflicts.into_iter().map(|row| row.id));
        let Some(next) = page.next else { break };
        after = Some(place_of(&next).unwrap());
    }
    assert_eq!(found, all[1..]);
    for nonsense in ["", "7", "x.y"] {
        assert_eq!(place_of(nonsense), None, "{nonsense}");
    }
}

/// A decision leaves a line in the audit, with what lost by it.
#[tokio::test]
async fn a_decision_leaves_a_line_in_the_audit() {
    let mut world = World::new(MemoryStore::new("e"));
    let (id, conflict) = contested(&mut world).await;
    decide(&world, &conflict, "client-wins", json!({ "note": "n" })).await.unwrap();
    let line = world.store.audit_lines().await.pop().unwrap();
    assert_eq!(
        (line.operation_id, line.operation, line.status),
        (conflict, OperationKind::Update, Status::Applied)
    );
    assert_eq!(
        (line.principal.as_str(), line.device_id.as_str(), line.record_id),
        ("ana", "device_2", Some(id))
    );
    assert_eq!(
        (&line.payload["resolution"], &line.payload["data"]),
        (&json!(Resolution::ClientWins), &json!({ "note": "n" }))
    );
    let lost = json!([{ "path": ["title"], "base": "Splice", "ours": "Ours", "theirs": "Theirs", "value": "Ours", "by": "client" }]);
    assert_eq!(line.payload["merged"], lost);
}

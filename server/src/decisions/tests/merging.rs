//! A server that merges what is overtaken, and holds what it cannot.

use landfall_core::protocol::conflicts::ConflictKind;
use landfall_core::protocol::{OperationKind, Status};
use serde_json::{Value, json};

use super::{World, create, delete, over_every_store, rejected, temp, update, with};
use crate::decisions::port::Store;
use crate::store::memory::MemoryStore;

over_every_store![
    what_one_side_changed_is_merged,
    rules_settle_what_both_changed,
    nothing_is_written_where_nothing_changes,
    the_later_is_told_by_our_clock,
    a_merge_that_meets_a_natural_key_is_a_conflict,
    what_rules_leave_open_is_held,
    without_a_base_what_differs_is_open,
    deletions_are_held,
    two_creates_are_held,
    what_is_held_was_answered_for_good,
    nothing_is_held_unasked,
    a_base_must_be_an_object,
    temporary_ids_in_a_base_are_exchanged,
    what_is_derived_is_not_contested,
];

/// A job that somebody else has changed since: now at version 2.
pub(super) async fn job<S: Store>(world: &World<S>, theirs: Value) -> String {
    let data = json!({ "title": "Splice", "status": "open", "progress": 10, "note": "a\nb\nc", "log": [{ "id": 1 }],
        "assignee": "ana" });
    let id = world.made(create("job", "jobs", &temp(1, "jobs"), data)).await;
    world.made(update("theirs", "jobs", &id, 1, theirs)).await;
    id
}

pub(super) fn ours(key: &str, id: &str, base: Value, data: Value) -> Value {
    with(update(key, "jobs", id, 1, data), "base", base)
}

async fn what_one_side_changed_is_merged<S: Store>(store: S) {
    let world = World::new(store);
    let id = job(&world, json!({ "status": "done", "progress": 60 })).await;
    let operation = with(
        ours("a", &id, json!({ "title": "Splice", "assignee": "ana" }), json!({ "title": "Fuse" })),
        "unset",
        json!(["assignee"]),
    );
    let result = world.merged(operation.clone()).await;
    assert_eq!((result.status, result.version), (Status::Applied, Some(3)));
    let expected =
        json!({ "title": "Fuse", "status": "done", "progress": 60, "note": "a\nb\nc", "log": [{ "id": 1 }] });
    let row = result.record.clone().unwrap();
    assert_eq!((row.data, row.version), (expected.clone(), 3), "the server changed more than it was asked");
    assert_eq!(world.fields("jobs", &id).await, expected);
    // The same again is the same again.
    let again = world.merged(operation).await;
    assert_eq!((again.status, again.record), (Status::Duplicate, result.record));
    assert_eq!(world.held().await, []);
}

async fn rules_settle_what_both_changed<S: Store>(store: S) {
    let world = World::new(store);
    let theirs =
        json!({ "status": "done", "progress": 60, "note": "a\nb\nC", "log": [{ "id": 1 }, { "id": 2 }] });
    let id = job(&world, theirs).await;
    let base = json!({ "status": "open", "progress": 10, "note": "a\nb\nc", "log": [{ "id": 1 }] });
    let data =
        json!({ "status": "started", "progress": 80, "note": "A\nb\nc", "log": [{ "id": 1 }, { "id": 3 }] });
    let result = world.merged(ours("a", &id, base, data)).await;
    assert_eq!(result.status, Status::Applied);
    assert_eq!(
        world.fields("jobs", &id).await,
        json!({ "title": "Splice", "status": "done", "progress": 80, "note": "A\nb\nC",
        "log": [{ "id": 1 }, { "id": 2 }, { "id": 3 }], "assignee": "ana" })
    );
}

async fn nothing_is_written_where_nothing_changes<S: Store>(store: S) {
    let mut world = World::new(store);
    let id = job(&world, json!({ "progress": 60 })).await;
    let changed = world.now;
    world.now += 5_000;
    let result = world.merged(ours("a", &id, json!({ "progress": 10 }), json!({ "progress": 40 }))).await;
    assert_eq!((result.status, result.version, result.updated_at), (Status::Applied, Some(2), Some(changed)));
    assert_eq!(result.record.unwrap().data["progress"], 60);
    assert_eq!(world.pull(None).await.entities[0].version, 2);
}

async fn the_later_is_told_by_our_clock<S: Store>(store: S) {
    let mut world = World::new(store);
    let id = job(&world, json!({ "assignee": "theirs" })).await;
    let theirs_at = world.now;
    world.now += 10_000;
    // The device's clock stands at 50,000: it wrote 3 s ago, and 12 s ago; and in a future that has not come.
    let send = async |key: &str, timestamp: u64, member: &str, value: Value| {
        let operation = ours(key, &id, json!({ "assignee": "ana" }), json!({ "assignee": key }));
        let mut request =
            world.request(vec![with(with(operation, "timestamp", json!(timestamp)), member, value)]);
        (request.merge, request.sent_at) = (true, 50_000);
        world.try_send(request).await.unwrap().results.remove(0).record.unwrap().data["assignee"].clone()
    };
    assert_eq!(send("earlier", 38_000, "unset", json!([])).await, "theirs");
    // Nobody writes before what it was written on, whatever the clock says.
    assert_eq!(send("clamped", 38_000, "baseUpdatedAt", json!(theirs_at + 1)).await, "clamped");
    assert_eq!(
        send("later", 47_000, "unset", json!([])).await,
        "clamped",
        "3 s ago is before that was written"
    );
    assert_eq!(send("future", 99_000, "unset", json!([])).await, "clamped", "no later than it came");
}

async fn a_merge_that_meets_a_natural_key_is_a_conflict<S: Store>(store: S) {
    let world = World::new(store);
    let holder =
        world.made(create("h", "jobs", &temp(9, "jobs"), json!({ "title": "x", "code": "K" }))).await;
    let id = job(&world, json!({ "progress": 60 })).await;
    let result = world.merged(ours("a", &id, json!({}), json!({ "code": "K" }))).await;
    assert_eq!((result.status, result.conflict_id), (Status::Conflict, None));
    assert_eq!(result.record.unwrap().id, holder);
    assert_eq!(world.fields("jobs", &id).await.get("code"), None);
}

async fn what_rules_leave_open_is_held<S: Store>(store: S) {
    let mut world = World::new(store);
    let id = job(&world, json!({ "title": "Theirs", "progress": 60 })).await;
    world.now += 1_000;
    let operation = ours(
        "a",
        &id,
        json!({ "title": "Splice", "progress": 10 }),
        json!({ "title": "Ours", "progress": 80 }),
    );
    let result = world.merged(operation).await;
    assert_eq!((result.status, result.record.unwrap().version), (Status::Conflict, 2));
    assert_eq!(world.fields("jobs", &id).await["progress"], 60, "held whole: nothing of it is applied");
    let held = world.held().await.remove(0);
    assert_eq!(Some(&held.id), result.conflict_id.as_ref());
    assert_eq!(
        (held.kind, held.operation, held.decision),
        (ConflictKind::UpdateUpdate, OperationKind::Update, None)
    );
    assert_eq!(
        (held.operation_id.as_str(), held.principal.as_str(), held.device_id.as_str()),
        ("a", "ana", "device_1")
    );
    assert_eq!((held.table.as_str(), held.record_id, held.at), ("jobs", id, world.now));
    assert_eq!(held.paths, [["title"]]);
    let titles = [held.base, held.ours, held.theirs].map(|side| side.unwrap()["title"].clone());
    assert_eq!(titles, ["Splice", "Ours", "Theirs"]);
    let uuid = held.id.as_str();
    assert!(landfall_core::ids::is_uuid(uuid) && &uuid[14..15] == "8", "{uuid}");
}

async fn without_a_base_what_differs_is_open<S: Store>(store: S) {
    let world = World::new(store);
    let id = job(&world, json!({ "progress": 60 })).await;
    let stale = with(
        update("a", "jobs", &id, 1, json!({ "title": "Ours", "note": "a\nb\nc" })),
        "unset",
        json!(["assignee"]),
    );
    let result = world.merged(stale).await;
    assert_eq!(result.status, Status::Conflict);
    let held = world.held().await.remove(0);
    assert_eq!(
        (held.paths, held.base),
        (vec![vec!["title".to_owned()]], None),
        "`assignee` goes by its rule"
    );
    // A rule that asks for no base still settles.
    let result = world.merged(update("b", "jobs", &id, 1, json!({ "progress": 80 }))).await;
    assert_eq!((result.status, &result.record.unwrap().data["progress"]), (Status::Applied, &json!(80)));
}

async fn deletions_are_held<S: Store>(store: S) {
    let world = World::new(store);
    let id = job(&world, json!({ "progress": 60 })).await;
    let result = world.merged(delete("a", "jobs", &id, 1)).await;
    assert_eq!((result.status, result.record.unwrap().version), (Status::Conflict, 2));
    world.made(delete("b", "jobs", &id, 2)).await;
    let edit = with(
        ours("c", &id, json!({ "title": "Splice", "note": "n" }), json!({ "title": "Ours" })),
        "unset",
        json!(["note"]),
    );
    let result = world.merged(edit).await;
    assert_eq!((result.status, result.deletion.unwrap().version), (Status::Conflict, 3));
    // Both deleted it: there is nothing to decide.
    let result = world.merged(delete("d", "jobs", &id, 1)).await;
    assert_eq!((result.status, result.conflict_id), (Status::Conflict, None));
    let mut held = world.held().await;
    held.sort_by_key(|conflict| conflict.operation_id.clone());
    assert_eq!(
        held.iter().map(|held| held.kind).collect::<Vec<_>>(),
        [ConflictKind::DeleteUpdate, ConflictKind::UpdateDelete]
    );
    assert_eq!(
        (held[0].ours.clone(), held[0].theirs.clone().unwrap()["progress"].clone()),
        (None, json!(60))
    );
    let sides = [&held[1].base, &held[1].ours, &held[1].theirs].map(|side| side.clone().map(Value::Object));
    assert_eq!(
        sides,
        [Some(json!({ "title": "Splice", "note": "n" })), Some(json!({ "title": "Ours" })), None]
    );
}

async fn two_creates_are_held<S: Store>(store: S) {
    let world = World::new(store);
    let code = |key: &str, number: u64, title: &str| {
        create(key, "jobs", &temp(number, "jobs"), json!({ "title": title, "code": "K" }))
    };
    let holder = world.made(code("a", 1, "first")).await;
    let result = world.merged(code("b", 2, "second")).await;
    assert_eq!(result.status, Status::Conflict);
    let held = world.held().await.remove(0);
    assert_eq!(
        (held.kind, held.base, held.record_id.as_str()),
        (ConflictKind::CreateCreate, None, holder.as_str())
    );
    assert_eq!([held.ours, held.theirs].map(|side| side.unwrap()["title"].clone()), ["second", "first"]);
    // Created anew under its own id after it was deleted: nothing to decide.
    world.made(delete("c", "jobs", &holder, 1)).await;
    let result = world.merged(code("d", 1, "again")).await;
    assert_eq!((result.status, result.conflict_id), (Status::Conflict, None));
}

async fn what_is_held_was_answered_for_good<S: Store>(store: S) {
    let world = World::new(store);
    let id = job(&world, json!({ "title": "Theirs" })).await;
    let operation = ours("a", &id, json!({ "title": "Splice" }), json!({ "title": "Ours" }));
    let told = world.merged(operation.clone()).await;
    assert!(told.conflict_id.is_some());
    // It would fit now, it would merge now, and it is not asked to be merged any more.
    world.made(update("back", "jobs", &id, 2, json!({ "title": "Splice" }))).await;
    assert_eq!(world.merged(operation.clone()).await, told);
    assert_eq!(world.one(with(operation, "baseVersion", json!(3))).await, told);
    assert_eq!(world.held().await.len(), 1);
}

async fn nothing_is_held_unasked<S: Store>(store: S) {
    let mut world = World::new(store);
    let id = job(&world, json!({ "title": "Theirs", "code": "K" })).await;
    let edit = |key: &str| ours(key, &id, json!({ "title": "Splice" }), json!({ "title": "Ours" }));
    let twin = create("b", "jobs", &temp(2, "jobs"), json!({ "title": "x", "code": "K" }));
    for operation in [edit("a"), twin, delete("c", "jobs", &id, 1)] {
        let result = world.one(operation).await;
        assert_eq!((result.status, result.conflict_id), (Status::Conflict, None));
    }
    world.made(delete("d", "jobs", &id, 2)).await;
    assert_eq!(world.one(edit("e")).await.conflict_id, None);
    world.rules.schema = None;
    let result = world.merged(edit("f")).await;
    assert_eq!((result.status, result.conflict_id), (Status::Conflict, None));
    assert_eq!(world.held().await, []);
}

async fn a_base_must_be_an_object<S: Store>(store: S) {
    let world = World::new(store);
    let id = job(&world, json!({ "title": "Theirs" })).await;
    let result = world.merged(ours("a", &id, json!([1]), json!({ "title": "Ours" }))).await;
    assert_eq!(rejected(&result).0, "invalid-value");
}

async fn temporary_ids_in_a_base_are_exchanged<S: Store>(store: S) {
    let world = World::new(store);
    let [first, second] = [temp(1, "projects"), temp(2, "projects")];
    world.made(create("p1", "projects", &first, json!({ "name": "one" }))).await;
    let to = world.made(create("p2", "projects", &second, json!({ "name": "two" }))).await;
    let data = json!({ "title": "Splice", "project_id": first });
    let id = world.made(create("job", "jobs", &temp(3, "jobs"), data)).await;
    world.made(update("theirs", "jobs", &id, 1, json!({ "title": "Theirs" }))).await;
    let result =
        world.merged(ours("a", &id, json!({ "project_id": first }), json!({ "project_id": second }))).await;
    assert_eq!((result.status, &result.record.unwrap().data["project_id"]), (Status::Applied, &json!(to)));
}

/// Of a roll-up that is sent the one that came last counts, and nobody is asked.
async fn what_is_derived_is_not_contested<S: Store>(store: S) {
    let world = World::new(store);
    let data = json!({ "name": "North", "note": "a", "visit_count": 1 });
    let id = world.made(create("s", "sites", &temp(1, "sites"), data)).await;
    world.made(update("theirs", "sites", &id, 1, json!({ "visit_count": 2 }))).await;
    let result = world.merged(update("a", "sites", &id, 1, json!({ "visit_count": 3 }))).await;
    assert_eq!((result.status, &result.record.unwrap().data["visit_count"]), (Status::Applied, &json!(3)));
    world.made(update("more", "sites", &id, 3, json!({ "note": "b" }))).await;
    let both = world.merged(update("b", "sites", &id, 1, json!({ "note": "c", "visit_count": 4 }))).await;
    assert_eq!(
        (both.status, world.held().await.remove(0).paths),
        (Status::Conflict, vec![vec!["note".to_owned()]])
    );
}

/// No value is dropped in silence (promise 11).
#[tokio::test]
async fn what_lost_is_in_the_audit() {
    let world = World::new(MemoryStore::new("e"));
    let id = job(&world, json!({ "progress": 60 })).await;
    world
        .merged(ours("a", &id, json!({ "progress": 10 }), json!({ "progress": 40, "title": "Splice" })))
        .await;
    let line = world.store.audit_lines().await.pop().unwrap();
    assert_eq!(line.status, Status::Applied);
    let lost =
        json!([{ "path": ["progress"], "base": 10, "ours": 40, "theirs": 60, "value": 60, "by": "highest" }]);
    assert_eq!(line.payload["merged"], lost);
}

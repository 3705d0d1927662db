//! What a change was made on: held against the record by version, by time or by content, as its table says.

use landfall_core::merge::detect::own_hash;
use landfall_core::protocol::Status;
use serde_json::{Value, json};

use super::{World, create, delete, over_every_store, schema, temp, update, with};
use crate::decisions::port::Store;

over_every_store![
    by_time_the_version_does_not_count,
    by_time_two_changes_of_one_millisecond_are_two,
    by_time_a_clock_that_is_set_back_overtakes_nobody,
    by_content_the_version_does_not_count,
    by_content_what_was_told_once_holds,
    by_content_roll_ups_do_not_count,
    what_is_not_said_is_decided_by_the_version,
    a_deleted_record_is_a_conflict_by_whatever_way,
    without_a_schema_the_version_counts,
];

fn hash(table: &str, fields: &Value) -> Value {
    own_hash(fields.as_object().unwrap(), schema().table(table).unwrap()).into()
}

/// An update that says a version which never was, and beside it what it was made on.
fn made_on(key: &str, table: &str, id: &str, member: &str, value: Value, data: Value) -> Value {
    with(update(key, table, id, 99, data), member, value)
}

async fn visit<S: Store>(world: &World<S>) -> String {
    world.made(create("v", "visits", &temp(1, "visits"), json!({ "note": "a" }))).await
}

async fn site<S: Store>(world: &World<S>) -> String {
    world.made(create("s", "sites", &temp(1, "sites"), json!({ "name": "North", "note": "a" }))).await
}

async fn by_time_the_version_does_not_count<S: Store>(store: S) {
    let mut world = World::new(store);
    let id = visit(&world).await;
    let made = world.now;
    world.now += 10;
    let change =
        |key: &str, at: u64| made_on(key, "visits", &id, "baseUpdatedAt", json!(at), json!({ "rating": 3 }));
    assert_eq!(world.one(change("a", made)).await.updated_at, Some(made + 10));
    let stale = world.one(change("b", made + 9)).await;
    assert_eq!((stale.status, stale.record.unwrap().version), (Status::Conflict, 2));
    // By this way too a conflict of an update is not remembered: it stays one by itself.
    assert_eq!(world.one(change("b", made + 10)).await.status, Status::Applied);
    let stale = with(delete("c", "visits", &id, 3), "baseUpdatedAt", json!(made));
    assert_eq!(world.one(stale).await.status, Status::Conflict);
    let fresh = with(delete("d", "visits", &id, 99), "baseUpdatedAt", json!(made + 11));
    assert_eq!(world.one(fresh).await.status, Status::Applied);
}

async fn by_time_two_changes_of_one_millisecond_are_two<S: Store>(store: S) {
    let world = World::new(store);
    let id = visit(&world).await;
    let change =
        |key: &str| made_on(key, "visits", &id, "baseUpdatedAt", json!(world.now), json!({ "note": key }));
    assert_eq!(world.one(change("a")).await.updated_at, Some(world.now + 1));
    assert_eq!(world.one(change("b")).await.status, Status::Conflict);
    assert_eq!(world.fields("visits", &id).await["note"], "a");
}

async fn by_time_a_clock_that_is_set_back_overtakes_nobody<S: Store>(store: S) {
    let mut world = World::new(store);
    let id = visit(&world).await;
    let made = world.now;
    world.now -= 60_000;
    let change =
        |key: &str| made_on(key, "visits", &id, "baseUpdatedAt", json!(made), json!({ "note": key }));
    assert_eq!(world.one(change("a")).await.updated_at, Some(made + 1));
    assert_eq!(world.one(change("b")).await.status, Status::Conflict);
}

async fn by_content_the_version_does_not_count<S: Store>(store: S) {
    let world = World::new(store);
    let id = site(&world).await;
    let made = json!({ "name": "North", "note": "a" });
    let change = |key: &str, note: &str| {
        made_on(key, "sites", &id, "baseHash", hash("sites", &made), json!({ "note": note }))
    };
    world.made(change("a", "b")).await;
    let stale = world.one(change("b", "c")).await;
    assert_eq!((stale.status, stale.record.unwrap().version), (Status::Conflict, 2));
    // Changed back, it is what it was.
    world.made(update("back", "sites", &id, 2, json!({ "note": "a" }))).await;
    assert_eq!(world.one(change("c", "c")).await.version, Some(4));
}

async fn by_content_what_was_told_once_holds<S: Store>(store: S) {
    let world = World::new(store);
    let id = site(&world).await;
    let made = hash("sites", &json!({ "name": "North", "note": "a" }));
    let late = made_on("late", "sites", &id, "baseHash", made.clone(), json!({ "note": "late" }));
    let gone = with(delete("gone", "sites", &id, 99), "baseHash", made);
    world.made(update("b", "sites", &id, 1, json!({ "note": "b" }))).await;
    let told = [world.one(late.clone()).await, world.one(gone.clone()).await];
    assert_eq!(told.each_ref().map(|result| result.status), [Status::Conflict; 2]);
    world.made(update("back", "sites", &id, 2, json!({ "note": "a" }))).await;
    assert_eq!(
        [world.one(late).await, world.one(gone).await],
        told,
        "A, B, A: a late copy must not fit again"
    );
    assert_eq!(world.fields("sites", &id).await["note"], "a");
}

async fn by_content_roll_ups_do_not_count<S: Store>(store: S) {
    let world = World::new(store);
    let data = json!({ "name": "North", "note": "a", "visit_count": 7 });
    let id = world.made(create("s", "sites", &temp(1, "sites"), data)).await;
    let made = hash("sites", &json!({ "name": "North", "note": "a", "visit_count": 2 }));
    world.made(made_on("a", "sites", &id, "baseHash", made, json!({ "note": "b" }))).await;
}

async fn what_is_not_said_is_decided_by_the_version<S: Store>(store: S) {
    let world = World::new(store);
    let (visit, site) = (visit(&world).await, site(&world).await);
    for (table, id) in [("visits", &visit), ("sites", &site)] {
        let change =
            |key: &str, base: u64| update(&format!("{table}{key}"), table, id, base, json!({ "note": key }));
        assert_eq!(world.one(change("a", 1)).await.status, Status::Applied);
        assert_eq!(world.one(change("b", 1)).await.status, Status::Conflict);
        // The other way's member is none of this table's.
        let other = if table == "visits" { ("baseHash", json!("x")) } else { ("baseUpdatedAt", json!(0)) };
        assert_eq!(world.one(with(change("c", 2), other.0, other.1)).await.status, Status::Applied);
    }
}

async fn a_deleted_record_is_a_conflict_by_whatever_way<S: Store>(store: S) {
    let world = World::new(store);
    let (visit, site) = (visit(&world).await, site(&world).await);
    world.made(delete("a", "visits", &visit, 1)).await;
    world.made(delete("b", "sites", &site, 1)).await;
    let empty = hash("sites", &json!({}));
    for operation in [
        made_on(
            "c",
            "visits",
            &visit,
            "baseUpdatedAt",
            json!(9_007_199_254_740_991_u64),
            json!({ "note": "b" }),
        ),
        made_on("d", "sites", &site, "baseHash", empty, json!({ "note": "b" })),
    ] {
        let result = world.one(operation).await;
        assert_eq!((result.status, result.deletion.map(|row| row.version)), (Status::Conflict, Some(2)));
    }
}

async fn without_a_schema_the_version_counts<S: Store>(store: S) {
    let mut world = World::new(store);
    world.rules.schema = None;
    let id = visit(&world).await;
    let stale = made_on("a", "visits", &id, "baseUpdatedAt", json!(world.now), json!({ "note": "b" }));
    assert_eq!(world.one(stale).await.status, Status::Conflict);
    let fresh = with(update("b", "visits", &id, 1, json!({ "note": "b" })), "baseHash", json!("x"));
    assert_eq!(world.one(fresh).await.status, Status::Applied);
}

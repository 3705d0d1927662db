//! Single operations: values, versions, conflicts, natural keys, ids.

use landfall_core::protocol::Status;
use serde_json::{Value, json};

use super::{World, create, delete, over_every_store, rejected, temp, update, with};
use crate::decisions::port::Store;

over_every_store![
    versions_count_up,
    a_stale_base_is_a_conflict,
    a_deleted_record_is_a_conflict,
    deleted_stays_deleted,
    values_are_checked,
    fields_are_removed,
    natural_keys_are_unique,
    ids_by_the_schemas_rule,
    records_under_their_temporary_id,
    without_a_schema_every_object_is_taken,
    tenants_do_not_meet,
];

async fn versions_count_up<S: Store>(store: S) {
    let mut world = World::new(store);
    let id = world
        .made(create("a", "projects", &temp(1, "projects"), json!({ "name": "x", "progress": 1 })))
        .await;
    for version in 1..=3 {
        world.now += 10;
        let result = world
            .one(update(&format!("u{version}"), "projects", &id, version, json!({ "progress": version })))
            .await;
        assert_eq!((result.status, result.version), (Status::Applied, Some(version + 1)));
        assert_eq!((result.updated_at, result.record_id.as_deref()), (Some(world.now), Some(id.as_str())));
    }
    let page = world.pull(None).await;
    assert_eq!(
        (page.entities.len(), page.entities[0].version, page.entities[0].updated_at),
        (1, 4, world.now)
    );
    assert_eq!(page.entities[0].data, json!({ "name": "x", "progress": 3 }));
}

async fn a_stale_base_is_a_conflict<S: Store>(store: S) {
    let world = World::new(store);
    let id = world.made(create("a", "projects", &temp(1, "projects"), json!({ "name": "x" }))).await;
    world.made(update("b", "projects", &id, 1, json!({ "progress": 1 }))).await;
    let no_base = with(update("d", "projects", &id, 1, json!({ "progress": 9 })), "baseVersion", Value::Null);
    for operation in
        [update("c", "projects", &id, 1, json!({ "progress": 9 })), no_base, delete("e", "projects", &id, 3)]
    {
        let result = world.one(operation).await;
        assert_eq!(result.status, Status::Conflict);
        let theirs = result.record.unwrap();
        assert_eq!((theirs.id.as_str(), theirs.version), (id.as_str(), 2));
        assert_eq!(theirs.data, json!({ "name": "x", "progress": 1 }));
        assert_eq!(theirs.created_as, Some(temp(1, "projects")));
    }
    assert_eq!(world.fields("projects", &id).await["progress"], 1);
}

async fn a_deleted_record_is_a_conflict<S: Store>(store: S) {
    let world = World::new(store);
    let id = world.made(create("a", "projects", &temp(1, "projects"), json!({ "name": "x" }))).await;
    let result = world.one(delete("b", "projects", &id, 1)).await;
    assert_eq!((result.status, result.version), (Status::Applied, Some(2)));
    for operation in [
        update("c", "projects", &id, 1, json!({ "progress": 9 })),
        update("d", "projects", &id, 2, json!({ "progress": 9 })),
        delete("e", "projects", &id, 2),
    ] {
        let deletion = world.one(operation).await.deletion.unwrap();
        assert_eq!(
            (deletion.id.as_str(), deletion.version, deletion.deleted_at),
            (id.as_str(), 2, world.now)
        );
        assert_eq!(deletion.created_as, Some(temp(1, "projects")));
    }
    let missing = world.one(update("f", "projects", "4711", 1, json!({ "progress": 9 }))).await;
    assert_eq!(rejected(&missing), ("record-not-found", None));
    assert_eq!(
        rejected(&world.one(delete("g", "projects", &temp(9, "projects"), 1)).await).0,
        "record-not-found"
    );
}

async fn deleted_stays_deleted<S: Store>(store: S) {
    let world = World::new(store);
    let uuid = "0199b1c0-0000-7000-8000-000000000001";
    world.made(create("a", "readings", uuid, json!({ "value": 1 }))).await;
    world.made(delete("b", "readings", uuid, 1)).await;
    let again = world.one(create("c", "readings", uuid, json!({ "value": 2 }))).await;
    assert_eq!((again.status, again.deletion.unwrap().version), (Status::Conflict, 2));
    let local = temp(1, "projects");
    world.made(create("d", "projects", &local, json!({ "name": "x" }))).await;
    world.made(delete("e", "projects", &local, 1)).await;
    let again = world.one(create("f", "projects", &local, json!({ "name": "x" }))).await;
    assert!(again.deletion.is_some(), "{again:?}");
    assert_eq!(world.pull(None).await.entities, []);
}

async fn values_are_checked<S: Store>(store: S) {
    let world = World::new(store);
    let (_, phase) = world.phase().await;
    let task = |data: Value| {
        let mut all = json!({ "phase_id": phase, "title": "t" });
        all.as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
        all
    };
    let bad = [
        (json!({ "title": 7 }), "title"),
        (json!({ "title": null }), "title"),
        (json!({ "done": "yes" }), "done"),
        (json!({ "level": "1" }), "level"),
        (json!({ "level": true }), "level"),
        (json!({ "phase_id": 2 }), "phase_id"),
        (json!({ "colour": "red" }), "colour"),
        (json!({ "id": "7" }), "id"),
        (json!({ "_version": 7 }), "_version"),
    ];
    for (number, (data, field)) in bad.into_iter().enumerate() {
        let result = world.one(create(&format!("c{number}"), "tasks", &temp(1, "tasks"), task(data))).await;
        assert_eq!(rejected(&result), ("invalid-value", Some(field)), "{result:?}");
    }
    let missing = world.one(create("m", "tasks", &temp(1, "tasks"), json!({ "phase_id": phase }))).await;
    assert_eq!(rejected(&missing), ("invalid-value", Some("title")));
    for (key, data) in [("n1", json!([1])), ("n2", json!("text"))] {
        let result = world.one(create(key, "tasks", &temp(1, "tasks"), data)).await;
        assert_eq!(rejected(&result), ("invalid-value", None));
    }
    let unknown = world.one(create("u", "tools", &temp(1, "tools"), json!({}))).await;
    assert_eq!(rejected(&unknown), ("unknown-table", None));
    let good =
        task(json!({ "done": true, "log": [{ "a": null }], "level": 1.5, "code": null, "parent_id": null }));
    let id = world.made(create("g", "tasks", &temp(1, "tasks"), good.clone())).await;
    assert_eq!(world.fields("tasks", &id).await, good);
    let result = world.one(update("h", "tasks", &id, 1, json!({ "done": 1 }))).await;
    assert_eq!(rejected(&result), ("invalid-value", Some("done")));
}

async fn fields_are_removed<S: Store>(store: S) {
    let world = World::new(store);
    let id = world
        .made(create("a", "projects", &temp(1, "projects"), json!({ "name": "x", "progress": 5 })))
        .await;
    let unset = |key: &str, base: u64, data: Value, fields: Value| {
        with(update(key, "projects", &id, base, data), "unset", fields)
    };
    let result = world.one(unset("b", 1, json!({ "name": "y" }), json!(["progress"]))).await;
    assert_eq!(result.version, Some(2));
    assert_eq!(world.fields("projects", &id).await, json!({ "name": "y" }));
    for (key, data, fields, field) in [
        ("c", json!({}), json!(["name"]), "name"),
        ("d", json!({}), json!(["colour"]), "colour"),
        ("e", json!({ "progress": 1 }), json!(["progress"]), "progress"),
    ] {
        assert_eq!(rejected(&world.one(unset(key, 2, data, fields)).await), ("invalid-value", Some(field)));
    }
}

async fn natural_keys_are_unique<S: Store>(store: S) {
    let world = World::new(store);
    let (_, phase) = world.phase().await;
    let task = |number: u64, code: Value, level: Value| {
        let data = json!({ "phase_id": phase, "title": "t", "code": code, "level": level });
        create(&format!("k{number}"), "tasks", &temp(number, "tasks"), data)
    };
    let holder = world.made(task(1, json!("A"), json!(1))).await;
    let other = world.made(task(2, json!("A"), json!(2))).await;
    // A key with a part that is null binds nobody.
    world.made(task(3, json!("A"), Value::Null)).await;
    world.made(task(4, json!("A"), Value::Null)).await;
    let taken = world.one(task(5, json!("A"), json!(1.0))).await;
    assert_eq!((taken.status, taken.record.unwrap().id), (Status::Conflict, holder.clone()));
    let moved = world.one(update("u1", "tasks", &other, 1, json!({ "level": 1 }))).await;
    assert_eq!((moved.status, moved.record.unwrap().id), (Status::Conflict, holder.clone()));
    // A conflict is found after an id was drawn for the new record: the savepoint gives that back too.
    assert_eq!(world.made(task(6, json!("B"), json!(1))).await, "7");
    // Its own key is no conflict, and a deleted holder holds nothing.
    world.made(update("u2", "tasks", &holder, 1, json!({ "level": 1.0, "title": "new" }))).await;
    world.made(delete("d", "tasks", &holder, 2)).await;
    world.made(update("u3", "tasks", &other, 1, json!({ "level": 1 }))).await;
}

async fn ids_by_the_schemas_rule<S: Store>(store: S) {
    let world = World::new(store);
    let uuid = "0199b1c0-0000-7000-8000-00000000000a";
    let answer = world.send(vec![create("a", "readings", uuid, json!({ "value": 1 }))]).await;
    assert_eq!(answer.results[0].record_id.as_deref(), Some(uuid));
    assert_eq!(answer.id_mappings, []);
    assert_eq!(world.pull(None).await.entities[0].created_as, None);
    let taken = world.one(create("b", "readings", uuid, json!({ "value": 2 }))).await;
    assert_eq!((taken.status, taken.record.unwrap().data), (Status::Conflict, json!({ "value": 1 })));
    for (key, table, id, data) in [
        ("c", "readings", temp(1, "readings"), json!({ "value": 1 })),
        ("d", "readings", uuid.to_uppercase(), json!({ "value": 1 })),
        ("e", "projects", uuid.to_owned(), json!({ "name": "x" })),
        ("f", "projects", "17".to_owned(), json!({ "name": "x" })),
    ] {
        assert_eq!(rejected(&world.one(create(key, table, &id, data)).await), ("invalid-value", Some("id")));
    }
}

async fn records_under_their_temporary_id<S: Store>(store: S) {
    let world = World::new(store);
    let local = temp(1, "projects");
    let id = world.made(create("a", "projects", &local, json!({ "name": "x" }))).await;
    // A second create of the same record: the first answer was lost together with its key.
    let again = world.one(create("a2", "projects", &local, json!({ "name": "y" }))).await;
    assert_eq!((again.status, again.record.unwrap().id), (Status::Conflict, id.clone()));
    let blind =
        |key: &str, data: Value| with(update(key, "projects", &local, 1, data), "baseVersion", Value::Null);
    let result = world.one(blind("b", json!({ "progress": 1 }))).await;
    assert_eq!((result.record_id.as_deref(), result.version), (Some(id.as_str()), Some(2)));
    // Somebody has changed it since: without a base only the create's own version is built on.
    assert_eq!(world.one(blind("c", json!({ "progress": 2 }))).await.status, Status::Conflict);
    assert_eq!(
        world.one(update("d", "projects", &local, 2, json!({ "progress": 2 }))).await.version,
        Some(3)
    );
    assert_eq!(
        rejected(&world.one(update("e", "phases", &local, 3, json!({ "name": "n" }))).await).0,
        "record-not-found"
    );
    assert_eq!(world.one(delete("f", "projects", &local, 3)).await.record_id, Some(id));
}

async fn without_a_schema_every_object_is_taken<S: Store>(store: S) {
    let mut world = World::new(store);
    world.rules.schema = None;
    let data = json!({ "anything": [1, { "deep": null }], "parent": "temp_1_abcdef_things" });
    let id = world.made(create("a", "things", &temp(1, "things"), data.clone())).await;
    world.made(create("b", "things", "0199b1c0-0000-7000-8000-00000000000a", json!({}))).await;
    assert_eq!(
        rejected(&world.one(create("c", "things", "17", json!({}))).await),
        ("invalid-value", Some("id"))
    );
    assert_eq!(rejected(&world.one(update("d", "things", &id, 1, json!({ "_x": 1 }))).await).1, Some("_x"));
    assert_eq!(rejected(&world.one(update("e", "things", &id, 1, json!(7))).await).0, "invalid-value");
    let page = world.pull_tables(&["things"]).await;
    assert_eq!(page.entities[0].data, data);
    world.made(delete("f", "things", &id, 1)).await;
    assert_eq!(world.pull_tables(&["things"]).await.deletions[0].id, id);
}

async fn tenants_do_not_meet<S: Store>(store: S) {
    let mut world = World::new(store);
    let local = temp(1, "projects");
    let id = world.made(create("a", "projects", &local, json!({ "name": "x" }))).await;
    world.caller.tenant = "other".into();
    assert_eq!(world.pull(None).await.entities, []);
    assert_eq!(
        rejected(&world.one(update("b", "projects", &id, 1, json!({ "progress": 1 }))).await).0,
        "record-not-found"
    );
    assert_eq!(rejected(&world.one(delete("c", "projects", &local, 1)).await).0, "record-not-found");
    let phase = create("d", "phases", &temp(2, "phases"), json!({ "project_id": id, "name": "n" }));
    assert_eq!(rejected(&world.one(phase).await), ("reference-missing", Some("project_id")));
    // Neither the natural key nor the idempotency key of another tenant is in the way.
    let twin = world.made(create("a", "projects", &local, json!({ "name": "x" }))).await;
    assert_ne!(twin, id);
    assert_eq!(world.pull(None).await.entities.len(), 1);
}

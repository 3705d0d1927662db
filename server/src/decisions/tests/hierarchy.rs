//! References and what a deletion takes with it.

use landfall_core::protocol::Status;
use serde_json::json;

use super::{World, create, delete, over_every_store, rejected, temp, update};
use crate::decisions::port::Store;

over_every_store![
    references_must_lead_to_the_living,
    temporary_references_from_an_earlier_batch,
    a_record_may_refer_to_itself,
    a_cascade_takes_all_that_hangs_on_it,
    a_refusal_takes_nothing,
    a_circle_of_children_ends,
];

async fn references_must_lead_to_the_living<S: Store>(store: S) {
    let world = World::new(store);
    let (project, phase) = world.phase().await;
    let dead = world
        .made(create("a", "phases", &temp(1, "phases"), json!({ "project_id": project, "name": "x" })))
        .await;
    world.made(delete("b", "phases", &dead, 1)).await;
    let parents =
        [dead, temp(1, "phases"), temp(77, "phases"), "4711".into(), project, temp(900, "projects")];
    for (number, parent) in parents.into_iter().enumerate() {
        let body = json!({ "phase_id": parent, "title": "t" });
        let result = world.one(create(&format!("k{number}"), "tasks", &temp(2, "tasks"), body)).await;
        assert_eq!(rejected(&result), ("reference-missing", Some("phase_id")), "{result:?}");
    }
    let task =
        world.made(create("c", "tasks", &temp(2, "tasks"), json!({ "phase_id": phase, "title": "t" }))).await;
    let moved = world.one(update("d", "tasks", &task, 1, json!({ "phase_id": "4711" }))).await;
    assert_eq!(rejected(&moved), ("reference-missing", Some("phase_id")));
}

async fn temporary_references_from_an_earlier_batch<S: Store>(store: S) {
    let world = World::new(store);
    let (_, phase) = world.phase().await;
    let task = world
        .made(create(
            "a",
            "tasks",
            &temp(1, "tasks"),
            json!({ "phase_id": temp(901, "phases"), "title": "t" }),
        ))
        .await;
    assert_eq!(world.fields("tasks", &task).await["phase_id"], phase);
    let other =
        world.made(create("b", "tasks", &temp(2, "tasks"), json!({ "phase_id": phase, "title": "t" }))).await;
    world.made(update("c", "tasks", &other, 1, json!({ "parent_id": temp(1, "tasks") }))).await;
    assert_eq!(world.fields("tasks", &other).await["parent_id"], task);
}

async fn a_record_may_refer_to_itself<S: Store>(store: S) {
    let world = World::new(store);
    let (_, phase) = world.phase().await;
    let local = temp(1, "tasks");
    let data = json!({ "phase_id": phase, "title": "t", "parent_id": local });
    let id = world.made(create("a", "tasks", &local, data)).await;
    assert_eq!(world.fields("tasks", &id).await["parent_id"], id);
    assert_eq!(world.one(delete("b", "tasks", &id, 1)).await.version, Some(2));
}

async fn a_cascade_takes_all_that_hangs_on_it<S: Store>(store: S) {
    let mut world = World::new(store);
    let (project, phase) = world.phase().await;
    let mut tasks = Vec::new();
    for number in 1..=3 {
        let data = json!({ "phase_id": phase, "title": "t" });
        tasks.push(world.made(create(&format!("t{number}"), "tasks", &temp(number, "tasks"), data)).await);
    }
    world.made(update("u", "tasks", &tasks[1], 1, json!({ "parent_id": tasks[0] }))).await;
    let cursor = world.pull(None).await.cursor;
    world.now += 5;
    let result = world.one(delete("d", "projects", &project, 1)).await;
    assert_eq!(
        (result.status, result.version, result.record_id.as_ref()),
        (Status::Applied, Some(2), Some(&project))
    );
    let page = world.pull(Some(cursor)).await;
    assert_eq!(page.entities, []);
    let place = |table: &str, id: &str| {
        page.deletions.iter().position(|row| row.table == table && row.id == id).unwrap()
    };
    assert_eq!(page.deletions.len(), 5);
    // Children before parents.
    assert_eq!(place("projects", &project), 4);
    assert_eq!(place("phases", &phase), 3);
    assert!(place("tasks", &tasks[2]) < 3);
    let changed_before = &page.deletions[place("tasks", &tasks[1])];
    assert_eq!((changed_before.version, changed_before.deleted_at), (3, world.now));
    assert_eq!(changed_before.created_as, Some(temp(2, "tasks")));
}

async fn a_refusal_takes_nothing<S: Store>(store: S) {
    let world = World::new(store);
    let (project, _) = world.phase().await;
    let invoice = world
        .made(create("i", "invoices", &temp(1, "invoices"), json!({ "project_id": project, "total": 9 })))
        .await;
    let refused = world.one(delete("d1", "projects", &project, 1)).await;
    assert_eq!(rejected(&refused), ("reference-in-use", None));
    assert!(refused.message.unwrap().contains("invoices"));
    assert_eq!(world.pull(None).await.deletions, []);
    world.made(delete("d2", "invoices", &invoice, 1)).await;
    assert_eq!(world.one(delete("d3", "projects", &project, 1)).await.status, Status::Applied);
}

async fn a_circle_of_children_ends<S: Store>(store: S) {
    let world = World::new(store);
    let (_, phase) = world.phase().await;
    let make = async |number: u64| {
        let data = json!({ "phase_id": phase, "title": "t" });
        world.made(create(&format!("t{number}"), "tasks", &temp(number, "tasks"), data)).await
    };
    let (one, two) = (make(1).await, make(2).await);
    world.made(update("u1", "tasks", &one, 1, json!({ "parent_id": two }))).await;
    world.made(update("u2", "tasks", &two, 1, json!({ "parent_id": one }))).await;
    world.made(delete("d", "tasks", &one, 2)).await;
    assert_eq!(world.pull(None).await.deletions.len(), 2);
}

//! Whole requests: what is refused, what order means, what one failure does to the rest.

use landfall_core::protocol::Status::{self, Applied, Conflict, Deferred, Rejected};
use serde_json::json;

use super::{World, create, delete, over_every_store, rejected, temp, update, with};
use crate::decisions::port::Store;
use crate::decisions::{Code, Role};

over_every_store![
    an_empty_batch_is_fine,
    a_refused_request_changes_nothing,
    the_example_of_the_protocol,
    one_failure_leaves_the_rest,
    what_depends_on_a_failure_is_deferred,
    a_reader_changes_nothing,
];

async fn an_empty_batch_is_fine<S: Store>(store: S) {
    let world = World::new(store);
    let answer = world.send(vec![]).await;
    assert_eq!((answer.protocol, answer.server_time, answer.results.len()), (1, world.now, 0));
}

async fn a_refused_request_changes_nothing<S: Store>(store: S) {
    let mut world = World::new(store);
    world.rules.operations_max = 2;
    let project =
        |n: u64| create(&format!("k{n}"), "projects", &temp(n, "projects"), json!({ "name": n.to_string() }));
    let good = world.request(vec![project(1)]);

    let mut request = good.clone();
    request.principal = "ben".into();
    assert_eq!(world.try_send(request).await.unwrap_err().code(), Code::PrincipalMismatch);
    let mut request = good.clone();
    request.epoch = Some("another".into());
    assert_eq!(world.try_send(request).await.unwrap_err().code(), Code::EpochChanged);
    let mut request = good.clone();
    request.protocol = 2;
    assert_eq!(world.try_send(request).await.unwrap_err().code(), Code::ProtocolUnsupported);
    let request = world.request(vec![project(1), project(2), project(3)]);
    assert_eq!(world.try_send(request).await.unwrap_err().code(), Code::BatchTooLarge);
    assert_eq!(world.pull(None).await.entities, []);

    let mut request = good;
    request.epoch = Some(world.pull(None).await.epoch);
    assert_eq!(world.try_send(request).await.unwrap().results[0].status, Applied);
}

async fn the_example_of_the_protocol<S: Store>(store: S) {
    let world = World::new(store);
    let (project, phase) = world.phase().await;
    assert_eq!((project.as_str(), phase.as_str()), ("1", "2"));
    let (local, child) = (temp(1, "tasks"), temp(2, "tasks"));
    let answer = world
        .send(vec![
            create("a", "tasks", &local, json!({ "phase_id": phase, "title": "Pull cable" })),
            with(
                create(
                    "b",
                    "tasks",
                    &child,
                    json!({ "phase_id": phase, "title": "Splice", "parent_id": local }),
                ),
                "dependencies",
                json!(["a"]),
            ),
        ])
        .await;
    for (result, id) in answer.results.iter().zip(["3", "4"]) {
        assert_eq!(
            (result.status, result.record_id.as_deref(), result.version),
            (Applied, Some(id), Some(1))
        );
        assert_eq!((result.updated_at, &result.record), (Some(world.now), &None));
    }
    let mappings = serde_json::to_value(&answer.id_mappings).unwrap();
    let expected = json!([{ "tempId": local, "realId": "3", "entityType": "tasks" },
        { "tempId": child, "realId": "4", "entityType": "tasks" }]);
    assert_eq!(mappings, expected);
    assert_eq!(world.fields("tasks", "4").await["parent_id"], "3");
    let page = world.pull(None).await;
    let row = page.entities.iter().find(|row| row.id == "4").unwrap();
    assert_eq!(row.created_as.as_deref(), Some(child.as_str()));
}

async fn one_failure_leaves_the_rest<S: Store>(store: S) {
    let world = World::new(store);
    let (project, phase) = world.phase().await;
    world
        .made(create("i", "invoices", &temp(1, "invoices"), json!({ "project_id": project, "total": 1 })))
        .await;
    let answer = world
        .send(vec![
            update("a", "projects", &project, 1, json!({ "progress": 10 })),
            update("b", "projects", &project, 2, json!({ "progress": "ten" })),
            // The cascade finds phases before it finds the invoice that refuses.
            delete("c", "projects", &project, 2),
            update("d", "phases", &phase, 9, json!({ "name": "Cabling" })),
            create("e", "tasks", &temp(2, "tasks"), json!({ "phase_id": phase, "title": "Splice" })),
        ])
        .await;
    let statuses: Vec<Status> = answer.results.iter().map(|result| result.status).collect();
    assert_eq!(statuses, [Applied, Rejected, Rejected, Conflict, Applied]);
    assert_eq!(rejected(&answer.results[2]).0, "reference-in-use");
    let page = world.pull(None).await;
    assert_eq!((page.entities.len(), page.deletions.len()), (4, 0));
    assert_eq!(world.fields("projects", &project).await["progress"], 10);
}

async fn what_depends_on_a_failure_is_deferred<S: Store>(store: S) {
    let world = World::new(store);
    let (project, _) = world.phase().await;
    let (phase, task) = (temp(1, "phases"), temp(2, "tasks"));
    let batch = vec![
        // Without its name the phase is rejected.
        create("a", "phases", &phase, json!({ "project_id": project })),
        create("b", "tasks", &task, json!({ "phase_id": phase, "title": "Splice" })),
        with(
            create(
                "c",
                "tasks",
                &temp(3, "tasks"),
                json!({ "phase_id": "2", "title": "x", "parent_id": task }),
            ),
            "dependencies",
            json!(["b"]),
        ),
        with(update("d", "tasks", &task, 1, json!({ "title": "y" })), "baseVersion", json!(null)),
        with(update("e", "projects", &project, 1, json!({ "progress": 5 })), "dependencies", json!(["a"])),
        create("f", "tasks", &temp(4, "tasks"), json!({ "phase_id": "2", "title": "not involved" })),
    ];
    let answer = world.send(batch.clone()).await;
    let statuses: Vec<Status> = answer.results.iter().map(|result| result.status).collect();
    assert_eq!(statuses, [Rejected, Deferred, Deferred, Deferred, Deferred, Applied]);
    assert_eq!(answer.results[1].retry_after_ms, Some(5_000));

    // A deferred key is not used up: with the parent made under a new key, the same operations go through.
    let mut again = batch;
    again[0] = create("a2", "phases", &phase, json!({ "project_id": project, "name": "Cabling" }));
    let answer = world.send(again).await;
    let statuses: Vec<Status> = answer.results.iter().map(|result| result.status).collect();
    assert_eq!(statuses, [Applied, Applied, Applied, Applied, Applied, Status::Duplicate]);
    assert_eq!(answer.results[3].version, Some(2));
}

async fn a_reader_changes_nothing<S: Store>(store: S) {
    let mut world = World::new(store);
    world.caller.role = Role::Reader;
    let result = world.one(create("a", "projects", &temp(1, "projects"), json!({ "name": "x" }))).await;
    assert_eq!(rejected(&result), ("forbidden", None));
    assert_eq!(world.pull(None).await.entities, []);
}

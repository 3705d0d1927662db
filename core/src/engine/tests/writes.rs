//! What a write does, and what a wrong one does not.

use super::{passes::Fixture, *};
use crate::log::memory::Fault;

async fn alone() -> (MemoryLog<Value>, Rc<Engine<World>>) {
    let log = MemoryLog::default();
    let engine = open(&log, &Rc::default(), &Dice::new(1)).await;
    (log, engine)
}

#[test]
fn a_record_is_born_with_a_temporary_id_and_waits_to_be_sent() {
    run(async {
        let (_, engine) = alone().await;
        let id = create(&engine, "projects", json!({ "name": "Pier 4" })).await.unwrap();
        assert!(crate::ids::is_temporary(&id));
        let record = view(&engine, "projects", &id).unwrap();
        assert_eq!(record["name"], "Pier 4");
        assert_eq!(record["_syncStatus"], "pending_upload");
        assert_eq!(record["_version"], Value::Null);
        let state = engine.state();
        let mutation = state.outbox.iter().next().unwrap();
        assert_eq!((mutation.data.clone(), &*mutation.record_id), (json!({ "name": "Pier 4" }), &*id));
        assert_eq!(record["_syncId"], *mutation.id);
    });
}

#[test]
fn a_table_with_ids_of_its_own_names_records_for_good() {
    run(async {
        let (_, engine) = alone().await;
        let id = create(&engine, "assets", json!({ "name": "Drill" })).await.unwrap();
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "7");
    });
}

#[test]
fn a_wrong_write_is_refused_and_changes_nothing() {
    run(async {
        let (log, engine) = alone().await;
        let project = create(&engine, "projects", json!({ "name": "Pier 4" })).await.unwrap();
        let step = create(&engine, "steps", json!({ "project_id": project, "name": "Pull" })).await.unwrap();
        let before = engine.state().export();
        let appends = log.text();
        let refused = [
            (create(&engine, "boats", json!({})).await.unwrap_err(), "unknown-table", Some("table")),
            (create(&engine, "projects", json!({})).await.unwrap_err(), "invalid-value", Some("name")),
            (
                create(&engine, "projects", json!({ "name": 4 })).await.unwrap_err(),
                "invalid-value",
                Some("name"),
            ),
            (
                create(&engine, "projects", json!({ "name": "a", "boat": 1 })).await.unwrap_err(),
                "invalid-value",
                Some("boat"),
            ),
            (
                create(&engine, "projects", json!({ "name": "a", "id": "7" })).await.unwrap_err(),
                "invalid-value",
                Some("id"),
            ),
            (
                create(&engine, "steps", json!({ "project_id": "41", "name": "a" })).await.unwrap_err(),
                "reference-missing",
                Some("project_id"),
            ),
            (
                update(&engine, "projects", "41", json!({ "name": "b" })).await.unwrap_err(),
                "record-not-found",
                Some("id"),
            ),
            (
                update(&engine, "projects", &project, json!({ "name": null })).await.unwrap_err(),
                "invalid-value",
                Some("name"),
            ),
            (delete(&engine, "projects", "41").await.unwrap_err(), "record-not-found", Some("id")),
            (
                delete(&engine, "projects", &project).await.unwrap_err(),
                "reference-in-use",
                Some("project_id"),
            ),
        ];
        for (error, code, field) in refused {
            assert_eq!((error.code(), error.field()), (code, field), "{error}");
        }
        assert_eq!(engine.state().export(), before);
        assert_eq!(log.text(), appends);
        assert!(view(&engine, "steps", &step).is_some());
    });
}

#[test]
fn of_many_records_created_together_all_or_none_are_written() {
    run(async {
        let (_, engine) = alone().await;
        let records = vec![json!({ "name": "a" }), json!({ "name": 5 }), json!({ "name": "c" })];
        let command = Command::Create {
            table: "projects".into(),
            records,
            is_list: true,
            options: WriteOptions::default(),
        };
        let error = engine.submit(command, Durability::Relaxed).await.unwrap_err();
        assert_eq!((error.code(), error.field()), ("invalid-value", Some("[1].name")));
        assert!(engine.state().outbox.is_empty());
        assert!(engine.state().table("projects").unwrap().is_empty());
    });
}

#[test]
fn two_changes_of_one_record_neither_ever_sent_are_one_mutation() {
    run(async {
        let (_, engine) = alone().await;
        let id = create(&engine, "projects", json!({ "name": "a" })).await.unwrap();
        update(&engine, "projects", &id, json!({ "name": "b" })).await.unwrap();
        let state = engine.state();
        assert_eq!(state.outbox.len(), 1);
        let mutation = state.outbox.iter().next().unwrap();
        assert_eq!(
            (mutation.operation, &mutation.data),
            (crate::log::entry::Operation::Create, &json!({ "name": "b" }))
        );
    });
}

#[test]
fn what_was_never_sent_and_is_deleted_leaves_nothing_to_send() {
    run(async {
        let (_, engine) = alone().await;
        let project = create(&engine, "projects", json!({ "name": "a" })).await.unwrap();
        let step = create(&engine, "steps", json!({ "project_id": project, "name": "s" })).await.unwrap();
        let task = create(&engine, "tasks", json!({ "step_id": step, "title": "t" })).await.unwrap();
        delete(&engine, "steps", &step).await.unwrap();
        assert!(view(&engine, "tasks", &task).is_none(), "the cascade takes the child");
        assert_eq!(engine.state().outbox.len(), 1, "only the project is left");
        delete(&engine, "projects", &project).await.unwrap();
        assert!(engine.state().outbox.is_empty());
    });
}

#[test]
fn children_created_offline_depend_on_their_parents() {
    run(async {
        let (_, engine) = alone().await;
        let project = create(&engine, "projects", json!({ "name": "a" })).await.unwrap();
        create(&engine, "steps", json!({ "project_id": project, "name": "s" })).await.unwrap();
        let state = engine.state();
        let all: Vec<_> = state.outbox.iter().collect();
        assert_eq!(all[1].dependencies, vec![all[0].id.clone()]);
    });
}

#[test]
fn a_parent_is_deleted_after_the_children_that_were_deleted_before() {
    run(async {
        let Fixture { engine, .. } = Fixture::new().await;
        let project = create(&engine, "projects", json!({ "name": "a" })).await.unwrap();
        let step = create(&engine, "steps", json!({ "project_id": project, "name": "s" })).await.unwrap();
        let all: Vec<_> = engine.state().outbox.iter().map(|mutation| mutation.id.clone()).collect();
        engine.submit(Command::Send { mutations: all }, Durability::Strict).await.unwrap();
        delete(&engine, "steps", &step).await.unwrap();
        delete(&engine, "projects", &project).await.unwrap();
        let state = engine.state();
        let mutations: Vec<_> = state.outbox.iter().collect();
        assert_eq!(mutations.len(), 4);
        assert!(mutations[3].dependencies.contains(&mutations[2].id), "{:?}", mutations[3].dependencies);
    });
}

#[test]
fn an_append_that_nobody_heard_of_is_looked_for_before_it_is_made_again() {
    for fault in [Fault::WrittenUnheard, Fault::LostUnheard] {
        run(async {
            let (_, engine) = alone().await;
            create(&engine, "projects", json!({ "name": "warm" })).await.unwrap();
            engine.ports().log.fail_next(fault);
            create(&engine, "projects", json!({ "name": "once" })).await.unwrap();
            let count = engine.state().export().lines().filter(|line| line.contains("\"once\"")).count();
            assert_eq!(count, 2, "one record and one mutation, {fault:?}");
        });
    }
}

#[test]
fn where_there_is_no_room_the_write_is_refused_and_a_later_one_succeeds() {
    run(async {
        let (_, engine) = alone().await;
        create(&engine, "projects", json!({ "name": "a" })).await.unwrap();
        engine.ports().log.fail_next(Fault::Quota);
        let error = create(&engine, "projects", json!({ "name": "b" })).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("quota-exceeded", true));
        create(&engine, "projects", json!({ "name": "b" })).await.unwrap();
        assert_eq!(engine.state().outbox.len(), 2);
    });
}

#[test]
fn what_another_context_just_wrote_can_be_changed_here() {
    run(async {
        let log = MemoryLog::default();
        let (remote, dice) = (Rc::default(), Dice::new(3));
        let here = open(&log, &remote, &dice).await;
        let there = open(&log, &remote, &dice).await;
        let id = create(&there, "projects", json!({ "name": "a" })).await.unwrap();
        update(&here, "projects", &id, json!({ "name": "b" })).await.unwrap();
        there.catch_up().await.unwrap();
        assert_eq!(view(&there, "projects", &id).unwrap()["name"], "b");
        assert_eq!(here.state().export(), there.state().export());
    });
}

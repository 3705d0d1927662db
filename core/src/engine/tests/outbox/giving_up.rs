//! What a person gives up: at once, or by asking the server.

use super::*;

#[test]
fn discarding_a_create_takes_its_later_changes_and_asks_about_children() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let project = create(engine, "projects", json!({ "name": "a" })).await.unwrap();
        let created = last(engine).id.clone();
        let step = create(engine, "steps", json!({ "project_id": project, "name": "s" })).await.unwrap();
        let child = last(engine).id.clone();
        create(engine, "tasks", json!({ "step_id": step, "title": "t" })).await.unwrap();
        let command = Command::Update {
            table: "projects".into(),
            id: project.as_str().into(),
            changes: json!({ "name": "b" }),
            unset: Vec::new(),
            options: WriteOptions { depends_on: vec![child.clone()], ..WriteOptions::default() },
        };
        submit(engine, command).await.unwrap();
        let error = submit(engine, discard(&created, false)).await.unwrap_err();
        assert_eq!(error.code(), "mutation-in-use");
        let Error::MutationInUse { dependents, .. } = &error else { panic!("{error}") };
        assert_eq!(dependents.len(), 2, "{error}");
        assert!(error.to_string().contains(&*child), "{error}");
        let done = submit(engine, discard(&created, true)).await.unwrap();
        let Done::Discarded { discarded, withdrawing } = done else { panic!("{done:?}") };
        assert_eq!((discarded.len(), withdrawing.len()), (4, 0));
        let state = engine.state();
        assert!(state.outbox.is_empty() && state.record("steps", &step).is_none());
    });
}

#[test]
fn what_may_have_been_sent_is_shown_no_more_and_the_server_is_asked_to_forget_it() {
    run(async {
        let fixture = Fixture::new().await;
        let task = fixture.with_task().await;
        let engine = &fixture.engine;
        update(engine, "tasks", task, json!({ "status": "done" })).await.unwrap();
        let id = last(engine).id.clone();
        fixture.push(|_| unreachable());
        engine.pass_now().await;
        let done = submit(engine, discard(&id, false)).await.unwrap();
        assert_eq!(done, Done::Discarded { discarded: vec![], withdrawing: vec![id.clone()] });
        assert_eq!(view(engine, "tasks", task).unwrap()["status"], "open");
        // What is written meanwhile waits for the answer, and stays.
        update(engine, "tasks", task, json!({ "title": "new" })).await.unwrap();
        fixture.push(move |upload| {
            let [withdraw] = &upload.operations[..] else { panic!("{upload:?}") };
            assert_eq!((withdraw.operation, &withdraw.data), (OperationKind::Withdraw, &None));
            assert_eq!(withdraw.id, *id);
            Ok(answer(vec![rejected(&withdraw.id, "withdrawn")]))
        });
        fixture.push(apply_all(0));
        fixture.empty_pull();
        let report = engine.pass_now().await;
        assert_eq!((report.remaining, report.error), (0, None));
        let record = view(engine, "tasks", task).unwrap();
        assert_eq!((&record["status"], &record["title"]), (&json!("open"), &json!("new")));
    });
}

#[test]
fn what_was_applied_before_it_could_be_withdrawn_is_settled_as_such() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let id = create(engine, "projects", json!({ "name": "a" })).await.unwrap();
        fixture.push(|_| unreachable());
        engine.pass_now().await;
        update(engine, "projects", &id, json!({ "name": "b" })).await.unwrap();
        let created = mutations(engine)[0].id.clone();
        submit(engine, discard(&created, false)).await.unwrap();
        assert!(view(engine, "projects", &id).is_none(), "it is shown no more");
        assert_eq!(engine.state().outbox.len(), 1, "its later change is gone");
        assert_eq!(
            update(engine, "projects", &id, json!({ "name": "c" })).await.unwrap_err().code(),
            "record-not-found"
        );
        fixture.push(|upload| Ok(answer(vec![applied(&upload.operations[0].id, "900", 1)])));
        fixture.empty_pull();
        assert_eq!(engine.pass_now().await.remaining, 0);
        let record = view(engine, "projects", "900").unwrap();
        assert_eq!((&record["name"], &record["_syncStatus"]), (&json!("a"), &json!("synced")));
    });
}

#[test]
fn a_record_that_was_deleted_does_not_come_back_because_its_create_was_given_up() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let id = create(engine, "projects", json!({ "name": "a" })).await.unwrap();
        mark_sent(engine).await;
        delete(engine, "projects", &id).await.unwrap();
        let created = mutations(engine)[0].id.clone();
        submit(engine, discard(&created, false)).await.unwrap();
        fixture.push(|upload| Ok(answer(vec![applied(&upload.operations[0].id, "900", 1)])));
        fixture.push(|upload| {
            assert_eq!(upload.operations[0].operation, OperationKind::Delete);
            apply_all(0)(upload)
        });
        fixture.empty_pull();
        assert_eq!(engine.pass_now().await.remaining, 0);
        assert!(view(engine, "projects", "900").is_none());
    });
}

#[test]
fn an_answer_that_comes_after_the_change_was_given_up_ends_it() {
    run(async {
        let fixture = Fixture::new().await;
        let task = fixture.with_task().await;
        let engine = Rc::clone(&fixture.engine);
        update(&engine, "tasks", task, json!({ "status": "done" })).await.unwrap();
        let id = last(&engine).id.clone();
        mark_sent(&engine).await;
        submit(&engine, discard(&id, false)).await.unwrap();
        let theirs =
            row("tasks", task, 4, None, json!({ "step_id": "2", "title": "x", "status": "blocked" }));
        fixture.push(move |upload| {
            let outcome = Outcome::Conflict(Theirs::Record(theirs));
            Ok(answer(vec![OperationResult::new(upload.operations[0].id.clone(), outcome)]))
        });
        fixture.empty_pull();
        assert_eq!(engine.pass_now().await.remaining, 0);
        let record = view(&engine, "tasks", task).unwrap();
        assert_eq!((&record["status"], &record["_version"]), (&json!("blocked"), &json!(4)));
    });
}

#[test]
fn two_changes_of_one_record_that_go_together_leave_what_the_server_has() {
    run(async {
        let fixture = Fixture::new().await;
        let task = fixture.with_task().await;
        let engine = &fixture.engine;
        update(engine, "tasks", task, json!({ "status": "done" })).await.unwrap();
        let first = last(engine).id.clone();
        let command = Command::Update {
            table: "tasks".into(),
            id: task.into(),
            changes: json!({ "title": "new" }),
            unset: Vec::new(),
            options: WriteOptions { depends_on: vec![first.clone()], ..WriteOptions::default() },
        };
        submit(engine, command).await.unwrap();
        submit(engine, discard(&first, true)).await.unwrap();
        assert!(engine.state().outbox.is_empty());
        let record = view(engine, "tasks", task).unwrap();
        assert_eq!((&record["status"], &record["title"]), (&json!("open"), &json!("Splice")));
        assert_eq!(record["_syncStatus"], "synced");
    });
}

#[test]
fn a_deletion_can_be_given_up_while_a_change_before_it_is_withdrawn() {
    run(async {
        let fixture = Fixture::new().await;
        let task = fixture.with_task().await;
        let engine = &fixture.engine;
        update(engine, "tasks", task, json!({ "status": "done" })).await.unwrap();
        mark_sent(engine).await;
        submit(engine, discard(&last(engine).id.clone(), false)).await.unwrap();
        delete(engine, "tasks", task).await.unwrap();
        let deletion = last(engine).id.clone();
        let done = submit(engine, discard(&deletion, false)).await.unwrap();
        assert_eq!(done, Done::Discarded { discarded: vec![deletion], withdrawing: vec![] });
        assert_eq!(view(engine, "tasks", task).unwrap()["status"], "open");
    });
}

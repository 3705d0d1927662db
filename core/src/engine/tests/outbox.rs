//! What an app and a person may do with the outbox, and what becomes of it on the way.

use std::cell::RefCell;

use super::{
    passes::{Fixture, answer, applied, apply_all, page, row},
    *,
};
use crate::{
    decide::WriteOptions,
    log::entry::{Id, Mutation, MutationState, Operation},
    protocol::{OperationKind, OperationResult, Outcome, Rejection, Theirs},
    schema::Priority,
};

fn mutations(engine: &Engine<World>) -> Vec<Rc<Mutation<Value>>> {
    engine.state().outbox.iter().cloned().collect()
}

fn last(engine: &Engine<World>) -> Rc<Mutation<Value>> {
    mutations(engine).pop().unwrap()
}

async fn submit(engine: &Engine<World>, command: Command<Value>) -> Result<Done, Error> {
    engine.submit(command, Durability::Relaxed).await
}

async fn create_after(engine: &Engine<World>, name: &str, depends_on: Vec<Id>) -> Result<Id, Error> {
    let options = WriteOptions { depends_on, ..WriteOptions::default() };
    let records = vec![json!({ "name": name })];
    let command = Command::Create { table: "assets".into(), records, is_list: false, options };
    submit(engine, command).await.map(|_| last(engine).id.clone())
}

async fn mark_sent(engine: &Engine<World>) {
    let all = mutations(engine).iter().map(|mutation| mutation.id.clone()).collect();
    engine.submit(Command::Send { mutations: all }, Durability::Strict).await.unwrap();
}

fn discard(mutation: &Id, cascade: bool) -> Command<Value> {
    Command::Discard { mutation: mutation.clone(), cascade }
}

fn retry(mutation: &Id, changes: Value) -> Command<Value> {
    Command::Retry { mutation: mutation.clone(), changes: Some(changes), unset: Vec::new() }
}

fn rejected(id: &str, code: &str) -> OperationResult<Value> {
    let rejection = Rejection { code: code.into(), field: None, message: "no".into() };
    OperationResult::new(id.into(), Outcome::Rejected(rejection))
}

fn refused(status: u16, code: &str) -> RemoteError {
    RemoteError::Refused { status, code: code.into(), message: "no".into(), retry_after_ms: None }
}

// Dependencies from the app.

#[test]
fn a_write_waits_for_what_the_app_says_and_not_for_what_is_gone() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let first = create_after(engine, "first", Vec::new()).await.unwrap();
        let gone: Id = "0199c82c-c000-7000-8000-000000000000".into();
        let second = create_after(engine, "second", vec![first.clone(), gone]).await.unwrap();
        assert_eq!(last(engine).dependencies, vec![first.clone()]);
        let error = create_after(engine, "third", vec![second, "tasks/7".into()]).await.unwrap_err();
        assert_eq!((error.code(), error.field()), ("invalid-value", Some("options.dependsOn[1]")));
    });
}

#[test]
fn a_change_that_waits_for_another_is_not_folded_into_an_earlier_one() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let id = create(engine, "projects", json!({ "name": "a" })).await.unwrap();
        let other = create_after(engine, "other", Vec::new()).await.unwrap();
        let command = |depends_on| Command::Update {
            table: "projects".into(),
            id: id.as_str().into(),
            changes: json!({ "name": "b" }),
            unset: Vec::new(),
            options: WriteOptions { depends_on, ..WriteOptions::default() },
        };
        submit(engine, command(vec![other.clone()])).await.unwrap();
        assert_eq!((engine.state().outbox.len(), last(engine).dependencies.clone()), (3, vec![other]));
        submit(engine, command(Vec::new())).await.unwrap();
        assert_eq!(engine.state().outbox.len(), 3, "what comes later waits in any case");
    });
}

#[test]
fn a_queued_mutation_can_be_made_to_wait_and_a_circle_is_refused_with_its_path() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let one = create_after(engine, "one", Vec::new()).await.unwrap();
        let two = create_after(engine, "two", vec![one.clone()]).await.unwrap();
        let three = create_after(engine, "three", vec![two.clone()]).await.unwrap();
        let depend =
            |mutation: &Id, on: &Id| Command::Depend { mutation: mutation.clone(), on: vec![on.clone()] };
        let before = engine.state().export();
        let error = submit(engine, depend(&one, &three)).await.unwrap_err();
        assert_eq!(error.code(), "dependency-cycle");
        let text = error.to_string();
        let at = |id: &Id| text.find(&**id).unwrap_or_else(|| panic!("{text} says nothing of {id}"));
        assert!(at(&one) < at(&three) && at(&three) < at(&two), "{text}");
        assert!(text.contains("`assets`") && text.contains("waits for"), "{text}");
        assert_eq!(engine.state().export(), before, "nothing is left of it");
        assert_eq!(submit(engine, depend(&two, &two)).await.unwrap_err().code(), "dependency-cycle");
        submit(engine, depend(&three, &one)).await.unwrap();
        assert_eq!(last(engine).dependencies, vec![two.clone(), one.clone()]);
        mark_sent(engine).await;
        let error = submit(engine, depend(&three, &one)).await.unwrap_err();
        assert_eq!(error.code(), "mutation-in-flight");
    });
}

#[test]
fn a_circle_through_the_order_within_a_record_is_found_too() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let id = create(engine, "projects", json!({ "name": "a" })).await.unwrap();
        let created = last(engine).id.clone();
        let other = create_after(engine, "other", Vec::new()).await.unwrap();
        let command = Command::Update {
            table: "projects".into(),
            id: id.as_str().into(),
            changes: json!({ "name": "b" }),
            unset: Vec::new(),
            options: WriteOptions { depends_on: vec![other.clone()], ..WriteOptions::default() },
        };
        submit(engine, command).await.unwrap();
        let updated = last(engine).id.clone();
        // The other waits for the update, which waits for the other.
        let depend = Command::Depend { mutation: other.clone(), on: vec![updated] };
        assert_eq!(submit(engine, depend).await.unwrap_err().code(), "dependency-cycle");
        // The create waits for the other: no circle yet. The other for the create: now it is one.
        submit(engine, Command::Depend { mutation: created.clone(), on: vec![other.clone()] }).await.unwrap();
        let depend = Command::Depend { mutation: other, on: vec![created] };
        assert_eq!(submit(engine, depend).await.unwrap_err().code(), "dependency-cycle");
    });
}

// Folding changes into each other.

#[test]
fn a_deletion_keeps_the_changes_that_have_their_place() {
    run(async {
        let fixture = Fixture::new().await;
        let task = fixture.with_task().await;
        let engine = &fixture.engine;
        let other = create_after(engine, "other", Vec::new()).await.unwrap();
        let command = Command::Update {
            table: "tasks".into(),
            id: task.into(),
            changes: json!({ "title": "b" }),
            unset: Vec::new(),
            options: WriteOptions { depends_on: vec![other], ..WriteOptions::default() },
        };
        submit(engine, command).await.unwrap();
        delete(engine, "tasks", task).await.unwrap();
        let kinds: Vec<_> = mutations(engine).iter().map(|mutation| mutation.operation).collect();
        assert_eq!(kinds, [Operation::Create, Operation::Update, Operation::Delete]);
    });
}

#[test]
fn rejecting_a_create_settles_its_deletion() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let id = create(engine, "projects", json!({ "name": "a" })).await.unwrap();
        mark_sent(engine).await;
        update(engine, "projects", &id, json!({ "name": "b" })).await.unwrap();
        delete(engine, "projects", &id).await.unwrap();
        fixture.push(|upload| Ok(answer(vec![rejected(&upload.operations[0].id, "forbidden")])));
        fixture.empty_pull();
        let report = engine.pass_now().await;
        assert_eq!((report.remaining, report.error), (0, None));
        assert!(engine.state().record("projects", &id).is_none());
    });
}

#[test]
fn records_that_refer_to_each_other_in_a_circle_can_be_deleted() {
    run(async {
        let document = json!({ "version": 1, "tables": {
            "nodes": { "fields": { "next_id": "string?" },
                       "references": { "next_id": { "table": "nodes", "onDelete": "cascade" } } } } });
        let schema = Rc::new(Schema::parse(&document).unwrap());
        let engine = open_with(schema, &MemoryLog::default(), &Rc::default(), &Dice::new(1)).await;
        let one = create(&engine, "nodes", json!({})).await.unwrap();
        let two = create(&engine, "nodes", json!({ "next_id": one })).await.unwrap();
        mark_sent(&engine).await;
        update(&engine, "nodes", &one, json!({ "next_id": two })).await.unwrap();
        delete(&engine, "nodes", &one).await.unwrap();
        assert!(view(&engine, "nodes", &one).is_none() && view(&engine, "nodes", &two).is_none());
    });
}

// Giving up.

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

// Trying again.

async fn parked_task(fixture: &Fixture, code: &'static str) -> (String, Id) {
    let engine = &fixture.engine;
    let project = create(engine, "projects", json!({ "name": "a" })).await.unwrap();
    let step = create(engine, "steps", json!({ "project_id": project, "name": "s" })).await.unwrap();
    let task = create(engine, "tasks", json!({ "step_id": step, "title": "t" })).await.unwrap();
    fixture.push(move |upload| {
        let results = upload.operations.iter().enumerate().map(|(at, operation)| match at {
            0 => applied(&operation.id, "900", 1),
            1 => applied(&operation.id, "901", 1),
            _ => rejected(&operation.id, code),
        });
        Ok(answer(results.collect()))
    });
    fixture.empty_pull();
    engine.pass_now().await;
    (task, fixture.only_mutation().id.clone())
}

#[test]
fn what_is_parked_goes_again_with_other_fields() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let (task, parked) = parked_task(&fixture, "invalid-value").await;
        for (changes, field) in [(json!({ "title": 5 }), "title"), (json!({ "boat": "x" }), "boat")] {
            let error = submit(engine, retry(&parked, changes)).await.unwrap_err();
            assert_eq!((error.code(), error.field()), ("invalid-value", Some(field)));
        }
        let error = submit(engine, retry(&parked, json!({ "step_id": "41" }))).await.unwrap_err();
        assert_eq!(error.code(), "reference-missing");
        let step = create(engine, "steps", json!({ "project_id": "900", "name": "new" })).await.unwrap();
        let parent = last(engine).id.clone();
        let done =
            submit(engine, retry(&parked, json!({ "step_id": step, "status": "open" }))).await.unwrap();
        let Done::Queued(again) = done else { panic!("{done:?}") };
        assert_ne!(again, parked);
        let again = engine.state().outbox.get(&again).unwrap().clone();
        assert_eq!((again.state, &again.dependencies), (MutationState::Pending, &vec![parent]));
        assert_eq!(again.data, json!({ "step_id": step, "title": "t", "status": "open" }));
        let record = view(engine, "tasks", &task).unwrap();
        assert_eq!((&record["status"], &record["_syncStatus"]), (&json!("open"), &json!("pending_upload")));
    });
}

#[test]
fn an_edit_that_would_close_a_circle_is_refused() {
    run(async {
        let document = json!({ "version": 1, "tables": {
            "nodes": { "fields": { "name": "string", "next_id": "string?" },
                       "references": { "next_id": { "table": "nodes", "onDelete": "cascade" } } } } });
        let script: Rc<Script> = Rc::default();
        let schema = Rc::new(Schema::parse(&document).unwrap());
        let engine = open_with(schema, &MemoryLog::default(), &script, &Dice::new(1)).await;
        let one = create(&engine, "nodes", json!({ "name": "one" })).await.unwrap();
        let two = create(&engine, "nodes", json!({ "name": "two", "next_id": one })).await.unwrap();
        let reject =
            |upload: Upload<Value>| Ok(answer(vec![rejected(&upload.operations[0].id, "invalid-value")]));
        script.pulls.borrow_mut().push_back(Box::new(|_| Ok(page(Vec::new(), Vec::new(), "c0"))));
        script.pushes.borrow_mut().push_back(Box::new(reject));
        engine.pass_now().await;
        let parked = mutations(&engine)[0].clone();
        assert_eq!(parked.state, MutationState::Rejected);
        let before = engine.state().export();
        let error = submit(&engine, retry(&parked.id, json!({ "next_id": two }))).await.unwrap_err();
        assert_eq!(error.code(), "dependency-cycle");
        assert_eq!(engine.state().export(), before);
    });
}

#[test]
fn attempts_are_counted_by_answers_that_name_the_mutation_and_then_it_is_parked() {
    for (priority, attempts) in
        [(Priority::Low, 3), (Priority::Medium, 5), (Priority::High, 10), (Priority::Critical, 10)]
    {
        run(async {
            let fixture = Fixture::new().await;
            let engine = &fixture.engine;
            let options = WriteOptions { priority: Some(priority), ..WriteOptions::default() };
            let records = vec![json!({ "name": "a" })];
            let command = Command::Create { table: "projects".into(), records, is_list: false, options };
            submit(engine, command).await.unwrap();
            for attempt in 1..=attempts {
                fixture.push(|_| unreachable());
                engine.pass_now().await;
                assert_eq!(fixture.only_mutation().attempts, attempt - 1, "being offline costs nothing");
                fixture.push(|upload| {
                    let outcome = Outcome::Deferred { retry_after_ms: 0 };
                    Ok(answer(vec![OperationResult::new(upload.operations[0].id.clone(), outcome)]))
                });
                engine.pass_now().await;
                assert_eq!(fixture.only_mutation().attempts, attempt);
            }
            let parked = fixture.only_mutation();
            let error = parked.error.clone().unwrap();
            assert_eq!((parked.state, error.code.as_str()), (MutationState::Rejected, "attempts-spent"));
            assert!(error.message.contains("the server put it off"), "{}", error.message);
            // It never had an answer for good: it goes again under its id, and is withdrawn when it is given up.
            let again = Command::Retry { mutation: parked.id.clone(), changes: None, unset: Vec::new() };
            assert_eq!(submit(engine, again).await.unwrap(), Done::Queued(parked.id.clone()));
            assert_eq!(fixture.only_mutation().attempts, 0);
            let done = submit(engine, discard(&parked.id, false)).await.unwrap();
            assert_eq!(done, Done::Discarded { discarded: vec![], withdrawing: vec![parked.id.clone()] });
        });
    }
}

#[test]
fn what_breaks_the_server_waits_alone_while_the_others_go_on_and_is_parked_in_the_end() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        for n in 0..40 {
            create(engine, "assets", json!({ "name": format!("{n}") })).await.unwrap();
        }
        let others = Rc::new(RefCell::new(0));
        let mut rounds = 0;
        while engine.state().outbox.counts().parked == 0 {
            rounds += 1;
            assert!(rounds < 200, "the poison is never parked");
            let others = Rc::clone(&others);
            // Somebody goes on working, so that there is always something else that gets through.
            create(engine, "assets", json!({ "name": format!("more {rounds}") })).await.unwrap();
            for _ in 0..30 {
                let others = Rc::clone(&others);
                fixture.push(move |upload| {
                    let is_poison = |operation: &crate::protocol::Operation<Value>| {
                        operation.data == Some(json!({ "name": "17" }))
                    };
                    if upload.operations.iter().any(is_poison) {
                        return Err(refused(500, "internal"));
                    }
                    *others.borrow_mut() += upload.operations.len();
                    let results = upload
                        .operations
                        .iter()
                        .map(|operation| applied(&operation.id, &operation.record_id, 1));
                    Ok(answer(results.collect()))
                });
            }
            engine.pass_now().await;
            fixture.script.pushes.borrow_mut().clear();
            engine.ports().clock.pass(400_000);
            if rounds == 12 {
                assert!(*others.borrow() >= 39, "{} got through after {rounds} passes", others.borrow());
            }
        }
        let parked = mutations(engine).into_iter().find(|mutation| mutation.state.is_parked()).unwrap();
        let error = parked.error.clone().unwrap();
        assert_eq!((&parked.data["name"], error.code.as_str()), (&json!("17"), "attempts-spent"));
        assert!(error.message.contains("internal"), "the last reason is kept: {}", error.message);
        assert_eq!(error.class, crate::outbox::Class::Transient);
        assert_eq!(parked.attempts, 5);
    });
}

#[test]
fn a_server_that_is_down_costs_no_mutation_an_attempt() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        for n in 0..10 {
            create(engine, "assets", json!({ "name": format!("{n}") })).await.unwrap();
        }
        for _ in 0..40 {
            for _ in 0..4 {
                fixture.push(|_| Err(refused(503, "unavailable")));
            }
            engine.pass_now().await;
            fixture.script.pushes.borrow_mut().clear();
            engine.ports().clock.pass(400_000);
        }
        assert!(mutations(engine).iter().all(|mutation| mutation.attempts == 0));
        for _ in 0..10 {
            fixture.push(apply_all(0));
        }
        fixture.empty_pull();
        assert_eq!(engine.pass_now().await.remaining, 0);
    });
}

#[test]
fn a_conflict_of_a_whole_request_parks_its_mutation_as_one() {
    run(async {
        let fixture = Fixture::new().await;
        create(&fixture.engine, "assets", json!({ "name": "a" })).await.unwrap();
        fixture.push(|_| Err(refused(412, "http-error")));
        fixture.empty_pull();
        fixture.engine.pass_now().await;
        let parked = fixture.only_mutation();
        assert_eq!(parked.state, MutationState::Conflict);
        let refusal = parked.error.as_ref().unwrap();
        assert_eq!((refusal.class, refusal.message.as_str()), (crate::outbox::Class::Conflict, "no"));
    });
}

#[test]
fn a_protocol_that_is_not_spoken_holds_everything_and_says_so() {
    run(async {
        let fixture = Fixture::new().await;
        create(&fixture.engine, "assets", json!({ "name": "a" })).await.unwrap();
        fixture.push(|_| Err(refused(426, "http-error")));
        fixture.engine.pass().await;
        assert_eq!(fixture.engine.status().held, Some(Held::ProtocolUnsupported));
        let report = fixture.engine.pass().await.unwrap();
        assert!(report.error.unwrap().message.contains("updated"));
        assert_eq!(fixture.script.pushed.borrow().len(), 1);
        assert_eq!(fixture.only_mutation().attempts, 0);
    });
}

// Batches.

fn sizes(fixture: &Fixture) -> Vec<usize> {
    fixture.script.pushed.borrow().iter().map(|upload| upload.operations.len()).collect()
}

#[test]
fn a_batch_is_bounded_by_bytes_and_what_is_larger_goes_alone() {
    run(async {
        let fixture = Fixture::new().await;
        fixture.script.terms.set(crate::ports::Terms { batch_bytes_max: 3_000, ..Default::default() });
        for length in [1_000, 900, 900, 5_000, 10] {
            create(&fixture.engine, "projects", json!({ "name": "x".repeat(length) })).await.unwrap();
        }
        for n in 0..5 {
            fixture.push(apply_all(900 + 10 * n));
        }
        fixture.empty_pull();
        assert_eq!(fixture.engine.pass_now().await.remaining, 0);
        assert_eq!(sizes(&fixture), [2, 1, 1, 1]);
    });
}

#[test]
fn a_remote_gets_batches_of_one_table_if_it_wants_them() {
    run(async {
        let fixture = Fixture::new().await;
        fixture.script.terms.set(crate::ports::Terms {
            one_table_per_batch: true,
            batch_max: 3,
            ..Default::default()
        });
        for n in 0..4 {
            create(&fixture.engine, "projects", json!({ "name": format!("{n}") })).await.unwrap();
            create(&fixture.engine, "assets", json!({ "name": format!("{n}") })).await.unwrap();
        }
        for n in 0..8 {
            fixture.push(apply_all(900 + 10 * n));
        }
        fixture.empty_pull();
        assert_eq!(fixture.engine.pass_now().await.remaining, 0);
        for upload in fixture.script.pushed.borrow().iter() {
            assert!(upload.operations.iter().all(|operation| operation.table == upload.operations[0].table));
        }
        assert_eq!(sizes(&fixture), [3, 3, 1, 1]);
    });
}

#[test]
fn what_is_too_large_is_halved_and_grows_again() {
    run(async {
        let fixture = Fixture::new().await;
        for n in 0..50 {
            create(&fixture.engine, "assets", json!({ "name": format!("{n}") })).await.unwrap();
        }
        for _ in 0..40 {
            fixture.push(|upload| {
                if upload.operations.len() > 10 {
                    return Err(refused(413, "body-too-large"));
                }
                apply_all(0)(upload)
            });
        }
        fixture.empty_pull();
        let report = fixture.engine.pass_now().await;
        assert_eq!((report.pushed, report.remaining, report.rejected), (50, 0, 0));
        assert_eq!(sizes(&fixture)[..6], [50, 25, 13, 7, 14, 7]);
    });
}

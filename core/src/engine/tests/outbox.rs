//! What an app and a person may do with the outbox, and what becomes of it on the way.

mod batches;
mod giving_up;
mod trying_again;

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

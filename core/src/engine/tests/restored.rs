//! A server that was restored from a backup, and requests whose copies may still be on their way.

use futures_util::FutureExt;

use super::{
    passes::{Fixture, answer, applied, page, row},
    *,
};
use crate::{
    decide::Answer,
    log::entry::MutationState,
    protocol::{Applied, OperationResult, Outcome, Rejection, Theirs},
};

fn of_now(mut page: Page<Value>) -> Page<Value> {
    page.epoch = "e2".into();
    page
}

fn task(version: u64, title: &str) -> crate::protocol::EntityRow<Value> {
    row("tasks", "77", version, None, json!({ "step_id": "2", "title": title, "status": "open" }))
}

fn parents() -> Vec<crate::protocol::EntityRow<Value>> {
    vec![
        row("projects", "1", 1, None, json!({ "name": "p" })),
        row("steps", "2", 1, None, json!({ "project_id": "1", "name": "s" })),
    ]
}

#[test]
fn what_was_asked_before_an_answer_is_asked_again_while_versions_cannot_be_compared() {
    run(async {
        let fixture = Fixture::new().await;
        let id = fixture.with_task().await;
        update(&fixture.engine, "tasks", id, json!({ "title": "Splice again" })).await.unwrap();
        fixture.push(|_| unreachable());
        fixture.empty_pull();
        fixture.engine.pass_now().await;
        let mutation = fixture.only_mutation().id.to_string();
        let other = Rc::new(open(&fixture.log, &fixture.script, &fixture.dice).await);

        fixture.push(|_| unreachable());
        fixture.pull(of_now(page(vec![], vec![], "c1")));
        fixture.pull(Page { has_more: true, ..of_now(page(parents(), vec![], "c2")) });
        // While the last page is under way another context, which took the lease, hears an answer.
        fixture.script.pulls.borrow_mut().push_back(Box::new(move |_| {
            other.catch_up().now_or_never().unwrap().unwrap();
            let UploadAnswer { server_time, results, .. } = answer(vec![applied(&mutation, "77", 9)]);
            let beginnings = other.state().beginnings();
            let answer = Answer { epoch: "e2".into(), server_time, results, beginnings };
            other.submit(Command::Answer { answer }, Durability::Relaxed).now_or_never().unwrap().unwrap();
            Ok(of_now(page(vec![task(8, "older")], vec![], "c3")))
        }));
        fixture.pull(of_now(page(vec![task(9, "Splice again")], vec![], "c3")));
        assert_eq!(fixture.engine.pass_now().await.remaining, 0);
        let shown = view(&fixture.engine, "tasks", "77").unwrap();
        assert_eq!((&shown["title"], &shown["_syncStatus"]), (&json!("Splice again"), &json!("synced")));
    });
}

#[test]
fn an_answer_that_is_repeated_takes_nothing_back_of_what_came_since() {
    run(async {
        let fixture = Fixture::new().await;
        let id = fixture.with_task().await;
        update(&fixture.engine, "tasks", id, json!({ "status": "done" })).await.unwrap();
        fixture.push(|_| unreachable());
        fixture.empty_pull();
        fixture.engine.pass_now().await;

        // It was applied as version 2, somebody changed it back, and then the server was restored to after that.
        fixture.push(|_| unreachable());
        fixture.pull(of_now(page(vec![], vec![], "c1")));
        let mut rows = parents();
        rows.push(task(3, "Splice"));
        fixture.pull(of_now(page(rows, vec![], "c3")));
        fixture.engine.pass_now().await;
        fixture.push(|upload| {
            let made = Applied { record_id: "77".into(), version: 2, updated_at: 4_002, record: None };
            let duplicate = Outcome::Duplicate(made);
            let mut answer = answer(vec![OperationResult::new(upload.operations[0].id.clone(), duplicate)]);
            answer.epoch = "e2".into();
            Ok(answer)
        });
        fixture.pull(of_now(page(vec![], vec![], "c3")));
        assert_eq!(fixture.engine.pass_now().await.remaining, 0);
        let state = fixture.engine.state();
        let record = state.record("tasks", "77").unwrap();
        assert_eq!((record.version, &record.data["status"]), (Some(3), &json!("open")));
    });
}

/// A project whose create is parked because its request was refused.
async fn refused_create(status: u16) -> (Fixture, String) {
    let fixture = Fixture::new().await;
    let id = create(&fixture.engine, "projects", json!({ "name": "Pier" })).await.unwrap();
    fixture.push(move |_| {
        let (code, message) = ("http-error".into(), String::new());
        Err(RemoteError::Refused { status, code, message, retry_after_ms: None })
    });
    fixture.empty_pull();
    fixture.engine.pass_now().await;
    assert_eq!(fixture.only_mutation().state, MutationState::Rejected);
    (fixture, id)
}

#[test]
fn a_create_whose_request_was_forbidden_is_asked_about_before_it_is_forgotten() {
    run(async {
        let (fixture, id) = refused_create(403).await;
        delete(&fixture.engine, "projects", &id).await.unwrap();
        assert!(view(&fixture.engine, "projects", &id).is_none());
        assert!(fixture.engine.state().outbox.iter().any(|mutation| mutation.withdrawing));
        fixture.push(|upload| {
            let rejection = Rejection { code: "withdrawn".into(), field: None, message: String::new() };
            let outcome = Outcome::Rejected(rejection);
            Ok(answer(vec![OperationResult::new(upload.operations[0].id.clone(), outcome)]))
        });
        fixture.empty_pull();
        assert_eq!(fixture.engine.pass_now().await.remaining, 0);
        assert!(fixture.engine.state().record("projects", &id).is_none());
    });
}

#[test]
fn a_create_that_was_too_large_is_gone_with_its_record() {
    run(async {
        let (fixture, id) = refused_create(413).await;
        delete(&fixture.engine, "projects", &id).await.unwrap();
        assert!(fixture.engine.state().outbox.is_empty(), "every copy of it is too large");
    });
}

#[test]
fn what_was_made_on_theirs_goes_on_from_it_where_a_restored_server_has_it_again() {
    run(async {
        let fixture = Fixture::new().await;
        let id = fixture.with_task().await;
        update(&fixture.engine, "tasks", id, json!({ "title": "ours" })).await.unwrap();
        let overtaken = fixture.only_mutation().id.clone();
        // Somebody made a second version that holds what the first did.
        let answered = overtaken.to_string();
        let theirs = Outcome::Conflict(Theirs::Record(task(2, "Joint")));
        fixture.push(move |_| Ok(answer(vec![OperationResult::new(answered, theirs)])));
        fixture.empty_pull();
        fixture.engine.pass_now().await;
        update(&fixture.engine, "tasks", id, json!({ "status": "done" })).await.unwrap();
        let discard = Command::Discard { mutation: overtaken, cascade: false };
        fixture.engine.submit(discard, Durability::Relaxed).await.unwrap();
        assert_eq!(fixture.only_mutation().base_version, Some(2));

        fixture.push(|_| unreachable());
        fixture.pull(of_now(page(vec![], vec![], "c1")));
        let rows = parents().into_iter().chain([task(1, "Joint")]).collect();
        fixture.pull(of_now(page(rows, vec![], "c2")));
        fixture.engine.pass_now().await;
        assert_eq!(fixture.only_mutation().base_version, Some(1), "version 2 may be another one by now");
    });
}

//! One record's story, in each thing that it may wait for.

use super::{
    passes::{Fixture, answer, apply_all, page, row},
    *,
};
use crate::{
    activity::What,
    body::{SyncReason, SyncStatus},
    engine::{Next, Presence, Story, Waiting},
    log::entry::{Id, MutationState, Operation},
    protocol::{DeletionReason, DeletionRow, OperationResult, Outcome, Rejection, Theirs},
};

async fn explain(engine: &Engine<World>, table: &str, id: &str) -> Story {
    engine.explain(&table.into(), &id.into()).await.unwrap()
}

fn refused(status: u16, retry_after_ms: Option<u64>) -> RemoteError {
    RemoteError::Refused { status, code: "unavailable".into(), message: "busy".into(), retry_after_ms }
}

/// Rejects what is of projects, and says nothing of the rest.
fn reject_projects(upload: Upload<Value>) -> UploadAnswer<Value> {
    let projects = upload.operations.into_iter().filter(|operation| operation.table == "projects");
    let results = projects.map(|operation| {
        let code = "forbidden".to_owned();
        let rejection = Rejection { code, field: None, message: "editors only".into() };
        OperationResult::new(operation.id, Outcome::Rejected(rejection))
    });
    answer(results.collect())
}

#[test]
fn a_record_that_the_server_has_needs_nothing() {
    run(async {
        let fixture = Fixture::new().await;
        let task = fixture.with_task().await;
        let story = explain(&fixture.engine, "tasks", task).await;
        assert_eq!((story.presence, story.status, story.reason), (Presence::Here, SyncStatus::Synced, None));
        assert_eq!((story.base_version, story.theirs, story.next), (Some(1), None, Next::Nothing));
        assert!(story.mutations.is_empty() && story.activity.is_empty() && story.former_ids.is_empty());
    });
}

#[test]
fn what_waits_tells_what_it_waits_for() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let task = fixture.with_task().await;
        update(engine, "tasks", task, json!({ "status": "done" })).await.unwrap();
        let story = explain(engine, "tasks", task).await;
        let first = &story.mutations[0];
        assert_eq!((first.operation, &first.fields[..]), (Operation::Update, &["status".to_owned()][..]));
        assert_eq!((first.state, first.base_version), (MutationState::Pending, Some(1)));
        assert_eq!((&first.waits, &story.next), (&Waiting::Turn { ahead: 0 }, &Next::Send { ahead: 0 }));

        let project = create(engine, "projects", json!({ "name": "p" })).await.unwrap();
        let step = create(engine, "steps", json!({ "project_id": project, "name": "s" })).await.unwrap();
        let story = explain(engine, "projects", &project).await;
        assert_eq!(story.mutations[0].waits, Waiting::Turn { ahead: 1 });
        let needed = story.mutations[0].id.clone();
        let story = explain(engine, "steps", &step).await;
        let (table, record_id): (Id, Id) = ("projects".into(), project.as_str().into());
        assert_eq!(
            story.mutations[0].waits,
            Waiting::Dependency {
                mutation: needed.clone(),
                table: table.clone(),
                record_id: record_id.clone()
            }
        );
        assert_eq!(story.next, Next::SendAfter { mutation: needed, table, record_id });

        // It may have been sent, and another change of it was written since.
        engine.pass_now().await;
        update(engine, "tasks", task, json!({ "title": "Splice twice" })).await.unwrap();
        let story = explain(engine, "tasks", task).await;
        assert_eq!(story.mutations[0].waits, Waiting::Answer);
        assert_eq!(story.mutations[1].waits, Waiting::Earlier { mutation: story.mutations[0].id.clone() });
        assert_eq!((&story.next, story.reason), (&Next::Connect, None));
        assert_eq!(story.sentence, "Will be sent when the connection is back.");

        // The server is there again, and has no time.
        fixture.push(|_| Err(refused(503, Some(60_000))));
        fixture.pull(page(vec![], vec![], "c2"));
        engine.pass_now().await;
        let asset = create(engine, "assets", json!({ "name": "a" })).await.unwrap();
        let story = explain(engine, "assets", &asset).await;
        let until = engine.status().next_attempt_at.unwrap();
        assert_eq!(
            (&story.mutations[0].waits, &story.next),
            (&Waiting::Pause { until }, &Next::SendAt { at: until })
        );
        assert_eq!(explain(engine, "tasks", task).await.next, Next::AskAgain);
    });
}

#[test]
fn what_the_server_puts_off_waits_for_its_time() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let project = create(engine, "projects", json!({ "name": "p" })).await.unwrap();
        fixture.push(|upload| {
            let deferred = Outcome::Deferred { retry_after_ms: 20_000 };
            Ok(answer(vec![OperationResult::new(upload.operations[0].id.clone(), deferred)]))
        });
        fixture.empty_pull();
        engine.pass_now().await;
        let story = explain(engine, "projects", &project).await;
        let Waiting::Time { at } = story.mutations[0].waits else { panic!("{story:?}") };
        assert_eq!((story.mutations[0].attempts, &story.next), (1, &Next::SendAt { at }));
    });
}

#[test]
fn a_refused_change_and_what_needs_it_tell_who_has_to_decide() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let project = create(engine, "projects", json!({ "name": "p" })).await.unwrap();
        let step = create(engine, "steps", json!({ "project_id": project, "name": "s" })).await.unwrap();
        let task = create(engine, "tasks", json!({ "step_id": step, "title": "t" })).await.unwrap();
        fixture.push(|upload| Ok(reject_projects(upload)));
        fixture.empty_pull();
        engine.pass_now().await;
        let story = explain(engine, "projects", &project).await;
        let parked = story.mutations[0].id.clone();
        assert_eq!(
            (&story.mutations[0].waits, story.reason),
            (&Waiting::Decision, Some(SyncReason::Rejected))
        );
        assert_eq!(story.mutations[0].error.as_ref().unwrap().message, "editors only");
        assert_eq!(story.activity.len(), 1);
        assert!(matches!(story.activity[0].line.what, What::Parked { conflict: false, .. }));
        assert_eq!(
            story.sentence,
            format!(
                "Needs your decision about {project} in projects: editors only (forbidden). Retry, edit or discard it."
            )
        );
        let deep = explain(engine, "tasks", &task).await;
        let Waiting::Blocked { by, table, record_id } = &deep.mutations[0].waits else { panic!("{deep:?}") };
        assert_eq!((by, &**table, &**record_id), (&parked, "projects", project.as_str()));
        assert_eq!(deep.reason, Some(SyncReason::Blocked));
        assert!(matches!(&deep.next, Next::Decide { mutation, .. } if *mutation == parked));
        let told = serde_json::to_value(&deep).unwrap();
        assert_eq!(told["mutations"][0]["waits"]["for"], "blocked");
        assert_eq!((&told["next"]["kind"], &told["next"]["code"]), (&json!("decide"), &json!("forbidden")));
    });
}

#[test]
fn a_record_says_in_short_why_it_waits_and_no_longer_when_it_does_not() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let reason = |engine: &Engine<World>, table: &str, id: &str| {
            let told = view(engine, table, id).unwrap().get("_syncReason").cloned();
            assert_eq!(
                told.as_ref().and_then(Value::as_str),
                engine.sync_reason(&table.into(), &id.into()).map(SyncReason::as_str)
            );
            told
        };
        let project = create(engine, "projects", json!({ "name": "p" })).await.unwrap();
        let step = create(engine, "steps", json!({ "project_id": project, "name": "s" })).await.unwrap();
        let other = create(engine, "assets", json!({ "name": "o" })).await.unwrap();
        let all = crate::table::Query::default();
        let plan = engine.state().table("steps").unwrap().plan(&all).unwrap();
        let steps = engine.live.borrow_mut().subscribe("steps".into(), plan);
        let told = || {
            let dirty = engine.live.borrow_mut().take_dirty();
            let state = engine.state();
            dirty.contains(&steps).then(|| {
                engine
                    .live
                    .borrow_mut()
                    .refresh(steps, state.table("steps").unwrap())
                    .map(|rows| rows[0].get("_syncReason").cloned())
            })
        };
        assert_eq!(told(), Some(Some(None)));
        fixture.push(|upload| Ok(reject_projects(upload)));
        fixture.empty_pull();
        engine.pass_now().await;
        assert_eq!(told(), Some(Some(Some(json!("blocked")))), "though nothing of the step itself changed");
        assert_eq!(reason(engine, "projects", &project), Some(json!("rejected")));
        assert_eq!(reason(engine, "assets", &other), None);
        // What is written afterwards is known to wait too, and a context that comes later knows all of it.
        let task = create(engine, "tasks", json!({ "step_id": step, "title": "t" })).await.unwrap();
        update(engine, "steps", &step, json!({ "name": "again" })).await.unwrap();
        engine.compact().await.unwrap();
        let late = open(&fixture.log, &fixture.script, &fixture.dice).await;
        late.load_tables(&["projects".into(), "steps".into(), "tasks".into(), "assets".into()])
            .await
            .unwrap();
        for engine in [engine, &late] {
            assert_eq!(reason(engine, "steps", &step), Some(json!("blocked")));
            assert_eq!(reason(engine, "tasks", &task), Some(json!("blocked")));
            assert_eq!(reason(engine, "assets", &other), None);
        }
        let views = late.state().table("steps").unwrap().views(&[step.as_str().into()]);
        assert_eq!(views[0]["_syncReason"], "blocked");
        let parked = engine.state().outbox.parked().next().unwrap().id.clone();
        let retry = Command::Retry { mutation: parked, changes: None, unset: Vec::new() };
        engine.submit(retry, Durability::Relaxed).await.unwrap();
        late.catch_up().await.unwrap();
        for engine in [engine, &late] {
            for (table, id) in [("projects", &project), ("steps", &step), ("tasks", &task)] {
                assert_eq!(reason(engine, table, id), None, "{table}");
            }
        }
    });
}

#[test]
fn a_conflict_tells_both_versions() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let task = fixture.with_task().await;
        update(engine, "tasks", task, json!({ "status": "done" })).await.unwrap();
        let theirs = row("tasks", task, 4, None, json!({ "step_id": "2", "title": "Splice" }));
        fixture.push(move |upload| {
            let outcome = Outcome::Conflict(Theirs::Record(theirs));
            Ok(answer(vec![OperationResult::new(upload.operations[0].id.clone(), outcome)]))
        });
        fixture.empty_pull();
        engine.pass_now().await;
        let story = explain(engine, "tasks", task).await;
        assert_eq!((story.base_version, story.theirs.unwrap().version), (Some(1), 4));
        assert_eq!((story.status, story.reason), (SyncStatus::Conflict, Some(SyncReason::Conflict)));
    });
}

#[test]
fn what_waits_for_a_sign_in_says_so_in_every_context() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let project = create(engine, "projects", json!({ "name": "p" })).await.unwrap();
        fixture.push(|_| Err(refused(401, None)));
        engine.pass_now().await;
        let other = open(&fixture.log, &fixture.script, &fixture.dice).await;
        for engine in [engine, &other] {
            let story = explain(engine, "projects", &project).await;
            let why = Held::Unauthenticated;
            assert_eq!(
                (&story.mutations[0].waits, &story.next),
                (&Waiting::SignIn { why }, &Next::SignIn { why })
            );
            assert_eq!(story.reason, Some(SyncReason::Held));
        }
    });
}

#[test]
fn an_old_id_leads_to_the_story() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let old = create(engine, "projects", json!({ "name": "p" })).await.unwrap();
        fixture.push(|upload| Ok(reject_projects(upload)));
        fixture.empty_pull();
        engine.pass_now().await;
        let parked = fixture.only_mutation().id.clone();
        engine
            .submit(
                Command::Retry { mutation: parked, changes: None, unset: Vec::new() },
                Durability::Relaxed,
            )
            .await
            .unwrap();
        fixture.push(apply_all(900));
        fixture.empty_pull();
        engine.pass_now().await;
        let story = explain(engine, "projects", &old).await;
        assert_eq!(story, explain(engine, "projects", "900").await);
        assert_eq!((&*story.id, &story.former_ids[..]), ("900", &[Id::from(old.as_str())][..]));
        let kinds: Vec<bool> =
            story.activity.iter().map(|told| matches!(told.line.what, What::Retried { .. })).collect();
        assert_eq!(kinds, [false, true], "refused, then sent again");
        assert_eq!(story.next, Next::Nothing);
    });
}

#[test]
fn what_was_given_up_after_it_may_have_been_sent_tells_that_it_is_to_be_forgotten() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let task = fixture.with_task().await;
        update(engine, "tasks", task, json!({ "status": "done" })).await.unwrap();
        fixture.push(|_| Err(refused(503, None)));
        fixture.pull(page(vec![], vec![], "c2"));
        engine.pass_now().await;
        let mutation = fixture.only_mutation().id.clone();
        engine.submit(Command::Discard { mutation, cascade: false }, Durability::Relaxed).await.unwrap();
        let story = explain(engine, "tasks", task).await;
        assert!(story.mutations[0].withdrawing);
        assert_eq!((&story.mutations[0].waits, &story.next), (&Waiting::Answer, &Next::Withdraw));
        fixture.push(|upload| {
            let code = "withdrawn".to_owned();
            let rejection = Rejection { code, field: None, message: "given up".into() };
            let id = upload.operations[0].id.clone();
            Ok(answer(vec![OperationResult::new(id, Outcome::Rejected(rejection))]))
        });
        fixture.pull(page(vec![], vec![], "c3"));
        engine.pass_now().await;
        let story = explain(engine, "tasks", task).await;
        assert!(matches!(story.activity[0].line.what, What::Withdrawn { .. }));
        assert_eq!(story.next, Next::Nothing);
        assert_eq!(engine.state().stats("tasks").withdrawn, 1);
    });
}

#[test]
fn what_is_gone_is_told_as_far_as_it_is_known() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let task = fixture.with_task().await;
        delete(engine, "tasks", task).await.unwrap();
        let story = explain(engine, "tasks", task).await;
        assert_eq!((story.presence, story.mutations[0].operation), (Presence::Deleted, Operation::Delete));
        let gone = DeletionRow {
            table: "steps".into(),
            id: "2".into(),
            version: 3,
            deleted_at: 5_000,
            created_as: None,
            reason: DeletionReason::Deleted,
        };
        fixture.pull(page(vec![], vec![gone], "c2"));
        fixture.push(apply_all(0));
        engine.pass_now().await;
        let story = explain(engine, "steps", "2").await;
        assert_eq!((story.presence, story.next), (Presence::Deleted, Next::Nothing));

        let born = create(engine, "assets", json!({ "name": "a" })).await.unwrap();
        let mutation = fixture.only_mutation().id.clone();
        engine.submit(Command::Discard { mutation, cascade: false }, Durability::Relaxed).await.unwrap();
        let story = explain(engine, "assets", &born).await;
        assert_eq!((story.presence, story.activity.len()), (Presence::Gone, 1));

        let unknown = engine.explain(&"tasks".into(), &"nobody".into()).await.unwrap_err();
        assert_eq!(unknown.code(), "record-not-found");
        let unknown = engine.explain(&"nothing".into(), &"1".into()).await.unwrap_err();
        assert_eq!(unknown.code(), "unknown-table");
    });
}

#[test]
fn a_record_is_explained_where_its_table_is_not_in_memory() {
    run(async {
        let fixture = Fixture::new().await;
        let id = create(&fixture.engine, "projects", json!({ "name": "p" })).await.unwrap();
        fixture.engine.compact().await.unwrap();
        let other = open(&fixture.log, &fixture.script, &fixture.dice).await;
        assert!(!other.state().is_loaded("projects"));
        let story = explain(&other, "projects", &id).await;
        assert_eq!((story.presence, story.status), (Presence::Here, SyncStatus::PendingUpload));
        assert_eq!(story.next, Next::Send { ahead: 0 });
    });
}

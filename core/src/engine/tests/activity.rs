//! The activity log and the statistics, over passes.

use super::{
    passes::{Fixture, answer, applied, apply_all, page, row},
    *,
};
use crate::{
    activity::{Activity, LINES_MAX, What},
    log::entry::TableStats,
    protocol::{OperationResult, Outcome, Rejection, Theirs},
};

fn kinds(engine: &Engine<World>) -> Vec<String> {
    let kind = |line: &Activity| {
        serde_json::to_value(&line.what).unwrap()["kind"].as_str().unwrap_or_default().to_owned()
    };
    engine.activity(usize::MAX).iter().rev().map(kind).collect()
}

fn refused(status: u16, code: &str) -> RemoteError {
    RemoteError::Refused { status, code: code.into(), message: "no".into(), retry_after_ms: None }
}

#[test]
fn what_a_pass_did_is_told_in_the_entries_that_do_it() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let task = fixture.with_task().await;
        create(engine, "projects", json!({ "name": "a" })).await.unwrap();
        update(engine, "tasks", task, json!({ "status": "done" })).await.unwrap();
        assert_eq!(kinds(engine), ["pulled"], "what a user writes is not the log's affair");
        fixture.push(move |upload| {
            let results = upload.operations.iter().map(|operation| {
                if operation.table == "tasks" {
                    let code = "forbidden".to_owned();
                    let rejection = Rejection { code, field: None, message: "editors only".into() };
                    OperationResult::new(operation.id.clone(), Outcome::Rejected(rejection))
                } else {
                    applied(&operation.id, "900", 1)
                }
            });
            Ok(answer(results.collect()))
        });
        fixture.empty_pull();
        let appends = engine.ports().log.appends();
        engine.pass_now().await;
        assert_eq!(engine.ports().log.appends(), appends + 3, "mark, answer, cursor");
        assert_eq!(kinds(engine), ["pulled", "parked", "pushed"]);
        let parked = fixture.only_mutation();
        engine
            .submit(
                Command::Retry { mutation: parked.id.clone(), changes: None, unset: Vec::new() },
                Durability::Relaxed,
            )
            .await
            .unwrap();
        let again = fixture.only_mutation();
        engine
            .submit(Command::Discard { mutation: again.id.clone(), cascade: false }, Durability::Relaxed)
            .await
            .unwrap();
        assert_eq!(kinds(engine), ["pulled", "parked", "pushed", "retried", "discarded"]);
        let told: Vec<String> = engine.activity(3).iter().map(Activity::sentence).collect();
        assert_eq!(told[0], "The update of 77 in tasks was discarded by a person.");
        assert_eq!(told[2], "The server applied 1 change in projects.");
        let stats = |table| {
            let TableStats { pushed, pulled, conflicts, rejected, .. } = engine.state().stats(table);
            (pushed, pulled, conflicts, rejected)
        };
        assert_eq!(stats("projects"), (1, 1, 0, 0));
        assert_eq!(stats("tasks"), (0, 1, 0, 1));
        assert_eq!(stats("assets"), (0, 0, 0, 0));
    });
}

#[test]
fn a_line_names_its_record_by_the_id_that_it_has_now() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let id = create(engine, "projects", json!({ "name": "a" })).await.unwrap();
        let reject = |upload: Upload<Value>| {
            let rejection = Rejection { code: "forbidden".into(), field: None, message: "no".into() };
            let id = upload.operations[0].id.clone();
            Ok(answer(vec![OperationResult::new(id, Outcome::Rejected(rejection))]))
        };
        fixture.push(reject);
        fixture.empty_pull();
        engine.pass_now().await;
        assert_eq!(&*engine.activity(1)[0].what.subject().unwrap().record, id.as_str());
        assert!(engine.compact().await.unwrap());
        let parked = fixture.only_mutation();
        engine
            .submit(
                Command::Retry { mutation: parked.id.clone(), changes: None, unset: Vec::new() },
                Durability::Relaxed,
            )
            .await
            .unwrap();
        fixture.push(apply_all(900));
        fixture.empty_pull();
        assert_eq!(engine.pass_now().await.remaining, 0);
        let lines = engine.activity(usize::MAX);
        assert_eq!(lines.iter().filter_map(|line| line.what.subject()).count(), 2);
        assert!(lines.iter().filter_map(|line| line.what.subject()).all(|of| &*of.record == "900"));
        assert!(engine.compact().await.unwrap());
        create(engine, "assets", json!({ "name": "x" })).await.unwrap();
        assert!(engine.compact().await.unwrap());
        assert!(!fixture.log.text().contains("temp_"), "{}", fixture.log.text());
        let fresh = open(&fixture.log, &fixture.script, &fixture.dice).await;
        assert_eq!(fresh.activity(usize::MAX), engine.activity(usize::MAX));
    });
}

#[test]
fn a_full_pull_and_a_restored_server_are_told() {
    run(async {
        let fixture = Fixture::new().await;
        fixture.with_task().await;
        fixture.script.pulls.borrow_mut().push_back(Box::new(|_| Err(refused(410, "cursor-expired"))));
        let mut restored = page(vec![row("projects", "1", 1, None, json!({ "name": "q" }))], vec![], "c9");
        restored.epoch = "e2".into();
        fixture.pull(restored);
        fixture.engine.pass_now().await;
        assert_eq!(
            kinds(&fixture.engine),
            ["pulled", "full-pull-began", "epoch-changed", "pulled", "full-pull-ended"]
        );
        let ended = fixture.engine.activity(1)[0].sentence();
        assert!(ended.contains("1 record in steps, 1 record in tasks"), "{ended}");
    });
}

#[test]
fn a_conflict_is_told_with_its_reason() {
    run(async {
        let fixture = Fixture::new().await;
        let task = fixture.with_task().await;
        update(&fixture.engine, "tasks", task, json!({ "status": "done" })).await.unwrap();
        let theirs = row("tasks", task, 4, None, json!({ "step_id": "2", "title": "Splice" }));
        fixture.push(move |upload| {
            let outcome = Outcome::Conflict(Theirs::Record(theirs));
            Ok(answer(vec![OperationResult::new(upload.operations[0].id.clone(), outcome)]))
        });
        fixture.empty_pull();
        fixture.engine.pass_now().await;
        let line = fixture.engine.activity(1).remove(0);
        let What::Parked { conflict: true, reason, .. } = &line.what else { panic!("{line:?}") };
        assert_eq!(reason.code, "version-conflict");
        assert_eq!(fixture.engine.state().stats("tasks").conflicts, 1);
    });
}

#[test]
fn the_log_is_bounded_and_the_same_in_all_contexts() {
    run(async {
        let log = MemoryLog::default();
        let (remote, dice) = (Rc::default(), Dice::new(3));
        let here = open(&log, &remote, &dice).await;
        let there = open(&log, &remote, &dice).await;
        let total = 3_000;
        for n in 0..total {
            let engine = if n % 3 == 0 { &there } else { &here };
            let id = create(engine, "projects", json!({ "name": n.to_string() })).await.unwrap();
            let mutation = engine.state().record("projects", &id).unwrap().sync_id.clone().unwrap();
            engine.submit(Command::Discard { mutation, cascade: false }, Durability::Relaxed).await.unwrap();
            if n % 400 == 399 {
                engine.compact().await.unwrap();
            }
        }
        let fresh = open(&log, &remote, &dice).await;
        here.catch_up().await.unwrap();
        there.catch_up().await.unwrap();
        let bound = usize::try_from(LINES_MAX).unwrap();
        for engine in [&here, &there, &fresh] {
            let lines = engine.activity(usize::MAX);
            assert_eq!(lines.len(), bound);
            assert_eq!((lines[0].number, lines[bound - 1].number), (total - 1, total - LINES_MAX));
        }
        fresh.load_tables(&["projects".into()]).await.unwrap();
        assert_eq!(fresh.state().export(), here.state().export());
        assert_eq!(fresh.state().export(), there.state().export());
        assert_eq!(here.activity(7).len(), 7);
    });
}

//! What a person decides: seen before it is done, checked, taken back.

use landfall_core::{
    decide::{Command, Decision, WriteOptions},
    engine::{Class, ConflictFilter, ConflictStanding},
    error::Error,
    log::{
        conflict::{How, Kind},
        entry::MutationState,
    },
    merge::Choice,
    schema::{Schema, rules::Strategy},
};
use serde_json::{Value, json};

use super::{Two, by, chosen};

#[tokio::test]
async fn what_no_rule_settles_waits_for_a_person_who_sees_all_three_versions() {
    let two = Two::new(json!({ "title": "Splice", "visits": 1 })).await;
    two.meet(json!({ "title": "Ben's", "visits": 2 }), json!({ "title": "Ana's", "visits": 3 })).await;
    let open = two.ana.only_conflict();
    assert_eq!(
        (open.state, open.kind, open.class),
        (ConflictStanding::Open, Kind::UpdateUpdate, Class::Definite)
    );
    let field = |fields: &Option<serde_json::Map<String, Value>>| fields.as_ref().unwrap()["title"].clone();
    assert_eq!(
        (field(&open.base), field(&open.ours), field(&open.theirs)),
        (json!("Splice"), json!("Ana's"), json!("Ben's"))
    );
    let undecided: Vec<_> = open.rulings.iter().filter(|ruling| ruling.by.is_none()).collect();
    assert_eq!(undecided.len(), 1, "the counter is settled already: {:?}", open.rulings);
    assert_eq!(two.server_has().await["title"], "Ben's", "nothing is overwritten meanwhile");
    assert_eq!(two.ana.view("tasks", &two.task).unwrap()["_syncStatus"], "conflict");
    // What the rules alone say does not settle it, and says so.
    let refused = two.ana.resolve(&open.id, Decision::default()).await;
    assert_eq!(refused, Err(Error::ConflictOpen { id: open.id.to_string(), paths: vec!["title".into()] }));

    let decision = chosen("title", Choice::Value(Some(json!("Ben's and Ana's"))));
    let preview = two.ana.engine().preview(&open.id, &decision).unwrap();
    assert!(preview.is_settled);
    assert_eq!(preview.merged, Some(json!({ "title": "Ben's and Ana's", "visits": 4 })));
    assert_eq!(two.ana.only_conflict().state, ConflictStanding::Open, "a preview changes nothing");
    assert_eq!(two.ana.resolve(&open.id, decision).await, Ok(1));
    two.settle().await;
    assert_eq!(two.server_has().await, json!({ "title": "Ben's and Ana's", "visits": 4 }));
    let kept = two.ana.only_conflict();
    let resolution = kept.resolution.unwrap();
    assert_eq!(
        (kept.state, resolution.how, &*resolution.by),
        (ConflictStanding::Settled, How::Manual, "ana")
    );
    assert!(kept.rulings.iter().any(|ruling| ruling.by.as_deref() == Some("person")));
}

#[tokio::test]
async fn a_strategy_by_call_settles_all_that_is_contested_and_undo_brings_back_what_lost() {
    for (strategy, won, back) in [
        (Strategy::ServerWins, ("Ben's", 2), ("Ana's", 3)),
        (Strategy::ClientWins, ("Ana's", 3), ("Ben's", 2)),
    ] {
        let two = Two::new(json!({ "title": "Splice", "visits": 1 })).await;
        two.meet(
            json!({ "title": "Ben's", "visits": 2, "due": "2026-01-01" }),
            json!({ "title": "Ana's", "visits": 3, "notes": "hers" }),
        )
        .await;
        let open = two.ana.only_conflict();
        two.ana.resolve(&open.id, by(strategy)).await.unwrap();
        two.settle().await;
        let expected = |(title, visits): (&str, u64)| json!({ "title": title, "visits": visits, "due": "2026-01-01", "notes": "hers" });
        assert_eq!(two.server_has().await, expected(won), "what one side alone changed is that side's");

        let undone = two.ana.engine().undo(open.id.clone()).await.unwrap();
        assert!(undone.is_some(), "it goes to the server as a change like any other");
        two.settle().await;
        assert_eq!(two.server_has().await, expected(back));
        let kept = two.ana.only_conflict();
        assert_eq!(kept.state, ConflictStanding::Undone);
        let again = two.ana.engine().undo(open.id.clone()).await;
        assert_eq!(again, Err(Error::ConflictUndone { id: open.id.to_string() }));
    }
}

#[tokio::test]
async fn an_undo_overwrites_nothing_that_somebody_wrote_since() {
    let two = Two::new(json!({ "title": "Splice" })).await;
    two.meet(json!({ "title": "Ben's" }), json!({ "title": "Ana's" })).await;
    let open = two.ana.only_conflict();
    two.ana.resolve(&open.id, by(Strategy::ClientWins)).await.unwrap();
    two.settle().await;
    two.ben.update("tasks", &two.task, json!({ "title": "Later" })).await;
    two.settle().await;
    let refused = two.ana.engine().undo(open.id).await;
    assert_eq!(refused, Err(Error::ConflictOutlived { fields: vec!["title".into()] }));
    assert_eq!(two.server_has().await["title"], "Later");
}

#[tokio::test]
async fn many_alike_are_settled_by_one_decision() {
    let two = Two::new(json!({ "title": "first" })).await;
    let mut ids = vec![two.task.clone()];
    for at in 0..4 {
        two.ana.create("tasks", json!({ "title": format!("task {at}") })).await;
    }
    two.settle().await;
    ids.extend(two.server.table().await.keys().map(|(_, id)| id.clone()).filter(|id| *id != two.task));
    for id in &ids {
        two.ben.update("tasks", id, json!({ "title": "Ben's" })).await;
        two.ana.update("tasks", id, json!({ "title": "Ana's" })).await;
    }
    two.ben.update("tasks", &ids[0], json!({ "notes": "a\nb" })).await;
    two.ana.update("tasks", &ids[0], json!({ "notes": "c\nd" })).await;
    two.ben.sync().await;
    two.ana.sync().await;
    let engine = two.ana.engine();
    let filter = ConflictFilter {
        table: Some("tasks".into()),
        field: Some("title".into()),
        ..ConflictFilter::default()
    };
    assert_eq!(engine.conflicts(&filter).total, 5);
    let page = engine.conflicts(&ConflictFilter { offset: 1, limit: Some(2), ..filter.clone() });
    assert_eq!((page.conflicts.len(), page.total), (2, 5));
    // One of them has another open value besides: this does not settle it.
    let (settled, open) = engine.resolve_alike(&filter, chosen("title", Choice::Ours)).await.unwrap();
    assert_eq!((settled.len(), open.len()), (4, 1));
    let stats = engine.conflict_stats();
    assert_eq!((stats.all.open, stats.all.settled, stats.by_how[&How::Manual]), (1, 4, 4));
    engine.resolve_alike(&filter, by(Strategy::ClientWins)).await.unwrap();
    two.settle().await;
    assert!(two.server.table().await.values().all(|(_, data)| data["title"] == "Ana's"));
    assert_eq!(engine.forget_conflicts(u64::MAX).await, Ok(5));
    assert_eq!(two.ana.conflicts(), []);
}

#[tokio::test]
async fn what_is_given_up_is_kept_and_can_be_taken_back() {
    let two = Two::new(json!({ "title": "Splice" })).await;
    two.meet(json!({ "title": "Ben's" }), json!({ "title": "Ana's", "notes": "hers" })).await;
    let open = two.ana.only_conflict();
    two.ana.discard(&open.id).await;
    two.settle().await;
    assert_eq!(two.server_has().await, json!({ "title": "Ben's" }));
    let kept = two.ana.only_conflict();
    assert_eq!(kept.resolution.unwrap().how, How::Discarded);
    two.ana.engine().undo(open.id).await.unwrap();
    two.settle().await;
    assert_eq!(two.server_has().await, json!({ "title": "Ana's", "notes": "hers" }));
}

#[tokio::test]
async fn a_refused_change_is_rolled_back_and_says_what_and_why() {
    let two = Two::new(json!({ "title": "Splice" })).await;
    // The server's schema takes no such status: what it was given is newer.
    let strict = json!({ "version": 1, "tables": { "tasks": { "fields": { "title": "string", "status": "number?" } },
        "projects": { "fields": { "owner": "string" } }, "steps": { "fields": { "project_id": "string" } }, "tools": { "fields": { "name": "string" } } } });
    two.server.rules.borrow_mut().schema = Some(Schema::parse(&strict).unwrap());
    two.ana.update("tasks", &two.task, json!({ "status": "completed" })).await;
    assert_eq!(two.ana.view("tasks", &two.task).unwrap()["status"], "completed");
    two.ana.sync().await;
    let (parked, code) = two.ana.parked();
    assert_eq!((parked.state, code.as_str()), (MutationState::Rejected, "invalid-value"));
    let shown = two.ana.view("tasks", &two.task).unwrap();
    assert_eq!((&shown["status"], &shown["_syncReason"]), (&Value::Null, &json!("rejected")));
    let story = two.ana.engine().explain(&"tasks".into(), &two.task.as_str().into()).await.unwrap();
    assert!(story.activity.iter().any(|told| told.sentence.contains("The server refused")), "{story:?}");
    // What was written is there still, to be edited and sent.
    assert_eq!(parked.data["status"], "completed");
    let edited = Command::Retry {
        mutation: parked.id.clone(),
        changes: Some(json!({ "title": "x" })),
        unset: vec!["status".into()],
    };
    two.ana.engine().submit(edited, landfall_core::ports::Durability::Relaxed).await.unwrap();
    two.ana.sync().await;
    assert_eq!(two.ana.outbox().len(), 0);
}

#[tokio::test]
async fn a_conflict_survives_its_tab_and_is_decided_in_another() {
    let two = Two::new(json!({ "title": "Splice" })).await;
    two.meet(json!({ "title": "Ben's" }), json!({ "title": "Ana's" })).await;
    let before = two.ana.only_conflict();
    two.ana.engine().compact().await.unwrap();
    two.ana.reopen().await;
    assert_eq!(two.ana.only_conflict(), before);
    two.ana.resolve(&before.id, by(Strategy::ClientWins)).await.unwrap();
    let settled = two.ana.only_conflict();
    two.ana.engine().compact().await.unwrap();
    two.ana.reopen().await;
    assert_eq!(two.ana.only_conflict(), settled);
    two.settle().await;
}

#[tokio::test]
async fn a_hand_merge_is_checked_as_a_write_is() {
    let two = Two::new(json!({ "title": "Splice" })).await;
    two.meet(json!({ "title": "Ben's" }), json!({ "title": "Ana's" })).await;
    let open = two.ana.only_conflict();
    let refused =
        two.ana.resolve(&open.id, chosen("title", Choice::Value(Some(json!(7))))).await.unwrap_err();
    assert_eq!((refused.code(), refused.field()), ("invalid-value", Some("title")));
    let refused = two.ana.resolve(&open.id, chosen("title", Choice::Value(None))).await.unwrap_err();
    assert_eq!(refused.code(), "invalid-value", "it is required");
    assert_eq!(two.ana.only_conflict().state, ConflictStanding::Open, "nothing is lost");
    let unknown =
        two.ana.resolve(&"019b0000-0000-7000-8000-000000000000".into(), by(Strategy::ClientWins)).await;
    assert_eq!(unknown.unwrap_err().code(), "conflict-not-found");
    let options = WriteOptions::default();
    let update = Command::Update {
        table: "tasks".into(),
        id: two.task.as_str().into(),
        changes: json!({ "notes": "x" }),
        unset: vec![],
        options,
    };
    two.ana.engine().submit(update, landfall_core::ports::Durability::Relaxed).await.unwrap();
    // What is written while it is open is part of it.
    assert_eq!(two.ana.only_conflict().ours.unwrap()["notes"], "x");
    two.ana.resolve(&open.id, by(Strategy::ServerWins)).await.unwrap();
    two.settle().await;
    assert_eq!(two.server_has().await, json!({ "title": "Ben's", "notes": "x" }));
}

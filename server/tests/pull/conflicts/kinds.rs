//! Deletions, and records that were created twice.

use landfall_core::{
    decide::Command,
    engine::ConflictStanding,
    log::{
        conflict::Kind,
        entry::{MutationState, Operation},
    },
    schema::rules::Strategy,
};
use serde_json::{Value, json};

use super::{Two, by, schema_with};
use crate::world::Device;

#[tokio::test]
async fn a_deletion_by_somebody_else_wins_and_the_edits_are_kept() {
    let two = Two::new(json!({ "title": "Splice" })).await;
    two.ana.update("tasks", &two.task, json!({ "title": "Ana's" })).await;
    two.ben.delete("tasks", &two.task).await;
    two.ben.sync().await;
    two.settle().await;
    assert!(two.server.table().await.is_empty(), "what was deleted stays deleted");
    let kept = two.ana.only_conflict();
    assert_eq!((kept.state, kept.kind), (ConflictStanding::Settled, Kind::UpdateDelete));
    assert_eq!(kept.ours.unwrap()["title"], "Ana's");
    // Taken back, it is created anew, under another id.
    two.ana.engine().undo(kept.id).await.unwrap();
    two.settle().await;
    let table = two.server.table().await;
    let ((_, id), (version, data)) = table.iter().next().unwrap();
    assert_eq!((*version, data), (1, &json!({ "title": "Ana's" })));
    assert_ne!(*id, two.task);
}

#[tokio::test]
async fn where_a_person_decides_about_deletions_either_side_may_stand() {
    for (strategy, lives) in [(Strategy::ServerWins, false), (Strategy::ClientWins, true)] {
        let schema = schema_with(&json!({ "strategy": "manual" }), &json!({}));
        let two = Two::with(schema, json!({ "title": "Splice" })).await;
        two.ana.update("tasks", &two.task, json!({ "title": "Ana's" })).await;
        two.ben.delete("tasks", &two.task).await;
        two.ben.sync().await;
        two.ana.sync().await;
        let open = two.ana.only_conflict();
        assert_eq!((open.state, open.kind), (ConflictStanding::Open, Kind::UpdateDelete));
        assert_eq!(two.ana.view("tasks", &two.task), None, "it is gone at once");
        two.ana.resolve(&open.id, by(strategy)).await.unwrap();
        two.settle().await;
        assert_eq!(two.server.table().await.len(), usize::from(lives));
    }
}

#[tokio::test]
async fn our_deletion_of_what_somebody_else_changed_is_for_a_person_or_the_strategy() {
    for (strategy, lives) in [(Strategy::ServerWins, true), (Strategy::ClientWins, false)] {
        let two = Two::new(json!({ "title": "Splice" })).await;
        two.ben.update("tasks", &two.task, json!({ "title": "Ben's" })).await;
        two.ana.delete("tasks", &two.task).await;
        two.ben.sync().await;
        two.ana.sync().await;
        let open = two.ana.only_conflict();
        assert_eq!((open.state, open.kind), (ConflictStanding::Open, Kind::DeleteUpdate));
        two.ana.resolve(&open.id, by(strategy)).await.unwrap();
        two.settle().await;
        assert_eq!(two.server.table().await.len(), usize::from(lives));
        // And back.
        two.ana.engine().undo(open.id).await.unwrap();
        two.settle().await;
        assert_eq!(two.server.table().await.len(), usize::from(!lives));
    }
}

#[tokio::test]
async fn two_records_with_one_natural_key_become_one_and_what_hangs_on_ours_comes_along() {
    let two = Two::new(json!({ "title": "Pump", "serial": "P-1" })).await;
    let ours = two.ben.create("tasks", json!({ "title": "Ben's pump", "serial": "P-2" })).await;
    let tool = two.ben.create("tools", json!({ "name": "wrench", "task_id": ours })).await;
    // Ana has one of that serial already, and was first.
    two.ana.create("tasks", json!({ "title": "Ana's pump", "serial": "P-2", "notes": "hers" })).await;
    two.ana.sync().await;
    two.ben.sync().await;
    let open = two.ben.only_conflict();
    assert_eq!((open.state, open.kind), (ConflictStanding::Open, Kind::CreateCreate));
    assert_eq!(open.theirs.as_ref().unwrap()["title"], "Ana's pump");
    assert_eq!(two.ben.outbox().len(), 2, "the tool waits for its task");
    let holder = open.holder.clone().unwrap();
    two.ben.resolve(&open.id, by(Strategy::ClientWins)).await.unwrap();
    two.settle().await;
    let table = two.server.table().await;
    assert_eq!(
        table[&("tasks".to_owned(), holder.to_string())].1,
        json!({ "title": "Ben's pump", "serial": "P-2", "notes": "hers" })
    );
    let tools: Vec<&Value> =
        table.iter().filter(|((name, _), _)| name == "tools").map(|(_, row)| &row.1).collect();
    assert_eq!(tools, [&json!({ "name": "wrench", "task_id": &*holder })]);
    // Who holds the old id finds the record that it became.
    assert_eq!(two.ben.engine().state().resolve(&ours.as_str().into()), holder);
    assert_ne!(tool, "");
}

#[tokio::test]
async fn both_can_be_kept_under_two_keys() {
    let two = Two::new(json!({ "title": "Pump", "serial": "P-1" })).await;
    two.ben.create("tasks", json!({ "title": "Ben's", "serial": "P-2" })).await;
    two.ana.create("tasks", json!({ "title": "Ana's", "serial": "P-2" })).await;
    two.ana.sync().await;
    two.ben.sync().await;
    let open = two.ben.only_conflict();
    let engine = two.ben.engine();
    let retry =
        Command::Retry { mutation: open.id, changes: Some(json!({ "serial": "P-3" })), unset: Vec::new() };
    engine.submit(retry, landfall_core::ports::Durability::Relaxed).await.unwrap();
    two.settle().await;
    assert_eq!(two.server.table().await.len(), 3);
    assert_eq!(two.ben.conflicts(), [], "nothing lost");
}

#[tokio::test]
async fn alike_records_are_told_of() {
    let two = Two::new(json!({ "title": "Pump" })).await;
    two.ben.create("tasks", json!({ "title": "Valve" })).await;
    two.ana.create("tasks", json!({ "title": "Valve" })).await;
    two.settle().await;
    assert_eq!(two.server.table().await.len(), 3, "both are there");
    let told = |device: &Device| {
        let engine = device.engine();
        let state = engine.state();
        state.activity.iter().filter(|line| line.sentence().contains("perhaps it is there twice")).count()
    };
    assert_eq!(told(&two.ana) + told(&two.ben), 2);
}

#[tokio::test]
async fn an_update_to_a_natural_key_that_another_record_has_is_refused_with_its_field_and_taken_back() {
    let two = Two::new(json!({ "title": "Pump", "serial": "P-1" })).await;
    let temporary = two.ana.create("tasks", json!({ "title": "Valve", "serial": "P-2" })).await;
    two.settle().await;
    let other = two.ana.engine().state().resolve(&temporary.as_str().into()).to_string();
    two.ana.update("tasks", &other, json!({ "serial": "P-1", "notes": "moved" })).await;
    two.ana.sync().await;
    let (parked, code) = two.ana.parked();
    let error = parked.error.clone().unwrap();
    assert_eq!((parked.state, code.as_str()), (MutationState::Rejected, "natural-key-taken"));
    assert_eq!(error.field.as_deref(), Some("serial"));
    assert_eq!(two.ana.view("tasks", &other).unwrap()["serial"], "P-2", "it is taken back");
    assert_eq!(two.ana.conflicts(), [], "nobody changed what she changed");
    // The other one gives it up: no late copy of what was refused is applied by that.
    two.ben.update("tasks", &two.task, json!({ "serial": "P-9" })).await;
    two.ben.sync().await;
    let engine = two.ana.engine();
    let retry = Command::Retry { mutation: parked.id.clone(), changes: None, unset: Vec::new() };
    engine.submit(retry, landfall_core::ports::Durability::Relaxed).await.unwrap();
    two.settle().await;
    let held = two.server.table().await[&("tasks".to_owned(), other)].1.clone();
    assert_eq!(held, json!({ "title": "Valve", "serial": "P-1", "notes": "moved" }));
}

#[tokio::test]
async fn nobody_merges_into_a_record_that_is_gone_or_has_changes_of_its_own_outstanding() {
    let two = Two::new(json!({ "title": "Pump", "serial": "P-1" })).await;
    two.ben.create("tasks", json!({ "title": "Ben's", "serial": "P-2" })).await;
    let temporary = two.ana.create("tasks", json!({ "title": "Ana's", "serial": "P-2" })).await;
    two.ana.sync().await;
    let other = two.ana.engine().state().resolve(&temporary.as_str().into()).to_string();
    two.ben.sync().await;
    let open = two.ben.only_conflict();

    two.ben.update("tasks", &other, json!({ "notes": "x" })).await;
    let waits = two.ben.resolve(&open.id, by(Strategy::ClientWins)).await.unwrap_err();
    assert_eq!((waits.code(), waits.is_retryable()), ("conflict-waits", true));
    two.ben.sync().await;

    // The other one is deleted.
    two.ana.sync().await;
    two.ana.delete("tasks", &other).await;
    two.ana.sync().await;
    two.ben.sync().await;
    let gone = two.ben.resolve(&open.id, by(Strategy::ServerWins)).await.unwrap_err();
    assert_eq!(gone.code(), "theirs-unknown");
    assert!(two.server.table().await.len() == 1 && two.ben.view("tasks", &other).is_none());
    // The number is free: sent again, ours is created.
    two.ben.retry(&open.id).await;
    two.settle().await;
    assert_eq!(two.server.table().await.len(), 2);
}

#[tokio::test]
async fn what_was_written_to_a_record_whose_birth_nobody_heard_of_is_whole_when_it_is_created_anew() {
    let schema = schema_with(&json!({ "strategy": "manual" }), &json!({}));
    let two = Two::with(schema, json!({ "title": "Pump" })).await;
    let temporary = two.ana.create("tasks", json!({ "title": "Valve", "notes": "hers" })).await;
    two.ana.fated(&[crate::world::Fate::AnswerLost, crate::world::Fate::LostOnTheWay]);
    two.ana.pass().await;
    two.ana.update("tasks", &temporary, json!({ "visits": 3 })).await;
    // Ben has it, and deletes it, before the answer to its create is ever heard.
    two.ben.sync().await;
    let table = two.server.table().await;
    let (_, born) = table.keys().find(|(_, id)| *id != two.task).unwrap();
    two.ben.delete("tasks", born).await;
    two.ben.sync().await;
    two.ana.fated(&[crate::world::Fate::LostOnTheWay]);
    two.ana.pass().await;
    two.ana.sync().await;
    let open = two.ana.only_conflict();
    assert_eq!((open.state, open.kind), (ConflictStanding::Open, Kind::UpdateDelete));
    two.ana.resolve(&open.id, by(Strategy::ClientWins)).await.unwrap();
    two.settle().await;
    let table = two.server.table().await;
    let (_, (_, data)) = table.iter().find(|((_, id), _)| *id != two.task).unwrap();
    assert_eq!(data, &json!({ "title": "Valve", "notes": "hers", "visits": 3 }));
}

#[tokio::test]
async fn a_deletion_that_was_refused_and_is_sent_again_takes_what_was_written_since() {
    let two = Two::new(json!({ "title": "Pump" })).await;
    two.ana.create("tools", json!({ "name": "wrench", "task_id": two.task })).await;
    // Ben does not know of the tool; the server refuses to delete what others refer to.
    let mut rules = two.server.rules.borrow().schema.clone().unwrap();
    let reference = rules.tables.get_mut("tools").unwrap().references.get_mut("task_id").unwrap();
    reference.on_delete = landfall_core::schema::OnDelete::Refuse;
    two.server.rules.borrow_mut().schema = Some(rules);
    two.ben.delete("tasks", &two.task).await;
    two.ana.sync().await;
    two.ben.fated(&[crate::world::Fate::Through, crate::world::Fate::LostOnTheWay]);
    two.ben.pass().await;
    let refused = two.ben.outbox()[0].clone();
    assert_eq!(refused.state, MutationState::Rejected);
    assert!(two.ben.view("tasks", &two.task).is_some(), "it is taken back");
    two.ben.update("tasks", &two.task, json!({ "notes": "still in use" })).await;
    two.ben.retry(&refused.id).await;
    let outbox = two.ben.outbox();
    let operations: Vec<_> = outbox.iter().map(|mutation| mutation.operation).collect();
    assert_eq!(operations, [Operation::Delete], "who deletes it now wants none of what was written to it");
    assert!(two.ben.view("tasks", &two.task).is_none());
}

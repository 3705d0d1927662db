//! Pulling everything again: after a cursor expired, and after the server was restored from a backup.

use std::rc::Rc;

use landfall_core::log::entry::MutationState;
use landfall_core::protocol::{OperationKind, Status};
use serde_json::json;

use crate::world::{DAY, Device, Fate, Held, Server, schema, schema_with};

impl Device {
    /// Pulls again and again, cut off after each page and with a new context each time, until nothing is missing. `at_each` sees
    /// what is held when a pull was cut off.
    async fn sync_page_by_page(&self, mut at_each: impl FnMut(&Held)) {
        for _ in 0..100 {
            self.fated(&[Fate::Through, Fate::Through, Fate::LostOnTheWay]);
            if self.pass().await.error.is_none() {
                return;
            }
            at_each(&self.held());
            self.reopen().await;
        }
        panic!("it never ends: {}", self.engine().state().export());
    }
}

/// A server of six projects, a device that has them all, and a server that has purged the deletion of one of them.
async fn expired() -> (Rc<Server>, Device, Vec<[String; 3]>) {
    let server = Server::new();
    let mut projects = Vec::new();
    for _ in 0..6 {
        projects.push(server.project("ana").await);
    }
    let device = Device::new(&server, "ana", schema(), None).await;
    device.sync().await;
    server.remove("projects", &projects[0][0]).await;
    server.now.set(server.now.get() + 100 * DAY);
    server.purge().await;
    (server, device, projects)
}

#[tokio::test]
async fn a_full_pull_that_is_cut_off_at_any_page_ends_as_if_it_had_not_been() {
    for rows in [1, 2, 5, 7] {
        let (server, device, projects) = expired().await;
        server.page_rows(rows);
        device
            .sync_page_by_page(|held| {
                assert_eq!(held.len(), 18, "nothing goes before its replacement is here");
            })
            .await;
        assert_eq!((device.held(), device.held().len()), (server.table().await, 15), "pages of {rows}");
        assert!(device.view("projects", &projects[0][0]).is_none());
        let text = device.engine().state().export();
        assert!(!text.contains("seen "), "{text}");
        // Nothing of it is left in the segments either, once they have been written anew.
        device.engine().compact().await.unwrap();
        device.reopen().await;
        assert!(!device.engine().state().export().contains("seen "));
    }
}

#[tokio::test]
async fn what_changes_during_a_full_pull_is_as_it_is_at_its_end() {
    let (server, device, projects) = expired().await;
    server.page_rows(2);
    device.fated(&[Fate::Through, Fate::Through, Fate::Through, Fate::LostOnTheWay]);
    device.pass().await;
    device.reopen().await;
    // One that was seen goes, one that was not changes, one is new.
    server.remove("projects", &projects[1][0]).await;
    server.set("tasks", &projects[5][2], json!({ "title": "late" })).await;
    server.project("ana").await;
    let own = device.create("tools", json!({ "name": "spade" })).await;
    device.sync_page_by_page(|_| {}).await;
    device.sync().await;
    assert_eq!((device.held(), device.held().len()), (server.table().await, 16));
    assert!(device.view("tools", &device.engine().state().resolve(&own.as_str().into())).is_some());
}

#[tokio::test]
async fn unsent_changes_to_what_is_gone_end_parked_and_go_with_it() {
    let (server, device, projects) = expired().await;
    device.update("tasks", &projects[0][2], json!({ "title": "mine" })).await;
    device.sync().await;
    let (parked, code) = device.parked();
    assert_eq!(code, "record-not-found");
    device.sync().await;
    assert_eq!(device.held().len(), 16, "what waits for a decision is shown");
    device.discard(&parked.id).await;
    assert_eq!(device.held(), server.table().await);
}

#[tokio::test]
async fn a_restored_server_takes_what_waits_and_takes_back_what_it_lost() {
    for cut in [false, true] {
        let server = Server::new();
        let [project, step, task] = server.project("ana").await;
        let device = Device::new(&server, "ana", schema(), None).await;
        device.sync().await;
        let backup = server.backup().await;
        // Applied after the backup was taken: two changes to one record, a record of this device and one of somebody else's.
        device.update("tasks", &task, json!({ "status": "done" })).await;
        device.sync().await;
        device.update("tasks", &task, json!({ "title": "after" })).await;
        let lost = device.create("steps", json!({ "project_id": project, "name": "lost" })).await;
        device.sync().await;
        server.project("ana").await;
        device.sync().await;
        let lost = device.engine().state().resolve(&lost.as_str().into());
        // Unsent when it is restored: a change to what is as it was, a new record under a lost one, a change to a lost one.
        device.update("steps", &step, json!({ "name": "waits" })).await;
        device.update("steps", &lost, json!({ "name": "waits too" })).await;
        let child = device.create("tasks", json!({ "step_id": &*lost, "title": "orphan" })).await;
        let kept = device.create("tools", json!({ "name": "spade" })).await;
        server.restore(&backup, "epoch-2").await;
        server.page_rows(2);
        if cut {
            device.sync_page_by_page(|_| {}).await;
        }
        device.sync().await;
        device.sync().await;
        assert_eq!(device.view("tasks", &task).unwrap()["status"], "open", "it fell back");
        assert_eq!(device.view("tasks", &task).unwrap()["_version"], 1);
        let there = server.table().await;
        assert_eq!(there[&("steps".to_owned(), step.clone())].1["name"], "waits");
        let kept = device.engine().state().resolve(&kept.as_str().into()).to_string();
        assert!(there.contains_key(&("tools".to_owned(), kept)));
        let parked: Vec<(String, String)> = device
            .outbox()
            .iter()
            .map(|mutation| (mutation.record_id.to_string(), mutation.error.as_ref().unwrap().code.clone()))
            .collect();
        let expected = [(lost.to_string(), "record-not-found"), (child, "reference-missing")];
        assert_eq!(parked, expected.map(|(id, code)| (id, code.to_owned())));
        for mutation in device.outbox().iter().rev() {
            device.discard(&mutation.id).await;
        }
        assert_eq!(device.held(), there);
        device.sync().await;
        assert_eq!(device.held(), server.table().await);
    }
}

#[tokio::test]
async fn a_change_made_on_what_the_restored_server_has_otherwise_is_merged_with_that_or_for_a_person_to_decide()
 {
    let server = Server::new();
    let [_, step, task] = server.project("ana").await;
    let backup = server.backup().await;
    server.set("tasks", &task, json!({ "title": "of then" })).await;
    server.set("steps", &step, json!({ "name": "of then" })).await;
    let device = Device::new(&server, "ana", schema(), None).await;
    device.sync().await;
    device.update("tasks", &task, json!({ "status": "done" })).await;
    device.update("steps", &step, json!({ "name": "mine" })).await;
    server.restore(&backup, "epoch-2").await;
    // Version 2 of now is another than version 2 of then; the step is back at version 1.
    server.set("tasks", &task, json!({ "title": "of now" })).await;
    device.sync().await;
    let (parked, _) = device.parked();
    assert_eq!((&*parked.table, parked.state), ("steps", MutationState::Conflict), "its name is contested");
    let shown = device.view("tasks", &task).unwrap();
    assert_eq!((&shown["title"], &shown["status"]), (&json!("of now"), &json!("done")));
    device.discard(&parked.id).await;
    device.sync().await;
    device.sync().await;
    assert_eq!(device.held(), server.table().await);
    assert_eq!(server.table().await[&("tasks".to_owned(), task)].1["status"], "done");
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_settled_by_the_restored_server() {
    for restored_without in [false, true] {
        let server = Server::new();
        let [_, _, task] = server.project("ana").await;
        let device = Device::new(&server, "ana", schema(), None).await;
        device.sync().await;
        let before = server.backup().await;
        device.update("tasks", &task, json!({ "status": "done" })).await;
        let new = device.create("tools", json!({ "name": "spade" })).await;
        device.fated(&[Fate::AnswerLost, Fate::LostOnTheWay]);
        device.pass().await;
        let after = server.backup().await;
        server.restore(if restored_without { &before } else { &after }, "epoch-2").await;
        device.sync().await;
        device.sync().await;
        assert_eq!(device.outbox().len(), 0, "{:?}", device.outbox());
        assert_eq!((device.held(), device.held().len()), (server.table().await, 4));
        assert_eq!(device.view("tasks", &task).unwrap()["status"], "done");
        assert!(device.view("tools", &device.engine().state().resolve(&new.as_str().into())).is_some());
    }
}

#[tokio::test]
async fn nothing_is_sent_before_all_sets_are_of_the_new_epoch() {
    let server = Server::new();
    let [_, step, _] = server.project("ana").await;
    let pull =
        json!({ "projects": { "everyMs": 1 }, "tools": { "everyMs": 2 }, "steps": { "everyMs": DAY } });
    let device = Device::new(&server, "ana", schema_with(&pull), None).await;
    device.sync().await;
    server.set("steps", &step, json!({ "name": "of then" })).await;
    device.sync().await;
    let backup = server.backup().await;
    server.restore(&backup, "epoch-2").await;
    device.update("steps", &step, json!({ "name": "mine" })).await;
    // The push is refused; two sets come over, the third is cut off.
    device.fated(&[
        Fate::Through,
        Fate::Through,
        Fate::Through,
        Fate::Through,
        Fate::Through,
        Fate::LostOnTheWay,
    ]);
    device.pass().await;
    device.reopen().await;
    device.fated(&[Fate::LostOnTheWay]);
    device.engine().pass().await.unwrap();
    assert_eq!(server.table().await[&("steps".to_owned(), step.clone())].1["name"], "of then");
    device.fated(&[]);
    device.reopen().await;
    device.engine().pass().await.unwrap();
    assert_eq!(server.table().await[&("steps".to_owned(), step)].1["name"], "mine");
    assert_eq!(device.outbox().len(), 0);
}

#[tokio::test]
async fn ids_that_were_given_after_the_backup_are_not_given_to_others() {
    let server = Server::new();
    let backup = server.backup().await;
    let device = Device::new(&server, "ana", schema(), None).await;
    device.sync().await;
    let lost = device.create("tools", json!({ "name": "spade" })).await;
    device.sync().await;
    let lost = device.engine().state().resolve(&lost.as_str().into());
    device.update("tools", &lost, json!({ "name": "shovel" })).await;
    server.restore(&backup, "epoch-2").await;
    let other = server.make("tools", json!({ "name": "spade" })).await;
    assert_ne!(*lost, *other);
    device.sync().await;
    assert_eq!(device.parked().1, "record-not-found");
    let result =
        server.change(OperationKind::Update, "tools", &other, Some(1), Some(json!({ "name": "x" }))).await;
    assert_eq!(result.status, Status::Applied, "nobody had changed it");
}

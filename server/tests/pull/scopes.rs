//! What enters and leaves a scope, with changes of one's own on it.

use serde_json::json;

use crate::world::{Device, Fate, Server, schema};

#[tokio::test]
async fn what_enters_comes_with_its_children_and_what_leaves_takes_them() {
    let server = Server::new();
    server.make("tools", json!({ "name": "spade" })).await;
    let theirs = server.project("ben").await;
    let device = Device::new(&server, "ana", schema(), Some("mine")).await;
    for rows in [1, 2, 3, 1_000] {
        server.page_rows(rows);
        device.sync().await;
        assert_eq!((device.held(), device.held().len()), (server.mine("ana").await, 1));
        server.set("projects", &theirs[0], json!({ "owner": "ana" })).await;
        device.sync().await;
        assert_eq!((device.held(), device.held().len()), (server.mine("ana").await, 4));
        // It comes back at the version that it had.
        server.set("projects", &theirs[0], json!({ "owner": "ben" })).await;
    }
    let record = server.table().await;
    assert_eq!(record[&("tasks".to_owned(), theirs[2].clone())].0, 1);
}

#[tokio::test]
async fn a_record_with_unsent_changes_leaves_when_they_are_settled() {
    let server = Server::new();
    let mine = server.project("ana").await;
    let device = Device::new(&server, "ana", schema(), Some("mine")).await;
    device.sync().await;
    device.update("tasks", &mine[2], json!({ "title": "mine" })).await;
    server.set("projects", &mine[0], json!({ "owner": "ben" })).await;
    // The push is lost, the pull says that it left.
    device.fated(&[Fate::LostOnTheWay]);
    device.pass().await;
    assert_eq!(device.held().len(), 1, "{:?}", device.held());
    assert_eq!(device.view("tasks", &mine[2]).unwrap()["title"], "mine");
    device.reopen().await;
    assert_eq!(device.sync().await.pushed, 1);
    assert_eq!(device.held().len(), 0, "the answer settles it, and nobody keeps what is not pulled");
    assert!(!device.engine().state().export().contains("base "), "{}", device.engine().state().export());
}

#[tokio::test]
async fn a_record_that_left_and_came_back_before_its_changes_were_settled_stays() {
    let server = Server::new();
    let mine = server.project("ana").await;
    let device = Device::new(&server, "ana", schema(), Some("mine")).await;
    device.sync().await;
    device.update("tasks", &mine[2], json!({ "title": "mine" })).await;
    for owner in ["ben", "ana"] {
        server.set("projects", &mine[0], json!({ "owner": owner })).await;
        device.fated(&[Fate::LostOnTheWay]);
        device.pass().await;
    }
    device.sync().await;
    device.sync().await;
    assert_eq!((device.held(), device.held().len()), (server.mine("ana").await, 3));
}

#[tokio::test]
async fn a_parked_change_to_what_left_stays_until_it_is_decided() {
    let server = Server::new();
    let mine = server.project("ana").await;
    let device = Device::new(&server, "ana", schema(), Some("mine")).await;
    device.sync().await;
    device.update("tasks", &mine[2], json!({ "title": "mine" })).await;
    server.set("tasks", &mine[2], json!({ "title": "theirs" })).await;
    server.set("projects", &mine[0], json!({ "owner": "ben" })).await;
    device.sync().await;
    let (parked, code) = device.parked();
    assert_eq!((code.as_str(), device.held().len()), ("version-conflict", 1));
    device.discard(&parked.id).await;
    assert_eq!(device.held().len(), 0);
}

#[tokio::test]
async fn what_is_made_outside_the_scope_goes_when_the_server_has_it() {
    let server = Server::new();
    let device = Device::new(&server, "ana", schema(), Some("mine")).await;
    device.sync().await;
    let other = device.create("projects", json!({ "owner": "ben" })).await;
    device.create("steps", json!({ "project_id": other })).await;
    let own = device.create("projects", json!({ "owner": "ana" })).await;
    // The answer is lost: the pull says what it came to, also of what is not in the scope.
    device.fated(&[Fate::AnswerLost]);
    device.pass().await;
    assert_eq!(device.held().len(), 1);
    device.sync().await;
    assert_eq!((device.held(), device.held().len()), (server.mine("ana").await, 1));
    assert!(device.view("projects", &device.engine().state().resolve(&own.as_str().into())).is_some());
    assert_eq!(server.table().await.len(), 3);
}

#[tokio::test]
async fn deletions_of_what_was_never_here_leave_nothing_behind() {
    let server = Server::new();
    let device = Device::new(&server, "ana", schema(), Some("mine")).await;
    device.sync().await;
    let theirs = server.project("ben").await;
    server.remove("projects", &theirs[0]).await;
    device.sync().await;
    assert!(!device.engine().state().export().contains("record "), "{}", device.engine().state().export());
}

#[tokio::test]
async fn a_scope_that_is_not_known_is_refused_here_and_there() {
    let server = Server::new();
    let device = Device::new(&server, "ana", schema(), Some("mine")).await;
    let refused = device.engine().set_pull_scope(Some("yours")).unwrap_err();
    assert_eq!((refused.code(), refused.field()), ("unknown-scope", Some("scope")));
    server.rules.borrow_mut().schema.as_mut().unwrap().scopes.clear();
    let unsent = device.create("tools", json!({ "name": "spade" })).await;
    let report = device.pass().await;
    assert_eq!(report.error.unwrap().code, "unknown-scope");
    assert_eq!(report.pushed, 1, "what waits is sent all the same: {unsent}");
}

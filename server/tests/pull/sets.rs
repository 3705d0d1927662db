//! Which sets are pulled when, and what becomes of them between releases.

use serde_json::json;

use crate::world::{Device, Fate, Server, schema, schema_with};

const HOUR: u64 = 3_600_000;

impl Device {
    /// The tables that a pass asked for which nobody waits for, each set as a word.
    async fn asked_in_passing(&self) -> Vec<String> {
        self.way.downloads.borrow_mut().clear();
        self.engine().pass().await.unwrap();
        self.asked()
    }

    fn asked(&self) -> Vec<String> {
        self.way.downloads.borrow().iter().map(|tables| tables.join("+")).collect()
    }
}

#[tokio::test]
async fn sets_are_pulled_side_by_side_and_after_what_they_refer_to() {
    let server = Server::new();
    let pull = json!({ "projects": { "everyMs": HOUR }, "tools": { "everyMs": 2 * HOUR } });
    let device = Device::new(&server, "ana", schema_with(&pull), None).await;
    server.project("ana").await;
    device.sync().await;
    assert_eq!(device.asked(), ["projects", "tools", "steps+tasks"]);
    assert_eq!(device.way.flying.get(), (0, 2), "two at once, the third when both were done");
    assert_eq!(device.held(), server.table().await);
}

#[tokio::test]
async fn a_set_is_pulled_when_its_time_has_passed_and_when_somebody_asks() {
    let server = Server::new();
    let pull = json!({ "projects": { "everyMs": HOUR }, "tools": { "everyMs": 2 * HOUR } });
    let device = Device::new(&server, "ana", schema_with(&pull), None).await;
    device.sync().await;
    assert_eq!(device.asked_in_passing().await, ["steps+tasks"]);
    server.now.set(server.now.get() + HOUR);
    assert_eq!(device.asked_in_passing().await, ["projects", "steps+tasks"]);
    // What was reached counts from then, also where nothing came.
    server.now.set(server.now.get() + HOUR);
    assert_eq!(device.asked_in_passing().await, ["projects", "tools", "steps+tasks"]);
    assert_eq!(device.asked_in_passing().await, ["steps+tasks"]);
    device.ahead_ms.set(-1_000_000_000);
    assert_eq!(
        device.asked_in_passing().await,
        ["projects", "tools", "steps+tasks"],
        "a clock that went back"
    );
    device.way.downloads.borrow_mut().clear();
    device.sync().await;
    assert_eq!(device.asked().len(), 3, "somebody asked");
}

#[tokio::test]
async fn a_parent_that_is_missing_makes_its_set_due_at_once() {
    let server = Server::new();
    let pull = json!({ "projects": { "everyMs": HOUR }, "steps": { "everyMs": 2 * HOUR } });
    let device = Device::new(&server, "ana", schema_with(&pull), None).await;
    let known = server.project("ana").await;
    device.sync().await;
    server.make("tasks", json!({ "step_id": known[1] })).await;
    assert_eq!(device.asked_in_passing().await, ["tasks+tools"], "all its parents are here");
    server.project("ana").await;
    assert_eq!(device.asked_in_passing().await, ["tasks+tools", "steps", "projects"]);
    assert_eq!(device.held(), server.table().await);
}

#[tokio::test]
async fn other_sets_in_another_release_replace_what_was_pulled_without_a_gap() {
    let server = Server::new();
    let mine = server.project("ana").await;
    let theirs = server.project("ben").await;
    let device = Device::new(&server, "ana", schema(), None).await;
    device.sync().await;
    device.update("tasks", &mine[2], json!({ "title": "mine" })).await;
    let unsent = device.outbox();
    // The next release pulls its own projects only, and tools apart.
    *device.schema.borrow_mut() = schema_with(&json!({ "tools": { "everyMs": HOUR } }));
    device.scope.set(Some("mine"));
    device.reopen().await;
    server.page_rows(2);
    // The push is lost; a page of each set comes, and then no more.
    for fates in
        [[Fate::LostOnTheWay, Fate::Through, Fate::Through, Fate::LostOnTheWay], [Fate::LostOnTheWay; 4]]
    {
        device.fated(&fates);
        device.pass().await;
        assert_eq!(device.held().len(), 6, "nothing goes before its replacement is here");
        device.reopen().await;
    }
    assert_eq!(device.outbox().len(), unsent.len());
    device.reopen().await;
    device.sync().await;
    device.sync().await;
    assert_eq!((device.held(), device.held().len()), (server.mine("ana").await, 3));
    assert!(device.view("projects", &theirs[0]).is_none());
    let engine = device.engine();
    let cursors: Vec<String> = engine.state().cursors().map(|(set, _)| set.to_string()).collect();
    assert_eq!(cursors, ["projects,steps,tasks@mine", "tools@mine"]);
    assert!(!engine.state().export().contains("seen "), "{}", engine.state().export());
    // And back again.
    device.scope.set(None);
    *device.schema.borrow_mut() = schema();
    device.reopen().await;
    device.sync().await;
    assert_eq!((device.held(), device.held().len()), (server.table().await, 6));
}

#[tokio::test]
async fn a_set_that_is_refused_keeps_no_other_from_being_pulled() {
    let server = Server::new();
    let pull = json!({ "tools": { "scope": "mine" } });
    let device = Device::new(&server, "ana", schema_with(&pull), None).await;
    server.rules.borrow_mut().schema.as_mut().unwrap().scopes.clear();
    server.project("ana").await;
    let report = device.pass().await;
    assert_eq!((report.error.unwrap().code.as_str(), device.held().len()), ("unknown-scope", 3));
}

#[tokio::test]
async fn a_first_pull_notes_nothing_and_a_pull_that_brings_nothing_writes_nothing() {
    let server = Server::new();
    server.page_rows(2);
    for _ in 0..4 {
        server.project("ana").await;
    }
    let device = Device::new(&server, "ana", schema(), None).await;
    let mut appends = Vec::new();
    for _ in 0..3 {
        let engine = device.engine();
        let before = engine.ports().log.appends();
        device.sync().await;
        appends.push(engine.ports().log.appends() - before);
    }
    assert_eq!(appends, [7, 0, 0], "six pages, and the clock");
}

//! Two devices change the same records, and the server tells each what it has: the whole way, from a write to a merge, a decision, and
//! back.

mod deciding;
mod kinds;
mod rules;

use std::rc::Rc;

use landfall_core::sorted::SortedMap;
use landfall_core::{
    decide::Decision,
    engine::{ConflictFilter, ConflictView},
    error::Error,
    log::entry::Id,
    merge::{Choice, Path},
    schema::{Schema, rules::Strategy},
};
use serde_json::{Value, json};

use crate::world::{Device, Server};

/// F7's data types, each with the rule that it asks for.
fn rules() -> Value {
    json!({
        "status": { "progression": ["not_started", "in_progress", "completed"], "notify": true },
        "progress": "highest",
        "logs": { "union": { "by": "id", "overlap": ["start", "end"] } },
        "assignee": { "latest": true, "notify": true },
        "due": { "latest": true, "notify": true },
        "visits": "counter",
        "notes": "text",
        "address.city": "server",
    })
}

fn schema_with(conflict: &Value, rules: &Value) -> Schema {
    let document = json!({ "version": 1, "tables": {
        "projects": { "fields": { "owner": "string" } },
        "steps": { "fields": { "project_id": "string" }, "references": { "project_id": { "table": "projects" } } },
        "tasks": {
            "fields": { "title": "string", "status": "string?", "progress": "number?", "logs": "json?", "assignee": "string?",
                "due": "string?", "visits": "number?", "notes": "string?", "address": "json?", "serial": "string?" },
            "unique": [["serial"]], "alike": [["title"]], "conflict": conflict, "rules": rules },
        "tools": { "fields": { "name": "string", "task_id": "string?" },
            "references": { "task_id": { "table": "tasks", "onDelete": "cascade" } } } } });
    Schema::parse(&document).unwrap()
}

fn schema() -> Schema {
    schema_with(&json!({}), &rules())
}

/// A server with one task, and two devices that have it.
struct Two {
    server: Rc<Server>,
    ana: Device,
    ben: Device,
    task: String,
}

impl Two {
    async fn with(schema: Schema, task: Value) -> Self {
        let server = Server::new();
        server.rules.borrow_mut().schema = Some(schema.clone());
        let ana = Device::new(&server, "ana", schema.clone(), None).await;
        let ben = Device::new(&server, "ben", schema, None).await;
        let temporary = ana.create("tasks", task).await;
        ana.sync().await;
        ben.sync().await;
        let task = ana.engine().state().resolve(&temporary.as_str().into()).to_string();
        Self { server, ana, ben, task }
    }

    async fn new(task: Value) -> Self {
        Self::with(schema(), task).await
    }

    /// Ben changes it and is first; then Ana, who has not heard of that.
    async fn meet(&self, bens: Value, anas: Value) {
        self.ben.update("tasks", &self.task, bens).await;
        self.ana.update("tasks", &self.task, anas).await;
        self.ben.sync().await;
        self.ana.sync().await;
    }

    async fn server_has(&self) -> Value {
        self.server.table().await[&("tasks".to_owned(), self.task.clone())].1.clone()
    }

    /// Everybody syncs until nothing is left, and then has the same as the server.
    async fn settle(&self) {
        for _ in 0..3 {
            self.ana.sync().await;
            self.ben.sync().await;
        }
        assert_eq!([self.ana.outbox(), self.ben.outbox()], [vec![], vec![]]);
        assert_eq!(self.ana.held(), self.server.table().await);
        assert_eq!(self.ben.held(), self.server.table().await);
    }
}

impl Device {
    fn conflicts(&self) -> Vec<ConflictView> {
        self.engine().conflicts(&ConflictFilter::default()).conflicts
    }

    fn only_conflict(&self) -> ConflictView {
        let mut all = self.conflicts();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    async fn resolve(&self, conflict: &Id, decision: Decision) -> Result<usize, Error> {
        let engine = self.engine();
        engine.resolve(vec![conflict.clone()], decision).await
    }
}

fn by(strategy: Strategy) -> Decision {
    Decision { strategy: Some(strategy), ..Decision::default() }
}

fn chosen(path: &str, choice: Choice) -> Decision {
    let path = Path(path.split('.').map(str::to_owned).collect());
    Decision { strategy: None, choices: SortedMap::from([(path, choice)]) }
}

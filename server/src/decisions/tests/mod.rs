//! The decisions over every store: what PROTOCOL promises, a test for each promise.

#![allow(
    clippy::needless_pass_by_value,
    reason = "a `json!` at the call reads better than a reference to one"
)]

mod batch;
mod changes;
mod detection;
mod hierarchy;
mod keys;
mod merging;
mod pull;
mod resolving;
mod scopes;

use landfall_core::protocol::{Download, OperationResult, Page, Status, Upload, UploadAnswer};
use landfall_core::schema::Schema;
use serde_json::{Value, json};

use super::port::{Conflict, ConflictsQuery, Snapshot, Store, Transaction};
use super::{Caller, Refusal, Role, Rules, download, upload};
pub(super) use crate::store::over_every_store;

/// A server with a schema, as one principal sees it.
pub(super) struct World<S> {
    pub(super) store: S,
    pub(super) rules: Rules,
    pub(super) caller: Caller,
    pub(super) now: u64,
}

fn schema() -> Schema {
    let document = json!({ "version": 1, "tables": {
        "projects": { "fields": { "name": "string", "progress": "number?", "phase_count": "number" }, "unique": ["name"],
            // Derived on each device and sent by none: no create has to have it.
            "rollups": { "phase_count": { "count": "phases" } } },
        "phases": { "fields": { "project_id": "string", "name": "string" },
            "references": { "project_id": { "table": "projects", "onDelete": "cascade" } } },
        "tasks": { "fields": { "phase_id": "string", "title": "string", "done": "boolean?", "log": "json?",
                "parent_id": "string?", "code": "string?", "level": "number?" },
            "references": { "phase_id": { "table": "phases", "onDelete": "cascade" },
                "parent_id": { "table": "tasks", "onDelete": "cascade" } },
            "unique": [["code", "level"]] },
        "invoices": { "fields": { "project_id": "string", "total": "number" },
            "references": { "project_id": { "table": "projects", "onDelete": "refuse" } } },
        "jobs": { "fields": { "title": "string", "status": "string?", "progress": "number?", "note": "string?", "log": "json?",
                "assignee": "string?", "code": "string?", "project_id": "string?" },
            "references": { "project_id": { "table": "projects", "onDelete": "cascade" } }, "unique": ["code"],
            "rules": { "status": { "progression": ["open", "started", "done"] }, "progress": "highest", "note": "text",
                "log": { "union": { "by": "id" } }, "assignee": "latest" } },
        "visits": { "fields": { "note": "string", "rating": "number?" }, "conflict": { "detect": "timestamp" } },
        "sites": { "fields": { "name": "string", "note": "string?", "visit_count": "number" }, "conflict": { "detect": "hash" },
            "rollups": { "visit_count": { "count": "site_visits" } } },
        "site_visits": { "fields": { "site_id": "string" },
            "references": { "site_id": { "table": "sites", "onDelete": "cascade" } } },
        "readings": { "fields": { "value": "number" }, "ids": "uuid" } } });
    Schema::parse(&document).unwrap()
}

pub(super) fn temp(number: u64, table: &str) -> String {
    landfall_core::ids::temporary_id(1_760_000_000_000 + number, number, table)
}

pub(super) fn create(key: &str, table: &str, record_id: &str, data: Value) -> Value {
    json!({ "id": key, "table": table, "recordId": record_id, "operation": "create", "data": data, "timestamp": 1 })
}

pub(super) fn update(key: &str, table: &str, record_id: &str, base: u64, data: Value) -> Value {
    json!({ "id": key, "table": table, "recordId": record_id, "operation": "update", "baseVersion": base, "data": data,
        "timestamp": 1 })
}

pub(super) fn delete(key: &str, table: &str, record_id: &str, base: u64) -> Value {
    json!({ "id": key, "table": table, "recordId": record_id, "operation": "delete", "baseVersion": base,
        "timestamp": 1 })
}

/// The operation with one member set otherwise.
pub(super) fn with(mut operation: Value, member: &str, value: Value) -> Value {
    operation[member] = value;
    operation
}

impl<S: Store> World<S> {
    pub(super) fn new(store: S) -> Self {
        let caller = Caller { principal: "ana".into(), tenant: "acme".into(), role: Role::Editor };
        Self { store, rules: Rules::new(Some(schema())), caller, now: 1_760_000_100_000 }
    }

    pub(super) fn request(&self, operations: Vec<Value>) -> Upload<Value> {
        let operations = operations.into_iter().map(|o| serde_json::from_value(o).unwrap()).collect();
        Upload {
            protocol: 1,
            principal: self.caller.principal.clone(),
            device_id: "device_1".into(),
            schema_version: 1,
            epoch: None,
            sent_at: 2,
            merge: false,
            operations,
        }
    }

    /// A request whose device lets the server merge.
    pub(super) async fn merged(&self, operation: Value) -> OperationResult<Value> {
        let request = Upload { merge: true, ..self.request(vec![operation]) };
        self.try_send(request).await.unwrap().results.remove(0)
    }

    /// What is held for a decision, and what was.
    pub(super) async fn held(&self) -> Vec<Conflict> {
        let tenant = self.caller.tenant.clone();
        let query = ConflictsQuery { tenant, state: None, table: None, kind: None, after: None, limit: 100 };
        self.store.snapshot().await.unwrap().conflicts(query).await.unwrap().conflicts
    }

    pub(super) async fn try_send(&self, request: Upload<Value>) -> Result<UploadAnswer<Value>, Refusal> {
        upload(&self.store, &self.rules, &self.caller, self.now, request).await
    }

    pub(super) async fn send(&self, operations: Vec<Value>) -> UploadAnswer<Value> {
        self.try_send(self.request(operations)).await.unwrap()
    }

    pub(super) async fn one(&self, operation: Value) -> OperationResult<Value> {
        self.send(vec![operation]).await.results.remove(0)
    }

    /// The id of a record made now.
    pub(super) async fn made(&self, operation: Value) -> String {
        let result = self.one(operation).await;
        assert_eq!(result.status, Status::Applied, "{result:?}");
        result.record_id.unwrap()
    }

    /// A project with a phase, by their ids.
    pub(super) async fn phase(&self) -> (String, String) {
        let (project, phase) = (temp(900, "projects"), temp(901, "phases"));
        let answer = self
            .send(vec![
                create("p0", "projects", &project, json!({ "name": "Ring West" })),
                create("p1", "phases", &phase, json!({ "project_id": project, "name": "Civil works" })),
            ])
            .await;
        let id = |at: usize| answer.results[at].record_id.clone().unwrap();
        (id(0), id(1))
    }

    pub(super) async fn try_pull(&self, cursor: Option<String>, limit: u32) -> Result<Page<Value>, Refusal> {
        let tables: Vec<String> = schema().tables.into_keys().collect();
        let request = Download {
            protocol: 1,
            principal: None,
            cursor,
            entity_types: tables,
            scope: None,
            limit: Some(limit),
            last_sync: None,
        };
        download(&self.store, &self.rules, &self.caller, self.now, request).await
    }

    pub(super) async fn pull(&self, cursor: Option<String>) -> Page<Value> {
        self.try_pull(cursor, 1_000).await.unwrap()
    }

    /// The fields of a living record.
    pub(super) async fn fields(&self, table: &str, id: &str) -> Value {
        let page = self.pull(None).await;
        page.entities.into_iter().find(|row| row.table == table && row.id == id).unwrap().data
    }

    pub(super) async fn purge(&self, horizon: u64) {
        let mut transaction = self.store.begin().await.unwrap();
        transaction.purge(horizon).await.unwrap();
        transaction.commit().await.unwrap();
    }
}

/// A rejection's code and field.
pub(super) fn rejected(result: &OperationResult<Value>) -> (&str, Option<&str>) {
    assert_eq!(result.status, Status::Rejected, "{result:?}");
    (result.code.as_deref().unwrap(), result.field.as_deref())
}

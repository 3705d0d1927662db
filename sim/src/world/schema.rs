//! What the simulated app stores, in two releases, and what its server makes of it.

use landfall_core::schema::Schema;
use serde_json::{Value, json};

/// All tables of the newest release.
pub const TABLES: [&str; 4] = ["folders", "notes", "photos", "tasks"];

/// A release of the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// It does not know photos, nor that a task has an owner.
    Old,
    New,
}

/// The schema of a release.
///
/// What both sides changed goes by rules in tasks but for their titles, which are for people to decide as notes are; of photos ours
/// wins.
///
/// Folders hold folders, notes and photos. A folder with notes in it stays; its photos go with it. Tasks stand alone, and no two
/// of them have the same code.
///
/// With a `barrier`, the newest release wants no older one to write beside it.
#[must_use]
pub fn schema_of(release: Release, barrier: bool) -> Schema {
    let mut document = document();
    if barrier && release == Release::New {
        document["minWriter"] = json!(2);
    }
    if release == Release::Old {
        document["version"] = json!(1);
        if let Some(tables) = document["tables"].as_object_mut() {
            tables.remove("photos");
        }
        if let Some(fields) = document["tables"]["tasks"]["fields"].as_object_mut() {
            fields.remove("owner");
        }
    }
    parse(&document)
}

/// The server's: it is stricter about what a number is, so that some of what is written here it will never take.
#[must_use]
pub fn server_schema() -> Schema {
    let mut document = document();
    document["tables"]["tasks"]["fields"]["effort"] = json!("number?");
    document["tables"]["folders"]["fields"]["color"] = json!("number?");
    parse(&document)
}

fn document() -> Value {
    json!({ "version": 2, "tables": {
        "folders": { "fields": { "name": "string", "parent_id": "string?", "color": "json?" },
                     "references": { "parent_id": { "table": "folders", "onDelete": "refuse" } } },
        "notes": { "fields": { "folder_id": "string", "text": "string", "pinned": "boolean?" },
                   "conflict": { "strategy": "manual", "detect": "timestamp" },
                   "references": { "folder_id": { "table": "folders", "onDelete": "refuse" } } },
        "photos": { "fields": { "folder_id": "string", "text": "string" },
                    "conflict": { "strategy": "client-wins", "detect": "hash" },
                    "references": { "folder_id": { "table": "folders", "onDelete": "cascade" } } },
        "tasks": { "fields": { "title": "string", "status": "string?", "code": "string?", "effort": "json?", "owner": "string?",
                               "visits": "number?", "logs": "json?" },
                   "rules": { "status": "latest", "visits": "counter", "logs": { "union": { "by": "id" } } },
                   "indexes": ["status"], "unique": [["code"]],
                   "priority": { "default": "low", "fields": { "status": "high" } } } } })
}

fn parse(document: &Value) -> Schema {
    match Schema::parse(document) {
        Ok(schema) => schema,
        Err(error) => unreachable!("the simulator's own schema: {error}"),
    }
}

/// The field of a table that its users write to.
#[must_use]
pub fn text_field(table: &str) -> &'static str {
    match table {
        "folders" => "name",
        "tasks" => "title",
        _ => "text",
    }
}

use serde_json::{Value, json};

use super::*;

mod rollups;
mod rules;

fn demo() -> Value {
    json!({
        "version": 3,
        "tables": {
            "tasks": {
                "fields": { "step_id": "string", "title": "string", "status": "string", "progress": "number?",
                    "done": "boolean?", "logs": "json?", "assignee": "string?", "due": "string?" },
                "references": { "step_id": { "table": "steps", "onDelete": "cascade" } },
                "indexes": ["status", ["assignee", "due"]],
                "unique": [["step_id", "title"]],
                "priority": { "default": "low", "fields": { "status": "high", "done": "critical" } }
            },
            "steps": { "fields": { "name": "string" }, "ids": "uuid", "priority": "low" }
        }
    })
}

fn refused(change: impl FnOnce(&mut Value)) -> (String, String) {
    let mut document = demo();
    change(&mut document);
    let error = Schema::parse(&document).expect_err("the document must be refused");
    assert_eq!(error.code(), "invalid-schema");
    (error.path, error.message)
}

#[test]
fn reads_every_part_of_a_document() {
    let schema = Schema::parse(&demo()).unwrap();
    assert_eq!(schema.version, 3);
    let tasks = schema.table("tasks").unwrap();
    assert_eq!(tasks.field("progress"), Some(Field { kind: FieldKind::Number, optional: true }));
    assert_eq!(tasks.field("title"), Some(Field { kind: FieldKind::String, optional: false }));
    assert_eq!(tasks.field("absent"), None);
    assert_eq!(
        tasks.references["step_id"],
        Reference { table: "steps".into(), on_delete: OnDelete::Cascade }
    );
    assert_eq!(tasks.unique, [["step_id", "title"]]);
    assert_eq!(tasks.ids, Ids::Temporary);
    let steps = schema.table("steps").unwrap();
    assert_eq!((steps.ids, steps.priority.default), (Ids::Uuid, Priority::Low));
}

#[test]
fn a_foreign_key_is_indexed_unless_it_leads_an_index() {
    let schema = Schema::parse(&demo()).unwrap();
    let expected = [vec!["status"], vec!["assignee", "due"], vec!["step_id"]];
    assert_eq!(schema.tables["tasks"].indexes, expected);

    let mut document = demo();
    document["tables"]["tasks"]["indexes"] = json!([["step_id", "due"], ["step_id", "due"], "due"]);
    let schema = Schema::parse(&document).unwrap();
    assert_eq!(schema.tables["tasks"].indexes, [vec!["step_id", "due"], vec!["due"]]);
}

#[test]
fn critical_is_the_greatest_priority_and_fields_override_the_default() {
    assert!(
        Priority::Critical > Priority::High
            && Priority::High > Priority::Medium
            && Priority::Medium > Priority::Low
    );
    let rule = &Schema::parse(&demo()).unwrap().tables["tasks"].priority;
    assert_eq!(rule.of(["title"]), Priority::Low);
    assert_eq!(rule.of(["title", "status"]), Priority::High);
    assert_eq!(rule.of(["done", "status"]), Priority::Critical);
    assert_eq!(serde_json::to_value(Priority::Critical).unwrap(), "critical");
}

#[test]
fn children_and_order() {
    let document = json!({ "version": 1, "tables": {
        "a_tasks": { "fields": { "step_id": "string", "parent": "string?" },
            "references": { "step_id": { "table": "steps", "onDelete": "cascade" }, "parent": { "table": "a_tasks" } } },
        "steps": { "fields": { "phase_id": "string" }, "references": { "phase_id": { "table": "zones" } } },
        "zones": { "fields": { "name": "string" } } } });
    let schema = Schema::parse(&document).unwrap();
    assert_eq!(schema.tables_parents_first(), ["zones", "steps", "a_tasks"]);
    assert_eq!(schema.children_of("steps").collect::<Vec<_>>(), [("a_tasks", "step_id", OnDelete::Cascade)]);
    assert_eq!(schema.children_of("a_tasks").collect::<Vec<_>>(), [("a_tasks", "parent", OnDelete::Refuse)]);
    assert_eq!(schema.children_of("nothing").count(), 0);
}

#[test]
fn a_circle_of_tables_has_one_order() {
    let refer =
        |table: &str| json!({ "fields": { "to": "string?" }, "references": { "to": { "table": table } } });
    let document = json!({ "version": 1, "tables": { "b": refer("c"), "c": refer("b"), "a": refer("c") } });
    assert_eq!(Schema::parse(&document).unwrap().tables_parents_first(), ["a", "b", "c"]);
}

#[test]
fn a_version_is_a_positive_integer() {
    for version in [json!(0), json!(-1), json!(1.5), json!("1"), json!(4_294_967_296_u64), Value::Null] {
        assert_eq!(refused(|d| d["version"] = version).0, "version");
    }
    assert_eq!(
        refused(|d| drop(d.as_object_mut().unwrap().remove("version"))),
        ("version".into(), "is missing".into())
    );
    let mut document = demo();
    document["version"] = json!(2.0);
    assert_eq!(Schema::parse(&document).unwrap().version, 2);
}

#[test]
fn shapes_are_checked() {
    assert_eq!(refused(|d| *d = json!([])).0, "schema");
    assert_eq!(refused(|d| d["tables"] = json!({})).0, "tables");
    assert_eq!(refused(|d| drop(d.as_object_mut().unwrap().remove("tables"))).0, "tables");
    assert_eq!(refused(|d| d["tables"]["steps"] = json!(1)).0, "tables.steps");
    assert_eq!(refused(|d| d["tables"]["steps"] = json!({})).0, "tables.steps.fields");
    assert_eq!(refused(|d| d["tables"]["steps"]["fields"] = json!({})).0, "tables.steps.fields");
    assert_eq!(
        refused(|d| d["tables"]["steps"]["fields"]["name"] = json!("text")).0,
        "tables.steps.fields.name"
    );
    assert_eq!(refused(|d| d["tables"]["steps"]["fields"]["name"] = json!(3)).0, "tables.steps.fields.name");
    assert_eq!(refused(|d| d["tables"]["steps"]["ids"] = json!("serial")).0, "tables.steps.ids");
    assert_eq!(refused(|d| d["tables"]["steps"]["priority"] = json!("urgent")).0, "tables.steps.priority");
    assert_eq!(
        refused(|d| d["tables"]["tasks"]["priority"]["fields"]["absent"] = json!("low")).0,
        "tables.tasks.priority.fields.absent"
    );
}

#[test]
fn reserved_and_illegal_names() {
    for reserved in ["id", "_version", "__proto__"] {
        let (path, message) = refused(|d| d["tables"]["steps"]["fields"][reserved] = json!("string"));
        assert_eq!(path, format!("tables.steps.fields.{reserved}"));
        assert!(message.contains("reserved"), "{message}");
    }
    for illegal in ["", "a.b", "1st", "a\"b", "with space"] {
        assert!(
            refused(|d| d["tables"][illegal] = json!({ "fields": { "a": "string" } }))
                .1
                .contains("not a name")
        );
    }
    assert!(refused(|d| d["tables"]["_log"] = json!({ "fields": { "a": "string" } })).1.contains("reserved"));
}

#[test]
fn references_must_lead_somewhere() {
    let reference =
        |d: &mut Value, field: &str, value: Value| d["tables"]["tasks"]["references"][field] = value;
    let (path, message) = refused(|d| reference(d, "step_id", json!({ "table": "stairs" })));
    assert_eq!(path, "tables.tasks.references.step_id.table");
    assert!(message.contains("`stairs`"));
    assert_eq!(
        refused(|d| reference(d, "absent", json!({ "table": "steps" }))).0,
        "tables.tasks.references.absent"
    );
    assert!(refused(|d| reference(d, "progress", json!({ "table": "steps" }))).1.contains("number"));
    assert_eq!(refused(|d| reference(d, "step_id", json!({}))).0, "tables.tasks.references.step_id.table");
    assert_eq!(
        refused(|d| reference(d, "step_id", json!({ "table": "steps", "onDelete": "set-null" }))).0,
        "tables.tasks.references.step_id.onDelete"
    );
}

#[test]
fn indexes_and_natural_keys_name_ordered_fields_once() {
    for key in ["indexes", "unique"] {
        let path = format!("tables.tasks.{key}[0]");
        for bad in
            [json!("absent"), json!("logs"), json!(["due", "due"]), json!([]), json!(7), json!(["due", 7])]
        {
            assert_eq!(refused(|d| d["tables"]["tasks"][key] = json!([bad])).0, path);
        }
        assert_eq!(refused(|d| d["tables"]["tasks"][key] = json!("due")).0, format!("tables.tasks.{key}"));
    }
}

#[test]
fn unknown_keys_are_refused_and_later_ones_say_so() {
    let (path, message) = refused(|d| d["tables"]["tasks"]["retention"] = json!({}));
    assert_eq!(path, "tables.tasks.retention");
    assert!(message.contains("not supported in this release"), "{message}");
    let (path, message) = refused(|d| d["tables"]["tasks"]["index"] = json!([]));
    assert_eq!(path, "tables.tasks.index");
    assert!(message.contains("not a key"), "{message}");
    assert_eq!(refused(|d| d["name"] = json!("x")).0, "name");
    assert_eq!(
        refused(|d| d["tables"]["tasks"]["references"]["step_id"]["onUpdate"] = json!("cascade")).0,
        "tables.tasks.references.step_id.onUpdate"
    );
}

#[test]
fn the_demo_schema_is_valid() {
    let document = serde_json::from_str(include_str!("../../../www/schema.json")).unwrap();
    let schema = Schema::parse(&document).unwrap();
    assert_eq!(schema.tables_parents_first(), ["projects", "phases", "steps", "tasks"]);
}

/// Projects of the one who asks that are under way, and what hangs on them; tools are everybody's.
fn scoped() -> Value {
    json!({ "version": 1,
        "scopes": { "mine": { "projects": { "owner": "$principal", "status": ["active", "planned"] } } },
        "tables": {
            "projects": { "fields": { "owner": "string", "status": "string?", "size": "number?", "notes": "json?" } },
            "phases": { "fields": { "project_id": "string" }, "references": { "project_id": { "table": "projects" } } },
            "tasks": { "fields": { "phase_id": "string", "parent": "string?", "tool_id": "string?" },
                "references": { "phase_id": { "table": "phases" }, "parent": { "table": "tasks" },
                    "tool_id": { "table": "tools" } },
                "pull": { "everyMs": 900_000, "scope": "mine" } },
            "tools": { "fields": { "name": "string" } } } })
}

#[test]
fn a_scope_knows_what_leads_to_its_filters() {
    let schema = Schema::parse(&scoped()).unwrap();
    let scope = &schema.scopes["mine"];
    assert!(scope.hangs_on("phases", "project_id") && scope.hangs_on("tasks", "phase_id"));
    assert!(scope.hangs_on("tasks", "parent"), "by a record of the same table");
    assert!(!scope.hangs_on("tasks", "tool_id") && !scope.ways.contains_key("tools"));
    assert_eq!(
        schema.tables["tasks"].pull,
        PullRule { every_ms: 900_000, scope: Some("mine".into()), ..PullRule::default() }
    );
    assert_eq!(schema.tables["tools"].pull, PullRule::default());
}

#[test]
fn a_record_is_admitted_when_all_conditions_hold_and_its_audience_says_for_whom() {
    let schema = Schema::parse(&scoped()).unwrap();
    let scope = &schema.scopes["mine"];
    let admits = |record: &Value, who| scope.admits("projects", |field| record.get(field), who);
    let audience = |record| scope.audience("projects", move |field| Value::get(record, field));
    let active = json!({ "owner": "ana", "status": "active" });
    let planned = json!({ "owner": "ana", "status": "planned", "size": 3 });
    let done = json!({ "owner": "ana", "status": "done" });
    let unset = json!({ "owner": "ben" });
    assert_eq!((admits(&active, "ana"), admits(&active, "ben")), (Some(true), Some(false)));
    assert_eq!((admits(&done, "ana"), admits(&unset, "ben")), (Some(false), Some(false)));
    assert_eq!(scope.admits("tasks", |_| None, "ana"), None);
    assert_eq!(audience(&active), audience(&planned), "nobody's view changes from the one to the other");
    assert_eq!(audience(&done), Some(scope::Audience::Nobody));
    assert_eq!(audience(&unset), audience(&done));
    assert_ne!(audience(&active), audience(&json!({ "owner": "ben", "status": "active" })));
}

#[test]
fn scopes_and_pulls_are_checked_where_they_are_written() {
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut document = scoped();
        change(&mut document);
        Schema::parse(&document).unwrap_err().path
    };
    let set = |path: &'static str, value: Value| {
        refused(&move |d: &mut Value| *d.pointer_mut(path).unwrap() = value.clone())
    };
    assert_eq!(set("/scopes", json!([])), "scopes");
    assert_eq!(set("/scopes/mine", json!({})), "scopes.mine");
    assert_eq!(set("/scopes/mine", json!({ "boats": { "a": 1 } })), "scopes.mine.boats");
    assert_eq!(set("/scopes/mine/projects", json!({})), "scopes.mine.projects");
    for (field, value) in [
        ("absent", json!("x")),
        ("owner", json!([])),
        ("owner", json!(3)),
        ("owner", Value::Null),
        ("owner", json!("$tenant")),
        ("notes", json!("x")),
        ("size", json!("$principal")),
    ] {
        let path = format!("scopes.mine.projects.{field}");
        assert_eq!(refused(&|d| d["scopes"]["mine"]["projects"] = json!({ field: value })), path);
    }
    assert_eq!(set("/scopes/mine/projects/status", json!(["a", 7])), "scopes.mine.projects.status[1]");
    assert_eq!(set("/tables/tasks/pull/everyMs", json!(-1)), "tables.tasks.pull.everyMs");
    assert_eq!(set("/tables/tasks/pull/everyMs", json!("1 s")), "tables.tasks.pull.everyMs");
    assert_eq!(set("/tables/tasks/pull", json!({ "priority": "soon" })), "tables.tasks.pull.priority");
    assert_eq!(set("/tables/tasks/pull/scope", json!("yours")), "tables.tasks.pull.scope");
    assert_eq!(set("/tables/tasks/pull", json!({ "every": 1 })), "tables.tasks.pull.every");
    assert_eq!(refused(&|d| d["scopes"]["_all"] = json!({})), "scopes._all");
}

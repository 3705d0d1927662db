//! Roll-ups and relations as a document declares them.

use super::*;

fn tree() -> Value {
    let refers = |table: &str| json!({ "table": table, "onDelete": "cascade" });
    json!({ "version": 1, "tables": {
        "phases": { "fields": { "name": "string", "progress": "number?", "tasks": "number" },
            "rollups": { "progress": { "average": "steps", "of": "progress" }, "tasks": { "sum": "steps", "of": "task_count", "write": true },
                         "complete": { "all": "steps", "where": { "complete": true } } } },
        "steps": { "fields": { "phase_id": "string", "before": "string?", "name": "string" },
            "references": { "phase_id": refers("phases"), "before": { "table": "steps" } },
            "rollups": { "task_count": { "count": "tasks", "by": "step_id" },
                         "open": { "count": "tasks", "by": "step_id", "where": { "status": ["open", "started", null] } },
                         "progress": { "average": "tasks", "of": "progress", "by": "step_id" },
                         "due": { "min": "tasks", "of": "due", "by": "step_id" },
                         "complete": { "all": "tasks", "by": "step_id", "where": { "status": "completed" } } } },
        "tasks": { "fields": { "step_id": "string", "other_step": "string?", "status": "string", "progress": "number?", "due": "string?", "logs": "json?" },
            "references": { "step_id": refers("steps"), "other_step": { "table": "steps" } } } } })
}

fn refused(change: impl FnOnce(&mut Value)) -> (String, String) {
    let mut document = tree();
    change(&mut document);
    let error = Schema::parse(&document).expect_err("the document must be refused");
    (error.path, error.message)
}

#[test]
fn what_another_rollup_reads_comes_first() {
    let schema = Schema::parse(&tree()).unwrap();
    let groups: Vec<_> =
        schema.rollups.iter().map(|g| (&*g.parent, &*g.child, &*g.by, g.names.join(" "))).collect();
    let steps = "complete due open progress task_count".to_owned();
    let phases = "complete progress tasks".to_owned();
    assert_eq!(groups, [("steps", "tasks", "step_id", steps), ("phases", "steps", "phase_id", phases)]);
    assert_eq!(
        schema.tables["steps"].rollups["progress"].kind,
        RollupKind::Average { of: "progress".into() }
    );
    assert!(schema.sends_rollups());
    assert_eq!(
        schema.tables["steps"].rollups["open"].to_string(),
        "count in tasks by step_id where status is \"open\" or \"started\" or null"
    );
}

#[test]
fn the_text_of_rollups_tells_one_set_of_them_from_another() {
    let text = |change: &dyn Fn(&mut Value)| {
        let mut document = tree();
        change(&mut document);
        Schema::parse(&document).unwrap().rollups_text
    };
    let before = text(&|_| {});
    assert_ne!(
        before,
        text(&|d| d["tables"]["steps"]["rollups"]["complete"]["where"]["status"] = json!("done"))
    );
    assert_ne!(before, text(&|d| d["tables"]["steps"]["rollups"]["open"]["by"] = json!("other_step")));
    let number = |n: Value| {
        text(&move |d| d["tables"]["steps"]["rollups"]["open"]["where"] = json!({ "progress": n }))
    };
    assert_eq!(number(json!(1)), number(json!(1.0)), "page and worker parse the same document");
    assert_eq!(Schema::parse(&demo()).unwrap().rollups_text, "");
}

#[test]
fn a_wrong_rollup_is_refused_with_its_path() {
    let put = |d: &mut Value, rollup: Value| d["tables"]["steps"]["rollups"]["x"] = rollup;
    let wrong = [
        (json!(1), "x", "object"),
        (json!({}), "x", "one of"),
        (json!({ "count": "tasks", "sum": "tasks" }), "x", "one of"),
        (json!({ "count": 4 }), "x.count", "name of the children's table"),
        (json!({ "count": "boats" }), "x.count", "no table"),
        (json!({ "count": "phases" }), "x.count", "does not refer to `steps`"),
        (json!({ "count": "tasks" }), "x.by", "several fields"),
        (json!({ "count": "tasks", "by": "status" }), "x.by", "refers to `steps`"),
        (json!({ "count": "tasks", "by": "step_id", "of": "progress" }), "x.of", "says nothing"),
        (json!({ "average": "tasks", "by": "step_id" }), "x.of", "average"),
        (
            json!({ "average": "tasks", "by": "step_id", "of": "boat" }),
            "x.of",
            "neither a field nor a roll-up",
        ),
        (json!({ "average": "tasks", "by": "step_id", "of": "status" }), "x.of", "must be a number"),
        (json!({ "max": "tasks", "by": "step_id", "of": "logs" }), "x.of", "number or a string"),
        (json!({ "all": "tasks", "by": "step_id" }), "x.where", "is missing"),
        (json!({ "all": "tasks", "by": "step_id", "where": {} }), "x.where", "at least one"),
        (json!({ "all": "tasks", "by": "step_id", "where": { "boat": 1 } }), "x.where.boat", "neither"),
        (
            json!({ "all": "tasks", "by": "step_id", "where": { "status": 1 } }),
            "x.where.status",
            "is a string",
        ),
        (json!({ "all": "tasks", "by": "step_id", "where": { "status": [] } }), "x.where.status", "must be"),
        (
            json!({ "all": "tasks", "by": "step_id", "where": { "status": { "a": 1 } } }),
            "x.where.status",
            "must be",
        ),
        (json!({ "all": "tasks", "by": "step_id", "where": { "logs": null } }), "x.where.logs", "json"),
        (json!({ "count": "tasks", "by": "step_id", "write": 1 }), "x.write", "`true` or `false`"),
        (json!({ "count": "tasks", "by": "step_id", "write": true }), "x.write", "needs a field"),
        (json!({ "count": "tasks", "by": "step_id", "when": 1 }), "x.when", "not a key"),
    ];
    for (rollup, path, message) in wrong {
        let error = refused(|d| put(d, rollup.clone()));
        assert_eq!(error.0, format!("tables.steps.rollups.{path}"), "{rollup}: {}", error.1);
        assert!(error.1.contains(message), "{rollup}: {}", error.1);
    }
    assert!(refused(|d| d["tables"]["steps"]["rollups"]["_x"] = json!({})).1.contains("reserved"));
    assert_eq!(refused(|d| d["tables"]["steps"]["rollups"] = json!([])).0, "tables.steps.rollups");
}

#[test]
fn a_declared_field_must_hold_what_its_rollup_gives() {
    let field = |kind: &str| {
        let kind = json!(kind);
        refused(move |d| d["tables"]["phases"]["fields"]["progress"] = kind)
    };
    assert_eq!(field("string?").0, "tables.phases.rollups.progress");
    assert!(field("string?").1.contains("gives a number"));
    assert!(field("number").1.contains("may be null"), "an average of none is null");
    let (path, message) = refused(|d| {
        d["tables"]["steps"]["rollups"]["before"] = json!({ "min": "tasks", "of": "due", "by": "step_id" });
    });
    assert_eq!((&*path, message.contains("reference")), ("tables.steps.rollups.before", true));
}

#[test]
fn a_circle_of_rollups_is_refused_with_its_path() {
    let error = refused(|d| {
        d["tables"]["steps"]["rollups"]["all_before"] =
            json!({ "sum": "steps", "of": "all_before", "by": "before" });
    });
    assert_eq!(error.0, "tables.steps.rollups.all_before");
    assert!(error.1.contains("steps.all_before from steps.all_before"), "{}", error.1);
    let error = refused(|d| {
        d["tables"]["phases"]["fields"]["step_id"] = json!("string?");
        d["tables"]["phases"]["references"] = json!({ "step_id": { "table": "steps" } });
        d["tables"]["steps"]["rollups"]["round"] =
            json!({ "count": "phases", "where": { "complete": true } });
        d["tables"]["steps"]["rollups"]["complete"] =
            json!({ "all": "tasks", "by": "step_id", "where": { "status": "x" } });
        d["tables"]["phases"]["rollups"]["complete"] = json!({ "all": "steps", "where": { "round": 1 } });
    });
    assert_eq!(error.0, "tables.phases.rollups.complete");
    assert!(error.1.contains("phases.complete from steps.round from phases.complete"), "{}", error.1);
}

#[test]
fn a_table_may_count_its_own() {
    let mut document = tree();
    document["tables"]["steps"]["rollups"]["later"] = json!({ "count": "steps", "by": "before" });
    assert!(Schema::parse(&document).is_ok());
}

#[test]
fn relations_are_a_graph_and_its_circles_are_told() {
    let schema = Schema::parse(&tree()).unwrap();
    let relations = schema.relations();
    assert_eq!(relations.tables, ["phases", "steps", "tasks"]);
    let edges: Vec<_> = relations.edges.iter().map(|e| (e.child, e.field, e.parent, e.optional)).collect();
    let expected = [
        ("steps", "before", "steps", true),
        ("steps", "phase_id", "phases", false),
        ("tasks", "other_step", "steps", true),
        ("tasks", "step_id", "steps", false),
    ];
    assert_eq!(edges, expected);
    assert_eq!(relations.edges[1].on_delete, OnDelete::Cascade);
    assert_eq!(relations.circles, [["steps"]]);

    let refer =
        |table: &str| json!({ "fields": { "to": "string?" }, "references": { "to": { "table": table } } });
    let document = json!({ "version": 1, "tables": { "b": refer("c"), "c": refer("d"), "d": refer("b"), "a": refer("c") } });
    assert_eq!(Schema::parse(&document).unwrap().relations().circles, [["b", "c", "d"]]);
    assert!(Schema::parse(&demo()).unwrap().relations().circles.is_empty());
}

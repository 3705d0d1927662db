use std::rc::Rc;

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::model::{self, Model, Step};
use super::*;
use crate::body::SyncStatus;

fn indexes(list: &[&[&str]]) -> Vec<Vec<String>> {
    list.iter().map(|fields| fields.iter().map(ToString::to_string).collect()).collect()
}

fn record(data: Value) -> Record<Value> {
    let (version, server_updated_at, local_updated_at, sync_id) = (None, None, None, None);
    Record {
        data,
        version,
        server_updated_at,
        local_updated_at,
        sync_id,
        status: SyncStatus::Synced,
        deleted: false,
    }
}

fn deleted(data: Value) -> Record<Value> {
    Record { deleted: true, ..record(data) }
}

/// Tasks whose `step_id` leads a compound index, so that it has none of its own.
fn tasks() -> Table<Value> {
    let mut table = Table::new(indexes(&[&["status"], &["step_id", "due"], &["status"]]));
    table.extend([
        ("3".into(), record(json!({ "status": "open", "step_id": "s1", "due": "2026-03" }))),
        ("1".into(), record(json!({ "status": "done", "step_id": "s1", "due": "2026-01" }))),
        ("2".into(), record(json!({ "status": "open", "step_id": "s2" }))),
        ("5".into(), deleted(json!({ "status": "open", "step_id": "s1", "due": "2026-05" }))),
        ("4".into(), record(json!({ "step_id": "s1", "due": null }))),
        ("6".into(), record(json!({ "status": "open", "step_id": "s1", "due": { "from": 1 } }))),
    ]);
    table
}

fn ids(table: &Table<Value>, query: &Value) -> String {
    table.query(&Query::from_json(query).unwrap()).unwrap().join(" ")
}

#[test]
fn queries_answer_in_order_and_leave_the_deleted_out() {
    let table = tasks();
    let cases = [
        (json!({}), "1 2 3 4 6"),
        (json!({ "order": "desc", "limit": 2 }), "6 4"),
        (json!({ "offset": 1, "limit": 2 }), "2 3"),
        (json!({ "offset": 9 }), ""),
        (json!({ "limit": 0 }), ""),
        (json!({ "index": "status" }), "4 1 2 3 6"),
        (json!({ "index": "status", "equals": "open" }), "2 3 6"),
        (json!({ "index": "status", "equals": "open", "order": "desc" }), "6 3 2"),
        (json!({ "index": "status", "equals": "open", "offset": 1, "limit": 1 }), "3"),
        (json!({ "index": "status", "equals": null }), "4"),
        (json!({ "index": "status", "equals": "ope" }), ""),
        // An object in `due` keeps 6 out of this index; no `due` and null are the same.
        (json!({ "index": ["step_id", "due"] }), "4 1 3 2"),
        (json!({ "index": ["step_id", "due"], "equals": "s1" }), "4 1 3"),
        (json!({ "index": ["step_id", "due"], "equals": ["s1", "2026-01"] }), "1"),
        (json!({ "index": ["step_id", "due"], "range": { "gt": "s1" } }), "2"),
        (json!({ "index": ["step_id", "due"], "range": { "gte": "s1" } }), "4 1 3 2"),
        (json!({ "index": ["step_id", "due"], "range": { "lt": "s2" } }), "4 1 3"),
        (json!({ "index": ["step_id", "due"], "range": { "lte": "s2" } }), "4 1 3 2"),
        (json!({ "index": ["step_id", "due"], "range": { "gt": ["s1", null], "lte": "s1" } }), "1 3"),
        (
            json!({ "index": ["step_id", "due"], "range": { "gte": ["s1", "2026-01"], "lt": ["s1", "2026-03"] } }),
            "1",
        ),
        (json!({ "index": ["step_id", "due"], "range": { "gt": "s2", "lt": "s1" } }), ""),
    ];
    for (query, expected) in cases {
        assert_eq!(ids(&table, &query), expected, "{query}");
        let count = table.count(&Query::from_json(&query).unwrap()).unwrap();
        assert_eq!(count, expected.split_whitespace().count(), "count of {query}");
    }
}

#[test]
fn an_index_that_was_built_follows_every_change() {
    let mut table = tasks();
    let open = json!({ "index": "status", "equals": "open" });
    assert_eq!(ids(&table, &open), "2 3 6");
    table.put("0".into(), record(json!({ "status": "open" })));
    table.put("3".into(), record(json!({ "status": "done" })));
    table.put("5".into(), record(json!({ "status": "open" })));
    table.put("6".into(), deleted(json!({ "status": "open" })));
    table.remove("2");
    assert_eq!(ids(&table, &open), "0 5");
    table.extend([("7".into(), record(json!({ "status": "open" })))]);
    assert_eq!(ids(&table, &open), "0 5 7");
}

#[test]
fn tombstones_are_held_and_never_shown() {
    let mut table = tasks();
    assert_eq!(table.len(), 6);
    assert!(table.get("5").is_some_and(|record| record.deleted));
    assert_eq!(table.view("5"), None);
    assert_eq!(table.iter().map(|(id, _)| &**id).collect::<String>(), "123456");
    assert!(table.remove("5").is_some());
    assert!(table.remove("5").is_none());
    assert_eq!(table.len(), 5);
}

#[test]
fn children_are_found_whatever_else_they_hold() {
    let mut table = tasks();
    assert_eq!(table.referencing("step_id", "s1").join(" "), "1 3 4 6");
    table.put("1".into(), record(json!({ "step_id": "s2" })));
    assert_eq!(table.referencing("step_id", "s2").join(" "), "1 2");
    assert_eq!(table.referencing("step_id", "s3").join(" "), "");
    // The index that finds them is not one that a query may name.
    let refused = table.query(&Query::from_json(&json!({ "index": "step_id" })).unwrap()).unwrap_err();
    assert_eq!(refused.to_string(), "there is no index [step_id]; the table has [status], [step_id, due]");
    // A field without any index is searched.
    assert_eq!(table.referencing("due", "2026-03").join(" "), "3");
}

#[test]
fn a_revision_belongs_to_one_put() {
    let mut table = tasks();
    let before = table.revision("1");
    table.put("2".into(), record(json!({})));
    assert_eq!(table.revision("1"), before);
    table.put("1".into(), table.get("1").unwrap().clone());
    assert_ne!(table.revision("1"), before);
    assert_ne!(table.revision("1"), table.revision("2"));
    assert_eq!(table.revision("absent"), None);
}

/// A body whose identity can be seen.
#[derive(Clone)]
struct Shared(Rc<Value>);

impl Body for Shared {
    fn empty() -> Self {
        Self(Value::empty().into())
    }
    fn of(fields: &[(&str, crate::body::Scalar)]) -> Self {
        Self(Value::of(fields).into())
    }
    fn of_fields(fields: &serde_json::Map<String, Value>) -> Self {
        Self(Value::of_fields(fields).into())
    }
    fn fields(&self) -> Vec<String> {
        self.0.fields()
    }
    fn kind(&self, field: &str) -> Option<crate::body::Kind> {
        self.0.kind(field)
    }
    fn scalar(&self, field: &str) -> Option<crate::body::Scalar> {
        self.0.scalar(field)
    }
    fn with_text(&self, field: &str, value: &str) -> Self {
        Self(self.0.with_text(field, value).into())
    }
    fn patched(&self, changes: &Self, unset: &[String]) -> Self {
        Self(self.0.patched(&changes.0, unset).into())
    }
    fn record(&self, id: &str, metadata: &SyncMetadata) -> Self {
        Self(self.0.record(id, metadata).into())
    }
    fn to_json(&self) -> String {
        self.0.to_json()
    }
}

#[test]
fn a_reader_gets_the_same_object_until_the_record_is_put_again() {
    let row = |version| {
        let Record { data, .. } = record(json!({ "title": "Splice" }));
        Record {
            data: Shared(data.into()),
            version: Some(version),
            server_updated_at: Some(20),
            local_updated_at: Some(10),
            sync_id: Some("m1".into()),
            status: SyncStatus::Modified,
            deleted: false,
        }
    };
    let mut table = Table::new(Vec::new());
    table.put("1".into(), row(1));
    let first = table.view("1").unwrap();
    assert!(Rc::ptr_eq(&first.0, &table.view("1").unwrap().0));
    assert!(Rc::ptr_eq(&first.0, &table.select(&Query::default()).unwrap()[0].0));
    let expected = json!({
        "title": "Splice", "id": "1", "_syncStatus": "modified", "_localUpdatedAt": 10, "_serverUpdatedAt": 20,
        "_syncId": "m1", "_isDeleted": false, "_version": 1
    });
    assert_eq!(*first.0, expected);

    table.put("1".into(), row(2));
    let second = table.view("1").unwrap();
    assert!(!Rc::ptr_eq(&first.0, &second.0));
    assert_eq!(second.0["_version"], 2);
}

proptest! {
    #![proptest_config(model::config())]

    #[test]
    fn queries_agree_with_the_model(
        loaded in model::records(),
        steps in vec(model::step(), 0..40),
        more in model::records(),
        queries in vec(model::query(), 1..12),
    ) {
        let mut table = Table::new(model::indexes());
        let mut model = Model::default();
        model.extend(&loaded);
        table.extend(loaded);
        compare(&table, &model, &queries)?;
        for step in steps {
            model.apply(&step);
            match step {
                Step::Put(id, record) => drop(table.put(id, record)),
                Step::Remove(id) => drop(table.remove(&id)),
            }
            compare(&table, &model, &queries)?;
        }
        model.extend(&more);
        table.extend(more);
        compare(&table, &model, &queries)?;
    }
}

fn compare(table: &Table<Value>, model: &Model, queries: &[Query]) -> Result<(), TestCaseError> {
    for query in queries {
        let expected: Vec<Id> = model.query(query).into_iter().map(|(id, _)| id).collect();
        prop_assert_eq!(table.count(query).unwrap(), expected.len());
        prop_assert_eq!(table.query(query).unwrap(), expected, "{:?}", query);
    }
    let mut rows: Vec<_> = model.rows.iter().map(|(id, record, _)| (id, record)).collect();
    rows.sort_by_key(|(id, _)| *id);
    prop_assert_eq!(table.iter().collect::<Vec<_>>(), rows);
    prop_assert_eq!(table.len(), model.rows.len());
    Ok(())
}

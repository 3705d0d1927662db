//! Roll-ups, and references that lead nowhere.

use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

use super::app::{App, done, field, is_frozen, json, refused, text, unused};

/// A release of the app that does not know yet what refers to what.
const LOOSE: &str = r#"{ "version": 1, "tables": {
  "boxes": { "fields": { "name": "string" } },
  "parts": { "fields": { "name": "string", "box_id": "string?", "after": "string?", "weight": "number?" } }
} }"#;

const TIED: &str = r#"{ "version": 2, "tables": {
  "boxes": {
    "fields": { "name": "string" },
    "rollups": {
      "size": { "count": "parts" },
      "weight": { "average": "parts", "of": "weight" },
      "heavy": { "all": "parts", "where": { "weight": 9 } },
      "last": { "max": "parts", "of": "name" }
    }
  },
  "parts": {
    "fields": { "name": "string", "box_id": "string?", "after": "string?", "weight": "number?" },
    "references": { "box_id": { "table": "boxes", "onDelete": "cascade" }, "after": { "table": "parts" } }
  }
} }"#;

fn rollups(record: &JsValue) -> Vec<String> {
    ["size", "weight", "heavy", "last"].iter().map(|name| json(&field(record, name))).collect()
}

#[wasm_bindgen_test]
async fn roll_ups_follow_the_children_and_nobody_writes_them() {
    let name = unused();
    let app = App::open_with(&name, TIED).await;
    let empty = app.created("boxes", "{ name: 'b' }").await;
    assert_eq!(rollups(&empty), ["0", "null", "false", "null"]);
    let id = text(&empty, "id");
    let heavy = format!("{{ name: 'n', box_id: '{id}', weight: 9 }}");
    let part = text(&app.created("parts", &heavy).await, "id");
    app.created("parts", &format!("{{ name: 'm', box_id: '{id}', weight: 2 }}")).await;
    let read = async |app: &App| rollups(&done(app.client.get("boxes", &id)).await);
    assert_eq!(read(&app).await, ["2", "5.5", "false", "\"n\""]);
    done(app.update("parts", &part, "{ box_id: undefined }")).await;
    assert_eq!(read(&app).await, ["1", "2", "false", "\"m\""]);
    let of_boxes = app.client.outbox().iter().filter(|mutation| text(mutation, "table") == "boxes").count();
    assert_eq!(of_boxes, 1, "the create: they are derived, not sent");
    for promise in [
        app.create("boxes", "{ name: 'b', size: 1 }"),
        app.update("boxes", &id, "{ size: 1 }"),
        app.update("boxes", &id, "{ size: undefined }"),
    ] {
        let error = refused(promise).await;
        assert_eq!((text(&error, "code"), text(&error, "field")), ("invalid-value".into(), "size".into()));
    }
    app.client.close();
    assert_eq!(read(&App::open_with(&name, TIED).await).await, ["1", "2", "false", "\"m\""]);
}

#[wasm_bindgen_test]
async fn references_that_lead_nowhere_are_reported_and_resolved() {
    let name = unused();
    let old = App::open_with(&name, LOOSE).await;
    let orphans = ["'gone'", "'gone too'"].map(|parent| format!("{{ name: 'o', box_id: {parent} }}"));
    let kept = text(&old.created("parts", &orphans[0]).await, "id");
    let deleted = text(&old.created("parts", &orphans[1]).await, "id");
    let circle = text(&old.created("parts", "{ name: 'c' }").await, "id");
    done(old.update("parts", &circle, &format!("{{ after: '{circle}' }}"))).await;
    old.client.close();

    let app = App::open_with(&name, TIED).await;
    let report = done(app.client.integrity()).await;
    assert_eq!(json(&field(&report, "recordsChecked")), "3");
    assert_eq!(json(&field(&report, "referencesChecked")), "3");
    assert_eq!(
        json(&field(&report, "circles")),
        format!(r#"[{{"table":"parts","field":"after","ids":["{circle}"]}}]"#)
    );
    assert_eq!(
        (json(&field(&report, "queued")), json(&field(&report, "unresolved"))),
        ("[]".into(), "[]".into())
    );
    let first = |report: &JsValue| json(&field(&field(report, "orphans"), "0"));
    assert_eq!(
        first(&report),
        format!(
            r#"{{"table":"parts","id":"{kept}","field":"box_id","parentTable":"boxes","parentId":"gone","why":"missing"}}"#
        )
    );
    assert!(is_frozen(&field(&report, "orphans")));

    let one = Some(vec!["parts".to_owned(), kept.clone()]);
    assert_eq!(done(app.client.resolve_orphans("keep", one)).await, 1);
    assert_eq!(done(app.client.resolve_orphans("delete", None)).await, 1);
    let report = done(app.client.integrity()).await;
    assert_eq!((json(&field(&report, "orphans")), json(&field(&report, "kept"))), ("[]".into(), "1".into()));
    assert!(done(app.client.get("parts", &deleted)).await.is_undefined());
    assert_eq!(text(&done(app.client.get("parts", &kept)).await, "box_id"), "gone");
    let error = refused(app.client.resolve_orphans("sell", None)).await;
    assert_eq!((text(&error, "code"), text(&error, "field")), ("invalid-value".into(), "strategy".into()));
    assert_eq!(app.query("parts", "{}").await.length(), 2);
}

//! What sync tells of itself.

use js_sys::Array;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

use super::app::{App, done, field, is_frozen, json, refused, text, unused};

#[wasm_bindgen_test]
async fn health_tells_what_waits_in_every_context() {
    let name = unused();
    let (app, other) = (App::open(&name).await, App::open(&name).await);
    let health = done(app.client.health()).await;
    assert_eq!(json(&field(&health, "healthy")), "true");
    assert_eq!(json(&field(&health, "reasons")), "[]");
    assert!(field(&health, "oldest").is_null() && field(&health, "stuck").is_null());

    let thing = app.created("things", "{ name: 'a' }").await;
    // The other one need not have heard of it yet.
    for client in [&app.client, &other.client] {
        let health = done(client.health()).await;
        assert_eq!(json(&field(&health, "counts")), r#"{"pending":1,"sending":0,"parked":0}"#);
        let oldest = field(&health, "oldest");
        assert_eq!(
            (text(&oldest, "recordId"), text(&oldest, "id")),
            (text(&thing, "id"), text(&thing, "_syncId"))
        );
        let tables = field(&health, "perTable");
        assert_eq!(json(&field(&field(&tables, "things"), "pending")), "1");
        assert_eq!(json(&field(&field(&tables, "folders"), "pending")), "0");
        assert!(is_frozen(&health) && is_frozen(&tables));
    }
    app.client.close();
    assert_eq!(text(&refused(app.client.health()).await, "code"), "closed");
}

#[wasm_bindgen_test]
async fn the_activity_tells_what_was_done_newest_first_and_survives() {
    let name = unused();
    let app = App::open(&name).await;
    assert_eq!(done(app.client.activity(100)).await.unchecked_into::<Array>().length(), 0);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let thing = app.created("things", "{ name: 'given up' }").await;
        done(app.client.discard(&text(&thing, "_syncId"), false)).await;
        ids.push(text(&thing, "id"));
    }
    let app = app.reopened(&name).await;
    let lines: Array = done(app.client.activity(100)).await.unchecked_into();
    assert_eq!(lines.length(), 2);
    for (line, id) in lines.iter().zip(ids.iter().rev()) {
        let what = field(&line, "what");
        assert_eq!(
            (text(&what, "kind"), text(&field(&what, "of"), "record")),
            ("discarded".into(), id.clone())
        );
        assert!(text(&line, "sentence").contains(id.as_str()));
        assert!(is_frozen(&what));
    }
    assert_eq!(done(app.client.activity(1)).await.unchecked_into::<Array>().length(), 1);
}

#[wasm_bindgen_test]
async fn a_record_tells_its_story() {
    let app = App::open(&unused()).await;
    let folder = app.created("folders", "{ name: 'f' }").await;
    let [id, mutation] = ["id", "_syncId"].map(|name| text(&folder, name));
    let thing = text(&app.created("things", &format!("{{ name: 't', folder_id: '{id}' }}")).await, "id");

    let story = done(app.client.explain("folders", &id)).await;
    assert_eq!((text(&story, "presence"), text(&story, "status")), ("here".into(), "pending_upload".into()));
    assert!(field(&story, "reason").is_null() && is_frozen(&field(&story, "mutations")));
    let first = field(&field(&story, "mutations"), "0");
    assert_eq!((text(&first, "id"), text(&first, "operation")), (mutation.clone(), "create".into()));
    assert_eq!(
        (json(&field(&first, "fields")), json(&field(&first, "attempts"))),
        ("[\"name\"]".into(), "0".into())
    );
    assert_eq!(json(&field(&first, "waits")), r#"{"for":"turn","ahead":0}"#);
    assert_eq!(json(&field(&story, "next")), r#"{"kind":"send","ahead":0}"#);
    assert!(!text(&story, "sentence").is_empty());

    let story = done(app.client.explain("things", &thing)).await;
    assert_eq!(
        json(&field(&field(&field(&story, "mutations"), "0"), "waits")),
        format!(r#"{{"for":"dependency","mutation":"{mutation}","table":"folders","recordId":"{id}"}}"#)
    );
    assert_eq!(text(&field(&story, "next"), "kind"), "send-after");

    // Of what was given up, only that is known.
    done(app.client.discard(&mutation, true)).await;
    let story = done(app.client.explain("things", &thing)).await;
    assert_eq!(text(&story, "presence"), "gone");
    assert_eq!(text(&field(&field(&field(&story, "activity"), "0"), "what"), "kind"), "discarded");
    assert_eq!(text(&refused(app.client.explain("things", "none")).await, "code"), "record-not-found");
    assert_eq!(text(&refused(app.client.explain("nowhere", "none")).await, "code"), "unknown-table");
}

//! Bad input, at the call: a code, the field, and nothing changed.

use js_sys::JSON;
use landfall::client::Client;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

use super::app::{App, field, js, json, options, refused, text, unused};

#[wasm_bindgen_test]
async fn what_cannot_be_written_is_refused_with_its_field() {
    let app = App::open(&unused()).await;
    let folder = text(&app.created("folders", "{ name: 'f' }").await, "id");
    app.created("things", &format!("{{ name: 't', folder_id: '{folder}' }}")).await;
    let before = app.fold().await;
    for (promise, code, at) in [
        (app.create("nowhere", "{}"), "unknown-table", Some("table")),
        (app.create("things", "{ name: 'a', extra: { f() {} } }"), "invalid-value", Some("extra.f")),
        (app.create("things", "{ name: NaN }"), "invalid-value", Some("name")),
        (app.create("things", "{ count: 1 }"), "invalid-value", Some("name")),
        (app.create("things", "{ name: 'a', colour: 1 }"), "invalid-value", Some("colour")),
        (app.create("things", "{ name: 'a', id: '1' }"), "invalid-value", Some("id")),
        (app.create("things", "5"), "invalid-value", Some("fields")),
        (app.create_many("things", "[{ count: 1 }]"), "invalid-value", Some("[0].name")),
        (app.create_many("things", "[{ name: 'a' }, null]"), "invalid-value", Some("[1]")),
        (app.create_many("things", "[{ name: 'a' }, { name: 1n }]"), "invalid-value", Some("[1].name")),
        (app.create("things", "{ name: 'a', folder_id: 'x' }"), "reference-missing", Some("folder_id")),
        (app.update("things", "absent", "{ name: 'a' }"), "record-not-found", Some("id")),
        (app.update("folders", &folder, "{ name: undefined }"), "invalid-value", Some("name")),
        (app.update("folders", &folder, "[]"), "invalid-value", Some("changes")),
        (app.delete("things", "absent"), "record-not-found", Some("id")),
        (app.delete("folders", &folder), "reference-in-use", Some("folder_id")),
        (app.client.get("nowhere", "1"), "unknown-table", Some("table")),
        (app.client.query("nowhere", &js("{}")), "unknown-table", Some("table")),
    ] {
        let error = refused(promise).await;
        assert_eq!(text(&error, "code"), code, "{}", json(&error));
        assert_eq!(field(&error, "field").as_string().as_deref(), at, "{}", json(&error));
        assert!(!text(&error, "message").is_empty());
        assert_eq!(field(&error, "retryable"), JsValue::FALSE);
    }
    assert_eq!(app.fold().await, before);
}

#[wasm_bindgen_test]
async fn options_that_there_are_not_are_refused() {
    let app = App::open(&unused()).await;
    for (options, at) in [
        ("{ priority: 'urgent' }", "options.priority"),
        ("{ priority: 1 }", "options.priority"),
        ("{ durability: 'none' }", "options.durability"),
    ] {
        let error = refused(app.create_with("things", &js("{ name: 'a' }"), options)).await;
        assert_eq!((text(&error, "code"), text(&error, "field")), ("invalid-value".into(), at.into()));
    }
}

#[wasm_bindgen_test]
async fn a_schema_that_does_not_hold_together_is_refused_before_anything_is_made() {
    for (schema, at) in [
        (r#"{ "version": 1, "tables": { "t": { "fields": { "a": "text" } } } }"#, "tables.t.fields.a"),
        (
            r#"{ "version": 1, "tables": { "t": { "fields": { "a": "string" }, "references": { "a": { "table": "x" } } } } }"#,
            "tables.t.references.a",
        ),
    ] {
        let options = options(&unused(), &JSON::parse(schema).unwrap(), &js("{}"));
        let Err(error) = Client::open(options.unchecked_into()).await else {
            panic!("it was opened: {schema}")
        };
        assert_eq!(text(&error, "code"), "invalid-schema");
        assert!(text(&error, "field").starts_with(at), "{}", json(&error));
    }
    let options = options(&unused(), &js("{ version: 1, tables: { t() {} } }"), &js("{}"));
    let Err(error) = Client::open(options.unchecked_into()).await else { panic!("it was opened") };
    assert_eq!((text(&error, "code"), text(&error, "field")), ("invalid-schema".into(), "tables.t".into()));
}

#[wasm_bindgen_test]
async fn a_scope_that_the_schema_has_not_is_refused() {
    let options =
        options(&unused(), &js("{ version: 1, tables: { t: { fields: { a: 'string' } } } }"), &js("{}"));
    js_sys::Reflect::set(&options, &"scope".into(), &"mine".into()).unwrap();
    let Err(error) = Client::open(options.unchecked_into()).await else { panic!("it was opened") };
    assert_eq!((text(&error, "code"), text(&error, "field")), ("unknown-scope".into(), "scope".into()));
}

#[wasm_bindgen_test]
async fn a_closed_client_says_that_it_is_closed() {
    let app = App::open(&unused()).await;
    app.client.close();
    for promise in [
        app.create("things", "{ name: 'a' }"),
        app.client.get("things", "1"),
        app.client.query("things", &js("{}")),
        app.client.sync(),
    ] {
        assert_eq!(text(&refused(promise).await, "code"), "closed");
    }
}

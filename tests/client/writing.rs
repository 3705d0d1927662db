//! Writing, and what is there afterwards.

use js_sys::Array;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

use super::app::{App, done, field, is_frozen, js, json, refused, text, unused};

#[wasm_bindgen_test]
async fn a_record_is_created_read_changed_and_deleted() {
    let app = App::open(&unused()).await;
    let made = app.created("things", "{ name: 'hammer', count: 2, extra: { a: [1, null] } }").await;
    let id = text(&made, "id");
    assert!(id.starts_with("temp_") && id.ends_with("_things"), "{id}");
    assert_eq!(text(&made, "_syncStatus"), "pending_upload");
    assert!(is_frozen(&made) && is_frozen(&field(&made, "extra")));

    let read = done(app.client.get("things", &id)).await;
    assert!(read == made, "a record is one object for everybody");

    let changed = done(app.update("things", &id, "{ name: 'mallet', count: undefined, extra: null }")).await;
    assert_eq!(text(&changed, "name"), "mallet");
    assert!(field(&changed, "count").is_undefined() && field(&changed, "extra").is_null());
    assert_eq!(json(&field(&made, "count")), "2", "what was handed out stays as it was");

    done(app.delete("things", &id)).await;
    assert!(done(app.client.get("things", &id)).await.is_undefined());
    assert_eq!(app.query("things", "{}").await.length(), 0);
}

#[wasm_bindgen_test]
async fn what_the_app_does_to_its_object_after_the_call_is_not_stored() {
    let app = App::open(&unused()).await;
    let fields = js("{ name: 'before', extra: { list: [1] } }");
    let created = app.create_with("things", &fields, "{}");
    js_sys::Function::new_with_args("fields", "fields.name = 'after'; fields.extra.list.push(2)")
        .call1(&JsValue::NULL, &fields)
        .unwrap();
    let made = done(created).await.unchecked_into::<Array>().get(0);
    assert_eq!(text(&made, "name"), "before");
    assert_eq!(json(&field(&made, "extra")), r#"{"list":[1]}"#);
}

#[wasm_bindgen_test]
async fn many_records_are_one_commit_all_or_none() {
    let app = App::open(&unused()).await;
    let list = "Array.from({ length: 1000 }, (_, n) => ({ name: `n${n}` }))";
    let made: Array = done(app.create_many("things", list)).await.unchecked_into();
    assert_eq!(made.length(), 1_000);
    assert_eq!(text(&made.get(999), "name"), "n999");
    let error = refused(app.create_many("things", "[{ name: 'good' }, { name: 5 }]")).await;
    assert_eq!(text(&error, "code"), "invalid-value");
    assert_eq!(app.names("{ index: 'name', equals: 'good' }").await, [""; 0]);
    assert_eq!(done(app.client.count("things", &js("{}"))).await, 1_000);
}

#[wasm_bindgen_test]
async fn what_is_stored_is_there_again_under_whatever_durability() {
    let name = unused();
    let app = App::open(&name).await;
    let strict = "{ durability: 'strict', priority: 'critical' }";
    let created = app.create_with("things", &js("{ name: 'kept' }"), strict);
    done(created).await;
    let [mutation] = &app.client.outbox().to_vec()[..] else { panic!("one mutation is expected") };
    assert_eq!(text(mutation, "priority"), "critical");
    let (fold, before) = (app.fold().await, app.names("{}").await);
    let app = app.reopened(&name).await;
    assert_eq!(app.names("{}").await, before);
    assert_eq!(app.fold().await, fold);
}

#[wasm_bindgen_test]
async fn the_outbox_tells_what_is_to_be_sent_and_gives_it_up() {
    let app = App::open(&unused()).await;
    let folder = text(&app.created("folders", "{ name: 'f' }").await, "id");
    app.created("things", &format!("{{ name: 't', folder_id: '{folder}' }}")).await;
    let [first, second] = &app.client.outbox().to_vec()[..] else { panic!("two mutations are expected") };
    assert_eq!(text(first, "table"), "folders");
    assert_eq!(text(first, "operation"), "create");
    assert_eq!(text(first, "state"), "pending");
    assert_eq!(text(first, "recordId"), folder);
    assert_eq!(text(first, "principal"), "u7/ü:1");
    assert_eq!(json(&field(first, "data")), r#"{"name":"f"}"#);
    assert_eq!(json(&field(second, "dependencies")), format!("[\"{}\"]", text(first, "id")));
    assert!(field(first, "error").is_null() && is_frozen(first));

    assert_eq!(
        text(&refused(app.client.discard(&text(first, "id"), false)).await, "code"),
        "mutation-in-use"
    );
    assert_eq!(
        text(&refused(app.client.retry(&text(first, "id"), &JsValue::UNDEFINED)).await, "code"),
        "mutation-not-parked"
    );
    assert_eq!(text(&refused(app.client.discard("none", false)).await, "code"), "mutation-not-found");
    done(app.client.discard(&text(second, "id"), false)).await;
    done(app.client.discard(&text(first, "id"), false)).await;
    assert_eq!(app.client.outbox().length(), 0);
    assert_eq!(app.query("folders", "{}").await.length(), 0);
}

#[wasm_bindgen_test]
async fn a_write_waits_for_what_the_app_says() {
    let app = App::open(&unused()).await;
    let first = text(&app.created("things", "{ name: 'first' }").await, "_syncId");
    let options = format!("{{ dependsOn: ['{first}'] }}");
    let second = app.create_with("things", &js("{ name: 'second' }"), &options);
    let second = text(&done(second).await.unchecked_into::<Array>().get(0), "_syncId");
    let third = text(&app.created("things", "{ name: 'third' }").await, "_syncId");
    done(app.client.depend(&third, vec![second.clone()])).await;
    let needs = |at: u32| json(&field(&app.client.outbox().get(at), "dependencies"));
    assert_eq!((needs(1), needs(2)), (format!("[\"{first}\"]"), format!("[\"{second}\"]")));

    let circle = refused(app.client.depend(&first, vec![third.clone()])).await;
    assert_eq!((text(&circle, "code"), text(&circle, "field")), ("dependency-cycle".into(), "on".into()));
    let message = text(&circle, "message");
    assert!([&first, &second, &third].iter().all(|id| message.contains(id.as_str())), "{message}");
    for (promise, code, at) in [
        (app.client.depend("none", vec![first.clone()]), "mutation-not-found", None),
        (app.client.depend(&first, vec!["none".into()]), "invalid-value", Some("on[0]")),
        (
            app.delete_with("things", "x", "{ dependsOn: ['none'] }"),
            "invalid-value",
            Some("options.dependsOn[0]"),
        ),
        (app.delete_with("things", "x", "{ dependsOn: 'none' }"), "invalid-value", Some("options.dependsOn")),
    ] {
        let error = refused(promise).await;
        assert_eq!(text(&error, "code"), code, "{}", json(&error));
        assert_eq!(field(&error, "field").as_string().as_deref(), at, "{}", json(&error));
    }

    // What builds on it goes with it, if that is said.
    let in_use = refused(app.client.discard(&first, false)).await;
    assert_eq!(text(&in_use, "code"), "mutation-in-use");
    assert_eq!(done(app.client.discard(&first, true)).await, "discarded");
    assert_eq!(app.client.outbox().length(), 0);
    assert_eq!(app.query("things", "{}").await.length(), 0);
}

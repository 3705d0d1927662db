//! Queries, live queries, and what the app is told.

use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

use super::app::{App, done, field, js, json, refused, text, until, unused};

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[wasm_bindgen_test]
async fn a_query_reads_by_index_range_and_order() {
    let app = App::open(&unused()).await;
    app.create_things(&named(&["b", "d", "a", "c"]), 4).await;
    assert_eq!(app.names("{ index: 'name' }").await, ["a", "b", "c", "d"]);
    assert_eq!(app.names("{ index: 'name', equals: 'c' }").await, ["c"]);
    assert_eq!(app.names("{ index: 'name', range: { gt: 'a', lte: 'c' }, order: 'desc' }").await, ["c", "b"]);
    assert_eq!(app.names("{ index: ['name'], offset: 1, limit: 2 }").await, ["b", "c"]);
    assert_eq!(done(app.client.count("things", &js("{ index: 'name', range: { gte: 'b' } }"))).await, 3);
    // What is `undefined` is left out.
    assert_eq!(app.names("{ index: 'name', limit: undefined, order: undefined }").await.len(), 4);
}

#[wasm_bindgen_test]
async fn a_query_that_cannot_be_run_says_which_part_of_it() {
    let app = App::open(&unused()).await;
    for (query, code, part) in [
        ("{ index: 'count' }", "unknown-index", "index"),
        ("{ index: 'name', equals: undefined }", "invalid-query", "equals"),
        ("{ index: 'name', range: { gt: NaN } }", "invalid-query", "range.gt"),
        ("{ limt: 1 }", "invalid-query", "limt"),
        ("[]", "invalid-query", ""),
        ("5", "invalid-query", ""),
    ] {
        for promise in [app.client.query("things", &js(query)), app.client.count("things", &js(query))] {
            let error = refused(promise).await;
            assert_eq!((text(&error, "code"), text(&error, "field")), (code.into(), part.into()), "{query}");
        }
    }
}

#[wasm_bindgen_test]
async fn a_live_query_gives_its_first_result_and_every_other_one() {
    let app = App::open(&unused()).await;
    app.create_things(&named(&["a", "x"]), 2).await;
    let (subscription, results) = app.subscribe("{ index: 'name', range: { lt: 'm' } }");
    let shown = || -> Vec<Vec<String>> {
        results.borrow().iter().map(|rows| rows.iter().map(|row| text(&row, "name")).collect()).collect()
    };
    until("the first result is there", async || shown() == [["a"]]).await;

    app.create_things(&named(&["y"]), 1).await;
    app.create_things(&named(&["b"]), 1).await;
    until("the second result is there", async || shown().len() == 2).await;
    assert_eq!(shown()[1], ["a", "b"], "what is out of range gives no result");
    assert!(
        results.borrow()[0].get(0) == results.borrow()[1].get(0),
        "an unchanged record is the same object"
    );

    // A burst is one result, and it is there when the last write is.
    let burst: Vec<String> = (0..50).map(|n| format!("c{n:02}")).collect();
    app.create_things(&burst, 50).await;
    until("the burst is there", async || shown().last().unwrap().len() == 52).await;
    assert!(shown().len() <= 4, "{} results", shown().len());

    let before = shown().len();
    app.client.unsubscribe(subscription);
    app.create_things(&named(&["d"]), 1).await;
    assert_eq!(shown().len(), before);
}

#[wasm_bindgen_test]
async fn a_live_query_that_cannot_be_run_says_so() {
    let app = App::open(&unused()).await;
    for (table, query, code) in
        [("nowhere", "{}", "unknown-table"), ("things", "{ index: 'extra' }", "unknown-index")]
    {
        let failed = js_sys::Promise::new(&mut |resolve, reject| {
            let _ = app.client.subscribe(table, &js(query), reject, resolve);
        });
        assert_eq!(text(&done(failed).await, "code"), code);
    }
}

#[wasm_bindgen_test]
async fn one_that_ends_before_its_table_is_loaded_is_never_called() {
    let name = unused();
    App::open(&name).await.create_things(&named(&["a"]), 1).await;
    let app = App::open(&name).await;
    let (subscription, results) = app.subscribe("{}");
    app.client.unsubscribe(subscription);
    app.create_things(&named(&["b"]), 1).await;
    assert_eq!(app.names("{}").await.len(), 2);
    assert!(results.borrow().is_empty());
}

#[wasm_bindgen_test]
async fn the_state_is_one_object_until_it_changes_and_is_told_then() {
    let app = App::open(&unused()).await;
    let state = app.client.state();
    assert!(app.client.state() == state);
    assert_eq!(json(&field(&state, "pending")), "0");
    assert!(field(&state, "lastSuccessAt").is_null() && field(&state, "held").is_null());

    app.create_things(&named(&["a"]), 1).await;
    let pending = app.client.state();
    assert!(pending != state);
    assert_eq!(json(&field(&pending, "pending")), "1");
    until("it is told", async || app.told("state").last().is_some_and(|told| *told == pending)).await;
    // A change that is none of the state's.
    let told = app.told("state").len();
    let id = text(&app.query("things", "{}").await.get(0), "id");
    done(app.update("things", &id, "{ name: 'b' }")).await;
    assert!(app.client.state() == pending);
    assert_eq!(app.told("state").len(), told);
}

#[wasm_bindgen_test]
async fn changes_are_told_with_their_ids_to_whoever_wants_them() {
    let app = App::open(&unused()).await;
    app.create_things(&named(&["a"]), 1).await;
    app.client.tell_changes(true);
    let made = app.created("things", "{ name: 'b' }").await;
    until("the change is told", async || !app.told("change").is_empty()).await;
    let notes: Vec<JsValue> = app.told.iter().filter(|note| field(note, "0") == "change").collect();
    assert_eq!(notes.len(), 1);
    assert_eq!(text(&notes[0], "1"), "things");
    assert_eq!(json(&field(&notes[0], "2")), format!("[\"{}\"]", text(&made, "id")));
}

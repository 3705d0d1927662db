//! Several clients over one database. In one context here; each has an engine, a connection and a channel of its own.

use std::collections::BTreeSet;

use futures_util::future::join;
use wasm_bindgen_test::wasm_bindgen_test;

use super::app::{App, done, js, text, until, unused};

fn names(label: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{label} {n}")).collect()
}

#[wasm_bindgen_test]
async fn one_sees_what_the_other_writes() {
    let name = unused();
    let (one, other) = (App::open(&name).await, App::open(&name).await);
    let (_, results) = other.subscribe("{ index: 'name' }");
    until("the first result is there", async || results.borrow().len() == 1).await;
    let made = one.created("things", "{ name: 'seen' }").await;
    until("the other one's live query has it", async || results.borrow().len() == 2).await;
    let row = results.borrow()[1].get(0);
    assert_eq!(text(&row, "id"), text(&made, "id"));

    done(other.update("things", &text(&made, "id"), "{ name: 'changed' }")).await;
    until("the first one has the change", async || one.names("{}").await == ["changed"]).await;
    assert_eq!(one.fold().await, other.fold().await);
}

#[wasm_bindgen_test]
async fn what_both_write_at_once_is_there_once_in_one_order() {
    let name = unused();
    let (one, other) = (App::open(&name).await, App::open(&name).await);
    let (here, there) = (names("one", 150), names("other", 150));
    join(one.create_things(&here, 3), other.create_things(&there, 5)).await;

    until("both have caught up", async || one.fold().await == other.fold().await).await;
    let all: BTreeSet<String> = here.into_iter().chain(there).collect();
    for app in [&one, &other] {
        let found = app.names("{}").await;
        assert_eq!(found.len(), all.len());
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), all);
        assert_eq!(app.client.outbox().length(), 300);
    }
    assert_eq!(App::open(&name).await.fold().await, one.fold().await);
}

#[wasm_bindgen_test]
async fn a_command_is_decided_on_what_others_have_written_meanwhile() {
    let name = unused();
    let (one, other) = (App::open(&name).await, App::open(&name).await);
    assert_eq!(other.query("folders", "{}").await.length(), 0);
    let folder = text(&one.created("folders", "{ name: 'f' }").await, "id");
    // At once: the announcement is still on its way.
    let thing = done(other.create("things", &format!("{{ name: 't', folder_id: '{folder}' }}")));
    thing.await;
    // The other way round it is the announcement that brings it.
    until("the first hears of it", async || done(one.client.count("things", &js("{}"))).await == 1).await;
}

//! What an app has in its hands: an open client, and what it was told.

use std::cell::RefCell;
use std::rc::Rc;

use futures_util::future::join_all;
use gloo_timers::future::TimeoutFuture;
use js_sys::{Array, Function, JSON, Object, Promise, Reflect};
use landfall::client::Client;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

const SCHEMA: &str = r#"{
  "version": 1,
  "tables": {
    "folders": { "fields": { "name": "string" } },
    "things": {
      "fields": { "name": "string", "folder_id": "string?", "count": "number?", "extra": "json?" },
      "references": { "folder_id": { "table": "folders", "onDelete": "refuse" } },
      "indexes": ["name"]
    }
  }
}"#;

/// The value of a JavaScript expression.
pub(super) fn js(expression: &str) -> JsValue {
    Function::new_no_args(&format!("return ({expression})")).call0(&JsValue::NULL).unwrap()
}

pub(super) fn field(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap()
}

pub(super) fn text(object: &JsValue, name: &str) -> String {
    field(object, name).as_string().unwrap_or_else(|| panic!("{name} of {object:?} is no text"))
}

pub(super) fn is_frozen(object: &JsValue) -> bool {
    Object::is_frozen(object.unchecked_ref::<Object>())
}

pub(super) fn json(value: &JsValue) -> String {
    JSON::stringify(value).unwrap().into()
}

/// A browser's profile outlives a run, so names are never used again.
pub(super) fn unused() -> String {
    format!("test {}", uuid::Uuid::new_v4())
}

/// Waits until it holds; a test that waits in vain fails.
pub(super) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    for _ in 0..1_000 {
        if holds().await {
            return;
        }
        TimeoutFuture::new(10).await;
    }
    panic!("waited 10 s in vain until {what}");
}

pub(super) async fn done(promise: Promise) -> JsValue {
    JsFuture::from(promise).await.unwrap_or_else(|error| panic!("{}", json(&error)))
}

/// What a promise was rejected with.
pub(super) async fn refused(promise: Promise) -> JsValue {
    match JsFuture::from(promise).await {
        Ok(value) => panic!("it was not refused: {value:?}"),
        Err(error) => error,
    }
}

pub(super) fn options(name: &str, schema: &JsValue, told: &JsValue) -> JsValue {
    let options = Object::new();
    for (key, value) in [
        ("name", &name.into()),
        ("tenant", &"acme".into()),
        ("principal", &"u7/ü:1".into()),
        ("schema", schema),
        ("observer", told),
        ("selfDriven", &true.into()),
    ] {
        Reflect::set(&options, &key.into(), value).unwrap();
    }
    options.into()
}

/// The name of its database.
pub(super) fn database(name: &str) -> String {
    format!("landfall:{}:acme:u7%2F%C3%BC%3A1", String::from(js_sys::encode_uri_component(name)))
}

/// An open client.
pub(super) struct App {
    pub(super) client: Client,
    /// What the observer was told: an array of `[what, ...]`.
    pub(super) told: Array,
}

impl App {
    pub(super) async fn open(name: &str) -> Self {
        Self::open_with(name, SCHEMA).await
    }

    /// The same under another schema.
    pub(super) async fn open_with(name: &str, schema: &str) -> Self {
        let told = Array::new();
        let observer = Function::new_with_args(
            "told",
            "const note = what => (...about) => { told.push([what, ...about]) }
             return { state: note('state'), progress: note('progress'), change: note('change'), parked: note('parked') }",
        );
        let observer = observer.call1(&JsValue::NULL, &told).unwrap();
        let options = options(name, &JSON::parse(schema).unwrap(), &observer);
        let client =
            Client::open(options.unchecked_into()).await.unwrap_or_else(|error| panic!("{}", json(&error)));
        Self { client, told }
    }

    /// Closes it and opens it again, from what is stored.
    pub(super) async fn reopened(self, name: &str) -> Self {
        self.client.close();
        Self::open(name).await
    }

    /// The record that is created from a JavaScript expression.
    pub(super) fn create(&self, table: &str, fields: &str) -> Promise {
        self.client.create(table.into(), vec![js(fields)], true, &js("{}").unchecked_into())
    }

    pub(super) fn create_many(&self, table: &str, list: &str) -> Promise {
        self.client.create(
            table.into(),
            js(list).unchecked_into::<Array>().to_vec(),
            false,
            &js("{}").unchecked_into(),
        )
    }

    pub(super) fn update(&self, table: &str, id: &str, changes: &str) -> Promise {
        self.client.update(table.into(), id, &js(changes), &js("{}").unchecked_into())
    }

    pub(super) fn delete(&self, table: &str, id: &str) -> Promise {
        self.client.delete(table, id, &js("{}").unchecked_into())
    }

    pub(super) async fn created(&self, table: &str, fields: &str) -> JsValue {
        done(self.create(table, fields)).await.unchecked_into::<Array>().get(0)
    }

    /// Things of these names, created one after the other as far as the app waits, `at_once` of them together.
    pub(super) async fn create_things(&self, names: &[String], at_once: usize) {
        for names in names.chunks(at_once) {
            let creations =
                names.iter().map(|name| done(self.create("things", &format!("{{ name: '{name}' }}"))));
            join_all(creations).await;
        }
    }

    pub(super) async fn query(&self, table: &str, query: &str) -> Array {
        done(self.client.query(table, &js(query))).await.unchecked_into()
    }

    pub(super) async fn names(&self, query: &str) -> Vec<String> {
        self.query("things", query).await.iter().map(|thing| text(&thing, "name")).collect()
    }

    pub(super) async fn fold(&self) -> String {
        done(self.client.fold()).await.as_string().unwrap()
    }

    pub(super) fn told(&self, what: &str) -> Vec<JsValue> {
        let about = self.told.iter().filter(|note| field(note, "0") == what);
        about.map(|note| field(&note, "1")).collect()
    }

    /// A live query, and every result that it gave.
    pub(super) fn subscribe(&self, query: &str) -> (u32, Rc<RefCell<Vec<Array>>>) {
        let results: Rc<RefCell<Vec<Array>>> = Rc::default();
        let changed = Closure::<dyn FnMut(JsValue)>::new({
            let results = Rc::clone(&results);
            move |rows: JsValue| results.borrow_mut().push(rows.unchecked_into())
        });
        let failed = Closure::<dyn FnMut(JsValue)>::new(|error: JsValue| panic!("{}", json(&error)));
        let id = self.client.subscribe(
            "things",
            &js(query),
            changed.into_js_value().unchecked_into(),
            failed.into_js_value().unchecked_into(),
        );
        (id, results)
    }
}

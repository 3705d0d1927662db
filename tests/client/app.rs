//! What an app has in its hands: an open client, and what it was told.

use std::cell::RefCell;
use std::rc::Rc;

use futures_util::future::join_all;
use gloo_timers::future::TimeoutFuture;
use js_sys::{Array, Function, JSON, Object, Promise, Reflect};
use landfall::client::Client;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};

// What a write is, as the package's `writes.ts` says it.
const CREATE: u32 = 0;
const CREATE_MANY: u32 = 1;
const UPDATE: u32 = 2;
const DELETE: u32 = 3;

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

    /// The record that is created from a JavaScript expression, in a list.
    pub(super) fn create(&self, table: &str, fields: &str) -> Promise {
        self.create_with(table, &js(fields), "{}")
    }

    pub(super) fn create_with(&self, table: &str, fields: &JsValue, options: &str) -> Promise {
        let held = self.hold(fields, false, &Array::new());
        self.write([CREATE, 0, 1, 0, 1], table, Vec::new(), held.map(|number| vec![number]), options)
    }

    pub(super) fn create_many(&self, table: &str, list: &str) -> Promise {
        let held = self.client.hold_all(&js(list).unchecked_into());
        let count = held.as_ref().map_or(0, |numbers| u32::try_from(numbers.len()).unwrap());
        self.write([CREATE_MANY, 0, count, 0, 1], table, Vec::new(), held, "{}")
    }

    pub(super) fn update(&self, table: &str, id: &str, changes: &str) -> Promise {
        let removed = Array::new();
        let held = self.hold(&js(changes), true, &removed);
        let words = std::iter::once(id.to_owned()).chain(removed.iter().filter_map(|name| name.as_string()));
        let codes = [UPDATE, 0, 1, removed.length(), 1];
        let written = self.write(codes, table, words.collect(), held.map(|number| vec![number]), "{}");
        future_to_promise(async move { Ok(JsFuture::from(written).await?.unchecked_into::<Array>().get(0)) })
    }

    pub(super) fn delete(&self, table: &str, id: &str) -> Promise {
        self.delete_with(table, id, "{}")
    }

    pub(super) fn delete_with(&self, table: &str, id: &str, options: &str) -> Promise {
        self.write([DELETE, 0, 0, 0, 1], table, vec![id.to_owned()], Ok(Vec::new()), options)
    }

    /// Copies what is written, as the facade does.
    fn hold(&self, fields: &JsValue, is_change: bool, absent: &Array) -> Result<u32, JsValue> {
        let held = self.client.copier().call2(&JsValue::UNDEFINED, fields, absent);
        let held = held.map_err(|refusal| self.client.unsayable(&refusal, is_change))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
        Ok(held.as_f64().unwrap() as u32)
    }

    /// One write for itself, as the facade does those of a turn.
    fn write(
        &self,
        codes: [u32; 5],
        table: &str,
        words: Vec<String>,
        held: Result<Vec<u32>, JsValue>,
        options: &str,
    ) -> Promise {
        let written = held.map(|bodies| {
            let options = vec![js(options).unchecked_into()];
            self.client.write(&codes, vec![table.to_owned()], words, &bodies, options)
        });
        future_to_promise(async move {
            let written: Array = JsFuture::from(written?).await?.unchecked_into();
            let count = written.get(1).unchecked_into::<js_sys::Int32Array>().get_index(0);
            if count < 0 {
                return Err(written.get(2).unchecked_into::<Array>().get(0));
            }
            Ok(written.get(0))
        })
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

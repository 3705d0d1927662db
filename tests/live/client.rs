//! What the client makes of the live notice: passes, and what the app is told.

use js_sys::{Array, Function, JSON, Promise};
use landfall::client::Client;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

use super::server::{Server, js, number, pause, until, unused};

struct App {
    client: Client,
    told: Array,
}

impl App {
    async fn open(more: &str) -> Self {
        let told = Array::new();
        let options = Function::new_with_args(
            "told",
            &format!(
                "const note = what => (...about) => {{ told.push([what, ...about]) }}
                 const observer = {{ state() {{}}, progress() {{}}, change() {{}}, parked() {{}},
                   lock: note('lock'), remoteChange: note('remoteChange') }}
                 return {{ name: '{}', tenant: 't', principal: 'u7', observer, url: '/api/sync', selfDriven: true, live: true,
                   schema: {{ version: 1, tables: {{ tasks: {{ fields: {{ title: 'string' }} }} }} }}, {more} }}",
                unused()
            ),
        );
        let options = options.call1(&JsValue::NULL, &told).unwrap();
        let opened = Client::open(options.unchecked_into()).await;
        let client = opened.unwrap_or_else(|error| panic!("{}", json(&error)));
        Self { client, told }
    }

    fn told(&self) -> String {
        json(&self.told)
    }
}

fn json(value: &JsValue) -> String {
    JSON::stringify(value).unwrap().into()
}

async fn outcome(promise: Promise) -> String {
    match JsFuture::from(promise).await {
        Ok(value) if value.is_undefined() => "undefined".into(),
        Ok(value) => json(&value),
        Err(error) => json(&error),
    }
}

#[wasm_bindgen_test]
async fn a_change_of_anothers_is_fetched_at_once_and_told() {
    let server = Server::start();
    let app = App::open("").await;
    until("it listens", || server.streams().0 == 1).await;
    server.say("hello", "{ protocol: 1, epoch: 'e', serverTime: 1000000, locks: [] }");
    until("it has pulled", || number("server.pulls") >= 2).await;
    pause(700).await;
    let before = number("server.pulls");
    js("server.changed = performance.now()");
    server.say(
        "change",
        "{ tables: ['tasks'], records: [{ table: 'tasks', id: '7', version: 2 }], principal: 'u8', deviceId: 'd8', serverTime: 1000000 }",
    );
    until("it pulls", || number("server.pulls") > before).await;
    assert!(number("performance.now() - server.changed") < 1_000);
    assert!(
        app.told().contains(
            r#"["remoteChange",{"table":"tasks","ids":["7"],"principal":"u8","deviceId":"d8","at":"#
        )
    );

    // A burst is fetched together, and what this device did not at all.
    pause(700).await;
    let before = number("server.pulls");
    for _ in 0..20 {
        server.say(
            "change",
            "{ tables: ['tasks'], records: [], principal: '', deviceId: '', serverTime: 1000000 }",
        );
    }
    pause(1_500).await;
    assert!((1..=2).contains(&(number("server.pulls") - before)), "{}", number("server.pulls") - before);
    assert!(app.told().contains(r#"{"table":"tasks","ids":[],"principal":null,"deviceId":null,"at":"#));
    app.client.close();
    until("nobody listens", || server.streams().1 == 0).await;
}

#[wasm_bindgen_test]
async fn a_pass_of_anothers_is_waited_for() {
    let server = Server::start();
    let app = App::open("").await;
    until("it listens", || server.streams().0 == 1).await;
    server.say("hello", "{ protocol: 1, epoch: 'e', serverTime: 1000000, locks: [] }");
    until("it has pulled", || number("server.pulls") >= 2).await;
    pause(700).await;
    // As a service worker would that hears nothing of changes.
    let name = app.client.sync_tag().replace("landfall-sync:", "");
    js(&format!(
        "navigator.locks.request('{name}', () => new Promise(resolve => {{ server.giveBack = resolve }}))"
    ));
    until("another has the lease", || js("server.giveBack").is_function()).await;
    let before = number("server.pulls");
    server.say(
        "change",
        "{ tables: ['tasks'], records: [], principal: 'u8', deviceId: 'd8', serverTime: 1000000 }",
    );
    pause(1_000).await;
    assert_eq!(number("server.pulls"), before);
    js("server.giveBack()");
    until("it pulls after all", || number("server.pulls") > before).await;
    app.client.close();
}

#[wasm_bindgen_test]
async fn locks_are_shown_as_the_same_objects_until_they_are_others() {
    let server = Server::start();
    let app = App::open("").await;
    assert_eq!(json(&app.client.locks()), "[]");
    until("it listens", || server.streams().0 == 1).await;
    let lock = "{ table: 'tasks', recordId: '7', principal: 'u8', deviceId: 'd8', until: 1060000 }";
    server.say("hello", &format!("{{ protocol: 1, epoch: 'e', serverTime: 1000000, locks: [{lock}] }}"));
    until("it is known", || app.client.locks().length() == 1).await;
    let shown = app.client.lock_of("tasks", "7");
    assert_eq!(json(&js_sys::Reflect::get(&shown, &"principal".into()).unwrap()), r#""u8""#);
    assert!(js_sys::Object::is_frozen(shown.unchecked_ref::<js_sys::Object>()));
    assert!(app.client.lock_of("tasks", "7") == shown && app.client.lock_of("tasks", "8").is_null());
    let until_ms = js_sys::Reflect::get(&shown, &"until".into()).unwrap().as_f64().unwrap();
    assert!((until_ms - js_sys::Date::now() - 60_000.0).abs() < 2_000.0);
    assert!(app.told().starts_with(
        r#"[["lock",{"table":"tasks","recordId":"7","principal":"u8","deviceId":"d8","until":"#
    ));
    server.say("lock", &lock.replace("1060000", "null"));
    until("it has ended", || app.client.lock_of("tasks", "7").is_null()).await;
    assert!(app.told().ends_with(r#""until":null}]]"#));
    app.client.close();
}

#[wasm_bindgen_test]
async fn taking_has_an_outcome_for_every_case() {
    let server = Server::start();
    let app = App::open("").await;
    let taken = outcome(app.client.take_lock("tasks", "7")).await;
    assert!(taken.starts_with(r#"{"granted":true,"reason":null,"holder":null,"until":"#), "{taken}");
    let none = r#"{"granted":false,"reason":"undelivered","holder":null,"until":null}"#;
    assert_eq!(outcome(app.client.take_lock("tasks", "temp_1760000000000_k3j9x2_tasks")).await, none);
    assert!(outcome(app.client.take_lock("nowhere", "7")).await.contains("unknown-table"));
    js("server.answerLock = ({ table, recordId }) => ({ granted: false, serverTime: 1000000,
        lock: { table, recordId, principal: 'u8', deviceId: 'd8', until: 1060000 } })");
    let held = outcome(app.client.take_lock("tasks", "8")).await;
    assert!(held.starts_with(
        r#"{"granted":false,"reason":"held","holder":{"table":"tasks","recordId":"8","principal":"u8""#
    ));
    // Of one that is known from before, also where no answer comes.
    js("server.answerLock = () => new Response('<html>')");
    let offline = outcome(app.client.take_lock("tasks", "8")).await;
    assert!(
        offline.starts_with(r#"{"granted":false,"reason":"offline","holder":{"table":"tasks""#),
        "{offline}"
    );

    // Closing ends what waits for an answer.
    js(
        "server.answerLock = () => new Response(new ReadableStream(), { headers: { 'Landfall-Protocol': '1' } })",
    );
    let waiting = app.client.take_lock("tasks", "9");
    until("it is asked for", || server.posts().ends_with("take 9")).await;
    app.client.close();
    assert!(outcome(waiting).await.contains("closed"));
    assert!(outcome(app.client.take_lock("tasks", "7")).await.contains("closed"));
    until("what was held is released", || server.posts().contains("release 7")).await;
}

#[wasm_bindgen_test]
async fn who_does_not_want_it_has_none() {
    let server = Server::start();
    for more in ["live: false", "url: undefined", "selfDriven: false"] {
        let app = App::open(more).await;
        let taken = outcome(app.client.take_lock("tasks", "7")).await;
        assert_eq!(taken, r#"{"granted":false,"reason":"unsupported","holder":null,"until":null}"#, "{more}");
        assert_eq!(outcome(app.client.release_lock("tasks", "7")).await, "undefined");
        app.client.close();
    }
    pause(100).await;
    assert_eq!((server.streams(), server.posts()), ((0, 0), String::new()));
}

//! Lease, signals, clock, connectivity and Background Sync in a service worker.

#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod edges;

use futures_util::future::join;
use js_sys::Function;
use landfall::background::Background;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_service_worker);

fn run(body: &str) -> JsValue {
    Function::new_no_args(body).call0(&JsValue::NULL).unwrap()
}

/// Puts a `register` in place of the browser's that counts and waits, and gives back what undoes it. Where the browser has
/// no Background Sync, the test gives it one: the rest is the same code.
fn registering(body: &str) -> Function {
    run(&format!(
        "globalThis.tags = []
         const register = async (tag) => {{
           await new Promise((resolve) => setTimeout(resolve, 20))
           tags.push(tag)
           {body}
         }}
         const prototype = ServiceWorkerRegistration.prototype
         const sync = Object.getOwnPropertyDescriptor(prototype, 'sync')
         Object.defineProperty(prototype, 'sync', {{ configurable: true, get: () => ({{ register }}) }})
         return () => {{ delete prototype.sync; if (sync) Object.defineProperty(prototype, 'sync', sync) }}"
    ))
    .unchecked_into()
}

fn tags() -> String {
    run("return tags.join()").as_string().unwrap()
}

#[wasm_bindgen_test]
async fn one_registration_serves_all_writes_until_it_is_used_up() {
    let undo = registering("");
    let background = Background::new("landfall:a");
    // Two at once: the second waits for the first's registration, and makes none of its own.
    assert_eq!(join(background.arm(), background.arm()).await, (true, true));
    assert!(background.arm().await);
    assert_eq!(tags(), "landfall:a");
    background.disarm();
    assert!(!background.is_armed());
    assert!(background.arm().await);
    assert_eq!(tags(), "landfall:a,landfall:a");
    undo.call0(&JsValue::NULL).unwrap();
}

#[wasm_bindgen_test]
async fn a_failure_is_tried_again_and_a_refusal_is_not() {
    for (error, registrations) in [("InvalidStateError", 2), ("NotAllowedError", 1)] {
        let undo = registering(&format!("throw new DOMException('no', '{error}')"));
        let background = Background::new("landfall:b");
        assert!(!background.arm().await);
        assert!(!background.arm().await);
        assert_eq!(tags().split(',').count(), registrations, "{error}");
        undo.call0(&JsValue::NULL).unwrap();
    }
}

#[wasm_bindgen_test]
async fn where_the_browser_has_it_the_tag_is_registered() {
    if run("return 'sync' in registration").is_falsy() {
        assert!(!Background::new("landfall:c").arm().await);
        return;
    }
    assert!(Background::new("landfall:c").arm().await);
    let tags = run("return registration.sync.getTags().then(String)").unchecked_into::<js_sys::Promise>();
    let tags = wasm_bindgen_futures::JsFuture::from(tags).await.unwrap().as_string().unwrap();
    assert!(tags.contains("landfall:c"), "{tags}");
}

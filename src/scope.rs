//! What is global in a page and in a worker alike. web-sys types a page's `Window` and a worker's scope apart, and each
//! would need its own code path; these read the same properties on either, and may find them absent.

use wasm_bindgen::prelude::*;
use web_sys::EventTarget;

#[wasm_bindgen]
extern "C" {
    /// A window or a worker's global scope.
    #[wasm_bindgen(extends = EventTarget)]
    pub(crate) type Scope;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn navigator(this: &Scope) -> Navigator;
    /// A page's document; a worker has none.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn document(this: &Scope) -> Option<web_sys::Document>;
    /// A service worker's own registration; nobody else has one here.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn registration(this: &Scope) -> Option<Registration>;

    /// Here for `keepalive`, which no builder of requests knows.
    #[wasm_bindgen(method, catch)]
    pub(crate) async fn fetch(this: &Scope, url: &str, options: &JsValue) -> Result<JsValue, JsValue>;

    /// A page's or a worker's navigator.
    pub(crate) type Navigator;

    #[wasm_bindgen(method, getter, js_name = onLine)]
    pub(crate) fn on_line(this: &Navigator) -> Option<bool>;
    /// Absent before Safari 15.4, and where the page was not served over HTTPS.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn locks(this: &Navigator) -> Option<LockManager>;
    /// Absent in workers of some engines, in private windows of others, and where there is no HTTPS.
    #[wasm_bindgen(method, getter, js_name = serviceWorker)]
    pub(crate) fn service_worker(this: &Navigator) -> Option<Container>;

    /// Absent before Safari 15.2, and where the page was not served over HTTPS.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn storage(this: &Navigator) -> Option<StorageManager>;

    /// `navigator.storage`.
    pub(crate) type StorageManager;

    /// Absent before Safari 17.
    #[wasm_bindgen(method, catch)]
    pub(crate) async fn estimate(this: &StorageManager) -> Result<JsValue, JsValue>;

    /// What it answers, in bytes.
    pub(crate) type StorageEstimate;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn quota(this: &StorageEstimate) -> Option<f64>;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn usage(this: &StorageEstimate) -> Option<f64>;

    /// `navigator.locks`. web-sys has it behind `web_sys_unstable_apis`, a flag for the whole build.
    pub(crate) type LockManager;

    #[wasm_bindgen(method, catch)]
    pub(crate) async fn request(
        this: &LockManager,
        name: &str,
        options: &js_sys::Object,
        granted: &JsValue,
    ) -> Result<JsValue, JsValue>;

    /// `navigator.serviceWorker`.
    #[derive(Clone)]
    pub(crate) type Container;

    #[wasm_bindgen(method, js_name = getRegistration, catch)]
    pub(crate) async fn get_registration(this: &Container) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, getter, catch)]
    pub(crate) async fn ready(this: &Container) -> Result<JsValue, JsValue>;

    /// A service worker's registration.
    #[derive(Clone)]
    pub(crate) type Registration;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn active(this: &Registration) -> Option<js_sys::Object>;
    /// Background Sync. Chromium only.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn sync(this: &Registration) -> Option<SyncManager>;

    /// A registration's `sync`; web-sys has no type for it.
    pub(crate) type SyncManager;

    #[wasm_bindgen(method, catch)]
    pub(crate) async fn register(this: &SyncManager, tag: &str) -> Result<JsValue, JsValue>;
}

/// This context's global object.
pub(crate) fn scope() -> Scope {
    js_sys::global().unchecked_into()
}

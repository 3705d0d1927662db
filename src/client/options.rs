//! What the facade passes in.

use js_sys::{Array, Function, Promise};
use landfall_core::body::Body;
use landfall_core::decide;
use landfall_core::error::Error;
use landfall_core::json;
use landfall_core::log::entry::Id;
use landfall_core::ports::Durability;
use landfall_core::schema::Priority;
use landfall_core::table::{Query, QueryError};
use wasm_bindgen::prelude::*;

use super::telling::Observer;
use crate::body::JsBody;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r"
/** How a database is opened. */
export interface ClientOptions {
  readonly name: string
  readonly tenant: string
  readonly principal: string
  readonly schema: object
  /** The part of the data that is pulled; `undefined`: as the schema says. */
  readonly scope: string | undefined
  /** The server's address, or `undefined`: then nothing is ever sent. */
  readonly url: string | undefined
  readonly token: (() => unknown) | undefined
  readonly observer: ClientObserver
  /** A promise of what the page reads of the store while the engine is loaded. */
  readonly early?: Promise<unknown>
  /** What rules may name: by name, from the three versions of a value to what it is to be. */
  readonly functions: object | undefined
  /** Whether passes and upkeep happen by themselves. */
  readonly selfDriven: boolean
  /** Whether this page listens to what others do, and tells them what is edited here. */
  readonly live: boolean
}

/** How one write is done. */
export interface ClientWriteOptions {
  readonly priority?: unknown
  readonly dependsOn?: unknown
  readonly durability?: unknown
}

/** What the client tells. None of these may throw. */
export interface ClientObserver {
  state(state: unknown): void
  progress(progress: unknown): void
  change(table: string, ids: string[]): void
  parked(mutation: unknown): void
  conflict(conflict: unknown): void
  lock(lock: unknown): void
  remoteChange(change: unknown): void
}
";

#[wasm_bindgen]
extern "C" {
    /// How a database is opened: the shape is above.
    #[wasm_bindgen(typescript_type = "ClientOptions")]
    pub type Options;

    #[wasm_bindgen(method, getter)]
    pub(super) fn name(this: &Options) -> String;
    #[wasm_bindgen(method, getter)]
    pub(super) fn tenant(this: &Options) -> String;
    #[wasm_bindgen(method, getter)]
    pub(super) fn principal(this: &Options) -> String;
    #[wasm_bindgen(method, getter)]
    pub(super) fn schema(this: &Options) -> JsValue;
    #[wasm_bindgen(method, getter)]
    pub(super) fn scope(this: &Options) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    pub(super) fn url(this: &Options) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    pub(super) fn token(this: &Options) -> Option<Function>;
    #[wasm_bindgen(method, getter)]
    pub(super) fn observer(this: &Options) -> Observer;
    #[wasm_bindgen(method, getter)]
    pub(super) fn early(this: &Options) -> Option<Promise>;
    #[wasm_bindgen(method, getter)]
    pub(super) fn functions(this: &Options) -> JsValue;
    #[wasm_bindgen(method, getter, js_name = selfDriven)]
    pub(super) fn self_driven(this: &Options) -> bool;
    #[wasm_bindgen(method, getter)]
    pub(super) fn live(this: &Options) -> Option<bool>;

    /// How one write is done: the shape is above.
    #[wasm_bindgen(typescript_type = "ClientWriteOptions")]
    pub type WriteOptions;

    #[wasm_bindgen(method, getter)]
    fn priority(this: &WriteOptions) -> JsValue;
    #[wasm_bindgen(method, getter, js_name = dependsOn)]
    fn depends_on(this: &WriteOptions) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn durability(this: &WriteOptions) -> JsValue;
}

/// How one write is done, once it is checked.
pub(super) struct How {
    pub(super) options: decide::WriteOptions,
    pub(super) durability: Durability,
}

pub(super) fn how(options: &WriteOptions) -> Result<How, Error> {
    let refuse = |path: &str, problem: &str| {
        Err(Error::InvalidValue { path: format!("options.{path}"), problem: problem.to_owned() })
    };
    let word = |value: JsValue| match value.as_string() {
        Some(word) => Some(word),
        None if value.is_undefined() => None,
        // No word that there is: refused below.
        None => Some(String::new()),
    };
    let priority = match word(options.priority()).as_deref() {
        None => None,
        Some("critical") => Some(Priority::Critical),
        Some("high") => Some(Priority::High),
        Some("medium") => Some(Priority::Medium),
        Some("low") => Some(Priority::Low),
        Some(_) => return refuse("priority", "must be critical, high, medium or low"),
    };
    let durability = match word(options.durability()).as_deref() {
        None | Some("relaxed") => Durability::Relaxed,
        Some("strict") => Durability::Strict,
        Some(_) => return refuse("durability", "must be relaxed or strict"),
    };
    let depends_on = options.depends_on();
    let depends_on = if depends_on.is_undefined() {
        Vec::new()
    } else if Array::is_array(&depends_on) {
        // What is no text is no mutation's id either: refused where ids are checked.
        let ids = Array::from(&depends_on);
        ids.iter().map(|id| Id::from(id.as_string().unwrap_or_default())).collect()
    } else {
        return refuse("dependsOn", "must be a list of mutation ids");
    };
    Ok(How { options: decide::WriteOptions { priority, depends_on }, durability })
}

/// A query, or what is wrong with it. `undefined` is as good as left out, but for `equals`: whoever passes that has a
/// variable without a value, and would get the whole table.
pub(super) fn query(value: &JsValue) -> Result<Query, Error> {
    let refuse = |path: String, reason: String| Error::Query(QueryError::Invalid { path, reason });
    let copied = JsBody::copy_in(value).map_err(|refused| {
        let what = if refused.path.is_empty() { "a query is an object" } else { "JSON cannot say it" };
        refuse(refused.path, format!("it is {}; {what}", refused.what))
    })?;
    if copied.absent.iter().any(|part| part == "equals") {
        return Err(refuse("equals".to_owned(), "it is undefined; leave it out, or ask for null".to_owned()));
    }
    let value =
        json::from_str(&copied.body.to_json()).map_err(|error| refuse(String::new(), error.to_string()))?;
    Ok(Query::from_json(&value)?)
}

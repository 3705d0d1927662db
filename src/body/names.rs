//! Field names as JavaScript strings, made once each: a name that crosses the boundary is copied and decoded, which
//! costs more than reading the field.

use std::cell::RefCell;

use js_sys::Array;
use rustc_hash::FxHashMap;
use wasm_bindgen::{JsCast, JsValue};

use super::js_of;

/// A schema has some dozens of field names. What an app passes in before it is checked may have any, so there is a bound.
const NAMES_MAX: usize = 1_000;

thread_local! {
    static NAMES: RefCell<FxHashMap<Box<str>, JsValue>> = RefCell::default();
    static LISTS: RefCell<FxHashMap<Vec<String>, Array>> = RefCell::default();
}

/// Calls `f` with a list of names. `f` must not come back here.
pub(super) fn with_all<T>(names: &[String], f: impl FnOnce(&Array) -> T) -> T {
    LISTS.with_borrow_mut(|lists| {
        if let Some(list) = lists.get(names) {
            return f(list);
        }
        let list: Array = js_of(&names).unchecked_into();
        let result = f(&list);
        // One for each table.
        lists.insert(names.to_vec(), list);
        result
    })
}

/// Calls `f` with the name. `f` must not come back here.
pub(super) fn with<T>(name: &str, f: impl FnOnce(&JsValue) -> T) -> T {
    NAMES.with_borrow_mut(|names| {
        if let Some(value) = names.get(name) {
            return f(value);
        }
        let value = JsValue::from_str(name);
        let result = f(&value);
        if names.len() < NAMES_MAX {
            names.insert(name.into(), value);
        }
        result
    })
}

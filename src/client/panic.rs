//! A panic is a bug. The module cannot go on after it, and says so once.

use std::cell::RefCell;

use js_sys::Function;
use wasm_bindgen::prelude::*;

thread_local! {
    static HEARER: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Calls `hear` with the message when this instance of the module dies by a panic. What was stored stays as it is: a new
/// instance reads it.
#[wasm_bindgen(js_name = onPanic)]
pub fn on_panic(hear: Function) {
    HEARER.set(Some(hear));
    std::panic::set_hook(Box::new(|info| {
        let message = info.to_string();
        HEARER.with(|hearer| {
            if let Ok(Some(hear)) = hearer.try_borrow().as_deref() {
                let _ = hear.call1(&JsValue::UNDEFINED, &JsValue::from_str(&message));
            }
        });
    }));
}

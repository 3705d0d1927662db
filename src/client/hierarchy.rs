//! Whether everything that is referred to is there, and what is done where it is not.

use std::rc::Rc;

use js_sys::Promise;
use landfall_core::decide::{Command, Done};
use landfall_core::error::Error;
use landfall_core::hierarchy::orphans::Strategy;
use wasm_bindgen::prelude::*;

use super::{Client, promise, shapes::to_js};

#[wasm_bindgen]
impl Client {
    /// A report on all references, and no change.
    #[wasm_bindgen(unchecked_return_type = "Promise<unknown>")]
    pub fn integrity(&self) -> Promise {
        let this = Rc::clone(&self.instance);
        promise(async move {
            this.check_open()?;
            Ok(to_js(&this.engine.integrity().await?))
        })
    }

    /// Does something about orphans: these, as table and id by turns, or all that nobody has decided about. How many
    /// references that were.
    #[wasm_bindgen(js_name = resolveOrphans, unchecked_return_type = "Promise<number>")]
    pub fn resolve_orphans(&self, strategy: &str, orphans: Option<Vec<String>>) -> Promise {
        let pairs = |flat: Vec<String>| {
            flat.chunks_exact(2).map(|pair| (pair[0].as_str().into(), pair[1].as_str().into())).collect()
        };
        let command = match Strategy::named(strategy) {
            Some(strategy) => {
                Ok(Command::ResolveOrphans { strategy, orphans: orphans.map(pairs), priority: None })
            }
            None => Err(Error::InvalidValue {
                path: "strategy".to_owned(),
                problem: "must be delete, keep or queue".to_owned(),
            }),
        };
        self.decide(command, |done| match done {
            Done::Resolved(count) => count.into(),
            _ => JsValue::UNDEFINED,
        })
    }
}

//! What the app asks about sync itself: whether it is well, what it did, and how a record stands.

use std::rc::Rc;

use js_sys::Promise;
use landfall_core::engine::Told;
use landfall_core::log::entry::Id;
use wasm_bindgen::prelude::*;

use super::{Client, promise, shapes::to_js};

#[wasm_bindgen]
impl Client {
    /// Whether sync is well, and if not, why.
    #[wasm_bindgen(unchecked_return_type = "Promise<unknown>")]
    pub fn health(&self) -> Promise {
        let this = Rc::clone(&self.instance);
        promise(async move {
            this.check_open()?;
            // What other contexts did counts. Where the log cannot be read any more, that is among what is told.
            let _ = this.engine.catch_up().await;
            Ok(to_js(&this.engine.health()))
        })
    }

    /// What sync did and why: the newest lines, newest first.
    #[wasm_bindgen(unchecked_return_type = "Promise<unknown[]>")]
    pub fn activity(&self, limit: u32) -> Promise {
        let this = Rc::clone(&self.instance);
        promise(async move {
            this.check_open()?;
            this.engine.catch_up().await?;
            let lines = this.engine.activity(limit as usize).into_iter();
            let lines: Vec<Told> = lines.map(|line| Told { sentence: line.sentence(), line }).collect();
            Ok(to_js(&lines))
        })
    }

    /// Everything that is known of a record, under any id that it ever had here.
    #[wasm_bindgen(unchecked_return_type = "Promise<unknown>")]
    pub fn explain(&self, table: &str, id: &str) -> Promise {
        let this = Rc::clone(&self.instance);
        let (table, id): (Id, Id) = (table.into(), id.into());
        promise(async move {
            this.check_open()?;
            Ok(to_js(&this.engine.explain(&table, &id).await?))
        })
    }
}

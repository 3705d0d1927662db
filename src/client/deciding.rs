//! What a person decides about a mutation.

use std::rc::Rc;

use js_sys::Promise;
use landfall_core::body::Body;
use landfall_core::decide::{Command, Done};
use landfall_core::error::Error;
use landfall_core::log::entry::Id;
use landfall_core::ports::Durability;
use wasm_bindgen::prelude::*;

use super::{Client, failure::unsayable, promise};
use crate::body::JsBody;

#[wasm_bindgen]
impl Client {
    /// Gives a mutation up; with `cascade`, also what builds on it. `discarded`, or `withdrawing` where the server may have
    /// got it and is asked to forget it.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn discard(&self, mutation: &str, cascade: bool) -> Promise {
        let mutation: Id = mutation.into();
        self.decide(Ok(Command::Discard { mutation: mutation.clone(), cascade }), move |done| {
            let is_gone = matches!(&done, Done::Discarded { discarded, withdrawing }
                if withdrawing.is_empty() && discarded.contains(&mutation));
            JsValue::from(if is_gone { "discarded" } else { "withdrawing" })
        })
    }

    /// Sends a parked mutation again, with other fields if `changes` is not `undefined`; the id that it has now.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn retry(&self, mutation: &str, changes: &JsValue) -> Promise {
        self.decide(retrial(mutation, changes), |done| match done {
            Done::Queued(id) => (&*id).into(),
            _ => JsValue::UNDEFINED,
        })
    }

    /// Lets a mutation that was never sent wait for others.
    #[wasm_bindgen(unchecked_return_type = "Promise<undefined>")]
    pub fn depend(&self, mutation: &str, on: Vec<String>) -> Promise {
        let on = on.into_iter().map(Id::from).collect();
        self.decide(Ok(Command::Depend { mutation: mutation.into(), on }), |_| JsValue::UNDEFINED)
    }
}

/// The command that sends a mutation again. What the app does to `changes` afterwards is its own.
fn retrial(mutation: &str, changes: &JsValue) -> Result<Command<JsBody>, Error> {
    let mutation = mutation.into();
    if changes.is_undefined() {
        return Ok(Command::Retry { mutation, changes: None, unset: Vec::new() });
    }
    let copied = JsBody::copy_in(changes).map_err(|refused| unsayable(refused, "changes"))?;
    let is_edited = !copied.body.fields().is_empty();
    Ok(Command::Retry { mutation, changes: is_edited.then_some(copied.body), unset: copied.absent })
}

impl Client {
    pub(super) fn decide(
        &self,
        command: Result<Command<JsBody>, Error>,
        answer: impl FnOnce(Done) -> JsValue + 'static,
    ) -> Promise {
        let this = Rc::clone(&self.instance);
        promise(async move { Ok(answer(this.write(command?, Durability::Relaxed).await?)) })
    }
}

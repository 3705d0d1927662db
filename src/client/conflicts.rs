//! Conflicts: listed, counted, previewed, settled and taken back.

use std::rc::Rc;

use js_sys::Promise;
use landfall_core::body::Body;
use landfall_core::decide::{Command, Decision, Done};
use landfall_core::engine::{ConflictFilter, PreviewView};
use landfall_core::error::Error;
use landfall_core::json;
use landfall_core::log::entry::Id;
use landfall_core::merge::{Contested, Functions};
use serde_json::{Map, Value, json};
use wasm_bindgen::prelude::*;

use super::{Client, failure::unsayable, promise, shapes::to_js};
use crate::body::JsBody;

/// What the app passes in, as JSON. `what` is the argument's name.
fn json_of(value: &JsValue, what: &str) -> Result<Value, Error> {
    if let Some(word) = value.as_string() {
        return Ok(Value::String(word));
    }
    let copied = JsBody::copy_in(value).map_err(|refused| unsayable(refused, what))?;
    Ok(Value::Object(copied.body.to_fields()))
}

fn filter_of(value: &JsValue) -> Result<ConflictFilter, Error> {
    let filter = if value.is_undefined() { json!({}) } else { json_of(value, "filter")? };
    let refused = |error: json::Error| Error::InvalidValue {
        path: "filter".to_owned(),
        problem: format!("is no filter of conflicts: {error}"),
    };
    // By its text: what reads a stored one reads this too.
    json::to_string(&filter).and_then(|text| json::from_str(&text)).map_err(refused)
}

fn decision_of(value: &JsValue) -> Result<Decision, Error> {
    Decision::from_json(&json_of(value, "decision")?)
}

#[wasm_bindgen]
impl Client {
    /// The conflicts that a filter asks for, and how many there are.
    #[wasm_bindgen(unchecked_return_type = "Promise<unknown>")]
    pub fn conflicts(&self, filter: &JsValue) -> Promise {
        let filter = filter_of(filter);
        let this = Rc::clone(&self.instance);
        promise(async move {
            this.check_open()?;
            let filter = filter?;
            this.engine.catch_up().await?;
            Ok(to_js(&this.engine.conflicts(&filter)))
        })
    }

    /// One conflict; `null` if there is none of that id.
    #[wasm_bindgen(unchecked_return_type = "Promise<unknown>")]
    pub fn conflict(&self, id: &str) -> Promise {
        let id: Id = id.into();
        let this = Rc::clone(&self.instance);
        promise(async move {
            this.check_open()?;
            this.engine.catch_up().await?;
            Ok(to_js(&this.engine.conflict(&id)))
        })
    }

    /// What is kept of conflicts, counted.
    #[wasm_bindgen(js_name = conflictStats, unchecked_return_type = "Promise<unknown>")]
    pub fn conflict_stats(&self) -> Promise {
        let this = Rc::clone(&self.instance);
        promise(async move {
            this.check_open()?;
            this.engine.catch_up().await?;
            Ok(to_js(&this.engine.conflict_stats()))
        })
    }

    /// What would become of an open conflict; nothing is changed.
    #[wasm_bindgen(js_name = previewConflict, unchecked_return_type = "Promise<unknown>")]
    pub fn preview_conflict(&self, id: &str, decision: &JsValue) -> Promise {
        let decision = decision_of(decision);
        let id: Id = id.into();
        let this = Rc::clone(&self.instance);
        promise(async move {
            this.check_open()?;
            let decision = decision?;
            this.engine.catch_up().await?;
            Ok(to_js(&PreviewView::from(this.engine.preview(&id, &decision)?)))
        })
    }

    /// Settles conflicts by one decision, all or none; how many.
    #[wasm_bindgen(js_name = resolveConflicts, unchecked_return_type = "Promise<number>")]
    pub fn resolve_conflicts(&self, ids: Vec<String>, decision: &JsValue) -> Promise {
        let conflicts = ids.into_iter().map(Id::from).collect();
        let command = decision_of(decision).map(|decision| Command::Resolve { conflicts, decision });
        self.decide(command, |done| match done {
            Done::Settled(count) => JsValue::from(count),
            _ => JsValue::from(0),
        })
    }

    /// Settles those open conflicts of a filter that a decision settles: `[settled, open]`, two lists of ids.
    #[wasm_bindgen(js_name = resolveAlike, unchecked_return_type = "Promise<unknown>")]
    pub fn resolve_alike(&self, filter: &JsValue, decision: &JsValue) -> Promise {
        let asked = filter_of(filter).and_then(|filter| Ok((filter, decision_of(decision)?)));
        let this = Rc::clone(&self.instance);
        promise(async move {
            let (filter, decision) = asked?;
            this.check_open()?;
            this.engine.catch_up().await?;
            let (settled, open) = this.engine.alike(&filter, &decision);
            if !settled.is_empty() {
                let command = Command::Resolve { conflicts: settled.clone(), decision };
                this.write(command, landfall_core::ports::Durability::Relaxed).await?;
            }
            Ok(to_js(&[settled, open]))
        })
    }

    /// Takes the settlement of a conflict back; the id of the mutation that does it, `null` if none has to.
    #[wasm_bindgen(js_name = undoConflict, unchecked_return_type = "Promise<string | null>")]
    pub fn undo_conflict(&self, id: &str) -> Promise {
        self.decide(Ok(Command::Undo { conflict: id.into() }), |done| match done {
            Done::Undone(Some(mutation)) => JsValue::from_str(&mutation),
            _ => JsValue::NULL,
        })
    }

    /// Forgets what was settled before a time; how many conflicts.
    #[wasm_bindgen(js_name = forgetConflicts, unchecked_return_type = "Promise<number>")]
    pub fn forget_conflicts(&self, before: f64) -> Promise {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a time, checked by the facade"
        )]
        let before = before as u64;
        self.decide(Ok(Command::ForgetConflicts { before }), |done| match done {
            Done::Settled(count) => JsValue::from(count),
            _ => JsValue::from(0),
        })
    }
}

/// The app's functions, for rules that name one: by name, each from the three versions of a value to what it is to be. One that is
/// not there, throws, or gives nothing that JSON could say, leaves the value to a person.
pub(super) struct AppFunctions(pub(super) JsValue);

impl Functions for AppFunctions {
    fn call(&self, name: &str, contested: &Contested) -> Option<Value> {
        let function = js_sys::Reflect::get(&self.0, &name.into()).ok()?;
        let function = function.dyn_ref::<js_sys::Function>()?;
        let mut versions = Map::new();
        versions.insert("path".to_owned(), json!(contested.path.0));
        for (key, version) in
            [("base", &contested.base), ("ours", &contested.ours), ("theirs", &contested.theirs)]
        {
            if let Some(version) = version {
                versions.insert(key.to_owned(), version.clone());
            }
        }
        let made = function.call1(&JsValue::UNDEFINED, &JsBody::of_fields(&versions).shared()).ok()?;
        if made.is_undefined() {
            return None;
        }
        let holder = js_sys::Object::new();
        js_sys::Reflect::set(&holder, &"value".into(), &made).ok()?;
        JsBody::copy_in(&holder).ok()?.body.to_fields().remove("value")
    }
}

//! Shapes that cross as one text, whatever they hold: on the other side bodies are put into it, and taken out of it, all at once.
//!
//! A shape with bodies is written with the number of each, between two marks; where the text becomes JavaScript's, the bodies take their
//! places. An answer comes as an outline, in which each body is its place in the list that comes beside.

use std::cell::RefCell;

use js_sys::{Array, JsString, Uint32Array};
use landfall_core::json;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wasm_bindgen::prelude::*;

use super::JsBody;

#[wasm_bindgen(module = "/src/body/values.js")]
extern "C" {
    #[wasm_bindgen(js_name = filledIn)]
    fn filled_in(text: &str) -> JsString;
    #[wasm_bindgen(js_name = valueOf)]
    fn value_of(text: &str) -> JsValue;
    #[wasm_bindgen(js_name = outlineOf, catch)]
    pub(crate) fn outline_of(text: &JsString) -> Result<Array, JsValue>;
    #[wasm_bindgen(js_name = pageOf, catch)]
    pub(crate) fn page_of(text: &JsString) -> Result<Array, JsValue>;
}

thread_local! {
    /// The bodies of the answer that is being read.
    static ARRIVED: RefCell<Vec<JsBody>> = const { RefCell::new(Vec::new()) };
}

/// The JSON of a shape and of the bodies in it. It stays in JavaScript, which sends it.
pub(crate) fn json_of(shape: &impl Serialize) -> JsString {
    filled_in(&written(shape))
}

/// A shape as JavaScript has it, frozen with all that it holds; what is absent is `null`.
pub(crate) fn js_of(shape: &impl Serialize) -> JsValue {
    value_of(&written(shape))
}

fn written(shape: &impl Serialize) -> String {
    // Their keys are texts, so there is nothing that could be refused.
    json::to_string(shape).unwrap_or_default()
}

/// The bodies of an answer, the second of its parts.
pub(crate) fn arrived(parts: &Array) -> Vec<JsBody> {
    JsBody::all_numbered(&parts.get(1).unchecked_into::<Uint32Array>().to_vec())
}

/// What the outline of an answer says, the first of its parts, with these bodies.
pub(crate) fn read<T: DeserializeOwned>(parts: &Array, bodies: Vec<JsBody>) -> Result<T, json::Error> {
    ARRIVED.set(bodies);
    let value = json::from_str(&parts.get(0).as_string().unwrap_or_default());
    ARRIVED.take();
    value
}

/// In a text that is [ours](json::to_string) only.
impl Serialize for JsBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(json::HELD, &self.number())
    }
}

/// In an answer's [outline](read) only.
impl<'de> Deserialize<'de> for JsBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let at = usize::deserialize(deserializer)?;
        let arrived = ARRIVED.with_borrow(|arrived| arrived.get(at).cloned());
        arrived.ok_or_else(|| D::Error::custom("a record's fields are not an object"))
    }
}

//! Bodies in a browser: handles to JavaScript objects that nobody changes.

mod names;

use std::rc::Rc;

use js_sys::{Array, JsString};
use landfall_core::body::{Body, Kind, Scalar, SyncMetadata, SyncStatus};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/body/values.js")]
extern "C" {
    #[wasm_bindgen(js_name = copyIn, catch)]
    fn copy_in(value: &JsValue, absent: &Array) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_name = freeze)]
    fn freeze(body: &JsValue) -> JsValue;
    #[wasm_bindgen(js_name = recordOf)]
    fn record_of(
        body: &JsValue,
        id: &str,
        status: &JsValue,
        local_updated_at: Option<f64>,
        server_updated_at: Option<f64>,
        sync_id: Option<&str>,
        deleted: bool,
        version: Option<f64>,
    ) -> JsValue;
    #[wasm_bindgen(js_name = patched)]
    fn patched(body: &JsValue, changes: &JsValue, unset: &Array) -> JsValue;
    #[wasm_bindgen(js_name = withText)]
    fn with_text(body: &JsValue, field: &JsValue, text: &str) -> JsValue;
    #[wasm_bindgen(js_name = get)]
    fn get(body: &JsValue, field: &JsValue) -> JsValue;
    #[wasm_bindgen(js_name = kind)]
    fn kind(body: &JsValue, field: &JsValue) -> u8;
    #[wasm_bindgen(js_name = toJson)]
    pub(crate) fn to_json(value: &JsValue) -> JsString;
    #[wasm_bindgen(js_name = pack)]
    pub(crate) fn pack(head: &str, bodies: &Array) -> JsString;
    #[wasm_bindgen(js_name = unpack, catch)]
    pub(crate) fn unpack(text: &JsValue) -> Result<Array, JsValue>;
    #[wasm_bindgen(js_name = parseAnswer, catch)]
    pub(crate) fn parse_answer(text: &str) -> Result<JsValue, JsValue>;
}

/// A value that JSON cannot say, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct InvalidValue {
    /// As `notes`, `tags[2].color` or `["due date"]`; empty for the value itself.
    pub path: String,
    /// In words, as `a function` or `NaN`.
    pub what: String,
}

/// What an app passed in: its fields, and the names of those that it gave as `undefined`.
#[derive(Clone, Debug, PartialEq)]
pub struct CopiedIn {
    /// Its fields, without those.
    pub body: JsBody,
    /// An update removes them; a create is without them.
    pub absent: Vec<String>,
}

/// A JavaScript object with a record's fields. Equality is identity.
#[derive(Clone, Debug, PartialEq)]
pub struct JsBody(JsValue);

impl JsBody {
    /// Copies what an app passes in. The copy shares nothing that can change with the app's object, and holds what JSON
    /// can say, exactly; for anything else the error names the field.
    ///
    /// # Errors
    /// Functions, symbols, `BigInt`s, NaN and infinities, nested `undefined`, objects that are neither plain nor arrays,
    /// cycles, holes, halves of surrogate pairs, `__proto__`, and nesting beyond 32.
    pub fn copy_in(value: &JsValue) -> Result<CopiedIn, InvalidValue> {
        let absent = Array::new();
        match copy_in(value, &absent) {
            Ok(body) => Ok(CopiedIn { body: Self(body), absent: strings(&absent) }),
            Err(refusal) => {
                let mut words = strings(&Array::from(&refusal)).into_iter();
                let path = words.next().unwrap_or_default();
                Err(InvalidValue { path, what: words.next().unwrap_or_default() })
            }
        }
    }

    /// An object that came from JSON text: nobody else holds it, so it is not copied.
    pub(crate) fn parsed(object: JsValue) -> Self {
        Self(object)
    }

    /// The object, frozen with all that it holds, to be handed out.
    #[must_use]
    pub fn shared(&self) -> JsValue {
        freeze(&self.0)
    }
}

impl AsRef<JsValue> for JsBody {
    fn as_ref(&self) -> &JsValue {
        &self.0
    }
}

impl Body for JsBody {
    fn empty() -> Self {
        Self(js_sys::Object::new().into())
    }

    fn fields(&self) -> Vec<String> {
        strings(&js_sys::Object::keys(self.0.unchecked_ref::<js_sys::Object>()))
    }

    fn kind(&self, field: &str) -> Option<Kind> {
        match names::with(field, |field| kind(&self.0, field)) {
            0 => None,
            1 => Some(Kind::Null),
            2 => Some(Kind::Boolean),
            3 => Some(Kind::Number),
            4 => Some(Kind::String),
            5 => Some(Kind::Array),
            _ => Some(Kind::Object),
        }
    }

    fn scalar(&self, field: &str) -> Option<Scalar> {
        let value = names::with(field, |field| get(&self.0, field));
        if let Some(text) = value.as_string() {
            Some(Scalar::String(text.into()))
        } else if value.is_undefined() || value.is_null() {
            Some(Scalar::Null)
        } else if let Some(number) = value.as_f64() {
            Some(Scalar::Number(number))
        } else {
            value.as_bool().map(Scalar::Boolean)
        }
    }

    fn with_text(&self, field: &str, value: &str) -> Self {
        Self(names::with(field, |field| with_text(&self.0, field, value)))
    }

    fn patched(&self, changes: &Self, unset: &[String]) -> Self {
        Self(patched(&self.0, &changes.0, &unset.iter().map(JsValue::from).collect()))
    }

    fn record(&self, id: &str, metadata: &SyncMetadata) -> Self {
        STATUSES.with(|statuses| {
            let status = match metadata.status {
                SyncStatus::Synced => &statuses[0],
                SyncStatus::Modified => &statuses[1],
                SyncStatus::PendingUpload => &statuses[2],
                SyncStatus::Conflict => &statuses[3],
            };
            Self(record_of(
                &self.0,
                id,
                status,
                metadata.local_updated_at.map(number),
                metadata.server_updated_at.map(number),
                metadata.sync_id.as_deref(),
                metadata.deleted,
                metadata.version.map(number),
            ))
        })
    }

    fn to_json(&self) -> String {
        to_json(&self.0).into()
    }

    fn same(&self, other: &Self) -> bool {
        self == other
    }

    fn text(&self, field: &str) -> Option<Rc<str>> {
        names::with(field, |field| get(&self.0, field)).as_string().map(Into::into)
    }
}

thread_local! {
    /// Made once: a string that crosses the boundary is copied and decoded each time.
    static STATUSES: [JsValue; 4] =
        [SyncStatus::Synced, SyncStatus::Modified, SyncStatus::PendingUpload, SyncStatus::Conflict]
            .map(|status| status.as_str().into());
}

/// Times and versions stay below 2^53, where a double counts exactly.
#[expect(clippy::cast_precision_loss, reason = "they stay below 2^53")]
pub(crate) fn number(integer: u64) -> f64 {
    integer as f64
}

fn strings(array: &Array) -> Vec<String> {
    array.iter().filter_map(|value| value.as_string()).collect()
}

/// Between Rust and a JavaScript value by serde-wasm-bindgen only, which passes the object on as it is. Any other
/// format refuses.
impl Serialize for JsBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_wasm_bindgen::preserve::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for JsBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value: JsValue = serde_wasm_bindgen::preserve::deserialize(deserializer)?;
        if !value.is_object() || Array::is_array(&value) {
            return Err(serde::de::Error::custom("a record's fields are not an object"));
        }
        Ok(Self(value))
    }
}

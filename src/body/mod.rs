//! Bodies in a browser: handles to JavaScript objects that nobody changes.

mod names;

use std::rc::Rc;

use js_sys::{Array, JsString};
use landfall_core::body::{Body, Kind, Outline, Scalar, SyncMetadata, SyncStatus};
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
    #[wasm_bindgen(js_name = recordsOf)]
    fn records_of(bodies: Vec<JsValue>, words: &str, numbers: &[f64], statuses: Vec<JsValue>)
    -> Vec<JsValue>;
    #[wasm_bindgen(js_name = outline)]
    fn outline(body: &JsValue, names: &Array) -> String;
    #[wasm_bindgen(js_name = patched)]
    fn patched(body: &JsValue, changes: &JsValue, unset: &Array) -> JsValue;
    #[wasm_bindgen(js_name = withText)]
    fn with_text(body: &JsValue, field: &JsValue, text: &str) -> JsValue;
    #[wasm_bindgen(js_name = get)]
    fn get(body: &JsValue, field: &JsValue) -> JsValue;
    #[wasm_bindgen(js_name = kind)]
    fn kind(body: &JsValue, field: &JsValue) -> u8;
    /// In one call: an array that is filled from here costs a call for each element.
    #[wasm_bindgen(js_name = array)]
    pub(crate) fn array(values: Vec<JsValue>) -> Array;
    #[wasm_bindgen(js_name = toJson)]
    pub(crate) fn to_json(value: &JsValue) -> JsString;
    #[wasm_bindgen(js_name = pack)]
    pub(crate) fn pack(head: &str, bodies: Vec<JsValue>) -> JsString;
    #[wasm_bindgen(js_name = headOf, catch)]
    pub(crate) fn head_of(text: &JsValue) -> Result<Vec<u8>, JsValue>;
    #[wasm_bindgen(js_name = bodiesOf, catch)]
    pub(crate) fn bodies_of(text: &JsValue) -> Result<Vec<JsValue>, JsValue>;
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

    fn of(fields: &[(&str, Scalar)]) -> Self {
        let value = |value: &Scalar| match value {
            Scalar::Null => JsValue::NULL,
            Scalar::Boolean(value) => (*value).into(),
            Scalar::Number(value) => (*value).into(),
            Scalar::String(text) => (&**text).into(),
        };
        let entry = |(name, of): &(&str, Scalar)| names::with(name, |name| Array::of2(name, &value(of)));
        let entries: Array = fields.iter().map(entry).collect();
        // It fails for what is no list of pairs.
        Self(js_sys::Object::from_entries(&entries).unwrap_or_default().into())
    }

    fn of_fields(fields: &serde_json::Map<String, serde_json::Value>) -> Self {
        // What JSON wrote, JSON reads.
        let text = serde_json::to_string(fields).unwrap_or_default();
        Self(js_sys::JSON::parse(&text).unwrap_or_else(|_| js_sys::Object::new().into()))
    }

    fn fields(&self) -> Vec<String> {
        strings(&js_sys::Object::keys(self.0.unchecked_ref::<js_sys::Object>()))
    }

    fn kind(&self, field: &str) -> Option<Kind> {
        kind_of(names::with(field, |field| kind(&self.0, field)))
    }

    fn outline(&self, names: &[String]) -> Outline {
        let text = names::with_all(names, |names| outline(&self.0, names));
        let (kinds, unknown) = text.split_at(names.len());
        Outline {
            kinds: kinds.bytes().map(|digit| kind_of(digit - b'0')).collect(),
            unknown: (!unknown.is_empty()).then(|| unknown.to_owned()),
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
            Self(record_of(
                &self.0,
                id,
                &statuses[metadata.status as usize],
                metadata.local_updated_at.map(number),
                metadata.server_updated_at.map(number),
                metadata.sync_id.as_deref(),
                metadata.deleted,
                metadata.version.map(number),
            ))
        })
    }

    fn records(rows: &[(&Self, &str, SyncMetadata)]) -> Vec<Self> {
        // An id is whatever the server says: one with a line's end in it is made the long way. So are a few records.
        if rows.len() < BATCH_MIN || rows.iter().any(|(_, id, _)| id.contains('\n')) {
            return rows.iter().map(|(body, id, metadata)| body.record(id, metadata)).collect();
        }
        let bodies = rows.iter().map(|(body, _, _)| body.0.clone()).collect();
        let mut words = String::with_capacity(rows.len() * 64);
        let mut numbers = Vec::with_capacity(rows.len() * 5);
        for (_, id, metadata) in rows {
            words.push_str(id);
            words.push('\n');
            words.push_str(metadata.sync_id.as_deref().unwrap_or_default());
            words.push('\n');
            let or_nan = |value: Option<u64>| value.map_or(f64::NAN, number);
            numbers.extend([
                f64::from(metadata.status as u8),
                or_nan(metadata.local_updated_at),
                or_nan(metadata.server_updated_at),
                f64::from(u8::from(metadata.deleted)),
                or_nan(metadata.version),
            ]);
        }
        let statuses = STATUSES.with(|statuses| statuses.to_vec());
        records_of(bodies, &words, &numbers, statuses).into_iter().map(Self).collect()
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

/// From so many records on, making them together is quicker than making each.
const BATCH_MIN: usize = 4;

thread_local! {
    /// In the order in which the type declares them. Made once: a string that crosses the boundary is copied and decoded each time.
    static STATUSES: [JsValue; 4] =
        [SyncStatus::Synced, SyncStatus::Modified, SyncStatus::PendingUpload, SyncStatus::Conflict]
            .map(|status| status.as_str().into());
}

/// What `values.js` means by a kind's number.
fn kind_of(number: u8) -> Option<Kind> {
    match number {
        0 => None,
        1 => Some(Kind::Null),
        2 => Some(Kind::Boolean),
        3 => Some(Kind::Number),
        4 => Some(Kind::String),
        5 => Some(Kind::Array),
        _ => Some(Kind::Object),
    }
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
